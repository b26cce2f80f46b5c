//! What happened while the gateway was away, through the whole gateway into the event log: each entry once, whatever breaks.

use std::time::Duration;

use keyturner::protocol::LockState;
use keyturner::simlock::{Input, Owner, Person, SimLockConfig, Turn};
use keyturner::transport::sim::DropAt;

use crate::support::house::{ANNA, House, NUKI_ID, Plan};
use crate::support::rows::{EventRow, event_rows};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn turns(house: &House, count: usize) {
    for _ in 0..count {
        let turn = if house.state() == LockState::Locked { Turn::Unlock } else { Turn::Lock };
        house.person(Person::ManualTurn(turn));
    }
}

fn plan(capacity: usize) -> Plan {
    Plan { lock: SimLockConfig { log_capacity: capacity, ..SimLockConfig::family(NUKI_ID) }, ..Plan::default() }
}

async fn all_events(house: &House) -> Vec<EventRow> {
    event_rows(&house.database()).await
}

/// The numbers of stored entries, in the order of the rows.
fn stored(events: &[EventRow]) -> Vec<u32> {
    events.iter().filter(|event| event.kind != "state_change").filter_map(|event| event.log_index).collect()
}

fn kinds<'a>(events: &'a [EventRow], kind: &str) -> Vec<&'a EventRow> {
    events.iter().filter(|event| event.kind == kind).collect()
}

/// Waits until the log is read to its end.
async fn read_all(house: &House, newest: u32) {
    house.until("the log is read", || house.handle().health(NUKI_ID).is_some_and(|known| known.cursor == newest)).await;
    house.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn the_log_that_is_there_is_read_whole_at_the_first_pairing() {
    let mut house = House::planned(plan(1_000)).await;
    house.kill().await;
    turns(&house, 1_000);
    house.launch().await;
    read_all(&house, 1_000).await;
    let events = all_events(&house).await;
    assert!(stored(&events).into_iter().eq(1..=1_000));
    assert!(events.iter().all(|event| event.backfilled));
    assert!(house.told().await.len() <= 1, "nobody is told what happened long ago");
    let known = house.handle().health(NUKI_ID).unwrap();
    assert_eq!((known.cursor, known.newest_index, known.backfill), (1_000, Some(1_000), None));
}

/// The process was there all the time, so nothing is marked as missed.
#[tokio::test(start_paused = true)]
async fn what_happened_at_a_lock_that_was_out_of_reach_for_days_keeps_its_time() {
    let house = House::new().await;
    house.door.set_in_range(false);
    tokio::time::sleep(s(3_600)).await;
    let happened = house.clock.wall();
    house.person(Person::keypad(ANNA));
    tokio::time::sleep(s(3 * 86_400)).await;
    house.door.set_in_range(true);
    read_all(&house, 1).await;
    let events = house.events().await;
    let entry = events.iter().find(|event| event.log_index == Some(1)).unwrap();
    assert_eq!(entry.user_name.as_deref(), Some("Anna"));
    assert!((entry.at.0 - happened.0).abs() < 10_000, "{:?} instead of {happened:?}", entry.at);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_missed_entries_are_stored_once_though_links_break_all_the_time() {
    let mut house = House::planned(plan(3_000)).await;
    for missed in [1_000_u32, 2_500] {
        house.kill().await;
        let before = house.door.inspect(|lock| lock.log().back().map_or(0, |entry| entry.index));
        turns(&house, missed as usize);
        house.launch().await;
        for n in 0..40 {
            house.door.drop_at(if n % 2 == 0 { DropAt::AfterIndications(43 + n) } else { DropAt::AfterWrites(5) });
            tokio::time::sleep(s(4)).await;
        }
        read_all(&house, before + missed).await;
        let events = all_events(&house).await;
        assert!(stored(&events).into_iter().eq(1..=before + missed), "{missed} missed");
        assert!(kinds(&events, "gap").is_empty() && kinds(&events, "reset").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_is_killed_at_every_page_stores_each_entry_once() {
    let mut house = House::planned(plan(3_000)).await;
    for missed in [1_000_u32, 2_500] {
        house.kill().await;
        let before = house.store.cursor(NUKI_ID).await.unwrap();
        turns(&house, missed as usize);
        // What was written in the second of the first look waits for the state it led to.
        tokio::time::sleep(s(10)).await;
        let mut kills = 0;
        loop {
            let cursor = house.store.cursor(NUKI_ID).await.unwrap();
            if cursor == before + missed {
                break;
            }
            house.launch().await;
            house
                .until("a page is stored", || house.handle().health(NUKI_ID).is_some_and(|known| known.cursor > cursor))
                .await;
            house.kill().await;
            kills += 1;
        }
        assert!(kills >= missed / 100, "{kills} kills");
        house.launch().await;
        house.quiet().await;
        let events = all_events(&house).await;
        assert!(stored(&events).into_iter().eq(1..=before + missed), "{missed} missed, {kills} kills");
        assert!(kinds(&events, "gap").is_empty() && kinds(&events, "reset").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_lock_has_overwritten_is_a_row_that_says_how_much() {
    let mut house = House::planned(plan(50)).await;
    turns(&house, 10);
    house.quiet().await;
    house.kill().await;
    turns(&house, 200);
    house.launch().await;
    read_all(&house, 210).await;
    let events = all_events(&house).await;
    let gaps = kinds(&events, "gap");
    assert_eq!(gaps.len(), 1, "{gaps:#?}");
    assert_eq!(gaps[0].detail.as_deref(), Some("150 log entries are missing, 11 to 160"));
    assert!(stored(&events).into_iter().eq((1..=10).chain(161..=210)));
    let at = events.iter().position(|event| event.kind == "gap").unwrap();
    assert_eq!(events[at + 1].log_index, Some(161), "the gap stands where the entries are missing");
    assert!(kinds(&events, "reset").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_cleared_and_is_longer_again_is_a_reset_and_not_a_continuation() {
    let mut house = House::planned(plan(1_000)).await;
    turns(&house, 30);
    house.quiet().await;
    house.kill().await;
    tokio::time::sleep(s(3_600)).await;
    house.door.input(Input::ClearLog);
    turns(&house, 70);
    house.launch().await;
    read_all(&house, 70).await;
    let events = all_events(&house).await;
    assert_eq!(kinds(&events, "reset").len(), 1);
    assert!(kinds(&events, "gap").is_empty());
    assert!(stored(&events).into_iter().eq((1..=30).chain(1..=70)), "both logs, each entry once");
    // And once is enough.
    house.kill().await;
    house.launch().await;
    read_all(&house, 70).await;
    assert_eq!(all_events(&house).await.len(), events.len());
}

#[tokio::test(start_paused = true)]
async fn numbers_that_begin_anew_are_a_reset_and_every_entry_stands_once() {
    let lock = SimLockConfig { log_capacity: 200, log_start: u32::MAX - 19, ..SimLockConfig::family(NUKI_ID) };
    let mut house = House::planned(Plan { lock, ..Plan::default() }).await;
    turns(&house, 10);
    house.quiet().await;
    house.kill().await;
    turns(&house, 40);
    house.launch().await;
    read_all(&house, 30).await;
    turns(&house, 3);
    read_all(&house, 33).await;
    let events = all_events(&house).await;
    assert_eq!(kinds(&events, "reset").len(), 1);
    assert!(kinds(&events, "gap").is_empty());
    assert!(stored(&events).into_iter().eq((u32::MAX - 19..=u32::MAX).chain(1..=33)), "{:?}", stored(&events));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_off_is_said_plainly_and_what_it_missed_is_nobodys() {
    let house = House::new().await;
    house.door.input(Input::Owner(Owner::Logging(false)));
    house.person(Person::ManualTurn(Turn::Unlock));
    tokio::time::sleep(s(60)).await;
    house.quiet().await;
    let known = house.handle().health(NUKI_ID).unwrap();
    assert_eq!(known.log_access.name(), "logging_off");
    let events = house.events().await;
    let turned = events.iter().find(|event| event.state_after == Some(LockState::Unlocked)).unwrap();
    let said = (turned.attribution.as_str(), turned.reason.as_deref());
    assert_eq!(said, ("unknown", Some("logging_off")), "{events:#?}");
    house.door.input(Input::Owner(Owner::Logging(true)));
    house.person(Person::ManualTurn(Turn::Lock));
    tokio::time::sleep(s(60)).await;
    house.quiet().await;
    assert_eq!(house.handle().health(NUKI_ID).unwrap().log_access.name(), "readable");
    assert_eq!(house.events().await.pop().unwrap().attribution, "nobody");
}
