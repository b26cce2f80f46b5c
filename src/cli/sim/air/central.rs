//! The one central that is let in: its link, its subscriptions, the indication on its way to it.

use std::collections::VecDeque;

use bluer::gatt::local::CharacteristicNotifier;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;

use super::table::Written;
use crate::cli::sim::radio::FromRadio;
use crate::protocol::gatt::Characteristic;
use crate::transport::Address;

/// ATT MTU of a link before it is negotiated.
const MIN_MTU: u16 = 23;

struct Central {
    address: Address,
    link: u32,
    mtu: u16,
    /// The lock has closed the link; BlueZ takes two seconds for it.
    is_closing: bool,
}

/// A client's wish for indications of one characteristic, as BlueZ hands it over.
type Session = (Characteristic, CharacteristicNotifier);

/// Who is connected, and what the lock is to hear of it.
#[derive(Default)]
pub(super) struct Seat {
    central: Option<Central>,
    links: u32,
    sessions: Vec<Session>,
    /// Each tells that a session has ended.
    ends: FuturesUnordered<BoxFuture<'static, Characteristic>>,
    /// The indication that is not confirmed yet.
    indicating: Option<BoxFuture<'static, Session>>,
    /// For the lock, in order.
    said: VecDeque<FromRadio>,
}

impl Seat {
    pub(super) fn said(&mut self) -> Option<FromRadio> {
        self.said.pop_front()
    }

    pub(super) fn is_taken(&self) -> bool {
        self.central.is_some()
    }

    /// A central has connected; false if another one is here.
    pub(super) fn arrive(&mut self, address: Address) -> bool {
        if let Some(central) = &self.central {
            return central.address == address;
        }
        self.links = self.links.wrapping_add(1);
        let link = self.links;
        self.central = Some(Central { address, link, mtu: MIN_MTU, is_closing: false });
        self.said.push_back(FromRadio::Connected { link, mtu: MIN_MTU });
        // BlueZ may have been quicker with a subscription than with the news of its link.
        for (characteristic, _) in &self.sessions {
            self.said.push_back(FromRadio::Subscribed { link, characteristic: *characteristic, indications: true });
        }
        true
    }

    /// A link has ended.
    pub(super) fn leave(&mut self, address: Address) {
        let Some(central) = self.central.take_if(|central| central.address == address) else { return };
        // A lock forgets client configurations with the link, and BlueZ those of a device that is not bonded.
        self.sessions.clear();
        self.ends.clear();
        self.indicating = None;
        self.said.push_back(FromRadio::Disconnected { link: central.link });
    }

    pub(super) fn subscribe(&mut self, characteristic: Characteristic, session: CharacteristicNotifier) {
        let end = session.stopped();
        self.ends.push(Box::pin(async move {
            end.await;
            characteristic
        }));
        self.sessions.retain(|(known, _)| *known != characteristic);
        self.sessions.push((characteristic, session));
        if let Some(Central { link, .. }) = self.central {
            self.said.push_back(FromRadio::Subscribed { link, characteristic, indications: true });
        }
    }

    /// A write of the central on the seat. What is not accepted here is refused by being dropped.
    pub(super) fn write(&mut self, written: Written) {
        let Some(central) = &mut self.central else { return };
        if central.address != written.central || central.is_closing {
            return;
        }
        // First the answer: the lock's own may follow at once.
        if written.accepted.send(()).is_err() {
            return;
        }
        let link = central.link;
        if central.mtu != written.mtu {
            central.mtu = written.mtu;
            self.said.push_back(FromRadio::Mtu { link, mtu: written.mtu });
        }
        let Written { characteristic, value, .. } = written;
        self.said.push_back(FromRadio::Write { link, characteristic, value });
    }

    pub(super) fn indicate(&mut self, link: u32, characteristic: Characteristic, value: Vec<u8>) {
        if !self.central.as_ref().is_some_and(|central| central.link == link && !central.is_closing) {
            return;
        }
        let Some(at) = self.sessions.iter().position(|(known, _)| *known == characteristic) else {
            // The end of the subscription and this have crossed: dropped, as on the air.
            self.said.push_back(FromRadio::Confirmed { link });
            return;
        };
        let (_, mut session) = self.sessions.swap_remove(at);
        self.indicating = Some(Box::pin(async move {
            if let Err(error) = session.notify(value).await {
                tracing::debug!(%error, "an indication was not confirmed");
            }
            (characteristic, session)
        }));
    }

    /// The lock closes the link; the result is whose it is, if it is still there.
    pub(super) fn close(&mut self, link: u32) -> Option<Address> {
        let central = self.central.as_mut().filter(|central| central.link == link)?;
        central.is_closing = true;
        Some(central.address)
    }

    /// Waits until an indication is confirmed or a subscription ends. May be dropped at any time.
    pub(super) async fn progress(&mut self) {
        tokio::select! {
            (characteristic, session) = arrived(&mut self.indicating) => {
                self.indicating = None;
                let is_replaced = self.sessions.iter().any(|(known, _)| *known == characteristic);
                if !is_replaced {
                    self.sessions.push((characteristic, session));
                }
                if let Some(Central { link, .. }) = self.central {
                    self.said.push_back(FromRadio::Confirmed { link });
                }
                self.forget_ended();
            }
            Some(_) = self.ends.next(), if !self.ends.is_empty() => self.forget_ended(),
        }
    }

    /// Drops the sessions that their central has ended, and says so.
    fn forget_ended(&mut self) {
        for (characteristic, _) in self.sessions.extract_if(.., |(_, session)| session.is_stopped()) {
            if let Some(Central { link, .. }) = self.central {
                self.said.push_back(FromRadio::Subscribed { link, characteristic, indications: false });
            }
        }
    }
}

async fn arrived(indicating: &mut Option<BoxFuture<'static, Session>>) -> Session {
    match indicating {
        Some(sent) => sent.await,
        None => std::future::pending().await,
    }
}
