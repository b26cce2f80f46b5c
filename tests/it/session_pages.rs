//! Pages of the log that are not as they should be: short, long, with holes, with numbers of another numbering, refused.

use std::time::Duration;

use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::frame::Message;
use keyturner::protocol::gatt::Generation;
use keyturner::protocol::log::{LogEntry, LogEntryKind, LogIndex};
use keyturner::protocol::{Command, DoorEvent, ErrorCode, LockState, StatusCode};
use keyturner::session::{Anchor, Input, Output, SessionConfig};

use crate::support::puppet::{Puppet, log_count, log_entry, states};

const REQUEST_LOG: u16 = 0x0031;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Linked, and the log behind `cursor` has just been asked for.
fn reading_from(cursor: LogIndex) -> Puppet {
    let mut puppet = Puppet::idle();
    puppet.input(Input::Rewind(cursor));
    asks_for_log(&mut puppet, cursor);
    puppet
}

/// The session asks for the log from here, ascending from an index or, with 0, from one of its ends.
fn asks_for_log(puppet: &mut Puppet, start: LogIndex) {
    let request = puppet.challenged();
    assert_eq!((request.command, &request.payload[..4]), (Command::RequestLogEntries, start.to_le_bytes().as_slice()));
}

/// The lock brings a page: what it announces, and what comes.
fn page(puppet: &mut Puppet, announced: u16, indexes: impl IntoIterator<Item = LogIndex>) {
    puppet.say(&log_count(announced));
    for index in indexes {
        puppet.say(&log_entry(index, None));
    }
    puppet.status(StatusCode::Complete);
}

fn resets(puppet: &Puppet) -> Vec<Option<LogIndex>> {
    let resets = puppet.outputs.iter().filter_map(|output| match output {
        Output::LogReset { newest } => Some(*newest),
        _ => None,
    });
    resets.collect()
}

#[test]
fn a_page_with_a_hole_is_read_once_more_and_then_believed() {
    let mut puppet = reading_from(4);
    page(&mut puppet, 3, [5, 7]);
    assert_eq!(puppet.log_indexes(), [5], "6 would come too late behind 7");
    asks_for_log(&mut puppet, 5);
    page(&mut puppet, 2, [7]);
    assert_eq!(puppet.log_indexes(), [5]);
    asks_for_log(&mut puppet, 5);
    page(&mut puppet, 2, [7]);
    assert_eq!(puppet.log_indexes(), [5, 7], "there is no 6");
    // This lock counts what it does not bring.
    puppet.input(Input::Rewind(7));
    asks_for_log(&mut puppet, 7);
    page(&mut puppet, 3, [8]);
    assert_eq!(puppet.log_indexes(), [5, 7, 8]);
    assert_eq!(puppet.next_sent(), None);
}

#[test]
fn the_hole_that_was_a_lost_message_is_filled() {
    let mut puppet = reading_from(4);
    page(&mut puppet, 3, [5, 7]);
    asks_for_log(&mut puppet, 5);
    page(&mut puppet, 2, [6, 7]);
    assert_eq!(puppet.log_indexes(), [5, 6, 7]);
    assert_eq!(puppet.next_sent(), None);
}

#[test]
fn an_entry_at_the_cursor_that_nobody_asked_for_is_not_stored_again() {
    let mut puppet = reading_from(4);
    page(&mut puppet, 1, [4, 5]);
    assert_eq!(puppet.log_indexes(), [5]);
    assert_eq!(resets(&puppet), []);
}

#[test]
fn a_high_number_behind_a_low_cursor_is_of_the_numbering_before() {
    let mut puppet = reading_from(3);
    page(&mut puppet, 3, [LogIndex::MAX - 5, LogIndex::MAX - 4, LogIndex::MAX]);
    assert_eq!(puppet.log_indexes(), [] as [LogIndex; 0]);
    // From the top down to where the numbers rise. A page is as long as it was asked for, whatever the lock sends.
    asks_for_log(&mut puppet, 0);
    page(&mut puppet, 25, (4..=60).rev());
    asks_for_log(&mut puppet, 36);
    page(&mut puppet, 25, (4..=35).rev());
    asks_for_log(&mut puppet, 11);
    page(&mut puppet, 25, [10, 9, 8, 7, 6, 5, 4, 3, 2, LogIndex::MAX]);
    assert_eq!(puppet.log_indexes(), (4..=60).collect::<Vec<_>>());
    assert_eq!(resets(&puppet), []);
}

#[test]
fn an_empty_log_behind_the_highest_numbers_was_cleared() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::Rewind(LogIndex::MAX - 5));
    puppet.serve_reads(LockState::Locked);
    puppet.input(Input::CheckLog);
    asks_for_log(&mut puppet, 0);
    page(&mut puppet, 0, []);
    assert_eq!(resets(&puppet), [None]);
}

#[test]
fn only_the_entry_at_the_cursor_is_looked_for_again() {
    let entry = LogEntry {
        index: 10,
        timestamp: None,
        auth_id: 3,
        name: "Dora".to_owned(),
        kind: LogEntryKind::Door(DoorEvent::Opened),
    };
    for (index, start) in [(10, 9), (9, 10), (11, 10)] {
        let anchor = Some(Anchor::from(&LogEntry { index, ..entry.clone() }));
        let config = SessionConfig { cursor: 10, anchor, ..Puppet::config(Generation::Gen1To4) };
        let mut puppet = Puppet::with(config);
        puppet.connect();
        while puppet.log_starts.len() < 2 {
            match puppet.next_sent().unwrap() {
                asked if asked.command == Command::RequestLogEntries => page(&mut puppet, 10, [10]),
                asked if asked.payload == Command::KeyturnerStates.id().to_le_bytes() => {
                    puppet.say(&states(LockState::Locked));
                }
                asked if asked.command == Command::RequestData => {
                    puppet.say(&Message::new(Command::Challenge, [4; 32]));
                }
                _ => puppet.status(StatusCode::Complete),
            }
        }
        assert_eq!(puppet.log_starts, [0, start], "the newest number, then what is behind {index}");
    }
}

#[test]
fn an_entry_is_known_again_by_number_time_author_and_kind() {
    let entry = LogEntry {
        index: 10,
        timestamp: DeviceTime::from_unix_seconds(1_795_442_400),
        auth_id: 3,
        name: "Dora".to_owned(),
        kind: LogEntryKind::Door(DoorEvent::Opened),
    };
    let anchor = Anchor::from(&entry);
    assert!(anchor.is(&entry));
    assert!(anchor.is(&LogEntry { name: "Dora Maria".to_owned(), ..entry.clone() }), "a lock may show today's name");
    assert!(!anchor.is(&LogEntry { index: 11, ..entry.clone() }));
    assert!(!anchor.is(&LogEntry { timestamp: DeviceTime::from_unix_seconds(1_795_442_401), ..entry.clone() }));
    assert!(!anchor.is(&LogEntry { auth_id: 4, ..entry.clone() }));
    assert!(!anchor.is(&LogEntry { kind: LogEntryKind::Logging(true), ..entry }));
}

#[test]
fn a_log_that_is_busy_is_asked_again_a_few_times() {
    let mut puppet = reading_from(4);
    for _ in 0..2 {
        puppet.error(ErrorCode::Busy, REQUEST_LOG);
        assert_eq!(puppet.next_sent(), None, "not at once");
        puppet.pass(Duration::from_millis(1_499));
        assert_eq!(puppet.next_sent(), None);
        puppet.pass(Duration::from_millis(1));
        asks_for_log(&mut puppet, 4);
    }
    puppet.error(ErrorCode::Busy, REQUEST_LOG);
    puppet.pass(s(60));
    assert_eq!((puppet.next_sent(), puppet.is_up), (None, false), "it is given up for a while");
    let before = puppet.connects;
    puppet.pass(s(15 * 60));
    assert_eq!(puppet.connects, before + 1);
    puppet.connect();
    let starts = puppet.log_starts.len();
    puppet.serve_reads(LockState::Locked);
    assert!(puppet.log_starts[starts..].contains(&4), "{:?}", puppet.log_starts);
}

#[test]
fn a_refusal_in_the_middle_of_a_page_loses_nothing_of_it() {
    for came in [0, 2] {
        let mut puppet = reading_from(4);
        puppet.say(&log_count(3));
        for index in 5..5 + came {
            puppet.say(&log_entry(index, None));
        }
        puppet.error(ErrorCode::UnknownError, REQUEST_LOG);
        assert_eq!(puppet.log_indexes(), (5..5 + came).collect::<Vec<_>>());
        let refused = puppet.outputs.iter().filter(|output| matches!(output, Output::Refused(_))).count();
        assert_eq!(refused, 1);
        assert_eq!(puppet.next_sent(), None, "asking again would not change it");
    }
}

#[test]
fn entries_that_belong_to_no_reading_are_not_stored() {
    let mut puppet = Puppet::idle();
    puppet.say(&log_entry(5, None));
    puppet.input(Input::ReadState);
    assert_eq!(puppet.asked(), Some(Command::KeyturnerStates));
    puppet.say(&log_entry(5, None));
    puppet.say(&Message::new(Command::LogEntry, log_entry(6, None).payload));
    assert_eq!(puppet.log_indexes(), [] as [LogIndex; 0]);
}
