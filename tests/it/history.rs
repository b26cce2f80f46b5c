//! `/v1`: entries of the history, its filters and its pages.

use std::collections::BTreeMap;

use keyturner::attribution::{Attribution, Event, EventKind, Method, UnknownReason, Who};
use keyturner::clock::UnixMillis;
use keyturner::protocol::{CompletionStatus, DoorEvent, IdType, LockState};
use keyturner::store::{Batch, Keep, LockClock, Observation, RetentionRules};
use serde_json::{Value, json};

use crate::http_support::{Reply, Server};
use crate::store::{LOCK, NOW, batch, by_app, by_code, events, lock_row, pending, states, without_entry};

fn wrong_code(log_index: u32) -> Event {
    Event {
        completion_status: Some(CompletionStatus::InvalidCode),
        who: Who { auth_id: Some(9), auth_type: Some(IdType::Keypad), ..Who::default() },
        method: Method::Unknown,
        attribution: Attribution::Nobody,
        change: None,
        ..by_code(log_index)
    }
}

async fn with(list: Vec<Event>) -> Server {
    let server = Server::start().await;
    server.commit(&events(100, list)).await;
    server
}

async fn first(server: &Server) -> Value {
    server.get("/v1/history").await.json()["events"][0].clone()
}

pub(crate) fn ids(reply: &Reply) -> Vec<i64> {
    let body = reply.json();
    let entries = body["events"].as_array().unwrap();
    entries.iter().map(|entry| entry["id"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn an_entry_has_the_web_apis_names_and_numbers_and_ours() {
    let server = Server::start().await;
    let clock = Some(LockClock { skew: -1500, zone_offset: 60 });
    server.commit(&Batch { clock, ..events(100, vec![by_code(4)]) }).await;
    assert_eq!(
        first(&server).await,
        json!({
            "id": "1", "smartlockId": (4_u64 << 32) + u64::from(LOCK), "nukiId": LOCK, "deviceType": 4,
            "authId": 9, "authType": 13, "name": "Cleaner", "codeId": 1, "codeName": "Cleaner",
            "action": 1, "trigger": 255, "source": 1, "state": 0, "completionStatus": "success", "autoUnlock": false,
            "date": "2026-11-23T14:05:13.000Z", "deviceTime": "2026-11-23T14:05:13",
            "observedAt": "2026-11-23T14:06:49.000Z", "zoneOffset": 60, "clockSkew": -1500, "eventId": 4,
            "kind": "keypad_action", "method": "code", "attribution": "matched", "refused": false, "backfilled": false,
        })
    );
}

#[tokio::test]
async fn a_wrong_code_stands_there_as_refused_and_as_nobodys() {
    let server = with(vec![wrong_code(1)]).await;
    let entry = first(&server).await;
    assert_eq!(
        (&entry["state"], &entry["completionStatus"], &entry["trigger"], &entry["refused"], &entry["name"]),
        (&json!(224), &json!("invalid_code"), &json!(255), &json!(true), &json!(""))
    );
}

#[tokio::test]
async fn events_that_are_no_action_have_the_web_apis_numbers() {
    for (kind, action) in [
        (EventKind::Door(DoorEvent::Opened), 240),
        (EventKind::Door(DoorEvent::Closed), 241),
        (EventKind::Door(DoorEvent::Jammed), 242),
        (EventKind::Ring, 224),
        (EventKind::FirmwareUpdate, 243),
        (EventKind::DoorSensorLogging(true), 250),
        (EventKind::DoorSensorLogging(false), 251),
        (EventKind::Initialisation, 252),
        (EventKind::Calibration, 253),
        (EventKind::Logging(true), 254),
        (EventKind::Logging(false), 255),
    ] {
        let server = with(vec![without_entry(kind, Some(1))]).await;
        let entry = first(&server).await;
        assert_eq!((&entry["action"], &entry["state"]), (&json!(action), &json!(0)), "{kind:?}");
        assert_eq!(entry["name"], "");
        assert!(entry.get("authId").is_none() && entry.get("authType").is_none());
    }
    let gap = first(&with(vec![without_entry(EventKind::Gap, Some(1))]).await).await;
    assert!(gap.get("action").is_none() && gap.get("state").is_none(), "nothing is claimed about a gap: {gap}");
}

#[tokio::test]
async fn what_is_not_known_says_why() {
    let unknown = Event { attribution: Attribution::Unknown(UnknownReason::PinMissing), ..pending() };
    let entry = first(&with(vec![unknown]).await).await;
    assert_eq!((&entry["attribution"], &entry["reason"]), (&json!("unknown"), &json!("pin_missing")));
}

#[tokio::test]
async fn a_late_answer_changes_the_entry_and_not_its_number() {
    let server = with(vec![pending()]).await;
    server.commit(&events(101, vec![Event { answers_pending: true, ..by_app(2) }])).await;
    let entry = first(&server).await;
    assert_eq!((&entry["id"], &entry["answeredBy"], &entry["name"]), (&json!("1"), &json!(2), &json!("Anna")));
    assert_eq!(server.get("/v1/events/1").await.json(), entry);
    assert_eq!(server.get("/v1/events/2").await.json(), entry, "the answer's number leads to its question");
    assert_eq!(server.get("/v1/events/3").await.status, 404);
}

#[tokio::test]
async fn what_the_store_itself_recorded_can_be_asked_for_by_its_kind() {
    const DAY: i64 = 24 * 60 * 60;
    let server = Server::start().await;
    server.commit(&events(0, vec![by_app(1), by_code(2)])).await;
    server.commit(&events(20 * DAY, vec![by_app(3)])).await;
    // Else a clock that jumped is suspected.
    for day in 17..=31 {
        let observations = vec![Observation { states: states(LockState::Locked), before: None }];
        server.commit(&Batch { observations, ..batch(day * DAY) }).await;
    }
    let now = UnixMillis(NOW.0 + 31 * DAY * 1000);
    let rules = RetentionRules { events: Keep::Days(30), kinds: BTreeMap::new(), observations: Keep::Forever };
    assert_eq!(server.store.remove_old(&rules, now).await.unwrap().events, 2);
    server.store.erase(&server.database(), &"auth:7".parse().unwrap(), None, now).await.unwrap();
    for (filters, expected) in [
        ("", vec![5, 4, 3]),
        ("kind=retention", vec![4]),
        ("kind=erasure", vec![5]),
        ("kind=erasure&kind=retention", vec![5, 4]),
        ("kind=erasure&authId=7", vec![]),
    ] {
        let reply = server.get(&format!("/v1/history?{filters}")).await;
        assert_eq!(reply.status, 200, "{filters}: {}", reply.body);
        assert_eq!(ids(&reply), expected, "{filters}");
    }
}

#[tokio::test]
async fn every_filter_works() {
    let server = Server::start().await;
    server.store.register_lock(&lock_row(5, "Back door")).await.unwrap();
    let failed = without_entry(EventKind::IntentFailed, None);
    server.commit(&events(100, vec![by_app(1), by_code(2), wrong_code(3), pending(), failed])).await;
    server.commit(&Batch { nuki_id: 5, ..events(100, vec![by_app(6)]) }).await;
    for (filters, expected) in [
        ("", vec![6, 5, 4, 3, 2, 1]),
        ("nukiId=5", vec![6]),
        ("nukiId=2B1C0D0E", vec![5, 4, 3, 2, 1]),
        ("nukiId=723258638&authId=7", vec![1]),
        ("authId=7", vec![6, 1]),
        ("codeId=1", vec![2]),
        ("user=Anna", vec![6, 1]),
        ("user=anna", vec![]),
        ("kind=keypad_action", vec![3, 2]),
        ("kind=keypad_action&kind=state_change", vec![4, 3, 2]),
        ("method=code", vec![2]),
        ("action=1", vec![6, 3, 2, 1]),
        ("refused=true", vec![5, 3]),
        ("refused=false&nukiid=723258638", vec![4, 2, 1]),
        ("attribution=pending", vec![4]),
        ("from=2026-11-23T14:05:10Z&to=2026-11-23T14:05:12Z", vec![3, 2, 1][1..].to_vec()),
        ("from=2026-11-23T15:05:11%2B01:00&to=2026-11-23T15:05:12.001+01:00", vec![3, 2]),
        ("limit=2", vec![6, 5]),
    ] {
        let reply = server.get(&format!("/v1/history?{filters}")).await;
        assert_eq!(reply.status, 200, "{filters}: {}", reply.body);
        assert_eq!(ids(&reply), expected, "{filters}");
    }
    for (target, expected) in [
        ("/v1/users/7/history", vec![6, 1]),
        ("/v1/users/7/history?nukiId=5", vec![6]),
        ("/v1/users/9/history?refused=true", vec![3]),
        ("/v1/users/1/history", vec![]),
        ("/v1/codes/1/history", vec![2]),
        ("/v1/refused", vec![5, 3]),
        ("/v1/refused?kind=keypad_action", vec![3]),
    ] {
        assert_eq!(ids(&server.get(target).await), expected, "{target}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap_while_rows_are_added() {
    for filters in ["limit=7", "limit=7&from=2026-11-23T14:05:00Z", "limit=7&authId=7", "limit=7&kind=lock_action"] {
        let server = with((1..=45).map(by_app).collect()).await;
        let mut seen = Vec::new();
        let mut target = format!("/v1/history?{filters}");
        loop {
            let page = server.get(&target).await;
            seen.extend(ids(&page));
            let body = page.json();
            let Some(next) = body["next"].as_str() else { break };
            // The header leads to the same page, without the credential.
            let link = format!("</v1/history?{filters}&cursor={next}>; rel=\"next\"");
            assert_eq!(page.headers["link"], link);
            target = format!("/v1/history?{filters}&cursor={next}");
            server.commit(&events(200, vec![by_app(1000 + seen.len() as u32)])).await;
        }
        assert_eq!(seen, (1..=45).rev().collect::<Vec<_>>(), "{filters}");
    }
}

#[tokio::test]
async fn a_cursor_serves_its_own_list_alone() {
    let server = with((1..=9).map(by_app).collect()).await;
    let page = server.get("/v1/history?limit=2&authId=7").await.json();
    let cursor = page["next"].as_str().unwrap();
    let mut damaged = cursor.to_owned();
    damaged.replace_range(20..21, if damaged.as_bytes()[20] == b'A' { "B" } else { "A" });
    for (target, status) in [
        (format!("/v1/history?authId=7&limit=5&cursor={cursor}"), 200),
        (format!("/v1/history?limit=2&cursor={cursor}"), 400),
        (format!("/v1/history?limit=2&authId=8&cursor={cursor}"), 400),
        (format!("/v1/history?limit=2&authId=7&from=2026-11-23T14:05:10Z&cursor={cursor}"), 400),
        (format!("/v1/users/7/history?limit=2&cursor={cursor}"), 400),
        (format!("/v1/history?authId=7&cursor={damaged}"), 400),
        (format!("/v1/history?authId=7&cursor={cursor}A"), 400),
        ("/v1/history?authId=7&cursor=".to_owned(), 400),
        ("/v1/history?authId=7&cursor=%00%FF".to_owned(), 400),
    ] {
        let reply = server.get(&target).await;
        assert_eq!(reply.status, status, "{target}: {}", reply.body);
        if status == 400 {
            assert_eq!(reply.json()["parameter"], "cursor", "{target}");
        }
    }
}
