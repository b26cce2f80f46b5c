//! No answer is taken for the answer to something else, however late, doubled or wrong it is.

use std::time::Duration;

use keyturner::protocol::beacon::{Beacon, Family};
use keyturner::protocol::frame::Message;
use keyturner::protocol::gatt::Generation;
use keyturner::protocol::{Command, ErrorCode, LockAction, LockState, StatusCode};
use keyturner::session::{Input, LogAccess, NotDone, Outcome, Output, intent_suffix};

use crate::support::puppet::{Puppet, log_count, log_count_of, log_entry, states};

const LOCK_ACTION: u16 = 0x000D;
const REQUEST_LOG: u16 = 0x0031;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_refusal_of_another_request_does_not_free_an_action_that_has_left() {
    for code in [ErrorCode::Busy, ErrorCode::BadNonce] {
        let mut puppet = Puppet::with_action_sent(1);
        puppet.error(code, REQUEST_LOG);
        puppet.pass(s(20));
        assert_eq!(puppet.action_frames, 1, "{code}");
        assert_eq!(puppet.outcome(1), Some(Outcome::Unknown));
    }
}

#[test]
fn a_refusal_of_a_second_copy_does_not_end_an_accepted_action() {
    for code in [ErrorCode::Busy, ErrorCode::BadNonce] {
        let mut puppet = Puppet::with_action_sent(1);
        puppet.status(StatusCode::Accepted);
        puppet.error(code, LOCK_ACTION);
        assert_eq!(puppet.outcome(1), None);
        puppet.say(&states(LockState::Unlocked));
        puppet.status(StatusCode::Complete);
        assert_eq!(puppet.outcome(1), Some(Outcome::Done));
        assert_eq!(puppet.action_frames, 1);
    }
}

#[test]
fn busy_and_bad_nonce_free_one_new_attempt_each_until_the_deadline() {
    for code in [ErrorCode::Busy, ErrorCode::BadNonce] {
        let mut puppet = Puppet::with_action_sent(1);
        let began = puppet.now;
        while puppet.outcome(1).is_none() {
            puppet.error(code, LOCK_ACTION);
            puppet.error(code, LOCK_ACTION);
            puppet.pass(Duration::from_millis(1_500));
            if puppet.outcome(1).is_none() {
                puppet.send_action();
            }
        }
        assert_eq!(puppet.outcome(1), Some(Outcome::NotDone(NotDone::Refused(code))));
        assert!(puppet.now - began <= s(12), "{:?}", puppet.now - began);
        assert_eq!(puppet.action_frames, 7, "one each 1.5 s, none after 10 s");
    }
}

#[test]
fn a_busy_that_comes_after_the_deadline_ends_the_action_at_once() {
    let mut puppet = Puppet::idle();
    puppet.act(1, LockAction::Unlock);
    puppet.pass(s(3));
    puppet.send_action();
    // Every message that belongs to it keeps the link: accepted never comes.
    puppet.pass(Duration::from_millis(3_900));
    puppet.error(ErrorCode::Busy, LOCK_ACTION);
    puppet.pass(s(2));
    puppet.send_action();
    puppet.pass(s(3));
    puppet.error(ErrorCode::Busy, LOCK_ACTION);
    let frames = puppet.action_frames;
    assert_eq!(puppet.outcome(1), Some(Outcome::NotDone(NotDone::Refused(ErrorCode::Busy))), "{:?}", puppet.outputs);
    puppet.pass(s(30));
    assert_eq!(puppet.action_frames, frames);
}

#[test]
fn an_error_that_names_no_command_proves_nothing_and_ends_the_link() {
    let mut puppet = Puppet::with_action_sent(1);
    puppet.error(ErrorCode::Busy, 0);
    assert!(!puppet.is_up);
    assert_eq!(puppet.outcome(1), None);
    puppet.pass(s(20));
    assert_eq!(puppet.action_frames, 1);
    assert_eq!(puppet.outcome(1), Some(Outcome::Unknown));
}

#[test]
fn accepted_counts_once_and_complete_needs_no_accepted() {
    let mut puppet = Puppet::with_action_sent(1);
    puppet.status(StatusCode::Accepted);
    puppet.status(StatusCode::Accepted);
    puppet.status(StatusCode::Complete);
    puppet.status(StatusCode::Complete);
    let accepted = puppet.outputs.iter().filter(|output| matches!(output, Output::ActionAccepted { .. })).count();
    let finished = puppet.outputs.iter().filter(|output| matches!(output, Output::ActionFinished { .. })).count();
    assert_eq!((accepted, finished, puppet.action_frames), (1, 1, 1));

    let mut puppet = Puppet::with_action_sent(2);
    puppet.status(StatusCode::Complete);
    assert_eq!(puppet.outcome(2), Some(Outcome::Done));
}

#[test]
fn a_challenge_that_comes_twice_sends_the_action_once() {
    let mut puppet = Puppet::with_action_sent(1);
    for _ in 0..3 {
        puppet.say(&Message::new(Command::Challenge, [5; 32]));
    }
    assert_eq!(puppet.action_frames, 1);
}

#[test]
fn status_before_the_command_has_left_means_nothing() {
    let mut puppet = Puppet::idle();
    puppet.act(1, LockAction::Unlock);
    puppet.status(StatusCode::Accepted);
    puppet.status(StatusCode::Complete);
    assert_eq!(puppet.outcome(1), None);
    puppet.send_action();
    assert_eq!(puppet.action_frames, 1);
}

#[test]
fn the_late_end_of_one_action_is_not_the_end_of_the_next() {
    let mut puppet = Puppet::with_action_sent(1);
    puppet.status(StatusCode::Accepted);
    puppet.pass(s(5));
    puppet.act(2, LockAction::Lock);
    puppet.pass(Duration::from_millis(9_500));
    assert_eq!(puppet.outcome(1), Some(Outcome::Unknown));
    // Whatever the first one still has to say dies with its link.
    assert!(!puppet.is_up);
    puppet.status(StatusCode::Complete);
    puppet.connect();
    puppet.send_action();
    assert_eq!(puppet.outcome(2), None);
    puppet.status(StatusCode::Complete);
    assert_eq!(puppet.outcome(2), Some(Outcome::Done));
    assert_eq!(puppet.action_frames, 2);
}

#[test]
fn a_list_without_its_status_costs_the_link_so_that_a_late_status_ends_no_action() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::CheckLog);
    assert_eq!(puppet.asked(), Some(Command::Challenge));
    puppet.say(&Message::new(Command::Challenge, [4; 32]));
    puppet.say(&log_count(0));
    puppet.say(&log_entry(1, None));
    puppet.pass(s(1));
    puppet.act(1, LockAction::Unlock);
    puppet.pass(s(4));
    assert!(!puppet.is_up, "the status is still owed");
    puppet.connect();
    puppet.send_action();
    assert_eq!(puppet.outcome(1), None);
}

#[test]
fn states_without_end_do_not_keep_an_unanswered_question_open() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::CheckLog);
    for _ in 0..10 {
        puppet.pass(Duration::from_millis(900));
        if puppet.is_up {
            puppet.say(&states(LockState::Locked));
        }
    }
    assert!(!puppet.is_up, "the lock talks, but does not answer");
}

#[test]
fn an_action_asked_for_too_long_ago_is_not_sent() {
    let mut puppet = Puppet::idle();
    let asked_at = puppet.now;
    puppet.pass(s(10));
    if !puppet.is_up {
        puppet.connect();
    }
    puppet.input(Input::Act(keyturner::session::ActionRequest { intent_id: 1, action: LockAction::Unlock, asked_at }));
    assert_eq!(puppet.outcome(1), Some(Outcome::NotDone(NotDone::NotSent)));
    puppet.pass(s(30));
    assert_eq!(puppet.action_frames, 0);
}

#[test]
fn every_action_in_the_queue_has_its_own_deadline() {
    let mut puppet = Puppet::with_action_sent(1);
    puppet.status(StatusCode::Accepted);
    puppet.act(2, LockAction::Lock);
    puppet.pass(s(2));
    puppet.act(3, LockAction::Unlock);
    puppet.pass(s(8));
    assert_eq!(puppet.outcome(2), Some(Outcome::NotDone(NotDone::NotSent)), "10 s, whatever the first one does");
    assert_eq!((puppet.outcome(1), puppet.outcome(3)), (None, None));
    puppet.pass(s(2));
    assert_eq!(puppet.outcome(3), Some(Outcome::NotDone(NotDone::NotSent)));
    puppet.status(StatusCode::Complete);
    assert_eq!(puppet.outcome(1), Some(Outcome::Done));
    assert_eq!(puppet.action_frames, 1);
}

#[test]
fn the_queue_of_actions_has_an_end() {
    let mut puppet = Puppet::with_action_sent(1);
    for intent in 2..40 {
        puppet.act(intent, LockAction::Lock);
    }
    let refused = (2..40).filter(|intent| puppet.outcome(*intent).is_some()).count();
    assert_eq!(refused, 38 - 16);
}

/// No connection is made for so many minutes.
fn out_of_reach(puppet: &mut Puppet, minutes: u32) {
    for _ in 0..minutes {
        puppet.input(Input::ConnectFailed);
        puppet.pass(s(60));
    }
}

#[test]
fn an_action_does_not_wait_for_the_back_off() {
    let mut puppet = Puppet::new(Generation::Gen1To4);
    out_of_reach(&mut puppet, 8);
    puppet.input(Input::ConnectFailed);
    let before = puppet.connects;
    puppet.act(1, LockAction::Unlock);
    assert_eq!(puppet.connects, before + 1, "at once");
    for _ in 0..5 {
        puppet.input(Input::ConnectFailed);
        puppet.pass(Duration::from_millis(500));
    }
    assert_eq!(puppet.connects, before + 6, "and again each half second");
}

#[test]
fn a_refused_pin_is_never_tried_again_whatever_the_lock_says_later() {
    for code in [ErrorCode::BadPin, ErrorCode::TooManyPinAttempts] {
        let mut puppet = Puppet::new(Generation::Gen1To4);
        puppet.connect();
        assert_eq!(puppet.asked(), Some(Command::KeyturnerStates));
        puppet.say(&states(LockState::Locked));
        assert_eq!(puppet.asked(), Some(Command::Challenge));
        puppet.say(&Message::new(Command::Challenge, [4; 32]));
        let asked = puppet.next_sent().unwrap();
        puppet.error(code, asked.command.id());
        puppet.say(&log_count(5));
        puppet.serve_reads(LockState::Locked);
        for input in [Input::ReadLog, Input::CheckLog, Input::ReadDirectory, Input::Rewind(0), Input::ReadState] {
            puppet.input(input);
            puppet.serve_reads(LockState::Unlocked);
            puppet.pass(s(1));
            puppet.serve_reads(LockState::Locked);
        }
        puppet.pass(s(8 * 3600));
        assert_eq!(puppet.pin_frames, 1, "{code}");
        assert_eq!(puppet.session.log_access(), LogAccess::PinRefused);
    }
}

#[test]
fn what_the_lock_never_answers_is_not_asked_for_all_day() {
    let mut puppet = Puppet::new(Generation::Gen1To4);
    let mut links = 0;
    let end = puppet.now + s(24 * 3600);
    while puppet.now < end {
        puppet.pass(s(1));
        if !puppet.is_up && puppet.connects > links {
            links = puppet.connects;
            puppet.connect();
        }
        if !puppet.is_up {
            continue;
        }
        // Everything but the configuration is answered.
        while let Some(message) = puppet.next_sent() {
            match message.command {
                Command::RequestData if message.payload == Command::Challenge.id().to_le_bytes() => {
                    puppet.say(&Message::new(Command::Challenge, [4; 32]));
                }
                Command::RequestData if message.payload == Command::BatteryReport.id().to_le_bytes() => {
                    puppet.error(ErrorCode::UnknownError, Command::BatteryReport.id());
                }
                Command::RequestData => puppet.say(&states(LockState::Locked)),
                Command::RequestConfig => {}
                Command::RequestAdvancedConfig => {
                    puppet.error(ErrorCode::UnknownError, Command::RequestAdvancedConfig.id());
                }
                _ => puppet.status(StatusCode::Complete),
            }
        }
    }
    assert!(links <= 3 + 4 + 4, "{links} connections in a day");
}

#[test]
fn a_lock_that_disowns_us_is_left_alone_and_every_action_is_refused() {
    let mut puppet = Puppet::new(Generation::Gen1To4);
    puppet.act(1, LockAction::Unlock);
    puppet.act(2, LockAction::Lock);
    puppet.connect();
    puppet.disown();
    let refused = Some(Outcome::NotDone(NotDone::Refused(ErrorCode::NotAuthorized)));
    assert_eq!((puppet.outcome(1), puppet.outcome(2)), (refused, refused));
    assert!(!puppet.is_up);
    for (minutes, is_believed) in [(1, false), (5, true), (30, true), (30, true)] {
        let before = puppet.connects;
        puppet.input(Input::ReadState);
        puppet.input(Input::Beacon(changed()));
        puppet.pass(s(minutes * 60 - 1));
        assert_eq!(puppet.connects, before, "nothing for {minutes} minutes");
        puppet.pass(s(1));
        assert_eq!(puppet.connects, before + 1, "then it is asked once");
        puppet.connect();
        puppet.disown();
        assert_eq!(puppet.outputs.contains(&Output::AuthorizationLost), is_believed, "after {minutes} minutes more");
    }
    let told = puppet.outputs.iter().filter(|output| **output == Output::AuthorizationLost).count();
    assert_eq!(told, 1, "told once");
}

#[test]
fn one_unsigned_refusal_makes_us_deaf_for_a_minute_and_is_not_believed() {
    let mut puppet = Puppet::idle();
    puppet.pass(s(10));
    for _ in 0..5 {
        puppet.input(Input::Beacon(changed()));
        // Somebody else in its place.
        puppet.connect();
        puppet.disown();
        puppet.pass(s(60));
        puppet.connect();
        puppet.serve_reads(LockState::Locked);
        puppet.pass(s(10));
        assert!(!puppet.is_up);
        assert!(!puppet.outputs.contains(&Output::AuthorizationLost), "it has spoken our key in between");
        let before = puppet.connects;
        puppet.input(Input::Beacon(Beacon { state_changed: false, ..changed() }));
        puppet.input(Input::Beacon(changed()));
        assert_eq!(puppet.connects, before + 1, "beacons are heeded again");
        puppet.connect();
        puppet.serve_reads(LockState::Locked);
        puppet.pass(s(60));
    }
}

fn changed() -> Beacon {
    Beacon { nuki_id: 0x0A1B_2C3D, family: Family::Lock, state_changed: true, tx_power: -59 }
}

#[test]
fn an_unsigned_refusal_on_a_link_that_works_is_not_believed() {
    let mut puppet = Puppet::with_action_sent(1);
    puppet.disown();
    assert!(!puppet.outputs.contains(&Output::AuthorizationLost));
    assert_eq!(puppet.outcome(1), None, "the log will tell");
    assert!(!puppet.is_up);
}

#[test]
fn an_entry_of_an_older_intent_with_the_same_number_proves_nothing() {
    // A new database counts from one again; the lock still has the old "#00000001". Clocks that were never set are
    // the exception: there the name alone has to do.
    let mut puppet = Puppet::with_action_sent(1);
    puppet.lose_link();
    puppet.pass(s(1));
    puppet.connect();
    assert_eq!(puppet.asked(), Some(Command::KeyturnerStates));
    puppet.say(&states(LockState::Locked));
    assert_eq!(puppet.asked(), Some(Command::Challenge));
    puppet.say(&Message::new(Command::Challenge, [4; 32]));
    assert_eq!(puppet.next_sent().unwrap().command, Command::RequestLogEntries);
    puppet.say(&log_entry(1, Some("#00000002")));
    assert_eq!(puppet.outcome(1), None, "another intent");
    puppet.say(&log_entry(2, Some(&intent_suffix(1))));
    assert_eq!(puppet.outcome(1), Some(Outcome::Done));
}

#[test]
fn entries_read_before_a_link_breaks_are_handed_on_and_not_read_again() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::Rewind(0));
    assert_eq!(puppet.asked(), Some(Command::Challenge));
    puppet.say(&Message::new(Command::Challenge, [4; 32]));
    puppet.next_sent().unwrap();
    puppet.say(&log_count(5));
    for index in [1, 2, 2, 1, 3, 4, 5] {
        puppet.say(&log_entry(index, None));
    }
    puppet.lose_link();
    assert_eq!(puppet.log_indexes(), [1, 2, 3, 4, 5], "none twice, none lost");
    puppet.pass(s(1));
    puppet.connect();
    assert_eq!(puppet.asked(), Some(Command::Challenge));
    puppet.say(&Message::new(Command::Challenge, [4; 32]));
    let request = puppet.next_sent().unwrap();
    assert_eq!(request.payload[..4], 5_u32.to_le_bytes(), "behind the last one");
}

#[test]
fn rewinding_in_the_middle_of_a_page_leaves_no_hole() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::Rewind(10));
    puppet.asked();
    puppet.say(&Message::new(Command::Challenge, [4; 32]));
    puppet.next_sent().unwrap();
    puppet.say(&log_entry(11, None));
    puppet.input(Input::Rewind(5));
    puppet.say(&log_entry(12, None));
    puppet.status(StatusCode::Complete);
    assert_eq!(puppet.log_indexes(), [] as [u32; 0], "6 to 10 would be missing in front of them");
    assert_eq!(puppet.asked(), Some(Command::Challenge));
    puppet.say(&Message::new(Command::Challenge, [4; 32]));
    assert_eq!(puppet.next_sent().unwrap().payload[..4], 5_u32.to_le_bytes());
}

#[test]
fn stopping_answers_every_action_and_begins_nothing() {
    let mut puppet = Puppet::with_action_sent(1);
    puppet.act(2, LockAction::Lock);
    puppet.input(Input::Stop);
    assert_eq!(puppet.outcome(1), Some(Outcome::Unknown));
    assert_eq!(puppet.outcome(2), Some(Outcome::NotDone(NotDone::NotSent)));
    assert!(!puppet.is_up);
    let before = puppet.connects;
    puppet.act(3, LockAction::Lock);
    puppet.input(Input::ReadState);
    puppet.pass(s(7 * 3600));
    assert_eq!(puppet.outcome(3), Some(Outcome::NotDone(NotDone::NotSent)));
    assert_eq!((puppet.connects, puppet.action_frames), (before, 1));
    assert_eq!(puppet.session.next_timeout(), None);
}

#[test]
fn whoever_stops_behind_a_refusal_does_not_say_that_nothing_was_sent() {
    let mut puppet = Puppet::with_action_sent(1);
    puppet.error(ErrorCode::Busy, LOCK_ACTION);
    puppet.input(Input::Stop);
    assert_eq!(puppet.outcome(1), Some(Outcome::NotDone(NotDone::Refused(ErrorCode::Busy))));
}

#[test]
fn a_session_that_has_ended_wakes_up_no_more_whatever_it_is_told() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::Stop);
    let before = puppet.connects;
    // More often than the budget allows, after which it would be put off.
    for _ in 0..20 {
        puppet.input(Input::ReadDirectory);
        puppet.input(Input::ReadLog);
        puppet.input(Input::Beacon(changed()));
    }
    assert_eq!(puppet.session.next_timeout(), None);
    puppet.pass(s(7 * 3600));
    assert_eq!(puppet.connects, before);
}

#[test]
fn a_log_counts_as_cleared_only_if_the_lock_says_so() {
    // (what the lock says before COMPLETE, whether that is a cleared log)
    let cases: [(&[Message], bool); 5] = [
        (&[log_count(0)], true),
        (&[log_count(3), log_entry(3, None)], true),
        (&[log_count(12), log_entry(12, None)], false),
        (&[log_count_of(false, 0)], false),
        (&[], false),
    ];
    for (said, is_cleared) in cases {
        let mut puppet = Puppet::idle();
        puppet.input(Input::Rewind(10));
        puppet.serve_reads(LockState::Locked);
        puppet.input(Input::CheckLog);
        assert_eq!(puppet.asked(), Some(Command::Challenge));
        puppet.say(&Message::new(Command::Challenge, [4; 32]));
        puppet.next_sent().unwrap();
        said.iter().for_each(|message| puppet.say(message));
        puppet.status(StatusCode::Complete);
        let reset = puppet.outputs.iter().any(|output| matches!(output, Output::LogReset { .. }));
        assert_eq!(reset, is_cleared, "{said:?}");
        let is_off = puppet.session.log_access() == LogAccess::LoggingOff;
        assert_eq!(is_off, said.first() == Some(&log_count_of(false, 0)));
    }
}

#[test]
fn a_page_longer_than_asked_for_is_cut_and_its_rest_read_again() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::Rewind(0));
    assert_eq!(puppet.asked(), Some(Command::Challenge));
    puppet.say(&Message::new(Command::Challenge, [4; 32]));
    puppet.next_sent().unwrap();
    for index in 1..=40 {
        puppet.say(&log_entry(index, None));
    }
    puppet.status(StatusCode::Complete);
    assert_eq!(puppet.log_indexes(), (1..=25).collect::<Vec<u32>>());
    assert_eq!(puppet.asked(), Some(Command::Challenge));
    puppet.say(&Message::new(Command::Challenge, [4; 32]));
    assert_eq!(puppet.next_sent().unwrap().payload[..4], 25_u32.to_le_bytes());
}

#[test]
fn a_refused_pin_stays_refused_even_in_the_middle_of_a_list() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::CheckLog);
    puppet.asked();
    puppet.say(&Message::new(Command::Challenge, [4; 32]));
    puppet.next_sent().unwrap();
    let before = puppet.pin_frames;
    puppet.error(ErrorCode::BadPin, 0x0009);
    puppet.say(&log_count(5));
    puppet.say(&log_entry(5, None));
    puppet.status(StatusCode::Complete);
    puppet.pass(s(8 * 3600));
    assert_eq!(puppet.session.log_access(), LogAccess::PinRefused);
    assert_eq!(puppet.pin_frames, before);
}

#[test]
fn links_that_bring_nothing_become_rarer() {
    let mut puppet = Puppet::new(Generation::Gen1To4);
    let mut waits = Vec::new();
    for _ in 0..3 {
        puppet.connect();
        let lost = puppet.now;
        let before = puppet.connects;
        puppet.lose_link();
        while puppet.connects == before && puppet.now - lost < s(100) {
            puppet.pass(Duration::from_millis(100));
        }
        waits.push((puppet.now - lost).as_secs());
    }
    assert_eq!(waits, [1, 2, 4]);
}

/// Found by `tests/lives`, seed 8408: the first link after hours without an adapter broke, and was made again a minute later.
#[test]
fn the_first_link_after_hours_without_one_that_breaks_is_made_again_soon() {
    let mut puppet = Puppet::new(Generation::Gen1To4);
    out_of_reach(&mut puppet, 60);
    let before = puppet.connects;
    puppet.connect();
    puppet.lose_link();
    puppet.pass(Duration::from_millis(1_100));
    assert_eq!(puppet.connects, before + 1, "the way to the lock is there");
}
