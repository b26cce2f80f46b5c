//! What a session makes of answers that are odd, of another exchange, or come after the end.

use std::time::Duration;

use keyturner::protocol::beacon::{Beacon, Family};
use keyturner::protocol::frame::Message;
use keyturner::protocol::gatt::{Characteristic, Generation};
use keyturner::protocol::reply::ErrorReport;
use keyturner::protocol::{Command, ErrorCode, LockAction, LockState, StatusCode};
use keyturner::session::{CodeChange, CodeNotChanged, Input, LogAccess, Outcome, Output};

use crate::support::puppet::{Puppet, log_count_of, log_entry, states, states_after};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn challenge() -> Message {
    Message::new(Command::Challenge, [4; 32])
}

#[test]
fn accepted_for_nothing_is_nothing() {
    let mut puppet = Puppet::idle();
    puppet.status(StatusCode::Accepted);
    puppet.input(Input::ReadState);
    assert_eq!(puppet.asked(), Some(Command::KeyturnerStates));
    puppet.status(StatusCode::Accepted);
    assert_eq!(puppet.outputs, []);
    // And it is no answer to the question that waits for one.
    puppet.pass(s(4));
    assert!(!puppet.is_up);
}

/// An action that was accepted ends without "complete". What the lock has shown decides, and only that.
#[test]
fn without_complete_only_the_locks_own_word_says_done() {
    let cases = [
        (LockState::Unlocked, LockAction::Unlock, Outcome::Done),
        (LockState::Unlocked, LockAction::Lock, Outcome::Unknown),
        (LockState::Unlocking, LockAction::Unlock, Outcome::Unknown),
    ];
    for (state, last, outcome) in cases {
        for is_stopped in [false, true] {
            let mut puppet = Puppet::with_action_sent(1);
            puppet.status(StatusCode::Accepted);
            puppet.say(&states(LockState::Unlocking));
            puppet.say(&states_after(state, last));
            assert_eq!(puppet.outcome(1), None);
            if is_stopped {
                puppet.input(Input::Stop);
            } else {
                puppet.pass(Duration::from_millis(14_500));
            }
            assert_eq!(puppet.outcome(1), Some(outcome), "{state} after {last}, stopped: {is_stopped}");
        }
    }
}

#[test]
fn a_log_that_is_switched_off_ends_the_search_at_once() {
    let mut puppet = Puppet::with_action_sent(1);
    puppet.lose_link();
    puppet.pass(s(1));
    puppet.connect();
    assert_eq!(puppet.asked(), Some(Command::KeyturnerStates));
    puppet.say(&states(LockState::Unlocked));
    assert_eq!(puppet.challenged().command, Command::RequestLogEntries);
    puppet.say(&log_count_of(false, 0));
    assert_eq!(puppet.outcome(1), None);
    puppet.status(StatusCode::Complete);
    assert_eq!(puppet.outcome(1), Some(Outcome::Unknown));
    assert_eq!(puppet.session.log_access(), LogAccess::LoggingOff);
}

#[test]
fn a_refusal_ends_the_question_by_whichever_of_its_numbers_it_names() {
    let states = Command::KeyturnerStates.id();
    let (data, challenge_id, log) =
        (Command::RequestData.id(), Command::Challenge.id(), Command::RequestLogEntries.id());
    // (what is read, whether its challenge is answered, the number in the refusal, whether that ends it)
    let cases = [
        (Input::ReadState, false, data, true),
        (Input::ReadState, false, states, true),
        (Input::ReadState, false, log, false),
        (Input::CheckLog, false, data, true),
        (Input::CheckLog, false, challenge_id, true),
        (Input::CheckLog, false, log, false),
        (Input::CheckLog, true, log, true),
        (Input::CheckLog, true, data, false),
    ];
    for (input, is_answered, command, ends) in cases {
        let mut puppet = Puppet::idle();
        let what = format!("{input:?} {is_answered} {command:#x}");
        puppet.input(input);
        assert!(puppet.asked().is_some(), "{what}");
        if is_answered {
            puppet.say(&challenge());
            puppet.next_sent().unwrap();
        }
        puppet.error(ErrorCode::UnknownError, command);
        // Who waits for an answer asks nothing else until then, and leaves if none comes.
        puppet.pass(Duration::from_millis(1_500));
        puppet.act(1, LockAction::Unlock);
        assert_eq!(puppet.next_sent().is_some(), ends, "{what}");
    }
}

#[test]
fn a_lock_that_does_not_tell_its_state_tells_the_rest() {
    let mut puppet = Puppet::new(Generation::Gen1To4);
    puppet.connect();
    assert_eq!(puppet.asked(), Some(Command::KeyturnerStates));
    puppet.error(ErrorCode::UnknownError, Command::KeyturnerStates.id());
    assert_eq!(puppet.challenged().command, Command::RequestKeypadCodes);
}

#[test]
fn a_busy_configuration_is_no_busy_log() {
    let mut puppet = Puppet::new(Generation::Gen1To4);
    puppet.connect();
    let mut asked = 0;
    while let Some(message) = puppet.next_sent() {
        match message.command {
            Command::RequestData if message.payload == Command::Challenge.id().to_le_bytes() => {
                puppet.say(&challenge());
            }
            Command::RequestData => puppet.say(&states(LockState::Locked)),
            Command::RequestConfig => {
                asked += 1;
                puppet.error(ErrorCode::Busy, Command::RequestConfig.id());
            }
            Command::RequestAdvancedConfig => puppet.error(ErrorCode::UnknownError, message.command.id()),
            _ => puppet.status(StatusCode::Complete),
        }
    }
    let report = ErrorReport { code: ErrorCode::Busy, command: Command::RequestConfig.id() };
    assert!(puppet.outputs.contains(&Output::Refused(report)), "{:?}", puppet.outputs);
    puppet.pass(s(10));
    assert_eq!((asked, puppet.next_sent()), (1, None));
}

#[test]
fn what_stands_behind_the_end_of_a_link_in_one_piece_is_void() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::ReadState);
    let unreadable = ErrorReport { code: ErrorCode::BadCrc, command: 0 }.encode();
    puppet.say_in_one_piece(&[&unreadable, &states(LockState::Unlocked)]);
    assert!(!puppet.is_up);
    assert!(!puppet.outputs.iter().any(|output| matches!(output, Output::Observed(_))), "{:?}", puppet.outputs);

    let mut puppet = Puppet::idle();
    puppet.input(Input::ReadState);
    puppet.say_in_one_piece(&[&states(LockState::Unlocked), &unreadable]);
    assert!(puppet.outputs.iter().any(|output| matches!(output, Output::Observed(_))), "what came before it counts");
}

#[test]
fn unsigned_noise_changes_nothing() {
    let mut puppet = Puppet::idle();
    for noise in [vec![], vec![0x12], vec![0xFF; 7], vec![0; 64]] {
        puppet.input(Input::Received(Characteristic::KeyturnerGdio, noise));
    }
    // Whole, but unsigned: nobody's state, nobody's end.
    puppet.say_plain(&states(LockState::Unlocked));
    puppet.say_plain(&Message::new(Command::Status, [StatusCode::Complete.code()]));
    puppet.say_plain(&Message::new(Command::ErrorReport, [0x20]));
    assert_eq!((puppet.outputs.as_slice(), puppet.is_up), (&[][..], true));
    let report = ErrorReport { code: ErrorCode::BadLength, command: 0 };
    puppet.say_plain(&report.encode());
    assert_eq!((puppet.outputs.as_slice(), puppet.is_up), (&[Output::Refused(report)][..], true), "told, no more");
}

#[test]
fn after_the_end_neither_beacon_nor_link_begins_anything() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::Stop);
    assert!(!puppet.is_up);
    let before = puppet.connects;
    puppet.input(Input::Beacon(Beacon {
        nuki_id: 0x0A1B_2C3D,
        family: Family::Lock,
        state_changed: true,
        tx_power: -59,
    }));
    puppet.pass(s(60));
    assert_eq!(puppet.connects, before);
    // One that was under way when it ended.
    puppet.connect();
    assert!(!puppet.is_up, "it is hung up");
    assert_eq!(puppet.next_sent(), None);
    let change = CodeChange::Remove(1);
    puppet.input(Input::ChangeCode(change));
    assert!(puppet.outputs.contains(&Output::CodeChanged(Err(CodeNotChanged::Unreachable))));
    assert_eq!(puppet.connects, before);
}

#[test]
fn a_late_wake_up_does_not_end_a_link_that_is_wanted() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::ReadLog);
    // The log's turn and the end of the idle link have both passed when it wakes.
    puppet.oversleep(s(5));
    assert!(puppet.is_up);
    assert_eq!(puppet.challenged().command, Command::RequestLogEntries);
}

#[test]
fn a_lock_that_moves_without_end_is_left_alone() {
    let mut puppet = Puppet::idle();
    puppet.say(&states(LockState::Unlocking));
    let mut polls = 0;
    let end = puppet.now + s(600);
    while puppet.now < end && puppet.is_up {
        while let Some(message) = puppet.next_sent() {
            match message.command {
                Command::RequestData if message.payload == Command::Challenge.id().to_le_bytes() => {
                    puppet.say(&challenge());
                }
                Command::RequestData => {
                    polls += 1;
                    puppet.say(&states(LockState::Unlocking));
                }
                _ => puppet.status(StatusCode::Complete),
            }
        }
        puppet.pass(Duration::from_millis(500));
    }
    assert_eq!((polls, puppet.is_up), (20, false));
    let before = puppet.connects;
    puppet.pass(s(600));
    assert_eq!(puppet.connects, before, "its motion is nothing to come back for");
}

#[test]
fn a_length_that_is_not_told_is_no_news() {
    let mut puppet = Puppet::idle();
    puppet.pass(s(21 * 3600));
    if !puppet.is_up {
        puppet.connect();
    }
    let mut asked = Vec::new();
    while let Some(message) = puppet.next_sent() {
        match message.command {
            Command::RequestAuthorizationEntries | Command::RequestKeypadCodes => {
                asked.push((message.command, message.payload[..4].to_vec()));
                puppet.status(StatusCode::Complete);
            }
            Command::RequestData if message.payload == Command::Challenge.id().to_le_bytes() => {
                puppet.say(&challenge());
            }
            Command::RequestData if message.payload == Command::BatteryReport.id().to_le_bytes() => {
                puppet.error(ErrorCode::UnknownError, Command::BatteryReport.id());
            }
            Command::RequestData => puppet.say(&states(LockState::Locked)),
            _ => puppet.status(StatusCode::Complete),
        }
    }
    let one = vec![0, 0, 1, 0];
    let lengths = [(Command::RequestAuthorizationEntries, one.clone()), (Command::RequestKeypadCodes, one)];
    assert_eq!(asked, lengths, "the lengths, and no list for them");
}

#[test]
fn the_search_for_an_action_that_nobody_saw_the_lock_after_proves_nothing() {
    let mut puppet = Puppet::with_action_sent(1);
    puppet.lose_link();
    puppet.pass(s(1));
    puppet.connect();
    let end = puppet.now + s(13);
    while puppet.outcome(1).is_none() && puppet.now < end {
        puppet.input(Input::ReadLog);
        puppet.pass(Duration::from_millis(250));
        while let Some(message) = puppet.next_sent() {
            match message.command {
                Command::RequestData if message.payload == Command::Challenge.id().to_le_bytes() => {
                    puppet.say(&challenge());
                }
                Command::RequestData => puppet.error(ErrorCode::UnknownError, Command::KeyturnerStates.id()),
                _ => {
                    puppet.say(&log_entry(1, None));
                    puppet.status(StatusCode::Complete);
                }
            }
        }
    }
    assert_eq!((puppet.outcome(1), puppet.now < end), (Some(Outcome::Unknown), true));
}
