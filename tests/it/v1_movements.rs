//! `/v1/history/counts`: comings and goings by hour.

use keyturner::protocol::{CompletionStatus, LockAction};
use serde_json::{Value, json};

use crate::http_support::Server;
use crate::store::{LOCK, by_app, by_code, events};

const DAY: &str = "from=2026-11-23T00:00:00Z&to=2026-11-24T00:00:00Z";

/// Ten movements between 14:05:10 and 15:05:09 UTC; one of them the next hour, and some that move nothing.
async fn house() -> Server {
    let server = Server::start().await;
    let mut list = Vec::new();
    for (index, code) in (1..).zip([1, 2, 3, 4, 5, 6]) {
        let mut event = by_app(index);
        event.action = Some(LockAction::from_code(code));
        list.push(event);
    }
    list.push(by_code(7));
    let mut refused = by_code(8);
    refused.completion_status = Some(CompletionStatus::InvalidCode);
    let mut pressed = by_app(9);
    pressed.action = Some(LockAction::FobNoAction);
    let mut later = by_app(3_600);
    later.action = Some(LockAction::Lock);
    list.extend([refused, pressed, later]);
    // Seen when the last of them was.
    server.commit(&events(3_600, list)).await;
    server
}

async fn counts(server: &Server, query: &str) -> Value {
    let reply = server.get(&format!("/v1/history/counts?{query}")).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["counts"].clone()
}

#[tokio::test]
async fn what_opened_and_what_locked_is_counted_by_hour_and_what_was_refused_is_not() {
    let server = house().await;
    let hour = |hour: &str, opened: u8, locked: u8| json!({"hour": hour, "opened": opened, "locked": locked});
    let all = [hour("2026-11-23T14:00:00+00:00", 5, 2), hour("2026-11-23T15:00:00+00:00", 0, 1)];
    assert_eq!(counts(&server, DAY).await, json!(all));
    let east = [hour("2026-11-23T19:00:00+05:30", 5, 2), hour("2026-11-23T20:00:00+05:30", 0, 1)];
    assert_eq!(counts(&server, &format!("{DAY}&tz=%2B05:30")).await, json!(east), "in the hours of another clock");
    assert_eq!(counts(&server, &format!("{DAY}&user=Cleaner")).await, json!([hour("2026-11-23T14:00:00+00:00", 1, 0)]));
    for nothing in [
        format!("{DAY}&user=cleaner"),
        format!("{DAY}&nukiId=1"),
        "from=2026-11-22T00:00:00Z&to=2026-11-23T00:00:00Z".to_owned(),
    ] {
        assert_eq!(counts(&server, &nothing).await, json!([]), "{nothing}");
    }
    assert_eq!(counts(&server, &format!("{DAY}&nukiId={LOCK}")).await, json!(all));
    let table = server.get_with(&format!("/v1/history/counts?{DAY}"), "Accept: text/csv\r\n").await;
    assert_eq!(table.body.lines().next(), Some("hour,opened,locked"), "{}", table.body);
}

#[tokio::test]
async fn only_openings_of_an_opener_are_movements() {
    let server = Server::start().await;
    let row = keyturner::store::LockRow { device_type: 2, ..crate::store::lock_row(LOCK, "Street") };
    server.store.register_lock(&row).await.unwrap();
    let with = |(index, code)| {
        let mut event = by_app(index);
        event.action = Some(LockAction::from_code(code));
        event
    };
    server.commit(&events(100, (1..).zip([1, 2, 3, 4, 5]).map(with).collect())).await;
    assert_eq!(counts(&server, DAY).await[0], json!({"hour": "2026-11-23T14:00:00+00:00", "opened": 1, "locked": 0}));
}
