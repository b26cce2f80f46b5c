//! The wiring: radio, gateway, store, delivery and HTTP put together, started and stopped in order.

mod house;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::warn;

use crate::clock::Clock;
use crate::delivery::webhook::{self, HttpsPost, ReadSecrets, Webhooks};
use crate::delivery::{self, HttpPost, Waker, Workers};
use crate::gateway::{Gateway, GatewayHandle, PairedLock, Tools};
use crate::http::{self, AppState, Authenticator, BridgeIdentity, DEFAULT_WINDOW, Gate, News, PlainTokens, Token};
use crate::store::{RetentionRules, Store, StoreError};
use crate::transport::Transport;

/// Running requests are answered by then; an action may take so long.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

/// What a daemon is made of.
pub struct Parts {
    /// Where the HTTP API listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Every paired lock.
    pub locks: Vec<PairedLock>,
    /// The radio.
    pub transport: Arc<dyn Transport>,
    /// The event log.
    pub store: Store,
    /// Where webhooks go and what their receivers know us by.
    pub webhook_secrets: ReadSecrets,
    /// How long it is kept.
    pub retention: RetentionRules,
    /// Who may use the HTTP API.
    pub tokens: Vec<Token>,
    /// Where a client may send its token as it is.
    pub plain_tokens: PlainTokens,
    /// By which numbers clients recognise this bridge.
    pub identity: BridgeIdentity,
    /// Time.
    pub clock: Clock,
    /// Fresh randomness.
    pub seed: Arc<dyn Fn() -> [u8; 32] + Send + Sync>,
}

/// Why a daemon cannot start or stopped.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The event log cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; another program may use it, choose another one with --listen")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The HTTP server ended by itself.
    #[error("the HTTP server failed: {0}")]
    Http(tokio::task::JoinError),
}

/// A running daemon.
pub struct Daemon {
    gateway: Gateway,
    workers: Workers,
    webhooks: Webhooks,
    housekeeping: JoinSet<()>,
    store: Store,
    server: JoinHandle<()>,
    stop_server: oneshot::Sender<()>,
    gate: Arc<Gate>,
    news: News,
    address: SocketAddr,
}

/// To change who may ask while the daemon runs. To be cloned freely.
#[derive(Debug, Clone)]
pub struct Keys {
    gate: Arc<Gate>,
    news: News,
}

impl Keys {
    /// From now on these tokens count and no other; live streams of a token that is gone end.
    pub fn set_tokens(&self, tokens: Vec<Token>) {
        if self.gate.set_tokens(tokens) {
            self.news.ask_again();
        }
    }
}

impl Daemon {
    /// Starts everything; when it returns, the API answers.
    ///
    /// # Errors
    /// [`DaemonError`] when the database or the address cannot be used.
    pub async fn start(parts: Parts) -> Result<Self, DaemonError> {
        let listen_error = |source| DaemonError::Listen { address: parts.listen, source };
        let listener = TcpListener::bind(parts.listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let (waker, news) = (Waker::new(), News::new());
        let committed = (waker.clone(), news.clone());
        let tools = Tools {
            store: parts.store.clone(),
            clock: parts.clock,
            seed: parts.seed.clone(),
            callback_body: |lock, states, event| {
                http::bridge::wire::callback_body(states, lock.nuki_id, lock.device_type, lock.has_keypad, event)
            },
            committed: Arc::new(move || {
                committed.0.wake();
                committed.1.tell();
            }),
        };
        let gateway = Gateway::start(parts.locks, parts.transport, tools).await?;
        let workers = delivery::start(&parts.store, &HttpPost::default(), parts.clock, &waker);
        let webhook_tools = webhook::Tools {
            store: parts.store.clone(),
            clock: parts.clock,
            post: HttpsPost::default(),
            secrets: parts.webhook_secrets,
            entry_json: http::entry_json,
            seed: parts.seed,
            look_every: webhook::LOOK_EVERY,
        };
        let webhooks = webhook::start(webhook_tools, &waker);
        let mut housekeeping = JoinSet::new();
        housekeeping.spawn(house::keep(parts.store.clone(), parts.retention, parts.clock));
        let store = parts.store.clone();
        let mut auth = Authenticator::new(parts.tokens, DEFAULT_WINDOW, parts.clock.wall());
        let kept = parts.store.take_used_credentials().await?;
        auth.resume(kept.as_ref(), parts.store.token_uses().await?.into_values().max());
        let gate = Arc::new(Gate::new(auth, parts.plain_tokens));
        let router = http::router(AppState {
            gateway: Arc::new(gateway.handle.clone()),
            store: parts.store,
            gate: Arc::clone(&gate),
            clock: parts.clock,
            identity: parts.identity,
            delivery: waker,
            news: news.clone(),
        });
        housekeeping.spawn(house::note_uses(store.clone(), Arc::clone(&gate)));
        let (stop_server, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(http::serve(listener, router, async {
            // A dropped sender means stop as well.
            stopped.await.ok();
        }));
        Ok(Self { gateway, workers, webhooks, housekeeping, store, server, stop_server, gate, news, address })
    }

    /// Where the API listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// To ask the gateway without HTTP.
    #[must_use]
    pub fn gateway(&self) -> GatewayHandle {
        self.gateway.handle.clone()
    }

    /// To change who may ask.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys { gate: Arc::clone(&self.gate), news: self.news.clone() }
    }

    /// Waits until `until` is done or the HTTP server fails, then stops everything: no new requests, running ones are answered, links are ended.
    ///
    /// # Errors
    /// [`DaemonError::Http`] when the server failed.
    pub async fn run_until(mut self, until: impl Future<Output = ()>) -> Result<(), DaemonError> {
        let ended = tokio::select! {
            () = until => None,
            ended = &mut self.server => Some(ended),
        };
        let server_result = match ended {
            Some(ended) => ended,
            None => {
                // The receiver is gone only if the server has ended, which is what is wanted.
                self.stop_server.send(()).ok();
                self.news.end();
                match timeout(ANSWERED_WITHIN, &mut self.server).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        warn!("a client does not take its answer; it is left alone");
                        self.server.abort();
                        Ok(())
                    }
                }
            }
        };
        // A client that was left alone may still send something; nothing that is used once is taken from here on.
        let used = self.gate.close();
        self.gateway.stop().await;
        self.workers.stop().await;
        self.webhooks.stop().await;
        self.housekeeping.shutdown().await;
        house::keep_credentials(&self.store, &self.gate, &used).await;
        house::note_head(&self.store).await;
        server_result.map_err(DaemonError::Http)
    }
}
