//! The machine's Bluetooth adapter: it can be pulled out, and stops with the machine.

use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use keyturner::protocol::gatt::Characteristic;
use keyturner::transport::sim::SimRadio;
use keyturner::transport::{
    Address, Link, LinkWriter, Purpose, Sighting, Transport, TransportError, TransportErrorKind,
};
use tokio::sync::mpsc;

use super::machine::Machine;

/// Why there is no radio; `None` while there is one.
pub(crate) type Plug = Arc<Mutex<Option<TransportErrorKind>>>;

pub(crate) struct Adapter {
    pub(crate) radio: SimRadio,
    pub(crate) machine: Arc<Machine>,
    pub(crate) plug: Plug,
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl Adapter {
    fn check(&self) -> Result<(), TransportError> {
        match *self.plug.lock().unwrap() {
            None => Ok(()),
            Some(kind) => Err(TransportError::new(kind, "it was pulled out")),
        }
    }
}

impl Transport for Adapter {
    fn scan(&self) -> BoxFuture<'_, Result<mpsc::Receiver<Sighting>, TransportError>> {
        Box::pin(async move {
            self.machine.step().await;
            self.check()?;
            self.radio.scan().await
        })
    }

    fn connect(&self, address: Address, purpose: Purpose) -> BoxFuture<'_, Result<Link, TransportError>> {
        Box::pin(async move {
            self.machine.step().await;
            self.check()?;
            let _turn = self.turn.try_lock().expect("a controller makes one connection at a time");
            let link = self.radio.connect(address, purpose).await?;
            self.check()?;
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
