//! The simulated lock's log says who it was, as a real one does.

use std::time::Duration;

use keyturner::protocol::log::{KeypadEntry, LogEntryCount, LogEntryKind, LogRequest, SortOrder};
use keyturner::protocol::reply::Reply;
use keyturner::protocol::request::PinCommand;
use keyturner::protocol::users::TimeLimit;
use keyturner::protocol::{
    Command, CompletionStatus, DoorEvent, IdType, KeypadSource, LockAction, LockState, StatusCode, Trigger,
};
use keyturner::simlock::{DoorMove, Fault, Input, Person, Refusal, SimLockConfig, Turn};

use crate::support::bench::{Bench, NUKI_ID, PIN};

fn indexes(entries: &[keyturner::protocol::log::LogEntry]) -> Vec<u32> {
    entries.iter().map(|entry| entry.index).collect()
}

#[test]
fn a_code_opens_and_is_logged_by_its_number() {
    let mut bench = Bench::family();
    bench.person(Person::keypad(746_352));
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.lock.state().lock_state, LockState::Unlocked);
    let entry = bench.lock.log().back().unwrap();
    assert_eq!((entry.auth_id, entry.name.as_str()), (1, "Nuki Keypad"));
    let expected = KeypadEntry {
        action: LockAction::Unlock,
        source: KeypadSource::Code,
        completion_status: CompletionStatus::Success,
        code_id: 2,
    };
    assert_eq!(entry.kind, LogEntryKind::Keypad(expected));
    assert_eq!(bench.lock.keypad_codes()[1].entry.lock_count, 1);
}

#[test]
fn a_wrong_code_moves_nothing_and_names_nobody() {
    let mut bench = Bench::family();
    for person in [Person::KeypadWrongCode, Person::keypad(111_111), Person::keypad(0)] {
        bench.person(person);
        assert_eq!(bench.lock.refusal(), Some(Refusal::WrongCode));
        let LogEntryKind::Keypad(entry) = bench.lock.log().back().unwrap().kind else { panic!("no keypad entry") };
        assert_eq!((entry.completion_status, entry.code_id), (CompletionStatus::InvalidCode, 0));
    }
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.lock.state().lock_state, LockState::Locked);
    assert_eq!(bench.lock.state().last_action.action, LockAction::None);
}

#[test]
fn a_code_that_is_disabled_or_out_of_time_is_refused_by_its_number() {
    let mut config = SimLockConfig::family(NUKI_ID);
    config.codes[0].enabled = false;
    config.codes[1].time_limit = Some(TimeLimit { from_time: (3, 0), until_time: (3, 1), ..TimeLimit::default() });
    let mut bench = Bench::new(config);
    for (digits, code_id) in [(583_921, 1), (746_352, 2)] {
        bench.person(Person::keypad(digits));
        assert_eq!(bench.lock.refusal(), Some(Refusal::CodeNotAllowed));
        let LogEntryKind::Keypad(entry) = bench.lock.log().back().unwrap().kind else { panic!("no keypad entry") };
        assert_eq!((entry.completion_status, entry.code_id), (CompletionStatus::Rejected, code_id));
    }
    assert_eq!(bench.lock.state().lock_state, LockState::Locked);
}

#[test]
fn a_finger_opens_under_its_number_and_an_unknown_one_moves_nothing() {
    let mut bench = Bench::family();
    for (code_id, status, after) in [
        (None, CompletionStatus::InvalidFingerprint, LockState::Locked),
        (Some(2), CompletionStatus::Success, LockState::Unlocked),
    ] {
        bench.person(Person::Finger { code_id });
        assert_eq!(bench.lock.refusal(), code_id.is_none().then_some(Refusal::WrongFinger));
        bench.pass(Duration::from_secs(2));
        let expected = KeypadEntry {
            action: LockAction::Unlock,
            source: KeypadSource::Fingerprint,
            completion_status: status,
            code_id: code_id.unwrap_or(0),
        };
        assert_eq!(bench.lock.log().back().unwrap().kind, LogEntryKind::Keypad(expected));
        assert_eq!(bench.lock.state().lock_state, after);
    }
}

#[test]
fn a_lock_tells_the_zone_it_is_set_to() {
    let mut bench = Bench::family();
    bench.feed(Input::SetZone(-210));
    assert_eq!(bench.lock.states(bench.now).timezone_offset, -210);
}

#[test]
fn everybody_else_is_logged_as_they_came() {
    let mut bench = Bench::family();
    let people = [
        (Person::Fob { auth: 2 }, 2, "Clara's fob", LockAction::Unlock, Trigger::System, 1),
        (Person::Button, 0, "", LockAction::Lock, Trigger::Button, 1),
        (Person::ManualTurn(Turn::Unlock), 0, "", LockAction::Unlock, Trigger::Manual, 0),
        (
            Person::App { auth: 3, action: LockAction::Lock, auto_unlock: false },
            3,
            "Dora's phone",
            LockAction::Lock,
            Trigger::System,
            0,
        ),
    ];
    for (person, auth_id, name, action, trigger, flags) in people {
        bench.person(person);
        bench.pass(Duration::from_secs(20));
        let entry = bench.lock.log().back().unwrap().clone();
        assert_eq!((entry.auth_id, entry.name.as_str()), (auth_id, name), "{person:?}");
        let LogEntryKind::LockAction(logged) = entry.kind else { panic!("{person:?}: {entry:?}") };
        assert_eq!((logged.action, logged.trigger, logged.flags), (action, trigger, flags), "{person:?}");
    }
    bench.person(Person::App { auth: 3, action: LockAction::Unlock, auto_unlock: true });
    bench.pass(Duration::from_secs(2));
    let LogEntryKind::LockAction(logged) = bench.lock.log().back().unwrap().kind else { panic!("no action") };
    assert_eq!(logged.flags, 1, "auto unlock");
    bench.person(Person::Door(DoorMove::Open));
    assert_eq!(bench.lock.log().back().unwrap().kind, LogEntryKind::Door(DoorEvent::Opened));
    bench.person(Person::ArrowKey);
    bench.pass(Duration::from_secs(2));
    let LogEntryKind::Keypad(entry) = bench.lock.log().back().unwrap().kind else { panic!("no keypad entry") };
    assert_eq!((entry.source, entry.code_id, entry.action), (KeypadSource::ArrowKey, 0, LockAction::Lock));
}

#[test]
fn those_without_a_right_get_nothing() {
    let mut bench = Bench::family();
    for (person, refusal) in [
        (Person::Fob { auth: 3 }, Refusal::NotAllowed),
        (Person::Fob { auth: 77 }, Refusal::NoSuchUser),
        (Person::App { auth: 3, action: LockAction::None, auto_unlock: false }, Refusal::NoSuchAction),
        (Person::ManualTurn(Turn::Lock), Refusal::Already),
    ] {
        bench.person(person);
        assert_eq!(bench.lock.refusal(), Some(refusal));
    }
    assert!(bench.lock.log().is_empty());
}

#[test]
fn the_log_is_read_by_cursor_in_both_directions() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    for _ in 0..10 {
        bench.person(Person::KeypadWrongCode);
    }
    let mut read = |start, count, order| indexes(&bench.log(&client, start, count, order));
    assert_eq!(read(0, 100, SortOrder::Ascending), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(read(0, 3, SortOrder::Ascending), [1, 2, 3]);
    assert_eq!(read(0, 3, SortOrder::Descending), [10, 9, 8]);
    assert_eq!(read(7, 100, SortOrder::Ascending), [8, 9, 10]);
    assert_eq!(read(4, 2, SortOrder::Descending), [3, 2]);
    assert_eq!(read(10, 100, SortOrder::Ascending), [] as [u32; 0]);
    assert_eq!(read(99, 100, SortOrder::Ascending), [] as [u32; 0]);
    assert_eq!(read(0, 0, SortOrder::Ascending), [] as [u32; 0]);
}

#[test]
fn the_count_comes_first_if_asked_for() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    for _ in 0..4 {
        bench.person(Person::KeypadWrongCode);
    }
    let request = LogRequest { start_index: 1, count: 1, order: SortOrder::Ascending, total_count: true };
    let replies = bench.pin_command(&client, PinCommand::RequestLogEntries(request), PIN);
    let count = LogEntryCount {
        logging_enabled: true,
        count: 3,
        door_sensor_enabled: Some(true),
        door_sensor_logging_enabled: Some(true),
    };
    assert_eq!(replies[0], Reply::LogEntryCount(count));
    assert_eq!(replies.len(), 3);
    assert_eq!(replies[2], Reply::Status(StatusCode::Complete));
}

#[test]
fn a_full_log_forgets_the_oldest_and_keeps_counting() {
    let mut bench = Bench::new(SimLockConfig { log_capacity: 3, ..SimLockConfig::family(NUKI_ID) });
    let client = bench.client(IdType::Bridge);
    for _ in 0..5 {
        bench.person(Person::KeypadWrongCode);
    }
    assert_eq!(indexes(&bench.log(&client, 0, 10, SortOrder::Ascending)), [3, 4, 5]);
}

#[test]
fn a_log_that_is_off_stays_silent() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let done = [Reply::Status(StatusCode::Complete)];
    assert_eq!(bench.pin_payload(&client, Command::EnableLogging, &[0]), done);
    bench.person(Person::keypad(583_921));
    bench.person(Person::KeypadWrongCode);
    bench.pass(Duration::from_secs(2));
    bench.replies(&client);
    assert!(!bench.lock.is_logging());
    assert_eq!(bench.pin_payload(&client, Command::EnableLogging, &[1]), done);
    let kinds: Vec<_> = bench.lock.log().iter().map(|entry| entry.kind.clone()).collect();
    assert_eq!(kinds, [LogEntryKind::Logging(false), LogEntryKind::Logging(true)]);
    assert_eq!(bench.lock.log()[0].name, "Keyturner");
}

#[test]
fn padded_entries_read_the_same() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    bench.person(Person::Button);
    bench.pass(Duration::from_secs(2));
    bench.person(Person::Door(DoorMove::Open));
    bench.replies(&client);
    let plain = bench.log(&client, 0, 10, SortOrder::Ascending);
    bench.feed(Input::Fault(Fault::LogPadding(true)));
    assert_eq!(bench.log(&client, 0, 10, SortOrder::Ascending), plain);
    let last = bench.pieces.iter().rev().nth(1).unwrap();
    assert_eq!(last.2.len(), 54 + 48 + 5);
}

#[test]
fn a_repeated_entry_comes_twice_in_one_page() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    (0..2).for_each(|_| bench.person(Person::KeypadWrongCode));
    bench.feed(Input::Fault(Fault::RepeatEntry));
    for numbers in [&[1, 1, 2][..], &[1, 2]] {
        let entries = bench.log(&client, 0, 10, SortOrder::Ascending);
        assert_eq!(entries.iter().map(|entry| entry.index).collect::<Vec<_>>(), numbers);
    }
}

#[test]
fn a_swallowed_entry_leaves_no_gap_in_the_numbers() {
    let mut bench = Bench::family();
    bench.person(Person::KeypadWrongCode);
    bench.feed(Input::Fault(Fault::SwallowLogEntry));
    bench.person(Person::KeypadWrongCode);
    bench.person(Person::KeypadWrongCode);
    assert_eq!(bench.lock.log().iter().map(|entry| entry.index).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_long_name_and_its_suffix_are_cut_at_32_bytes() {
    let mut bench = Bench::family();
    let mut client = bench.pair(IdType::App, 2, "A gateway with a long name");
    client.link = bench.connect();
    bench.lock_action(&client, LockAction::Unlock, Some("#0000002a"));
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.lock.log().back().unwrap().name, "A gateway with a long name#00000");
}

#[test]
fn users_and_codes_are_listed_with_the_own_entry_first_and_without_digits() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let replies = bench.pin_command(&client, PinCommand::RequestAuthorizationEntries(0, 100), PIN);
    assert_eq!(replies[0], Reply::AuthorizationEntryCount(4));
    let names: Vec<&str> = replies
        .iter()
        .filter_map(|reply| match reply {
            Reply::AuthorizationEntry(entry) => Some(entry.name.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["Keyturner", "Nuki Keypad", "Clara's fob", "Dora's phone"]);
    assert_eq!(replies.last(), Some(&Reply::Status(StatusCode::Complete)));
    let replies = bench.pin_command(&client, PinCommand::RequestAuthorizationEntries(3, 2), PIN);
    assert!(matches!(&replies[1], Reply::AuthorizationEntry(entry) if entry.name == "Dora's phone"));
    assert_eq!(replies.len(), 3);

    let replies = bench.pin_command(&client, PinCommand::RequestKeypadCodes(0, 100), PIN);
    assert_eq!(replies[0], Reply::KeypadCodeCount(2));
    assert!(matches!(&replies[2], Reply::KeypadCode(code, _) if code.name == "Ben" && code.code_id == 2));
}

#[test]
fn codes_can_be_added_changed_and_removed_and_old_numbers_do_not_return() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let name = |text: &str| {
        let mut field = [0u8; 20];
        field[..text.len()].copy_from_slice(text.as_bytes());
        field
    };
    let add = |digits: u32| [digits.to_le_bytes().as_slice(), &name("Cleaner"), &[0], &[0; 19]].concat();
    let replies = bench.pin_payload(&client, Command::AddKeypadCode, &add(987_654));
    assert!(matches!(&replies[..], [Reply::KeypadCodeId(id)] if id.code_id == 3), "{replies:?}");
    assert!(!bench.pin_payload(&client, Command::AddKeypadCode, &add(987_654)).is_empty());
    assert_eq!(bench.lock.keypad_codes().len(), 3, "no double");
    bench.person(Person::keypad(987_654));
    assert_eq!(bench.lock.refusal(), None);
    bench.pass(Duration::from_secs(2));
    bench.replies(&client);
    let done = [Reply::Status(StatusCode::Complete)];
    let update = [[3, 0].as_slice(), &976_431u32.to_le_bytes(), &name("Maid"), &[0], &[0], &[0; 19]].concat();
    assert_eq!(bench.pin_payload(&client, Command::UpdateKeypadCode, &update), done);
    bench.person(Person::keypad(976_431));
    assert_eq!(bench.lock.refusal(), Some(Refusal::CodeNotAllowed));
    assert_eq!(bench.pin_payload(&client, Command::RemoveKeypadCode, &[3, 0]), done);
    bench.pin_payload(&client, Command::AddKeypadCode, &add(945_678));
    assert_eq!(bench.lock.keypad_codes().last().unwrap().entry.code_id, 4);
}

#[test]
fn the_clock_can_be_set() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let time = [0xE0, 0x07, 3, 7, 8, 15, 30];
    assert_eq!(bench.pin_payload(&client, Command::UpdateTime, &time), [Reply::Status(StatusCode::Complete)]);
    assert_eq!(bench.states(&client).current_time.unwrap().to_string(), "2016-03-07T08:15:30");
    bench.person(Person::KeypadWrongCode);
    assert_eq!(bench.lock.log().back().unwrap().timestamp.unwrap().year, 2016);
}
