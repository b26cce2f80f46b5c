//! Two clocks, through the whole gateway: what is measured, what is stored, and setting the lock's.

use std::time::Duration;

use keyturner::gateway::{ClockHealth, GatewayError, LockHealth};
use keyturner::protocol::LockState;
use keyturner::protocol::crypto::Pin;
use keyturner::simlock::{Input, Person, SimLockConfig, Turn};
use keyturner::transport::sim::{DropAt, SimSettings};

use crate::support::house::{ANNA, House, NUKI_ID, Plan};
use crate::support::rows::event_rows;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn known(house: &House) -> LockHealth {
    house.handle().health(NUKI_ID).unwrap()
}

fn clock(house: &House) -> ClockHealth {
    known(house).clock.unwrap()
}

/// The lock's clock is this far ahead from now on.
fn shift(house: &House, seconds: i64) {
    house.door.input(Input::SetClock(house.door.moment().unix_seconds + seconds));
}

async fn turned(house: &House) {
    let turn = if house.state() == LockState::Locked { Turn::Unlock } else { Turn::Lock };
    house.person(Person::ManualTurn(turn));
    tokio::time::sleep(s(20)).await;
    house.quiet().await;
}

async fn skews(house: &House) -> Vec<(Option<i64>, Option<i16>)> {
    event_rows(&house.database()).await.into_iter().map(|event| (event.clock_skew, event.zone_offset)).collect()
}

#[tokio::test(start_paused = true)]
async fn each_event_carries_how_the_clocks_stood() {
    let lock = SimLockConfig { timezone_offset: 60, ..SimLockConfig::family(NUKI_ID) };
    let house = House::planned(Plan { lock, ..Plan::default() }).await;
    for seconds in [0, 100, -4_000] {
        shift(&house, seconds);
        turned(&house).await;
        let (skew, zone) = skews(&house).await.pop().unwrap();
        let off = skew.unwrap() - seconds * 1000;
        assert!(off.abs() <= 1_000, "{seconds} s, measured {skew:?}");
        assert_eq!(zone, Some(60));
        assert_eq!(clock(&house).should_be_set, seconds != 0);
        assert!(!clock(&house).is_local_time);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_on_local_time_is_said_to_be_so_and_stays_so_when_it_is_set() {
    let lock = SimLockConfig { timezone_offset: 60, ..SimLockConfig::family(NUKI_ID) };
    let house = House::planned(Plan { lock, ..Plan::default() }).await;
    shift(&house, 3_600 + 45);
    turned(&house).await;
    assert!(clock(&house).is_local_time && clock(&house).should_be_set);
    let set = house.handle().set_clock(NUKI_ID).await.unwrap();
    assert!(set.is_local_time && !set.should_be_set, "{set:?}");
    assert!((3_599..=3_601).contains(&house.door.inspect(|lock| lock.clock_offset())));
}

#[tokio::test(start_paused = true)]
async fn the_clock_is_set_when_the_owner_asks_and_never_otherwise() {
    let settings = SimSettings { advertising_interval: s(5), ..SimSettings::default() };
    let house = House::planned(Plan { settings, ..Plan::default() }).await;
    shift(&house, 90);
    tokio::time::sleep(s(3 * 24 * 3600)).await;
    turned(&house).await;
    assert_eq!(house.door.inspect(|lock| lock.clock_offset()), 90, "nothing is set by itself");
    let set = house.handle().set_clock(NUKI_ID).await.unwrap();
    assert!(set.skew.abs() <= 1_000, "{set:?}");
    assert!(house.door.inspect(|lock| lock.clock_offset()).abs() <= 1);
    assert_eq!(clock(&house), set);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_breaks_at_any_moment_still_ends_with_the_right_time_or_an_error() {
    for n in 1..14 {
        for drop in [DropAt::BeforeWrite(n), DropAt::AfterWrites(n), DropAt::AfterIndications(n)] {
            let house = House::new().await;
            shift(&house, 90);
            house.door.drop_at(drop);
            let set = house.handle().set_clock(NUKI_ID).await.unwrap();
            assert!(set.skew.abs() <= 1_500, "{drop:?}: {set:?}");
            house.quiet().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_gets_the_reason_why_not() {
    let house = House::planned(Plan { pin: None, ..Plan::default() }).await;
    let no = house.handle().set_clock(NUKI_ID).await.unwrap_err();
    assert_eq!(no, GatewayError::NoPin("no PIN is known"));

    let house = House::planned(Plan { pin: Some(Pin::new(4321)), ..Plan::default() }).await;
    tokio::time::sleep(s(10)).await;
    let no = house.handle().set_clock(NUKI_ID).await.unwrap_err();
    assert_eq!(no, GatewayError::NoPin("the lock refused the PIN"));
    assert!(!no.to_string().contains("4321"));

    let house = House::new().await;
    house.door.set_in_range(false);
    let began = house.clock.monotonic();
    let no = house.handle().set_clock(NUKI_ID).await.unwrap_err();
    assert!(matches!(no, GatewayError::Unreachable(_)), "{no:?}");
    assert!(house.clock.monotonic() - began <= s(21));
    let no = house.handle().set_clock(0x0BAD_0BAD).await.unwrap_err();
    assert_eq!(no, GatewayError::UnknownLock(0x0BAD_0BAD));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_names_nobody_wrongly() {
    for seconds in [-7_200, -40, 40, 7_200] {
        let house = House::new().await;
        shift(&house, seconds);
        turned(&house).await;
        house.person(Person::keypad(ANNA));
        let setting = house.handle();
        tokio::time::sleep(Duration::from_millis(700)).await;
        setting.set_clock(NUKI_ID).await.unwrap();
        tokio::time::sleep(s(20)).await;
        house.person(Person::ManualTurn(Turn::Lock));
        tokio::time::sleep(s(20)).await;
        house.person(Person::keypad(ANNA));
        tokio::time::sleep(s(20)).await;
        house.quiet().await;
        let events = house.events().await;
        // A change that is open when the clock is set has no answer; its entry has a row of its own.
        let (changes, entries): (Vec<_>, Vec<_>) = events.iter().partition(|event| event.kind == "state_change");
        assert!(changes.iter().all(|event| event.user_name.is_none()) && changes.len() < 3, "{seconds} s: {events:#?}");
        let who: Vec<_> = entries.iter().map(|event| (event.method.as_str(), event.user_name.as_deref())).collect();
        let anna = ("code", Some("Anna"));
        assert_eq!(who, [("manual", None), anna, ("manual", None), anna], "{seconds} s: {events:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn how_the_clock_stood_is_known_before_the_lock_is_heard_again() {
    let mut house = House::new().await;
    shift(&house, 90);
    turned(&house).await;
    let before = clock(&house);
    assert!(known(&house).connections_today >= 2, "the first reading, and the turn");
    house.kill().await;
    house.door.set_in_range(false);
    house.launch().await;
    tokio::time::sleep(s(5)).await;
    let after = known(&house);
    assert_eq!(after.clock.map(|clock| clock.should_be_set), Some(true));
    assert!(after.clock.unwrap().skew.abs_diff(before.skew) < 2_000);
    assert!(after.last_contact.is_none() && after.last_state_read.is_some());
}
