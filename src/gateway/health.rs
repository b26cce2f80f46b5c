//! How well the gateway knows each lock: from memory, no radio is used to answer.

use std::sync::{Mutex, PoisonError};

use super::PairedLock;
use super::actor::Actor;
use super::handle::{GatewayHandle, Shared};
use crate::attribution::{LogBlocked, UnknownReason};
use crate::clock::UnixMillis;
use crate::protocol::advanced_config::AdvancedConfig;
use crate::protocol::beacon::NukiId;
use crate::protocol::config::BatteryReport;
use crate::protocol::datetime::DeviceTime;
use crate::protocol::log::LogIndex;
pub use crate::session::LogAccess;
use crate::store::{HealthRow, StoreError, StoredDirectory};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// What stands between a lock and an event log one can rely on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHealth {
    /// Of which lock.
    pub nuki_id: NukiId,
    /// Whether its log can be read; if not, nobody can be named.
    pub log_access: LogAccess,
    /// How often it refused the PIN; after the second time no PIN is sent until `keyturner pin` sets it.
    pub pin_refusals: u8,
    /// Whether it still knows this gateway; if not, it must be paired again.
    pub is_authorized: bool,
    /// When a link to it was up last; `None` since the gateway started.
    pub last_contact: Option<UnixMillis>,
    /// When its state was read last, also before the gateway started; `None` if never.
    pub last_state_read: Option<UnixMillis>,
    /// The last log entry that is stored; 0 for none.
    pub cursor: LogIndex,
    /// The newest log entry that the lock was heard to have; `None` until its log was read.
    pub newest_index: Option<LogIndex>,
    /// While it is read what happened during an absence: entries read so far. `None` when the log was read to its end.
    pub backfill: Option<u32>,
    /// Its clock beside ours, when its state was read last; `None` if it shows no moment.
    pub clock: Option<ClockHealth>,
    /// Links that were asked for since midnight, UTC.
    pub connections_today: u32,
    /// Authorizations and keypad codes as they were read last; `None` if never.
    pub directory: Option<DirectoryHealth>,
    /// When its keypad codes were read whole last; `None` if never.
    pub codes_read: Option<UnixMillis>,
    /// Its battery report and when it was read; `None` since the gateway started.
    pub battery: Option<(BatteryReport, UnixMillis)>,
    /// How long it takes for what; `None` for an Opener, and until that was read.
    pub timings: Option<Timings>,
}

/// What a lock's owner has set, as far as it says how long something lasts. Seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// It locks by itself so long after it was unlocked; `None` if it does not.
    pub auto_lock: Option<u16>,
    /// Lock 'n' go locks after this.
    pub lock_n_go: u8,
    /// The latch is held so long; `None` where the lock does not say.
    pub unlatch: Option<u8>,
}

/// How the radio listens for beacons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RadioHealth {
    /// Since when, by the host's clock.
    pub since: UnixMillis,
    /// Why nothing can be heard, and what to do about it; `None` while it listens.
    pub problem: Option<String>,
    /// The adapter that was used last, such as `hci0`; `None` until there was one.
    pub adapter: Option<String>,
}

/// A lock's clock beside the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockHealth {
    /// When it was read, by the host's clock.
    pub read_at: UnixMillis,
    /// What it showed.
    pub device_time: DeviceTime,
    /// How far it was ahead of the host's clock, in milliseconds; right to half a second.
    pub skew: i64,
    /// Its zone offset, minutes.
    pub zone_offset: i16,
    /// It is off by its zone offset, so it runs on local time and not on UTC.
    pub is_local_time: bool,
    /// It is off by more than 30 seconds, its zone offset left aside: `keyturner clock --set` corrects it.
    pub should_be_set: bool,
}

/// When people and codes were read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryHealth {
    /// When.
    pub read_at: UnixMillis,
    /// Authorizations there were.
    pub users: u32,
    /// Keypad codes there were.
    pub codes: u32,
}

/// Why nobody can be named, in the words of an event's reason.
pub(super) const fn log_blocked(access: LogAccess) -> LogBlocked {
    match access {
        LogAccess::Readable => None,
        LogAccess::PinMissing => Some(UnknownReason::PinMissing),
        LogAccess::PinRefused => Some(UnknownReason::PinRefused),
        LogAccess::LoggingOff => Some(UnknownReason::LoggingOff),
    }
}

impl LockHealth {
    /// Why nobody can be named; `None` while the lock's log can be read.
    #[must_use]
    pub const fn log_blocked(&self) -> LogBlocked {
        log_blocked(self.log_access)
    }

    /// What is known before anything was read.
    pub(super) const fn new(nuki_id: NukiId, has_pin: bool) -> Self {
        Self {
            nuki_id,
            log_access: if has_pin { LogAccess::Readable } else { LogAccess::PinMissing },
            pin_refusals: 0,
            is_authorized: true,
            last_contact: None,
            last_state_read: None,
            cursor: 0,
            newest_index: None,
            backfill: None,
            clock: None,
            connections_today: 0,
            directory: None,
            codes_read: None,
            battery: None,
            timings: None,
        }
    }

    /// What is known from an earlier run.
    pub(super) fn recall(&mut self, cursor: LogIndex, stored: &HealthRow, seen_at: Option<UnixMillis>) {
        self.cursor = cursor;
        self.pin_refusals = stored.pin_tries.refused;
        self.clock = self.clock.or_else(|| stored.clock.map(ClockHealth::new));
        self.last_state_read = self.last_state_read.or(self.clock.map(|clock| clock.read_at)).max(seen_at);
        self.directory = stored.directory.map(DirectoryHealth::from);
        self.codes_read = self.codes_read.max(self.directory.map(|directory| directory.read_at));
    }
}

impl From<StoredDirectory> for DirectoryHealth {
    fn from(stored: StoredDirectory) -> Self {
        Self { read_at: stored.read_at, users: stored.users, codes: stored.codes }
    }
}

impl From<&AdvancedConfig> for Timings {
    fn from(config: &AdvancedConfig) -> Self {
        // Before there was a switch, 0 was off.
        let is_on = config.auto_lock_enabled.unwrap_or(true);
        Self {
            auto_lock: config.auto_lock_timeout.filter(|seconds| is_on && *seconds > 0),
            lock_n_go: config.lock_n_go_timeout,
            unlatch: config.unlatch_duration,
        }
    }
}

impl Actor<'_> {
    pub(super) fn note_battery(&self, report: BatteryReport) {
        let at = self.tools.clock.wall();
        note(&self.wiring.shared, self.lock, |known| known.battery = Some((report, at)));
    }

    pub(super) fn note_timings(&self, config: &AdvancedConfig) {
        note(&self.wiring.shared, self.lock, |known| known.timings = Some(config.into()));
    }

    pub(super) fn note_contact(&self) {
        let at = self.tools.clock.wall();
        note(&self.wiring.shared, self.lock, |known| known.last_contact = Some(at));
    }

    pub(super) fn note_connection(&mut self) {
        let day = self.tools.clock.wall().0.div_euclid(DAY_MILLIS);
        let is_new_day = core::mem::replace(&mut self.wiring.memory.day, day) != day;
        note(&self.wiring.shared, self.lock, |known| {
            known.connections_today = if is_new_day { 1 } else { known.connections_today.saturating_add(1) };
        });
    }

    pub(super) fn note_access(&self, access: LogAccess) {
        note(&self.wiring.shared, self.lock, |known| known.log_access = access);
    }

    pub(super) fn note_authorization(&self, is_authorized: bool) {
        note(&self.wiring.shared, self.lock, |known| known.is_authorized = is_authorized);
    }

    /// What is read before the log's end was reached for the first time, or behind more than a page, is backfill.
    pub(super) fn note_log(&self, entries: usize, end: bool) {
        let read = u32::try_from(entries).unwrap_or(u32::MAX);
        note(&self.wiring.shared, self.lock, |known| {
            known.backfill = (!end).then(|| known.backfill.unwrap_or(0).saturating_add(read));
        });
    }

    pub(super) fn note_cursor(&self, cursor: LogIndex) {
        note(&self.wiring.shared, self.lock, |known| known.cursor = cursor);
    }

    pub(super) fn note_newest(&self, newest: Option<LogIndex>) {
        note(&self.wiring.shared, self.lock, |known| known.newest_index = newest);
    }

    pub(super) async fn note_directory(&mut self, directory: StoredDirectory) -> Result<(), StoreError> {
        note(&self.wiring.shared, self.lock, |known| known.directory = Some(directory.into()));
        self.tools.store.note_directory(self.lock.nuki_id, directory).await
    }
}

impl GatewayHandle {
    /// How well one paired lock is known.
    #[must_use]
    pub fn health(&self, nuki_id: NukiId) -> Option<LockHealth> {
        self.lock_shared().health.get(&nuki_id).cloned()
    }
}

pub(super) fn note(shared: &Mutex<Shared>, lock: &PairedLock, change: impl FnOnce(&mut LockHealth)) {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    change(shared.health.entry(lock.nuki_id).or_insert_with(|| LockHealth::new(lock.nuki_id, lock.pin.is_some())));
}
