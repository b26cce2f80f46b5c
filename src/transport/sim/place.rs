//! A simulated lock with its radio: its links, its range, its clockwork.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use super::air::Air;
use super::door::DropAt;
use super::{Address, Sighting};
use crate::protocol::beacon::Advertisement;
use crate::protocol::gatt::Characteristic;
use crate::simlock::{Input, LinkId, Moment, Output, SimLock};

/// Random delay that the Bluetooth standard adds to each advertising interval.
const ADVERTISING_JITTER: Duration = Duration::from_millis(10);
/// Signal at the start, dBm.
const RSSI: i16 = -62;
/// The vendor's part of every address.
const OUI: [u8; 3] = [0x54, 0xD2, 0x72];

/// A value on its way from a lock to the central.
pub(super) type Piece = (Characteristic, Vec<u8>);

/// The vendor's part, then the end of the Nuki-ID, as seen on real devices.
pub(super) const fn address_of(nuki_id: u32) -> Address {
    let [x, y, z] = OUI;
    let [_, a, b, c] = nuki_id.to_be_bytes();
    Address([x, y, z, a, b, c])
}

#[derive(Debug)]
pub(super) struct Place {
    pub(super) air: Arc<Air>,
    pub(super) nuki_id: u32,
    pub(super) address: Address,
    wake: Arc<Notify>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lock: SimLock,
    advertising: Vec<u8>,
    is_in_range: bool,
    rssi: i16,
    is_discovered: bool,
    ports: BTreeMap<LinkId, Port>,
    drop_at: Option<DropAt>,
}

/// The lock's end of one link.
#[derive(Debug)]
struct Port {
    pieces: mpsc::Sender<Piece>,
    is_closed: watch::Sender<bool>,
}

/// The central's end of a new link.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) link: LinkId,
    pub(super) pieces: mpsc::Receiver<Piece>,
    pub(super) is_closed: watch::Receiver<bool>,
}

impl Place {
    pub(super) fn new(air: Arc<Air>, lock: SimLock, address: Address) -> Self {
        let nuki_id = lock.nuki_id();
        let state = State {
            lock,
            advertising: Vec::new(),
            is_in_range: true,
            rssi: RSSI,
            is_discovered: false,
            ports: BTreeMap::new(),
            drop_at: None,
        };
        let place = Self { air, nuki_id, address, wake: Arc::new(Notify::new()), state: Mutex::new(state) };
        place.feed(Input::Tick);
        place
    }

    /// One input for the lock; carries out what it wants.
    pub(super) fn feed(&self, input: Input) {
        let mut state = self.state();
        // Taken under the lock, so that time never goes backwards between two threads.
        let now = self.air.moment();
        state.feed(input, now);
        self.wake.notify_one();
    }

    /// Looks at the lock as it is now, even if its clockwork did not come round yet.
    pub(super) fn inspect<R>(&self, look: impl FnOnce(&SimLock) -> R) -> R {
        self.feed(Input::Tick);
        look(&self.state().lock)
    }

    /// Lets the lock's time pass; when to come again.
    fn tick(&self) -> Option<Instant> {
        let mut state = self.state();
        let now = self.air.moment();
        state.feed(Input::Tick, now);
        state.lock.next_timeout().map(|at| self.air.clock.instant(at))
    }

    /// Whether one packet between the lock and us gets through.
    pub(super) fn gets_through(&self) -> bool {
        self.state().is_in_range && !self.air.is_lost()
    }

    /// A connection was made; the lock may close it at once.
    pub(super) fn open(&self, mtu: u16) -> Opened {
        let link = self.air.new_link();
        // The lock sends one piece at a time.
        let (pieces, pieces_out) = mpsc::channel(1);
        let (is_closed, closed_out) = watch::channel(false);
        self.state().ports.insert(link, Port { pieces, is_closed });
        self.feed(Input::Connected { link, mtu });
        Opened { link, pieces: pieces_out, is_closed: closed_out }
    }

    /// Whether the GATT table was read before; from now on it was.
    pub(super) fn discover(&self) -> bool {
        std::mem::replace(&mut self.state().is_discovered, true)
    }

    /// The GATT table is unknown again.
    pub(super) fn forget(&self) {
        self.state().is_discovered = false;
    }

    /// A link is gone for both sides.
    pub(super) fn close(&self, link: LinkId) {
        let is_open = self.state().shut(link);
        if is_open {
            self.feed(Input::Disconnected { link });
        }
    }

    pub(super) fn close_all(&self) {
        let links: Vec<LinkId> = self.state().ports.keys().copied().collect();
        for link in links {
            self.close(link);
        }
    }

    pub(super) fn plan_drop(&self, at: DropAt) {
        self.state().drop_at = Some(at);
    }

    /// Counts down a planned drop of the kind that `left` knows; whether the link has to go now.
    pub(super) fn is_drop_due(&self, left: fn(DropAt) -> Option<u32>, again: fn(u32) -> DropAt) -> bool {
        let mut state = self.state();
        let Some(left) = state.drop_at.and_then(left) else { return false };
        state.drop_at = (left > 1).then(|| again(left - 1));
        left <= 1
    }

    pub(super) fn set_range(&self, is_in_range: bool) {
        self.state().is_in_range = is_in_range;
    }

    pub(super) fn is_in_range(&self) -> bool {
        self.state().is_in_range
    }

    pub(super) fn set_rssi(&self, rssi: i16) {
        self.state().rssi = rssi;
    }

    fn sighting(&self) -> Option<Sighting> {
        let state = self.state();
        let advertisement = Advertisement::parse(&state.advertising)?;
        Some(Sighting { address: self.address, rssi: Some(state.rssi), advertisement })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn feed(&mut self, input: Input, now: Moment) {
        self.lock.handle(input, now);
        while let Some(output) = self.lock.poll() {
            match output {
                Output::Indicate { link, characteristic, value } => {
                    if let Some(port) = self.ports.get(&link) {
                        // Fails only if the other end is being torn down.
                        let _ = port.pieces.try_send((characteristic, value));
                    }
                }
                Output::Disconnect { link } => {
                    self.shut(link);
                }
                Output::Advertise(advertising) => self.advertising = advertising.data,
            }
        }
    }

    /// Whether it was open.
    fn shut(&mut self, link: LinkId) -> bool {
        let Some(port) = self.ports.remove(&link) else { return false };
        port.is_closed.send_replace(true);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

/// Starts the clockwork and the advertisements of a lock; both end with the place.
pub(super) fn start(place: &Arc<Place>) {
    tokio::spawn(drive(Arc::downgrade(place), Arc::clone(&place.wake)));
    tokio::spawn(advertise(Arc::downgrade(place)));
}

async fn drive(place: Weak<Place>, wake: Arc<Notify>) {
    loop {
        let Some(next) = place.upgrade().map(|place| place.tick()) else { return };
        match next {
            Some(at) => tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                () = wake.notified() => {}
            },
            None => wake.notified().await,
        }
    }
}

async fn advertise(place: Weak<Place>) {
    loop {
        let Some(pause) = place
            .upgrade()
            .map(|place| place.air.settings().advertising_interval + place.air.random_part(ADVERTISING_JITTER))
        else {
            return;
        };
        tokio::time::sleep(pause).await;
        let Some(place) = place.upgrade() else { return };
        if place.gets_through()
            && let Some(sighting) = place.sighting()
        {
            place.air.broadcast(sighting);
        }
    }
}
