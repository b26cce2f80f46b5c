//! `/v1/locks`: how the locks are, and having one do something.

use std::time::Duration;

use keyturner::access::{Access, Scope};
use keyturner::gateway::{ActionOutcome, GatewayError, LockSnapshot, NotDone, WaitFor};
use keyturner::http::Token;
use keyturner::protocol::state::{AccessoryBattery, Battery, KeyturnerStates};
use keyturner::protocol::{CompletionStatus, DoorSensorState, ErrorCode, LockAction, LockState, NukiState};
use keyturner::store::IdempotencyKey;
use serde_json::{Value, json};

use crate::http_support::{FRONT, NOW, Reply, Server, TOKEN, front, states};

const OPENER: u32 = 0x4444_4444;

async fn locks(server: &Server) -> Vec<Value> {
    let reply = server.get("/v1/locks").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["locks"].as_array().unwrap().clone()
}

async fn act(server: &Server, target: &str, key: &str) -> Reply {
    let headers = format!("Authorization: Bearer {TOKEN}\r\nIdempotency-Key: {key}\r\nContent-Length: 0\r\n");
    server.request("POST", target, &headers).await
}

fn opener() -> LockSnapshot {
    let states = KeyturnerStates {
        lock_state: LockState::from_code(3),
        nuki_state: NukiState::Continuous,
        ..states(LockState::Locked)
    };
    LockSnapshot {
        nuki_id: OPENER,
        name: "Street".to_owned(),
        device_type: 2,
        state: Some((states, NOW)),
        last_ring: Some(NOW),
        ..front()
    }
}

#[tokio::test]
async fn a_lock_is_told_as_it_was_read_and_nothing_that_is_not_known() {
    let server = Server::start().await;
    let known = json!({
        "nukiId": FRONT, "name": "Front", "deviceType": 4, "state": 3, "stateName": "unlocked",
        "readAt": "2024-04-06T06:00:51.999Z", "doorSensor": "closed", "batteryCritical": false, "batteryCharging": false,
        "batteryCharge": 96, "actions": ["unlock", "lock", "unlatch", "lock_n_go", "lock_n_go_unlatch"],
    });
    assert_eq!(locks(&server).await, [known]);
    {
        let mut script = server.doors.script();
        let lock = script.locks.get_mut(&FRONT).unwrap();
        let weak = KeyturnerStates {
            battery: Battery(0b1 | 10 << 2),
            accessory_battery: Some(AccessoryBattery(0b11)),
            door_sensor: Some(DoorSensorState::Unavailable),
            ..states(LockState::MotorBlocked)
        };
        (lock.state, lock.has_keypad) = (Some((weak, NOW)), true);
    }
    let weak = locks(&server).await.remove(0);
    assert_eq!(
        (&weak["stateName"], &weak["batteryCritical"], &weak["batteryCharge"]),
        (&json!("motor_blocked"), &json!(true), &json!(20))
    );
    assert_eq!((&weak["keypadBatteryCritical"], weak.get("doorSensor")), (&json!(true), None));
    server.doors.script().locks.get_mut(&FRONT).unwrap().state = None;
    let unread = locks(&server).await.remove(0);
    let keys: Vec<_> = unread.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["actions", "deviceType", "name", "nukiId"]);
}

#[tokio::test]
async fn an_opener_has_its_own_states_and_actions() {
    let server = Server::start().await;
    server.doors.script().locks.insert(OPENER, opener());
    let opener = locks(&server).await.into_iter().find(|lock| lock["nukiId"] == OPENER).unwrap();
    assert_eq!(
        (&opener["stateName"], &opener["isContinuous"], &opener["lastRing"]),
        (&json!("ring_to_open"), &json!(true), &json!("2024-04-06T06:03:01.000Z"))
    );
    assert_eq!((opener.get("doorSensor"), opener.get("batteryCharge")), (None, None), "of that the sources disagree");
    let actions = [
        "activate_ring_to_open",
        "deactivate_ring_to_open",
        "open",
        "activate_continuous_mode",
        "deactivate_continuous_mode",
    ];
    assert_eq!(opener["actions"], json!(actions));
    for (code, action) in (1..).zip(actions) {
        let reply = act(&server, &format!("/v1/locks/{OPENER}/actions/{action}"), action).await;
        assert_eq!(reply.status, 200, "{action}: {}", reply.body);
        let acted = server.doors.script().acted.pop().unwrap();
        assert_eq!((acted.0, acted.1), (OPENER, LockAction::from_code(code)));
    }
    for (lock, action) in [
        (OPENER, "unlock"),
        (FRONT, "open"),
        (FRONT, "full_lock"),
        (FRONT, "none"),
        (FRONT, ""),
        (FRONT, "%FF"),
        (FRONT, "3"),
    ] {
        let reply = act(&server, &format!("/v1/locks/{lock}/actions/{action}"), "k").await;
        assert!(matches!(reply.status, 400 | 404), "{action}: {}", reply.body);
    }
    assert!(server.doors.script().acted.is_empty());
}

#[tokio::test]
async fn each_client_is_offered_what_it_may_and_no_more_is_done_for_it() {
    let clients: [(&[Scope], &[&str]); 4] = [
        (&[Scope::Read], &[]),
        (&[Scope::Read, Scope::Lock], &["lock"]),
        (&[Scope::Read, Scope::Unlock], &["unlock", "unlatch"]),
        (&[Scope::Read, Scope::Lock, Scope::Unlock], &["unlock", "lock", "unlatch", "lock_n_go", "lock_n_go_unlatch"]),
    ];
    let token = |n: usize| {
        Token::limited(format!("{n}"), format!("token-{n}"), Access::new(clients[n].0.iter().copied(), None), None)
            .unwrap()
    };
    let server = Server::start_with((0..clients.len()).map(token).collect()).await;
    for (n, (_, allowed)) in clients.iter().enumerate() {
        let list = server.get_as(&format!("token-{n}"), "/v1/locks").await.json();
        assert_eq!(list["locks"][0]["actions"], json!(allowed));
        for action in ["unlock", "lock", "unlatch", "lock_n_go", "lock_n_go_unlatch"] {
            let headers =
                format!("Authorization: Bearer token-{n}\r\nIdempotency-Key: {n}{action}\r\nContent-Length: 0\r\n");
            let reply = server.request("POST", &format!("/v1/locks/{FRONT}/actions/{action}"), &headers).await;
            let acted = server.doors.script().acted.drain(..).count();
            let expected = if allowed.contains(&action) { (200, 1) } else { (403, 0) };
            assert_eq!((reply.status, acted), expected, "{n} {action}: {}", reply.body);
        }
    }
}

#[tokio::test]
async fn an_action_is_asked_for_once_under_its_key_and_waited_for() {
    let server = Server::start().await;
    let reply = act(&server, &format!("/v1/locks/{FRONT:08X}/actions/unlatch"), "4c1f").await;
    assert_eq!((reply.status, reply.json()), (200, json!({"nukiId": FRONT, "action": "unlatch"})));
    assert_eq!(reply.headers["cache-control"], "private, no-cache");
    let script = server.doors.script();
    assert_eq!(script.acted, [(FRONT, LockAction::Unlatch, "hallway".to_owned(), WaitFor::Completed)]);
    assert_eq!(script.keys, [Some(IdempotencyKey::of(b"4c1f"))]);
}

#[tokio::test]
async fn without_a_key_nothing_is_done() {
    let server = Server::start().await;
    let long = "k".repeat(256);
    for key in [
        String::new(),
        "Idempotency-Key: \r\n".to_owned(),
        format!("Idempotency-Key: {long}\r\n"),
        "Idempotency-Key: a\r\nIdempotency-Key: b\r\n".to_owned(),
    ] {
        let headers = format!("Authorization: Bearer {TOKEN}\r\n{key}Content-Length: 0\r\n");
        let reply = server.request("POST", &format!("/v1/locks/{FRONT}/actions/unlock"), &headers).await;
        assert_eq!((reply.status, &reply.json()["parameter"]), (400, &json!("Idempotency-Key")), "{key}");
    }
    let get = server.get(&format!("/v1/locks/{FRONT}/actions/unlock")).await;
    assert_eq!((get.status, get.headers["allow"].as_str()), (405, "POST"), "nothing that looks moves a lock");
    assert!(server.doors.script().acted.is_empty());
}

#[tokio::test]
async fn what_became_of_it_is_told_as_it_is() {
    let server = Server::start().await;
    let wait = Duration::from_millis(1_500);
    let cases: [(Result<ActionOutcome, GatewayError>, u16, &str); 14] = [
        (Ok(ActionOutcome::Done), 200, ""),
        (Ok(ActionOutcome::Accepted), 200, ""),
        (Ok(ActionOutcome::NotDone(NotDone::Refused(ErrorCode::Busy))), 409, "not_done"),
        (Ok(ActionOutcome::NotDone(NotDone::Failed(CompletionStatus::MotorBlocked))), 409, "not_done"),
        (Ok(ActionOutcome::NotDone(NotDone::ProvenByLog)), 409, "not_done"),
        (Ok(ActionOutcome::NotDoneBefore), 409, "not_done"),
        (Ok(ActionOutcome::NotDone(NotDone::NotSent)), 503, "unavailable"),
        (Ok(ActionOutcome::Unknown), 410, "unknown_outcome"),
        (Err(GatewayError::Unreachable("no answer".to_owned())), 503, "unavailable"),
        (Err(GatewayError::QueueFull), 503, "unavailable"),
        (Err(GatewayError::Stopping), 503, "unavailable"),
        (Err(GatewayError::UnknownLock(FRONT)), 404, "not_found"),
        (Err(GatewayError::KeyUsed), 422, "key_used"),
        (Err(GatewayError::TooManyKeys(wait)), 429, "too_many_keys"),
    ];
    for (n, (outcome, status, word)) in cases.into_iter().enumerate() {
        server.doors.script().outcome = outcome.clone();
        let reply = act(&server, &format!("/v1/locks/{FRONT}/actions/lock"), &format!("k{n}")).await;
        assert_eq!(reply.status, status, "{outcome:?}: {}", reply.body);
        if status != 200 {
            assert_eq!(reply.json()["error"], word, "{outcome:?}");
            assert!(!reply.json()["hint"].as_str().unwrap().is_empty());
        }
        if status == 429 {
            assert_eq!(reply.headers["retry-after"], "2");
        }
    }
}

#[tokio::test]
async fn what_was_asked_here_stands_in_the_bridges_log_too() {
    let server = Server::start().await;
    act(&server, &format!("/v1/locks/{FRONT}/actions/lock"), "k").await;
    let log = server.get("/log").await.body;
    assert!(log.contains("HTTP-LockActionStart") && log.contains("HTTP-LockActionSuccess"), "{log}");
}
