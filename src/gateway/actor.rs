//! One lock's actor: moves bytes and time between session, journal, radio and store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracing::warn;

use super::acting::ActionWaiter;
use super::arbiter::Adapter;
use super::asked::{Memory, ReadWaiter};
use super::budget::Slot;
use super::carry::update;
use super::clock::ClockWaiter;
use super::codes::CodeChanger;
use super::handle::{GatewayError, LockSnapshot, Request, Shared};
use super::health::note;
use super::radio::{Radio, RadioNews};
use super::{PairedLock, Tools};
use crate::attribution::{Directory, Journal, JournalConfig, Pending};
use crate::diagnostics::{Deed, Line};
use crate::protocol::beacon::Advertisement;
use crate::protocol::gatt::Generation;
use crate::protocol::state::KeyturnerStates;
use crate::pulse::Pulse;
use crate::session::{Input, Output, Session, SessionConfig};
use crate::store::{LockClock, StoreError, StoredClock};
use crate::transport::Sighting;

/// A telling waits so long for its log entry (`docs/design.md`, "Telling"). Over a slow link, or beside another lock's,
/// an entry comes more than a second after the state; whoever disarms an alarm would rather wait than not be told who it was.
const PATIENCE: Duration = Duration::from_secs(3);
/// What is under way when the gateway stops has so long to be stored.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);

/// What an actor is connected to; it outlives an actor that starts again.
pub(super) struct Wiring {
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) sightings: mpsc::Receiver<Sighting>,
    pub(super) adapter: Adapter,
    pub(super) shared: Arc<Mutex<Shared>>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) memory: Memory,
}

pub(super) struct Actor<'a> {
    pub(super) lock: &'a PairedLock,
    pub(super) tools: &'a Tools,
    pub(super) wiring: &'a mut Wiring,
    pulse: &'a Pulse,
    pub(super) session: Session,
    pub(super) journal: Journal,
    pub(super) directory: Directory,
    /// Room for the connection that the beacon at hand may cause.
    pub(super) slot: Option<Slot>,
    /// The room that the connection at hand takes; given back if it brings an entry of the log.
    pub(super) caused: Option<Slot>,
    pub(super) radio: Radio,
    pub(super) actions: BTreeMap<i64, ActionWaiter>,
    pub(super) readers: Vec<ReadWaiter>,
    /// Whoever wants the clock set.
    pub(super) clock_setters: Vec<ClockWaiter>,
    pub(super) code_changer: Option<CodeChanger>,
    /// The lock's clock beside ours, when its state was read last.
    pub(super) clock: Option<LockClock>,
    /// The clock as it is on disk.
    pub(super) clock_stored: Option<StoredClock>,
    /// How many keypad codes were just read, if all of them.
    pub(super) codes: Option<u32>,
}

/// What woke the actor.
enum Wake {
    Stop,
    Request(Option<Request>),
    Sighting(Option<Sighting>),
    Radio(RadioNews),
    Timeout,
}

impl<'a> Actor<'a> {
    /// An actor that continues from what is stored.
    pub(super) async fn start(
        lock: &'a PairedLock,
        tools: &'a Tools,
        wiring: &'a mut Wiring,
        pulse: &'a Pulse,
    ) -> Result<Self, StoreError> {
        pulse.beat();
        let (store, now) = (&tools.store, tools.clock.monotonic());
        let cursor = store.cursor(lock.nuki_id).await?;
        let directory = store.directory(lock.nuki_id).await?;
        let states = store.last_observation(lock.nuki_id).await?;
        let mut health = store.lock_health(lock.nuki_id).await?;
        health.pin_tries = wiring.memory.unwritten_tries.unwrap_or(health.pin_tries);
        let anchor = store.anchor(lock.nuki_id).await?;
        let pin = wiring.memory.new_pin.unwrap_or(lock.pin);
        let pending = store.pending_events(lock.nuki_id).await?.into_iter().filter_map(|pending| {
            let decoded = |raw: &[u8]| KeyturnerStates::decode(raw).ok();
            let before = pending.raw_before.as_deref().and_then(decoded);
            Some(Pending { change: pending.change?, states: decoded(&pending.raw), before })
        });
        let seen_at = states.as_ref().map(|stored| stored.observed_at);
        note(&wiring.shared, lock, |known| known.recall(cursor, &health, seen_at));
        if let Some(stored) = &states {
            update(&wiring.shared, lock, |snapshot| snapshot.state = Some((stored.states, stored.observed_at)));
        }
        let journal = Journal::new(JournalConfig {
            is_opener: lock.generation == Generation::Opener,
            own_auth_id: lock.auth_id,
            cursor,
            has_begun_anew: cursor == 0 && store.log_has_begun_anew(lock.nuki_id).await?,
            states: states.map(|stored| stored.states),
            pending: pending.collect(),
            directory: directory.clone(),
            patience: PATIENCE,
        });
        let session = Session::new(
            SessionConfig {
                generation: lock.generation,
                auth_id: lock.auth_id,
                key: lock.key.clone(),
                app_id: lock.app_id,
                pin,
                pin_tries: health.pin_tries,
                cursor,
                anchor,
                seed: (tools.seed)(),
            },
            now,
        );
        let mut actor = Self {
            lock,
            tools,
            wiring,
            pulse,
            session,
            journal,
            directory,
            slot: None,
            caused: None,
            radio: Radio::default(),
            actions: BTreeMap::new(),
            readers: Vec::new(),
            clock_setters: Vec::new(),
            code_changer: None,
            clock: None,
            clock_stored: health.clock,
            codes: None,
        };
        actor.write_endings().await?;
        Ok(actor)
    }

    /// Runs until the gateway stops or the store fails. Whoever waits for an answer gets one.
    pub(super) async fn run(mut self) -> Result<(), StoreError> {
        match self.work().await {
            Ok(()) => self.leave().await,
            Err(error) => {
                self.break_off(&error).await;
                Err(error)
            }
        }
    }

    async fn work(&mut self) -> Result<(), StoreError> {
        // A lock that is forgotten is left like one whose gateway stops.
        while self.wiring.memory.forgetting.is_none() {
            self.settle().await?;
            self.slot = None;
            let pulse = self.pulse;
            let wake = pulse.while_waiting(self.next_wake()).await;
            let now = self.now();
            match wake {
                // The scanner lives as long as the gateway.
                Wake::Stop | Wake::Request(None) | Wake::Sighting(None) => return Ok(()),
                Wake::Request(Some(request)) => self.on_request(request).await?,
                Wake::Sighting(Some(sighting)) => {
                    if let Advertisement::Beacon(beacon) = sighting.advertisement {
                        if beacon.state_changed {
                            self.slot = self.wiring.adapter.beacons.slot(self.lock.nuki_id, now);
                        }
                        // Without room it is not heard; a bit that is set is repeated until there is some.
                        if self.slot.is_some() {
                            self.tools.metrics.beacon(self.lock.nuki_id, now);
                        }
                        if self.slot.is_some() || !beacon.state_changed {
                            self.session.handle(Input::Beacon(beacon), now);
                        }
                    }
                }
                Wake::Radio(news) => self.on_radio(news, now),
                Wake::Timeout => {
                    self.session.handle_timeout(now);
                    self.journal.handle_timeout(now);
                    self.expire_readers(now);
                }
            }
        }
        Ok(())
    }

    async fn next_wake(&mut self) -> Wake {
        if let Some(news) = self.radio.early() {
            return Wake::Radio(news);
        }
        let clock = self.tools.clock;
        let reader = self.readers.iter().map(|reader| reader.until).min();
        let timeout = [self.session.next_timeout(), self.journal.next_timeout(), reader].into_iter().flatten().min();
        let sleep = async {
            match timeout {
                Some(at) => tokio::time::sleep_until(clock.instant(at)).await,
                None => std::future::pending().await,
            }
        };
        // Deadlines first, for no flood may make an answer late; beacons last, for they repeat themselves.
        tokio::select! {
            biased;
            _ = self.wiring.stop.wait_for(|stop| *stop) => Wake::Stop,
            () = sleep => Wake::Timeout,
            news = self.radio.news() => Wake::Radio(news),
            request = self.wiring.requests.recv() => Wake::Request(request),
            sighting = self.wiring.sightings.recv() => Wake::Sighting(sighting),
        }
    }

    /// Carries out what session and journal want until both are silent.
    pub(super) async fn settle(&mut self) -> Result<(), StoreError> {
        loop {
            if let Some(output) = self.session.poll() {
                self.on_session(output).await?;
            } else if let Some(output) = self.journal.poll() {
                self.on_journal(output).await?;
            } else {
                return Ok(());
            }
        }
    }

    /// The gateway stops: open actions are answered, what was read is stored, the link is ended.
    async fn leave(mut self) -> Result<(), StoreError> {
        let label = self.lock.label();
        let all = async {
            self.radio.give_up_connecting();
            self.session.handle(Input::Stop, self.now());
            let settled = self.settle().await;
            self.refuse_readers(&GatewayError::Stopping);
            self.refuse_clock_setters(&GatewayError::Stopping);
            self.give_up_code_change();
            settled
        };
        match tokio::time::timeout(SETTLE_WITHIN, all).await {
            Ok(Err(error)) => {
                warn!(lock = %label, %error, "the last events could not be stored; they are read again at the next start")
            }
            Ok(Ok(())) => {}
            Err(_) => warn!(lock = %label, "stopping takes too long; the rest is left as it is"),
        }
        self.hang_up().await;
        Ok(())
    }

    /// The store failed: everybody is told what is known, and the next actor begins from what is stored.
    async fn break_off(&mut self, error: &StoreError) {
        self.radio.give_up_connecting();
        self.session.handle(Input::Stop, self.now());
        let mut finished = Vec::new();
        while let Some(output) = self.session.poll() {
            if let Output::ActionFinished { intent_id, outcome } = output {
                finished.push((intent_id, outcome));
            }
        }
        self.answer_all(&finished);
        self.refuse_readers(&GatewayError::Storage(error.to_string()));
        self.refuse_clock_setters(&GatewayError::Storage(error.to_string()));
        self.give_up_code_change();
        self.hang_up().await;
    }

    /// Writes down what the radio does, for `/log`.
    pub(super) fn note(&self, deed: Deed) {
        let at = self.tools.clock.wall();
        self.tools.metrics.link(self.lock.nuki_id, deed);
        self.tools.diagnostics.note(Line { at, deed, nuki_id: Some(self.lock.nuki_id), action: None });
    }

    pub(super) fn snapshot(&self) -> Arc<LockSnapshot> {
        let shared = self.wiring.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.locks.get(&self.lock.nuki_id).cloned().unwrap_or_else(|| Arc::new(self.lock.snapshot()))
    }

    pub(super) fn now(&self) -> Duration {
        self.tools.clock.monotonic()
    }
}
