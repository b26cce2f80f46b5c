//! A whole house in virtual time: a simulated door, a paired gateway, an event log on disk, one callback receiver's queue.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use keyturner::clock::{Clock, UnixMillis};
use keyturner::diagnostics::Diagnostics;
use keyturner::gateway::pair::{PairRequest, pair};
use keyturner::gateway::{Gateway, GatewayHandle, PairedLock, Tools};
use keyturner::http::bridge::wire::callback_body;
use keyturner::protocol::beacon::NukiId;
use keyturner::protocol::crypto::Pin;
use keyturner::protocol::{IdType, LockState};
use keyturner::simlock::{Person, SimLockConfig};
use keyturner::store::{DeliveryOutcome, HistoryFilter, HistoryRow, SimDisk, Store};
use keyturner::transport::sim::{SimDoor, SimRadio, SimSettings};
use keyturner::transport::{Address, Link, Purpose, Sighting, Transport, TransportError};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::listener::{listen, spellings};

pub(crate) const NUKI_ID: u32 = 0x0A1B_2C3D;
pub(crate) const ANNA: u32 = 583_921;
/// The number of a second lock on the same adapter.
pub(crate) const BACK_DOOR: u32 = 0x0A1B_2C3E;
/// 2026-11-23 14:00:00 UTC.
const START: UnixMillis = UnixMillis(1_795_442_400_000);

pub(crate) struct House {
    pub(crate) radio: SimRadio,
    pub(crate) door: SimDoor,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) lock: PairedLock,
    /// The second lock, if there is one.
    pub(crate) back: Option<(SimDoor, PairedLock)>,
    gateway: Option<Gateway>,
    /// How long the same is a repetition.
    pub(crate) repeat_window: Duration,
    connects: Arc<Mutex<Vec<Address>>>,
    files: TempDir,
}

/// Counts what costs a lock its battery.
struct CountingRadio {
    radio: SimRadio,
    connects: Arc<Mutex<Vec<Address>>>,
    turn: tokio::sync::Mutex<()>,
}

impl Transport for CountingRadio {
    fn scan(&self) -> BoxFuture<'_, Result<mpsc::Receiver<Sighting>, TransportError>> {
        self.radio.scan()
    }

    fn connect(&self, address: Address, purpose: Purpose) -> BoxFuture<'_, Result<Link, TransportError>> {
        self.connects.lock().unwrap().push(address);
        let connecting = self.radio.connect(address, purpose);
        Box::pin(async move {
            // A controller makes one connection at a time.
            let _turn = self.turn.try_lock().expect("one attempt at a time");
            connecting.await
        })
    }
}

pub(crate) struct Plan {
    pub(crate) lock: SimLockConfig,
    pub(crate) settings: SimSettings,
    pub(crate) pin: Option<Pin>,
    pub(crate) id_type: IdType,
    pub(crate) has_back_door: bool,
    /// The host's clock at the start.
    pub(crate) start: UnixMillis,
    /// The host's disk, if it is not one that takes no time.
    pub(crate) disk: Option<Arc<dyn SimDisk>>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            lock: SimLockConfig::family(NUKI_ID),
            settings: SimSettings::default(),
            pin: Some(Pin::new(1234)),
            id_type: IdType::Bridge,
            has_back_door: false,
            start: START,
            disk: None,
        }
    }
}

impl House {
    /// Pairs, starts the gateway, waits until it has read everything once.
    pub(crate) async fn new() -> Self {
        Self::planned(Plan::default()).await
    }

    pub(crate) async fn planned(plan: Plan) -> Self {
        let clock = Clock::virtual_from(plan.start);
        let radio = SimRadio::new(clock, plan.settings, [1; 32]);
        let door = radio.add(plan.lock.clone(), [2; 32]);
        let lock = paired(&radio, clock, &door, plan.id_type, plan.pin).await;
        let back = if plan.has_back_door {
            let door = radio.add(SimLockConfig { nuki_id: BACK_DOOR, ..plan.lock }, [4; 32]);
            let lock = paired(&radio, clock, &door, plan.id_type, plan.pin).await;
            Some((door, lock))
        } else {
            None
        };
        let files = TempDir::new().unwrap();
        let store = Store::open(&files.path().join("keyturner.db")).await.unwrap();
        let store = match plan.disk {
            Some(disk) => store.with_simulated_disk(disk),
            None => store.with_virtual_time(),
        };
        store.add_callback("http://127.0.0.1:9/", START).await.unwrap();
        let (connects, repeat_window) = (Arc::default(), Duration::from_secs(2));
        let mut house = Self { radio, door, store, clock, lock, back, gateway: None, repeat_window, connects, files };
        house.start().await;
        house
    }

    /// Starts the gateway and waits until it has read everything once.
    pub(crate) async fn start(&mut self) {
        self.launch().await;
        self.until("everything was read once", || {
            let snapshots = self.handle().locks();
            snapshots.iter().all(|snapshot| snapshot.firmware_version.is_some() && snapshot.state.is_some())
        })
        .await;
        self.quiet().await;
    }

    /// Starts the gateway.
    pub(crate) async fn launch(&mut self) {
        let tools = Tools {
            store: self.store.clone(),
            clock: self.clock,
            seed: Arc::new({
                let count = std::sync::atomic::AtomicU8::new(10);
                move || [count.fetch_add(1, std::sync::atomic::Ordering::Relaxed); 32]
            }),
            callback_body,
            repeat_window: self.repeat_window.into(),
            committed: Arc::new(|| {}),
            diagnostics: Diagnostics::default(),
            pulses: keyturner::pulse::Pulses::default(),
            metrics: keyturner::metrics::Metrics::default(),
        };
        let transport = Arc::new(CountingRadio {
            radio: self.radio.clone(),
            connects: self.connects.clone(),
            turn: tokio::sync::Mutex::default(),
        });
        let back = self.back.iter().map(|(_, lock)| lock.clone());
        let locks = std::iter::once(self.lock.clone()).chain(back).collect();
        self.gateway = Some(Gateway::start(locks, transport, tools).await.unwrap());
    }

    /// Ends the gateway in order.
    pub(crate) async fn stop(&mut self) {
        self.gateway.take().unwrap().stop().await;
    }

    /// Connections asked for since the last look.
    pub(crate) fn connects(&self) -> usize {
        self.connected_to().len()
    }

    /// Where to, in order.
    pub(crate) fn connected_to(&self) -> Vec<Address> {
        std::mem::take(&mut self.connects.lock().unwrap())
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.files.path().join("keyturner.db")
    }

    /// Ends the gateway's tasks where they stand, as a killed process does; the file stays as it is.
    pub(crate) async fn kill(&mut self) {
        self.gateway = None;
        self.door.drop_links();
        self.store = Store::open(&self.database()).await.unwrap().with_virtual_time();
    }

    pub(crate) fn handle(&self) -> GatewayHandle {
        self.gateway.as_ref().unwrap().handle.clone()
    }

    pub(crate) fn person(&self, person: Person) {
        self.door.person(person).unwrap();
    }

    pub(crate) fn state(&self) -> LockState {
        self.door.inspect(|lock| lock.state().lock_state)
    }

    /// Lets virtual time pass until `done`, at most two minutes of it.
    pub(crate) async fn until(&self, what: &str, done: impl FnMut() -> bool) {
        until(what, done).await;
    }

    /// Lets virtual time pass until every link is down and no beacon asks for another.
    pub(crate) async fn quiet(&self) {
        let mut calm = 0;
        for _ in 0..12_000 {
            let busy = self.door.inspect(|lock| lock.link_count() > 0 || lock.state().state_changed);
            calm = if busy { 0 } else { calm + 1 };
            if calm > 100 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the house never comes to rest");
    }

    /// Every event, oldest first.
    pub(crate) async fn events(&self) -> Vec<HistoryRow> {
        let filter = HistoryFilter { limit: 1_000, ..HistoryFilter::default() };
        let mut rows = self.store.history(&filter).await.unwrap();
        rows.reverse();
        rows
    }

    /// What the callback receiver would have got since the last look.
    pub(crate) async fn told(&self) -> Vec<serde_json::Value> {
        let mut bodies = Vec::new();
        while let Some(delivery) = self.store.next_delivery(0).await.unwrap() {
            bodies.push(serde_json::from_str(&delivery.body).unwrap());
            self.store.finish_delivery(delivery.outbox_id, DeliveryOutcome::Told, START).await.unwrap();
        }
        bodies
    }
}

/// Lets virtual time pass until `done`, at most two minutes of it.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..12_000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to this: {what}");
}

pub(crate) async fn paired(
    radio: &SimRadio,
    clock: Clock,
    door: &SimDoor,
    id_type: IdType,
    pin: Option<Pin>,
) -> PairedLock {
    door.pairing_mode(true);
    paired_over(radio, clock, (door.nuki_id(), door.address()), id_type, pin).await
}

/// The same over any radio, with a lock that is in pairing mode.
pub(crate) async fn paired_over(
    transport: &dyn Transport,
    clock: Clock,
    (nuki_id, address): (NukiId, Address),
    id_type: IdType,
    pin: Option<Pin>,
) -> PairedLock {
    let app_id = 0x4B54_0001;
    let request = PairRequest { id_type, app_id, name: "Keyturner".to_owned(), pin, seed: [3; 32] };
    // Codes of these tests: Anna's, those that are added, a guest's, a wrong one.
    listen([ANNA, 968_574, 475_869, 914_376, 999_999].map(|digits| digits.to_string()));
    // A PIN of a digit or two is any number.
    listen(pin.filter(|pin| pin.expose() >= 1000).map(|pin| pin.expose().to_string()));
    let (authorization, generation) = pair(transport, clock, address, request).await.unwrap();
    listen(spellings(authorization.key.expose()));
    PairedLock {
        nuki_id,
        address,
        name: String::new(),
        generation,
        auth_id: authorization.auth_id,
        id_type: authorization.id_type,
        key: authorization.key,
        app_id,
        pin,
    }
}
