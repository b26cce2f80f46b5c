//! One intent, at most one execution, by the lock's own count; and no answer that the lock's truth contradicts.

use std::time::Duration;

use keyturner::protocol::crypto::Pin;
use keyturner::protocol::frame::Message;
use keyturner::protocol::reply::ErrorReport;
use keyturner::protocol::{CompletionStatus, ErrorCode, LockAction, LockState};
use keyturner::session::{NotDone, Outcome};
use keyturner::simlock::{Device, Fault, Person, SimLockConfig, Turn};

use crate::support::pair::{ANNA, Cut, NUKI_ID, Pair};

const INTENT: i64 = 0x51;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What must hold whatever went wrong: in time, at most once, and true.
pub(crate) fn judge(pair: &Pair, intent: i64, asked: Duration, what: &str) -> Outcome {
    let answers: Vec<_> = pair.seen.outcomes.iter().filter(|(id, ..)| *id == intent).collect();
    let [(_, outcome, at)] = answers.as_slice() else { panic!("{what}: {answers:?} is not one answer") };
    assert!(*at - asked <= s(15), "{what}: answered after {:?}", *at - asked);
    let executions = pair.executions(intent);
    assert!(executions <= 1, "{what}: carried out {executions} times");
    match outcome {
        Outcome::Done => assert_eq!(executions, 1, "{what}: said done, was not"),
        Outcome::NotDone(NotDone::NotSent | NotDone::ProvenByLog) => {
            assert_eq!(executions, 0, "{what}: said {outcome:?}, was done");
        }
        Outcome::NotDone(NotDone::Refused(code)) if !is_motor_error(*code) => {
            assert_eq!(executions, 0, "{what}: said {outcome:?}, was done");
        }
        Outcome::NotDone(NotDone::Refused(_) | NotDone::Failed(_)) => {
            assert_ne!(pair.lock.state().last_action.completion_status, CompletionStatus::Success, "{what}");
        }
        Outcome::Unknown => {}
    }
    *outcome
}

fn is_motor_error(code: ErrorCode) -> bool {
    (0x42..=0x4B).contains(&code.code()) && code != ErrorCode::Busy
}

/// Unlocks under a fault and lets everything come to rest.
fn unlock(pair: &mut Pair, what: &str) -> Outcome {
    let asked = pair.now;
    pair.act(INTENT, LockAction::Unlock);
    pair.drive_bounded(s(16), what, |pair| pair.outcome(INTENT).is_some());
    pair.pass(s(120));
    judge(pair, INTENT, asked, what)
}

#[test]
fn without_faults_it_is_done_once() {
    let mut pair = Pair::settled();
    assert_eq!(unlock(&mut pair, "no fault"), Outcome::Done);
    assert_eq!(pair.executions(INTENT), 1);
    assert_eq!(pair.seen.accepted, [INTENT]);
    assert_eq!(pair.seen.connects.len(), 1);
}

#[test]
fn the_link_may_break_at_every_step() {
    let mut outcomes = Vec::new();
    for n in 1..=14 {
        for cut in [Cut::BeforeWrite(n), Cut::AfterWrite(n), Cut::AfterIndication(n)] {
            for motor in [0, 1_500, 12_000] {
                let motor_time = Duration::from_millis(motor);
                let config = SimLockConfig { motor_time, ..SimLockConfig::family(NUKI_ID) };
                let mut pair = Pair::with(config, Some(Pin::new(1234)));
                pair.rest();
                pair.forget();
                pair.cut_at(cut);
                let outcome = unlock(&mut pair, &format!("{cut:?}, motor {motor} ms"));
                outcomes.push(outcome);
                if motor < 12_000 {
                    assert_ne!(outcome, Outcome::Unknown, "{cut:?}: state and log tell");
                }
            }
        }
    }
    assert!(outcomes.contains(&Outcome::Done));
}

#[test]
fn a_command_lost_on_the_air_is_proven_not_done() {
    // Challenge, then the command: the second write.
    let mut pair = Pair::settled();
    pair.cut_at(Cut::BeforeWrite(2));
    assert_eq!(unlock(&mut pair, "lost"), Outcome::NotDone(NotDone::ProvenByLog));
    assert_eq!(pair.seen.action_frames.values().sum::<u32>(), 1);
    assert_eq!(pair.lock.state().lock_state, LockState::Locked);
}

#[test]
fn every_action_may_lose_its_link_and_its_log_entry() {
    let actions =
        [LockAction::Unlock, LockAction::Lock, LockAction::Unlatch, LockAction::LockNGo, LockAction::LockNGoUnlatch];
    for action in actions {
        for state in [LockState::Locked, LockState::Unlocked] {
            for swallowed in [false, true] {
                for cut in [Cut::BeforeWrite(2), Cut::AfterWrite(2), Cut::AfterIndication(2), Cut::AfterIndication(3)] {
                    let config = SimLockConfig { lock_state: state, ..SimLockConfig::family(NUKI_ID) };
                    let mut pair = Pair::with(config, Some(Pin::new(1234)));
                    pair.rest();
                    pair.forget();
                    let what = format!("{action} when {state}, {cut:?}, entry swallowed: {swallowed}");
                    if swallowed {
                        pair.fault(Fault::SwallowLogEntry);
                    }
                    pair.cut_at(cut);
                    let asked = pair.now;
                    pair.act(INTENT, action);
                    pair.drive_bounded(s(16), &what, |pair| pair.outcome(INTENT).is_some());
                    pair.pass(s(60));
                    judge(&pair, INTENT, asked, &what);
                }
            }
        }
    }
}

#[test]
fn a_lock_that_says_nothing_at_all_is_asked_once() {
    for n in 1..=3 {
        for fault in [Fault::IgnoreNextWrite, Fault::MuteNextAnswer] {
            let mut pair = Pair::settled();
            let asked = pair.now;
            pair.act(INTENT, LockAction::Unlock);
            // The n-th write from now is not answered.
            let sent = pair.seen.sent.len();
            pair.drive_bounded(s(5), "the writes before", |pair| pair.seen.sent.len() >= sent + n);
            pair.fault(fault);
            pair.drive_bounded(s(16), "an answer", |pair| pair.outcome(INTENT).is_some());
            pair.pass(s(60));
            judge(&pair, INTENT, asked, &format!("{fault:?} at write {n}"));
        }
    }
}

#[test]
fn doubled_and_missing_answers_change_nothing() {
    for fault in [Fault::DuplicateAccepted, Fault::CompleteWithoutAccepted] {
        let mut pair = Pair::settled();
        pair.fault(fault);
        assert_eq!(unlock(&mut pair, &format!("{fault:?}")), Outcome::Done);
    }
    let mut pair = Pair::settled();
    pair.fault(Fault::DropAfterAccepted);
    assert_eq!(unlock(&mut pair, "drop"), Outcome::Done, "the log proves it");
    assert_eq!(pair.seen.action_frames.values().sum::<u32>(), 1);
}

#[test]
fn a_blocked_motor_is_not_done() {
    let mut pair = Pair::settled();
    pair.fault(Fault::MotorBlocked);
    assert_eq!(unlock(&mut pair, "blocked"), Outcome::NotDone(NotDone::Refused(ErrorCode::MotorBlocked)));
    for n in 2..6 {
        let mut pair = Pair::settled();
        pair.fault(Fault::MotorBlocked);
        pair.cut_at(Cut::AfterIndication(n));
        unlock(&mut pair, "blocked, and the link broke");
    }
}

#[test]
fn while_somebody_else_moves_the_bolt_it_waits_its_turn() {
    let mut pair = Pair::settled();
    pair.person(Person::keypad(ANNA));
    let outcome = {
        let asked = pair.now;
        pair.act(INTENT, LockAction::Lock);
        pair.drive_bounded(s(16), "an answer", |pair| pair.outcome(INTENT).is_some());
        judge(&pair, INTENT, asked, "busy")
    };
    assert_eq!(outcome, Outcome::Done);
    assert!(pair.seen.action_frames.values().sum::<u32>() >= 2, "refused as busy, then sent again");
    assert_eq!(pair.executions(INTENT), 1);
}

#[test]
fn a_stale_challenge_gets_bad_nonce_and_one_more_try() {
    let mut pair = Pair::settled();
    let asked = pair.now;
    pair.act(INTENT, LockAction::Unlock);
    pair.drive_bounded(s(5), "a challenge is asked for", |pair| !pair.seen.sent.is_empty());
    pair.say(&Message::new(keyturner::protocol::Command::Challenge, [0; 32]));
    pair.drive_bounded(s(16), "an answer", |pair| pair.outcome(INTENT).is_some());
    pair.pass(s(30));
    assert_eq!(judge(&pair, INTENT, asked, "stale challenge"), Outcome::Done);
}

#[test]
fn a_forged_refusal_for_another_command_sends_nothing_again() {
    let mut pair = Pair::settled();
    let asked = pair.now;
    pair.act(INTENT, LockAction::Unlock);
    pair.drive_bounded(s(5), "it is accepted", |pair| !pair.seen.accepted.is_empty());
    for code in [ErrorCode::Busy, ErrorCode::BadNonce] {
        pair.say(&ErrorReport { code, command: 0x0031 }.encode());
        pair.say(&ErrorReport { code, command: 0x000D }.encode());
    }
    pair.drive_bounded(s(16), "an answer", |pair| pair.outcome(INTENT).is_some());
    pair.pass(s(30));
    assert_eq!(judge(&pair, INTENT, asked, "late refusals"), Outcome::Done);
    assert_eq!(pair.seen.action_frames.values().sum::<u32>(), 1);
}

#[test]
fn out_of_reach_it_is_answered_in_time_and_never_done_later() {
    let mut pair = Pair::settled();
    pair.set_in_range(false);
    let outcome = unlock(&mut pair, "out of reach");
    assert_eq!(outcome, Outcome::NotDone(NotDone::NotSent));
    pair.set_in_range(true);
    pair.pass(s(600));
    assert_eq!(pair.lock.executions_total(), 0, "a door that opens minutes later is a danger");
}

#[test]
fn out_of_reach_for_twenty_seconds_in_the_middle() {
    for millis in (0..2_400).step_by(40) {
        let mut pair = Pair::settled();
        let asked = pair.now;
        pair.act(INTENT, LockAction::Unlock);
        pair.pass(Duration::from_millis(millis));
        pair.set_in_range(false);
        pair.pass(s(20));
        pair.set_in_range(true);
        pair.pass(s(120));
        judge(&pair, INTENT, asked, &format!("out of reach after {millis} ms"));
    }
}

#[test]
fn a_gateway_that_dies_in_the_middle_does_not_begin_again() {
    for millis in (0..2_600).step_by(20) {
        let mut pair = Pair::settled();
        let cursor = pair.lock.log().back().map_or(0, |entry| entry.index);
        pair.act(INTENT, LockAction::Unlock);
        pair.pass(Duration::from_millis(millis));
        pair.restart(cursor);
        pair.forget();
        pair.pass(s(120));
        assert!(pair.executions(INTENT) <= 1, "{millis} ms");
        assert_eq!(pair.seen.action_frames.len(), 0, "{millis} ms: no motion that nobody asked for");
        assert_eq!(u32::try_from(pair.seen.entries.len()).unwrap(), pair.executions(INTENT), "{millis} ms");
    }
}

#[test]
fn nothing_ever_moves_the_bolt_unasked() {
    let mut pair = Pair::new();
    for n in 0..200_u32 {
        pair.person(Person::ManualTurn(if n % 2 == 0 { Turn::Unlock } else { Turn::Lock }));
        pair.cut_at(Cut::AfterIndication(n % 17 + 1));
        pair.pass(s(7));
        if n % 20 == 0 {
            pair.restart(0);
        }
    }
    assert_eq!(pair.lock.executions_total(), 0);
    assert!(pair.seen.action_frames.is_empty());
}

#[test]
fn several_intents_in_a_row_are_each_done_once_and_in_order() {
    let mut pair = Pair::settled();
    let asked = pair.now;
    for (intent, action) in [(1, LockAction::Unlock), (2, LockAction::Lock), (3, LockAction::Unlock)] {
        pair.act(intent, action);
    }
    pair.pass(s(30));
    let order: Vec<i64> = pair.seen.outcomes.iter().map(|(intent, ..)| *intent).collect();
    assert_eq!(order, [1, 2, 3]);
    for intent in 1..=3 {
        assert_eq!(judge(&pair, intent, asked, "in a row"), Outcome::Done);
    }
    assert_eq!(pair.lock.state().lock_state, LockState::Unlocked);
}

#[test]
fn the_entry_of_an_older_intent_with_the_same_number_is_not_taken_for_this_one() {
    let mut pair = Pair::settled();
    assert_eq!(unlock(&mut pair, "the old one"), Outcome::Done);
    pair.person(Person::ManualTurn(Turn::Lock));
    pair.rest();
    // The event log was lost: the cursor is 0 and intents count from the beginning again.
    pair.restart(0);
    pair.hears_beacons = false;
    pair.forget();
    pair.cut_at(Cut::BeforeWrite(3));
    pair.act(INTENT, LockAction::Unlock);
    pair.drive_bounded(s(16), "an answer", |pair| pair.outcome(INTENT).is_some());
    pair.pass(s(60));
    assert_eq!(pair.executions(INTENT), 1, "only the old one");
    assert_ne!(pair.outcome(INTENT), Some(Outcome::Done));
}

#[test]
fn where_somebody_else_has_moved_since_a_missing_entry_proves_nothing() {
    // We lock, the link breaks, the entry is never written, and Anna unlocks: everything looks as it was.
    let mut pair = Pair::settled();
    pair.person(Person::keypad(ANNA));
    pair.rest();
    pair.forget();
    pair.fault(Fault::SwallowLogEntry);
    pair.cut_at(Cut::AfterWrite(2));
    let asked = pair.now;
    pair.act(INTENT, LockAction::Lock);
    pair.drive_bounded(s(5), "it is locked", |pair| pair.lock.state().lock_state == LockState::Locked);
    pair.person(Person::keypad(ANNA));
    pair.drive_bounded(s(16), "an answer", |pair| pair.outcome(INTENT).is_some());
    assert_eq!(pair.executions(INTENT), 1);
    assert_eq!(judge(&pair, INTENT, asked, "moved since"), Outcome::Unknown);
}

#[test]
fn where_the_bolt_is_already_there_a_missing_entry_proves_nothing() {
    let mut pair = Pair::settled();
    assert_eq!(unlock(&mut pair, "the first"), Outcome::Done);
    pair.forget();
    pair.fault(Fault::SwallowLogEntry);
    pair.cut_at(Cut::AfterWrite(2));
    let asked = pair.now;
    pair.act(INTENT + 1, LockAction::Unlock);
    pair.drive_bounded(s(16), "an answer", |pair| pair.outcome(INTENT + 1).is_some());
    assert_eq!(pair.executions(INTENT + 1), 1, "granted, though nothing had to move");
    assert_eq!(judge(&pair, INTENT + 1, asked, "already there"), Outcome::Unknown);
}

#[test]
fn where_the_motor_was_blocked_already_a_missing_entry_proves_nothing() {
    // A million random actions found it: blocked before, blocked again, and nothing of it in the log.
    // A Smart Lock 1 does not say what it did last, and this one's motor is quick.
    let config = SimLockConfig {
        motor_time: Duration::from_millis(100),
        ..SimLockConfig::family_of(Device::SmartLock1, NUKI_ID)
    };
    let mut pair = Pair::with(config, Some(Device::SmartLock1.pin()));
    pair.settle();
    pair.fault(Fault::MotorBlocked);
    assert_eq!(unlock(&mut pair, "the first"), Outcome::NotDone(NotDone::Refused(ErrorCode::MotorBlocked)));
    pair.forget();
    for fault in [Fault::MotorBlocked, Fault::SwallowLogEntry, Fault::DropAfterAccepted] {
        pair.fault(fault);
    }
    pair.act(INTENT + 1, LockAction::Unlock);
    pair.drive_bounded(s(16), "an answer", |pair| pair.outcome(INTENT + 1).is_some());
    assert_eq!(pair.executions(INTENT + 1), 1);
    assert_eq!(pair.outcome(INTENT + 1), Some(Outcome::Unknown));
}
