//! Where session and transport meet: an actor per lock, an arbiter per adapter.

mod acting;
mod actor;
mod arbiter;
mod asked;
mod budget;
mod carry;
mod clock;
mod codes;
mod handle;
mod health;
pub mod pair;
mod port;
mod radio;
mod repeat;
pub mod visit;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::attribution::Event;
use crate::clock::{Clock, UnixMillis};
use crate::diagnostics::Diagnostics;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::protocol::IdType;
use crate::protocol::beacon::{Family, NukiId, device_name};
use crate::protocol::crypto::{Pin, SharedKey};
use crate::protocol::frame::AuthId;
use crate::protocol::gatt::Generation;
use crate::protocol::state::KeyturnerStates;
use crate::pulse::{Pulse, Pulses};
use crate::session::Outcome;
use crate::store::{LockRow, Store, StoreError};
use crate::transport::{Address, Transport};
use actor::{Actor, Wiring};
use arbiter::{Adapter, Ear};
use asked::Memory;
use carry::{bridge_device_type, lock_row};
use handle::{Shared, forget};

pub use handle::{
    ActionOutcome, Asker, CodeChange, GatewayError, GatewayHandle, LockSnapshot, NotDone, ScanResult, WaitFor,
};
pub use health::{ClockHealth, DirectoryHealth, LockHealth, LogAccess, RadioHealth, Timings};

/// So many requests may wait for one lock's actor, which is as many as the HTTP server has connections.
const REQUEST_QUEUE: usize = 256;
/// Beacons repeat, so a short queue is enough.
const SIGHTING_QUEUE: usize = 16;
/// Pause before an actor starts again after the store failed.
const RESTART_PAUSE: Duration = Duration::from_secs(2);
/// Who asked for an action that was open when the process was killed repeats it within this time, or means it anew.
const REPEATED_WITHIN: Duration = Duration::from_secs(20);
/// Everything has stopped by then, in order or not.
const STOP_WITHIN: Duration = Duration::from_millis(1_700);

/// A lock that this gateway is authorized at.
#[derive(Debug, Clone)]
pub struct PairedLock {
    /// Its number.
    pub nuki_id: NukiId,
    /// Where it was paired, and where alone it is looked for (`docs/adr/0035`).
    pub address: Address,
    /// Name given by its owner, as far as known.
    pub name: String,
    /// Device family.
    pub generation: Generation,
    /// The authorization.
    pub auth_id: AuthId,
    /// Its role.
    pub id_type: IdType,
    /// Its key.
    pub key: SharedKey,
    /// The number given at pairing.
    pub app_id: u32,
    /// The administrator's PIN.
    pub pin: Option<Pin>,
}

impl PairedLock {
    /// How the log names it.
    fn label(&self) -> String {
        format!("{:08X}", self.nuki_id)
    }

    /// What is known before anything was read.
    fn snapshot(&self) -> LockSnapshot {
        let family = if self.generation == Generation::Opener { Family::Opener } else { Family::Lock };
        let name = if self.name.is_empty() { device_name(family, self.nuki_id) } else { self.name.clone() };
        LockSnapshot {
            nuki_id: self.nuki_id,
            name,
            // Until its configuration was read, a lock of the first four generations counts as one of the later ones.
            device_type: bridge_device_type(self.generation, Some(4)),
            firmware_version: None,
            state: None,
            has_keypad: false,
            auto_unlatch: None,
            last_ring: None,
            rssi: None,
            last_seen: None,
        }
    }
}

/// A lock for the event log, before anything was read from it.
#[must_use]
pub fn new_row(lock: &PairedLock, now: UnixMillis) -> LockRow {
    lock_row(&lock.snapshot(), now)
}

/// What explains a state that is told.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// What happened.
    pub event: &'a Event,
    /// Name of the token whose client asked for it; `None` if no client did.
    pub client: Option<&'a str>,
}

/// Builds the body of a Bridge callback at a moment; `http` owns the wire form, the daemon hands it in.
pub type CallbackBody = fn(&LockSnapshot, &KeyturnerStates, Option<Cause<'_>>, UnixMillis) -> String;

/// What every actor uses.
#[derive(Clone)]
pub struct Tools {
    /// Where truth is kept.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// Fresh randomness of the operating system, or a test's seeds.
    pub seed: Arc<dyn Fn() -> [u8; 32] + Send + Sync>,
    /// The wire form of callbacks.
    pub callback_body: CallbackBody,
    /// For so long after its end, the same action asked for by the same client is its repetition.
    pub repeat_window: Live<Duration>,
    /// Called after each commit, to wake whoever delivers.
    pub committed: Arc<dyn Fn() + Send + Sync>,
    /// Where links are written down for the Bridge API's `/log`.
    pub diagnostics: Diagnostics,
    /// Where each loop shows that it lives.
    pub pulses: Pulses,
    /// What is counted and timed.
    pub metrics: Metrics,
}

/// A running gateway.
pub struct Gateway {
    /// To ask it things.
    pub handle: GatewayHandle,
    stop: watch::Sender<bool>,
    actors: JoinSet<()>,
    scanner: JoinSet<()>,
}

impl Gateway {
    /// Starts an actor per lock and the scanner. Open intents of an earlier run are closed, never executed.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read or written.
    pub async fn start(
        locks: Vec<PairedLock>,
        transport: Arc<dyn Transport>,
        tools: Tools,
    ) -> Result<Self, StoreError> {
        let expired = tools.store.expire_open_intents(tools.clock.wall()).await?;
        for intent in &expired {
            info!(
                intent_id = intent.id,
                "an action of an earlier run was never finished; it is closed and not done again"
            );
        }
        match tools.store.expire_open_code_changes(tools.clock.wall()).await? {
            0 => {}
            count => info!(count, "changes of keypad codes of an earlier run were never finished; none is done again"),
        }
        let known: BTreeMap<NukiId, _> = tools.store.locks().await?.into_iter().map(|row| (row.nuki_id, row)).collect();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let adapter = Adapter::new(transport.clone(), locks.len());
        let (stop, stopped) = watch::channel(false);
        let (mut requests, mut sightings) = (BTreeMap::new(), BTreeMap::new());
        let mut actors = JoinSet::new();
        for lock in locks {
            let mut snapshot = lock.snapshot();
            if let Some(row) = known.get(&lock.nuki_id) {
                snapshot.name.clone_from(&row.name);
                snapshot.device_type = row.device_type;
                snapshot.firmware_version.clone_from(&row.firmware_version);
                snapshot.has_keypad = row.has_keypad;
            }
            tools.store.register_lock(&lock_row(&snapshot, tools.clock.wall())).await?;
            GatewayHandle { shared: shared.clone(), actors: Arc::default() }
                .lock_shared()
                .locks
                .insert(lock.nuki_id, Arc::new(snapshot));
            health::note(&shared, &lock, |_| {});
            let (request_sender, request_receiver) = mpsc::channel(REQUEST_QUEUE);
            let (sighting_sender, sighting_receiver) = mpsc::channel(SIGHTING_QUEUE);
            requests.insert(lock.nuki_id, request_sender);
            sightings.insert(lock.nuki_id, Ear { address: lock.address, actor: sighting_sender });
            let mut memory = Memory::new(tools.repeat_window.clone());
            for intent in expired.iter().filter(|intent| intent.nuki_id == lock.nuki_id) {
                // Its client may have lost the connection just now, and repeats by itself.
                if tools.clock.wall().since(intent.at) <= REPEATED_WITHIN {
                    memory.lately.ends(&intent.requester, intent.action, Outcome::Unknown, tools.clock.monotonic());
                }
            }
            let wiring = Wiring {
                requests: request_receiver,
                sightings: sighting_receiver,
                adapter: adapter.clone(),
                shared: shared.clone(),
                stop: stopped.clone(),
                memory,
            };
            actors.spawn(supervise(lock, tools.clone(), wiring));
        }
        let mut scanner = JoinSet::new();
        let pulse = tools.pulses.begin("radio");
        scanner.spawn(arbiter::scan(transport, sightings, shared.clone(), tools.clock, pulse));
        Ok(Self { handle: GatewayHandle { shared, actors: Arc::new(requests) }, stop, actors, scanner })
    }

    /// Stops: links are ended, nothing half done is left behind.
    pub async fn stop(mut self) {
        // Without a receiver every actor has stopped already.
        self.stop.send(true).ok();
        let actors = async { while self.actors.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WITHIN, actors).await.is_err() {
            warn!("not every lock's actor stopped in time");
        }
        self.scanner.shutdown().await;
    }
}

/// Runs one lock's actor, again from what is stored whenever the store failed.
async fn supervise(lock: PairedLock, tools: Tools, mut wiring: Wiring) {
    let pulse = tools.pulses.begin(format!("lock {}", lock.label()));
    loop {
        let result = match Actor::start(&lock, &tools, &mut wiring, &pulse).await {
            Ok(actor) => actor.run().await,
            Err(error) => Err(error),
        };
        let Err(error) = result else { break };
        error!(lock = %lock.label(), %error, "the event log failed; starting again from what is stored");
        if rest(&mut wiring, &error, &pulse).await {
            break;
        }
    }
    wiring.requests.close();
    let forgetting = wiring.memory.forgetting.take();
    let why = if forgetting.is_some() { GatewayError::UnknownLock(lock.nuki_id) } else { GatewayError::Stopping };
    while let Ok(request) = wiring.requests.try_recv() {
        request.refuse(why.clone());
    }
    if let Some(reply) = forgetting {
        forget(&wiring.shared, lock.nuki_id);
        info!(lock = %lock.label(), "this lock is served no longer");
        reply.send(Ok(())).ok();
    }
}

/// Pauses; nobody waits in vain meanwhile. True if the gateway stops.
async fn rest(wiring: &mut Wiring, error: &StoreError, pulse: &Pulse) -> bool {
    let refuse_all = async {
        loop {
            tokio::select! {
                _ = wiring.stop.wait_for(|stop| *stop) => return,
                request = wiring.requests.recv() => match request {
                    Some(request) => request.refuse(GatewayError::Storage(error.to_string())),
                    None => return,
                },
            }
        }
    };
    pulse.while_waiting(tokio::time::timeout(RESTART_PAUSE, refuse_all)).await.is_ok()
}
