//! The HTTP API without a daemon around it. Benches are programs of their own, so each takes this file in.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use keyturner::clock::Clock;
use keyturner::delivery::{CallbackRules, Waker};
use keyturner::diagnostics::Diagnostics;
use keyturner::gateway::{
    ActionOutcome, Asker, ClockHealth, CodeChange, GatewayError, LockHealth, LockSnapshot, RadioHealth, ScanResult,
    WaitFor,
};
use keyturner::http::bridge::{AuthWindow, Bridge, BridgeSettings};
use keyturner::http::{AppState, Authenticator, BridgeIdentity, DEFAULT_WINDOW, Doors, Gate, News, PlainTokens, Token};
use keyturner::protocol::LockAction;
use keyturner::protocol::beacon::NukiId;
use keyturner::protocol::log::CodeId;
use keyturner::protocol::state::KeyturnerStates;
use keyturner::store::Store;

use crate::host::{NoHost, TOKEN};

/// Locks at which nothing happens, and which can do nothing.
struct Standing(Vec<Arc<LockSnapshot>>);

impl Doors for Standing {
    fn locks(&self) -> Vec<Arc<LockSnapshot>> {
        self.0.clone()
    }

    fn lock(&self, nuki_id: NukiId) -> Option<Arc<LockSnapshot>> {
        self.0.iter().find(|lock| lock.nuki_id == nuki_id).cloned()
    }

    fn radio(&self) -> Option<RadioHealth> {
        None
    }

    fn scan_results(&self) -> Vec<ScanResult> {
        Vec::new()
    }

    fn health(&self, _: NukiId) -> Option<LockHealth> {
        None
    }

    fn set_clock(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<ClockHealth, GatewayError>> {
        Box::pin(async move { Err(GatewayError::UnknownLock(nuki_id)) })
    }

    fn change_code<'a>(
        &'a self,
        nuki_id: NukiId,
        _: CodeChange,
        _: Asker<'a>,
    ) -> BoxFuture<'a, Result<Option<CodeId>, GatewayError>> {
        Box::pin(async move { Err(GatewayError::UnknownLock(nuki_id)) })
    }

    fn forget(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<(), GatewayError>> {
        Box::pin(async move { Err(GatewayError::UnknownLock(nuki_id)) })
    }

    fn read_state(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<KeyturnerStates, GatewayError>> {
        Box::pin(async move { Err(GatewayError::UnknownLock(nuki_id)) })
    }

    fn act<'a>(
        &'a self,
        nuki_id: NukiId,
        _: LockAction,
        _: Asker<'a>,
        _: WaitFor,
    ) -> BoxFuture<'a, Result<ActionOutcome, GatewayError>> {
        Box::pin(async move { Err(GatewayError::UnknownLock(nuki_id)) })
    }
}

/// What the server works on, with these locks.
pub(crate) fn state(store: Store, locks: Vec<LockSnapshot>) -> AppState {
    let clock = Clock::system();
    let token = Token::new("bench", TOKEN).unwrap();
    AppState {
        gateway: Arc::new(Standing(locks.into_iter().map(Arc::new).collect())),
        store,
        gate: Arc::new(Gate::new(Authenticator::new(vec![token], DEFAULT_WINDOW, clock.wall()), PlainTokens::Always)),
        clock,
        identity: BridgeIdentity::new(1, 2),
        callbacks: CallbackRules::default().into(),
        delivery: Waker::new(),
        news: News::new(),
        bridge: Bridge {
            settings: BridgeSettings::default().into(),
            window: AuthWindow::new(false),
            host: Arc::new(NoHost),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        },
        diagnostics: Diagnostics::default(),
        metrics: keyturner::metrics::Metrics::default(),
        config: keyturner::config::ConfigStatus::default(),
        certificates: None,
    }
}
