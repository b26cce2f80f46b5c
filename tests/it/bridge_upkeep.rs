//! What a client may do to the gateway itself: nothing, unless its owner has said so.

use std::sync::atomic::Ordering;
use std::time::Duration;

use keyturner::gateway::LockSnapshot;
use keyturner::http::bridge::{BridgeSettings, Maintenance, MaxAge};
use keyturner::protocol::LockState;

use crate::http_support::{FRONT, NOW, Server, front, states};

const DONE: (u16, &str) = (200, r#"{"success": true}"#);
const REFUSED: (u16, &str) = (200, r#"{"success": false}"#);

async fn allowing(what: Maintenance) -> Server {
    Server::with(BridgeSettings { allow: [what].into(), ..BridgeSettings::default() }).await
}

#[tokio::test]
async fn nothing_is_done_unless_it_is_allowed_and_nobody_is_upset() {
    let server = Server::start().await;
    server.get("/callback/add?url=http://a").await;
    server.get("/configAuth?enable=1").await;
    for target in ["/reboot", "/unpair?nukiId=1015571181", "/factoryReset", "/fwupdate", "/fwupdate?scope=2"] {
        assert_eq!(server.get(target).await.pair(), REFUSED, "{target}");
    }
    assert_eq!(server.host.restarts.load(Ordering::Relaxed), 0);
    assert!(server.host.keys_forgotten.lock().unwrap().is_empty() && server.doors.script().forgotten.is_empty());
    assert!(server.get("/callback/list").await.body.contains("http://a"));
    assert!(server.store.auth_enabled().await.unwrap());
}

#[tokio::test]
async fn one_permission_is_not_another() {
    let server = allowing(Maintenance::Reboot).await;
    assert_eq!(server.get("/reboot").await.pair(), DONE);
    assert_eq!(server.host.restarts.load(Ordering::Relaxed), 1);
    assert_eq!(server.get("/unpair?nukiId=1015571181").await.pair(), REFUSED);
    assert_eq!(server.get("/factoryReset").await.pair(), REFUSED);
}

#[tokio::test]
async fn an_unpaired_lock_is_forgotten_on_disk_first_and_then_served_no_longer() {
    let server = allowing(Maintenance::Unpair).await;
    assert_eq!(server.get("/unpair?nukiId=7").await.status, 404);
    assert_eq!(server.get("/unpair").await.status, 400);
    server.host.is_broken.store(true, Ordering::Relaxed);
    assert_eq!(server.get("/unpair?nukiId=1015571181").await.status, 500);
    assert!(server.doors.script().forgotten.is_empty(), "a lock whose key is kept is served on");
    server.host.is_broken.store(false, Ordering::Relaxed);
    assert_eq!(server.get("/unpair?nukiId=3C8862ED").await.pair(), DONE);
    assert_eq!(*server.host.keys_forgotten.lock().unwrap(), [FRONT]);
    assert_eq!(server.doors.script().forgotten, [FRONT]);
    assert_eq!(server.get("/unpair?nukiId=1015571181").await.status, 404);
}

#[tokio::test]
async fn a_reset_puts_back_what_clients_have_set_and_leaves_the_owners_things_alone() {
    let server = allowing(Maintenance::FactoryReset).await;
    for url in ["http://a", "http://b", "http://c"] {
        server.get(&format!("/callback/add?url={url}")).await;
    }
    server.get("/configAuth?enable=1").await;
    assert_eq!(server.get("/factoryReset").await.pair(), DONE);
    assert_eq!(server.get("/callback/list").await.body, r#"{"callbacks": []}"#);
    assert!(!server.store.auth_enabled().await.unwrap());
    assert_eq!(server.request("GET", "/auth", "").await.status, 403);
    assert_eq!(server.get("/log").await.body, "[]");
    assert!(server.host.keys_forgotten.lock().unwrap().is_empty() && server.doors.script().forgotten.is_empty());
    assert!(server.get("/list").await.body.contains("Front"), "the token works, the lock is there");
}

async fn content_with(seconds: u16) -> Server {
    let lock_state_max_age = MaxAge::try_from(seconds).unwrap();
    Server::with(BridgeSettings { lock_state_max_age, ..BridgeSettings::default() }).await
}

/// The state that `/lockState` says, when memory holds an unlocked lock read so long ago and the lock itself is locked.
async fn state_said(server: &Server, known: LockState, read_ago: i64) -> u64 {
    let read_at = keyturner::clock::UnixMillis(NOW.0 - read_ago);
    server.doors.script().locks.insert(FRONT, LockSnapshot { state: Some((states(known), read_at)), ..front() });
    server.get("/lockState?nukiId=1015571181").await.json()["state"].as_u64().unwrap()
}

#[tokio::test(start_paused = true)]
async fn lock_state_asks_the_lock_unless_its_owner_is_content_with_a_fresh_answer() {
    let server = Server::start().await;
    assert_eq!(state_said(&server, LockState::Unlocked, 0).await, 1, "live by default");
    let server = content_with(30).await;
    assert_eq!(state_said(&server, LockState::Unlocked, 29_999).await, 3);
    assert_eq!(state_said(&server, LockState::Unlocked, 30_000).await, 1);
    assert_eq!(state_said(&server, LockState::Unlocked, -1).await, 1, "the clock was set back: its age is not known");
    assert_eq!(state_said(&server, LockState::Unlocking, 1_000).await, 1, "what moves is asked");
    server.doors.script().locks.insert(FRONT, LockSnapshot { state: None, ..front() });
    assert_eq!(server.get("/lockState?nukiId=1015571181").await.json()["state"], 1);
}

#[tokio::test(start_paused = true)]
async fn the_log_is_the_bridges_newest_first_and_in_pages() {
    let server = Server::start().await;
    server.get("/list").await;
    tokio::time::advance(Duration::from_secs(1)).await;
    server.get("/lockAction?nukiId=1015571181&action=4").await;
    let log = server.get("/log").await;
    assert_eq!(
        log.body,
        r#"[{"timestamp": "2024-04-06T06:03:02+00:00", "type": "HTTP-LockActionSuccess", "nukiId": "3C8862ED", "action": "lock_n_go"}, {"timestamp": "2024-04-06T06:03:02+00:00", "type": "HTTP-LockActionStart", "nukiId": "3C8862ED", "action": "lock_n_go"}, {"timestamp": "2024-04-06T06:03:01+00:00", "type": "HTTP-List"}]"#
    );
    // The question itself is a line by now.
    assert_eq!(server.get("/log?offset=3&count=1").await.json()[0]["type"], "HTTP-List");
    assert_eq!(server.get("/log?count=99999999999999999999").await.json().as_array().unwrap().len(), 5);
    for bad in ["offset=-1", "count=x", "count=1.5", "offset=+1"] {
        assert_eq!(server.get(&format!("/log?{bad}")).await.pair(), (400, "HTTP 400 Bad Request"), "{bad}");
    }
    assert_eq!(server.get("/clearlog").await.pair(), DONE);
    assert_eq!(server.get("/log").await.body, "[]");
}
