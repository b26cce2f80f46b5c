//! One adapter's arbiter: scans all the time, hands beacons to their locks, lets one connection be made at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::budget::HouseBudget;
use super::handle::{ScanResult, Shared};
use super::health::RadioHealth;
use crate::clock::Clock;
use crate::protocol::beacon::{Advertisement, Family, NukiId, PairingMode};
use crate::pulse::Pulse;
use crate::transport::{Address, Link, Purpose, Sighting, Transport, TransportError, TransportErrorKind};

/// Pause before scanning is started again after the radio failed.
const SCAN_RETRY: Duration = Duration::from_secs(2);
/// So many strangers are remembered for the scan results; a flood of forged ids must not fill the memory.
const MAX_HEARD: usize = 64;
/// Whoever claims a lock's number from elsewhere is worth a line so often, for each lock.
const TELL_STRANGERS_EVERY: Duration = Duration::from_secs(3600);
/// A stranger that was silent for so long makes room for another.
const FORGET_AFTER: Duration = Duration::from_secs(300);

/// The adapter as the lock actors use it.
#[derive(Clone)]
pub(super) struct Adapter {
    transport: Arc<dyn Transport>,
    /// Controllers make one connection at a time; a second attempt fails with "in progress".
    turn: Arc<Semaphore>,
    /// How many attempts with somebody at the door wait for their turn.
    urgent: Arc<watch::Sender<usize>>,
    /// What beacons may cause, over all locks.
    pub(super) beacons: HouseBudget,
}

impl Adapter {
    pub(super) fn new(transport: Arc<dyn Transport>, locks: usize) -> Self {
        let (turn, urgent) = (Arc::new(Semaphore::new(1)), Arc::new(watch::Sender::new(0)));
        Self { transport, turn, urgent, beacons: HouseBudget::new(locks) }
    }

    /// Connects when it is this lock's turn, and when its link before is down.
    pub(super) fn connect(self, address: Address, is_urgent: bool, before: Option<JoinHandle<()>>) -> Attempt {
        let urgency = watch::Sender::new(is_urgent);
        let urgent = urgency.subscribe();
        let future = Box::pin(async move {
            if let Some(task) = before {
                // It has its own time limit, and its errors are told there.
                task.await.ok();
            }
            self.take_turn(address, urgent).await
        });
        Attempt { future, urgency }
    }

    async fn take_turn(&self, address: Address, mut urgent: watch::Receiver<bool>) -> Result<Link, TransportError> {
        let mut others = self.urgent.subscribe();
        loop {
            let turn = tokio::select! {
                biased;
                // Only the attempt itself holds the sender, so this ends with it.
                () = until(&mut urgent, |urgent| *urgent) => return self.take_urgent_turn(address).await,
                turn = self.calm_turn(&mut others) => turn,
            };
            if *others.borrow() > 0 {
                drop(turn);
                continue;
            }
            return tokio::select! {
                biased;
                link = self.transport.connect(address, Purpose::Daily) => link,
                // One lock that is out of reach must not keep the door of another one shut.
                () = made_way(&mut others, &urgent) => {
                    Err(TransportError::new(TransportErrorKind::Busy, "another lock goes first: somebody waits at it"))
                }
            };
        }
    }

    /// A turn while nobody is in a hurry.
    async fn calm_turn(&self, others: &mut watch::Receiver<usize>) -> Option<SemaphorePermit<'_>> {
        until(others, |urgent| *urgent == 0).await;
        // Never closed.
        self.turn.acquire().await.ok()
    }

    async fn take_urgent_turn(&self, address: Address) -> Result<Link, TransportError> {
        let waiting = Hurry::new(&self.urgent);
        let _turn = self.turn.acquire().await.ok();
        drop(waiting);
        self.transport.connect(address, Purpose::Daily).await
    }
}

/// Waits for a value; the senders here live longer than their receivers.
async fn until<T>(values: &mut watch::Receiver<T>, is_it: impl FnMut(&T) -> bool) {
    values.wait_for(is_it).await.ok();
}

/// Ends when another attempt is in a hurry and this one is not.
async fn made_way(others: &mut watch::Receiver<usize>, urgent: &watch::Receiver<bool>) {
    loop {
        until(others, |urgent| *urgent > 0).await;
        if !*urgent.borrow() {
            return;
        }
        // Both are: first come, first served.
        until(others, |urgent| *urgent == 0).await;
    }
}

/// One that waits in a hurry, as long as this exists.
struct Hurry<'a>(&'a watch::Sender<usize>);

impl<'a> Hurry<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count = count.saturating_add(1));
        Self(count)
    }
}

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// A connection that is being made; dropping it gives it up.
pub(super) struct Attempt {
    future: BoxFuture<'static, Result<Link, TransportError>>,
    urgency: watch::Sender<bool>,
}

impl Attempt {
    /// The link; to be asked until it is there, and not again.
    pub(super) async fn result(&mut self) -> Result<Link, TransportError> {
        (&mut self.future).await
    }

    pub(super) fn make_urgent(&self) {
        self.urgency.send_replace(true);
    }
}

/// Where a paired lock is heard, and who wants to know.
pub(super) struct Ear {
    pub(super) address: Address,
    pub(super) actor: mpsc::Sender<Sighting>,
}

/// Scans for ever. Ends only with the task.
pub(super) async fn scan(
    transport: Arc<dyn Transport>,
    ears: BTreeMap<NukiId, Ear>,
    shared: Arc<Mutex<Shared>>,
    clock: Clock,
    pulse: Pulse,
) {
    // True if nothing could be heard before, either.
    let tell = |problem: Option<String>| {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let before = shared.radio.take();
        let was_failing = before.as_ref().is_some_and(|before| before.problem.is_some());
        let kept = before.filter(|_| was_failing == problem.is_some());
        let since = kept.map_or_else(|| clock.wall(), |before| before.since);
        shared.radio = Some(RadioHealth { since, problem, adapter: transport.adapter() });
        was_failing
    };
    let mut strangers = Strangers::default();
    loop {
        match transport.scan().await {
            Ok(mut sightings) => {
                if tell(None) {
                    info!("scanning again");
                }
                while let Some(sighting) = pulse.while_waiting(sightings.recv()).await {
                    let ear = ears.get(&nuki_id(&sighting));
                    if ear.is_some_and(|ear| ear.address != sighting.address) {
                        strangers.heard(&sighting, clock.monotonic());
                        continue;
                    }
                    remember(&sighting, &shared, clock);
                    if let Some(ear) = ear {
                        // A full queue means that the actor is busy; the lock repeats itself within a second.
                        ear.actor.try_send(sighting).ok();
                    }
                }
                warn!("scanning has stopped, starting it again");
                tell(Some("scanning has stopped and is started again".to_owned()));
            }
            Err(error) => {
                // Said once, not every two seconds.
                if !tell(Some(error.to_string())) {
                    warn!(%error, "cannot scan; trying again until it works");
                }
            }
        }
        pulse.while_waiting(tokio::time::sleep(SCAN_RETRY)).await;
    }
}

/// Devices that claim the number of a paired lock from another address. A lock keeps its address for life, and numbers can
/// be claimed by anybody, so nothing follows from it but a line in the journal.
#[derive(Default)]
struct Strangers {
    told: BTreeMap<NukiId, Duration>,
}

impl Strangers {
    fn heard(&mut self, sighting: &Sighting, now: Duration) {
        let nuki_id = nuki_id(sighting);
        if self.told.get(&nuki_id).is_none_or(|told| now.saturating_sub(*told) >= TELL_STRANGERS_EVERY) {
            self.told.insert(nuki_id, now);
            let (lock, address) = (format!("{nuki_id:08X}"), sighting.address);
            warn!(lock, %address, "another device claims to be this lock and is not heeded; if it is the lock, pair again");
        }
    }
}

const fn nuki_id(sighting: &Sighting) -> NukiId {
    match sighting.advertisement {
        Advertisement::Beacon(beacon) => beacon.nuki_id,
        Advertisement::Pairing(_, nuki_id) => nuki_id,
    }
}

fn remember(sighting: &Sighting, shared: &Mutex<Shared>, clock: Clock) {
    let family = match sighting.advertisement {
        Advertisement::Beacon(beacon) => beacon.family,
        Advertisement::Pairing(PairingMode::Opener | PairingMode::UninitialisedOpener, _) => Family::Opener,
        Advertisement::Pairing(..) => Family::Lock,
    };
    let now = clock.wall();
    let result = ScanResult { nuki_id: nuki_id(sighting), family, rssi: sighting.rssi, last_seen: now };
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(lock) = shared.locks.get_mut(&result.nuki_id) {
        let lock = Arc::make_mut(lock);
        lock.rssi = result.rssi;
        lock.last_seen = Some(now);
    }
    if shared.heard.len() >= MAX_HEARD && !shared.heard.contains_key(&result.nuki_id) {
        shared.heard.retain(|_, heard| now.since(heard.last_seen) < FORGET_AFTER);
        if shared.heard.len() >= MAX_HEARD {
            return;
        }
    }
    shared.heard.insert(result.nuki_id, result);
}
