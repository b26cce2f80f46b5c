//! The intent goes to the disk while the radio gets ready: a slow disk makes no door slower, and no door opens without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use keyturner::gateway::{ActionOutcome, GatewayError, WaitFor};
use keyturner::protocol::{LockAction, LockState};
use keyturner::simlock::{Person, Turn};
use keyturner::store::{HistoryFilter, SimDisk, Store};
use keyturner::transport::sim::SimSettings;
use tokio::time::{Instant, sleep};

use crate::store::run;
use crate::support::house::{ANNA, House, NUKI_ID, Plan};

/// The intervals that Linux chooses unless told otherwise end here.
const INTERVAL: Duration = Duration::from_millis(50);

const MS: Duration = Duration::from_millis(1);

/// A disk each of whose calls takes so many milliseconds.
#[derive(Debug, Default)]
struct SlowDisk {
    millis: AtomicU64,
}

impl SlowDisk {
    fn takes(&self, time: Duration) {
        self.millis.store(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl SimDisk for SlowDisk {
    fn before(&self) -> BoxFuture<'_, Box<dyn Send>> {
        Box::pin(async {
            sleep(Duration::from_millis(self.millis.load(Ordering::Relaxed))).await;
            Box::new(()) as Box<dyn Send>
        })
    }

    fn after(&self) {}
}

async fn house() -> (House, Arc<SlowDisk>) {
    let disk = Arc::new(SlowDisk::default());
    let settings = SimSettings { connection_interval: INTERVAL, ..SimSettings::default() };
    let plan = Plan { settings, disk: Some(Arc::clone(&disk) as Arc<dyn SimDisk>), ..Plan::default() };
    (House::planned(plan).await, disk)
}

/// How long it takes until the lock has accepted.
async fn accepted(house: &House, action: LockAction) -> Duration {
    let asked = Instant::now();
    let outcome = house.handle().act(NUKI_ID, action, "test", WaitFor::Accepted).await;
    assert_eq!(outcome, Ok(ActionOutcome::Accepted));
    asked.elapsed()
}

/// An action on a link that is up, with a disk that takes so long.
async fn on_a_link(disk_takes: Duration) -> Duration {
    let (house, disk) = house().await;
    accepted(&house, LockAction::Unlock).await;
    // The motor stands, everything is read, and the link lingers.
    house.until("it rests", || house.door.inspect(|lock| !lock.state().lock_state.is_transitional())).await;
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(house.door.inspect(|lock| lock.link_count()), 1);
    house.connects();
    disk.takes(disk_takes);
    let took = accepted(&house, LockAction::Lock).await;
    assert_eq!(house.connects(), 0);
    took
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_no_slower_than_a_challenge_costs_nothing_on_a_link() {
    let (quick, slow) = (on_a_link(Duration::ZERO).await, on_a_link(INTERVAL).await);
    println!("{quick:?} and {slow:?}");
    assert!(slow < quick + INTERVAL / 2, "{slow:?} instead of {quick:?}");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_no_slower_than_a_connection_costs_nothing_without_one() {
    let without_link = async |disk_takes| {
        let (house, disk) = house().await;
        disk.takes(disk_takes);
        accepted(&house, LockAction::Unlock).await
    };
    let (quick, slow) = (without_link(Duration::ZERO).await, without_link(Duration::from_millis(250)).await);
    println!("{quick:?} and {slow:?}");
    assert!(slow < quick + INTERVAL / 2, "{slow:?} instead of {quick:?}");
}

/// From the motor's rest until the person's name is on a disk that takes so long.
async fn named(disk_takes: Duration) -> Duration {
    let (house, disk) = house().await;
    // The first entries show what the lock's counts mean.
    for _ in 0..3 {
        house.person(Person::keypad(ANNA));
        house.quiet().await;
        house.person(Person::ManualTurn(Turn::Lock));
        house.quiet().await;
    }
    let before = house.events().await.len();
    house.person(Person::keypad(ANNA));
    house.until("the motor runs", || house.state() == LockState::Unlocking).await;
    disk.takes(disk_takes);
    // Whoever looks has a disk of its own.
    let store = Store::open(&house.database()).await.unwrap().with_virtual_time();
    while house.state() != LockState::Unlocked {
        sleep(MS).await;
    }
    let stood = Instant::now();
    let filter = HistoryFilter { limit: 100, ..HistoryFilter::default() };
    loop {
        let events = store.history(&filter).await.unwrap();
        if events.len() > before && events[0].user_name.as_deref() == Some("Anna") {
            return stood.elapsed();
        }
        sleep(MS).await;
        assert!(stood.elapsed() < Duration::from_secs(3), "nobody is named");
    }
}

#[tokio::test(start_paused = true)]
async fn between_a_code_and_its_name_the_disk_is_waited_for_once() {
    let takes = INTERVAL * 2;
    let (quick, slow) = (named(Duration::ZERO).await, named(takes).await);
    println!("{quick:?} and {slow:?}");
    assert!(slow < quick + takes + INTERVAL / 2, "{slow:?} instead of {quick:?}");
}

#[tokio::test(start_paused = true)]
async fn the_command_waits_for_the_disk_however_long_it_takes() {
    let (house, disk) = house().await;
    disk.takes(Duration::from_secs(6));
    let handle = house.handle();
    let asked = tokio::spawn(async move { handle.act(NUKI_ID, LockAction::Unlock, "test", WaitFor::Completed).await });
    sleep(Duration::from_millis(5_900)).await;
    assert_eq!(house.door.inspect(|lock| (lock.link_count(), lock.executions_total())), (1, 0), "the link is there");
    disk.takes(Duration::ZERO);
    assert_eq!(asked.await.unwrap(), Ok(ActionOutcome::Done));
    assert_eq!(house.door.inspect(|lock| lock.executions_total()), 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_down_leaves_a_link_without_work() {
    let (house, _) = house().await;
    let broken = "create trigger broken before insert on intents begin select raise(abort, 'the disk is full'); end";
    run(&house.database(), broken).await;
    house.connects();
    let outcome = house.handle().act(NUKI_ID, LockAction::Unlock, "test", WaitFor::Completed).await;
    assert!(matches!(outcome, Err(GatewayError::Storage(_))), "{outcome:?}");
    house.quiet().await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!((house.connects(), house.door.inspect(|lock| lock.executions_total())), (1, 0));
}
