//! A lock that is forgotten is let go in order, and the other one is served on.

use std::time::Duration;

use keyturner::gateway::{ActionOutcome, GatewayError, WaitFor};
use keyturner::protocol::LockAction;

use crate::support::house::{BACK_DOOR, House, NUKI_ID, Plan};

#[tokio::test(start_paused = true)]
async fn a_forgotten_lock_is_in_no_list_and_takes_no_order() {
    let house = House::planned(Plan { has_back_door: true, ..Plan::default() }).await;
    let handle = house.handle();
    assert_eq!(handle.forget(7).await, Err(GatewayError::UnknownLock(7)));
    assert_eq!(handle.forget(NUKI_ID).await, Ok(()));
    assert!(handle.lock(NUKI_ID).is_none() && handle.health(NUKI_ID).is_none());
    let unknown = Err(GatewayError::UnknownLock(NUKI_ID));
    assert_eq!(handle.act(NUKI_ID, LockAction::Unlock, "test", WaitFor::Completed).await, unknown.clone());
    assert_eq!(handle.read_state(NUKI_ID).await.map(drop), unknown.clone().map(drop));
    assert_eq!(handle.forget(NUKI_ID).await, unknown.map(drop));

    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(handle.lock(NUKI_ID).is_none(), "a beacon brings it back");
    assert!(handle.scan_results().iter().any(|heard| heard.nuki_id == NUKI_ID), "it is a stranger on the air");
    assert_eq!(house.door.inspect(|lock| (lock.executions_total(), lock.link_count())), (0, 0));
    let other = handle.act(BACK_DOOR, LockAction::Unlock, "test", WaitFor::Completed).await;
    assert_eq!(other, Ok(ActionOutcome::Done));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_lock_that_is_forgotten_is_told_the_truth() {
    let house = House::new().await;
    let handle = house.handle();
    let asked = tokio::spawn({
        let handle = handle.clone();
        async move { handle.act(NUKI_ID, LockAction::Unlock, "test", WaitFor::Completed).await }
    });
    let moving = || house.door.inspect(|lock| lock.executions_total()) == 1;
    house.until("the motor runs", moving).await;
    handle.forget(NUKI_ID).await.unwrap();
    assert_eq!(asked.await.unwrap(), Ok(ActionOutcome::Unknown), "it was sent, and nobody looks any more");
}

#[tokio::test(start_paused = true)]
async fn the_configuration_says_whether_an_unlock_pulls_the_latch() {
    let house = House::new().await;
    // The simulated door has a handle outside.
    assert_eq!(house.handle().lock(NUKI_ID).unwrap().auto_unlatch, Some(false));
}
