//! The lock says that its bolt rests: who it was is asked at once, and nothing that happens meanwhile is missed.

use std::time::Duration;

use keyturner::protocol::frame::Message;
use keyturner::protocol::log::LogIndex;
use keyturner::protocol::{Command, ErrorCode, LockState, StatusCode};
use keyturner::session::{Input, Output};

use crate::support::puppet::{Puppet, log_count, log_entry, states};

/// The last challenge that the puppet hands out.
const HELD: [u8; 32] = [5; 32];

fn challenge(nonce: [u8; 32]) -> Message {
    Message::new(Command::Challenge, nonce)
}

/// The next message asks for the log behind `start`; was it made with this challenge?
fn log_request(puppet: &mut Puppet, start: LogIndex, nonce: [u8; 32]) {
    let request = puppet.next_sent().unwrap();
    assert_eq!(request.command, Command::RequestLogEntries);
    assert_eq!(request.payload[..4], start.to_le_bytes());
    assert_eq!(request.payload[8..40], nonce);
}

/// Linked, nothing to do, the log is read up to 5, and its count was right.
fn at_five() -> Puppet {
    let mut puppet = Puppet::idle();
    puppet.input(Input::Rewind(4));
    assert_eq!(puppet.asked(), Some(Command::Challenge));
    puppet.say(&challenge([4; 32]));
    log_request(&mut puppet, 4, [4; 32]);
    puppet.say(&log_count(1));
    puppet.say(&log_entry(5, None));
    assert_eq!(puppet.log_indexes(), [] as [LogIndex; 0], "what its counts mean is not known yet");
    puppet.status(StatusCode::Complete);
    assert_eq!(puppet.log_indexes(), [5]);
    puppet.outputs.clear();
    puppet
}

/// The motor has run, and the lock has said that it stands.
fn unlocked() -> Puppet {
    let mut puppet = at_five();
    puppet.say(&states(LockState::Unlocking));
    assert_eq!(puppet.asked(), Some(Command::Challenge), "while the motor runs there is time for it");
    puppet.say(&challenge(HELD));
    assert_eq!(puppet.next_sent(), None, "the log says nothing yet");
    puppet.say(&states(LockState::Unlocked));
    puppet
}

fn ends(puppet: &Puppet) -> Vec<bool> {
    let ends = puppet.outputs.iter().filter_map(|output| match output {
        Output::Log { end, .. } => Some(*end),
        _ => None,
    });
    ends.collect()
}

#[test]
fn who_it_was_takes_one_question_and_two_answers() {
    let mut puppet = unlocked();
    log_request(&mut puppet, 5, HELD);
    puppet.say(&log_count(1));
    puppet.say(&log_entry(6, None));
    assert_eq!((puppet.log_indexes(), ends(&puppet)), (vec![6], vec![true]), "without the end mark");
    assert_eq!(puppet.next_sent(), None, "which is waited for before anything else is asked");
    puppet.status(StatusCode::Complete);
    assert_eq!(ends(&puppet), [true], "and says nothing new");
    // The beacon's bit is cleared, and what was written until then is read.
    assert_eq!(puppet.asked(), Some(Command::KeyturnerStates));
    puppet.say(&states(LockState::Unlocked));
    assert_eq!(puppet.asked(), Some(Command::Challenge));
    puppet.say(&challenge([6; 32]));
    log_request(&mut puppet, 6, [6; 32]);
    puppet.say(&log_count(1));
    puppet.say(&log_entry(7, None));
    puppet.status(StatusCode::Complete);
    assert_eq!(puppet.log_indexes(), [6, 7]);
    assert_eq!(puppet.next_sent(), None);
}

#[test]
fn a_page_that_falls_short_of_its_count_is_no_end() {
    let mut puppet = unlocked();
    log_request(&mut puppet, 5, HELD);
    puppet.say(&log_count(2));
    puppet.say(&log_entry(6, None));
    assert_eq!(ends(&puppet), [] as [bool; 0]);
    puppet.status(StatusCode::Complete);
    assert_eq!(ends(&puppet), [false], "the second one was lost");
}

#[test]
fn a_page_with_a_hole_ends_with_its_end_mark() {
    let mut puppet = unlocked();
    log_request(&mut puppet, 5, HELD);
    puppet.say(&log_count(1));
    puppet.say(&log_entry(7, None));
    assert_eq!(ends(&puppet), [] as [bool; 0]);
    puppet.status(StatusCode::Complete);
    assert_eq!((puppet.log_indexes(), ends(&puppet)), (vec![7], vec![true]));
}

#[test]
fn a_lock_that_sends_more_than_it_announced_is_not_believed_again() {
    let mut puppet = unlocked();
    log_request(&mut puppet, 5, HELD);
    puppet.say(&log_count(1));
    puppet.say(&log_entry(6, None));
    puppet.say(&log_entry(7, None));
    puppet.status(StatusCode::Complete);
    assert_eq!((puppet.log_indexes(), ends(&puppet)), (vec![6, 7], vec![true, true]), "nothing is lost");
    puppet.serve_reads(LockState::Unlocked);
    puppet.outputs.clear();
    puppet.say(&states(LockState::Locking));
    puppet.asked();
    puppet.say(&challenge(HELD));
    puppet.say(&states(LockState::Locked));
    log_request(&mut puppet, 7, HELD);
    puppet.say(&log_count(1));
    puppet.say(&log_entry(8, None));
    assert_eq!(ends(&puppet), [] as [bool; 0]);
    puppet.status(StatusCode::Complete);
    assert_eq!(ends(&puppet), [true]);
}

#[test]
fn a_lock_that_does_not_keep_its_challenge_is_asked_as_ever() {
    let mut puppet = unlocked();
    log_request(&mut puppet, 5, HELD);
    puppet.error(ErrorCode::BadNonce, Command::RequestLogEntries.id());
    puppet.serve_reads(LockState::Unlocked);
    assert!(puppet.is_up);
    puppet.say(&states(LockState::Locking));
    assert_eq!(puppet.next_sent(), None, "not once more");
    puppet.say(&states(LockState::Locked));
    assert_eq!(puppet.asked(), Some(Command::Challenge));
}

#[test]
fn a_lock_that_hands_out_no_challenge_while_its_motor_runs_is_asked_afterwards() {
    let mut puppet = at_five();
    puppet.say(&states(LockState::Unlocking));
    assert_eq!(puppet.asked(), Some(Command::Challenge));
    puppet.error(ErrorCode::Busy, Command::Challenge.id());
    assert_eq!(puppet.next_sent(), None);
    puppet.say(&states(LockState::Unlocked));
    assert_eq!(puppet.asked(), Some(Command::Challenge));
    puppet.say(&challenge([6; 32]));
    log_request(&mut puppet, 5, [6; 32]);
}

#[test]
fn a_challenge_does_not_outlive_its_link() {
    let mut puppet = at_five();
    puppet.say(&states(LockState::Unlocking));
    puppet.asked();
    puppet.say(&challenge(HELD));
    puppet.lose_link();
    puppet.pass(Duration::from_secs(1));
    puppet.connect();
    assert_eq!(puppet.asked(), Some(Command::KeyturnerStates));
    puppet.say(&states(LockState::Unlocked));
    assert_eq!(puppet.asked(), Some(Command::Challenge));
}

#[test]
fn an_action_gets_a_challenge_of_its_own() {
    let mut puppet = at_five();
    puppet.say(&states(LockState::Unlocking));
    puppet.asked();
    puppet.say(&challenge(HELD));
    puppet.act(1, keyturner::protocol::LockAction::Lock);
    assert_eq!(puppet.asked(), Some(Command::Challenge));
    puppet.say(&challenge([6; 32]));
    let command = puppet.next_sent().unwrap();
    assert!(command.command == Command::LockAction && command.payload.ends_with(&[6; 32]));
}
