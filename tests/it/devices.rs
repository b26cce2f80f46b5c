//! What a session does with each device of the family, in pure virtual time: read, act, set.

use std::time::Duration;

use keyturner::protocol::crypto::Pin;
use keyturner::protocol::log::LogEntryKind;
use keyturner::protocol::{
    Command, CompletionStatus, IdType, LockAction, LockState, NukiState, OpenerAction, OpenerState,
};
use keyturner::session::{Input, LogAccess, NotDone, Outcome, Output};
use keyturner::simlock::{self, Device, Fault, Owner, Person, SimLockConfig};

use crate::support::pair::{ANNA, NUKI_ID, Pair};

const LOCKS: [Device; 6] =
    [Device::SmartLock1, Device::SmartLock2, Device::SmartLock3, Device::SmartLock4, Device::SmartDoor, Device::Ultra];

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A device that has just been paired and read once, with everything it told.
fn first_day(device: Device) -> Pair {
    let mut pair = Pair::with(SimLockConfig::family_of(device, NUKI_ID), Some(device.pin()));
    pair.settle();
    pair
}

/// Acts and waits for the answer.
fn act(pair: &mut Pair, intent: i64, action: LockAction) -> Outcome {
    pair.act(intent, action);
    pair.drive_bounded(s(16), "an answer", |pair| pair.outcome(intent).is_some());
    pair.pass(s(60));
    pair.outcome(intent).unwrap()
}

const fn numbered(state: OpenerState) -> LockState {
    LockState::from_code(state.code())
}

#[test]
fn the_state_is_read_in_the_length_of_each_device() {
    let lengths = [
        (Device::SmartLock1, 15),
        (Device::SmartLock2, 19),
        (Device::SmartLock3, 21),
        (Device::SmartLock4, 27),
        (Device::SmartDoor, 21),
        (Device::Ultra, 27),
        (Device::Opener, 19),
    ];
    for (device, length) in lengths {
        let pair = first_day(device);
        assert_eq!(SimLockConfig::of(device, NUKI_ID).states_len, length, "{device:?}");
        assert_eq!(pair.seen.states.first(), Some(&LockState::Locked), "{device:?}");
        let known = pair.seen.observed.last().unwrap();
        assert_eq!(known.last_action.is_some(), length >= 18, "{device:?}");
        assert_eq!(known.door_sensor.is_some(), length >= 19 && device != Device::Opener, "{device:?}");
        assert_eq!(known.network.is_some(), length == 27, "{device:?}");
    }
}

#[test]
fn people_codes_configuration_and_battery_of_each_device_are_read() {
    for device in Device::ALL {
        let pair = first_day(device);
        let told = &pair.seen.told;
        let users = told.iter().find_map(|output| match output {
            Output::Users(users) => Some(users),
            _ => None,
        });
        let users = users.unwrap_or_else(|| panic!("{device:?}: {told:?}"));
        assert!(users.is_whole, "{device:?}");
        // The caller's own comes first.
        let own = users.entries.first().unwrap();
        assert_eq!((own.auth_id, own.id_type), (pair.auth_id, device.bridge_role()), "{device:?}");
        assert!(users.entries.iter().any(|user| user.name == "Dora's phone"), "{device:?}");
        let codes = told.iter().find_map(|output| match output {
            Output::Codes(codes) => Some(codes.entries.iter().map(|code| code.name.as_str()).collect::<Vec<_>>()),
            _ => None,
        });
        assert_eq!(codes, Some(vec!["Anna", "Ben"]), "{device:?}");
        let battery = told.iter().find_map(|output| match output {
            Output::Battery(report) => Some(report.voltage),
            _ => None,
        });
        assert_eq!(battery, Some(5600), "{device:?}");
        let (mut configs, mut advanced, mut opener) = (Vec::new(), Vec::new(), Vec::new());
        for output in told {
            match output {
                Output::Config(config) => configs.push(config),
                Output::AdvancedConfig(config) => advanced.push(config),
                Output::OpenerConfig(config) => opener.push(config),
                _ => {}
            }
        }
        if device == Device::Opener {
            assert_eq!((configs.len(), advanced.len()), (0, 0), "an Opener's have other layouts");
            assert_eq!(opener.first().unwrap().firmware_version, Some([1, 9, 2]));
            assert!(!pair.seen.sent.contains(&Command::RequestAdvancedConfig), "its layout is not certain");
            continue;
        }
        let config = configs.first().unwrap_or_else(|| panic!("{device:?}"));
        assert_eq!(config.name, "Front door");
        let device_type = match device {
            Device::SmartLock1 | Device::SmartLock2 => None,
            Device::SmartDoor => Some(3),
            Device::Ultra => Some(5),
            _ => Some(4),
        };
        assert_eq!(config.device_type, device_type, "{device:?}");
        assert_eq!(config.timezone_id.is_some(), device != Device::SmartLock1);
        assert_eq!(config.product_variant.is_some(), device == Device::Ultra);
        let advanced = advanced.first().unwrap_or_else(|| panic!("{device:?}"));
        assert_eq!(advanced.unlatch_duration, Some(3), "{device:?}");
        assert_eq!(advanced.auto_lock_enabled.is_some(), !matches!(device, Device::SmartLock1 | Device::SmartLock2));
        assert_eq!(advanced.motor_speed.is_some(), device == Device::Ultra);
    }
}

#[test]
fn each_lock_is_unlocked_and_locked_once_and_says_so_in_its_log() {
    for device in LOCKS {
        let mut pair = Pair::of(device);
        pair.forget();
        assert_eq!(act(&mut pair, 1, LockAction::Unlock), Outcome::Done, "{device:?}");
        assert_eq!(pair.lock.state().lock_state, LockState::Unlocked, "{device:?}");
        assert_eq!(act(&mut pair, 2, LockAction::Lock), Outcome::Done, "{device:?}");
        assert_eq!((pair.executions(1), pair.executions(2)), (1, 1), "{device:?}");
        let own: Vec<&str> = pair.seen.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(own, ["Keyturner#00000001", "Keyturner#00000002"], "{device:?}");
    }
}

#[test]
fn an_opener_opens_and_comes_back_to_where_it_was() {
    let mut pair = Pair::of(Device::Opener);
    pair.forget();
    assert_eq!(act(&mut pair, 1, OpenerAction::Open.command()), Outcome::Done);
    let seen: Vec<OpenerState> = pair.seen.observed.iter().map(OpenerState::of).collect();
    assert!(seen.contains(&OpenerState::Opening) && seen.contains(&OpenerState::Open), "{seen:?}");
    assert_eq!(seen.last(), Some(&OpenerState::Online));
    assert_eq!(pair.executions(1), 1);
}

#[test]
fn ring_to_open_and_continuous_mode_are_switched_on_and_off() {
    let mut pair = Pair::of(Device::Opener);
    let state = |pair: &Pair| (pair.lock.state().lock_state, pair.lock.state().nuki_state);
    let steps = [
        (OpenerAction::ActivateRingToOpen, OpenerState::RingToOpen, NukiState::Door),
        (OpenerAction::DeactivateRingToOpen, OpenerState::Online, NukiState::Door),
        (OpenerAction::ActivateContinuousMode, OpenerState::Online, NukiState::Continuous),
        (OpenerAction::DeactivateContinuousMode, OpenerState::Online, NukiState::Door),
    ];
    for (intent, (action, opener, mode)) in (1..).zip(steps) {
        pair.forget();
        assert_eq!(act(&mut pair, intent, action.command()), Outcome::Done, "{action}");
        assert_eq!(state(&pair), (numbered(opener), mode), "{action}");
        let last = pair.seen.observed.last().unwrap();
        assert_eq!((OpenerState::of(last), last.nuki_state), (opener, mode), "{action}: it is seen");
        assert_eq!(pair.executions(intent), 1, "{action}");
    }
}

#[test]
fn ring_to_open_ends_by_itself_and_with_the_ring_that_opened() {
    let mut pair = Pair::of(Device::Opener);
    assert_eq!(act(&mut pair, 1, OpenerAction::ActivateRingToOpen.command()), Outcome::Done);
    pair.pass(s(21 * 60));
    assert_eq!(
        pair.seen.observed.last().map(OpenerState::of),
        Some(OpenerState::Online),
        "it ran out, and that is seen"
    );
    assert_eq!(act(&mut pair, 2, OpenerAction::ActivateRingToOpen.command()), Outcome::Done);
    pair.forget();
    pair.person(Person::Ring);
    pair.pass(s(60));
    let seen: Vec<OpenerState> = pair.seen.observed.iter().map(OpenerState::of).collect();
    assert!(seen.contains(&OpenerState::Open), "{seen:?}");
    assert_eq!(seen.last(), Some(&OpenerState::Online), "the next ring opens nothing");
}

#[test]
fn a_ring_is_read_from_the_log_whether_it_opens_or_not() {
    let mut pair = Pair::of(Device::Opener);
    let rings = |pair: &Pair| -> Vec<u8> {
        let rings = pair.seen.entries.iter().filter_map(|entry| match &entry.kind {
            LogEntryKind::Ring(ring) => Some(ring.mode),
            _ => None,
        });
        rings.collect()
    };
    pair.forget();
    pair.person(Person::Ring);
    pair.pass(s(60));
    assert_eq!(rings(&pair), [0], "nothing was on");
    assert_eq!(act(&mut pair, 1, OpenerAction::ActivateContinuousMode.command()), Outcome::Done);
    for _ in 0..3 {
        pair.person(Person::Ring);
        pair.pass(s(60));
    }
    assert_eq!(rings(&pair), [0, 2, 2, 2], "in continuous mode every ring opens");
    assert_eq!(pair.lock.state().last_action.action, OpenerAction::Open.command());
}

#[test]
fn an_app_cannot_switch_continuous_mode_with_an_action() {
    let mut pair = Pair::as_app(Device::Opener);
    let refused = Outcome::NotDone(NotDone::Refused(keyturner::protocol::ErrorCode::BadParameter));
    assert_eq!(act(&mut pair, 1, OpenerAction::ActivateContinuousMode.command()), refused);
    assert_eq!(act(&mut pair, 2, OpenerAction::Open.command()), Outcome::Done);
    assert_eq!((pair.executions(1), pair.executions(2)), (0, 1));
}

#[test]
fn an_actuator_that_fails_is_told_as_not_done() {
    for device in Device::ALL {
        let mut pair = Pair::of(device);
        pair.fault(Fault::MotorBlocked);
        let action = if device == Device::Opener { OpenerAction::Open.command() } else { LockAction::Unlock };
        let outcome = act(&mut pair, 1, action);
        assert!(matches!(outcome, Outcome::NotDone(NotDone::Refused(_))), "{device:?}: {outcome:?}");
        assert_ne!(pair.lock.state().last_action.completion_status, CompletionStatus::Success, "{device:?}");
    }
}

#[test]
fn a_keypad_entry_at_each_device_is_read_with_its_code() {
    for device in Device::ALL {
        let mut pair = Pair::of(device);
        pair.hears_beacons = device != Device::Ultra;
        pair.forget();
        pair.person(Person::keypad(ANNA));
        pair.pass(s(if device == Device::Ultra { 31 * 60 } else { 60 }));
        let codes: Vec<u16> = pair
            .seen
            .entries
            .iter()
            .filter_map(|entry| match &entry.kind {
                LogEntryKind::Keypad(keypad) => Some(keypad.code_id),
                _ => None,
            })
            .collect();
        assert_eq!(codes, [1], "{device:?}");
    }
}

#[test]
fn a_lock_whose_beacon_says_nothing_is_asked_every_half_hour() {
    let mut pair = Pair::of(Device::Ultra);
    pair.forget();
    pair.person(Person::Button);
    pair.pass(s(29 * 60));
    assert_eq!(pair.seen.connects.len(), 0, "its beacon's bit does not move");
    pair.pass(s(2 * 60));
    assert_eq!(pair.seen.entries.len(), 1);
    pair.forget();
    pair.pass(s(24 * 3600));
    assert_eq!(pair.seen.connects.len(), 48);
}

#[test]
fn a_lock_whose_beacon_stays_set_is_left_alone_between_its_news() {
    let mut pair = Pair::of(Device::Ultra);
    pair.fault(Fault::StuckBeacon(true));
    pair.pass(s(3600));
    pair.forget();
    pair.pass(s(24 * 3600));
    // Once every five minutes at most, whatever the beacon says.
    assert!(pair.seen.connects.len() <= 290, "{}", pair.seen.connects.len());
}

#[test]
fn a_right_pin_opens_the_log_of_each_device_and_a_wrong_one_is_tried_twice() {
    for device in Device::ALL {
        let mut pair = Pair::with(SimLockConfig::family_of(device, NUKI_ID), Some(Pin::new(999)));
        pair.pass(s(4 * 3600));
        assert_eq!(pair.lock.pin_refusals(), 2, "{device:?}");
        assert_eq!(pair.session.log_access(), LogAccess::PinRefused, "{device:?}");
        let tries = keyturner::session::PinTries::default();
        pair.input(Input::NewPin { pin: Some(device.pin()), tries });
        pair.pass(s(600));
        assert_eq!(pair.session.log_access(), LogAccess::Readable, "{device:?}");
        assert_eq!(pair.lock.pin_refusals(), 2, "{device:?}");
    }
}

#[test]
fn the_clock_of_each_device_is_set() {
    for device in Device::ALL {
        let mut pair = Pair::of(device);
        pair.feed_lock(simlock::Input::SetClock(1_000_000_000));
        pair.forget();
        pair.input(Input::SetClock { at_zero: 1_795_442_400_000 });
        pair.pass(s(60));
        assert!(pair.seen.told.contains(&Output::ClockSet(Ok(()))), "{device:?}: {:?}", pair.seen.other);
        assert!(pair.lock.clock_offset().abs() <= 1, "{device:?}: {}", pair.lock.clock_offset());
    }
}

#[test]
fn a_new_name_at_each_device_is_read_when_its_configuration_changes() {
    for device in Device::ALL {
        let mut pair = Pair::of(device);
        pair.pass(s(3 * 3600));
        pair.forget();
        let dora = pair.lock.users().iter().find(|user| user.entry.id_type == IdType::App).unwrap().entry.auth_id;
        pair.feed_lock(simlock::Input::Owner(Owner::RenameUser(dora, "Theodora".to_owned())));
        pair.input(Input::ReadState);
        pair.pass(s(60));
        let names = pair.seen.told.iter().find_map(|output| match output {
            Output::Users(users) => Some(users.entries.iter().map(|user| user.name.clone()).collect::<Vec<_>>()),
            _ => None,
        });
        assert!(names.is_some_and(|names| names.contains(&"Theodora".to_owned())), "{device:?}");
    }
}

#[test]
fn a_device_with_one_link_turns_a_second_central_away() {
    for device in Device::ALL {
        let mut pair = Pair::of(device);
        let now = simlock::Moment { mono: pair.now, unix_seconds: 1_795_442_400 };
        for link in [900, 901] {
            pair.lock.handle(simlock::Input::Connected { link: simlock::LinkId(link), mtu: 247 }, now);
        }
        let links = if matches!(device, Device::SmartLock1 | Device::SmartLock2 | Device::Opener) { 1 } else { 2 };
        assert_eq!(pair.lock.link_count(), links, "{device:?}");
    }
}
