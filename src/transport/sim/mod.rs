//! A simulated radio with simulated locks behind it, on tokio's clock.
//!
//! It costs the time a real one costs: advertisements come at their interval,
//! every packet waits for a connection event, lost packets are sent again until
//! the supervision timeout, long values are written in rounds, indications are
//! confirmed one by one. Works with paused time. [`SimDoor`] is the way for
//! tests and the demo to act as people at a door.

mod air;
mod door;
mod link;
mod place;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::{Address, Link, Purpose, Sighting, Transport, TransportError};
use crate::clock::Clock;
use crate::simlock::{SimLock, SimLockConfig};

pub use door::{DropAt, SimDoor};

use air::Air;
use place::Place;

/// Sightings that may wait for a slow scanner; more are lost, as on the air.
const SCAN_QUEUE: usize = 64;

/// Properties of the air and of the controller; may be changed while it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimSettings {
    /// Time between two connection events.
    pub connection_interval: Duration,
    /// Time between two advertisements of a lock, jitter of up to 10 ms on top.
    pub advertising_interval: Duration,
    /// What the MTU exchange comes to.
    pub mtu: u16,
    /// Part of all packets that are lost, 0 to 1.
    pub loss: f64,
    /// A link without a packet getting through for so long is lost.
    pub supervision_timeout: Duration,
    /// A connection attempt ends after this.
    pub connect_timeout: Duration,
    /// Round trips to read the GATT table at the first connection; later it is cached.
    pub discovery_round_trips: u32,
}

impl Default for SimSettings {
    fn default() -> Self {
        Self {
            connection_interval: Duration::from_millis(15),
            advertising_interval: Duration::from_millis(300),
            mtu: 247,
            loss: 0.0,
            supervision_timeout: Duration::from_secs(6),
            connect_timeout: Duration::from_secs(10),
            discovery_round_trips: 10,
        }
    }
}

/// A radio whose locks live in this process. Clones share the air.
#[derive(Debug, Clone)]
pub struct SimRadio {
    air: Arc<Air>,
    places: Arc<Mutex<BTreeMap<Address, Arc<Place>>>>,
}

impl SimRadio {
    /// An empty air. Equal seeds lose equal packets.
    #[must_use]
    pub fn new(clock: Clock, settings: SimSettings, seed: [u8; 32]) -> Self {
        Self { air: Arc::new(Air::new(clock, settings, seed)), places: Arc::default() }
    }

    /// Puts a lock on the air. Must be called inside a tokio runtime, which then runs its clockwork.
    pub fn add(&self, config: SimLockConfig, seed: [u8; 32]) -> SimDoor {
        let address = address_of(config.nuki_id);
        self.add_at(address, config, seed)
    }

    /// The same under another address than a real one would have: somebody's device that claims to be this lock.
    pub fn add_at(&self, address: Address, config: SimLockConfig, seed: [u8; 32]) -> SimDoor {
        let place = Arc::new(Place::new(Arc::clone(&self.air), SimLock::new(config, seed), address));
        place::start(&place);
        self.places().insert(address, Arc::clone(&place));
        SimDoor::new(place)
    }

    /// One advertisement from anybody, made up.
    pub fn advertise(&self, sighting: Sighting) {
        self.air.broadcast(sighting);
    }

    /// The door with this lock.
    #[must_use]
    pub fn lock(&self, nuki_id: u32) -> Option<SimDoor> {
        self.places().get(&address_of(nuki_id)).map(|place| SimDoor::new(Arc::clone(place)))
    }

    /// Changes the air from now on.
    pub fn configure(&self, change: impl FnOnce(&mut SimSettings)) {
        self.air.configure(change);
    }

    /// Ends all running scans, as a controller that was unplugged does.
    pub fn end_scans(&self) {
        self.air.end_scans();
    }

    /// Another controller takes the place of this one: scans end, links break, and no lock's table of services is known.
    pub fn change_controller(&self) {
        self.end_scans();
        for place in self.places().values() {
            place.close_all();
            place.forget();
        }
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<Address, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address of a simulated lock with this number.
#[must_use]
pub const fn address_of(nuki_id: u32) -> Address {
    place::address_of(nuki_id)
}

impl Transport for SimRadio {
    fn scan(&self) -> BoxFuture<'_, Result<mpsc::Receiver<Sighting>, TransportError>> {
        let (sender, receiver) = mpsc::channel(SCAN_QUEUE);
        self.air.add_scanner(sender);
        Box::pin(std::future::ready(Ok(receiver)))
    }

    fn connect(&self, address: Address, purpose: Purpose) -> BoxFuture<'_, Result<Link, TransportError>> {
        let place = self.places().get(&address).map(Arc::clone);
        Box::pin(link::connect(place, self.air.settings().connect_timeout, purpose))
    }
}
