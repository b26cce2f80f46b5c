//! A whole house in virtual time: a simulated door, a paired gateway, an event log on disk, one callback receiver's queue.

use std::sync::Arc;
use std::time::Duration;

use keyturner::clock::{Clock, UnixMillis};
use keyturner::gateway::pair::{PairRequest, pair};
use keyturner::gateway::{Gateway, GatewayHandle, PairedLock, Tools};
use keyturner::http::bridge::wire::callback_body;
use keyturner::protocol::crypto::Pin;
use keyturner::protocol::{IdType, LockState};
use keyturner::simlock::{Person, SimLockConfig};
use keyturner::store::{DeliveryOutcome, HistoryFilter, HistoryRow, Store};
use keyturner::transport::sim::{SimDoor, SimRadio, SimSettings};
use tempfile::TempDir;

pub(crate) const NUKI_ID: u32 = 0x0A1B_2C3D;
pub(crate) const ANNA: u32 = 583_921;
pub(crate) const BEN: u32 = 746_352;
/// 2026-11-23 14:00:00 UTC.
const START: UnixMillis = UnixMillis(1_795_442_400_000);

pub(crate) struct House {
    pub(crate) radio: SimRadio,
    pub(crate) door: SimDoor,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) lock: PairedLock,
    gateway: Option<Gateway>,
    files: TempDir,
}

pub(crate) struct Plan {
    pub(crate) lock: SimLockConfig,
    pub(crate) settings: SimSettings,
    pub(crate) pin: Option<Pin>,
    pub(crate) id_type: IdType,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            lock: SimLockConfig::family(NUKI_ID),
            settings: SimSettings::default(),
            pin: Some(Pin::new(1234)),
            id_type: IdType::Bridge,
        }
    }
}

impl House {
    /// Pairs, starts the gateway, waits until it has read everything once.
    pub(crate) async fn new() -> Self {
        Self::planned(Plan::default()).await
    }

    pub(crate) async fn planned(plan: Plan) -> Self {
        let clock = Clock::virtual_from(START);
        let radio = SimRadio::new(clock, plan.settings, [1; 32]);
        let door = radio.add(plan.lock, [2; 32]);
        door.pairing_mode(true);
        let request = PairRequest {
            id_type: plan.id_type,
            app_id: 0x4B54_0001,
            name: "Keyturner".to_owned(),
            pin: plan.pin,
            seed: [3; 32],
        };
        let (authorization, generation) = pair(&radio, clock, door.address(), request).await.unwrap();
        let lock = PairedLock {
            nuki_id: NUKI_ID,
            address: door.address(),
            name: String::new(),
            generation,
            auth_id: authorization.auth_id,
            id_type: authorization.id_type,
            key: authorization.key,
            app_id: 0x4B54_0001,
            pin: plan.pin,
        };
        let files = TempDir::new().unwrap();
        let store = Store::open(&files.path().join("keyturner.db")).await.unwrap().with_virtual_time();
        store.add_callback("http://127.0.0.1:9/", START).await.unwrap();
        let mut house = Self { radio, door, store, clock, lock, gateway: None, files };
        house.start().await;
        house
    }

    /// Starts the gateway and waits until it has read everything once.
    pub(crate) async fn start(&mut self) {
        self.launch().await;
        self.until("everything was read once", || {
            let snapshot = self.handle().lock(NUKI_ID).unwrap();
            snapshot.firmware_version.is_some() && snapshot.state.is_some()
        })
        .await;
        self.quiet().await;
    }

    /// Starts the gateway and waits for nothing.
    pub(crate) async fn launch(&mut self) {
        let tools = Tools {
            store: self.store.clone(),
            clock: self.clock,
            seed: Arc::new({
                let count = std::sync::atomic::AtomicU8::new(10);
                move || [count.fetch_add(1, std::sync::atomic::Ordering::Relaxed); 32]
            }),
            callback_body: |lock, states, event| {
                callback_body(states, lock.nuki_id, lock.device_type, lock.has_keypad, event)
            },
            committed: Arc::new(|| {}),
        };
        let transport = Arc::new(self.radio.clone());
        self.gateway = Some(Gateway::start(vec![self.lock.clone()], transport, tools).await.unwrap());
    }

    /// Ends the gateway's tasks where they stand, as a killed process does; the file stays as it is.
    pub(crate) async fn kill(&mut self) {
        self.gateway = None;
        self.door.drop_links();
        self.store = Store::open(&self.files.path().join("keyturner.db")).await.unwrap().with_virtual_time();
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
    pub(crate) async fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        for _ in 0..12_000 {
            if done() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came to this: {what}");
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
        let filter = HistoryFilter { limit: 50, ..HistoryFilter::default() };
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
