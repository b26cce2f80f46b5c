//! A wrong PIN through the whole gateway: two tries over all restarts, said plainly, ended by the owner while it runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use keyturner::gateway::LogAccess;
use keyturner::pins;
use keyturner::protocol::crypto::Pin;
use keyturner::protocol::gatt::Generation;
use keyturner::secrets::{LockSecret, Secrets};
use keyturner::simlock::{Input, Owner, Person, SimLockConfig, Turn};
use keyturner::transport::sim::SimSettings;

use crate::support::house::{House, NUKI_ID, Plan};

const HOUR: Duration = Duration::from_secs(3600);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn with_wrong_pin() -> House {
    let lock = SimLockConfig { pin_attempts: 3, pin_lockout: 9_000 * HOUR, ..SimLockConfig::family(NUKI_ID) };
    // Weeks are long; a lock that is heard seldom makes them no shorter.
    let settings = SimSettings { advertising_interval: s(60), ..SimSettings::default() };
    House::planned(Plan { lock, settings, pin: Some(Pin::new(4321)), ..Plan::default() }).await
}

fn refusals(house: &House) -> u32 {
    house.door.inspect(|lock| lock.pin_refusals())
}

async fn somebody(house: &House, n: u64) {
    house.person(Person::ManualTurn(if n.is_multiple_of(2) { Turn::Unlock } else { Turn::Lock }));
    tokio::time::sleep(s(180)).await;
}

/// The secret store beside the event log, with the lock in it.
fn keep(dir: &Path, house: &House) {
    let mut secrets = Secrets::load_or_create(dir).unwrap();
    secrets.put_lock(LockSecret {
        nuki_id: NUKI_ID,
        address: house.lock.address,
        name: "Front door".to_owned(),
        auth_id: house.lock.auth_id,
        shared_key: house.lock.key.clone(),
        uuid: [7; 16],
        pin: house.lock.pin,
        generation: Generation::Gen1To4,
        id_type: house.lock.id_type,
    });
    secrets.save().unwrap();
}

#[tokio::test(start_paused = true)]
async fn thirty_days_with_restarts_cost_a_wrong_pin_two_tries() {
    let mut house = with_wrong_pin().await;
    for day in 0..30 {
        somebody(&house, day).await;
        tokio::time::sleep(12 * HOUR).await;
        if day % 2 == 0 {
            house.stop().await;
        } else {
            house.kill().await;
        }
        house.launch().await;
        tokio::time::sleep(12 * HOUR).await;
    }
    assert_eq!(refusals(&house), 2);
    let known = house.handle().health(NUKI_ID).unwrap();
    assert_eq!((known.log_access, known.pin_refusals), (LogAccess::PinRefused, 2));
    let events = house.events().await;
    assert!(!events.is_empty());
    assert!(events.iter().all(|event| event.reason.as_deref() == Some("pin_refused")), "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn the_owner_sets_the_pin_and_the_gateway_that_runs_reads_the_log() {
    let house = with_wrong_pin().await;
    let dir = house.database().parent().unwrap().to_owned();
    keep(&dir, &house);
    let seen = house.store.pins_set().await.unwrap();
    let watch = tokio::spawn(pins::watch(dir.clone(), house.store.clone(), house.handle(), seen));
    tokio::time::sleep(3 * HOUR).await;
    somebody(&house, 0).await;
    assert_eq!(refusals(&house), 2);

    // A second wrong one is a new PIN, and gets its tries.
    pins::set(&dir, Some(&house.store), NUKI_ID, "4322").await.unwrap();
    // A link can take as long as the lock is silent between two advertisements.
    tokio::time::sleep(s(180)).await;
    assert_eq!(refusals(&house), 3);
    watch.abort();
}

#[tokio::test(start_paused = true)]
async fn at_the_first_start_nobody_has_set_a_pin() {
    let house = House::new().await;
    let dir = house.database().parent().unwrap().to_owned();
    // Before the gateway began, the event log knew of no lock. Were it taken for set, it would be looked up here, and be none.
    Secrets::load_or_create(&dir).unwrap();
    let watch = tokio::spawn(pins::watch(dir, house.store.clone(), house.handle(), BTreeMap::new()));
    tokio::time::sleep(s(60)).await;
    assert_eq!(house.handle().health(NUKI_ID).unwrap().log_access, LogAccess::Readable);
    watch.abort();
}

#[tokio::test(start_paused = true)]
async fn the_right_pin_opens_the_log_without_a_restart() {
    let house = with_wrong_pin().await;
    let dir = house.database().parent().unwrap().to_owned();
    keep(&dir, &house);
    let seen = house.store.pins_set().await.unwrap();
    let watch = tokio::spawn(pins::watch(dir.clone(), house.store.clone(), house.handle(), seen));
    tokio::time::sleep(3 * HOUR).await;
    somebody(&house, 0).await;
    pins::set(&dir, Some(&house.store), NUKI_ID, "1234").await.unwrap();
    house.until("the log is read", || house.handle().health(NUKI_ID).unwrap().log_access == LogAccess::Readable).await;
    house.quiet().await;
    somebody(&house, 1).await;
    let last = house.events().await.pop().unwrap();
    assert_eq!((last.method.as_str(), last.attribution.as_str()), ("manual", "nobody"), "{last:#?}");
    let known = house.handle().health(NUKI_ID).unwrap();
    assert_eq!((known.pin_refusals, refusals(&house)), (0, 2));
    watch.abort();
}

#[tokio::test(start_paused = true)]
async fn a_pin_that_cannot_be_right_changes_nothing() {
    let house = with_wrong_pin().await;
    let dir = house.database().parent().unwrap().to_owned();
    keep(&dir, &house);
    for digits in ["", "123", "12345", "123456", "12a4", "+123", "１２３４"] {
        let error = pins::set(&dir, Some(&house.store), NUKI_ID, digits).await.unwrap_err().to_string();
        assert_eq!(error, "the security PIN of this lock has 4 digits", "{digits}");
    }
    assert!(pins::set(&dir, Some(&house.store), 1, "1234").await.is_err());
    assert_eq!(Secrets::load(&dir).unwrap().unwrap().lock(NUKI_ID).unwrap().pin, house.lock.pin);
    assert_eq!(house.store.pins_set().await.unwrap().get(&NUKI_ID), Some(&0));
}

#[tokio::test(start_paused = true)]
async fn while_nothing_can_be_written_a_pin_that_was_changed_is_tried_no_oftener() {
    let lock = SimLockConfig { pin_attempts: 3, pin_lockout: 9_000 * HOUR, ..SimLockConfig::family(NUKI_ID) };
    let house = House::planned(Plan { lock, ..Plan::default() }).await;
    somebody(&house, 0).await;
    assert_eq!(house.handle().health(NUKI_ID).unwrap().log_access, LogAccess::Readable);
    // Another program makes every write fail, and the owner changes the PIN meanwhile.
    let other = rusqlite::Connection::open(house.database()).unwrap();
    for table in ["lock_health", "observations", "events"] {
        for verb in ["insert", "update"] {
            let full = format!(
                "create trigger no_{verb}_{table} before {verb} on {table}
                 begin select raise(abort, 'database or disk is full'); end"
            );
            other.execute_batch(&full).unwrap();
        }
    }
    house.door.input(Input::Owner(Owner::Pin(Pin::new(4321))));
    for n in 1..12 {
        somebody(&house, n).await;
    }
    assert_eq!(refusals(&house), 1, "the second try waits for an hour, whoever starts again");
}
