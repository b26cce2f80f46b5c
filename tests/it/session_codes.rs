//! Keypad codes are added, changed, switched off and removed at each device, once each, and their digits show nowhere.

use std::time::Duration;

use keyturner::protocol::crypto::Pin;
use keyturner::protocol::frame::Message;
use keyturner::protocol::users::{CodeDigits, TimeLimit};
use keyturner::protocol::{Command, ErrorCode, StatusCode};
use keyturner::session::{CodeChange, CodeNotChanged, Input, LogAccess, Output};
use keyturner::simlock::{Device, Fault, KeypadRecord, Person, SimLockConfig};

use crate::support::pair::{ANNA, Cut, NUKI_ID, Pair, Twist, Twisted};
use crate::support::puppet::Puppet;

const NEW: u32 = 968_574;
const OTHER: u32 = 475_869;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn add(name: &str, digits: u32) -> CodeChange {
    let digits = CodeDigits::new(digits).unwrap().into();
    CodeChange::Add { name: name.to_owned(), digits, time_limit: None }
}

/// A change of one code that leaves everything as it is.
fn update(code_id: u16) -> CodeChange {
    CodeChange::Update { code_id, name: None, digits: None, enabled: None, time_limit: None }
}

fn answer(pair: &Pair) -> Option<Result<Option<u16>, CodeNotChanged>> {
    pair.seen.told.iter().find_map(|output| match output {
        Output::CodeChanged(result) => Some(*result),
        _ => None,
    })
}

/// Asks for a change and waits for its answer.
fn change(pair: &mut Pair, change: CodeChange) -> Result<Option<u16>, CodeNotChanged> {
    pair.forget();
    pair.input(Input::ChangeCode(change));
    pair.drive_bounded(s(21), "an answer", |pair| answer(pair).is_some());
    let result = answer(pair).unwrap();
    pair.pass(s(60));
    let answers = pair.seen.told.iter().filter(|output| matches!(output, Output::CodeChanged(_))).count();
    assert_eq!(answers, 1);
    result
}

fn code(pair: &Pair, code_id: u16) -> Option<&KeypadRecord> {
    pair.lock.keypad_codes().iter().find(|record| record.entry.code_id == code_id)
}

fn opens(pair: &mut Pair, digits: u32) -> bool {
    pair.person(Person::keypad(digits));
    let opens = pair.lock.refusal().is_none();
    pair.pass(s(60));
    opens
}

#[test]
fn a_code_is_added_at_each_device_and_opens() {
    for device in Device::ALL {
        let mut pair = Pair::of(device);
        assert_eq!(change(&mut pair, add("Cleaner", NEW)), Ok(Some(3)), "{device:?}");
        assert_eq!(code(&pair, 3).unwrap().entry.name, "Cleaner", "{device:?}");
        assert!(opens(&mut pair, NEW), "{device:?}");
    }
}

#[test]
fn a_new_code_is_in_the_list_that_is_read_afterwards() {
    for device in Device::ALL {
        let mut pair = Pair::of(device);
        pair.pass(s(3 * 3600));
        assert_eq!(change(&mut pair, add("Cleaner", NEW)), Ok(Some(3)), "{device:?}");
        let codes = pair.seen.told.iter().find_map(|output| match output {
            Output::Codes(codes) => Some(codes.entries.iter().map(|code| code.name.clone()).collect::<Vec<_>>()),
            _ => None,
        });
        assert_eq!(codes, Some(vec!["Anna".to_owned(), "Ben".to_owned(), "Cleaner".to_owned()]), "{device:?}");
    }
}

#[test]
fn what_is_not_to_change_stays_digits_included() {
    for device in Device::ALL {
        let mut pair = Pair::of(device);
        let CodeChange::Update { code_id, digits, time_limit, .. } = update(1) else { unreachable!() };
        let off = CodeChange::Update { code_id, name: None, digits, enabled: Some(false), time_limit };
        assert_eq!(change(&mut pair, off), Ok(None), "{device:?}");
        let anna = &code(&pair, 1).unwrap().entry;
        assert_eq!((anna.name.as_str(), anna.enabled), ("Anna", false), "{device:?}");
        assert!(!opens(&mut pair, ANNA), "{device:?}: it is switched off");
        let on = CodeChange::Update {
            code_id: 1,
            name: Some("Anna Maria".to_owned()),
            digits: None,
            enabled: Some(true),
            time_limit: None,
        };
        assert_eq!(change(&mut pair, on), Ok(None), "{device:?}");
        assert_eq!(code(&pair, 1).unwrap().entry.name, "Anna Maria", "{device:?}");
        assert!(opens(&mut pair, ANNA), "{device:?}: the digits nobody sent are still its own");
    }
}

#[test]
fn digits_and_limit_are_changed() {
    for device in Device::ALL {
        let mut pair = Pair::of(device);
        let limit = TimeLimit { weekdays: 0b100_0000, ..TimeLimit::default() };
        let other = CodeChange::Update {
            code_id: 1,
            name: None,
            digits: Some(CodeDigits::new(OTHER).unwrap().into()),
            enabled: None,
            time_limit: Some(Some(limit)),
        };
        assert_eq!(change(&mut pair, other), Ok(None), "{device:?}");
        assert_eq!(code(&pair, 1).unwrap().entry.time_limit, Some(limit), "{device:?}");
        assert!(!opens(&mut pair, ANNA) && opens(&mut pair, OTHER), "{device:?}: it is a Monday");
    }
}

#[test]
fn a_code_is_removed_at_each_device() {
    for device in Device::ALL {
        let mut pair = Pair::of(device);
        assert_eq!(change(&mut pair, CodeChange::Remove(1)), Ok(None), "{device:?}");
        assert!(code(&pair, 1).is_none() && code(&pair, 2).is_some(), "{device:?}");
        assert!(!opens(&mut pair, ANNA), "{device:?}");
    }
}

#[test]
fn what_the_lock_refuses_is_told_and_nothing_changes() {
    for device in Device::ALL {
        let mut pair = Pair::of(device);
        let exists = Err(CodeNotChanged::Refused(ErrorCode::CodeAlreadyExists));
        assert_eq!(change(&mut pair, add("Twin", ANNA)), exists, "{device:?}");
        let gone = Err(CodeNotChanged::Refused(ErrorCode::BadParameter));
        assert_eq!(change(&mut pair, CodeChange::Remove(77)), gone, "{device:?}");
        assert_eq!(change(&mut pair, update(77)), Err(CodeNotChanged::NoSuchCode), "{device:?}");
        assert_eq!(pair.lock.keypad_codes().len(), 2, "{device:?}");
    }
}

#[test]
fn a_code_on_a_later_page_is_found() {
    let mut pair = Pair::of(Device::SmartLock3);
    // 100 codes are all that a keypad holds; digits from 1 to 9.
    let digits = (0..98_u32).map(|n| 333_333 + n / 9 * 10_000 % 60_000 + n % 9 + (n / 54) * 1_000);
    for (n, digits) in digits.enumerate() {
        let name = format!("Guest {n}");
        let digits = CodeDigits::new(digits - 2).unwrap();
        pair.feed_lock(keyturner::simlock::Input::Owner(keyturner::simlock::Owner::AddCode { name, digits }));
    }
    let last = pair.lock.keypad_codes().last().unwrap().entry.code_id;
    assert_eq!(last, 100);
    let CodeChange::Update { digits, enabled, time_limit, .. } = update(last) else { unreachable!() };
    let renamed = CodeChange::Update { code_id: last, name: Some("Last".to_owned()), digits, enabled, time_limit };
    assert_eq!(change(&mut pair, renamed), Ok(None));
    assert_eq!(code(&pair, last).unwrap().entry.name, "Last");
    assert_eq!(change(&mut pair, update(101)), Err(CodeNotChanged::NoSuchCode), "the last page was full");
}

#[test]
fn without_the_right_pin_nothing_is_sent() {
    let config = SimLockConfig::family_of(Device::SmartLock3, NUKI_ID);
    let mut pair = Pair::with(config.clone(), None);
    pair.pass(s(60));
    assert_eq!(change(&mut pair, add("Cleaner", NEW)), Err(CodeNotChanged::NoPin(LogAccess::PinMissing)));
    let mut pair = Pair::with(config, Some(Pin::new(999)));
    pair.pass(s(4 * 3600));
    assert_eq!(change(&mut pair, add("Cleaner", NEW)), Err(CodeNotChanged::NoPin(LogAccess::PinRefused)));
    assert_eq!(pair.lock.pin_refusals(), 2);
}

#[test]
fn out_of_reach_it_is_answered_in_time_and_never_done_later() {
    let mut pair = Pair::of(Device::SmartLock3);
    pair.set_in_range(false);
    assert_eq!(change(&mut pair, add("Cleaner", NEW)), Err(CodeNotChanged::Unreachable));
    pair.set_in_range(true);
    pair.pass(s(600));
    assert_eq!(pair.lock.keypad_codes().len(), 2);
}

#[test]
fn a_second_change_waits_for_nobody() {
    let mut pair = Pair::of(Device::SmartLock3);
    pair.forget();
    pair.input(Input::ChangeCode(add("Cleaner", NEW)));
    pair.input(Input::ChangeCode(add("Gardener", OTHER)));
    pair.pass(s(60));
    let answers: Vec<_> = pair
        .seen
        .told
        .iter()
        .filter_map(|output| match output {
            Output::CodeChanged(result) => Some(*result),
            _ => None,
        })
        .collect();
    assert_eq!(answers, [Err(CodeNotChanged::Busy), Ok(Some(3))]);
    assert_eq!(pair.lock.keypad_codes().len(), 3);
}

/// Whatever the answer is, the lock agrees with it.
fn judge(pair: &Pair, result: Result<Option<u16>, CodeNotChanged>, what: &str) {
    let found = pair.lock.keypad_codes().iter().filter(|code| code.entry.name == "Cleaner").count();
    assert!(found <= 1, "{what}: added {found} times");
    match result {
        Ok(id) => assert_eq!((found, id), (1, Some(3)), "{what}"),
        Err(CodeNotChanged::Unknown) => {}
        Err(why) => assert_eq!(found, 0, "{what}: {why:?}, but it is there"),
    }
    assert_eq!(pair.lock.pin_refusals(), 0, "{what}");
}

#[test]
fn one_message_lost_late_doubled_cut_or_split_never_adds_a_code_twice_nor_lies_about_it() {
    for device in Device::ALL {
        let mut undisturbed = Pair::of(device);
        undisturbed.crossed = (0, 0);
        assert!(change(&mut undisturbed, add("Cleaner", NEW)).is_ok());
        let (writes, indications) = undisturbed.crossed;
        let all = (1..=writes).map(|n| (true, n)).chain((1..=indications).map(|n| (false, n)));
        for (is_write, n) in all {
            for twist in Twist::ALL {
                let twisted = if is_write { Twisted::Write(n, twist) } else { Twisted::Indication(n, twist) };
                let mut pair = Pair::of(device);
                pair.twist(twisted);
                let result = change(&mut pair, add("Cleaner", NEW));
                judge(&pair, result, &format!("{device:?}, {twisted:?}"));
            }
        }
    }
}

#[test]
fn a_broken_link_never_adds_a_code_twice_nor_lies_about_it() {
    for device in Device::ALL {
        for n in 1..=4 {
            for cut in [Cut::BeforeWrite(n), Cut::AfterWrite(n), Cut::AfterIndication(n)] {
                let mut pair = Pair::of(device);
                pair.cut_at(cut);
                let result = change(&mut pair, add("Cleaner", NEW));
                judge(&pair, result, &format!("{device:?}, {cut:?}"));
            }
        }
    }
}

#[test]
fn an_answer_that_never_comes_is_not_taken_for_no() {
    let mut pair = Pair::of(Device::SmartLock3);
    pair.forget();
    pair.input(Input::ChangeCode(add("Cleaner", NEW)));
    pair.drive_bounded(s(5), "the challenge is asked for", |pair| !pair.seen.sent.is_empty());
    pair.drive_bounded(s(5), "the command leaves", |pair| pair.seen.sent.len() >= 2);
    pair.fault(Fault::MuteNextAnswer);
    pair.drive_bounded(s(21), "an answer", |pair| answer(pair).is_some());
    assert_eq!(answer(&pair), Some(Err(CodeNotChanged::Unknown)));
    assert_eq!(pair.lock.keypad_codes().len(), 3, "it was done");
}

#[test]
fn digits_show_in_nothing_that_is_printed() {
    let mut pair = Pair::of(Device::SmartLock3);
    let wish = add("Cleaner", NEW);
    let printed = format!("{wish:?} {:?}", Input::ChangeCode(wish.clone()));
    assert!(!printed.contains(&NEW.to_string()), "{printed}");
    assert_eq!(change(&mut pair, wish), Ok(Some(3)));
    let told = format!("{:?}", pair.seen);
    for digits in [NEW, ANNA] {
        assert!(!told.contains(&digits.to_string()), "{told}");
        let bytes = digits.to_le_bytes();
        assert!(!told.contains(&format!("{}, {}, {}, {}", bytes[0], bytes[1], bytes[2], bytes[3])), "{told}");
    }
}

fn told(puppet: &Puppet) -> Vec<Result<Option<u16>, CodeNotChanged>> {
    let told = puppet.outputs.iter().filter_map(|output| match output {
        Output::CodeChanged(result) => Some(*result),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_new_code_is_there_when_its_number_has_come() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::ChangeCode(add("Cleaner", NEW)));
    assert_eq!(puppet.challenged().command, Command::AddKeypadCode);
    puppet.status(StatusCode::Complete);
    assert_eq!(told(&puppet), [], "complete alone does not say which");
    puppet.say(&Message::new(Command::KeypadCodeId, [9, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(told(&puppet), [Ok(Some(9))]);
}

#[test]
fn after_twenty_seconds_it_is_over_and_what_has_left_is_unknown() {
    // (the change, whether its command has left by then) -> what is told
    let cases = [
        (add("Cleaner", NEW), Command::AddKeypadCode, CodeNotChanged::Unknown),
        (CodeChange::Remove(1), Command::RemoveKeypadCode, CodeNotChanged::Unknown),
        // Only the list was asked for, in which the code is looked up.
        (update(1), Command::RequestKeypadCodes, CodeNotChanged::Unreachable),
    ];
    for (change, command, why) in cases {
        for is_stopped in [false, true] {
            let mut puppet = Puppet::idle();
            puppet.lose_link();
            puppet.input(Input::ChangeCode(change.clone()));
            puppet.pass(s(17));
            puppet.connect();
            assert_eq!(puppet.challenged().command, command);
            puppet.pass(Duration::from_millis(2_999));
            assert_eq!((told(&puppet), puppet.is_up), (vec![], true), "{command}");
            if is_stopped {
                puppet.input(Input::Stop);
            } else {
                puppet.pass(Duration::from_millis(1));
            }
            assert_eq!((told(&puppet), puppet.is_up), (vec![Err(why)], false), "{command}, stopped: {is_stopped}");
        }
    }
}
