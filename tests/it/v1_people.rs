//! `/v1`: people, codes, what they did, and what was refused.

use keyturner::attribution::{Attribution, Event, Method, Who};
use keyturner::clock::UnixMillis;
use keyturner::protocol::users::{AuthorizationEntry, KeypadCode};
use keyturner::protocol::{CompletionStatus, IdType, LockAction};
use keyturner::store::Batch;
use serde_json::json;

use crate::http_support::Server;
use crate::store::{LOCK, NOW, by_app, by_code, device_time, events, lock_row};

fn anna(name: &str) -> AuthorizationEntry {
    AuthorizationEntry {
        auth_id: 7,
        id_type: IdType::App,
        name: name.to_owned(),
        enabled: true,
        remote_allowed: true,
        created: None,
        last_active: None,
        lock_count: 3,
        time_limit: None,
    }
}

fn cleaner() -> KeypadCode {
    KeypadCode {
        code_id: 1,
        name: "Cleaner".to_owned(),
        enabled: true,
        created: None,
        last_active: None,
        lock_count: 0,
        time_limit: None,
    }
}

fn later(seconds: i64) -> UnixMillis {
    UnixMillis(NOW.0 + seconds * 1000)
}

async fn house() -> Server {
    let server = Server::start().await;
    server.store.register_lock(&lock_row(5, "Back door")).await.unwrap();
    server.store.replace_users(LOCK, &[anna("Anna")], NOW).await.unwrap();
    server.store.replace_users(LOCK, &[anna("Anna B.")], later(60)).await.unwrap();
    server.store.replace_users(5, &[anna("Ben")], NOW).await.unwrap();
    server.store.replace_keypad_codes(LOCK, &[cleaner()], NOW).await.unwrap();
    server
}

#[tokio::test]
async fn people_and_codes_are_listed_now_and_formerly_and_never_with_digits() {
    let server = house().await;
    let (since, renamed) = ("2026-11-23T14:05:09.000Z", "2026-11-23T14:06:09.000Z");
    let front = json!([
        {"nukiId": LOCK, "authId": 7, "type": 0, "name": "Anna", "enabled": true, "validFrom": since, "validUntil": renamed},
        {"nukiId": LOCK, "authId": 7, "type": 0, "name": "Anna B.", "enabled": true, "validFrom": renamed},
        {"nukiId": LOCK, "codeId": 1, "type": 13, "name": "Cleaner", "enabled": true, "validFrom": since},
    ]);
    assert_eq!(server.get(&format!("/v1/users?nukiId={LOCK}")).await.json(), json!({"users": front}));
    assert_eq!(server.get("/v1/users").await.json()["users"].as_array().unwrap().len(), 4);
    assert_eq!(server.get("/v1/codes").await.json(), json!({"codes": [front[2]]}));
    assert_eq!(
        server.get_with("/v1/codes", "Accept: text/csv\r\n").await.body,
        format!(
            "nukiId,authId,codeId,type,name,enabled,validFrom,validUntil\r\n{LOCK},,1,13,Cleaner,true,{since},\r\n"
        )
    );
}

#[tokio::test]
async fn a_number_tells_who_it_is_at_each_lock_and_what_they_did() {
    let server = house().await;
    let locked = Event { action: Some(LockAction::Lock), ..by_app(2) };
    let blocked = Event { completion_status: Some(CompletionStatus::MotorBlocked), ..by_app(3) };
    server.commit(&events(100, vec![by_app(1), locked, blocked, by_code(4)])).await;
    server.commit(&Batch { nuki_id: 5, ..events(100, vec![by_app(9)]) }).await;
    let body = server.get("/v1/users/7").await.json();
    assert_eq!(body["locks"].as_array().unwrap().len(), 2, "numbers count per lock: {body}");
    let front = server.get(&format!("/v1/users/7?nukiId={LOCK}")).await.json()["locks"][0].clone();
    assert_eq!(front, body["locks"][1]);
    assert_eq!(front["intervals"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&front["firstSeen"], &front["lastSeen"]),
        (&json!("2026-11-23T14:05:10.000Z"), &json!("2026-11-23T14:05:11.000Z")),
        "a refused attempt proves nobody's presence"
    );
    assert_eq!(front["refused"], 1);
    assert_eq!(front["actions"], json!({"unlock": {"done": 1, "refused": 1}, "lock": {"done": 1, "refused": 0}}));

    let code = server.get("/v1/codes/1").await.json();
    assert_eq!(code["locks"][0]["intervals"][0]["name"], "Cleaner");
    assert_eq!(code["locks"][0]["actions"], json!({"unlock": {"done": 1, "refused": 0}}));
    for target in ["/v1/users/8", "/v1/codes/2", "/v1/codes/1?nukiId=5"] {
        assert_eq!(server.get(target).await.status, 404, "{target}");
    }
}

#[tokio::test]
async fn whoever_is_in_no_list_is_still_known_by_their_events() {
    let server = Server::start().await;
    server.commit(&events(100, vec![by_app(1)])).await;
    let body = server.get("/v1/users/7").await.json();
    assert_eq!((&body["locks"][0]["intervals"], &body["locks"][0]["nukiId"]), (&json!([]), &json!(LOCK)));
}

#[tokio::test]
async fn refused_attempts_are_counted_by_source_and_hour() {
    let server = Server::start().await;
    let at = |index: u32, minutes: i64, event: Event| Event {
        log_index: Some(index),
        device_time: device_time(minutes * 60),
        ..event
    };
    let guess = |completion_status| Event {
        completion_status: Some(completion_status),
        who: Who::default(),
        method: Method::Unknown,
        attribution: Attribution::Nobody,
        ..by_code(0)
    };
    let blocked = Event { completion_status: Some(CompletionStatus::MotorBlocked), ..by_app(0) };
    // 14:05:09 is where the minutes begin.
    server
        .commit(&events(
            100,
            vec![
                at(1, 0, guess(CompletionStatus::InvalidCode)),
                at(2, 54, guess(CompletionStatus::InvalidCode)),
                at(3, 55, guess(CompletionStatus::InvalidCode)),
                at(4, 56, guess(CompletionStatus::InvalidFingerprint)),
                at(5, 57, blocked),
                at(6, 58, by_code(0)),
            ],
        ))
        .await;
    let range = "from=2026-11-23T14:00:00Z&to=2026-11-23T16:00:00Z";
    let count = |hour: &str, source: &str, count: i64| json!({"hour": hour, "source": source, "count": count});
    let body = server.get(&format!("/v1/refused/counts?{range}")).await.json();
    assert_eq!((&body["from"], &body["to"]), (&json!("2026-11-23T14:00:00.000Z"), &json!("2026-11-23T16:00:00.000Z")));
    assert_eq!(
        body["counts"],
        json!([
            count("2026-11-23T14:00:00+00:00", "code", 2),
            count("2026-11-23T15:00:00+00:00", "app", 1),
            count("2026-11-23T15:00:00+00:00", "code", 1),
            count("2026-11-23T15:00:00+00:00", "fingerprint", 1),
        ])
    );
    let india = server.get(&format!("/v1/refused/counts?{range}&tz=%2B05:30")).await.json();
    assert_eq!(india["counts"][0], count("2026-11-23T19:00:00+05:30", "code", 1));
    assert_eq!(india["counts"][2], count("2026-11-23T20:00:00+05:30", "code", 2));
    let table = server.get_with(&format!("/v1/refused/counts?{range}&nukiId=5"), "Accept: text/csv\r\n").await;
    assert_eq!(table.body, "hour,source,count\r\n");
    // Without a range the last week before now; the script's now is years before.
    let recent = server.get("/v1/refused/counts").await.json();
    for (end, begins) in [("from", "2024-03-30T06:03:0"), ("to", "2024-04-06T06:03:0")] {
        assert!(recent[end].as_str().unwrap().starts_with(begins), "{recent}");
    }
    assert_eq!(recent["counts"], json!([]));
}
