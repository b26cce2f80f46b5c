//! The simulated lock in the hands of its owner: changes with the app, a cleared log, numbers that begin anew, wrong PINs.

use std::time::Duration;

use keyturner::protocol::crypto::Pin;
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::gatt::Generation;
use keyturner::protocol::log::SortOrder;
use keyturner::protocol::reply::Reply;
use keyturner::protocol::request::PinCommand;
use keyturner::protocol::users::CodeDigits;
use keyturner::protocol::{Command, ErrorCode, IdType, StatusCode};
use keyturner::simlock::{Fault, Input, Owner, Person, SimLockConfig};

use crate::support::bench::{Bench, NUKI_ID, PIN, errors};

fn count(bench: &Bench) -> u8 {
    bench.lock.state().config_update_count
}

#[test]
fn every_change_of_the_owner_moves_the_counter_and_the_lists() {
    let mut bench = Bench::family();
    let acts = [
        Owner::AddUser { name: "Emil".to_owned(), id_type: IdType::App },
        Owner::RenameUser(2, "Clara's new fob".to_owned()),
        Owner::ReplaceUser(3, "Finn's phone".to_owned()),
        Owner::RemoveUser(1),
        Owner::AddCode { name: "Guest".to_owned(), digits: CodeDigits::new(675_849).unwrap() },
        Owner::RenameCode(1, "Anna Maria".to_owned()),
        Owner::RemoveCode(2),
        Owner::Pin(Pin::new(1111)),
    ];
    for (n, act) in acts.into_iter().enumerate() {
        bench.feed(Input::Owner(act));
        assert_eq!(usize::from(count(&bench)), n + 1);
    }
    let users: Vec<&str> = bench.lock.users().iter().map(|user| user.entry.name.as_str()).collect();
    assert_eq!(users, ["Clara's new fob", "Finn's phone", "Emil"]);
    assert!(bench.lock.users()[1].entry.created.is_some(), "somebody else, made today");
    let codes: Vec<&str> = bench.lock.keypad_codes().iter().map(|code| code.entry.name.as_str()).collect();
    assert_eq!(codes, ["Anna Maria", "Guest"]);
}

#[test]
fn a_counter_can_be_frozen_or_restless() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    bench.feed(Input::Fault(Fault::FrozenCounter(true)));
    bench.feed(Input::Owner(Owner::RemoveCode(1)));
    assert_eq!(bench.states(&client).config_update_count, 0);
    bench.feed(Input::Fault(Fault::RestlessCounter(true)));
    let seen = [bench.states(&client).config_update_count, bench.states(&client).config_update_count];
    assert_eq!(seen, [1, 2]);
}

#[test]
fn a_cleared_log_begins_at_one_again() {
    let mut bench = Bench::family();
    for _ in 0..3 {
        bench.person(Person::KeypadWrongCode);
    }
    bench.feed(Input::ClearLog);
    assert!(bench.lock.log().is_empty());
    bench.person(Person::KeypadWrongCode);
    assert_eq!(bench.lock.log().back().unwrap().index, 1);
}

#[test]
fn behind_the_highest_number_comes_one_and_the_newest_is_first_from_the_top() {
    let mut bench = Bench::new(SimLockConfig { log_start: u32::MAX - 1, ..SimLockConfig::family(NUKI_ID) });
    let client = bench.client(IdType::Bridge);
    for _ in 0..4 {
        bench.person(Person::KeypadWrongCode);
    }
    let mut read =
        |start, order| -> Vec<u32> { bench.log(&client, start, 10, order).iter().map(|entry| entry.index).collect() };
    assert_eq!(read(0, SortOrder::Descending), [2, 1, u32::MAX, u32::MAX - 1]);
    assert!(read(u32::MAX, SortOrder::Ascending).is_empty());
}

#[test]
fn a_short_list_announces_more_than_it_brings() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    for (wanted, short) in [(1, true), (2, false)] {
        if short {
            bench.feed(Input::Fault(Fault::ShortList));
        }
        let replies = bench.pin_command(&client, PinCommand::RequestKeypadCodes(0, 25), PIN);
        assert_eq!(replies.first(), Some(&Reply::KeypadCodeCount(2)));
        assert_eq!(replies.iter().filter(|reply| matches!(reply, Reply::KeypadCode(..))).count(), wanted);
        assert_eq!(replies.last(), Some(&Reply::Status(StatusCode::Complete)));
    }
}

#[test]
fn a_length_costs_one_entry() {
    let mut bench = Bench::family();
    let client = bench.client(IdType::Bridge);
    let replies = bench.pin_command(&client, PinCommand::RequestAuthorizationEntries(0, 1), PIN);
    assert_eq!(replies.first(), Some(&Reply::AuthorizationEntryCount(4)));
    assert_eq!(replies.len(), 3);
}

#[test]
fn wrong_pins_are_counted_and_banned_whatever_they_are_for() {
    let mut bench = Bench::new(SimLockConfig {
        pin_attempts: 2,
        pin_lockout: Duration::from_secs(60),
        ..SimLockConfig::family(NUKI_ID)
    });
    let client = bench.client(IdType::Bridge);
    let time = DeviceTime::from_unix_seconds(1_795_442_400).unwrap();
    for wanted in [ErrorCode::BadPin, ErrorCode::BadPin, ErrorCode::TooManyPinAttempts] {
        let replies = bench.pin_command(&client, PinCommand::UpdateTime(time), Pin::new(1));
        assert_eq!(errors(&replies), [wanted]);
    }
    assert_eq!((bench.lock.pin_refusals(), bench.lock.clock_offset()), (3, 0));
    bench.pass(Duration::from_secs(61));
    let client = bench.client(IdType::App);
    let replies = bench.pin_command(&client, PinCommand::UpdateTime(time), PIN);
    assert_eq!(replies, [Reply::Status(StatusCode::Complete)]);
    assert_eq!(bench.lock.pin_refusals(), 3);
}

#[test]
fn a_time_is_read_as_it_was_written_and_never_is_no_time() {
    let time = DeviceTime::from_unix_seconds(1_795_442_400).unwrap();
    for generation in [Generation::Gen1To4, Generation::Gen5] {
        let mut message = PinCommand::UpdateTime(time).encode(&[9; 32], PIN, generation);
        assert_eq!(message.command, Command::UpdateTime);
        assert_eq!(PinCommand::decode(&message, generation), Some((PinCommand::UpdateTime(time), [9; 32], PIN)));
        message.payload[..7].fill(0);
        assert_eq!(PinCommand::decode(&message, generation), None);
    }
}
