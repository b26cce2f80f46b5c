//! What an actor does for its session and its journal: the radio, the event log, what is known of the lock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{error, warn};

use super::actor::Actor;
use super::handle::{LockSnapshot, Shared};
use super::health::{log_blocked, note};
use super::{Cause, PairedLock};
use crate::attribution::{self, Draft, Event, EventKind};
use crate::clock::UnixMillis;
use crate::diagnostics::Deed;
use crate::protocol::beacon::NukiId;
use crate::protocol::config::{Config, OpenerConfig};
use crate::protocol::datetime::DeviceTime;
use crate::protocol::gatt::Generation;
use crate::protocol::state::KeyturnerStates;
use crate::protocol::users::{AuthorizationEntry, KeypadCode};
use crate::session::{Input, Listed, LogAccess, Output};
use crate::store::{Batch, CallbackBody, LockRow, Observation, Store, StoreError, StoredDirectory};

impl Actor<'_> {
    pub(super) async fn on_session(&mut self, output: Output) -> Result<(), StoreError> {
        let now = self.now();
        match output {
            Output::Connect => self.connect(),
            Output::Disconnect => {
                self.note(Deed::Disconnect);
                self.end_link();
            }
            Output::Write(characteristic, value) => self.radio.write(characteristic, value),
            Output::Observed(states) => self.on_observed(states, now).await?,
            Output::Log { entries, end } => {
                self.note_log(entries.len(), end);
                self.journal.handle_log(entries, end, now);
            }
            Output::NewestIndex(index) => self.note_newest(Some(index)),
            Output::LogReset { newest } => {
                warn!(lock = %self.lock.label(), "the lock's log was cleared");
                self.note_newest(newest);
                self.journal.handle_log_reset(newest);
            }
            Output::LogAccess(access) => self.on_log_access(access, now),
            Output::PinTries(tries) => self.on_pin_tries(tries).await?,
            Output::CodeChanged(result) => self.on_code_changed(result).await,
            Output::ClockSet(result) => self.on_clock_set(result),
            Output::Config(config) => self.on_config(Settings::of_lock(*config, self.lock.generation)).await?,
            Output::OpenerConfig(config) => self.on_config(Settings::of_opener(*config)).await?,
            Output::AdvancedConfig(config) => self.note_timings(&config),
            Output::Battery(report) => self.note_battery(report),
            Output::Codes(codes) => self.on_codes(codes).await?,
            Output::Users(users) => self.on_users(users, now).await?,
            Output::DirectoryLater => self.journal.handle_directory(self.directory.clone(), now),
            Output::ActionAccepted { intent_id } => self.on_accepted(intent_id),
            Output::ActionFinished { intent_id, outcome } => self.on_finished(intent_id, outcome).await,
            Output::AuthorizationLost => {
                self.note_authorization(false);
                error!(lock = %self.lock.label(), "the lock does not know this gateway any more; run `keyturner rekey`");
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

    pub(super) async fn on_journal(&mut self, output: attribution::Output) -> Result<(), StoreError> {
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
        let (mut snapshot, now) = (self.snapshot(), self.tools.clock.wall());
        let ring = draft.events.iter().position(|event| event.kind == EventKind::Ring && !event.backfilled);
        let rang_at = ring.and_then(|at| draft.events.get(at)).map(|event| rang_at(event, &snapshot).min(now));
        if rang_at.is_some() {
            Arc::make_mut(&mut snapshot).last_ring = rang_at;
        }
        let mut tellings: Vec<_> = draft.tellings.iter().map(|telling| (telling.states, telling.event)).collect();
        // A ring that opens nothing changes no state, and whoever listens wants to hear it all the same.
        let is_untold = ring.is_some() && tellings.iter().all(|(_, event)| *event != ring);
        tellings.extend(snapshot.state.filter(|_| is_untold).map(|(states, _)| (states, ring)));
        let mut bodies = Vec::with_capacity(tellings.len());
        for (states, event) in tellings {
            let event = event.and_then(|at| draft.events.get(at));
            let client = client_behind(&self.tools.store, self.lock.nuki_id, event).await?;
            let cause = event.map(|event| Cause { event, client: client.as_deref() });
            let body = |cause| (self.tools.callback_body)(&snapshot, &states, cause, now);
            bodies.push(CallbackBody { whole: body(cause), bare: cause.is_some().then(|| body(None)) });
        }
        let batch = Batch {
            nuki_id: self.lock.nuki_id,
            observed_at: now,
            clock: self.clock,
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
        let queued_at = (!batch.callback_bodies.is_empty()).then_some(now);
        self.tools.metrics.committed(self.lock.nuki_id, &batch.events, queued_at, self.now());
        if rang_at.is_some() {
            update(&self.wiring.shared, self.lock, |snapshot| snapshot.last_ring = rang_at);
        }
        if let Some(cursor) = batch.cursor {
            self.note_cursor(cursor);
        }
        if batch.events.iter().any(|event| event.log_index.is_some()) {
            // The beacon told the truth, which is free (`budget.rs`).
            self.caused = None;
        }
        (self.tools.committed)();
        Ok(())
    }

    async fn on_observed(&mut self, states: KeyturnerStates, now: Duration) -> Result<(), StoreError> {
        let at = self.tools.clock.wall();
        self.tools.metrics.state(self.lock.nuki_id, now);
        update(&self.wiring.shared, self.lock, |snapshot| snapshot.state = Some((states, at)));
        self.answer_readers(states);
        self.read_clock(states, at).await?;
        self.journal.handle_states(states, now);
        Ok(())
    }

    fn on_log_access(&mut self, access: LogAccess, now: Duration) {
        self.note_access(access);
        let blocked = log_blocked(access);
        if let Some(reason) = blocked {
            warn!(lock = %self.lock.label(), reason = reason.name(), "the lock's log cannot be read: nobody can be named");
        }
        self.journal.handle_log_access(blocked, now);
    }

    async fn on_codes(&mut self, codes: Listed<KeypadCode>) -> Result<(), StoreError> {
        let (store, at) = (&self.tools.store, self.tools.clock.wall());
        store.take_keypad_codes(self.lock.nuki_id, &codes.entries, codes.is_whole, at).await?;
        self.codes = codes.is_whole.then_some(count(&codes.entries));
        if codes.is_whole {
            note(&self.wiring.shared, self.lock, |known| known.codes_read = Some(at));
        }
        self.learn("keypad codes", codes.is_whole).await
    }

    async fn on_users(&mut self, users: Listed<AuthorizationEntry>, now: Duration) -> Result<(), StoreError> {
        let (store, at) = (&self.tools.store, self.tools.clock.wall());
        store.take_users(self.lock.nuki_id, &users.entries, users.is_whole, at).await?;
        if let Some(codes) = self.codes.filter(|_| users.is_whole) {
            self.note_directory(StoredDirectory { read_at: at, users: count(&users.entries), codes }).await?;
        }
        self.learn("authorizations", users.is_whole).await?;
        // People come after codes, so both are fresh now.
        self.journal.handle_directory(self.directory.clone(), now);
        Ok(())
    }

    /// The names that count now. Of half a list, what came is taken, and what was known stays.
    async fn learn(&mut self, what: &str, is_whole: bool) -> Result<(), StoreError> {
        if !is_whole {
            warn!(lock = %self.lock.label(), what, "the list did not come whole; nobody counts as gone by it");
        }
        self.directory = self.tools.store.directory(self.lock.nuki_id).await?;
        Ok(())
    }

    async fn on_config(&mut self, settings: Settings) -> Result<(), StoreError> {
        let firmware = settings.firmware.map(|[major, minor, patch]| format!("{major}.{minor}.{patch}"));
        update(&self.wiring.shared, self.lock, |snapshot| {
            snapshot.name.clone_from(&settings.name);
            snapshot.firmware_version.clone_from(&firmware);
            snapshot.has_keypad = settings.has_keypad;
            snapshot.auto_unlatch = settings.auto_unlatch;
            snapshot.device_type = settings.device_type;
        });
        self.tools.store.register_lock(&lock_row(&self.snapshot(), self.tools.clock.wall())).await
    }
}

/// What the gateway takes from a configuration, whatever its layout.
struct Settings {
    name: String,
    firmware: Option<[u8; 3]>,
    has_keypad: bool,
    /// `None` for an Opener, which has no latch to pull on unlocking.
    auto_unlatch: Option<bool>,
    device_type: u8,
}

impl Settings {
    fn of_lock(config: Config, generation: Generation) -> Self {
        Self {
            firmware: config.firmware_version,
            has_keypad: config.has_keypad.unwrap_or(false) || config.has_keypad2.unwrap_or(false),
            auto_unlatch: Some(config.auto_unlatch),
            device_type: bridge_device_type(generation, config.device_type),
            name: config.name,
        }
    }

    fn of_opener(config: OpenerConfig) -> Self {
        Self {
            firmware: config.firmware_version,
            has_keypad: config.has_keypad || config.has_keypad2.unwrap_or(false),
            auto_unlatch: None,
            device_type: bridge_device_type(Generation::Opener, None),
            name: config.name,
        }
    }
}

/// When the bell rang, by the host's clock: as long before the state was read as the Opener's own clock says.
fn rang_at(event: &Event, snapshot: &LockSnapshot) -> UnixMillis {
    let Some((states, read_at)) = &snapshot.state else { return UnixMillis(i64::MAX) };
    let seconds = |time: Option<DeviceTime>| time.and_then(DeviceTime::unix_seconds);
    match seconds(states.current_time).zip(seconds(event.device_time)) {
        Some((shown, rung)) => UnixMillis(read_at.0.saturating_sub(shown.saturating_sub(rung).saturating_mul(1000))),
        None => *read_at,
    }
}

fn count<T>(entries: &[T]) -> u32 {
    u32::try_from(entries.len()).unwrap_or(u32::MAX)
}

pub(super) fn update(shared: &Mutex<Shared>, lock: &PairedLock, change: impl FnOnce(&mut LockSnapshot)) {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    change(Arc::make_mut(shared.locks.entry(lock.nuki_id).or_insert_with(|| Arc::new(lock.snapshot()))));
}

/// The Bridge API's number for a device, continued by 5 for the 5th generation.
pub(super) const fn bridge_device_type(generation: Generation, device_type: Option<u8>) -> u8 {
    match (generation, device_type) {
        (Generation::Opener, _) => 2,
        (Generation::Gen5, _) => 5,
        (Generation::Gen1To4, None) => 0,
        (Generation::Gen1To4, Some(3)) => 3,
        (Generation::Gen1To4, Some(_)) => 4,
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

/// Whose request an event goes back to. It is asked of the event log, as the history does: what an actor remembers ends
/// with an action or with a restart, and the lock's entry may come after either.
async fn client_behind(store: &Store, nuki_id: NukiId, event: Option<&Event>) -> Result<Option<String>, StoreError> {
    match event.and_then(|event| event.intent_id) {
        Some(intent_id) => store.requester_of(nuki_id, intent_id).await,
        None => Ok(None),
    }
}
