//! A browser's session: what it takes, how long it counts, where, and what ends it.

use std::time::Duration;

use keyturner::access::{Access, Scope};
use keyturner::http::{Authenticator, DEFAULT_WINDOW, Gate, Peer, PlainTokens, Token};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http_support::{FRONT, NOW, Reply, Server, TOKEN};
use crate::store::{by_app, events};

const HOUR: Duration = Duration::from_secs(3_600);
/// What our own page sends with whatever changes something.
pub(crate) const OWN_PAGE: &str = "Origin: http://x\r\nKeyturner-Page: 1\r\n";

/// A request with a JSON body and no credential but what `headers` hold.
pub(crate) fn request(method: &str, target: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

fn login(token: &str) -> String {
    request("POST", "/v1/session", OWN_PAGE, &json!({ "token": token }).to_string())
}

/// `name=value` of the cookie that an answer sets.
fn cookie(reply: &Reply) -> String {
    reply.headers["set-cookie"].split(';').next().unwrap().to_owned()
}

impl Server {
    /// Logs in; gives the header line that a browser sends from then on.
    pub(crate) async fn log_in(&self, token: &str) -> String {
        let reply = self.raw(&login(token)).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        format!("Cookie: {}\r\n", cookie(&reply))
    }

    async fn status(&self, target: &str, headers: &str) -> u16 {
        self.request("GET", target, headers).await.status
    }
}

fn token(name: &str, scopes: &[Scope]) -> Token {
    Token::limited(name, format!("token-{name}"), Access::new(scopes.iter().copied(), None), None).unwrap()
}

fn peer(address: &str, is_encrypted: bool) -> Peer {
    Peer { address: address.parse().unwrap(), is_local: false, is_encrypted }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_shown_once_is_a_cookie_that_no_script_and_no_other_site_has() {
    let server = Server::start().await;
    let reply = server.raw(&login(TOKEN)).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    assert_eq!(reply.headers["cache-control"], "no-store");
    let described = reply.json();
    assert_eq!(described["name"], "hallway");
    assert_eq!(
        described["scopes"],
        json!(["read", "lock", "unlock", "history"]),
        "no settings, whatever the token may"
    );
    let line = &reply.headers["set-cookie"];
    let (id, attributes) = line.strip_prefix("keyturner=").unwrap().split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict");
    assert!(id.len() == 43 && !reply.body.contains(id), "256 bits, in the cookie alone");
    assert_ne!(id, server.log_in(TOKEN).await.trim_start_matches("Cookie: keyturner=").trim(), "another one each time");

    let shown = format!("Cookie: other=1; keyturner={id} ; third=\r\n");
    let session = server.request("GET", "/v1/session", &shown).await;
    assert_eq!((session.status, &session.json()["ends"]), (200, &described["ends"]));
    for target in ["/v1/history", "/v1/health", "/v1/locks"] {
        assert_eq!(server.status(target, &shown).await, 200, "{target}");
    }
    let uses = server.gate.take_uses();
    assert_eq!(uses.keys().collect::<Vec<_>>(), ["hallway"], "that is a use of the token");
}

#[tokio::test]
async fn over_tls_the_cookie_is_bound_to_host_and_way_and_neither_counts_for_the_other() {
    let server = Server::start().await;
    let (tls, plain) = (peer("192.168.1.7:4000", true), peer("127.0.0.1:4000", false));
    let reply = server.as_if_from(tls, &login(TOKEN)).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let line = &reply.headers["set-cookie"];
    assert!(line.starts_with("__Host-keyturner=") && line.ends_with("; SameSite=Strict; Secure"), "{line}");
    let id = cookie(&reply).split_once('=').unwrap().1.to_owned();
    for (from, name, status) in [
        (tls, "__Host-keyturner", 200),
        (tls, "keyturner", 401),
        (plain, "keyturner", 200),
        (plain, "__Host-keyturner", 401),
    ] {
        let asked = request("GET", "/v1/history", &format!("Cookie: {name}={id}\r\n"), "");
        assert_eq!(server.as_if_from(from, &asked).await.status, status, "{name} {from:?}");
    }
    let twice = format!("Cookie: __Host-keyturner={id}; __Host-keyturner={id}\r\n");
    assert_eq!(
        server.as_if_from(tls, &request("GET", "/v1/history", &twice, "")).await.status,
        401,
        "of two nobody knows"
    );
}

#[tokio::test]
async fn the_cookie_counts_on_no_route_of_the_bridge() {
    let server = Server::start().await;
    let shown = server.log_in(TOKEN).await;
    for target in ["/list", "/info", "/log", "/callback/list", "/configAuth?enable=1", "/reboot", "/clearlog"] {
        assert_eq!(server.status(target, &shown).await, 401, "{target}");
    }
    for target in ["/lock", "/unlock", "/lockAction", "/lockState", "/unpair"] {
        let target = format!("{target}?nukiId={FRONT}&action=3");
        assert_eq!(server.status(&target, &format!("{shown}{OWN_PAGE}")).await, 401, "{target}");
    }
    assert!(server.doors.script().acted.is_empty());
}

#[tokio::test]
async fn another_credential_beside_the_cookie_counts_alone() {
    let server = Server::start_with(vec![token("all", &Scope::ALL), token("few", &[Scope::Read])]).await;
    let shown = server.log_in("token-all").await;
    for (headers, query, status) in [
        ("Authorization: Bearer wrong\r\n", "", 401),
        ("Authorization: Bearer token-few\r\n", "", 403),
        ("", "?token=token-few", 403),
        ("", "?token=wrong", 401),
        ("", "?ts=x&rnr=1&hash=00", 401),
        ("Authorization: Basic eDp5\r\n", "", 200),
    ] {
        assert_eq!(
            server.status(&format!("/v1/history{query}"), &format!("{shown}{headers}")).await,
            status,
            "{headers}{query}"
        );
    }
}

#[tokio::test]
async fn no_session_may_change_settings() {
    let server = Server::start().await;
    let shown = server.log_in(TOKEN).await;
    for (method, target) in [
        ("POST", format!("/v1/locks/{FRONT}/clock")),
        ("GET", format!("/v1/locks/{FRONT}/codes")),
        ("POST", format!("/v1/locks/{FRONT}/codes")),
        ("POST", "/v1/bridge/auth".to_owned()),
    ] {
        let reply = server.raw(&request(method, &target, &format!("{shown}{OWN_PAGE}"), "")).await;
        assert_eq!((reply.status, &reply.json()["error"]), (403, &json!("forbidden")), "{method} {target}");
    }
    assert!(server.doors.script().clocks_set.is_empty() && server.doors.script().codes_changed.is_empty());
}

#[tokio::test]
async fn a_wrong_token_begins_nothing_and_guessing_is_delayed_as_everywhere() {
    let secret = "a-token-of-256-bits-that-nobody-has-written-down";
    let digest = Token::digest("script", Sha256::digest(secret).into(), Access::full(), None);
    let server = Server::start_with(vec![digest, token("all", &Scope::ALL)]).await;
    server.log_in(secret).await;
    for n in 0..20 {
        let reply = server.raw(&login(&format!("guess-{n}"))).await;
        assert_eq!((reply.status, reply.headers.get("set-cookie")), (401, None), "{}", reply.body);
        assert!(!reply.body.contains("guess"), "{}", reply.body);
    }
    let mut statuses = Vec::new();
    for n in 20..23 {
        statuses.push(server.raw(&login(&format!("guess-{n}"))).await);
    }
    assert_eq!(statuses.iter().map(|reply| reply.status).collect::<Vec<_>>(), [401, 429, 429]);
    assert_eq!(statuses[1].headers["retry-after"], "1");
    assert_eq!(server.raw(&login("token-all")).await.status, 429, "a right one from there waits as well");
    server.log_in(secret).await;
}

#[tokio::test]
async fn a_wrong_cookie_is_no_guess_and_delays_nobody() {
    let server = Server::start().await;
    for n in 0..100 {
        assert_eq!(server.status("/v1/history", &format!("Cookie: keyturner=old-{n}\r\n")).await, 401);
    }
    server.log_in(TOKEN).await;
}

#[tokio::test]
async fn what_is_no_cookie_of_ours_is_none() {
    let server = Server::start().await;
    let shown = server.log_in(TOKEN).await;
    let id = shown.trim().rsplit('=').next().unwrap().to_owned();
    let none = [
        String::new(),
        "keyturner".to_owned(),
        "keyturner=".to_owned(),
        "=; ; ;=;".to_owned(),
        format!("Keyturner={id}"),
        format!("xkeyturner={id}"),
        format!("keyturner={id}x"),
        format!("keyturner=\"{id}\""),
        format!("keyturner={}", id.to_uppercase()),
        format!("keyturner={id}; keyturner=other"),
        format!("other=\u{e9}keyturner={id}"),
        "x".repeat(8_000),
    ];
    for text in none {
        assert_eq!(server.status("/v1/history", &format!("Cookie: {text}\r\n")).await, 401, "{text}");
    }
    let two_lines = format!("Cookie: a=1\r\nCookie: b=\u{e9}; keyturner={id}\r\n");
    assert_eq!(server.status("/v1/history", &two_lines).await, 200);
}

#[tokio::test]
async fn only_the_body_that_is_described_is_read_and_only_as_much_as_makes_sense() {
    let server = Server::start().await;
    let post = |headers: &str, body: &str| {
        let text = format!(
            "POST /v1/session HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let server = &server;
        async move { server.raw(&text).await }
    };
    let json_type = "Content-Type: application/json\r\n";
    let right = json!({ "token": TOKEN }).to_string();
    for (headers, body, status) in [
        ("", right.clone(), 415),
        ("Content-Type: text/plain\r\n", right.clone(), 415),
        ("Content-Type: application/x-www-form-urlencoded\r\n", format!("token={TOKEN}"), 415),
        (json_type, format!(r#"{{"token":"{}"}}"#, "x".repeat(2_000)), 413),
        (json_type, String::new(), 400),
        (json_type, r#"{"token":1}"#.to_owned(), 400),
        (json_type, format!(r#"{{"token":"{TOKEN}","more":1}}"#), 400),
        (json_type, format!(r#"{{"token":"{TOKEN}","token":"{TOKEN}"}}"#), 400),
        (json_type, format!(r#"{{"token":"{TOKEN}"}}x"#), 400),
        (json_type, r#"{"token":""}"#.to_owned(), 401),
    ] {
        let reply = post(headers, &body).await;
        assert_eq!((reply.status, reply.headers.get("set-cookie")), (status, None), "{headers}{body}: {}", reply.body);
        assert!(!reply.body.contains(TOKEN), "{}", reply.body);
    }
    let query = server.raw(&request("POST", &format!("/v1/session?token={TOKEN}"), OWN_PAGE, "{}")).await;
    assert_eq!(query.headers.get("set-cookie"), None, "what stands in a URL logs nobody in");
}

#[tokio::test]
async fn where_a_token_could_be_read_on_its_way_the_page_is_told_before_it_asks_for_one() {
    let server = Server::start().await;
    let from = peer("192.168.1.7:4000", false);
    for asked in [request("GET", "/v1/session", "", ""), login(TOKEN)] {
        let reply = server.as_if_from(from, &asked).await;
        assert_eq!((reply.status, &reply.json()["error"]), (403, &json!("not_private")), "{}", reply.body);
        assert!(!reply.headers.contains_key("set-cookie") && reply.json()["hint"].as_str().unwrap().contains("https"));
    }
    let shown = server.log_in(TOKEN).await;
    let stolen = server.as_if_from(from, &request("GET", "/v1/history", &shown, "")).await;
    assert_eq!(stolen.status, 401, "a cookie is as readable as a token");
    let auth = || Authenticator::new(vec![Token::new("hallway", TOKEN).unwrap()], DEFAULT_WINDOW, NOW);
    let always = Server::start_behind(Gate::new(auth(), PlainTokens::Always)).await;
    assert_eq!(always.as_if_from(from, &login(TOKEN)).await.status, 201, "the owner has said so");
    let never = Server::start_behind(Gate::new(auth(), PlainTokens::Never)).await;
    assert_eq!(never.as_if_from(peer("127.0.0.1:1", true), &login(TOKEN)).await.status, 403, "and here the contrary");
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_a_day_after_its_last_use_and_a_month_after_its_first() {
    let server = Server::start().await;
    let unused = server.log_in(TOKEN).await;
    let used = server.log_in(TOKEN).await;
    for _ in 0..30 {
        tokio::time::advance(24 * HOUR - Duration::from_secs(60)).await;
        assert_eq!(server.status("/v1/session", &used).await, 200);
    }
    assert_eq!(server.status("/v1/session", &unused).await, 401, "nobody has used it for a day");
    tokio::time::advance(HOUR / 2 + Duration::from_secs(60)).await;
    assert_eq!(server.status("/v1/session", &used).await, 401, "it is a month old");
    let idle = server.log_in(TOKEN).await;
    tokio::time::advance(24 * HOUR).await;
    assert_eq!(server.status("/v1/session", &idle).await, 401);
}

#[tokio::test]
async fn a_token_has_sixteen_sessions_and_takes_none_from_another() {
    let server = Server::start_with(vec![token("one", &Scope::ALL), token("two", &Scope::ALL)]).await;
    let other = server.log_in("token-two").await;
    let mut mine = Vec::new();
    for _ in 0..17 {
        mine.push(server.log_in("token-one").await);
    }
    let mut lasting = Vec::new();
    for shown in &mine {
        lasting.push(server.status("/v1/session", shown).await == 200);
    }
    assert_eq!(lasting.iter().filter(|lasts| **lasts).count(), 16);
    assert_eq!(server.status("/v1/session", &other).await, 200);
}

/// The live stream of a session, up to the end of its head.
async fn listen(server: &Server, shown: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let asked = format!("GET /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{shown}\r\n");
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    stream
}

async fn rest(mut stream: TcpStream) -> String {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    rest
}

#[tokio::test]
async fn logging_out_ends_one_session_its_cookie_and_its_live_stream() {
    let server = Server::start().await;
    let (mine, others) = (server.log_in(TOKEN).await, server.log_in(TOKEN).await);
    let (goes, mut stays) = (listen(&server, &mine).await, listen(&server, &others).await);
    let reply = server.raw(&request("DELETE", "/v1/session", &format!("{mine}{OWN_PAGE}"), "")).await;
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    assert_eq!(reply.headers["set-cookie"], "keyturner=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    assert!(!rest(goes).await.contains("data:"), "nothing more is told there");
    server.commit(&events(100, vec![by_app(1)])).await;
    let mut told = String::new();
    while !told.contains("data:") {
        told.push(char::from(stays.read_u8().await.unwrap()));
    }
    assert_eq!((server.status("/v1/history", &mine).await, server.status("/v1/history", &others).await), (401, 200));
    let again = server.raw(&request("DELETE", "/v1/session", &format!("{mine}{OWN_PAGE}"), "")).await;
    assert_eq!(again.status, 401, "there is none any more");
}

#[tokio::test]
async fn a_token_that_is_gone_or_changed_takes_its_sessions_and_their_streams_along() {
    let few = || token("few", &[Scope::Read, Scope::History]);
    let server = Server::start_with(vec![token("all", &Scope::ALL), few()]).await;
    let (goes, stays) = (server.log_in("token-all").await, server.log_in("token-few").await);
    let stream = listen(&server, &goes).await;
    // The same text with other rights is another token.
    assert!(server.gate.set_tokens(vec![token("all", &[Scope::Read]), few()]));
    server.news.ask_again();
    assert!(!rest(stream).await.contains("data:"));
    assert_eq!((server.status("/v1/session", &goes).await, server.status("/v1/session", &stays).await), (401, 200));
    server.gate.set_tokens(Vec::new());
    assert_eq!(server.status("/v1/session", &stays).await, 401);
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_a_session_that_is_too_old_tells_nothing_more() {
    let server = Server::start().await;
    let stream = listen(&server, &server.log_in(TOKEN).await).await;
    tokio::time::advance(25 * HOUR).await;
    server.commit(&events(100, vec![by_app(1)])).await;
    assert!(!rest(stream).await.contains("data:"));
}

#[tokio::test]
async fn what_a_session_says_of_itself_fits_its_token() {
    let server = Server::start_with(vec![token("few", &[Scope::Read]), token("admin", &[Scope::Admin])]).await;
    for (name, scopes, health) in [("few", json!(["read"]), 200), ("admin", json!([]), 403)] {
        let shown = server.log_in(&format!("token-{name}")).await;
        let session: Value = server.request("GET", "/v1/session", &shown).await.json();
        assert_eq!((&session["name"], &session["scopes"]), (&json!(name), &scopes));
        assert_eq!(server.status("/v1/health", &shown).await, health);
        assert_eq!(server.status("/v1/history", &shown).await, 403);
    }
}
