//! The wiring: radio, gateway, store, delivery and HTTP put together, started and stopped in order.

mod house;
mod lines;
mod settings;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::warn;

use crate::clock::Clock;
use crate::config::ConfigStatus;
use crate::delivery::webhook::{self, HttpsPost, ReadSecrets, Webhooks};
use crate::delivery::{self, CallbackRules, HttpPost, Waker, Workers};
use crate::diagnostics::Diagnostics;
use crate::gateway::{Gateway, GatewayHandle, PairedLock, Tools};
use crate::http::bridge::{AuthWindow, Bridge, BridgeSettings, Host};
use crate::http::{
    self, AppState, Authenticator, BridgeIdentity, Certificates, DEFAULT_WINDOW, Entrance, Gate, News, PlainTokens,
    TlsError, TlsFiles, Token,
};
use crate::live::Live;
use crate::metrics::{MeasuredOutbox, MeasuredPost, Metrics};
use crate::pulse::Pulses;
use crate::store::{RetentionRules, Store, StoreError};
use crate::transport::Transport;
use lines::Lines;

pub use settings::{Changes, Settings};

/// An action that is under way when the daemon stops may be finished in this time; after it, its end is unknown.
const FINISHED_WITHIN: Duration = Duration::from_millis(2_700);
/// Whoever waits has been answered, and takes the answer by then.
const ANSWERED_WITHIN: Duration = Duration::from_millis(500);

/// What a daemon is made of.
pub struct Parts {
    /// Where the HTTP API listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where it listens with TLS, and with which files.
    pub tls: Option<(SocketAddr, TlsFiles)>,
    /// Names of this machine under which browsers may ask for it.
    pub hosts: Vec<String>,
    /// Every paired lock.
    pub locks: Vec<PairedLock>,
    /// The radio.
    pub transport: Arc<dyn Transport>,
    /// The event log.
    pub store: Store,
    /// Where webhooks go and what their receivers know us by.
    pub webhook_secrets: ReadSecrets,
    /// For so long after its end, the same action asked for by the same client is its repetition.
    pub repeat_window: Duration,
    /// What receivers of callbacks get.
    pub callbacks: CallbackRules,
    /// How long it is kept.
    pub retention: RetentionRules,
    /// Who may use the HTTP API.
    pub tokens: Vec<Token>,
    /// Where a client may send its token as it is.
    pub plain_tokens: PlainTokens,
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
    /// There is no TLS with these files.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no TLS at all.
    #[error("TLS cannot be set up: {0}")]
    TlsProvider(rustls::Error),
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
    lines: Arc<Lines>,
    store: Store,
    server: JoinHandle<()>,
    stop_server: oneshot::Sender<()>,
    gate: Arc<Gate>,
    news: News,
    window: AuthWindow,
    pulses: Pulses,
    settings: Settings,
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), DaemonError> {
    let error = |source| DaemonError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(error)?;
    let address = listener.local_addr().map_err(error)?;
    Ok((listener, address))
}

/// To change who may ask while the daemon runs. To be cloned freely.
#[derive(Debug, Clone)]
pub struct Keys {
    gate: Arc<Gate>,
    news: News,
}

impl Keys {
    /// To this gate, and to the streams that these news feed.
    #[must_use]
    pub const fn new(gate: Arc<Gate>, news: News) -> Self {
        Self { gate, news }
    }

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
        let (listener, address) = listen(parts.listen).await?;
        let pulses = Pulses::default();
        let mut entrances = vec![Entrance::plain(listener, pulses.begin("http"))];
        let (mut tls_address, mut certificates) = (None, None);
        if let Some((at, files)) = parts.tls {
            let loaded = Certificates::load(files)?;
            let (listener, address) = listen(at).await?;
            let entrance = Entrance::tls(listener, &loaded, pulses.begin("https"));
            entrances.push(entrance.map_err(DaemonError::TlsProvider)?);
            (tls_address, certificates) = (Some(address), Some(loaded));
        }
        let (waker, news, diagnostics) = (Waker::new(), News::new(), Diagnostics::default());
        let metrics = Metrics::default();
        let (repeat_window, callbacks) = (Live::from(parts.repeat_window), Live::from(parts.callbacks));
        let (retention, bridge_settings) = (Live::from(parts.retention), Live::from(parts.bridge));
        let status = ConfigStatus::default();
        let lines = Arc::new(Lines::begin(parts.store.clone(), parts.clock).await?);
        let committed = (waker.clone(), news.clone(), Arc::clone(&lines));
        let tools = Tools {
            store: parts.store.clone(),
            clock: parts.clock,
            seed: parts.seed.clone(),
            callback_body: http::bridge::wire::callback_body,
            repeat_window: repeat_window.clone(),
            committed: Arc::new(move || {
                committed.0.wake();
                committed.1.tell();
                committed.2.wake();
            }),
            diagnostics: diagnostics.clone(),
            pulses: pulses.clone(),
            metrics: metrics.clone(),
        };
        parts.store.set_bare_callbacks(|url| callbacks.get().is_bare_url(url)).await?;
        let window = AuthWindow::new(parts.store.auth_enabled().await?);
        let bridge =
            Bridge { settings: bridge_settings.clone(), window: window.clone(), host: parts.host, listen: address };
        let gateway = Gateway::start(parts.locks, parts.transport, tools).await?;
        let outbox = MeasuredOutbox::new(parts.store.clone(), metrics.clone(), parts.clock);
        let workers = delivery::start(&outbox, &HttpPost::default(), parts.clock, &waker, &pulses);
        let webhook_tools = webhook::Tools {
            store: parts.store.clone(),
            clock: parts.clock,
            post: MeasuredPost::new(HttpsPost::default(), metrics.clone()),
            secrets: parts.webhook_secrets,
            entry_json: http::entry_json,
            seed: parts.seed,
            look_every: webhook::LOOK_EVERY,
            pulses: pulses.clone(),
        };
        let webhooks = webhook::start(webhook_tools, &waker);
        let mut housekeeping = JoinSet::new();
        let followed = Arc::clone(&lines);
        housekeeping.spawn(async move { followed.follow().await });
        housekeeping.spawn(house::keep(parts.store.clone(), retention.clone(), parts.clock));
        let store = parts.store.clone();
        let mut auth = Authenticator::new(parts.tokens, DEFAULT_WINDOW, parts.clock.wall());
        let kept = parts.store.take_used_credentials().await?;
        auth.resume(kept.as_ref(), parts.store.token_uses().await?.into_values().max());
        let gate = Arc::new(Gate::new(auth, parts.plain_tokens).with_hosts(parts.hosts));
        let router = http::router(AppState {
            gateway: Arc::new(gateway.handle.clone()),
            store: parts.store,
            gate: Arc::clone(&gate),
            clock: parts.clock,
            identity: parts.identity,
            callbacks: callbacks.clone(),
            delivery: waker,
            news: news.clone(),
            bridge,
            diagnostics,
            metrics,
            config: status.clone(),
            certificates: certificates.clone(),
        });
        let settings = Settings {
            gate: Arc::clone(&gate),
            store: store.clone(),
            callbacks,
            retention,
            repeat_window,
            bridge: bridge_settings,
            certificates: certificates.clone(),
            status,
        };
        if let Some(certificates) = certificates {
            housekeeping.spawn(certificates.watch());
        }
        housekeeping.spawn(house::note_uses(store.clone(), Arc::clone(&gate)));
        let (stop_server, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(http::serve_all(entrances, router, async {
            // A dropped sender means stop as well.
            stopped.await.ok();
        }));
        Ok(Self {
            gateway,
            workers,
            webhooks,
            housekeeping,
            lines,
            store,
            server,
            stop_server,
            gate,
            news,
            window,
            pulses,
            settings,
            address,
            tls_address,
        })
    }

    /// Where the API listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the API listens with TLS.
    #[must_use]
    pub const fn tls_address(&self) -> Option<SocketAddr> {
        self.tls_address
    }

    /// To ask the gateway without HTTP.
    #[must_use]
    pub fn gateway(&self) -> GatewayHandle {
        self.gateway.handle.clone()
    }

    /// Which of its loops turn.
    #[must_use]
    pub fn pulses(&self) -> Pulses {
        self.pulses.clone()
    }

    /// To change what can be changed while it runs.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings.clone()
    }

    /// To change who may ask.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys::new(Arc::clone(&self.gate), self.news.clone())
    }

    /// Waits until `until` is done or the HTTP server fails, then stops everything within five seconds: no new requests;
    /// an action that is under way is finished, or written down as unknown where that takes too long; links are ended.
    ///
    /// # Errors
    /// [`DaemonError::Http`] when the server failed.
    pub async fn run_until(mut self, until: impl Future<Output = ()>) -> Result<(), DaemonError> {
        let mut ended = tokio::select! {
            () = until => None,
            ended = &mut self.server => Some(ended),
        };
        if ended.is_none() {
            // The receiver is gone only if the server has ended, which is what is wanted.
            self.stop_server.send(()).ok();
            self.news.end();
            self.window.end();
            ended = timeout(FINISHED_WITHIN, &mut self.server).await.ok();
        }
        // A client that still waits may send something; nothing that is used once is taken from here on.
        let used = self.gate.close();
        // Whoever waits for an action is answered here.
        self.gateway.stop().await;
        let server_result = match ended {
            Some(ended) => ended,
            None => timeout(ANSWERED_WITHIN, &mut self.server).await.unwrap_or_else(|_| {
                warn!("a client does not take its answer; it is left alone");
                self.server.abort();
                Ok(())
            }),
        };
        self.workers.stop().await;
        self.webhooks.stop().await;
        self.housekeeping.shutdown().await;
        self.lines.catch_up().await;
        house::keep_credentials(&self.store, &self.gate, &used).await;
        house::note_head(&self.store).await;
        server_result.map_err(DaemonError::Http)
    }
}
