//! An action is expected: link and challenge are there when it comes, and nothing is sent if it does not.

use std::time::Duration;

use keyturner::protocol::frame::Message;
use keyturner::protocol::gatt::Generation;
use keyturner::protocol::{Command, ErrorCode, LockAction, LockState, StatusCode};
use keyturner::session::{Input, NotDone, Outcome};

use crate::support::puppet::{Puppet, states};

/// Unlike those with which the puppet was asked before.
const NONCE: [u8; 32] = [6; 32];

/// On a link that is up, the challenge has been asked for.
fn expecting() -> Puppet {
    let mut puppet = Puppet::idle();
    puppet.input(Input::ExpectAction);
    assert_eq!(puppet.asked(), Some(Command::Challenge));
    puppet
}

/// Everything was read, and the link has ended.
fn without_a_link() -> Puppet {
    let mut puppet = Puppet::idle();
    puppet.pass(Duration::from_secs(3));
    assert!(!puppet.is_up);
    puppet
}

/// The lock hands out the challenge that was asked for, and the action leaves with it.
fn leaves(puppet: &mut Puppet) {
    puppet.say(&Message::new(Command::Challenge, NONCE));
    let message = puppet.next_sent().unwrap();
    assert_eq!((message.command, puppet.action_frames), (Command::LockAction, 1));
    assert!(message.payload.ends_with(&NONCE));
}

/// A challenge is asked for only now, and the action leaves with it.
fn leaves_when_asked(puppet: &mut Puppet) {
    assert_eq!(puppet.asked(), Some(Command::Challenge));
    leaves(puppet);
}

#[test]
fn on_a_link_that_is_up_the_challenge_is_asked_for_before_the_action_comes() {
    let mut puppet = expecting();
    puppet.act(1, LockAction::Unlock);
    assert_eq!(puppet.next_sent(), None, "it is the action's now");
    leaves(&mut puppet);
    puppet.status(StatusCode::Accepted);
    puppet.status(StatusCode::Complete);
    assert_eq!(puppet.outcome(1), Some(Outcome::Done));
}

#[test]
fn what_was_handed_out_before_the_action_came_is_not_used_for_it() {
    let mut puppet = expecting();
    puppet.say(&Message::new(Command::Challenge, [5; 32]));
    puppet.act(1, LockAction::Unlock);
    // A command that does something gets one of its own moment.
    leaves_when_asked(&mut puppet);
}

#[test]
fn without_a_link_one_is_made_at_once_and_left_if_nothing_comes() {
    let mut puppet = without_a_link();
    let connects = puppet.connects;
    puppet.input(Input::ExpectAction);
    assert_eq!(puppet.connects, connects + 1);
    puppet.connect();
    assert_eq!(puppet.next_sent(), None, "nothing is known to be wanted");
    puppet.pass(Duration::from_secs(3));
    assert!(!puppet.is_up, "a link without work ends");
    assert_eq!((puppet.connects, puppet.action_frames), (connects + 1, 0));
}

#[test]
fn a_link_that_was_made_for_it_serves_the_action_that_comes_while_it_is_made() {
    let mut puppet = without_a_link();
    let connects = puppet.connects;
    puppet.input(Input::ExpectAction);
    puppet.act(1, LockAction::Unlock);
    assert_eq!(puppet.connects, connects + 1, "one link is enough");
    puppet.connect();
    leaves_when_asked(&mut puppet);
}

#[test]
fn a_link_that_is_not_made_is_tried_again_only_for_what_has_come() {
    let mut puppet = without_a_link();
    let connects = puppet.connects;
    puppet.input(Input::ExpectAction);
    puppet.input(Input::ConnectFailed);
    puppet.pass(Duration::from_secs(60));
    assert_eq!(puppet.connects, connects + 1);
    puppet.input(Input::ExpectAction);
    puppet.act(1, LockAction::Unlock);
    puppet.input(Input::ConnectFailed);
    puppet.pass(Duration::from_secs(1));
    assert_eq!(puppet.connects, connects + 3);
}

#[test]
fn what_is_known_of_nothing_is_read_first() {
    // What an action changed can only be told by who knows what was before it.
    let mut puppet = Puppet::new(Generation::Gen1To4);
    puppet.input(Input::ExpectAction);
    puppet.connect();
    assert_eq!(puppet.asked(), Some(Command::KeyturnerStates));
    puppet.input(Input::ExpectAction);
    puppet.act(1, LockAction::Unlock);
    assert_eq!(puppet.next_sent(), None);
    puppet.say(&states(LockState::Locked));
    leaves_when_asked(&mut puppet);
}

#[test]
fn a_lock_that_is_too_busy_to_hand_one_out_is_asked_again() {
    let mut puppet = expecting();
    puppet.act(1, LockAction::Unlock);
    puppet.error(ErrorCode::Busy, Command::Challenge.id());
    assert_eq!(puppet.next_sent(), None);
    puppet.pass(Duration::from_millis(1_600));
    leaves_when_asked(&mut puppet);
}

#[test]
fn two_that_are_expected_leave_one_after_the_other() {
    let mut puppet = expecting();
    puppet.act(1, LockAction::Unlock);
    puppet.input(Input::ExpectAction);
    puppet.act(2, LockAction::Lock);
    assert_eq!(puppet.next_sent(), None, "the first one's challenge is on its way");
    leaves(&mut puppet);
    puppet.input(Input::ExpectAction);
    assert_eq!(puppet.next_sent(), None, "the lock owes an answer to the first one");
}

#[test]
fn who_has_stopped_gets_ready_for_nothing() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::Stop);
    let connects = puppet.connects;
    puppet.input(Input::ExpectAction);
    puppet.act(1, LockAction::Unlock);
    assert_eq!((puppet.connects, puppet.next_sent()), (connects, None));
    assert_eq!(puppet.outcome(1), Some(Outcome::NotDone(NotDone::NotSent)));
}
