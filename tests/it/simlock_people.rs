//! Who gets what at the simulated door, and who does not.

use std::time::Duration;

use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::log::LogEntryKind;
use keyturner::protocol::users::{CodeDigits, TimeLimit};
use keyturner::protocol::{DoorEvent, DoorSensorState, IdType, LockAction, LockState, NukiState, OpenerState};
use keyturner::simlock::{Device, DoorMove, Fault, Input, Owner, Person, Refusal, SimLockConfig, Turn, UserConfig};

use crate::support::bench::{Bench, NUKI_ID};

const FOB: u32 = 2;
const PHONE: u32 = 3;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What somebody at the door got.
fn got(bench: &mut Bench, person: Person) -> Option<Refusal> {
    bench.person(person);
    let refusal = bench.lock.refusal();
    bench.pass(s(10));
    refusal
}

fn app(auto_unlock: bool) -> Person {
    Person::App { auth: PHONE, action: LockAction::Unlock, auto_unlock }
}

fn opener_state(bench: &Bench) -> LockState {
    bench.lock.state().lock_state
}

#[test]
fn a_disabled_user_and_one_out_of_time_get_nothing() {
    let gone = TimeLimit { until: DeviceTime::from_unix_seconds(1_600_000_000), ..TimeLimit::default() };
    let cases =
        [(true, None, None), (false, None, Some(Refusal::NotAllowed)), (true, Some(gone), Some(Refusal::NotAllowed))];
    for (enabled, time_limit, expected) in cases {
        let mut config = SimLockConfig::family(NUKI_ID);
        for user in &mut config.users {
            *user = UserConfig { enabled, time_limit, ..user.clone() };
        }
        let mut bench = Bench::new(config);
        for person in [Person::Fob { auth: FOB }, app(false)] {
            assert_eq!(got(&mut bench, person), expected, "{person:?}");
        }
        // The fob unlocked, the phone once more.
        let entries = if expected.is_none() { 2 } else { 0 };
        assert_eq!(bench.lock.log().len(), entries);
    }
    let mut bench = Bench::family();
    assert_eq!(got(&mut bench, Person::Fob { auth: PHONE }), Some(Refusal::NotAllowed), "no fob");
    assert_eq!(got(&mut bench, Person::Fob { auth: 99 }), Some(Refusal::NoSuchUser));
}

#[test]
fn a_phone_that_comes_near_right_after_an_action_opens_nothing() {
    let mut bench = Bench::family();
    assert_eq!(got(&mut bench, app(true)), None);
    bench.person(Person::Button);
    bench.pass(s(2));
    assert_eq!(bench.lock.state().lock_state, LockState::Locked);
    assert_eq!(got(&mut bench, app(true)), Some(Refusal::TooRecent));
    assert_eq!(got(&mut bench, app(false)), None, "but a thumb does");
}

#[test]
fn an_openers_button_switches_ring_to_open_and_its_fob_opens() {
    let mut bench = Bench::new(SimLockConfig::family_of(Device::Opener, NUKI_ID));
    let numbered = |state: OpenerState| LockState::from_code(state.code());
    for state in [OpenerState::RingToOpen, OpenerState::Online, OpenerState::RingToOpen] {
        assert_eq!(got(&mut bench, Person::Button), None);
        assert_eq!(opener_state(&bench), numbered(state));
    }
    bench.person(Person::Fob { auth: FOB });
    assert_eq!((bench.lock.refusal(), opener_state(&bench)), (None, numbered(OpenerState::Opening)));
    assert_eq!(bench.lock.state().nuki_state, NukiState::Door);
}

#[test]
fn only_an_opener_hears_the_bell_and_only_a_lock_has_a_key() {
    let mut bench = Bench::family();
    assert_eq!(got(&mut bench, Person::Ring), Some(Refusal::NoSuchAction));
    let mut bench = Bench::new(SimLockConfig::family_of(Device::Opener, NUKI_ID));
    assert_eq!(got(&mut bench, Person::Ring), None);
    assert_eq!(got(&mut bench, Person::ManualTurn(Turn::Unlock)), Some(Refusal::NoSuchAction));
}

#[test]
fn a_door_tells_what_its_sensor_sees_and_logs_what_it_may() {
    // (sensor, logged) -> (what the state says with the door open, entries)
    let cases = [
        (true, true, DoorSensorState::Opened, 2),
        (true, false, DoorSensorState::Opened, 0),
        (false, true, DoorSensorState::Unavailable, 0),
    ];
    for (has_door_sensor, door_sensor_logging, open, entries) in cases {
        let config = SimLockConfig {
            has_door_sensor,
            door_sensor_logging,
            lock_state: LockState::Unlocked,
            ..SimLockConfig::family(NUKI_ID)
        };
        let mut bench = Bench::new(config);
        assert_eq!(got(&mut bench, Person::Door(DoorMove::Close)), Some(Refusal::Already));
        assert_eq!(got(&mut bench, Person::Door(DoorMove::Open)), None);
        assert_eq!(bench.lock.state().door, open);
        assert_eq!(bench.bit(), has_door_sensor, "without a sensor nothing is news");
        assert_eq!(got(&mut bench, Person::Door(DoorMove::Open)), Some(Refusal::Already));
        assert_eq!(got(&mut bench, Person::Door(DoorMove::Close)), None);
        let kinds: Vec<_> = bench.lock.log().iter().map(|entry| entry.kind.clone()).collect();
        let both = [LogEntryKind::Door(DoorEvent::Opened), LogEntryKind::Door(DoorEvent::Closed)];
        assert_eq!(kinds, both[..entries], "{has_door_sensor} {door_sensor_logging}");
    }
}

/// Auto lock counts anew from a door that closes, where a sensor sees it, and only for a bolt that rests unlocked.
#[test]
fn auto_lock_waits_for_the_door_that_it_can_see() {
    let config =
        |has_door_sensor| SimLockConfig { has_door_sensor, auto_lock: Some(s(60)), ..SimLockConfig::family(NUKI_ID) };
    for (has_door_sensor, state) in [(true, LockState::Unlocked), (false, LockState::Locked)] {
        let mut bench = Bench::new(config(has_door_sensor));
        assert_eq!(got(&mut bench, Person::ManualTurn(Turn::Unlock)), None);
        assert_eq!(got(&mut bench, Person::Door(DoorMove::Open)), None);
        bench.pass(s(100));
        assert_eq!(bench.lock.state().lock_state, state, "sensor: {has_door_sensor}");
        bench.person(Person::Door(DoorMove::Close));
        bench.pass(s(59));
        assert_eq!(bench.lock.state().lock_state, state);
        bench.pass(s(10));
        assert_eq!(bench.lock.state().lock_state, LockState::Locked);
    }
    // Closed while the bolt is out, or while it turns: nothing is armed by it.
    let mut bench = Bench::new(SimLockConfig { door_open: true, ..config(true) });
    bench.person(Person::Door(DoorMove::Close));
    bench.pass(s(100));
    assert!(bench.lock.log().iter().all(|entry| matches!(entry.kind, LogEntryKind::Door(_))));
    bench.person(Person::Button);
    bench.pass(s(10));
    bench.person(Person::Door(DoorMove::Open));
    bench.person(Person::Button);
    bench.person(Person::Door(DoorMove::Close));
    assert_eq!(bench.lock.state().lock_state, LockState::Locking);
    bench.pass(s(200));
    assert_eq!(bench.lock.state().lock_state, LockState::Locked);
    let locked = bench.lock.log().iter().filter(|entry| matches!(entry.kind, LogEntryKind::LockAction(_))).count();
    assert_eq!(locked, 2, "unlocked and locked once each, by the button");
}

#[test]
fn the_owner_changes_nobody_who_is_not_there() {
    let mut bench = Bench::family();
    let users = format!("{:?}", bench.lock.users());
    let codes = format!("{:?}", bench.lock.keypad_codes());
    for act in [
        Owner::RenameUser(99, "Nobody".to_owned()),
        Owner::ReplaceUser(99, "Nobody".to_owned()),
        Owner::RenameCode(99, "Nobody".to_owned()),
        Owner::RemoveUser(99),
        Owner::RemoveCode(99),
    ] {
        bench.feed(Input::Owner(act));
    }
    assert_eq!((format!("{:?}", bench.lock.users()), format!("{:?}", bench.lock.keypad_codes())), (users, codes));
}

#[test]
fn the_owner_switches_the_log_and_the_log_says_so() {
    let mut bench = Bench::family();
    for (on, entries) in [(true, 0), (false, 1), (false, 1)] {
        bench.feed(Input::Owner(Owner::Logging(on)));
        assert_eq!((bench.lock.log().len(), bench.lock.is_logging()), (entries, on));
    }
    bench.person(Person::KeypadWrongCode);
    assert_eq!(bench.lock.log().len(), 1, "it is off");
    bench.feed(Input::Owner(Owner::Logging(true)));
    bench.person(Person::KeypadWrongCode);
    let kinds: Vec<_> = bench.lock.log().iter().take(2).map(|entry| entry.kind.clone()).collect();
    assert_eq!(kinds, [LogEntryKind::Logging(false), LogEntryKind::Logging(true)]);
    assert_eq!(bench.lock.log().len(), 3);
}

#[test]
fn codes_that_exist_from_the_start_may_be_off_or_limited() {
    let mut config = SimLockConfig::family(NUKI_ID);
    config.codes[0].enabled = false;
    config.codes[1].time_limit =
        Some(TimeLimit { until: DeviceTime::from_unix_seconds(1_600_000_000), ..TimeLimit::default() });
    let mut bench = Bench::new(config);
    for digits in [583_921, 746_352] {
        let person = Person::KeypadCode { digits: CodeDigits::new(digits).unwrap() };
        assert_eq!(got(&mut bench, person), Some(Refusal::CodeNotAllowed));
    }
    bench.feed(Input::Owner(Owner::AddUser { name: "Emil".to_owned(), id_type: IdType::App }));
    bench.feed(Input::Fault(Fault::StuckBeacon(true)));
    assert!(bench.bit());
}
