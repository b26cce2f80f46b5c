//! Reading the log after an absence: the same one, one that was overwritten, one that was cleared, one whose numbers began anew.

use std::time::Duration;

use keyturner::protocol::crypto::Pin;
use keyturner::protocol::log::LogIndex;
use keyturner::session;
use keyturner::simlock::{Device, Fault, Input, Person, SimLockConfig, Turn};

use crate::support::pair::{Cut, NUKI_ID, Pair};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn turns(pair: &mut Pair, count: usize) {
    for _ in 0..count {
        let turn = if pair.lock.state().lock_state == keyturner::protocol::LockState::Locked {
            Turn::Unlock
        } else {
            Turn::Lock
        };
        pair.person(Person::ManualTurn(turn));
    }
}

fn indexes(pair: &Pair) -> Vec<LogIndex> {
    pair.seen.entries.iter().map(|entry| entry.index).collect()
}

fn resets(pair: &Pair) -> usize {
    pair.seen.other.iter().filter(|other| other.starts_with("LogReset")).count()
}

fn with(capacity: usize, start: LogIndex) -> Pair {
    let lock = SimLockConfig { log_capacity: capacity, log_start: start, ..SimLockConfig::family(NUKI_ID) };
    Pair::with(lock, Some(Pin::new(1234)))
}

#[test]
fn a_log_that_was_cleared_and_has_grown_past_the_cursor_is_noticed() {
    for (before, after) in [(1, 1), (1, 2), (5, 5), (5, 6), (30, 31), (30, 300), (26, 52)] {
        let mut pair = with(1_000, 1);
        turns(&mut pair, before);
        pair.rest();
        pair.forget();
        pair.drop_and_wait(s(100));
        pair.feed_lock(Input::ClearLog);
        turns(&mut pair, after);
        pair.restart(u32::try_from(before).unwrap());
        pair.rest();
        assert_eq!(resets(&pair), 1, "{before} entries, then {after} others");
        assert_eq!(indexes(&pair), (1..=u32::try_from(after).unwrap()).collect::<Vec<_>>());
    }
}

#[test]
fn the_same_log_is_never_taken_for_another() {
    for (before, after) in [(1, 0), (1, 1), (5, 0), (25, 25), (24, 26), (26, 80), (100, 500)] {
        let mut pair = with(1_000, 1);
        turns(&mut pair, before);
        pair.rest();
        for _ in 0..3 {
            pair.forget();
            pair.drop_and_wait(s(10));
            let cursor = pair.lock.log().back().unwrap().index;
            turns(&mut pair, after);
            pair.restart(cursor);
            pair.rest();
            assert_eq!((resets(&pair), pair.seen.entries.len()), (0, after), "{before}, then {after}");
        }
    }
}

#[test]
fn a_clear_is_noticed_without_a_restart_after_an_absence() {
    for hours in [1, 14] {
        let mut pair = with(1_000, 1);
        turns(&mut pair, 4);
        pair.rest();
        pair.forget();
        pair.set_in_range(false);
        pair.pass(s(hours * 3_600));
        pair.feed_lock(Input::ClearLog);
        turns(&mut pair, 9);
        pair.set_in_range(true);
        pair.pass(s(300));
        assert_eq!((resets(&pair), indexes(&pair)), (1, (1..=9).collect()), "{hours} hours");
    }
}

/// The lock is heard, and phones have all its links for an hour.
#[test]
fn a_clear_is_noticed_behind_an_hour_of_links_that_fail() {
    for (before, after) in [(1, 1), (4, 9), (30, 31)] {
        let mut pair = with(1_000, 1);
        turns(&mut pair, before);
        pair.rest();
        pair.forget();
        pair.set_in_range(false);
        pair.input(session::Input::ReadState);
        pair.pass(s(3_600));
        pair.feed_lock(Input::ClearLog);
        turns(&mut pair, after);
        pair.set_in_range(true);
        pair.pass(s(300));
        let all: Vec<LogIndex> = (1..=u32::try_from(after).unwrap()).collect();
        assert_eq!((resets(&pair), indexes(&pair)), (1, all), "{before} entries, then {after} others");
    }
}

/// Found by `whole_house`, seeds 25 and 62: until it had grown past the cursor, nothing of it was read.
#[test]
fn a_clear_under_our_eyes_is_noticed_when_the_bolt_moves() {
    for (device, before) in [(Device::SmartLock3, 30), (Device::Ultra, 30), (Device::SmartLock3, 1)] {
        let mut pair = Pair::of(device);
        pair.settle();
        turns(&mut pair, before);
        pair.pass(s(3_600));
        pair.forget();
        pair.feed_lock(Input::ClearLog);
        pair.person(Person::Button);
        pair.pass(s(3_600));
        assert_eq!((resets(&pair), indexes(&pair)), (1, vec![1]), "{device:?}, {before} entries");
    }
}

/// Found by `whole_house`, seed 6093. No bolt moves where a code is refused, so each time the log has nothing behind the
/// cursor, until it has reached it again; and of what stood up to there nothing was read.
#[test]
fn a_clear_under_our_eyes_is_noticed_by_refused_codes_alone() {
    for before in [1, 2, 3, 4, 5, 12, 40] {
        // So many at a time, and then a pause.
        for (together, pause) in [(1, s(1)), (1, s(60)), (2, s(1)), (3, s(5)), (3, s(60))] {
            let mut pair = Pair::of(Device::SmartLock3);
            turns(&mut pair, before);
            pair.pass(s(3_600));
            pair.forget();
            pair.feed_lock(Input::ClearLog);
            let refused = (before + 10) / together * together;
            for n in 1..=refused {
                pair.person(Person::KeypadWrongCode);
                if n % together == 0 {
                    pair.pass(pause);
                }
            }
            pair.pass(s(3_600));
            let all: Vec<LogIndex> = (1..=u32::try_from(refused).unwrap()).collect();
            let what = format!("{before} entries before, {together} codes each {pause:?}");
            assert_eq!((resets(&pair), indexes(&pair)), (1, all), "{what}");
        }
    }
}

/// Found by `whole_house`, seed 7322, when an empty page behind a beacon made the next one begin at the cursor: the question
/// for the newest number and the search for old ones took turns, and nothing was read.
#[test]
fn a_clear_near_the_end_of_the_numbers_is_noticed_under_our_eyes() {
    for refused in [0, 1, 7] {
        let mut pair = with(1_000, LogIndex::MAX - 90_000);
        pair.settle();
        turns(&mut pair, 30);
        pair.pass(s(3_600));
        pair.forget();
        pair.feed_lock(Input::ClearLog);
        for _ in 0..refused {
            pair.person(Person::KeypadWrongCode);
            pair.pass(s(5));
        }
        pair.person(Person::Button);
        pair.pass(s(60));
        let all: Vec<LogIndex> = (1..=refused + 1).collect();
        assert_eq!((resets(&pair), indexes(&pair)), (1, all), "{refused} codes");
    }
}

/// Found by `whole_house`, seed 648: somebody unlocks and the lock locks by itself, and both between two visits, since the
/// beacons of this generation tell nothing. For a day nothing of the cleared log was read.
#[test]
fn a_clear_is_noticed_although_the_bolt_was_back_when_it_was_looked_at() {
    for before in [1, 5, 30] {
        let mut pair = Pair::of(Device::Ultra);
        pair.settle();
        turns(&mut pair, before);
        pair.pass(s(3_600));
        pair.forget();
        pair.feed_lock(Input::ClearLog);
        pair.pass(s(3_600));
        turns(&mut pair, 2);
        pair.pass(s(3_600));
        assert_eq!((resets(&pair), indexes(&pair)), (1, vec![1, 2]), "{before} entries");
    }
}

/// Found by `whole_house`, seeds 35 and 650: a log whose numbers had been near the end was read from its top down from then on,
/// although it had been cleared. Where messages take long, what stood behind the cursor took longer than an answer may, so nothing
/// was read any more.
#[test]
fn a_log_that_was_cleared_near_the_end_of_the_numbers_is_read_as_any_other() {
    let mut pair = with(200, LogIndex::MAX - 90_000);
    pair.settle();
    turns(&mut pair, 30);
    pair.pass(s(60));
    pair.feed_lock(Input::ClearLog);
    pair.forget();
    turns(&mut pair, 40);
    pair.pass(s(13 * 3_600));
    assert_eq!((resets(&pair), indexes(&pair)), (1, (1..=40).collect::<Vec<_>>()));
    pair.forget();
    let before = pair.crossed.1;
    turns(&mut pair, 1);
    pair.pass(s(60));
    assert_eq!(indexes(&pair), [41]);
    let came = pair.crossed.1 - before;
    assert!(came < 20, "the old entries were read once more: {came} indications");
}

/// What stands behind the cursor comes as well when a log is read from its top down.
#[test]
fn a_page_from_the_top_is_waited_for_as_long_as_it_comes() {
    let mut pair = with(200, LogIndex::MAX - 99);
    turns(&mut pair, 100);
    pair.settle();
    turns(&mut pair, 31);
    pair.pass(s(13 * 3_600));
    assert_eq!(indexes(&pair).last(), Some(&31));
    pair.forget();
    pair.flight = Duration::from_millis(300);
    turns(&mut pair, 1);
    pair.pass(s(60));
    assert_eq!(indexes(&pair), [32]);
    for next in 33..60 {
        pair.forget();
        turns(&mut pair, 1);
        pair.pass(s(3_600));
        assert_eq!((resets(&pair), indexes(&pair)), (0, vec![next]), "nothing is read twice");
    }
}

/// Found by `whole_house`, seed 35.
#[test]
fn numbers_that_begin_anew_under_our_eyes_are_read_once() {
    for device in [Device::SmartLock1, Device::SmartLock3, Device::Ultra] {
        let family = SimLockConfig::family_of(device, NUKI_ID);
        let lock = SimLockConfig { log_start: LogIndex::MAX - 4, auto_lock: Some(s(60)), ..family };
        let mut pair = Pair::with(lock, Some(device.pin()));
        pair.settle();
        for _ in 0..20 {
            pair.person(Person::Button);
            pair.pass(s(4_000));
        }
        let wanted = (LogIndex::MAX - 4..=LogIndex::MAX).chain(1..=35).collect::<Vec<_>>();
        assert_eq!((resets(&pair), indexes(&pair)), (1, wanted), "{device:?}");
    }
}

#[test]
fn an_entry_that_comes_twice_is_read_once() {
    for entries in [1, 2, 5, 30] {
        let mut pair = Pair::settled();
        pair.rest();
        pair.forget();
        pair.fault(Fault::RepeatEntry);
        turns(&mut pair, entries);
        pair.pass(s(60));
        let mut once = indexes(&pair);
        once.dedup();
        assert_eq!((indexes(&pair), once.len()), (once.clone(), entries), "{entries}");
    }
}

#[test]
fn an_overwritten_log_leaves_a_jump_and_nothing_twice() {
    for missed in [49, 50, 51, 200] {
        let mut pair = with(50, 1);
        turns(&mut pair, 30);
        pair.rest();
        pair.forget();
        pair.drop_and_wait(s(100));
        turns(&mut pair, missed);
        pair.restart(30);
        pair.rest();
        let newest = 30 + u32::try_from(missed).unwrap();
        let oldest = (newest - 49).max(31);
        assert_eq!(resets(&pair), 0);
        assert_eq!(indexes(&pair), (oldest..=newest).collect::<Vec<_>>(), "{missed} missed");
    }
}

#[test]
fn numbers_that_begin_anew_are_read_once_whatever_stands_behind_them() {
    for missed in [5, 24, 25, 26, 100, 190, 300] {
        for cut in [None, Some(Cut::AfterIndication(30)), Some(Cut::AfterWrite(20))] {
            let mut pair = with(200, LogIndex::MAX - 9);
            turns(&mut pair, 10);
            pair.rest();
            assert_eq!(indexes(&pair).last(), Some(&LogIndex::MAX));
            pair.forget();
            pair.drop_and_wait(s(100));
            turns(&mut pair, missed);
            pair.restart(LogIndex::MAX);
            if let Some(cut) = cut {
                pair.cut_at(cut);
            }
            pair.pass(s(60));
            let newest = u32::try_from(missed).unwrap();
            let oldest = newest.saturating_sub(199).max(1);
            assert_eq!(indexes(&pair), (oldest..=newest).collect::<Vec<_>>(), "{missed} missed, {cut:?}");
            assert_eq!(resets(&pair), 1);
            pair.pass(s(8 * 3600));
            assert_eq!(resets(&pair), 1, "and that is that");
        }
    }
}

#[test]
fn a_cursor_short_of_the_last_number_reads_up_to_it_first() {
    let mut pair = with(200, LogIndex::MAX - 9);
    turns(&mut pair, 5);
    pair.rest();
    pair.forget();
    pair.drop_and_wait(s(100));
    turns(&mut pair, 15);
    pair.restart(LogIndex::MAX - 5);
    pair.rest();
    let mut read = indexes(&pair);
    assert_eq!(resets(&pair), 1);
    assert_eq!(read.iter().rev().take(10).rev().copied().collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    read.dedup();
    read.sort_unstable();
    read.dedup();
    assert_eq!(read.len(), pair.seen.entries.len(), "nothing twice");
}
