//! One adapter's arbiter: scans all the time, hands beacons to their locks, lets one connection be made at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tracing::{info, warn};

use super::handle::{ScanResult, Shared};
use crate::clock::Clock;
use crate::protocol::beacon::{Advertisement, Family, NukiId, PairingMode};
use crate::transport::{Address, Link, Purpose, Sighting, Transport, TransportError};

/// Pause before scanning is started again after the radio failed.
const SCAN_RETRY: Duration = Duration::from_secs(2);
/// So many strangers are remembered for the scan results; a flood of forged ids must not fill the memory.
const MAX_HEARD: usize = 64;
/// A stranger that was silent for so long makes room for another.
const FORGET_AFTER: Duration = Duration::from_secs(300);

/// The adapter as the lock actors use it.
#[derive(Clone)]
pub(super) struct Adapter {
    transport: Arc<dyn Transport>,
    /// Controllers make one connection at a time; a second attempt fails with "in progress".
    connecting: Arc<Semaphore>,
}

impl Adapter {
    pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport, connecting: Arc::new(Semaphore::new(1)) }
    }

    /// Connects when it is this lock's turn.
    pub(super) async fn connect(&self, address: Address) -> Result<Link, TransportError> {
        // The semaphore is never closed.
        let _turn = self.connecting.acquire().await.ok();
        self.transport.connect(address, Purpose::Daily).await
    }
}

/// Scans for ever. Ends only with the task.
pub(super) async fn scan(
    transport: Arc<dyn Transport>,
    actors: BTreeMap<NukiId, mpsc::Sender<Sighting>>,
    shared: Arc<Mutex<Shared>>,
    clock: Clock,
) {
    let mut failing = false;
    loop {
        match transport.scan().await {
            Ok(mut sightings) => {
                if core::mem::take(&mut failing) {
                    info!("scanning again");
                }
                while let Some(sighting) = sightings.recv().await {
                    remember(&sighting, &shared, clock);
                    if let Some(actor) = actors.get(&nuki_id(&sighting)) {
                        // A full queue means that the actor is busy; the lock repeats itself within a second.
                        actor.try_send(sighting).ok();
                    }
                }
                warn!("scanning has stopped, starting it again");
            }
            Err(error) => {
                // Said once, not every two seconds.
                if !core::mem::replace(&mut failing, true) {
                    warn!(%error, "cannot scan; trying again until it works");
                }
            }
        }
        tokio::time::sleep(SCAN_RETRY).await;
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
