//! Actions: what is asked of the gateway, and what a client is told about the outcome.

use keyturner::gateway::{ActionOutcome, GatewayError, LockSnapshot, NotDone, WaitFor};
use keyturner::protocol::state::Battery;
use keyturner::protocol::{CompletionStatus, ErrorCode, LockAction, LockState, NukiState, OpenerAction};

use crate::http_support::{FRONT, NOW, Server, front, states};

const DONE: (u16, &str) = (200, r#"{"success": true, "batteryCritical": false}"#);
const FAILED: (u16, &str) = (200, r#"{"success": false, "batteryCritical": false}"#);

#[tokio::test]
async fn every_action_reaches_the_lock_under_the_tokens_name() {
    let server = Server::start().await;
    let actions =
        [LockAction::Unlock, LockAction::Lock, LockAction::Unlatch, LockAction::LockNGo, LockAction::LockNGoUnlatch];
    for (number, action) in (1..).zip(actions) {
        let reply = server.get(&format!("/lockAction?nukiId=1015571181&deviceType=0&action={number}")).await;
        assert_eq!(reply.pair(), DONE);
        let expected = (FRONT, action, "hallway".to_owned(), WaitFor::Completed);
        assert_eq!(server.doors.script().acted.pop(), Some(expected));
    }
}

#[tokio::test]
async fn a_bad_or_missing_action_is_400_and_an_unknown_lock_404() {
    let server = Server::start().await;
    for action in ["", "&action=", "&action=0", "&action=6", "&action=257", "&action=lock", "&action=1&action=9"] {
        let reply = server.get(&format!("/lockAction?nukiId=1015571181{action}")).await;
        assert_eq!(reply.pair(), (400, "HTTP 400 Bad Request"), "{action}");
    }
    assert_eq!(server.get("/lockAction?action=1").await.status, 400);
    assert_eq!(server.get("/lockAction?action=1&nukiId=7").await.pair(), (404, "HTTP 404 Not Found"));
    assert!(server.doors.script().acted.is_empty());
}

#[tokio::test]
async fn nowait_in_any_spelling_answers_when_the_lock_accepted() {
    let server = Server::start().await;
    server.doors.script().outcome = Ok(ActionOutcome::Accepted);
    for (spelling, wait) in
        [("nowait=1", WaitFor::Accepted), ("noWait=1", WaitFor::Accepted), ("nowait=0", WaitFor::Completed)]
    {
        let reply = server.get(&format!("/lockAction?nukiId=3C8862ED&action=1&{spelling}")).await;
        assert_eq!(reply.pair(), DONE);
        assert_eq!(server.doors.script().acted.pop().unwrap().3, wait, "{spelling}");
    }
}

#[tokio::test]
async fn lock_and_unlock_leave_the_choice_to_the_device() {
    let server = Server::start().await;
    let mut continuous = states(LockState::Locked);
    continuous.nuki_state = NukiState::Continuous;
    let lock = |auto_unlatch| LockSnapshot { auto_unlatch, ..front() };
    let opener = |state| LockSnapshot { device_type: 2, auto_unlatch: None, state, ..front() };
    let ring_to_open = Some((states(LockState::Unlocked), NOW));
    for (device, path, action) in [
        (lock(Some(false)), "/lock", LockAction::Lock),
        (lock(Some(false)), "/unlock", LockAction::Unlock),
        (lock(Some(true)), "/lock", LockAction::Lock),
        (lock(Some(true)), "/unlock", LockAction::Unlatch),
        // What is not known opens no door.
        (lock(None), "/unlock", LockAction::Unlock),
        (opener(ring_to_open), "/lock", OpenerAction::DeactivateRingToOpen.command()),
        (opener(Some((continuous, NOW))), "/lock", OpenerAction::DeactivateContinuousMode.command()),
        (opener(None), "/lock", OpenerAction::DeactivateRingToOpen.command()),
        (opener(ring_to_open), "/unlock", OpenerAction::Open.command()),
    ] {
        server.doors.script().locks.insert(FRONT, device.clone());
        assert_eq!(server.get(&format!("{path}?nukiId=1015571181")).await.pair(), DONE);
        assert_eq!(server.doors.script().acted.pop().unwrap().1, action, "{path} on {device:?}");
    }
}

#[tokio::test]
async fn success_is_false_only_when_the_lock_refused_or_failed() {
    let server = Server::start().await;
    for reason in [
        NotDone::Refused(ErrorCode::MotorBlocked),
        NotDone::Failed(CompletionStatus::MotorBlocked),
        NotDone::ProvenByLog,
    ] {
        server.doors.script().outcome = Ok(ActionOutcome::NotDone(reason));
        assert_eq!(server.get("/lockAction?nukiId=1015571181&action=1").await.pair(), FAILED, "{reason:?}");
    }
}

#[tokio::test]
async fn what_was_never_sent_is_503_so_that_clients_may_repeat_it() {
    let server = Server::start().await;
    for outcome in [
        Ok(ActionOutcome::NotDone(NotDone::NotSent)),
        Err(GatewayError::Unreachable("gone".into())),
        Err(GatewayError::QueueFull),
        Err(GatewayError::Storage("disk full".into())),
        Err(GatewayError::Stopping),
    ] {
        server.doors.script().outcome.clone_from(&outcome);
        let reply = server.get("/lockAction?nukiId=1015571181&action=1").await;
        assert_eq!(reply.pair(), (503, "HTTP 503 Unavailable"), "{outcome:?}");
    }
}

#[tokio::test]
async fn what_may_have_happened_is_no_status_that_clients_repeat_by_themselves() {
    let server = Server::start().await;
    server.doors.script().outcome = Ok(ActionOutcome::Unknown);
    let reply = server.get("/lockAction?nukiId=1015571181&action=3").await;
    assert_eq!(reply.pair(), (410, "HTTP 410 Gone"));
    let repeated_by_got = [408, 413, 429, 500, 502, 503, 504, 521, 522, 524];
    assert!(!repeated_by_got.contains(&reply.status));
}

#[tokio::test]
async fn the_answer_carries_the_battery_as_it_is_known() {
    let server = Server::start().await;
    let mut weak = states(LockState::Locked);
    weak.battery = Battery(1);
    server.doors.script().locks.insert(FRONT, LockSnapshot { state: Some((weak, NOW)), ..front() });
    let reply = server.get("/lock?nukiId=1015571181").await;
    assert_eq!(reply.body, r#"{"success": true, "batteryCritical": true}"#);
    server.doors.script().locks.insert(FRONT, LockSnapshot { state: None, ..front() });
    assert_eq!(server.get("/lock?nukiId=1015571181").await.pair(), DONE);
}
