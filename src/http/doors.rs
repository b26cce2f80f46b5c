//! What HTTP needs of the gateway, as a trait, so that the wire form can be tested against scripted locks.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::gateway::{
    ActionOutcome, Asker, ClockHealth, CodeChange, GatewayError, GatewayHandle, LockHealth, LockSnapshot, RadioHealth,
    ScanResult, WaitFor,
};
use crate::protocol::LockAction;
use crate::protocol::beacon::NukiId;
use crate::protocol::log::CodeId;
use crate::protocol::state::KeyturnerStates;

/// The locks: from memory, or live. See [`GatewayHandle`] for each method.
pub trait Doors: Send + Sync + 'static {
    /// Every paired lock, by number.
    fn locks(&self) -> Vec<Arc<LockSnapshot>>;
    /// One paired lock.
    fn lock(&self, nuki_id: NukiId) -> Option<Arc<LockSnapshot>>;
    /// How well a paired lock is known.
    fn health(&self, nuki_id: NukiId) -> Option<LockHealth>;
    /// Every Nuki device heard on the air.
    fn scan_results(&self) -> Vec<ScanResult>;
    /// How the radio listens; `None` until it has begun.
    fn radio(&self) -> Option<RadioHealth>;
    /// Reads the state from the lock itself.
    fn read_state(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<KeyturnerStates, GatewayError>>;
    /// Has the lock do something, once at most.
    fn act<'a>(
        &'a self,
        nuki_id: NukiId,
        action: LockAction,
        asker: Asker<'a>,
        wait: WaitFor,
    ) -> BoxFuture<'a, Result<ActionOutcome, GatewayError>>;
    /// Sets the lock's clock to the host's.
    fn set_clock(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<ClockHealth, GatewayError>>;
    /// Changes a keypad code, once at most.
    fn change_code<'a>(
        &'a self,
        nuki_id: NukiId,
        change: CodeChange,
        asker: Asker<'a>,
    ) -> BoxFuture<'a, Result<Option<CodeId>, GatewayError>>;
    /// Serves a lock no longer.
    fn forget(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<(), GatewayError>>;
}

impl Doors for GatewayHandle {
    fn locks(&self) -> Vec<Arc<LockSnapshot>> {
        Self::locks(self)
    }

    fn lock(&self, nuki_id: NukiId) -> Option<Arc<LockSnapshot>> {
        Self::lock(self, nuki_id)
    }

    fn health(&self, nuki_id: NukiId) -> Option<LockHealth> {
        Self::health(self, nuki_id)
    }

    fn scan_results(&self) -> Vec<ScanResult> {
        Self::scan_results(self)
    }

    fn radio(&self) -> Option<RadioHealth> {
        Self::radio(self)
    }

    fn read_state(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<KeyturnerStates, GatewayError>> {
        Box::pin(Self::read_state(self, nuki_id))
    }

    fn act<'a>(
        &'a self,
        nuki_id: NukiId,
        action: LockAction,
        asker: Asker<'a>,
        wait: WaitFor,
    ) -> BoxFuture<'a, Result<ActionOutcome, GatewayError>> {
        Box::pin(Self::act(self, nuki_id, action, asker, wait))
    }

    fn set_clock(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<ClockHealth, GatewayError>> {
        Box::pin(Self::set_clock(self, nuki_id))
    }

    fn change_code<'a>(
        &'a self,
        nuki_id: NukiId,
        change: CodeChange,
        asker: Asker<'a>,
    ) -> BoxFuture<'a, Result<Option<CodeId>, GatewayError>> {
        Box::pin(Self::change_code(self, nuki_id, change, asker))
    }

    fn forget(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<(), GatewayError>> {
        Box::pin(Self::forget(self, nuki_id))
    }
}
