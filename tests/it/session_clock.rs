//! A lock's clock is set: once asked, until it is done or somebody is told why not, and never while the motor runs.

use std::time::Duration;

use keyturner::protocol::frame::Message;
use keyturner::protocol::{Command, ErrorCode, LockAction, LockState, StatusCode};
use keyturner::session::{ClockNotSet, CodeChange, Input, LogAccess, Output, PinTries};

use crate::support::puppet::{Puppet, states};

const AT_ZERO: i64 = 1_795_442_400_000;
const UPDATE_TIME: u16 = 0x0021;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn answers(puppet: &Puppet) -> Vec<Result<(), ClockNotSet>> {
    let answers = puppet.outputs.iter().filter_map(|output| match output {
        Output::ClockSet(result) => Some(*result),
        _ => None,
    });
    answers.collect()
}

fn asked() -> Puppet {
    let mut puppet = Puppet::idle();
    puppet.input(Input::SetClock { at_zero: AT_ZERO });
    puppet
}

#[test]
fn a_clock_that_was_set_is_looked_at() {
    let mut puppet = asked();
    assert_eq!(puppet.challenged().command, Command::UpdateTime);
    puppet.status(StatusCode::Complete);
    assert_eq!(answers(&puppet), [Ok(())]);
    assert_eq!(puppet.asked(), Some(Command::KeyturnerStates));
}

#[test]
fn a_bad_nonce_is_tried_three_times_and_anything_else_once() {
    let cases = [
        (ErrorCode::BadNonce, 3, ClockNotSet::Refused(ErrorCode::BadNonce)),
        (ErrorCode::BadParameter, 1, ClockNotSet::Refused(ErrorCode::BadParameter)),
        (ErrorCode::Busy, 1, ClockNotSet::Refused(ErrorCode::Busy)),
        (ErrorCode::BadPin, 1, ClockNotSet::NoPin(LogAccess::PinRefused)),
        (ErrorCode::TooManyPinAttempts, 1, ClockNotSet::NoPin(LogAccess::PinRefused)),
    ];
    for (code, tries, why) in cases {
        let mut puppet = asked();
        for _ in 0..tries {
            assert_eq!(answers(&puppet), [], "{code}");
            assert_eq!(puppet.challenged().command, Command::UpdateTime, "{code}");
            puppet.error(code, UPDATE_TIME);
        }
        assert_eq!(answers(&puppet), [Err(why)], "{code}");
        assert_eq!(puppet.next_sent(), None, "{code}: nothing was changed, so there is nothing to look at");
    }
}

#[test]
fn without_a_pin_or_after_the_end_the_answer_comes_at_once() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::NewPin { pin: None, tries: PinTries::default() });
    puppet.input(Input::SetClock { at_zero: AT_ZERO });
    assert_eq!(answers(&puppet), [Err(ClockNotSet::NoPin(LogAccess::PinMissing))]);
    assert_eq!(puppet.next_sent(), None);

    let mut puppet = Puppet::idle();
    puppet.input(Input::Stop);
    let before = puppet.connects;
    puppet.input(Input::SetClock { at_zero: AT_ZERO });
    puppet.pass(s(60));
    assert_eq!((answers(&puppet), puppet.connects), (vec![Err(ClockNotSet::Unreachable)], before));
}

#[test]
fn a_link_that_breaks_is_made_again_within_half_a_second() {
    let mut puppet = asked();
    puppet.challenged();
    let before = puppet.connects;
    puppet.lose_link();
    puppet.pass(Duration::from_millis(499));
    assert_eq!(puppet.connects, before);
    puppet.pass(Duration::from_millis(1));
    assert_eq!(puppet.connects, before + 1, "setting it twice does no harm");
    puppet.connect();
    assert_eq!(puppet.challenged().command, Command::UpdateTime);
    puppet.status(StatusCode::Complete);
    assert_eq!(answers(&puppet), [Ok(())]);
}

#[test]
fn after_twenty_seconds_it_is_over_and_a_late_answer_belongs_to_nothing() {
    for has_left in [false, true] {
        let mut puppet = Puppet::idle();
        puppet.lose_link();
        puppet.input(Input::SetClock { at_zero: AT_ZERO });
        puppet.pass(s(17));
        if has_left {
            puppet.connect();
            assert_eq!(puppet.challenged().command, Command::UpdateTime);
        }
        puppet.pass(Duration::from_millis(2_999));
        assert_eq!((answers(&puppet), puppet.is_up), (vec![], has_left));
        puppet.pass(Duration::from_millis(1));
        assert_eq!(answers(&puppet), [Err(ClockNotSet::Unreachable)]);
        assert!(!puppet.is_up, "the lock still owes an answer");
    }
}

#[test]
fn a_pin_that_is_taken_away_meanwhile_sends_nothing() {
    let cases = [
        (Input::SetClock { at_zero: AT_ZERO }, Command::UpdateTime),
        (Input::ChangeCode(CodeChange::Remove(1)), Command::RemoveKeypadCode),
    ];
    for (input, command) in cases {
        let mut puppet = Puppet::idle();
        puppet.lose_link();
        puppet.input(input);
        puppet.input(Input::NewPin { pin: None, tries: PinTries::default() });
        puppet.connect();
        while let Some(message) = puppet.next_sent() {
            assert_ne!(message.command, command);
            puppet.say(&states(LockState::Locked));
        }
        puppet.pass(s(20));
        let is_told = |output: &&Output| matches!(output, Output::ClockSet(Err(_)) | Output::CodeChanged(Err(_)));
        assert_eq!(puppet.outputs.iter().filter(is_told).count(), 1, "{command}");
    }
}

#[test]
fn nothing_is_changed_while_the_motor_runs() {
    let cases = [
        (Input::SetClock { at_zero: AT_ZERO }, Command::UpdateTime),
        (Input::ChangeCode(CodeChange::Remove(1)), Command::RemoveKeypadCode),
    ];
    for (input, command) in cases {
        let mut puppet = Puppet::idle();
        puppet.say(&states(LockState::Unlocking));
        assert_eq!(puppet.asked(), Some(Command::Challenge), "for the log");
        puppet.say(&Message::new(Command::Challenge, [5; 32]));
        puppet.input(input);
        assert_eq!(puppet.next_sent(), None, "{command}");
        puppet.say(&states(LockState::Unlocked));
        assert_eq!(puppet.challenged().command, command, "as soon as it rests");
    }
}

#[test]
fn somebody_at_the_door_comes_first() {
    let mut puppet = Puppet::idle();
    puppet.lose_link();
    puppet.input(Input::SetClock { at_zero: AT_ZERO });
    puppet.act(1, LockAction::Unlock);
    puppet.connect();
    assert_eq!(puppet.challenged().command, Command::LockAction);
    puppet.status(StatusCode::Complete);
    while let Some(message) = puppet.next_sent() {
        match message.command {
            Command::UpdateTime => return,
            Command::RequestData if message.payload == Command::Challenge.id().to_le_bytes() => {
                puppet.say(&Message::new(Command::Challenge, [4; 32]));
            }
            _ => puppet.say(&states(LockState::Unlocked)),
        }
    }
    panic!("the clock was forgotten");
}
