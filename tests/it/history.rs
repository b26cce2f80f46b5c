//! `/v1`: the history and the people in it.

use keyturner::clock::UnixMillis;
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::{CompletionStatus, IdType, LockAction, LockState, Trigger};
use keyturner::store::{HistoryFilter, HistoryRow, UserKind, UserRow};
use serde_json::{Value, json};

use crate::http_support::{FRONT, NOW, Server, TOKEN};

fn row(id: i64) -> HistoryRow {
    HistoryRow {
        id,
        nuki_id: FRONT,
        lock_name: "Front".into(),
        device_type: 4,
        auth_id: Some(5),
        auth_type: Some(IdType::Keypad),
        auth_name: Some("Nuki Keypad".into()),
        user_name: Some("Zoë".into()),
        code_id: Some(12),
        code_name: Some("Zoë".into()),
        action: Some(LockAction::Unlock),
        trigger: Some(Trigger::System),
        completion_status: Some(CompletionStatus::Success),
        kind: "keypad_action".into(),
        kind_code: None,
        method: "code".into(),
        attribution: "matched".into(),
        reason: None,
        auto_unlock: false,
        presses: 0,
        log_index: Some(77),
        device_time: DeviceTime::from_unix_seconds(NOW.seconds() - 1),
        observed_at: NOW,
        at: NOW,
        state_before: Some(LockState::Locked),
        state_after: Some(LockState::Unlocked),
        backfilled: false,
        intent_id: None,
        detail: None,
        refused: false,
        answered_by: None,
    }
}

/// A door, a log switch or the like: nobody's, and no action of the lock.
fn nobodys(kind: &str, kind_code: Option<u8>) -> HistoryRow {
    HistoryRow {
        auth_id: None,
        auth_type: None,
        auth_name: None,
        user_name: None,
        code_id: None,
        code_name: None,
        action: None,
        trigger: None,
        completion_status: None,
        kind: kind.into(),
        kind_code,
        method: "device".into(),
        attribution: "nobody".into(),
        ..row(1)
    }
}

async fn first(server: &Server, row: HistoryRow) -> Value {
    *server.records.rows.lock().unwrap() = vec![row];
    server.get("/v1/history").await.json()[0].clone()
}

#[tokio::test]
async fn an_entry_has_the_web_apis_names_and_numbers() {
    let server = Server::start().await;
    assert_eq!(
        first(&server, row(9)).await,
        json!({
            "id": "9", "smartlockId": (4_u64 << 32) + u64::from(FRONT), "nukiId": FRONT, "deviceType": 4,
            "authId": 5, "authType": 13, "name": "Zoë", "codeId": 12, "codeName": "Zoë",
            "action": 1, "trigger": 255, "source": 1, "state": 0, "autoUnlock": false,
            "date": "2024-04-06T06:03:01.000Z", "deviceTimestamp": "2024-04-06T06:03:00+00:00", "eventId": 77,
            "kind": "keypad_action", "method": "code", "attribution": "matched", "refused": false, "backfilled": false,
        })
    );
}

#[tokio::test]
async fn a_wrong_code_stands_there_as_refused() {
    let server = Server::start().await;
    let wrong = HistoryRow {
        completion_status: Some(CompletionStatus::InvalidCode),
        auth_id: Some(5),
        user_name: None,
        code_id: None,
        code_name: None,
        method: "unknown".into(),
        attribution: "nobody".into(),
        ..row(1)
    };
    let entry = first(&server, wrong).await;
    assert_eq!(
        (&entry["state"], &entry["trigger"], &entry["refused"], &entry["name"]),
        (&json!(224), &json!(255), &json!(true), &json!(""))
    );
}

#[tokio::test]
async fn events_that_are_no_action_have_the_web_apis_numbers() {
    let server = Server::start().await;
    for (kind, code, action) in [
        ("door", Some(0), 240),
        ("door", Some(1), 241),
        ("door", Some(2), 242),
        ("ring", None, 224),
        ("firmware_update", None, 243),
        ("door_sensor_logging", Some(1), 250),
        ("door_sensor_logging", Some(0), 251),
        ("initialisation", None, 252),
        ("calibration", None, 253),
        ("logging", Some(1), 254),
        ("logging", Some(0), 255),
    ] {
        let entry = first(&server, nobodys(kind, code)).await;
        assert_eq!((&entry["action"], &entry["state"]), (&json!(action), &json!(0)), "{kind} {code:?}");
        assert_eq!(entry["name"], "");
        assert!(entry.get("authId").is_none() && entry.get("authType").is_none());
    }
    let gap = first(&server, nobodys("gap", None)).await;
    assert!(gap.get("action").is_none() && gap.get("state").is_none(), "nothing is claimed about a gap: {gap}");
}

#[tokio::test]
async fn what_is_not_known_says_why() {
    let server = Server::start().await;
    let unknown = HistoryRow {
        attribution: "unknown".into(),
        reason: Some("pin_missing".into()),
        ..nobodys("state_change", None)
    };
    let entry = first(&server, unknown).await;
    assert_eq!((&entry["attribution"], &entry["attributionReason"]), (&json!("unknown"), &json!("pin_missing")));
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let server = Server::start().await;
    *server.records.rows.lock().unwrap() = (1..=45).map(row).collect();
    let mut seen = Vec::new();
    let mut target = "/v1/history".to_owned();
    loop {
        let page = server.get(&target).await.json();
        let ids: Vec<i64> =
            page.as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().parse().unwrap()).collect();
        let Some(last) = ids.last() else { break };
        target = format!("/v1/history?id={last}");
        seen.extend(ids);
    }
    assert_eq!(seen, (1..=45).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn every_filter_reaches_the_store() {
    let server = Server::start().await;
    let query = "nukiId=3C8862ED&authId=5&codeId=12&action=3&fromDate=2024-04-06T06:03:01Z\
                 &toDate=2024-04-06T08:03:01.5%2B02:00&id=99&limit=50";
    assert_eq!(server.get(&format!("/v1/history?{query}")).await.status, 200);
    assert_eq!(server.get("/v1/users/5/history?authId=6").await.status, 200);
    assert_eq!(server.get("/v1/history?nukiId=5&toDate=2024-04-06T08:03:01+02:00").await.status, 200);
    let expected = HistoryFilter {
        nuki_id: Some(FRONT),
        auth_id: Some(5),
        code_id: Some(12),
        action: Some(3),
        from: Some(NOW),
        to: Some(UnixMillis(NOW.0 + 500)),
        before_id: Some(99),
        limit: 50,
        ..HistoryFilter::default()
    };
    let of_user = HistoryFilter { auth_id: Some(5), limit: 20, ..HistoryFilter::default() };
    let gone = HistoryFilter { nuki_id: Some(5), to: Some(NOW), limit: 20, ..HistoryFilter::default() };
    assert_eq!(*server.records.asked.lock().unwrap(), [expected, of_user, gone]);
}

#[tokio::test]
async fn a_bad_parameter_is_named_with_what_to_do() {
    let server = Server::start().await;
    for (target, parameter) in [
        ("/v1/history?limit=0", "limit"),
        ("/v1/history?limit=51", "limit"),
        ("/v1/history?LIMIT=x", "limit"),
        ("/v1/history?id=-1", "id"),
        ("/v1/history?id=", "id"),
        ("/v1/history?nukiId=front", "nukiId"),
        ("/v1/history?authId=4294967296", "authId"),
        ("/v1/history?codeId=65536", "codeId"),
        ("/v1/history?action=open", "action"),
        ("/v1/history?action=240", "action"),
        ("/v1/history?fromDate=yesterday", "fromDate"),
        ("/v1/history?toDate=2024-04-06T06:03:01", "toDate"),
        ("/v1/users/anna/history", "auth_id in the path"),
        ("/v1/users?nukiId=zz", "nukiId"),
    ] {
        let reply = server.get(target).await;
        assert_eq!((reply.status, reply.headers["content-type"].as_str()), (400, "application/json"), "{target}");
        let problem = reply.json();
        assert_eq!(
            (&problem["error"], &problem["parameter"]),
            (&json!("bad_parameter"), &json!(parameter)),
            "{target}"
        );
        assert!(!problem["message"].as_str().unwrap().is_empty() && !problem["hint"].as_str().unwrap().is_empty());
    }
    assert!(server.records.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn without_a_token_there_is_only_401_and_no_hint_about_the_parameters() {
    let server = Server::start().await;
    for target in ["/v1/history?limit=x", "/v1/users", "/v1/users/anna/history"] {
        let reply = server.raw(&format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        assert_eq!((reply.status, &reply.json()["error"]), (401, &json!("unauthorized")), "{target}");
    }
    let request = format!("DELETE /v1/history?token={TOKEN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(server.raw(&request).await.status, 405);
    assert_eq!(server.get("/v1/nothing").await.status, 404);
}

#[tokio::test]
async fn users_are_listed_with_codes_and_never_digits() {
    let server = Server::start().await;
    let anna = UserRow {
        nuki_id: FRONT,
        kind: UserKind::Authorization { auth_id: 5, id_type: IdType::App, remote_allowed: true },
        name: "Anna".into(),
        enabled: true,
        created: None,
        last_active: None,
        lock_count: 0,
        time_limit: None,
        valid_from: NOW,
        valid_until: None,
    };
    let code = UserRow { kind: UserKind::KeypadCode { code_id: 12 }, name: "Zoë".into(), ..anna.clone() };
    let gone = UserRow { nuki_id: 7, valid_until: Some(NOW), ..anna.clone() };
    *server.records.users.lock().unwrap() = vec![anna, code, gone];
    let since = "2024-04-06T06:03:01.000Z";
    let expected = json!([
        {"nukiId": FRONT, "authId": 5, "type": 0, "name": "Anna", "enabled": true, "validFrom": since},
        {"nukiId": FRONT, "codeId": 12, "type": 13, "name": "Zoë", "enabled": true, "validFrom": since},
        {"nukiId": 7, "authId": 5, "type": 0, "name": "Anna", "enabled": true, "validFrom": since, "validUntil": since},
    ]);
    assert_eq!(server.get("/v1/users").await.json(), expected);
    assert_eq!(server.get("/v1/users?nukiId=7").await.json().as_array().unwrap().len(), 1);
}
