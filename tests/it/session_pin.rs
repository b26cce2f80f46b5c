//! How often a lock is bothered with a PIN that it refuses: counted by the lock, over weeks and restarts.

use std::time::Duration;

use keyturner::protocol::crypto::Pin;
use keyturner::session::{Input, LogAccess, PinTries};
use keyturner::simlock::{self, Owner, Person, SimLockConfig, Turn};

use crate::support::pair::{Cut, NUKI_ID, Pair};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A lock that bans for a year after three, so that a fourth could not hide.
fn with_wrong_pin() -> Pair {
    let lock = SimLockConfig { pin_attempts: 3, pin_lockout: 365 * DAY, ..SimLockConfig::family(NUKI_ID) };
    // Weeks are long; a lock that is heard twice a minute makes them no shorter for it.
    let mut pair = Pair::with(lock, Some(Pin::new(4321)));
    pair.beacon_every = s(30);
    pair
}

fn somebody(pair: &mut Pair, n: u32) {
    pair.person(Person::ManualTurn(if n.is_multiple_of(2) { Turn::Unlock } else { Turn::Lock }));
}

#[test]
fn a_wrong_pin_is_tried_twice_in_thirty_days_of_restarts_and_people() {
    for restart_every in [s(70), s(1_000), s(4_000), s(20_000), s(90_000), 40 * DAY] {
        let mut pair = with_wrong_pin();
        let (mut n, mut up) = (0, Duration::ZERO);
        while pair.now < 30 * DAY {
            n += 1;
            somebody(&mut pair, n);
            pair.input(Input::ReadDirectory);
            pair.pass(s(1_999));
            up += s(1_999);
            if up >= restart_every {
                up = Duration::ZERO;
                pair.restart(0);
            }
        }
        let tries = pair.lock.pin_refusals();
        // Who starts again more often than the second try comes due never makes it.
        let wanted = if restart_every < s(3_600) { 1..=2 } else { 2..=2 };
        assert!(wanted.contains(&tries), "{tries} tries with a restart each {restart_every:?}");
        assert_eq!(pair.session.log_access(), LogAccess::PinRefused);
    }
}

#[test]
fn a_process_that_dies_whenever_the_lock_refuses_does_not_try_for_ever() {
    let mut pair = with_wrong_pin();
    while pair.now < 30 * DAY {
        let before = pair.lock.pin_refusals();
        let until = pair.now + s(600);
        while pair.now < until && pair.lock.pin_refusals() == before {
            pair.step();
        }
        // The lock has said no, and nobody has heard it.
        pair.restart(0);
    }
    let tries = pair.lock.pin_refusals();
    assert!((1..=2).contains(&tries), "{tries}");
}

#[test]
fn refusals_that_never_arrive_make_the_tries_rare() {
    let mut pair = with_wrong_pin();
    let mut n = 0;
    while pair.now < 30 * DAY {
        n += 1;
        somebody(&mut pair, n);
        let until = pair.now + s(3_000);
        while pair.now < until {
            let before = pair.lock.pin_refusals();
            pair.step();
            if pair.lock.pin_refusals() > before {
                pair.lose_link();
            }
        }
    }
    let tries = pair.lock.pin_refusals();
    assert!((3..=33).contains(&tries), "{tries} in thirty days");
}

#[test]
fn too_many_attempts_stop_at_once() {
    let lock = SimLockConfig { pin_attempts: 1, pin_lockout: 365 * DAY, ..SimLockConfig::family(NUKI_ID) };
    let mut pair = Pair::with(lock, Some(Pin::new(4321)));
    pair.rest();
    // The second try meets the ban.
    pair.pass(s(3_700));
    assert_eq!(pair.lock.pin_refusals(), 2);
    assert!(pair.pin_tries.is_over());
    pair.restart(0);
    pair.pass(30 * DAY);
    assert_eq!(pair.lock.pin_refusals(), 2);
}

#[test]
fn a_ban_by_somebody_elses_guesses_ends_the_tries_with_the_first() {
    let lock = SimLockConfig { pin_attempts: 1, pin_lockout: 365 * DAY, ..SimLockConfig::family(NUKI_ID) };
    let mut pair = Pair::with(lock, Some(Pin::new(1234)));
    pair.rest();
    assert_eq!(pair.pin_tries, PinTries { is_proven: true, ..PinTries::default() });
    // The PIN is changed, so that our next try is wrong and the one behind it banned.
    pair.feed_lock(simlock::Input::Owner(Owner::Pin(Pin::new(1111))));
    somebody(&mut pair, 0);
    pair.pass(s(8_000));
    assert_eq!((pair.lock.pin_refusals(), pair.pin_tries.is_over()), (2, true));
}

#[test]
fn a_refusal_that_passes_is_forgotten_with_the_second_try() {
    let mut pair = Pair::new();
    pair.rest();
    pair.feed_lock(simlock::Input::Owner(Owner::Pin(Pin::new(1111))));
    somebody(&mut pair, 0);
    pair.rest();
    assert_eq!((pair.session.log_access(), pair.pin_tries.refused), (LogAccess::PinRefused, 1));
    pair.forget();
    pair.feed_lock(simlock::Input::Owner(Owner::Pin(Pin::new(1234))));
    pair.pass(s(3_700));
    assert_eq!((pair.session.log_access(), pair.pin_tries.refused), (LogAccess::Readable, 0));
    assert_eq!(pair.seen.entries.len(), 1, "what was missed is read");
}

#[test]
fn a_new_pin_is_tried_at_once_and_opens_the_log() {
    let mut pair = with_wrong_pin();
    somebody(&mut pair, 0);
    pair.pass(2 * DAY);
    assert!(pair.pin_tries.is_over());
    pair.forget();
    pair.input(Input::NewPin { pin: Some(Pin::new(1234)), tries: PinTries::default() });
    pair.pass(s(20));
    assert_eq!(pair.session.log_access(), LogAccess::Readable);
    assert_eq!(pair.seen.entries.len(), 1);
    assert_eq!(pair.lock.pin_refusals(), 2);
}

#[test]
fn a_right_pin_survives_links_that_break_at_every_moment() {
    for n in 1..40 {
        for cut in [Cut::BeforeWrite(n), Cut::AfterWrite(n), Cut::AfterIndication(n)] {
            let mut pair = Pair::new();
            somebody(&mut pair, 0);
            pair.cut_at(cut);
            pair.pass(s(60));
            assert_eq!(pair.seen.entries.len(), 1, "{cut:?}: one broken link costs no hour");
        }
    }
}
