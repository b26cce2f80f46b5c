//! One lock's radio as its actor holds it: an attempt to connect, a link, or neither; and what comes of them.

use std::pin::pin;
use std::time::Duration;

use tokio::task::JoinHandle;
use tracing::{debug, info};

use super::PairedLock;
use super::actor::Actor;
use super::arbiter::Attempt;
use super::port::{Event, Port};
use crate::diagnostics::Deed;
use crate::protocol::gatt::Characteristic;
use crate::session::Input;
use crate::transport::{Link, TransportError};

/// A link has so long to end when the gateway stops. BlueZ may take longer; it was asked, and goes on without us.
const HANG_UP_WITHIN: Duration = Duration::from_millis(500);

/// What a radio has to say.
pub(super) enum RadioNews {
    /// A link, or why there is none.
    Connected(Result<Link, TransportError>),
    /// What happened on the link.
    Link(Event),
}

/// Nothing of it goes on unless somebody waits for its [`news`](Self::news), or works [`beside`](Self::beside) it.
#[derive(Default)]
pub(super) struct Radio {
    connecting: Option<Attempt>,
    port: Option<Port>,
    disconnecting: Option<JoinHandle<()>>,
    /// What it had to say while nobody could listen.
    early: Option<RadioNews>,
}

impl Radio {
    /// What it had to say while nobody could listen. It comes before everything else, as if it had been heard then.
    pub(super) const fn early(&mut self) -> Option<RadioNews> {
        self.early.take()
    }

    /// The next thing that it has to say. Nothing is lost if this is dropped before it is ready.
    pub(super) async fn news(&mut self) -> RadioNews {
        let connecting = async {
            match &mut self.connecting {
                Some(attempt) => attempt.result().await,
                None => std::future::pending().await,
            }
        };
        let link = async {
            match &mut self.port {
                Some(port) => port.next().await,
                None => std::future::pending().await,
            }
        };
        let news = tokio::select! {
            biased;
            event = link => RadioNews::Link(event),
            result = connecting => RadioNews::Connected(result),
        };
        if matches!(news, RadioNews::Connected(_)) {
            self.connecting = None;
        }
        news
    }

    /// Does `work`. What was begun on the radio goes on meanwhile, up to the next thing that it has to say.
    pub(super) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if self.early.is_none() {
            tokio::select! {
                biased;
                done = &mut work => return done,
                news = self.news() => self.early = Some(news),
            }
        }
        work.await
    }

    /// Writes if there is a link.
    pub(super) fn write(&mut self, characteristic: Characteristic, value: Vec<u8>) {
        if let Some(port) = &mut self.port {
            port.write(characteristic, value);
        }
    }

    /// Somebody stands at the door: an attempt that only waits for its turn need not wait behind the others.
    pub(super) fn make_connecting_urgent(&self) {
        if let Some(attempt) = &self.connecting {
            attempt.make_urgent();
        }
    }

    /// No link is wanted any more that is not there.
    pub(super) fn give_up_connecting(&mut self) {
        self.connecting = None;
        if matches!(self.early, Some(RadioNews::Connected(_))) {
            self.early = None;
        }
    }

    fn end_link(&mut self, lock: &PairedLock) {
        // What it said last is void.
        if matches!(self.early, Some(RadioNews::Link(_))) {
            self.early = None;
        }
        if let Some(port) = self.port.take() {
            let label = lock.label();
            self.disconnecting = Some(tokio::spawn(async move {
                if let Err(error) = port.close().await {
                    debug!(lock = %label, %error, "disconnecting failed; the lock drops idle links by itself");
                }
            }));
        }
    }
}

impl Actor<'_> {
    pub(super) fn on_radio(&mut self, news: RadioNews, now: Duration) {
        match news {
            RadioNews::Connected(Ok(link)) => {
                if core::mem::take(&mut self.wiring.memory.is_out_of_reach) {
                    info!(lock = %self.lock.label(), "connected again");
                } else {
                    debug!(lock = %self.lock.label(), "connected");
                }
                self.note_contact();
                self.note(Deed::Connected);
                self.radio.port = Some(Port::new(link));
                self.session.handle(Input::Connected, now);
            }
            RadioNews::Connected(Err(error)) => {
                // Once until it is back: it is tried again for as long as it takes.
                if core::mem::replace(&mut self.wiring.memory.is_out_of_reach, true) {
                    debug!(lock = %self.lock.label(), %error, "still cannot connect");
                } else {
                    info!(lock = %self.lock.label(), %error, "cannot connect; trying again");
                }
                self.note(Deed::ConnectFailed);
                self.spend();
                self.session.handle(Input::ConnectFailed, now);
            }
            RadioNews::Link(Event::Received(indication)) => {
                self.session.handle(Input::Received(indication.characteristic, indication.value), now);
            }
            RadioNews::Link(Event::WriteFailed(error)) => {
                info!(lock = %self.lock.label(), %error, "cannot write");
                self.tools.metrics.write_failed(self.lock.nuki_id);
                self.end_link();
                self.session.handle(Input::WriteFailed, now);
            }
            RadioNews::Link(Event::Lost) => {
                debug!(lock = %self.lock.label(), "link lost");
                self.note(Deed::Disconnected);
                self.note_contact();
                self.end_link();
                self.session.handle(Input::Disconnected, now);
            }
        }
    }

    pub(super) fn connect(&mut self) {
        self.note_connection();
        self.note(Deed::Connect);
        self.spend();
        self.caused = self.slot.take();
        let (adapter, address) = (self.wiring.adapter.clone(), self.lock.address);
        let is_urgent = !self.actions.is_empty();
        self.radio.connecting = Some(adapter.connect(address, is_urgent, self.radio.disconnecting.take()));
    }

    /// The connection that a beacon caused brought nothing new.
    fn spend(&mut self) {
        if let Some(slot) = self.caused.take() {
            slot.spend();
        }
    }

    pub(super) fn end_link(&mut self) {
        self.spend();
        self.radio.end_link(self.lock);
    }

    /// Ends the link, or leaves that to its own task.
    pub(super) async fn hang_up(&mut self) {
        self.end_link();
        if let Some(task) = self.radio.disconnecting.take()
            && tokio::time::timeout(HANG_UP_WITHIN, task).await.is_err()
        {
            debug!(lock = %self.lock.label(), "the link is still being ended");
        }
    }
}
