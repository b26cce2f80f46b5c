//! Whoever sends beacons near the house: anybody can, with any number and from any address. It costs the locks little, makes
//! the gateway deaf to nobody and sends it nowhere else.

use std::time::Duration;

use keyturner::gateway::{ActionOutcome, GatewayError, WaitFor};
use keyturner::protocol::beacon::{Advertisement, Beacon, Family, PairingMode};
use keyturner::protocol::{IdType, LockAction};
use keyturner::simlock::{Device, Person, SimLockConfig, Turn};
use keyturner::transport::sim::SimSettings;
use keyturner::transport::{Address, Sighting};
use tracing::level_filters::LevelFilter;

use crate::support::house::{ANNA, BACK_DOOR, House, NUKI_ID, Plan};
use crate::support::journal::Journal;

const STRANGER: Address = Address([0x54, 0xD2, 0x72, 0xBA, 0xDB, 0xAD]);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn beacon(nuki_id: u32, state_changed: bool) -> Advertisement {
    Advertisement::Beacon(Beacon { nuki_id, family: Family::Lock, state_changed, tx_power: -60 })
}

fn heard(house: &House, address: Address, advertisement: Advertisement) {
    house.radio.advertise(Sighting { address, rssi: Some(-40), advertisement });
}

async fn methods(house: &House, nuki_id: u32) -> Vec<String> {
    house.events().await.into_iter().filter(|event| event.nuki_id == nuki_id).map(|event| event.method).collect()
}

#[tokio::test(start_paused = true)]
async fn beacons_forged_for_every_door_cause_six_connections_a_minute_and_hide_nobody() {
    let house = House::planned(Plan { has_back_door: true, ..Plan::default() }).await;
    let back = house.back.as_ref().unwrap().0.clone();
    tokio::time::sleep(s(60)).await;
    house.connects();
    let mut most = 0;
    for minute in 0..10 {
        for tenth in 0..600_u16 {
            if minute == 5 && tenth == 0 {
                back.person(Person::ManualTurn(Turn::Unlock)).unwrap();
            }
            let is_set = tenth % 2 == 0;
            for (door, nuki_id) in [(&house.door, NUKI_ID), (&back, BACK_DOOR)] {
                heard(&house, door.address(), beacon(nuki_id, is_set));
                let [high, low] = tenth.to_be_bytes();
                heard(&house, Address([0x54, 0xD2, 0x72, 1, high, low]), beacon(nuki_id, is_set));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        most = most.max(house.connects());
    }
    // A minute of the test may hold the end of one window and the beginning of another.
    assert!((1..=12).contains(&most), "{most} in a minute");
    assert_eq!(methods(&house, BACK_DOOR).await, ["manual"]);
    assert!(methods(&house, NUKI_ID).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_of_forged_beacons_cause_sixty_connections() {
    let house = House::planned(Plan { has_back_door: true, ..Plan::default() }).await;
    tokio::time::sleep(s(60)).await;
    house.connects();
    for tenth in 0..6_000 {
        heard(&house, house.door.address(), beacon(NUKI_ID, tenth % 2 == 0));
        heard(&house, house.back.as_ref().unwrap().0.address(), beacon(BACK_DOOR, tenth % 3 == 0));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let connects = house.connects();
    assert!((50..=60).contains(&connects), "{connects}");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_claims_the_locks_number_is_neither_connected_to_nor_believed() {
    let journal = Journal::new(LevelFilter::WARN);
    let house = House::new().await;
    let stranger = house.radio.add_at(STRANGER, SimLockConfig::family(NUKI_ID), [9; 32]);
    let signal = house.handle().lock(NUKI_ID).unwrap().rssi;
    stranger.set_rssi(-20);
    house.connects();
    journal.take();
    for hour in 0..3 {
        stranger.person(Person::ManualTurn(if hour % 2 == 0 { Turn::Unlock } else { Turn::Lock })).unwrap();
        heard(&house, STRANGER, Advertisement::Pairing(PairingMode::Lock, NUKI_ID));
        tokio::time::sleep(s(1800)).await;
        house.person(Person::keypad(ANNA));
        tokio::time::sleep(s(20)).await;
        assert_eq!(methods(&house, NUKI_ID).await.len(), hour + 1, "the real one is heard at once");
        tokio::time::sleep(s(1780)).await;
    }
    assert_eq!(house.connected_to(), [house.door.address(); 3]);
    let handle = house.handle();
    assert!(handle.health(NUKI_ID).unwrap().is_authorized);
    assert_eq!((handle.lock(NUKI_ID).unwrap().rssi, handle.scan_results().len()), (signal, 1));
    let lines = journal.take();
    assert!((3..=4).contains(&lines.len()) && lines[0].contains("54:D2:72:BA:DB:AD"), "one an hour: {lines:?}");
}

#[tokio::test(start_paused = true)]
async fn while_the_lock_is_away_nobody_takes_its_place() {
    let house = House::new().await;
    house.radio.add_at(STRANGER, SimLockConfig::family(NUKI_ID), [9; 32]).person(Person::Button).unwrap();
    house.door.set_in_range(false);
    house.connects();
    let act = || async { house.handle().act(NUKI_ID, LockAction::Unlock, "test", WaitFor::Completed).await };
    let outcome = act().await;
    assert!(!matches!(outcome, Ok(ActionOutcome::Done)), "{outcome:?}");
    assert!(house.connected_to().iter().all(|address| *address == house.door.address()));
    assert!(matches!(house.handle().read_state(NUKI_ID).await, Err(GatewayError::Unreachable(_))));
    house.door.set_in_range(true);
    tokio::time::sleep(s(5)).await;
    assert_eq!(act().await.unwrap(), ActionOutcome::Done);
    assert_eq!(house.door.inspect(|lock| lock.executions_total()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_day_of_forged_beacons_costs_no_more_connections_than_a_day_has() {
    let slow = SimSettings { advertising_interval: s(10), ..SimSettings::default() };
    let house = House::planned(Plan { settings: slow, ..Plan::default() }).await;
    house.connects();
    for number in 0..DAY.as_secs() / 10 {
        heard(&house, house.door.address(), beacon(NUKI_ID, number % 2 == 0));
        tokio::time::sleep(s(10)).await;
    }
    let connects = house.connects();
    assert!((600..=690).contains(&connects), "{connects}");
}

#[tokio::test(start_paused = true)]
async fn a_bit_that_an_app_cannot_clear_is_polled_less_and_less_and_events_still_come() {
    let slow = SimSettings { advertising_interval: s(1), ..SimSettings::default() };
    let house = House::planned(Plan { id_type: IdType::App, settings: slow, ..Plan::default() }).await;
    house.person(Person::keypad(ANNA));
    tokio::time::sleep(DAY / 2).await;
    assert!(house.door.inspect(|lock| lock.state().state_changed), "nobody clears it");
    house.person(Person::ManualTurn(Turn::Lock));
    tokio::time::sleep(s(310)).await;
    assert_eq!(methods(&house, NUKI_ID).await, ["code", "manual"], "known within five minutes");
    tokio::time::sleep(DAY / 2).await;
    let connects = house.connects();
    assert!((250..=350).contains(&connects), "{connects} connections in a day");
}

#[tokio::test(start_paused = true)]
async fn the_5th_generation_is_read_every_half_hour() {
    let settings = SimSettings { advertising_interval: s(1), ..SimSettings::default() };
    let lock = SimLockConfig::family_of(Device::Ultra, NUKI_ID);
    let house = House::planned(Plan { lock, settings, pin: Some(Device::Ultra.pin()), ..Plan::default() }).await;
    house.connects();
    tokio::time::sleep(DAY).await;
    let connects = house.connects();
    assert!((46..=50).contains(&connects), "{connects} connections in a day");
}

#[tokio::test(start_paused = true)]
async fn people_at_a_busy_door_are_known_within_seconds_however_many_in_a_minute() {
    let house = House::planned(Plan { has_back_door: true, ..Plan::default() }).await;
    for number in 0..40 {
        let is_entry = number % 2 == 0;
        house.person(if is_entry { Person::keypad(ANNA) } else { Person::ManualTurn(Turn::Lock) });
        // Longer than the motor runs and the gateway lingers, so each costs a connection of its own.
        tokio::time::sleep(s(6)).await;
        let known = methods(&house, NUKI_ID).await;
        assert_eq!(known.len(), number + 1, "{known:?}");
        assert_eq!(known.last().map(String::as_str), Some(if is_entry { "code" } else { "manual" }));
    }
}
