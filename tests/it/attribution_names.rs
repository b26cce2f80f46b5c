//! Whose a number was: the name of then, or none.

use keyturner::attribution::{Code, Directory, Order, User, UserThen};
use keyturner::protocol::IdType;
use keyturner::protocol::datetime::DeviceTime;

use crate::support::dice::Dice;

const NUMBER: u16 = 7;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// 2026-11-23 14:00:00 UTC.
const NOON: i64 = 1_795_442_400;

fn at(seconds: i64) -> Option<DeviceTime> {
    DeviceTime::from_unix_seconds(NOON + seconds)
}

/// A name, and when its code was made.
type Holder = (&'static str, Option<i64>);

fn code((name, created): Holder) -> Code {
    Code { name: name.to_owned(), created: created.and_then(at) }
}

fn user((name, created): Holder, id_type: IdType) -> User {
    User { name: name.to_owned(), id_type, created: created.and_then(at) }
}

/// The same holders of a code's number and of an authorization's.
fn directory(former: &[Holder], now: Option<Holder>) -> Directory {
    let mut directory = Directory::default();
    for holder in former {
        directory.add_former_code(NUMBER, code(*holder));
        directory.add_former_user(NUMBER.into(), user(*holder, IdType::App));
    }
    if let Some(holder) = now {
        directory.set_code(NUMBER, code(holder));
        directory.set_user(NUMBER.into(), user(holder, IdType::App));
    }
    directory
}

/// What it is; former holders, today's holder; when it was used, by the lock's clock; whom that names.
type Case = (&'static str, &'static [Holder], Option<Holder>, Option<i64>, Option<&'static str>);

#[test]
fn a_name_counts_if_everybody_bears_it_who_can_have_held_the_number() {
    const ANNA: Holder = ("Anna", Some(0));
    const BEN: Holder = ("Ben", Some(10 * DAY));
    const CASES: &[Case] = &[
        ("the only one there ever was", &[], Some(ANNA), Some(HOUR), Some("Anna")),
        ("older than the code", &[], Some(ANNA), Some(-HOUR), None),
        ("in the second in which it was made", &[], Some(ANNA), Some(0), None),
        ("the lock does not say when the code was made", &[], Some(("Anna", None)), Some(HOUR), Some("Anna")),
        ("the entry has no time", &[], Some(ANNA), None, None),
        ("neither has a time", &[], Some(("Anna", None)), None, Some("Anna")),
        ("renamed: it can be from before or after", &[ANNA], Some(("Annika", Some(0))), Some(HOUR), None),
        ("a new permission with the same name", &[ANNA], Some(ANNA), Some(HOUR), Some("Anna")),
        ("deleted since", &[ANNA], None, Some(HOUR), Some("Anna")),
        ("deleted since, and older than the code", &[ANNA], None, Some(-HOUR), None),
        ("used again, days before", &[ANNA], Some(BEN), Some(5 * DAY), Some("Anna")),
        ("used again, days after", &[ANNA], Some(BEN), Some(15 * DAY), Some("Ben")),
        ("used again, within the day before", &[ANNA], Some(BEN), Some(10 * DAY - HOUR), None),
        ("used again, within the day after", &[ANNA], Some(BEN), Some(10 * DAY + HOUR), None),
        ("older than both", &[ANNA], Some(BEN), Some(-5 * DAY), None),
        ("used again twice", &[ANNA, BEN], Some(("Cleo", Some(20 * DAY))), Some(15 * DAY), Some("Ben")),
        ("nobody", &[], None, Some(HOUR), None),
    ];
    for (what, former, now, time, named) in CASES {
        let directory = directory(former, *now);
        assert_eq!(directory.code_then(NUMBER, time.and_then(at), Order::Either), *named, "{what}");
        let user = directory.user_then(NUMBER.into(), time.and_then(at), Order::Either);
        assert_eq!(user.name, *named, "{what}, of an authorization");
    }
}

#[test]
fn an_authorization_whose_number_was_somebody_elses_is_of_their_common_kind_alone() {
    let then = |former: IdType, now: IdType, time: i64| {
        let mut directory = Directory::default();
        directory.add_former_user(3, user(("Anna", Some(0)), former));
        directory.set_user(3, user(("Ben", Some(10 * DAY)), now));
        let UserThen { name, id_type } = directory.user_then(3, at(time), Order::Either);
        (name.map(str::to_owned), id_type)
    };
    let ben = || Some("Ben".to_owned());
    assert_eq!(then(IdType::Fob, IdType::App, 15 * DAY), (ben(), Some(IdType::App)));
    assert_eq!(then(IdType::Fob, IdType::App, 10 * DAY + HOUR), (None, None));
    assert_eq!(then(IdType::App, IdType::App, 10 * DAY + HOUR), (None, Some(IdType::App)));
    assert_eq!(Directory::default().user_then(3, at(0), Order::After), UserThen::default());
}

#[test]
fn behind_a_reading_its_holder_counts_and_an_outdated_one_names_nobody() {
    let directory = directory(&[("Anna", Some(0))], Some(("Annika", Some(0))));
    let then = |time, order| directory.code_then(NUMBER, at(time), order);
    assert_eq!(then(HOUR, Order::After), Some("Annika"));
    assert_eq!(then(HOUR, Order::Outdated), None);
    assert_eq!(then(HOUR, Order::Either), None);
}

#[test]
fn whoever_just_got_a_number_is_not_named_for_an_action_that_may_have_begun_before() {
    let directory = directory(&[("Anna", Some(0))], Some(("Ben", Some(HOUR))));
    assert_eq!(directory.code_then(NUMBER, at(HOUR + 60), Order::After), None);
    assert_eq!(directory.code_then(NUMBER, at(HOUR + 180), Order::After), Some("Ben"));
}

#[test]
fn more_former_holders_than_can_be_told_apart_name_nobody() {
    let former = [("Anna", Some(0)); 40];
    assert_eq!(directory(&former, None).code_then(NUMBER, at(HOUR), Order::Either), None);
}

/// Holders follow each other, each is read while it is there; the clock is set by up to 11 hours either way in between.
#[test]
fn over_random_holders_nobody_is_named_who_did_not_hold_the_number_then() {
    const NAMES: [&str; 6] = ["Anna", "Ben", "Cleo", "Dora", "Emil", "Fee"];
    let mut named = 0;
    for seed in 0..20_000 {
        let mut dice = Dice::new(seed);
        let (mut real, mut holders) = (0, Vec::new());
        for name in NAMES.iter().take(dice.between(1, 6) as usize) {
            let clock = dice.between(0, 22) as i64 * HOUR / 2 - 11 * HOUR / 2;
            holders.push((*name, real, real + clock));
            real += dice.between(1, 20) as i64 * dice.pick(&[HOUR, DAY]);
        }
        let is_gone = dice.chance(30);
        let used = dice.between(0, real as u64 + 1) as i64 - 10;
        let clock = dice.between(0, 22) as i64 * HOUR / 2 - 11 * HOUR / 2;
        let holder = holders.iter().rfind(|(_, since, _)| *since <= used).map(|(name, ..)| *name);
        let all: Vec<Holder> = holders.iter().map(|(name, _, created)| (*name, Some(*created))).collect();
        let (now, former) = all.split_last().unwrap();
        let directory = if is_gone { directory(&all, None) } else { directory(former, Some(*now)) };
        if let Some(name) = directory.code_then(NUMBER, at(used + clock), Order::Either) {
            // In front of the first one stands nobody that could be mistaken.
            assert!(holder.is_none_or(|holder| holder == name), "seed {seed}: {holder:?} was named {name}");
            named += u32::from(holder.is_some());
        }
    }
    assert!(named > 5_000, "only {named} were named");
}
