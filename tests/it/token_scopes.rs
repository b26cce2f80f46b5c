//! Tokens with scopes: each client sees and does what its token allows, and nothing else.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keyturner::access::{Access, Scope};
use keyturner::clock::UnixMillis;
use keyturner::gateway::LockSnapshot;
use keyturner::gateway::ScanResult;
use keyturner::http::Token;
use keyturner::http::bridge::{BridgeSettings, Maintenance};
use keyturner::protocol::LockAction;
use keyturner::protocol::beacon::{Family, NukiId};
use keyturner::store::NewIntent;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http_support::{FRONT, NOW, Server, front, gate_for};
use crate::store::{LOCK, by_app, by_code, events};

const BACK: NukiId = 0x2222_2222;
// Some tests rely on it.
const _: () = assert!(FRONT != LOCK && BACK != LOCK);

fn token(name: &str, scopes: &[Scope], locks: Option<&[NukiId]>) -> Token {
    let access = Access::new(scopes.iter().copied(), locks.map(|locks| locks.iter().copied().collect()));
    Token::limited(name, format!("token-{name}"), access, None).unwrap()
}

/// Two locks, and a client for each scope and for some that are narrower.
async fn house() -> Server {
    house_as(BridgeSettings::default()).await
}

/// The same, with an owner who lets clients do this.
async fn house_that_allows<const N: usize>(what: [Maintenance; N]) -> Server {
    house_as(BridgeSettings { allow: BTreeSet::from(what), ..BridgeSettings::default() }).await
}

async fn house_as(settings: BridgeSettings) -> Server {
    let mut tokens: Vec<Token> = Scope::ALL.iter().map(|scope| token(scope.name(), &[*scope], None)).collect();
    tokens.push(token("both", &[Scope::Lock, Scope::Unlock], None));
    tokens.push(token("front", &Scope::ALL, Some(&[FRONT])));
    tokens.push(token("nowhere", &Scope::ALL, Some(&[])));
    tokens.push(token("all", &Scope::ALL, None));
    let server = Server::start_as(settings, gate_for(tokens)).await;
    let back = LockSnapshot { nuki_id: BACK, name: "Back".to_owned(), ..front() };
    let heard = |nuki_id| ScanResult { nuki_id, family: Family::Lock, rssi: Some(-60), last_seen: NOW };
    {
        let mut script = server.doors.script();
        script.locks.insert(BACK, back);
        script.heard = vec![heard(FRONT), heard(BACK)];
    }
    server
}

#[tokio::test]
async fn every_action_needs_its_scopes_and_nothing_moves_without_them() {
    let server = house().await;
    let cases = [
        (1, vec!["unlock", "both", "all", "front"]),
        (2, vec!["lock", "both", "all", "front"]),
        (3, vec!["unlock", "both", "all", "front"]),
        (4, vec!["both", "all", "front"]),
        (5, vec!["both", "all", "front"]),
    ];
    for (action, allowed) in cases {
        for client in ["read", "lock", "unlock", "history", "admin", "both", "all", "front"] {
            let target = format!("/lockAction?nukiId={FRONT}&action={action}");
            let reply = server.bridge_as(&format!("token-{client}"), &target).await;
            let acted: Vec<_> = server.doors.script().acted.drain(..).collect();
            if allowed.contains(&client) {
                assert_eq!(reply.status, 200, "{client} {action}: {}", reply.body);
                let [(nuki_id, done, requester, _)] = acted.as_slice() else { panic!("{acted:?}") };
                assert_eq!((*nuki_id, *done, requester.as_str()), (FRONT, LockAction::from_code(action), client));
            } else {
                assert_eq!(reply.pair(), (403, "HTTP 403 Forbidden"), "{client} {action}");
                assert!(acted.is_empty(), "{client} {action}: {acted:?}");
            }
        }
    }
    for (path, allowed, refused) in [("/lock", "lock", "unlock"), ("/unlock", "unlock", "lock")] {
        let target = format!("{path}?nukiId={FRONT}");
        assert_eq!(server.bridge_as(&format!("token-{allowed}"), &target).await.status, 200);
        assert_eq!(server.bridge_as(&format!("token-{refused}"), &target).await.status, 403);
    }
    assert_eq!(server.doors.script().acted.len(), 2);
}

#[tokio::test]
async fn a_token_that_may_not_even_look_is_a_wrong_one_to_a_client() {
    let server = house().await;
    for target in ["/info".to_owned(), "/list".to_owned(), format!("/lockState?nukiId={FRONT}")] {
        for client in ["lock", "unlock", "history", "admin", "both"] {
            let reply = server.bridge_as(&format!("token-{client}"), &target).await;
            assert_eq!(reply.pair(), (401, "HTTP 401 Unauthorized"), "{client} {target}");
        }
        assert_eq!(server.bridge_as("token-read", &target).await.status, 200, "{target}");
    }
}

#[tokio::test]
async fn what_concerns_the_gateway_needs_admin_at_every_lock() {
    let server = house_that_allows([Maintenance::Reboot, Maintenance::FactoryReset]).await;
    for target in ["/configAuth?enable=1", "/clearlog", "/fwupdate", "/reboot", "/factoryReset"] {
        for client in ["read", "lock", "unlock", "history", "both", "front", "nowhere"] {
            let reply = server.bridge_as(&format!("token-{client}"), target).await;
            assert_eq!(reply.pair(), (403, "HTTP 403 Forbidden"), "{client} {target}");
        }
        assert_eq!(server.host.restarts.load(Ordering::Relaxed), 0, "{target}");
        assert!(!server.store.auth_enabled().await.unwrap(), "{target}");
    }
    for target in ["/configAuth?enable=1", "/clearlog", "/fwupdate", "/reboot"] {
        assert_eq!(server.bridge_as("token-admin", target).await.status, 200, "{target}");
    }
    assert_eq!(server.host.restarts.load(Ordering::Relaxed), 1);
    assert!(server.store.auth_enabled().await.unwrap());
    assert_eq!(server.bridge_as("token-admin", "/factoryReset").await.status, 200);
    assert!(!server.store.auth_enabled().await.unwrap());
}

#[tokio::test]
async fn a_lock_is_forgotten_only_for_an_admin_who_reaches_it() {
    let server = house_that_allows([Maintenance::Unpair]).await;
    let ask = |client: &'static str, id: NukiId| {
        let server = &server;
        async move { server.bridge_as(&format!("token-{client}"), &format!("/unpair?nukiId={id}")).await.status }
    };
    for client in ["read", "lock", "unlock", "history", "both"] {
        assert_eq!(ask(client, FRONT).await, 403, "{client}");
    }
    assert_eq!((ask("front", BACK).await, ask("nowhere", FRONT).await), (404, 404));
    assert!(server.host.keys_forgotten.lock().unwrap().is_empty() && server.doors.script().forgotten.is_empty());
    assert_eq!((ask("front", FRONT).await, ask("admin", BACK).await), (200, 200));
    assert_eq!(*server.host.keys_forgotten.lock().unwrap(), [FRONT, BACK]);
    assert_eq!(server.doors.script().forgotten, [FRONT, BACK]);
}

#[tokio::test]
async fn the_bridges_log_is_for_those_who_may_look_and_tells_of_no_lock_out_of_reach() {
    let server = house().await;
    for lock in [FRONT, BACK] {
        server.bridge_as("token-all", &format!("/lockAction?nukiId={lock}&action=2")).await;
    }
    for client in ["lock", "unlock", "history", "both"] {
        assert_eq!(server.bridge_as(&format!("token-{client}"), "/log").await.status, 403, "{client}");
    }
    let (front, back) = (format!("{FRONT:08X}"), format!("{BACK:08X}"));
    for client in ["read", "admin", "all"] {
        let log = server.bridge_as(&format!("token-{client}"), "/log").await;
        assert!(log.status == 200 && log.body.contains(&front) && log.body.contains(&back), "{client}: {}", log.body);
    }
    let log = server.bridge_as("token-front", "/log").await;
    assert!(log.status == 200 && log.body.contains(&front) && !log.body.contains(&back), "{}", log.body);
}

/// The window hands out a token that may do everything.
#[tokio::test]
async fn only_who_may_do_everything_opens_the_window_for_a_token_that_may() {
    let server = house().await;
    let post = |client: &'static str| {
        let headers = format!("Authorization: Bearer token-{client}\r\nContent-Length: 0\r\n");
        let server = &server;
        async move { server.request("POST", "/v1/bridge/auth", &headers).await }
    };
    for client in ["read", "lock", "unlock", "history", "admin", "both", "front", "nowhere"] {
        let reply = post(client).await;
        assert_eq!((reply.status, &reply.json()["error"]), (403, &json!("forbidden")), "{client}: {}", reply.body);
        assert_eq!(server.request("GET", "/auth", "").await.status, 403, "{client}: the window is shut");
    }
    assert_eq!(post("all").await.status, 200);
    assert_eq!(server.request("GET", "/auth", "").await.status, 200);
}

#[tokio::test]
async fn a_lock_out_of_reach_is_not_there() {
    let server = house().await;
    let list = server.bridge_as("token-front", "/list").await.json();
    let ids: Vec<_> = list.as_array().unwrap().iter().map(|device| device["nukiId"].clone()).collect();
    assert_eq!(ids, [json!(FRONT)]);
    let info = server.bridge_as("token-front", "/info").await.json();
    assert_eq!(info["scanResults"].as_array().unwrap().len(), 1, "{info}");
    assert_eq!(server.bridge_as("token-nowhere", "/list").await.pair(), (200, "[]"));
    for target in ["/lockState?", "/lockAction?action=1&", "/lock?", "/unlock?"] {
        let there = server.bridge_as("token-front", &format!("{target}nukiId={BACK}")).await;
        let nowhere = server.bridge_as("token-front", &format!("{target}nukiId=1")).await;
        assert_eq!((there.pair(), nowhere.pair()), ((404, "HTTP 404 Not Found"), (404, "HTTP 404 Not Found")));
    }
    assert!(server.doors.script().acted.is_empty());
    let clock = server
        .request(
            "POST",
            &format!("/v1/locks/{BACK}/clock"),
            "Authorization: Bearer token-front\r\nContent-Length: 0\r\n",
        )
        .await;
    assert_eq!(clock.status, 404);
    assert!(server.doors.script().clocks_set.is_empty());
    let body = r#"{"name":"Cleaner","digits":"968574"}"#;
    for (method, path) in [("GET", ""), ("POST", ""), ("PATCH", "/1"), ("DELETE", "/1")] {
        let head = format!(
            "Authorization: Bearer token-front\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        );
        let target = format!("/v1/locks/{BACK}/codes{path}");
        let request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{head}Connection: close\r\n\r\n{body}");
        assert_eq!(server.raw(&request).await.status, 404, "{method}");
    }
    assert!(server.doors.script().codes_changed.is_empty());
    for path in ["/v1/health", "/v1/locks"] {
        let answer = server.get_as("token-front", path).await.json();
        assert_eq!(answer["locks"].as_array().unwrap().len(), 1, "{path}");
    }
}

#[tokio::test]
async fn callbacks_tell_who_it_was_at_every_lock_and_need_as_much() {
    let server = house().await;
    for client in ["read", "history", "front", "both"] {
        let token = format!("token-{client}");
        let added = server.bridge_as(&token, "/callback/add?url=http://h:1/x").await;
        assert_eq!((added.status, &added.json()["success"]), (200, &json!(false)), "{client}");
        assert_eq!(server.store.callbacks().await.unwrap(), []);
    }
    assert_eq!(server.bridge_as("token-all", "/callback/add?url=http://h:1/x").await.json()["success"], true);
    let listed = server.bridge_as("token-read", "/callback/list").await;
    assert_eq!(listed.pair(), (200, r#"{"callbacks": []}"#), "URLs hold tokens of others");
    assert_eq!(server.bridge_as("token-read", "/callback/remove?id=0").await.json()["success"], false);
    assert_eq!(server.store.callbacks().await.unwrap().len(), 1);
}

#[tokio::test]
async fn every_route_of_v1_takes_the_scope_that_its_description_names_and_no_other() {
    let server = house().await;
    let api = server.get_as("token-all", "/v1/openapi.json").await.json();
    let mut seen = BTreeSet::new();
    // What an action needs depends on it (`each_client_is_offered_what_it_may_and_no_more_is_done_for_it`), and whoever
    // logs in has no token yet (`page_session`).
    let free = ["/session", "/locks/{nuki_id}/actions/{action}"];
    for (path, item) in api["paths"].as_object().unwrap().iter().filter(|(path, _)| !free.contains(&path.as_str())) {
        for (method, operation) in item.as_object().unwrap() {
            // One of them is enough.
            let needed = operation["security"].as_array().unwrap().iter();
            let needed: BTreeSet<&str> = needed.filter_map(|way| way["bearer"][0].as_str()).collect();
            seen.extend(needed.iter().map(|scope| (*scope).to_owned()));
            let target = format!("/v1{path}").replace("{id}", "1").replace("{auth_id}", "7").replace("{code_id}", "1");
            let target = target.replace("{nuki_id}", &FRONT.to_string());
            for scope in Scope::ALL {
                // A live stream never ends; what it answers to a wrong Accept is enough.
                let accept = if path == "/events" { "Accept: text/csv\r\n" } else { "" };
                // The window for /auth asks for every scope: `only_who_may_do_everything_opens_the_window_for_a_token_that_may`.
                let asks_for_more = path == "/bridge/auth" && needed.contains(scope.name());
                let client = if asks_for_more { "all" } else { scope.name() };
                let headers = format!("Authorization: Bearer token-{client}\r\n{accept}Content-Length: 0\r\n");
                let reply = server.request(&method.to_uppercase(), &target, &headers).await;
                if needed.contains(scope.name()) {
                    assert_ne!((reply.status / 100, reply.status), (4, 403), "{method} {target}: {}", reply.body);
                    assert_ne!(reply.status, 401, "{method} {target}");
                } else {
                    assert_eq!((reply.status, &reply.json()["error"]), (403, &json!("forbidden")), "{scope} {target}");
                }
            }
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["admin", "history", "lock", "read", "unlock"]);
    assert!(server.doors.script().acted.is_empty(), "without a body and a key no lock is asked for anything");
    assert_eq!(server.doors.script().clocks_set, [FRONT], "by the token with the scope admin alone");
    let changed: Vec<String> = server.doors.script().codes_changed.iter().map(|(_, _, who, _)| who.clone()).collect();
    assert_eq!(changed, ["admin"], "the code that was removed without a body");
}

#[tokio::test]
async fn the_history_of_a_lock_out_of_reach_does_not_show_in_any_list() {
    let tokens =
        vec![token("other", &[Scope::History], Some(&[FRONT])), token("here", &[Scope::History], Some(&[LOCK]))];
    let server = Server::start_with(tokens).await;
    let mut failed = by_code(2);
    failed.completion_status = Some(keyturner::protocol::CompletionStatus::InvalidCode);
    server.commit(&events(100, vec![by_app(1), failed])).await;
    let lists = [
        ("/v1/history", "events"),
        ("/v1/refused", "events"),
        ("/v1/refused/counts?from=2026-11-23T00:00:00Z&to=2026-11-24T00:00:00Z", "counts"),
        ("/v1/users/7/history", "events"),
        ("/v1/codes/1/history", "events"),
    ];
    for (target, key) in lists {
        let count = |reply: crate::http_support::Reply| reply.json()[key].as_array().unwrap().len();
        assert!(count(server.get_as("token-here", target).await) > 0, "{target}");
        assert_eq!(count(server.get_as("token-other", target).await), 0, "{target}");
        let named = format!("{target}{}nukiId={LOCK}", if target.contains('?') { '&' } else { '?' });
        assert_eq!(count(server.get_as("token-other", &named).await), 0, "{named}");
    }
    assert_eq!(server.get_as("token-here", "/v1/events/1").await.status, 200);
    assert_eq!(server.get_as("token-other", "/v1/events/1").await.status, 404);
    assert_eq!(server.get_as("token-other", "/v1/users/7").await.status, 404);
    assert_eq!(server.get_as("token-other", "/v1/users").await.json()["users"], json!([]));
    // The edition of an answer is that of its reader.
    let tag = server.get_as("token-here", "/v1/history").await.headers["etag"].clone();
    let headers = format!("Authorization: Bearer token-other\r\nIf-None-Match: {tag}\r\n");
    assert_eq!(server.request("GET", "/v1/history", &headers).await.status, 200);
}

#[tokio::test]
async fn a_token_for_v1_alone_is_known_by_its_digest_and_opens_nothing() {
    let secret = "a-token-of-256-bits-that-nobody-has-written-down";
    let digest = Sha256::digest(secret).into();
    let server = Server::start_with(vec![Token::digest("script", digest, Access::full(), None)]).await;
    assert_eq!(server.get_as(secret, "/v1/health").await.status, 200);
    assert_eq!(server.request("GET", &format!("/v1/health?token={secret}"), "").await.status, 200);
    for path in ["/list", "/info", "/lockAction?action=1&nukiId=1"] {
        assert_eq!(server.bridge_as(secret, path).await.pair(), (401, "HTTP 401 Unauthorized"));
    }
    // Not even with a hash that is made of what is kept.
    let hex: String = Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(server.bridge_as(&hex, "/list").await.status, 401);
    assert_eq!(server.get_as(&hex, "/v1/health").await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_a_wrong_one() {
    let until = NOW.plus(Duration::from_secs(3_600));
    let guest = Token::limited("guest", "token-guest", Access::full(), Some(until)).unwrap();
    let server = Server::start_with(vec![guest]).await;
    assert_eq!(server.bridge_as("token-guest", "/list").await.status, 200);
    tokio::time::advance(Duration::from_secs(3_601)).await;
    assert_eq!(server.bridge_as("token-guest", "/list").await.pair(), (401, "HTTP 401 Unauthorized"));
    assert_eq!(server.get_as("token-guest", "/v1/health").await.status, 401);
}

/// What a live stream says until it ends, or as much as came at once.
async fn listen(server: &Server, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request =
        format!("GET /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    stream
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once_and_its_live_stream_ends_while_others_go_on() {
    let history = || token("history", &[Scope::History], None);
    let server = Server::start_with(vec![history(), token("all", &Scope::ALL, None)]).await;
    let mut stays = listen(&server, "token-history").await;
    let mut goes = listen(&server, "token-all").await;
    assert!(server.gate.set_tokens(vec![history(), token("new", &[Scope::History], None)]));
    server.news.ask_again();
    server.commit(&events(100, vec![by_app(1)])).await;

    let mut rest = Vec::new();
    goes.read_to_end(&mut rest).await.unwrap();
    let rest = String::from_utf8(rest).unwrap();
    assert!(!rest.contains("data:"), "{rest}");
    let mut told = String::new();
    while !told.contains("data:") {
        told.push(char::from(stays.read_u8().await.unwrap()));
    }
    assert_eq!(server.get_as("token-all", "/v1/history").await.status, 401);
    assert_eq!(server.get_as("token-new", "/v1/history").await.status, 200);
    assert_eq!(server.get_as("token-history", "/v1/history").await.status, 200);
    assert!(
        !server.gate.set_tokens(vec![history(), token("new", &[Scope::History], None)]),
        "nobody has lost anything"
    );
    // The same text with fewer rights is another token.
    assert!(server.gate.set_tokens(vec![token("history", &[Scope::Read], None)]));
    assert_eq!(server.get_as("token-history", "/v1/history").await.status, 403);
}

#[tokio::test]
async fn the_client_behind_an_event_stands_in_the_history() {
    let server = Server::start().await;
    let intent =
        NewIntent { nuki_id: LOCK, action: LockAction::Unlock, requester: "doorbell".to_owned(), at: UnixMillis(1) };
    let intent_id = server.store.begin_intent(&intent).await.unwrap();
    let mut opened = by_app(1);
    opened.intent_id = Some(intent_id);
    server.commit(&events(100, vec![opened, by_app(2)])).await;
    let page = server.get("/v1/history").await.json();
    let clients: Vec<_> = page["events"].as_array().unwrap().iter().map(|event| event["client"].clone()).collect();
    assert_eq!(clients, [json!(null), json!("doorbell")]);
    let table = server.get_with("/v1/history", "Accept: text/csv\r\n").await.body;
    assert!(table.lines().next().unwrap().split(',').any(|column| column == "client"), "{table}");
    assert!(table.contains("doorbell"), "{table}");
    assert_eq!(server.get("/v1/events/1").await.json()["client"], "doorbell");
    let row = server.store.live_row(1).await.unwrap().unwrap().entry;
    assert_eq!(row.client.as_deref(), Some("doorbell"), "webhooks and the live stream tell it too");
}

#[tokio::test]
async fn when_each_token_was_used_last_is_known_and_only_of_those_that_were() {
    let server = house().await;
    server.bridge_as("token-read", "/list").await;
    server.bridge_as("token-nonsense", "/list").await;
    server.bridge_as("token-lock", "/list").await;
    let uses = server.gate.take_uses();
    assert_eq!(uses.keys().collect::<Vec<_>>(), ["lock", "read"], "also where the scope was missing");
    assert!(server.gate.take_uses().is_empty());
    server.store.note_token_uses(&uses).await.unwrap();
    server.store.forget_token_use("lock").await.unwrap();
    assert_eq!(server.store.token_uses().await.unwrap().into_keys().collect::<Vec<_>>(), ["read"]);
}

#[tokio::test]
async fn each_client_is_offered_what_it_may_have_done() {
    let keeper = token("keeper", &[Scope::Read, Scope::Lock], None);
    let server = Server::start_with(vec![keeper, token("reader", &[Scope::Read], None)]).await;
    for (client, offered) in [("token-keeper", json!(["lock"])), ("token-reader", json!([]))] {
        let reply = server.get_as(client, "/v1/locks").await;
        assert_eq!(reply.json()["locks"][0]["actions"], offered, "{client}: {}", reply.body);
    }
}
