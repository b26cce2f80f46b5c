//! The wiring: radio, gateway, store, delivery and HTTP put together, started and stopped in order.

mod house;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::warn;

use crate::clock::Clock;
use crate::delivery::webhook::{self, HttpsPost, ReadSecrets, Webhooks};
use crate::delivery::{self, HttpPost, Waker, Workers};
use crate::diagnostics::Diagnostics;
use crate::gateway::{Gateway, GatewayHandle, PairedLock, Tools};
use crate::http::bridge::{AuthWindow, Bridge, BridgeSettings, Host};
use crate::http::{self, AppState, Authenticator, BridgeIdentity, DEFAULT_WINDOW, News, Token};
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
    /// By which numbers clients recognise this bridge.
    pub identity: BridgeIdentity,
    /// What its clients may expect.
    pub bridge: BridgeSettings,
    /// The process around it.
    pub host: Arc<dyn Host>,
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
    Http(std::io::Error),
}

/// A running daemon.
pub struct Daemon {
    gateway: Gateway,
    workers: Workers,
    webhooks: Webhooks,
    housekeeping: JoinSet<()>,
    store: Store,
    server: JoinHandle<std::io::Result<()>>,
    stop_server: oneshot::Sender<()>,
    news: News,
    window: AuthWindow,
    address: SocketAddr,
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
        let (waker, news, diagnostics) = (Waker::new(), News::new(), Diagnostics::default());
        let committed = (waker.clone(), news.clone());
        let tools = Tools {
            store: parts.store.clone(),
            clock: parts.clock,
            seed: parts.seed.clone(),
            callback_body: http::bridge::wire::callback_body,
            committed: Arc::new(move || {
                committed.0.wake();
                committed.1.tell();
            }),
            diagnostics: diagnostics.clone(),
        };
        let window = AuthWindow::new(parts.store.auth_enabled().await?);
        let bridge = Bridge { settings: parts.bridge, window: window.clone(), host: parts.host, listen: address };
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
        let router = http::router(AppState {
            gateway: Arc::new(gateway.handle.clone()),
            store: parts.store,
            auth: Arc::new(Mutex::new(Authenticator::new(parts.tokens, DEFAULT_WINDOW, parts.clock.wall()))),
            clock: parts.clock,
            identity: parts.identity,
            delivery: waker,
            news: news.clone(),
            bridge,
            diagnostics,
        });
        let (stop_server, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(http::serve(listener, router, async {
            // A dropped sender means stop as well.
            stopped.await.ok();
        }));
        Ok(Self { gateway, workers, webhooks, housekeeping, store, server, stop_server, news, window, address })
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
                self.window.end();
                match timeout(ANSWERED_WITHIN, &mut self.server).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        warn!("a client does not take its answer; it is left alone");
                        self.server.abort();
                        Ok(Ok(()))
                    }
                }
            }
        };
        self.gateway.stop().await;
        self.workers.stop().await;
        self.webhooks.stop().await;
        self.housekeeping.shutdown().await;
        house::note_head(&self.store).await;
        match server_result {
            Ok(result) => result.map_err(DaemonError::Http),
            Err(panic) => Err(DaemonError::Http(std::io::Error::other(panic))),
        }
    }
}
