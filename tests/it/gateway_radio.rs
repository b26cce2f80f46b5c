//! The whole gateway on a bad radio: nothing is lost, nothing is stored twice, no lock is worn out.

use std::time::Duration;

use keyturner::gateway::{ActionOutcome, GatewayError, NotDone, WaitFor};
use keyturner::protocol::crypto::SharedKey;
use keyturner::protocol::{ErrorCode, LockAction, LockState};
use keyturner::simlock::{DoorMove, Person, Pieces, SimLockConfig, Turn};
use keyturner::transport::sim::SimSettings;

use crate::support::house::{ANNA, BACK_DOOR, House, NUKI_ID, Plan};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Ten people within half a minute.
async fn a_burst(house: &House) {
    let people = [
        Person::keypad(ANNA),
        Person::Door(DoorMove::Open),
        Person::KeypadWrongCode,
        Person::Door(DoorMove::Close),
        Person::ArrowKey,
        Person::ManualTurn(Turn::Unlock),
        Person::ManualTurn(Turn::Lock),
        Person::Button,
        Person::KeypadWrongCode,
        Person::ManualTurn(Turn::Lock),
    ];
    for person in people {
        // A refused one is in the lock's log all the same.
        house.door.person(person).ok();
        tokio::time::sleep(s(3)).await;
    }
    assert_eq!(house.door.inspect(|lock| lock.log().len()), 10);
}

async fn assert_all_is_stored_in_order(house: &House, entries: u32) {
    let stored: Vec<u32> = house.events().await.iter().filter_map(|event| event.log_index).collect();
    let written: Vec<u32> = house.door.inspect(|lock| lock.log().iter().map(|entry| entry.index).collect());
    assert_eq!(stored, written, "every entry once, in the lock's order");
    assert_eq!(stored.len(), usize::try_from(entries).unwrap());
}

#[tokio::test(start_paused = true)]
async fn ten_people_in_half_a_minute_are_all_stored_in_order() {
    let house = House::new().await;
    a_burst(&house).await;
    house.quiet().await;
    assert_all_is_stored_in_order(&house, 10).await;
}

#[tokio::test(start_paused = true)]
async fn ten_people_while_out_of_reach_are_all_stored_in_order_afterwards() {
    let house = House::new().await;
    house.door.set_in_range(false);
    a_burst(&house).await;
    house.door.set_in_range(true);
    house.quiet().await;
    assert_all_is_stored_in_order(&house, 10).await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_goes_and_comes_back_again_and_again_loses_nothing() {
    let house = House::new().await;
    for n in 0..12 {
        let person = Person::ManualTurn(if n % 2 == 0 { Turn::Unlock } else { Turn::Lock });
        house.person(person);
        tokio::time::sleep(Duration::from_millis(300 * n)).await;
        house.door.set_in_range(false);
        tokio::time::sleep(s(9)).await;
        house.door.set_in_range(true);
    }
    house.quiet().await;
    assert_all_is_stored_in_order(&house, 12).await;
}

#[tokio::test(start_paused = true)]
async fn scanning_that_ends_is_started_again() {
    let house = House::new().await;
    house.radio.end_scans();
    house.person(Person::keypad(ANNA));
    house
        .until("it is stored", || {
            house.handle().lock(NUKI_ID).unwrap().state.unwrap().0.lock_state == LockState::Unlocked
        })
        .await;
    house.quiet().await;
    assert_all_is_stored_in_order(&house, 1).await;
}

#[tokio::test(start_paused = true)]
async fn lost_packets_cost_time_and_nothing_else() {
    for loss in [0.1, 0.3] {
        let connection_interval = Duration::from_millis(50);
        let house = House::planned(Plan {
            settings: SimSettings { loss, connection_interval, ..SimSettings::default() },
            ..Plan::default()
        })
        .await;
        a_burst(&house).await;
        let outcome = house.handle().act(NUKI_ID, LockAction::Unlock, "test", WaitFor::Completed).await.unwrap();
        assert_eq!(outcome, ActionOutcome::Done, "loss {loss}");
        house.quiet().await;
        assert_all_is_stored_in_order(&house, 11).await;
        assert_eq!(house.door.inspect(|lock| lock.executions_total()), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_smallest_mtu_and_the_smallest_pieces_bring_the_same() {
    let house = House::planned(Plan {
        lock: SimLockConfig { pieces: Pieces::Twenty, ..SimLockConfig::family(NUKI_ID) },
        settings: SimSettings { mtu: 23, ..SimSettings::default() },
        ..Plan::default()
    })
    .await;
    a_burst(&house).await;
    let outcome = house.handle().act(NUKI_ID, LockAction::Unlock, "test", WaitFor::Completed).await.unwrap();
    assert_eq!(outcome, ActionOutcome::Done);
    house.quiet().await;
    assert_all_is_stored_in_order(&house, 11).await;
}

#[tokio::test(start_paused = true)]
async fn two_locks_on_one_adapter_do_not_mix_up_their_people() {
    let house = House::planned(Plan { has_back_door: true, ..Plan::default() }).await;
    let (back, _) = house.back.as_ref().unwrap();
    house.person(Person::keypad(ANNA));
    back.person(Person::ManualTurn(Turn::Unlock)).unwrap();
    tokio::time::sleep(s(20)).await;
    let events = house.events().await;
    let of = |nuki_id| {
        events.iter().filter(|event| event.nuki_id == nuki_id).map(|event| event.method.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of(NUKI_ID), ["code"]);
    assert_eq!(of(BACK_DOOR), ["manual"]);
}

#[tokio::test(start_paused = true)]
async fn a_lock_out_of_reach_keeps_no_other_door_shut() {
    let house = House::planned(Plan { has_back_door: true, ..Plan::default() }).await;
    let (back, _) = house.back.as_ref().unwrap();
    house.door.set_in_range(false);
    let reader = house.handle();
    let reading = tokio::spawn(async move { reader.read_state(NUKI_ID).await });
    for _ in 0..5 {
        // At every moment of the vain attempts to reach the front door.
        tokio::time::sleep(Duration::from_millis(2_700)).await;
        let asked = house.clock.monotonic();
        let action = if back.inspect(|lock| lock.state().lock_state) == LockState::Locked {
            LockAction::Unlock
        } else {
            LockAction::Lock
        };
        let outcome = house.handle().act(BACK_DOOR, action, "test", WaitFor::Completed).await.unwrap();
        let took = house.clock.monotonic() - asked;
        assert_eq!(outcome, ActionOutcome::Done);
        assert!(took < s(5), "{took:?}");
    }
    assert!(matches!(reading.await.unwrap(), Err(GatewayError::Unreachable(_))));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_is_noticed_and_the_lock_is_left_alone() {
    let mut house = House::new().await;
    house.stop().await;
    house.lock.key = SharedKey::from_bytes([1; 32]);
    house.connects();
    house.launch().await;
    house.person(Person::keypad(ANNA));
    tokio::time::sleep(s(3600)).await;
    let connects = house.connects();
    assert!((1..=4).contains(&connects), "{connects} connections in an hour");
    let outcome = house.handle().act(NUKI_ID, LockAction::Lock, "test", WaitFor::Completed).await.unwrap();
    assert_eq!(outcome, ActionOutcome::NotDone(NotDone::Refused(ErrorCode::NotAuthorized)));
    assert_eq!(house.door.inspect(|lock| lock.executions_total()), 0);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_day_costs_four_connections() {
    let house = House::planned(Plan {
        settings: SimSettings { advertising_interval: s(1), ..SimSettings::default() },
        ..Plan::default()
    })
    .await;
    house.connects();
    tokio::time::sleep(s(24 * 3600)).await;
    let connects = house.connects();
    assert!((1..=4).contains(&connects), "{connects}");
}

#[tokio::test(start_paused = true)]
async fn every_change_costs_one_connection() {
    let house = House::new().await;
    house.connects();
    for n in 0..10 {
        house.person(Person::ManualTurn(if n % 2 == 0 { Turn::Unlock } else { Turn::Lock }));
        tokio::time::sleep(s(60)).await;
    }
    assert_eq!(house.connects(), 10);
}
