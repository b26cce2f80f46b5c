//! `/v1/locks`: how each lock is, and nothing made up where nothing was read.

use keyturner::clock::UnixMillis;
use keyturner::gateway::LockSnapshot;
use keyturner::protocol::{LockState, NukiState};
use serde_json::{Value, json};

use crate::http_support::{FRONT, NOW, Server, front, states};

async fn only(server: &Server, lock: LockSnapshot) -> Value {
    server.doors.script().locks.insert(FRONT, lock);
    let reply = server.get("/v1/locks").await;
    assert_eq!((reply.status, reply.headers["cache-control"].as_str()), (200, "private, no-cache"), "{}", reply.body);
    reply.json()["locks"][0].take()
}

#[tokio::test]
async fn a_lock_is_shown_with_its_door_and_its_batteries() {
    let server = Server::start().await;
    let expected = json!({
        "nukiId": FRONT, "name": "Front", "deviceType": 4, "firmwareVersion": "4.2.6",
        "lastKnownState": {"date": UnixMillis(1_712_383_251_999).rfc3339(), "mode": 2, "state": 3, "stateName": "unlocked",
            "batteryCritical": false, "batteryCharging": false, "batteryChargeState": 96,
            "keypadBatteryCritical": false, "doorsensorState": 2, "doorsensorStateName": "door closed"},
        "actions": ["unlock", "lock", "unlatch", "lock_n_go", "lock_n_go_unlatch"],
    });
    let mut shown = only(&server, LockSnapshot { has_keypad: true, ..front() }).await;
    assert_eq!(shown, expected);
    // The same numbers and names as the Bridge API gives.
    let bridge = server.get("/list").await.json()[0]["lastKnownState"].take();
    let state = shown["lastKnownState"].take();
    for (key, value) in state.as_object().unwrap().iter().filter(|(key, _)| *key != "date") {
        assert_eq!(bridge[key], *value, "{key}");
    }
}

#[tokio::test]
async fn what_was_never_read_is_absent() {
    let server = Server::start().await;
    let unread = LockSnapshot { state: None, firmware_version: None, ..front() };
    let mut shown = only(&server, unread).await;
    shown["actions"].take();
    assert_eq!(shown, json!({"nukiId": FRONT, "name": "Front", "deviceType": 4, "actions": null}));
}

#[tokio::test]
async fn an_opener_has_its_own_states_and_its_last_ring() {
    let server = Server::start().await;
    let mut continuous = states(LockState::from(3));
    continuous.nuki_state = NukiState::Continuous;
    let opener = LockSnapshot { device_type: 2, state: Some((continuous, NOW)), last_ring: Some(NOW), ..front() };
    let shown = only(&server, opener).await;
    assert_eq!(shown["ringDate"], NOW.rfc3339());
    assert_eq!(shown["actions"][2], "open", "{shown}");
    assert_eq!(
        shown["lastKnownState"],
        json!({"date": NOW.rfc3339(), "mode": 3, "state": 3, "stateName": "rto active", "batteryCritical": false})
    );
}
