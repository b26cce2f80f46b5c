//! `Idempotency-Key`: which keys there are, how far they reach, and what a client is told.

use std::time::Duration;

use keyturner::gateway::{ActionOutcome, GatewayError};
use keyturner::store::IdempotencyKey;

use crate::http_support::Server;

const ACT: &str = "/lockAction?nukiId=1015571181&action=3";

#[tokio::test]
async fn the_key_goes_along_with_every_action_and_with_nothing_else() {
    let server = Server::start().await;
    let paths = [ACT, "/lock?nukiId=1015571181", "/unlock?nukiId=1015571181"];
    for path in paths {
        assert_eq!(server.get_with(path, "IDEMPOTENCY-KEY: \"8e03-a\"\r\n").await.status, 200, "{path}");
    }
    assert_eq!(server.get(ACT).await.status, 200);
    let key = Some(IdempotencyKey::of(b"\"8e03-a\""));
    assert_eq!(server.doors.script().keys, [key, key, key, None]);
    assert_ne!(key, Some(IdempotencyKey::of(b"\"8e03-A\"")));
    let bad = "Idempotency-Key: a\r\nIdempotency-Key: b\r\n";
    assert_eq!(server.get_with("/list", bad).await.status, 200, "a query is repeated without harm");
}

#[tokio::test]
async fn what_is_no_key_is_refused_before_anything_is_done() {
    let server = Server::start().await;
    let long = format!("Idempotency-Key: {}\r\n", "k".repeat(256));
    for headers in
        ["Idempotency-Key:\r\n", &long, "Idempotency-Key: a\r\nIdempotency-Key: a\r\n", "Idempotency-Key: \u{fc}\r\n"]
    {
        let reply = server.get_with(ACT, headers).await;
        assert_eq!(reply.status, 400, "{headers}");
        assert!(reply.body.contains("1 to 255"), "{}", reply.body);
    }
    assert_eq!(server.doors.script().acted, []);
    let longest = format!("Idempotency-Key: {}\r\n", "k".repeat(255));
    assert_eq!(server.get_with(ACT, &longest).await.status, 200);
}

#[tokio::test]
async fn without_a_token_a_key_says_nothing() {
    let server = Server::start().await;
    let reply = server.request("GET", ACT, "Idempotency-Key:\r\n").await;
    assert_eq!(reply.pair(), (401, "HTTP 401 Unauthorized"));
}

#[tokio::test]
async fn each_answer_to_a_key_is_one_that_no_client_repeats_by_mistake() {
    let server = Server::start().await;
    let key = "Idempotency-Key: k\r\n";
    server.doors.script().outcome = Err(GatewayError::KeyUsed);
    let used = server.get_with(ACT, key).await;
    assert_eq!(used.status, 422);
    assert!(used.body.contains("another action or another lock"), "{}", used.body);
    server.doors.script().outcome = Err(GatewayError::TooManyKeys(Duration::from_millis(1_500)));
    let full = server.get_with(ACT, key).await;
    assert_eq!((full.status, full.headers["retry-after"].as_str()), (429, "2"));
    server.doors.script().outcome = Ok(ActionOutcome::NotDoneBefore);
    let before = server.get_with(ACT, key).await;
    assert_eq!(before.pair(), (200, r#"{"success": false, "batteryCritical": false}"#));
}
