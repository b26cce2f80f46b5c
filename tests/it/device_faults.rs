//! One message of one exchange is lost, late, doubled, cut or split, with each device: nothing is done twice, no answer
//! is untrue, no log entry is lost or doubled, and the session comes back by itself.

use std::time::Duration;

use keyturner::protocol::{LockAction, OpenerAction};
use keyturner::session::Outcome;
use keyturner::simlock::{Device, Person};

use crate::action_at_most_once::judge;
use crate::support::pair::{ANNA, Cut, Pair, Twist, Twisted};

const INTENT: i64 = 0x77;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn opening(device: Device) -> LockAction {
    match device {
        Device::Opener => OpenerAction::Open.command(),
        _ => LockAction::Unlock,
    }
}

/// Every message that an undisturbed exchange has.
fn messages(exchange: impl FnOnce() -> Pair) -> Vec<Twisted> {
    let (writes, indications) = exchange().crossed;
    assert!(writes > 0 && indications > 0);
    let all = |count, of: fn(u32, Twist) -> Twisted| {
        (1..=count).flat_map(move |n| Twist::ALL.into_iter().map(move |twist| of(n, twist)))
    };
    all(writes, Twisted::Write).chain(all(indications, Twisted::Indication)).collect()
}

/// What is in the device's log, once each and in order.
fn assert_log_is_read(pair: &mut Pair, what: &str) {
    pair.drive_bounded(s(3600), what, |pair| {
        let wanted = pair.lock.log().back().map_or(0, |entry| entry.index);
        pair.seen.entries.last().is_some_and(|entry| entry.index == wanted)
    });
    let read: Vec<u32> = pair.seen.entries.iter().map(|entry| entry.index).collect();
    let written: Vec<u32> = pair.lock.log().iter().map(|entry| entry.index).collect();
    assert_eq!(read, written, "{what}");
}

fn acted(device: Device, twisted: Option<Twisted>) -> Pair {
    let mut pair = Pair::of(device);
    pair.crossed = (0, 0);
    if let Some(twisted) = twisted {
        pair.twist(twisted);
    }
    let asked = pair.now;
    let what = format!("{device:?}, {twisted:?}");
    pair.act(INTENT, opening(device));
    pair.drive_bounded(s(16), &what, |pair| pair.outcome(INTENT).is_some());
    pair.pass(s(60));
    let outcome = judge(&pair, INTENT, asked, &what);
    if twisted.is_none() {
        assert_eq!(outcome, Outcome::Done, "{what}");
    }
    pair
}

#[test]
fn an_action_at_each_device_survives_whatever_becomes_of_one_message() {
    for device in Device::ALL {
        for twisted in messages(|| acted(device, None)) {
            let mut pair = acted(device, Some(twisted));
            if !pair.lock.log().is_empty() {
                assert_log_is_read(&mut pair, &format!("{device:?}, {twisted:?}"));
            }
        }
    }
}

#[test]
fn an_action_at_each_device_survives_a_link_that_breaks_at_any_message() {
    for device in Device::ALL {
        let (writes, indications) = acted(device, None).crossed;
        let cuts = (1..=writes).flat_map(|n| [Cut::BeforeWrite(n), Cut::AfterWrite(n)]);
        for cut in cuts.chain((1..=indications).map(Cut::AfterIndication)) {
            let what = format!("{device:?}, {cut:?}");
            let mut pair = Pair::of(device);
            pair.cut_at(cut);
            let asked = pair.now;
            pair.act(INTENT, opening(device));
            pair.drive_bounded(s(16), &what, |pair| pair.outcome(INTENT).is_some());
            pair.pass(s(60));
            judge(&pair, INTENT, asked, &what);
            assert!(pair.seen.action_frames.values().sum::<u32>() <= 1, "{what}: it left more than once");
        }
    }
}

/// The first reading of everything: state, codes, people, log, configuration, battery.
fn read(device: Device, twisted: Option<Twisted>) -> Pair {
    let mut pair = Pair::unread(device);
    pair.person(Person::keypad(ANNA));
    if let Some(twisted) = twisted {
        pair.twist(twisted);
    }
    pair.pass(s(30));
    pair
}

#[test]
fn reading_each_device_survives_whatever_becomes_of_one_message() {
    for device in Device::ALL {
        for twisted in messages(|| read(device, None)) {
            let what = format!("{device:?}, {twisted:?}");
            let mut pair = read(device, Some(twisted));
            assert_log_is_read(&mut pair, &what);
            assert_eq!(pair.lock.executions_total(), 0, "{what}");
            // A message that is damaged is never taken for a wrong PIN.
            assert_eq!(pair.lock.pin_refusals(), 0, "{what}");
        }
    }
}
