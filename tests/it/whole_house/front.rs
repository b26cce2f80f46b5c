//! The way in: the real routes behind real credentials, only the network is left out. Clients come through it, and strangers.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use keyturner::access::{Access, Scope};
use keyturner::clock::{Clock, UnixMillis};
use keyturner::delivery::{CallbackRules, Waker};
use keyturner::diagnostics::Diagnostics;
use keyturner::gateway::Gateway;
use keyturner::http::bridge::{AuthWindow, Bridge, BridgeSettings};
use keyturner::http::{
    AppState, Authenticator, BridgeIdentity, DEFAULT_WINDOW, Gate, News, Peer, PlainTokens, Token, USES_NOTED_EVERY,
    router,
};
use keyturner::metrics::Metrics;
use keyturner::protocol::{LockAction, OpenerAction};
use keyturner::store::Store;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use crate::http_support::FakeHost;
use crate::support::listener::listen;

/// Asks as the vendor's clients do, with credentials that count once.
pub(crate) const BRIDGE: &str = "bridge client";
/// May look, and nothing else.
pub(crate) const READER: &str = "reader";
/// May do everything at the first door.
pub(crate) const NEIGHBOUR: &str = "neighbour";
const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// The secret of a token.
pub(crate) fn secret(name: &str) -> String {
    format!("the-secret-of-{}", name.replace(' ', "-"))
}

/// Some secrets that nothing may say: those that last a whole life, and a client's.
pub(crate) fn secrets() -> [String; 4] {
    [BRIDGE, READER, NEIGHBOUR, "client 0"].map(secret)
}

/// Those of so many clients, who have one each.
fn tokens(clients: usize, first_door: u32) -> Vec<Token> {
    let token = |name: &str, access| Token::limited(name, secret(name), access, None).unwrap();
    let neighbour = Access::new(Scope::ALL, Some(BTreeSet::from([first_door])));
    let others = [(BRIDGE, Access::full()), (READER, Access::new([Scope::Read], None)), (NEIGHBOUR, neighbour)];
    let clients = (0..clients).map(|number| token(&format!("client {number}"), Access::full()));
    clients.chain(others.map(|(name, access)| token(name, access))).collect()
}

/// What somebody was answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) outcome: String,
    pub(crate) message: String,
}

impl Reply {
    pub(crate) fn is_done(&self) -> bool {
        self.outcome == "done"
    }

    /// It says that nothing was done.
    pub(crate) fn is_denial(&self) -> bool {
        self.message.contains("no link in time") || self.message.contains("show that it was not done")
    }

    /// Whoever asked was let in, whatever came of it.
    pub(crate) const fn is_admitted(&self) -> bool {
        !matches!(self.status, 401 | 403 | 404 | 429)
    }
}

/// A request with a credential that counts once, which others on the way have read.
#[derive(Debug, Clone)]
pub(crate) struct Overheard {
    pub(crate) path: String,
    /// How often whoever sent it was let in.
    pub(crate) admitted: u32,
}

/// One action of a lock, as the vendor's clients ask for it at this time.
pub(crate) fn hashed(nuki_id: u32, action: LockAction, at: UnixMillis, rnr: u64) -> Overheard {
    let ts = format!("{}Z", at.rfc3339().split(['.', 'Z']).next().unwrap());
    let digest = Sha256::digest(format!("{ts},{rnr},{}", secret(BRIDGE)));
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let action = action.code();
    let path = format!("/lockAction?nukiId={nuki_id}&action={action}&ts={ts}&rnr={rnr}&hash={hash}");
    Overheard { path, admitted: 0 }
}

/// Who asks, from where.
pub(crate) fn stranger(last: u8) -> Peer {
    let address = SocketAddr::from(([192, 168, 0, last], 50_000));
    Peer { address, is_local: false, is_encrypted: true }
}

const fn at_home() -> Peer {
    Peer { address: HERE, is_local: true, is_encrypted: false }
}

/// From one start of the gateway to its end.
#[derive(Clone)]
pub(crate) struct Front {
    router: TowerToHyperService<Router>,
    gate: Arc<Gate>,
    first_door: u32,
}

impl Front {
    /// As the daemon opens it.
    pub(crate) async fn open(
        gateway: &Gateway,
        store: &Store,
        clock: Clock,
        waker: &Waker,
        first_door: u32,
        clients: usize,
    ) -> (Self, JoinHandle<()>) {
        listen(secrets());
        let mut auth = Authenticator::new(tokens(clients, first_door), DEFAULT_WINDOW, clock.wall());
        let kept = store.take_used_credentials().await.unwrap();
        auth.resume(kept.as_ref(), store.token_uses().await.unwrap().into_values().max());
        let gate = Arc::new(Gate::new(auth, PlainTokens::Local));
        let bridge = Bridge {
            settings: BridgeSettings::default().into(),
            window: AuthWindow::new(false),
            host: Arc::new(FakeHost::default()),
            listen: HERE,
        };
        let app = AppState {
            gateway: Arc::new(gateway.handle.clone()),
            store: store.clone(),
            gate: Arc::clone(&gate),
            clock,
            identity: BridgeIdentity::new(1_013_065_235, 1_754_925_342),
            callbacks: CallbackRules::default().into(),
            delivery: waker.clone(),
            news: News::new(),
            bridge,
            diagnostics: Diagnostics::default(),
            metrics: Metrics::default(),
            config: keyturner::config::ConfigStatus::default(),
            certificates: None,
        };
        let (noting, noted) = (store.clone(), Arc::clone(&gate));
        let uses = tokio::spawn(async move {
            loop {
                tokio::time::sleep(USES_NOTED_EVERY).await;
                note_uses(&noting, &noted).await;
            }
        });
        (Self { router: TowerToHyperService::new(router(app)), gate, first_door }, uses)
    }

    /// One more client has a token.
    pub(crate) fn add_client(&self, clients: usize) {
        self.gate.set_tokens(tokens(clients, self.first_door));
    }

    /// What an orderly stop leaves for the next start.
    pub(crate) async fn close(&self, store: &Store) {
        let used = self.gate.close();
        note_uses(store, &self.gate).await;
        // Without it, the next start refuses what was made before it.
        store.keep_used_credentials(&used).await.ok();
    }

    async fn ask(&self, request: axum::http::request::Builder, body: Body, from: Peer) -> Reply {
        let mut request = request.header("Host", HERE.to_string()).body(body).unwrap();
        request.extensions_mut().insert(from);
        let response = self.router.call(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Reply { status, outcome: text("outcome"), message: text("message") }
    }

    /// Asks for an action under a key that has the client's name.
    pub(crate) async fn act(&self, nuki_id: u32, action: LockAction, is_opener: bool, client: &str) -> Reply {
        self.act_as(nuki_id, action, is_opener, client, &secret(client), at_home()).await
    }

    pub(crate) async fn act_as(
        &self,
        nuki_id: u32,
        action: LockAction,
        is_opener: bool,
        key: &str,
        token: &str,
        from: Peer,
    ) -> Reply {
        let name = if is_opener { OpenerAction::from_code(action.code()).to_string() } else { action.to_string() };
        let request = axum::http::Request::post(format!("/v1/locks/{nuki_id}/actions"))
            .header("Authorization", format!("Bearer {token}"))
            .header("Idempotency-Key", key)
            .header("Content-Type", "application/json");
        self.ask(request, Body::from(format!("{{\"action\": \"{name}\"}}")), from).await
    }

    /// Sends what may have been sent before, and counts whether it is taken.
    pub(crate) async fn send(&self, overheard: &Mutex<Vec<Overheard>>, number: usize, from: Peer) {
        let path = overheard.lock().unwrap()[number].path.clone();
        let reply = self.ask(axum::http::Request::get(path), Body::empty(), from).await;
        if reply.is_admitted() {
            overheard.lock().unwrap()[number].admitted += 1;
        }
    }
}

async fn note_uses(store: &Store, gate: &Gate) {
    let uses = gate.take_uses();
    if !uses.is_empty() {
        // As the daemon, which tells its owner and goes on.
        store.note_token_uses(&uses).await.ok();
    }
}

/// How long a stranger waits before sending what was overheard once more.
pub(crate) const REPLAYED_AFTER: [Duration; 4] =
    [Duration::from_millis(10), Duration::from_secs(3), Duration::from_secs(50), Duration::from_secs(5_000)];
