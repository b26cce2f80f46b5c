//! Actions over `/v1`: what is asked of the lock, under which key, and what is answered.

use std::time::Duration;

use keyturner::access::{Access, Scope};
use keyturner::gateway::{ActionOutcome, GatewayError, LockSnapshot, NotDone, WaitFor};
use keyturner::http::Token;
use keyturner::protocol::{CompletionStatus, ErrorCode, LockAction, OpenerAction};
use keyturner::store::IdempotencyKey;
use serde_json::json;

use crate::http_support::{FRONT, Reply, Server, front};

const KEY: &str = "Idempotency-Key: k1\r\n";

impl Server {
    async fn act(&self, action: &str) -> Reply {
        self.send("POST", &format!("/v1/locks/{FRONT}/actions"), KEY, &json!({ "action": action }).to_string()).await
    }

    fn is_untouched(&self) -> bool {
        self.doors.script().acted.is_empty()
    }
}

#[tokio::test]
async fn every_action_reaches_the_lock_once_under_the_tokens_name_and_the_key() {
    let server = Server::start().await;
    for action in
        [LockAction::Unlock, LockAction::Lock, LockAction::Unlatch, LockAction::LockNGo, LockAction::LockNGoUnlatch]
    {
        let reply = server.act(&action.to_string()).await;
        let expected = json!({"nukiId": FRONT, "action": action.to_string(), "outcome": "done"});
        assert_eq!((reply.status, reply.json()), (200, expected), "{}", reply.body);
        assert_eq!(reply.headers["cache-control"], "private, no-cache");
        let mut script = server.doors.script();
        assert_eq!(
            script.acted.drain(..).collect::<Vec<_>>(),
            [(FRONT, action, "hallway".to_owned(), WaitFor::Completed)]
        );
        assert_eq!(script.keys.drain(..).collect::<Vec<_>>(), [Some(IdempotencyKey::of(b"k1"))]);
    }
}

#[tokio::test]
async fn an_opener_takes_its_own_actions_and_a_lock_none_of_them() {
    let server = Server::start().await;
    for action in OpenerAction::KNOWN.iter().filter(|action| **action != OpenerAction::None) {
        let reply = server.act(&action.to_string()).await;
        assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("no_such_action")), "{action}: {}", reply.body);
    }
    assert!(server.is_untouched());
    server.doors.script().locks.insert(FRONT, LockSnapshot { device_type: 2, ..front() });
    for action in OpenerAction::KNOWN.iter().filter(|action| **action != OpenerAction::None) {
        assert_eq!(server.act(&action.to_string()).await.json()["outcome"], "done");
        assert_eq!(server.doors.script().acted.pop().unwrap().1, action.command());
    }
    let reply = server.act("unlock").await;
    assert!(reply.status == 400 && reply.body.contains("an Opener takes open"), "{}", reply.body);
    assert!(server.is_untouched());
}

#[tokio::test]
async fn without_a_key_or_with_a_bad_body_nothing_is_asked_of_the_lock() {
    let server = Server::start().await;
    let target = format!("/v1/locks/{FRONT}/actions");
    let good = r#"{"action":"unlock"}"#;
    for (headers, parameter) in [("", "Idempotency-Key"), ("Idempotency-Key: \r\n", "Idempotency-Key")] {
        let reply = server.send("POST", &target, headers, good).await;
        assert_eq!((reply.status, &reply.json()["parameter"]), (400, &json!(parameter)), "{}", reply.body);
    }
    for body in [
        "",
        "{}",
        r#"{"action":null}"#,
        r#"{"action":3}"#,
        r#"{"action":"unlock","nowait":true}"#,
        r#"{"action":"unlock","action":"lock"}"#,
        r#"{"action":"unlock"} {}"#,
        r#""unlock""#,
    ] {
        let reply = server.send("POST", &target, KEY, body).await;
        assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("bad_body")), "{body}: {}", reply.body);
    }
    for action in ["", "UNLOCK", "none", "full_lock", "fob_action_1", "unlock "] {
        let reply = server.act(action).await;
        assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("no_such_action")), "{action}: {}", reply.body);
    }
    assert_eq!(server.send("POST", "/v1/locks/7/actions", KEY, good).await.status, 404);
    assert_eq!(server.send("POST", "/v1/locks/x/actions", KEY, good).await.status, 400);
    assert_eq!(server.send("POST", &format!("{target}?action=unlock"), KEY, good).await.status, 400);
    assert_eq!(server.get_with(&target, KEY).await.status, 405);
    assert!(server.is_untouched());
}

/// Whatever the lock made of it is no status that anything between repeats by itself.
#[tokio::test]
async fn what_came_of_it_is_said_as_it_is() {
    let server = Server::start().await;
    for (outcome, word, status, words) in [
        (ActionOutcome::NotDone(NotDone::Refused(ErrorCode::MotorBlocked)), "refused", None, "the lock refused: "),
        (
            ActionOutcome::NotDone(NotDone::Failed(CompletionStatus::MotorBlocked)),
            "refused",
            Some("motor_blocked"),
            "ended with motor_blocked",
        ),
        (ActionOutcome::NotDone(NotDone::ProvenByLog), "refused", None, "show that it was not done"),
        (ActionOutcome::NotDoneBefore, "refused", None, "before"),
        (ActionOutcome::Unknown, "unknown", None, "whether it was done cannot be told"),
    ] {
        server.doors.script().outcome = Ok(outcome);
        let reply = server.act("unlatch").await;
        let body = reply.json();
        assert_eq!((reply.status, &body["outcome"]), (200, &json!(word)), "{outcome:?}: {body}");
        assert_eq!(body.get("completionStatus"), status.map(|status| json!(status)).as_ref(), "{body}");
        assert!(body["message"].as_str().unwrap().contains(words), "{body}");
    }
}

#[tokio::test]
async fn what_was_never_sent_is_a_problem_and_may_be_asked_for_again() {
    let server = Server::start().await;
    for (outcome, status, word) in [
        (Ok(ActionOutcome::NotDone(NotDone::NotSent)), 503, "unavailable"),
        (Err(GatewayError::Unreachable("gone".into())), 503, "unavailable"),
        (Err(GatewayError::QueueFull), 503, "unavailable"),
        (Err(GatewayError::Storage("disk full".into())), 503, "unavailable"),
        (Err(GatewayError::Stopping), 503, "unavailable"),
        (Err(GatewayError::KeyUsed), 422, "key_used"),
        (Err(GatewayError::TooManyKeys(Duration::from_secs(7))), 429, "too_many_keys"),
    ] {
        server.doors.script().outcome.clone_from(&outcome);
        let reply = server.act("unlock").await;
        assert_eq!((reply.status, &reply.json()["error"]), (status, &json!(word)), "{outcome:?}: {}", reply.body);
        let retry = reply.headers.get("retry-after").map(String::as_str);
        assert_eq!(retry, [None, Some("7"), Some("30")][[422, 429, 503].iter().position(|s| *s == status).unwrap()]);
    }
}

#[tokio::test]
async fn a_token_does_what_its_scopes_allow_at_this_device_and_nothing_else() {
    let token = |name: &str, scopes: &[Scope]| {
        Token::limited(name, format!("token-{name}"), Access::new(scopes.iter().copied(), None), None).unwrap()
    };
    let server = Server::start_with(vec![
        token("lock", &[Scope::Lock]),
        token("unlock", &[Scope::Unlock]),
        token("both", &[Scope::Lock, Scope::Unlock]),
        token("other", &[Scope::Read, Scope::History, Scope::Admin]),
    ])
    .await;
    for (client, action, lacks) in [
        ("lock", "lock", None),
        ("lock", "unlock", Some("scope unlock")),
        ("lock", "lock_n_go", Some("scope unlock")),
        ("unlock", "unlatch", None),
        ("unlock", "lock", Some("scope lock")),
        ("unlock", "lock_n_go_unlatch", Some("scope lock")),
        ("both", "lock_n_go", None),
        ("other", "lock", Some("scope lock or unlock")),
    ] {
        let body = json!({ "action": action }).to_string();
        let reply = server
            .raw(&format!(
                "POST /v1/locks/{FRONT}/actions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token-{client}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n{KEY}Connection: close\r\n\r\n{body}",
                body.len()
            ))
            .await;
        let acted = server.doors.script().acted.pop().is_some();
        assert_eq!(
            (reply.status, acted),
            if lacks.is_none() { (200, true) } else { (403, false) },
            "{client} {action}"
        );
        let words = lacks.unwrap_or("done");
        assert!(reply.body.contains(words), "{client} {action}: {}", reply.body);
    }
}
