//! How well the gateway knows each lock: from memory, no radio is used to answer.

use std::sync::{Mutex, PoisonError};

use super::PairedLock;
use super::handle::{GatewayHandle, Shared};
use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;
use crate::protocol::datetime::DeviceTime;
use crate::protocol::log::LogIndex;
pub use crate::session::LogAccess;

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

impl LockHealth {
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
        }
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
