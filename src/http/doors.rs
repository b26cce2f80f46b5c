//! What HTTP needs of the rooms behind it.
//!
//! Two small traits, so that the wire form can be tested against scripted locks and a short log.

use crate::clock::UnixMillis;
use crate::gateway::{ActionOutcome, GatewayError, GatewayHandle, LockSnapshot, ScanResult, WaitFor};
use crate::protocol::LockAction;
use crate::protocol::beacon::NukiId;
use crate::protocol::state::KeyturnerStates;
use crate::store::{AddCallback, Callback, HistoryFilter, HistoryRow, Store, StoreError, UserRow};

/// The locks: from memory, or live. See [`GatewayHandle`] for each method.
pub trait Doors: Send + Sync + 'static {
    /// Every paired lock, by number.
    fn locks(&self) -> Vec<LockSnapshot>;
    /// One paired lock.
    fn lock(&self, nuki_id: NukiId) -> Option<LockSnapshot>;
    /// Every Nuki device heard on the air.
    fn scan_results(&self) -> Vec<ScanResult>;
    /// Reads the state from the lock itself.
    fn read_state(&self, nuki_id: NukiId) -> impl Future<Output = Result<KeyturnerStates, GatewayError>> + Send;
    /// Has the lock do something, once at most.
    fn act(
        &self,
        nuki_id: NukiId,
        action: LockAction,
        requester: &str,
        wait: WaitFor,
    ) -> impl Future<Output = Result<ActionOutcome, GatewayError>> + Send;
}

impl Doors for GatewayHandle {
    fn locks(&self) -> Vec<LockSnapshot> {
        Self::locks(self)
    }

    fn lock(&self, nuki_id: NukiId) -> Option<LockSnapshot> {
        Self::lock(self, nuki_id)
    }

    fn scan_results(&self) -> Vec<ScanResult> {
        Self::scan_results(self)
    }

    fn read_state(&self, nuki_id: NukiId) -> impl Future<Output = Result<KeyturnerStates, GatewayError>> + Send {
        Self::read_state(self, nuki_id)
    }

    fn act(
        &self,
        nuki_id: NukiId,
        action: LockAction,
        requester: &str,
        wait: WaitFor,
    ) -> impl Future<Output = Result<ActionOutcome, GatewayError>> + Send {
        Self::act(self, nuki_id, action, requester, wait)
    }
}

/// The event log and the registered callbacks. See [`Store`] for each method.
pub trait Records: Send + Sync + 'static {
    /// Registers a callback in the lowest free slot.
    fn add_callback(&self, url: &str, at: UnixMillis) -> impl Future<Output = Result<AddCallback, StoreError>> + Send;
    /// Registered callbacks, in the order of registration.
    fn callbacks(&self) -> impl Future<Output = Result<Vec<Callback>, StoreError>> + Send;
    /// Frees a slot; `false` if it was free.
    fn remove_callback(&self, id: u8) -> impl Future<Output = Result<bool, StoreError>> + Send;
    /// Events, newest first.
    fn history(&self, filter: &HistoryFilter) -> impl Future<Output = Result<Vec<HistoryRow>, StoreError>> + Send;
    /// Users and codes of one lock or of all.
    fn users(&self, nuki_id: Option<NukiId>) -> impl Future<Output = Result<Vec<UserRow>, StoreError>> + Send;
}

impl Records for Store {
    fn add_callback(&self, url: &str, at: UnixMillis) -> impl Future<Output = Result<AddCallback, StoreError>> + Send {
        Self::add_callback(self, url, at)
    }

    fn callbacks(&self) -> impl Future<Output = Result<Vec<Callback>, StoreError>> + Send {
        Self::callbacks(self)
    }

    fn remove_callback(&self, id: u8) -> impl Future<Output = Result<bool, StoreError>> + Send {
        Self::remove_callback(self, id)
    }

    fn history(&self, filter: &HistoryFilter) -> impl Future<Output = Result<Vec<HistoryRow>, StoreError>> + Send {
        Self::history(self, filter)
    }

    fn users(&self, nuki_id: Option<NukiId>) -> impl Future<Output = Result<Vec<UserRow>, StoreError>> + Send {
        Self::users(self, nuki_id)
    }
}
