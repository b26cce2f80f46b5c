//! The simulated bolt moves like a real one, and tells about it.

use std::time::Duration;

use keyturner::protocol::log::{LogEntryKind, LoggedAction};
use keyturner::protocol::reply::Reply;
use keyturner::protocol::{
    CompletionStatus, DoorSensorState, ErrorCode, IdType, LockAction, LockState, StatusCode, Trigger,
};
use keyturner::simlock::{DoorMove, Fault, Input, Person, Refusal, SimLockConfig, Turn};

use crate::support::bench::{Bench, Client, NUKI_ID, errors};

const ACCEPTED: Reply = Reply::Status(StatusCode::Accepted);
const COMPLETE: Reply = Reply::Status(StatusCode::Complete);

/// States as seen on the way, with `None` for everything else.
fn path(replies: &[Reply]) -> Vec<LockState> {
    let state = |reply: &Reply| match reply {
        Reply::States(states) => Some(states.lock_state),
        _ => None,
    };
    replies.iter().filter_map(state).collect()
}

fn act(bench: &mut Bench, client: &Client, action: LockAction) -> Vec<Reply> {
    let mut replies = bench.lock_action(client, action, None);
    bench.pass(Duration::from_secs(8));
    replies.extend(bench.replies(client));
    replies
}

#[test]
fn every_action_takes_its_way_and_ends_with_complete() {
    use LockState::{Locked, Locking, Unlatched, Unlatching, Unlocked, UnlockedLockNGo, Unlocking};
    let cases: [(LockAction, &[LockState]); 5] = [
        (LockAction::Unlock, &[Unlocking, Unlocked]),
        (LockAction::Unlatch, &[Unlatching, Unlatched, Unlatching, Unlocked]),
        (LockAction::Lock, &[Locking, Locked]),
        (LockAction::LockNGo, &[Unlocking, UnlockedLockNGo]),
        (LockAction::LockNGoUnlatch, &[Unlatching, Unlatched, Unlatching, UnlockedLockNGo]),
    ];
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    for (action, expected) in cases {
        let replies = act(&mut bench, &client, action);
        assert_eq!(replies.first(), Some(&ACCEPTED), "{action}");
        assert_eq!(replies.last(), Some(&COMPLETE), "{action}");
        assert_eq!(path(&replies), expected, "{action}");
        assert_eq!(replies.len(), expected.len() + 2, "{action}");
    }
}

#[test]
fn the_result_and_the_log_entry_come_when_the_motor_has_ended() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    bench.lock_action(&client, LockAction::Unlock, Some(" #00000007"));
    bench.pass(Duration::from_millis(1499));
    let moving = bench.states(&client);
    assert_eq!(moving.lock_state, LockState::Unlocking);
    assert_eq!(moving.last_action.unwrap().action, LockAction::None);
    assert!(bench.lock.log().is_empty());
    bench.pass(Duration::from_millis(1));
    let Some(Reply::States(states)) = bench.replies(&client).into_iter().next() else { panic!("no states") };
    let last = states.last_action.unwrap();
    assert_eq!((states.lock_state, last.action), (LockState::Unlocked, LockAction::Unlock));
    assert_eq!(last.completion_status, CompletionStatus::Success);
    let entry = bench.lock.log().back().unwrap();
    assert_eq!((entry.auth_id, entry.name.as_str()), (client.auth_id, "Keyturner #00000007"));
    let expected = LoggedAction {
        action: LockAction::Unlock,
        trigger: Trigger::System,
        flags: 0,
        completion_status: CompletionStatus::Success,
    };
    assert_eq!(entry.kind, LogEntryKind::LockAction(expected));
    let user = bench.lock.users().iter().find(|user| user.entry.auth_id == client.auth_id).unwrap();
    assert_eq!(user.entry.lock_count, 1);
    assert!(user.entry.last_active.is_some());
}

#[test]
fn with_nothing_to_do_there_is_complete_only_and_an_entry() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    assert_eq!(bench.lock_action(&client, LockAction::Lock, Some("#2")), [COMPLETE]);
    assert_eq!(bench.lock.log().len(), 1);
    assert_eq!(bench.lock.executions(client.app_id, "#2"), 1);
}

#[test]
fn a_moving_lock_is_busy_for_everybody() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    bench.person(Person::Button);
    assert_eq!(errors(&bench.lock_action(&client, LockAction::Lock, None)), [ErrorCode::Busy]);
    for person in [Person::Button, Person::ManualTurn(Turn::Lock), Person::keypad(583_921)] {
        bench.person(person);
        assert_eq!(bench.lock.refusal(), Some(Refusal::Busy));
    }
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.lock.state().lock_state, LockState::Unlocked);
    assert_eq!(bench.lock.executions_total(), 0);
}

#[test]
fn lock_n_go_counts_down_and_locks() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    bench.lock_action(&client, LockAction::LockNGo, None);
    bench.pass(Duration::from_millis(1500));
    assert_eq!(bench.lock.states(bench.now).lock_n_go_timer, 20);
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.lock.states(bench.now).lock_n_go_timer, 15);
    bench.pass(Duration::from_secs(17));
    assert_eq!(bench.lock.state().lock_state, LockState::Locked);
    assert_eq!(bench.lock.states(bench.now).lock_n_go_timer, 0);
}

#[test]
fn unlocking_during_lock_n_go_stops_the_countdown() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    act(&mut bench, &client, LockAction::LockNGo);
    act(&mut bench, &client, LockAction::Unlock);
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.lock.state().lock_state, LockState::Unlocked);
}

#[test]
fn auto_lock_waits_for_the_door() {
    let config = SimLockConfig { auto_lock: Some(Duration::from_secs(30)), ..SimLockConfig::family(NUKI_ID) };
    let mut bench = Bench::new(config);
    bench.person(Person::Button);
    bench.pass(Duration::from_secs(20));
    bench.person(Person::Door(DoorMove::Open));
    bench.pass(Duration::from_secs(100));
    assert_eq!(bench.lock.state().lock_state, LockState::Unlocked);
    bench.person(Person::Door(DoorMove::Close));
    bench.pass(Duration::from_secs(32));
    assert_eq!(bench.lock.state().lock_state, LockState::Locked);
    assert_eq!(bench.lock.state().trigger, Trigger::AutoLock);
    let entry = bench.lock.log().back().unwrap();
    assert_eq!((entry.auth_id, entry.name.as_str()), (0, ""));
}

#[test]
fn a_locked_door_does_not_open() {
    let mut bench = Bench::family();
    bench.person(Person::Door(DoorMove::Open));
    assert_eq!(bench.lock.refusal(), Some(Refusal::Locked));
    bench.person(Person::ManualTurn(Turn::Unlock));
    bench.person(Person::Door(DoorMove::Open));
    assert_eq!((bench.lock.refusal(), bench.lock.state().door), (None, DoorSensorState::Opened));
    bench.person(Person::Door(DoorMove::Open));
    assert_eq!(bench.lock.refusal(), Some(Refusal::Already));
}

#[test]
fn other_links_hear_of_a_movement_too() {
    let mut bench = Bench::family();
    let bridge = bench.client(IdType::Bridge);
    let mut phone = bench.pair(IdType::App, 2, "Phone");
    phone.link = bench.connect();
    bench.states(&phone);
    bench.lock_action(&bridge, LockAction::Unlock, None);
    bench.pass(Duration::from_secs(2));
    assert_eq!(path(&bench.replies(&phone)), [LockState::Unlocking, LockState::Unlocked]);
}

#[test]
fn a_blocked_motor_is_told_and_logged() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    bench.feed(Input::Fault(Fault::MotorBlocked));
    let replies = act(&mut bench, &client, LockAction::Unlock);
    assert_eq!(errors(&replies), [ErrorCode::MotorBlocked]);
    assert_eq!(bench.lock.state().lock_state, LockState::MotorBlocked);
    assert_eq!(bench.lock.state().last_action.completion_status, CompletionStatus::MotorBlocked);
    assert!(matches!(
        bench.lock.log().back().unwrap().kind,
        LogEntryKind::LockAction(LoggedAction { completion_status: CompletionStatus::MotorBlocked, .. })
    ));
}

#[test]
fn a_late_tick_does_everything_at_its_own_time() {
    let mut bench = Bench::family();
    bench.person(Person::App { auth: 3, action: LockAction::LockNGo, auto_unlock: false });
    bench.now.mono += Duration::from_secs(100);
    bench.now.unix_seconds += 100;
    bench.feed(Input::Tick);
    assert_eq!(bench.lock.state().lock_state, LockState::Locked);
    let times: Vec<i64> =
        bench.lock.log().iter().map(|entry| entry.timestamp.unwrap().unix_seconds().unwrap()).collect();
    assert!((21..=22).contains(&(times[1] - times[0])), "20 s of waiting and 1.5 s of motor, in whole seconds");
}

#[test]
fn faults_of_the_answer_happen_once() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    bench.feed(Input::Fault(Fault::DuplicateAccepted));
    let replies = act(&mut bench, &client, LockAction::Unlock);
    assert_eq!(replies.iter().filter(|reply| **reply == ACCEPTED).count(), 2);
    bench.feed(Input::Fault(Fault::CompleteWithoutAccepted));
    let replies = act(&mut bench, &client, LockAction::Lock);
    assert!(!replies.contains(&ACCEPTED) && replies.contains(&COMPLETE));
    let replies = act(&mut bench, &client, LockAction::Unlock);
    assert_eq!((replies.first(), replies.last()), (Some(&ACCEPTED), Some(&COMPLETE)));
}

#[test]
fn a_link_that_drops_after_accepted_does_not_stop_the_motor() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    bench.feed(Input::Fault(Fault::DropAfterAccepted));
    assert_eq!(bench.lock_action(&client, LockAction::Unlock, Some("#3")), [ACCEPTED]);
    assert_eq!(bench.gone, [client.link]);
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.lock.state().lock_state, LockState::Unlocked);
    assert_eq!(bench.lock.executions(client.app_id, "#3"), 1);
}

#[test]
fn a_write_can_be_lost_in_the_lock_or_carried_out_in_silence() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let nonce = bench.challenge(&client);
    let command = keyturner::protocol::request::LockActionCommand {
        action: LockAction::Unlock,
        app_id: client.app_id,
        flags: 0,
        suffix: None,
    };
    bench.feed(Input::Fault(Fault::IgnoreNextWrite));
    assert_eq!(bench.ask(&client, &command.encode(&nonce)), []);
    assert_eq!(bench.lock.executions_total(), 0);
    bench.feed(Input::Fault(Fault::MuteNextAnswer));
    assert_eq!(bench.ask(&client, &command.encode(&nonce)), []);
    assert_eq!(bench.lock.state().lock_state, LockState::Unlocking);
    assert_eq!(bench.lock.executions_total(), 1);
}
