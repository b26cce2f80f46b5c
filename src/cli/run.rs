//! `keyturner run`.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::claim::{Claim, Held};
use super::config::ConfigArgs;
use super::host::Process;
use super::reload::{Fixed, reload};
use super::service::{self, Service};
use super::{DataArgs, fresh_seed, stop_signal};
use crate::clock::Clock;
use crate::config::{ConfigError, Loaded, TlsConfig};
use crate::daemon::{Daemon, Parts};
use crate::delivery::webhook::ReadSecrets;
use crate::gateway::PairedLock;
use crate::http::{BridgeIdentity, TlsFiles};
use crate::pins;
use crate::secrets::{LockSecret, Place, Secrets};
use crate::store::Store;
use crate::tokens;
use crate::transport::bluez::{BluezOptions, BluezTransport};

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) data: DataArgs,
    #[command(flatten)]
    config: ConfigArgs,
    /// Address and port of the HTTP API; overrides the configuration
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Bluetooth adapter such as hci0, once or several times, the preferred one first; overrides the configuration
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    adapter: Vec<String>,
}

impl RunArgs {
    /// The configuration with what the command line says instead.
    pub(super) fn load(&self) -> Result<Loaded, ConfigError> {
        let mut loaded = self.config.load()?;
        if let Some(listen) = self.listen {
            loaded.config.listen = listen;
        }
        if !self.adapter.is_empty() {
            loaded.config.adapter.clone_from(&self.adapter);
        }
        Ok(loaded)
    }
}

/// Why a gateway has stopped in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Whoever started this process wants it to end.
    Signal,
    /// A client wants it started anew.
    Restart,
}

pub(super) async fn run(args: RunArgs) -> anyhow::Result<()> {
    // Makes the directory at the first start.
    Secrets::load_or_create(args.data.place())?;
    args.data.place().note()?;
    // Two gateways on one event log would both answer each beacon.
    let _only_one = Claim::take(&args.data.data, Held::ByGateway)?;
    let process = Arc::new(Process::new(args.data.place()));
    // From here on, before it ends a process that does not expect it.
    let mut hangups = signal(SignalKind::hangup()).context("cannot wait for signals")?;
    while serve(&args, &process, &mut hangups).await? == Ended::Restart {
        info!("starting again, as a client wants it");
    }
    info!("stopped");
    Ok(())
}

/// One life of the gateway: configuration, secrets and event log as they are now.
async fn serve(args: &RunArgs, process: &Arc<Process>, hangups: &mut Signal) -> anyhow::Result<Ended> {
    let Loaded { config, file, ignored, .. } = args.load()?;
    for line in ignored {
        warn!("{line}");
    }
    let fixed = Fixed::of(&config);
    let store = Store::open(&args.data.database()).await?;
    // In this order, a PIN that is set meanwhile is noticed.
    let pins_set = store.pins_set().await?;
    let place = args.data.place();
    let secrets_version = Secrets::version(place.clone())?;
    let secrets = Secrets::load_or_create(place.clone())?;
    let locks: Vec<PairedLock> = secrets.locks().iter().map(|lock| paired(lock, secrets.app_id)).collect();
    if locks.is_empty() {
        warn!("no lock is paired yet; stop this, run `keyturner pair`, then start again");
    }
    let seed = seed_source()?;
    let tls = match config.tls {
        Some(tls) => Some((tls.listen, tls_files(&args.data, tls)?)),
        None => None,
    };
    let daemon = Daemon::start(Parts {
        listen: config.listen,
        tls,
        hosts: config.hosts,
        transport: Arc::new(BluezTransport::new(BluezOptions {
            adapters: config.adapter,
            known: locks.iter().map(|lock| lock.address).collect(),
        })),
        locks,
        store: store.clone(),
        webhook_secrets: webhook_secrets(place.clone()),
        repeat_window: config.actions.repeat_window,
        callbacks: config.callbacks,
        retention: config.retention,
        tokens: tokens::of(&secrets)?,
        plain_tokens: config.plain_tokens,
        identity: BridgeIdentity::new(secrets.bridge.hardware_id, secrets.bridge.server_id),
        bridge: config.bridge,
        host: process.clone(),
        clock: Clock::system(),
        seed,
    })
    .await?;
    if let Some(address) = daemon.tls_address() {
        info!(%address, "TLS is served");
    }
    info!(address = %daemon.address(), "ready");
    let service = Service::new(daemon.gateway(), daemon.pulses());
    let pins = tokio::spawn(pins::watch(place.clone(), store, daemon.gateway(), pins_set));
    let tokens = tokio::spawn(tokens::watch(place, daemon.keys(), secrets_version));
    let settings = daemon.settings();
    settings.status().loaded(file, Clock::system().wall(), Vec::new());
    let mut ended = Ok(Ended::Signal);
    daemon
        .run_until(async {
            // One future for all of it: a signal to stop that comes while something is read again must not be lost.
            let mut stop = std::pin::pin!(stop_signal());
            let mut telling = std::pin::pin!(service.tell());
            ended = loop {
                tokio::select! {
                    never = &mut telling => match never {},
                    signal = &mut stop => break signal.map(|()| Ended::Signal).context("cannot wait for signals"),
                    () = process.restart_wanted() => break Ok(Ended::Restart),
                    Some(()) = hangups.recv() => {
                        service::reloading();
                        reload(args, &fixed, &settings).await;
                        service::reloaded();
                    }
                }
            };
            if !matches!(ended, Ok(Ended::Restart)) {
                service::stopping();
            }
        })
        .await?;
    pins.abort();
    tokens.abort();
    ended
}

/// Seeds for sessions. The first is drawn here, so that a system without randomness is noticed at the start.
pub(super) fn seed_source() -> anyhow::Result<Arc<dyn Fn() -> [u8; 32] + Send + Sync>> {
    use rand_core::{RngCore, SeedableRng};
    let rng = std::sync::Mutex::new(rand_chacha::ChaCha20Rng::from_seed(fresh_seed()?));
    Ok(Arc::new(move || {
        let mut seed = [0; 32];
        rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill_bytes(&mut seed);
        seed
    }))
}

/// Reads the secrets of webhooks anew each time, because another process adds and removes them.
pub(super) fn webhook_secrets(place: impl Into<Place>) -> ReadSecrets {
    let place = place.into();
    Arc::new(move || Ok(Secrets::load(place.clone())?.map(|secrets| secrets.webhooks().to_vec()).unwrap_or_default()))
}

/// What the gateway needs of a lock's secrets.
pub(super) fn paired(lock: &LockSecret, app_id: u32) -> PairedLock {
    PairedLock {
        nuki_id: lock.nuki_id,
        address: lock.address,
        name: lock.name.clone(),
        generation: lock.generation,
        auth_id: lock.auth_id,
        id_type: lock.id_type,
        key: lock.shared_key.clone(),
        app_id,
        pin: lock.pin,
    }
}

/// Certificate and key, wherever systemd has put them.
pub(super) fn tls_files(data: &DataArgs, tls: TlsConfig) -> anyhow::Result<TlsFiles> {
    Ok(TlsFiles { certificate: data.file(tls.certificate)?, key: data.file(tls.key)? })
}
