//! The machine's Bluetooth adapter: it can be pulled out, another one can be put in its place, and it stops with the machine.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use keyturner::protocol::gatt::Characteristic;
use keyturner::transport::sim::SimRadio;
use keyturner::transport::{
    Address, Link, LinkWriter, Purpose, Sighting, Transport, TransportError, TransportErrorKind,
};
use tokio::sync::mpsc;

use super::machine::Machine;

/// So long a lock that this adapter never heard is listened for before a connection; as `transport::bluez` does.
const FIRST_HEARD: Duration = Duration::from_secs(10);
const QUEUE: usize = 64;

/// Where an adapter is plugged in.
#[derive(Debug, Default)]
pub(crate) struct Plug {
    /// Why there is no radio; `None` while there is one.
    pub(crate) fault: Option<TransportErrorKind>,
    /// So many adapters were there before this one.
    changes: u32,
    /// Whom this one has heard: BlueZ knows nobody else.
    heard: BTreeSet<Address>,
}

impl Plug {
    /// Another adapter, which knows nobody.
    pub(crate) fn change(&mut self) {
        self.changes += 1;
        self.heard.clear();
    }
}

pub(crate) struct Adapter {
    pub(crate) radio: SimRadio,
    pub(crate) machine: Arc<Machine>,
    pub(crate) plug: Arc<Mutex<Plug>>,
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl Adapter {
    /// Which adapter there is.
    fn check(&self) -> Result<u32, TransportError> {
        let plug = self.plug.lock().unwrap();
        match plug.fault {
            None => Ok(plug.changes),
            Some(kind) => Err(TransportError::new(kind, "it was pulled out")),
        }
    }

    /// Until this adapter has heard it, for a while.
    async fn hear(&self, address: Address) -> Result<(), TransportError> {
        if self.plug.lock().unwrap().heard.contains(&address) {
            return Ok(());
        }
        let mut sightings = self.radio.scan().await?;
        let heard = async {
            while let Some(sighting) = sightings.recv().await {
                if sighting.address == address {
                    return true;
                }
            }
            false
        };
        if tokio::time::timeout(FIRST_HEARD, heard).await.unwrap_or(false) {
            return Ok(());
        }
        Err(TransportError::new(TransportErrorKind::ConnectFailed, format!("{address} was not heard")))
    }
}

impl Transport for Adapter {
    fn scan(&self) -> BoxFuture<'_, Result<mpsc::Receiver<Sighting>, TransportError>> {
        Box::pin(async move {
            self.machine.step().await;
            let adapter = self.check()?;
            let mut sightings = self.radio.scan().await?;
            let (sender, receiver) = mpsc::channel(QUEUE);
            let plug = Arc::clone(&self.plug);
            tokio::spawn(async move {
                while let Some(sighting) = sightings.recv().await {
                    {
                        let mut plug = plug.lock().unwrap();
                        if plug.changes != adapter {
                            return;
                        }
                        plug.heard.insert(sighting.address);
                    }
                    if matches!(sender.try_send(sighting), Err(mpsc::error::TrySendError::Closed(_))) {
                        return;
                    }
                }
            });
            Ok(receiver)
        })
    }

    fn connect(&self, address: Address, purpose: Purpose) -> BoxFuture<'_, Result<Link, TransportError>> {
        Box::pin(async move {
            self.machine.step().await;
            let adapter = self.check()?;
            let _turn = self.turn.try_lock().expect("a controller makes one connection at a time");
            self.hear(address).await?;
            let link = self.radio.connect(address, purpose).await?;
            if self.check()? != adapter {
                return Err(TransportError::new(TransportErrorKind::NoAdapter, "it was changed for another one"));
            }
            self.machine.step().await;
            let writer = Box::new(Writer { writer: link.writer, machine: Arc::clone(&self.machine) });
            Ok(Link { writer, ..link })
        })
    }
}

struct Writer {
    writer: Box<dyn LinkWriter>,
    machine: Arc<Machine>,
}

impl LinkWriter for Writer {
    fn write(&mut self, characteristic: Characteristic, value: Vec<u8>) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            self.machine.step().await;
            let written = self.writer.write(characteristic, value).await;
            self.machine.step().await;
            written
        })
    }

    fn disconnect(self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(async move {
            self.machine.step().await;
            self.writer.disconnect().await
        })
    }
}
