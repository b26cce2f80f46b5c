//! One lock's actor: moves bytes and time between session, journal, radio and store.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::{debug, error, info, warn};

use super::arbiter::Adapter;
use super::handle::{ActionOutcome, GatewayError, LockSnapshot, Request, Shared, WaitFor};
use super::{PairedLock, Tools};
use crate::attribution::{self, Directory, Draft, Journal, JournalConfig, Pending, UnknownReason};
use crate::clock::UnixMillis;
use crate::protocol::LockAction;
use crate::protocol::beacon::Advertisement;
use crate::protocol::config::Config;
use crate::protocol::gatt::Generation;
use crate::protocol::state::KeyturnerStates;
use crate::session::{ActionRequest, Input, LogAccess, NotDone, Outcome, Output, Session, SessionConfig};
use crate::store::{Batch, IntentState, LockRow, NewIntent, Observation, StoreError};
use crate::transport::{Address, Link, LinkWriter, Sighting, TransportError};

/// A reader of the state gets an answer within this time.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// A telling waits so long for its log entry (`docs/design.md`, "Telling").
const PATIENCE: Duration = Duration::from_secs(1);

struct ActionWaiter {
    action: LockAction,
    wait: WaitFor,
    reply: Option<oneshot::Sender<Result<ActionOutcome, GatewayError>>>,
}

struct ReadWaiter {
    until: Duration,
    reply: oneshot::Sender<Result<KeyturnerStates, GatewayError>>,
}

/// What an actor is connected to.
pub(super) struct Wiring {
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) sightings: mpsc::Receiver<Sighting>,
    pub(super) adapter: Adapter,
    pub(super) shared: Arc<Mutex<Shared>>,
    pub(super) stop: watch::Receiver<bool>,
}

pub(super) struct Actor<'a> {
    lock: &'a PairedLock,
    tools: &'a Tools,
    wiring: &'a mut Wiring,
    session: Session,
    journal: Journal,
    directory: Directory,
    address: Address,
    connecting: Option<BoxFuture<'static, Result<Link, TransportError>>>,
    disconnecting: Option<JoinHandle<()>>,
    link: Option<Link>,
    actions: BTreeMap<i64, ActionWaiter>,
    readers: Vec<ReadWaiter>,
}

/// What woke the actor.
enum Wake {
    Stop,
    Request(Option<Request>),
    Sighting(Option<Sighting>),
    Connected(Result<Link, TransportError>),
    Indication(Option<crate::transport::Indication>),
    Timeout,
}

impl<'a> Actor<'a> {
    /// An actor that continues from what is stored.
    pub(super) async fn start(
        lock: &'a PairedLock,
        tools: &'a Tools,
        wiring: &'a mut Wiring,
    ) -> Result<Self, StoreError> {
        let (store, now) = (&tools.store, tools.clock.monotonic());
        let cursor = store.cursor(lock.nuki_id).await?;
        let directory = store.directory(lock.nuki_id).await?;
        let states = store.last_observation(lock.nuki_id).await?;
        let pending = store.pending_events(lock.nuki_id).await?.into_iter().filter_map(|pending| {
            let states = KeyturnerStates::decode(&pending.raw).ok();
            Some(Pending { change: pending.change?, states })
        });
        if let Some(stored) = &states {
            update(&wiring.shared, lock, |snapshot| snapshot.state = Some((stored.states, stored.observed_at)));
        }
        let journal = Journal::new(JournalConfig {
            own_auth_id: lock.auth_id,
            cursor,
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
                pin: lock.pin,
                cursor,
                seed: (tools.seed)(),
            },
            now,
        );
        Ok(Self {
            lock,
            tools,
            wiring,
            session,
            journal,
            directory,
            address: lock.address,
            connecting: None,
            disconnecting: None,
            link: None,
            actions: BTreeMap::new(),
            readers: Vec::new(),
        })
    }

    /// Runs until the gateway stops or the store fails.
    pub(super) async fn run(mut self) -> Result<(), StoreError> {
        loop {
            self.settle().await?;
            let wake = self.next_wake().await;
            let now = self.now();
            match wake {
                Wake::Stop | Wake::Request(None) => return self.leave().await,
                Wake::Request(Some(request)) => self.on_request(request).await,
                Wake::Sighting(Some(sighting)) => {
                    self.address = sighting.address;
                    if let Advertisement::Beacon(beacon) = sighting.advertisement {
                        self.session.handle(Input::Beacon(beacon), now);
                    }
                }
                // The scanner lives as long as the gateway.
                Wake::Sighting(None) => return self.leave().await,
                Wake::Connected(Ok(link)) => {
                    debug!(lock = %self.lock.label(), "connected");
                    self.link = Some(link);
                    self.session.handle(Input::Connected, now);
                }
                Wake::Connected(Err(error)) => {
                    info!(lock = %self.lock.label(), %error, "cannot connect");
                    self.session.handle(Input::ConnectFailed, now);
                }
                Wake::Indication(Some(indication)) => {
                    self.session.handle(Input::Received(indication.characteristic, indication.value), now);
                }
                Wake::Indication(None) => {
                    debug!(lock = %self.lock.label(), "link lost");
                    self.end_link();
                    self.session.handle(Input::Disconnected, now);
                }
                Wake::Timeout => {
                    self.session.handle_timeout(now);
                    self.journal.handle_timeout(now);
                    self.expire_readers(now);
                }
            }
        }
    }

    async fn next_wake(&mut self) -> Wake {
        let clock = self.tools.clock;
        let reader = self.readers.iter().map(|reader| reader.until).min();
        let timeout = [self.session.next_timeout(), self.journal.next_timeout(), reader].into_iter().flatten().min();
        let sleep = async {
            match timeout {
                Some(at) => tokio::time::sleep_until(clock.instant(at)).await,
                None => std::future::pending().await,
            }
        };
        let connecting = async {
            match &mut self.connecting {
                Some(future) => future.await,
                None => std::future::pending().await,
            }
        };
        let indication = async {
            match &mut self.link {
                Some(link) => link.indications.recv().await,
                None => std::future::pending().await,
            }
        };
        let wake = tokio::select! {
            biased;
            _ = self.wiring.stop.wait_for(|stop| *stop) => Wake::Stop,
            indication = indication => Wake::Indication(indication),
            request = self.wiring.requests.recv() => Wake::Request(request),
            result = connecting => Wake::Connected(result),
            () = sleep => Wake::Timeout,
            sighting = self.wiring.sightings.recv() => Wake::Sighting(sighting),
        };
        if matches!(wake, Wake::Connected(_)) {
            self.connecting = None;
        }
        wake
    }

    /// Carries out what session and journal want until both are silent.
    async fn settle(&mut self) -> Result<(), StoreError> {
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

    async fn on_session(&mut self, output: Output) -> Result<(), StoreError> {
        let now = self.now();
        match output {
            Output::Connect => self.connect(),
            Output::Disconnect => self.end_link(),
            Output::Write(characteristic, value) => {
                if let Some(link) = &mut self.link
                    && let Err(error) = link.writer.write(characteristic, value).await
                {
                    info!(lock = %self.lock.label(), %error, "cannot write");
                    self.end_link();
                    self.session.handle(Input::WriteFailed, self.now());
                }
            }
            Output::Observed(states) => self.on_observed(states, now),
            Output::Log { entries, end } => self.journal.handle_log(entries, end, now),
            Output::LogReset { newest } => {
                warn!(lock = %self.lock.label(), "the lock's log was cleared");
                self.journal.handle_log_reset(newest);
            }
            Output::LogAccess(access) => self.on_log_access(access, now),
            Output::Config(config) => self.on_config(&config).await?,
            Output::Codes(codes) => {
                self.tools.store.replace_keypad_codes(self.lock.nuki_id, &codes, self.tools.clock.wall()).await?;
                self.directory.set_codes(&codes);
            }
            Output::Users(users) => {
                self.tools.store.replace_users(self.lock.nuki_id, &users, self.tools.clock.wall()).await?;
                self.directory.set_users(&users);
                // People come after codes, so both are fresh now.
                self.journal.handle_directory(self.directory.clone(), now);
            }
            Output::ActionAccepted { intent_id } => self.on_accepted(intent_id),
            Output::ActionFinished { intent_id, outcome } => self.on_finished(intent_id, outcome).await,
            Output::AuthorizationLost => {
                error!(lock = %self.lock.label(), "the lock does not know this gateway any more; run `keyturner pair` again");
            }
            Output::Garbled(error) => {
                warn!(lock = %self.lock.label(), %error, "the lock sent something that is no message")
            }
            Output::Refused(report) => {
                warn!(lock = %self.lock.label(), code = %report.code, command = report.command, "the lock refused a request");
            }
        }
        Ok(())
    }

    async fn on_journal(&mut self, output: attribution::Output) -> Result<(), StoreError> {
        let now = self.now();
        match output {
            attribution::Output::Commit(draft) => self.commit(draft).await?,
            attribution::Output::ReadLog => self.session.handle(Input::ReadLog, now),
            attribution::Output::CheckLog => self.session.handle(Input::CheckLog, now),
            attribution::Output::ReadState => self.session.handle(Input::ReadState, now),
            attribution::Output::ReadDirectory => self.session.handle(Input::ReadDirectory, now),
        }
        Ok(())
    }

    /// Truth on disk, then tell.
    async fn commit(&mut self, draft: Draft) -> Result<(), StoreError> {
        let snapshot = self.snapshot();
        let bodies = draft
            .tellings
            .iter()
            .map(|telling| {
                let event = telling.event.and_then(|at| draft.events.get(at));
                (self.tools.callback_body)(&snapshot, &telling.states, event)
            })
            .collect();
        let batch = Batch {
            nuki_id: self.lock.nuki_id,
            observed_at: self.tools.clock.wall(),
            observations: draft
                .observations
                .iter()
                .map(|seen| Observation { states: seen.states, before: seen.before.map(|states| states.lock_state) })
                .collect(),
            events: draft.events,
            cursor: draft.cursor,
            callback_bodies: bodies,
        };
        self.tools.store.commit(&batch).await?;
        for event in &batch.events {
            info!(
                lock = %self.lock.label(),
                kind = event.kind.name(),
                method = event.method.name(),
                attribution = event.attribution.name(),
                log_index = event.log_index,
                backfilled = event.backfilled,
                "event"
            );
        }
        (self.tools.committed)();
        Ok(())
    }

    fn on_observed(&mut self, states: KeyturnerStates, now: Duration) {
        let at = self.tools.clock.wall();
        update(&self.wiring.shared, self.lock, |snapshot| snapshot.state = Some((states, at)));
        for reader in self.readers.drain(..) {
            // Whoever asked may have hung up.
            reader.reply.send(Ok(states)).ok();
        }
        self.journal.handle_states(states, now);
    }

    fn on_log_access(&mut self, access: LogAccess, now: Duration) {
        let blocked = match access {
            LogAccess::Readable => None,
            LogAccess::PinMissing => Some(UnknownReason::PinMissing),
            LogAccess::PinRefused => Some(UnknownReason::PinRefused),
            LogAccess::LoggingOff => Some(UnknownReason::LoggingOff),
        };
        if let Some(reason) = blocked {
            warn!(lock = %self.lock.label(), reason = reason.name(), "the lock's log cannot be read: nobody can be named");
        }
        self.journal.handle_log_access(blocked, now);
    }

    async fn on_config(&mut self, config: &Config) -> Result<(), StoreError> {
        let firmware = config.firmware_version.map(|[major, minor, patch]| format!("{major}.{minor}.{patch}"));
        let has_keypad = config.has_keypad.unwrap_or(false) || config.has_keypad2.unwrap_or(false);
        let device_type = bridge_device_type(self.lock.generation, config.device_type);
        update(&self.wiring.shared, self.lock, |snapshot| {
            snapshot.name.clone_from(&config.name);
            snapshot.firmware_version.clone_from(&firmware);
            snapshot.has_keypad = has_keypad;
            snapshot.device_type = device_type;
        });
        self.tools.store.register_lock(&lock_row(&self.snapshot(), self.tools.clock.wall())).await
    }

    async fn on_request(&mut self, request: Request) {
        match request {
            Request::ReadState { reply } => {
                let until = self.now() + READ_WITHIN;
                self.readers.push(ReadWaiter { until, reply });
                self.session.handle(Input::ReadState, self.now());
            }
            Request::Act { action, requester, wait, reply } => {
                let intent = NewIntent { nuki_id: self.lock.nuki_id, action, requester, at: self.tools.clock.wall() };
                match self.tools.store.begin_intent(&intent).await {
                    Ok(intent_id) => {
                        self.actions.insert(intent_id, ActionWaiter { action, wait, reply: Some(reply) });
                        self.session.handle(Input::Act(ActionRequest { intent_id, action }), self.now());
                    }
                    Err(error) => {
                        error!(lock = %self.lock.label(), %error, "an intent could not be stored, so nothing was sent");
                        reply.send(Err(GatewayError::Storage(error.to_string()))).ok();
                    }
                }
            }
        }
    }

    fn on_accepted(&mut self, intent_id: i64) {
        if let Some(waiter) = self.actions.get_mut(&intent_id)
            && waiter.wait == WaitFor::Accepted
            && let Some(reply) = waiter.reply.take()
        {
            reply.send(Ok(ActionOutcome::Accepted)).ok();
        }
    }

    async fn on_finished(&mut self, intent_id: i64, outcome: Outcome) {
        let Some(waiter) = self.actions.remove(&intent_id) else { return };
        let (state, detail) = match outcome {
            Outcome::Done => (IntentState::Done, String::new()),
            Outcome::NotDone(NotDone::Refused(code)) => (IntentState::NotDone, format!("refused by the lock: {code}")),
            Outcome::NotDone(NotDone::Failed(status)) => (IntentState::NotDone, format!("failed: {status}")),
            Outcome::NotDone(NotDone::NotSent) => {
                (IntentState::NotDone, "never sent: the lock could not be reached in time".to_owned())
            }
            Outcome::NotDone(NotDone::ProvenByLog) => {
                (IntentState::NotDone, "the link broke, and the lock's log has no entry for it".to_owned())
            }
            Outcome::Unknown => (IntentState::Unknown, "sent, and whether it happened cannot be told".to_owned()),
        };
        let at = self.tools.clock.wall();
        if let Err(error) = self.tools.store.finish_intent(intent_id, state, &detail, at).await {
            // The answer is true all the same; the open intent will be closed as expired at the next start.
            error!(lock = %self.lock.label(), %error, intent_id, "the end of an intent could not be stored");
        }
        if outcome != Outcome::Done {
            info!(lock = %self.lock.label(), intent_id, detail, "action not done");
            self.journal.handle_intent_failed(intent_id, waiter.action, detail);
        }
        if let Some(reply) = waiter.reply {
            let answer = match outcome {
                Outcome::Done => ActionOutcome::Done,
                Outcome::NotDone(why) => ActionOutcome::NotDone(why),
                Outcome::Unknown => ActionOutcome::Unknown,
            };
            reply.send(Ok(answer)).ok();
        }
    }

    fn expire_readers(&mut self, now: Duration) {
        let (late, waiting) = self.readers.drain(..).partition(|reader: &ReadWaiter| reader.until <= now);
        self.readers = waiting;
        for reader in late {
            let why = "it did not answer within 10 s".to_owned();
            reader.reply.send(Err(GatewayError::Unreachable(why))).ok();
        }
    }

    fn connect(&mut self) {
        let (adapter, address) = (self.wiring.adapter.clone(), self.address);
        let disconnecting = self.disconnecting.take();
        self.connecting = Some(Box::pin(async move {
            if let Some(task) = disconnecting {
                // The old link must be down first; its task has its own time limit and its errors are told there.
                task.await.ok();
            }
            adapter.connect(address).await
        }));
    }

    fn end_link(&mut self) {
        if let Some(link) = self.link.take() {
            let label = self.lock.label();
            self.disconnecting = Some(tokio::spawn(disconnect(link.writer, label)));
        }
    }

    async fn leave(mut self) -> Result<(), StoreError> {
        self.settle().await?;
        self.end_link();
        if let Some(task) = self.disconnecting.take() {
            task.await.ok();
        }
        Ok(())
    }

    fn snapshot(&self) -> LockSnapshot {
        let shared = self.wiring.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.locks.get(&self.lock.nuki_id).cloned().unwrap_or_else(|| self.lock.snapshot())
    }

    fn now(&self) -> Duration {
        self.tools.clock.monotonic()
    }
}

async fn disconnect(writer: Box<dyn LinkWriter>, label: String) {
    if let Err(error) = writer.disconnect().await {
        debug!(lock = %label, %error, "disconnecting failed; the lock drops idle links by itself");
    }
}

fn update(shared: &Mutex<Shared>, lock: &PairedLock, change: impl FnOnce(&mut LockSnapshot)) {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    change(shared.locks.entry(lock.nuki_id).or_insert_with(|| lock.snapshot()));
}

/// The Bridge API's number for a device; newer models than it knows are reported as the newest it knows.
const fn bridge_device_type(generation: Generation, device_type: Option<u8>) -> u8 {
    match (generation, device_type) {
        (Generation::Opener, _) => 2,
        (Generation::Gen1To4, None) => 0,
        (Generation::Gen1To4, Some(3)) => 3,
        _ => 4,
    }
}

pub(super) fn lock_row(snapshot: &LockSnapshot, now: UnixMillis) -> LockRow {
    LockRow {
        nuki_id: snapshot.nuki_id,
        name: snapshot.name.clone(),
        device_type: snapshot.device_type,
        firmware_version: snapshot.firmware_version.clone(),
        has_keypad: snapshot.has_keypad,
        paired_at: now,
    }
}
