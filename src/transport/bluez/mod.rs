//! The real radio: BlueZ over D-Bus.
//!
//! Three rules hold everywhere here. Every call has our own time limit
//! (`limits`), because BlueZ and D-Bus wait for minutes. Nothing is left
//! half open: whoever drops a future or a link causes a disconnect in the
//! background. And a link to a device is not opened before the last one to it
//! is closed, so that a late disconnect cannot hit the next connection.

mod connect;
mod errors;
pub(crate) mod limits;
mod link;
mod probe;
mod scan;
mod table;

#[cfg(any(test, fuzzing))]
pub(crate) use scan::fuzzing;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bluer::{Adapter, DiscoveryFilter, DiscoveryTransport, Session};
use futures::future::BoxFuture;
use tokio::sync::{OwnedMutexGuard, mpsc, watch};
use tokio::time::Instant;

use super::{Address, Link, Purpose, Sighting, Transport, TransportError, TransportErrorKind};
pub(crate) use errors::{Stage, elapsed, explain, is_missing, translate};
pub use probe::{AdapterFacts, look_at_adapter};
use table::Tables;

/// How to reach the radio.
#[derive(Debug, Clone, Default)]
pub struct BluezOptions {
    /// Names such as `hci1`, the preferred one first; without any, `hci0`, or the first one where that does not exist.
    pub adapters: Vec<String>,
    /// Devices that are always followed while scanning, however many others pretend to be locks.
    pub known: Vec<Address>,
}

/// BlueZ as a [`Transport`]. Clones share one D-Bus connection.
#[derive(Clone)]
pub struct BluezTransport {
    shared: Arc<Shared>,
}

impl BluezTransport {
    /// A transport that connects to bluetoothd when it is used first, and anew whenever that is lost.
    #[must_use]
    pub fn new(options: BluezOptions) -> Self {
        Self {
            shared: Arc::new(Shared {
                adapters: options.adapters,
                shunned: Mutex::default(),
                in_use: Mutex::default(),
                radio: tokio::sync::Mutex::new(None),
                known: Mutex::new(options.known.into_iter().collect()),
                slots: Mutex::new(HashMap::new()),
                attempt: Arc::new(tokio::sync::Mutex::new(())),
                silence: watch::Sender::new(0),
                tables: Tables::default(),
            }),
        }
    }
}

impl std::fmt::Debug for BluezTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BluezTransport").field("adapters", &self.shared.adapters).finish_non_exhaustive()
    }
}

impl Transport for BluezTransport {
    fn scan(&self) -> BoxFuture<'_, Result<mpsc::Receiver<Sighting>, TransportError>> {
        Box::pin(scan::start(Arc::clone(&self.shared)))
    }

    fn connect(&self, address: Address, purpose: Purpose) -> BoxFuture<'_, Result<Link, TransportError>> {
        Box::pin(connect::open(Arc::clone(&self.shared), address, purpose))
    }

    fn adapter(&self) -> Option<String> {
        self.shared.in_use.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A D-Bus connection and the adapter on it.
#[derive(Clone)]
struct Radio {
    session: Session,
    adapter: Adapter,
}

struct Shared {
    /// In order of preference.
    adapters: Vec<String>,
    /// Adapters on which listening did not begin, and until when the others go before them.
    shunned: Mutex<HashMap<String, Instant>>,
    /// The adapter that was used last.
    in_use: Mutex<Option<String>>,
    radio: tokio::sync::Mutex<Option<Radio>>,
    /// Devices that may not be pushed out of the scan: named at the start, or connected to since.
    known: Mutex<HashSet<Address>>,
    /// One per device; held as long as a link to it, or the end of one, lasts.
    slots: Mutex<HashMap<Address, Arc<tokio::sync::Mutex<()>>>>,
    /// The controller can make one connection at a time; BlueZ refuses the second with InProgress.
    attempt: Arc<tokio::sync::Mutex<()>>,
    /// How many connection attempts want discovery to be off.
    silence: watch::Sender<u32>,
    tables: Tables,
}

impl Shared {
    /// The adapter, switched on. A D-Bus connection that no longer works is replaced.
    async fn radio(&self) -> Result<Radio, TransportError> {
        let mut held = self.radio.lock().await;
        if let Some(radio) = held.as_ref() {
            match radio.make_ready().await {
                Ok(()) => return Ok(radio.clone()),
                Err(error) => {
                    tracing::debug!(%error, "opening a new connection to BlueZ");
                    *held = None;
                }
            }
        }
        let radio = self.first_that_works().await?;
        *self.in_use.lock().unwrap_or_else(PoisonError::into_inner) = Some(radio.adapter.name().to_owned());
        *held = Some(radio.clone());
        Ok(radio)
    }

    /// The first adapter that can be switched on; those that are shunned come last. The error is the preferred one's.
    async fn first_that_works(&self) -> Result<Radio, TransportError> {
        if self.adapters.is_empty() {
            return Radio::open(None).await;
        }
        let (shunned, sound): (Vec<&String>, Vec<_>) = self.adapters.iter().partition(|name| self.is_shunned(name));
        let mut first_problem = None;
        for name in sound.into_iter().chain(shunned) {
            match Radio::open(Some(name)).await {
                Ok(radio) => return Ok(radio),
                Err(error) => {
                    tracing::debug!(adapter = name, %error, "cannot be used");
                    first_problem.get_or_insert(error);
                }
            }
        }
        Err(first_problem.unwrap_or_else(|| errors::explain(TransportErrorKind::NoAdapter, "no adapter is named")))
    }

    /// Others go before this one for a while: it is there, but does not listen.
    fn shun(&self, adapter: &str) {
        let until = Instant::now() + limits::SHUN;
        self.shunned.lock().unwrap_or_else(PoisonError::into_inner).insert(adapter.to_owned(), until);
    }

    fn is_shunned(&self, adapter: &str) -> bool {
        let shunned = self.shunned.lock().unwrap_or_else(PoisonError::into_inner);
        shunned.get(adapter).is_some_and(|until| Instant::now() < *until)
    }

    /// Whether an adapter that is preferred to this one is there and switched on.
    async fn has_better(&self, session: &Session, adapter: &str) -> bool {
        for name in self.adapters.iter().take_while(|name| *name != adapter).filter(|name| !self.is_shunned(name)) {
            let Ok(preferred) = session.adapter(name) else { continue };
            // An error is an adapter that is not there.
            if limited(Stage::Adapter, name, limits::CALL, preferred.is_powered()).await.unwrap_or(false) {
                return true;
            }
        }
        false
    }

    /// Makes the next use open a new D-Bus connection.
    async fn forget_radio(&self) {
        *self.radio.lock().await = None;
    }

    fn is_known(&self, address: Address) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&address)
    }

    fn add_known(&self, address: Address) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(address);
    }

    /// The right to use a device; waits until an earlier link to it is closed.
    async fn slot(&self, address: Address) -> Result<OwnedMutexGuard<()>, TransportError> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            // Only devices in use keep their entry.
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
            Arc::clone(slots.entry(address).or_default())
        };
        tokio::time::timeout(limits::EARLIER_LINK, slot.lock_owned()).await.map_err(|_| {
            TransportError::new(TransportErrorKind::Busy, format!("an earlier link to {address} is still open"))
        })
    }
}

impl Radio {
    async fn open(name: Option<&str>) -> Result<Self, TransportError> {
        let (session, adapter) = choose(name).await?;
        // Only kept in bluer until discovery starts. Both fields matter:
        // bluer's default is no duplicates, which hides the changed bit.
        limited(Stage::Adapter, "discovery filter", limits::CALL, adapter.set_discovery_filter(filter())).await?;
        let radio = Self { session, adapter };
        radio.make_ready().await?;
        Ok(radio)
    }

    async fn make_ready(&self) -> Result<(), TransportError> {
        let name = self.adapter.name();
        if limited(Stage::Adapter, name, limits::CALL, self.adapter.is_powered()).await? {
            return Ok(());
        }
        tracing::info!(adapter = name, "switching the Bluetooth adapter on");
        let what = format!("switching {name} on");
        limited(Stage::Adapter, &what, limits::POWER_ON, self.adapter.set_powered(true)).await.map_err(|error| {
            match error.kind {
                // "Failed" and the like: what matters is that the adapter stays off.
                TransportErrorKind::Other => errors::explain(TransportErrorKind::NoAdapter, error.detail),
                _ => error,
            }
        })
    }
}

/// The adapter of this name, switched on, on a D-Bus connection of its own.
pub(crate) async fn switched_on(name: &str) -> Result<Adapter, TransportError> {
    let (session, adapter) = choose(Some(name)).await?;
    let radio = Radio { session, adapter };
    radio.make_ready().await?;
    Ok(radio.adapter)
}

/// The adapter of this name, or the one that BlueZ takes, on a D-Bus connection of its own.
async fn choose(name: Option<&str>) -> Result<(Session, Adapter), TransportError> {
    let session = limited(Stage::Adapter, "connecting to D-Bus", limits::CALL, Session::new()).await?;
    let adapter = match name {
        Some(name) => session
            .adapter(name)
            .map_err(|error| errors::translate(Stage::Adapter, &format!("adapter {name}"), &error))?,
        None => limited(Stage::Adapter, "looking for an adapter", limits::CALL, session.default_adapter()).await?,
    };
    Ok((session, adapter))
}

fn filter() -> DiscoveryFilter {
    DiscoveryFilter { transport: DiscoveryTransport::Le, duplicate_data: true, ..DiscoveryFilter::default() }
}

/// A call to BlueZ, with our time limit and our errors.
pub(crate) async fn limited<T>(
    stage: Stage,
    what: &str,
    limit: Duration,
    call: impl Future<Output = bluer::Result<T>>,
) -> Result<T, TransportError> {
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(errors::translate(stage, what, &error)),
        Err(_) => Err(errors::elapsed(stage, what, limit)),
    }
}

impl From<Address> for bluer::Address {
    fn from(address: Address) -> Self {
        Self(address.0)
    }
}

impl From<bluer::Address> for Address {
    fn from(address: bluer::Address) -> Self {
        Self(address.0)
    }
}
