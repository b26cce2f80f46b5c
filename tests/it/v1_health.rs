//! `/v1/health` and what can be set at a lock: honest about each part, in words that say what to do.

use std::time::Duration;

use keyturner::gateway::{GatewayError, LockHealth, LogAccess, RadioHealth};
use keyturner::store::{AddWebhook, NewWebhook, WebhookFilter};

use crate::http_support::{FRONT, Server, clock, known};
use crate::store::{NOW, by_app, events};

async fn attention(server: &Server) -> (String, Vec<String>) {
    let health = server.get("/v1/health").await.json();
    let lock = &health["locks"][0];
    let words = lock["attention"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned());
    (health["status"].as_str().unwrap().to_owned(), words.collect())
}

#[tokio::test]
async fn all_is_well_and_the_head_of_the_chain_is_there_to_be_kept() {
    let server = Server::start().await;
    server.commit(&events(1, vec![by_app(1), by_app(2)])).await;
    let health = server.get("/v1/health").await.json();
    assert_eq!(health["status"], "ok", "{health}");
    let head = server.store.chain_head().await.unwrap();
    assert_eq!((&health["chainHead"]["id"], &health["newestEvent"]), (&2.into(), &2.into()));
    assert_eq!(format!("2:{}", health["chainHead"]["hash"].as_str().unwrap()), head.to_string());
    let lock = &health["locks"][0];
    assert_eq!((&lock["logAccess"], &lock["logIndex"]), (&"readable".into(), &41.into()));
    assert_eq!((&lock["directory"]["users"], &lock["directory"]["codes"]), (&4.into(), &2.into()));
    assert_eq!(lock["clock"]["clockSkew"], 0);
}

#[tokio::test]
async fn a_radio_that_hears_nothing_is_said_with_why_and_since_when() {
    let server = Server::start().await;
    let since = NOW;
    server.doors.script().radio =
        Some(RadioHealth { since, problem: Some("no usable Bluetooth adapter".to_owned()), adapter: None });
    let health = server.get("/v1/health").await.json();
    let radio = &health["radio"];
    assert_eq!((&health["status"], &radio["isListening"]), (&"degraded".into(), &false.into()));
    assert_eq!((&radio["problem"], &radio["since"]), (&"no usable Bluetooth adapter".into(), &since.rfc3339().into()));
    server.doors.script().radio = None;
    let health = server.get("/v1/health").await.json();
    assert_eq!((&health["status"], &health["radio"]["since"]), (&"degraded".into(), &serde_json::Value::Null));
    server.doors.script().radio = Some(RadioHealth { since, problem: None, adapter: Some("hci1".to_owned()) });
    let health = server.get("/v1/health").await.json();
    assert_eq!((&health["status"], &health["radio"]["isListening"]), (&"ok".into(), &true.into()));
    assert_eq!(health["radio"]["adapter"], "hci1");
}

#[tokio::test]
async fn what_keeps_people_from_being_named_is_said_with_what_to_do() {
    let server = Server::start().await;
    let cases = [
        (LogAccess::PinMissing, 0, "pin_missing", "no security PIN was given"),
        (LogAccess::PinRefused, 1, "pin_refused", "it is tried once more later"),
        (LogAccess::PinRefused, 2, "pin_refused", "none is sent any more"),
        (LogAccess::LoggingOff, 0, "logging_off", "switch the activity log on"),
        (LogAccess::Readable, 1, "readable", "it refused the security PIN once"),
    ];
    for (log_access, pin_refusals, name, words) in cases {
        server.doors.script().health = Some(LockHealth { log_access, pin_refusals, ..known() });
        let (status, attention) = attention(&server).await;
        assert!(status == "degraded" && attention.len() == 1 && attention[0].contains(words), "{name}: {attention:?}");
        let health = server.get("/v1/health").await.json();
        assert_eq!(
            (&health["locks"][0]["logAccess"], &health["locks"][0]["pinRefusals"]),
            (&name.into(), &pin_refusals.into())
        );
    }
}

#[tokio::test]
async fn a_clock_that_is_off_and_a_lost_authorization_are_said() {
    let server = Server::start().await;
    server.doors.script().health = Some(LockHealth { clock: Some(clock(-47_000)), is_authorized: false, ..known() });
    let (status, attention) = attention(&server).await;
    assert_eq!(status, "degraded");
    assert!(attention[0].contains("`keyturner rekey`"), "{attention:?}");
    assert_eq!(attention[1], "its clock is 47 s behind: `keyturner clock --set` corrects it");
}

#[tokio::test]
async fn a_webhook_that_waits_shows_how_much() {
    let server = Server::start().await;
    let new = NewWebhook {
        name: "alarm".to_owned(),
        filter: WebhookFilter::default(),
        ca_pem: None,
        queue_limit: 10,
        give_up_after: Duration::from_secs(86_400),
    };
    assert!(matches!(server.store.add_webhook(&new, NOW).await.unwrap(), AddWebhook::Added(_)));
    server.commit(&events(1, vec![by_app(1)])).await;
    let health = server.get("/v1/health").await.json();
    let webhook = &health["webhooks"][0];
    assert_eq!(
        (&webhook["name"], &webhook["waiting"], &webhook["queueLimit"]),
        (&"alarm".into(), &1.into(), &10.into())
    );
}

#[tokio::test]
async fn the_clock_is_set_by_post_alone_and_only_at_a_lock_that_is_paired() {
    let server = Server::start().await;
    server.doors.script().clock = Ok(clock(-400));
    let path = format!("/v1/locks/{FRONT:08X}/clock");
    assert_eq!(server.get(&path).await.status, 405);
    assert_eq!(server.post("/v1/locks/00000007/clock").await.status, 404);
    assert_eq!(server.post("/v1/locks/door/clock").await.json()["parameter"], "nuki_id in the path");
    assert!(server.doors.script().clocks_set.is_empty(), "nothing was set so far");
    let reply = server.post(&path).await;
    assert_eq!((reply.status, &reply.json()["clockSkew"]), (200, &(-400).into()));
    assert_eq!(server.doors.script().clocks_set, [FRONT]);
    server.doors.script().clock = Err(GatewayError::NoPin("no security PIN was given"));
    let reply = server.post(&path).await;
    assert_eq!(reply.status, 503);
    assert!(reply.json()["message"].as_str().unwrap().contains("keyturner pin"), "{}", reply.json());
}

#[tokio::test]
async fn every_part_has_its_place_and_whatever_is_wrong_stands_in_one_list() {
    let server = Server::start().await;
    let health = server.get("/v1/health").await.json();
    assert_eq!(health["attention"], serde_json::json!([]));
    assert!(health["database"]["size"].as_u64().unwrap() > 4096 && health["database"]["free"].as_u64().unwrap() > 0);
    assert!(health["database"].get("problem").is_none());
    assert_eq!(health["database"]["openQuestions"], 0);
    assert_eq!(health["callbackQueue"], serde_json::json!({"givenUp": 0}));
    assert_eq!(health["config"], serde_json::json!({"needsRestart": []}));

    server.doors.script().radio =
        Some(RadioHealth { since: NOW, problem: Some("no usable Bluetooth adapter".to_owned()), adapter: None });
    server.config.refused("line 3: no such key\nand more".to_owned());
    let health = server.get("/v1/health").await.json();
    assert_eq!(health["status"], "degraded");
    let attention = health["attention"].as_array().unwrap();
    assert_eq!(attention[0], "radio: no usable Bluetooth adapter");
    assert!(
        attention[1].as_str().unwrap().ends_with("what counted before counts on: line 3: no such key"),
        "{attention:?}"
    );
    assert_eq!(health["config"]["problem"], "line 3: no such key\nand more");
}
