//! The locks as one client sees them: what its token does not reach is not there, what it does not allow is refused.
//!
//! Every request goes through here, so that an endpoint cannot forget to ask.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, ready};

use super::auth::Authenticated;
use super::bridge::wire::OPENER;
use super::doors::Doors;
use crate::access::Scope;
use crate::gateway::{
    ActionOutcome, Asker, ClockHealth, CodeChange, GatewayError, LockHealth, LockSnapshot, RadioHealth, ScanResult,
    WaitFor,
};
use crate::protocol::LockAction;
use crate::protocol::beacon::NukiId;
use crate::protocol::log::CodeId;
use crate::protocol::state::KeyturnerStates;
use crate::store::IdempotencyKey;

/// [`Doors`] within a token's reach.
pub(super) struct ScopedDoors {
    all: Arc<dyn Doors>,
    who: Authenticated,
    key: Option<IdempotencyKey>,
}

impl ScopedDoors {
    pub(super) const fn new(all: Arc<dyn Doors>, who: Authenticated) -> Self {
        Self { all, who, key: None }
    }

    /// For a request that its client names by a key.
    pub(super) fn with_key(self, key: Option<IdempotencyKey>) -> Self {
        Self { key, ..self }
    }

    fn reaches(&self, nuki_id: NukiId) -> bool {
        self.who.access().reaches(nuki_id)
    }

    /// Asks a lock for something, if it is in reach and that is allowed; else nothing is asked of it.
    fn ask<'a, T: Send + 'a>(
        &'a self,
        nuki_id: NukiId,
        is_allowed: bool,
        question: impl FnOnce(&'a dyn Doors) -> BoxFuture<'a, Result<T, GatewayError>>,
    ) -> BoxFuture<'a, Result<T, GatewayError>> {
        if !self.reaches(nuki_id) {
            return ready(Err(GatewayError::UnknownLock(nuki_id))).boxed();
        }
        if is_allowed { question(&*self.all) } else { ready(Err(GatewayError::NotAllowed)).boxed() }
    }

    fn may(&self, scope: Scope) -> bool {
        self.who.access().may(scope)
    }
}

impl Doors for ScopedDoors {
    fn locks(&self) -> Vec<Arc<LockSnapshot>> {
        self.all.locks().into_iter().filter(|lock| self.reaches(lock.nuki_id)).collect()
    }

    fn lock(&self, nuki_id: NukiId) -> Option<Arc<LockSnapshot>> {
        self.all.lock(nuki_id).filter(|_| self.reaches(nuki_id))
    }

    fn health(&self, nuki_id: NukiId) -> Option<LockHealth> {
        self.all.health(nuki_id).filter(|_| self.reaches(nuki_id))
    }

    fn scan_results(&self) -> Vec<ScanResult> {
        self.all.scan_results().into_iter().filter(|heard| self.reaches(heard.nuki_id)).collect()
    }

    fn radio(&self) -> Option<RadioHealth> {
        self.all.radio()
    }

    fn read_state(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<KeyturnerStates, GatewayError>> {
        self.ask(nuki_id, self.may(Scope::Read), move |all| all.read_state(nuki_id))
    }

    fn act<'a>(
        &'a self,
        nuki_id: NukiId,
        action: LockAction,
        asker: Asker<'a>,
        wait: WaitFor,
    ) -> BoxFuture<'a, Result<ActionOutcome, GatewayError>> {
        let is_opener = self.all.lock(nuki_id).is_some_and(|lock| lock.device_type == OPENER);
        // The key goes along here, so that an endpoint cannot forget it either.
        let asker = Asker { key: self.key, ..asker };
        self.ask(nuki_id, self.who.access().may_act(action, is_opener), move |all| {
            all.act(nuki_id, action, asker, wait)
        })
    }

    fn set_clock(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<ClockHealth, GatewayError>> {
        self.ask(nuki_id, self.may(Scope::Admin), move |all| all.set_clock(nuki_id))
    }

    fn change_code<'a>(
        &'a self,
        nuki_id: NukiId,
        change: CodeChange,
        asker: Asker<'a>,
    ) -> BoxFuture<'a, Result<Option<CodeId>, GatewayError>> {
        let asker = Asker { key: self.key, ..asker };
        self.ask(nuki_id, self.may(Scope::Admin), move |all| all.change_code(nuki_id, change, asker))
    }

    fn forget(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<(), GatewayError>> {
        self.ask(nuki_id, self.may(Scope::Admin), move |all| all.forget(nuki_id))
    }
}
