//! How often a lock is bothered with a PIN that it refuses: counted by the lock, over weeks and restarts.

use std::time::Duration;

use keyturner::protocol::crypto::Pin;
use keyturner::protocol::{Command, ErrorCode};
use keyturner::session::{Input, LogAccess, Output, PinTries};
use keyturner::simlock::{self, Owner, Person, SimLockConfig, Turn};

use crate::support::pair::{Cut, NUKI_ID, Pair};
use crate::support::puppet::{Puppet, log_count};

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

#[test]
fn a_refusal_said_twice_counts_once_and_a_ban_behind_it_counts_for_good() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::CheckLog);
    assert_eq!(puppet.challenged().command, Command::RequestLogEntries);
    let codes = [ErrorCode::BadPin, ErrorCode::BadPin, ErrorCode::TooManyPinAttempts, ErrorCode::TooManyPinAttempts];
    for code in codes {
        puppet.error(code, Command::RequestLogEntries.id());
    }
    let refused = puppet.outputs.iter().filter_map(|output| match output {
        Output::PinTries(tries) => Some(tries.refused),
        _ => None,
    });
    assert_eq!(refused.collect::<Vec<_>>(), [1, 2]);
    puppet.pass(30 * DAY);
    assert!(puppet.outputs.iter().all(|output| !matches!(output, Output::LogAccess(LogAccess::Readable))));
}

#[test]
fn what_is_said_about_the_old_pin_is_not_about_the_new_one() {
    let mut puppet = Puppet::idle();
    puppet.input(Input::CheckLog);
    assert!(puppet.challenged().payload.ends_with(&1234_u16.to_le_bytes()));
    puppet.input(Input::NewPin { pin: Some(Pin::new(4321)), tries: PinTries::default() });
    assert!(!puppet.is_up, "the answer that is owed dies with its link");
    puppet.error(ErrorCode::BadPin, Command::RequestLogEntries.id());
    puppet.pass(s(1));
    puppet.connect();
    let command = puppet.challenged();
    assert!(command.payload.ends_with(&4321_u16.to_le_bytes()), "{command:?}");
    assert!(!puppet.outputs.iter().any(|output| matches!(output, Output::PinTries(tries) if tries.refused > 0)));
}

#[test]
fn a_pin_that_is_taken_away_or_used_up_asks_for_nothing() {
    let over = PinTries { refused: 2, ..PinTries::default() };
    for (pin, tries, access) in
        [(None, PinTries::default(), LogAccess::PinMissing), (Some(Pin::new(4321)), over, LogAccess::PinRefused)]
    {
        let mut puppet = Puppet::idle();
        let before = puppet.pin_frames;
        puppet.input(Input::NewPin { pin, tries });
        assert_eq!(puppet.session.log_access(), access);
        assert_eq!(puppet.next_sent(), None);
        // The lengths of the lists, which are due once a day, need it too.
        puppet.pass(2 * DAY);
        if !puppet.is_up {
            puppet.connect();
        }
        puppet.serve_reads(keyturner::protocol::LockState::Locked);
        puppet.say(&log_count(5));
        assert_eq!((puppet.pin_frames, puppet.session.log_access()), (before, access));
    }
}
