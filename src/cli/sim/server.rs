//! The lock between its radio and the control socket. No IO: messages in, messages into a queue.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;

use super::radio::{FromRadio, ToRadio};
use super::wire::Wire;
use crate::clock::Clock;
use crate::simlock::{Advertising, Input, LinkId, Moment, Output, SimLock};
use crate::transport::sim::address_of;

#[derive(Debug)]
pub(super) struct Server {
    pub(super) lock: SimLock,
    clock: Clock,
    radio: Option<Radio>,
    advertising: Option<Advertising>,
    next_link: u32,
}

#[derive(Debug)]
struct Radio {
    id: u64,
    messages: mpsc::Sender<ToRadio>,
    /// The radio's numbers to the lock's, which never repeat.
    links: BTreeMap<u32, LinkId>,
}

impl Server {
    pub(super) fn new(lock: SimLock, clock: Clock) -> Self {
        let mut server = Self { lock, clock, radio: None, advertising: None, next_link: 1 };
        server.tick();
        server
    }

    /// How a radio in another process is spoken to.
    pub(super) fn wire(&self) -> Wire {
        Wire { generation: self.lock.device().generation(), address: address_of(self.lock.nuki_id()) }
    }

    pub(super) fn next_timeout(&self) -> Option<Duration> {
        self.lock.next_timeout()
    }

    pub(super) fn tick(&mut self) {
        self.feed(Input::Tick);
    }

    pub(super) fn feed(&mut self, input: Input) {
        let now = Moment { mono: self.clock.monotonic(), unix_seconds: self.clock.wall().seconds() };
        self.lock.handle(input, now);
        while let Some(output) = self.lock.poll() {
            self.put_out(output);
        }
    }

    pub(super) fn has_radio(&self) -> bool {
        self.radio.is_some()
    }

    /// A radio offers itself; only the first one is let in.
    pub(super) fn radio_came(&mut self, id: u64, messages: mpsc::Sender<ToRadio>) {
        if self.radio.is_some() {
            // The queue is new and empty. Dropping the sender closes the connection after this message.
            let _ = messages.try_send(ToRadio::Error("another radio is connected".to_owned()));
            return;
        }
        self.radio = Some(Radio { id, messages, links: BTreeMap::new() });
        self.say(ToRadio::Hello);
        self.say_advertising();
    }

    pub(super) fn radio_gone(&mut self, id: u64) {
        if self.radio.as_ref().is_some_and(|radio| radio.id == id) {
            self.let_radio_go();
        }
    }

    /// A radio's message, or what is wrong with its line.
    pub(super) fn radio_says(&mut self, id: u64, message: Result<FromRadio, String>) {
        if self.radio.as_ref().is_none_or(|radio| radio.id != id) {
            return;
        }
        if let Err(error) = message.and_then(|message| self.hear(message)) {
            self.say(ToRadio::Error(error));
        }
    }

    /// Closes every link, as a loss of the signal would.
    pub(super) fn drop_links(&mut self) -> usize {
        let links: Vec<u32> = self.radio.iter().flat_map(|radio| radio.links.keys().copied()).collect();
        for link in &links {
            self.say(ToRadio::Disconnect { link: *link });
            self.unlink(*link);
        }
        links.len()
    }

    fn hear(&mut self, message: FromRadio) -> Result<(), String> {
        match message {
            FromRadio::Connected { link, mtu } => {
                self.unlink(link);
                let id = LinkId(self.next_link);
                self.next_link = self.next_link.wrapping_add(1);
                if let Some(radio) = &mut self.radio {
                    radio.links.insert(link, id);
                }
                self.feed(Input::Connected { link: id, mtu });
            }
            FromRadio::Mtu { link, mtu } => {
                let link = self.link(link)?;
                self.feed(Input::MtuChanged { link, mtu });
            }
            FromRadio::Subscribed { link, characteristic, indications } => {
                let link = self.link(link)?;
                self.feed(Input::Subscribed { link, characteristic, indications });
            }
            FromRadio::Write { link, characteristic, value } => {
                let link = self.link(link)?;
                self.feed(Input::Write { link, characteristic, value });
            }
            FromRadio::Confirmed { link } => {
                let link = self.link(link)?;
                self.feed(Input::Confirmed { link });
            }
            // Tells nothing new if the lock closed it.
            FromRadio::Disconnected { link } => self.unlink(link),
        }
        Ok(())
    }

    fn link(&self, number: u32) -> Result<LinkId, String> {
        let link = self.radio.as_ref().and_then(|radio| radio.links.get(&number)).copied();
        link.ok_or_else(|| format!("link {number} is not connected"))
    }

    fn unlink(&mut self, number: u32) {
        if let Some(link) = self.radio.as_mut().and_then(|radio| radio.links.remove(&number)) {
            self.feed(Input::Disconnected { link });
        }
    }

    fn let_radio_go(&mut self) {
        let Some(radio) = self.radio.take() else { return };
        for link in radio.links.into_values() {
            self.feed(Input::Disconnected { link });
        }
    }

    fn put_out(&mut self, output: Output) {
        match output {
            Output::Indicate { link, characteristic, value } => {
                if let Some(link) = self.number(link) {
                    self.say(ToRadio::Indicate { link, characteristic, value });
                }
            }
            Output::Disconnect { link } => {
                if let Some(number) = self.number(link) {
                    self.say(ToRadio::Disconnect { link: number });
                    if let Some(radio) = &mut self.radio {
                        radio.links.remove(&number);
                    }
                }
            }
            Output::Advertise(advertising) => {
                self.advertising = Some(advertising);
                self.say_advertising();
            }
        }
    }

    fn number(&self, link: LinkId) -> Option<u32> {
        let mut links = self.radio.as_ref()?.links.iter();
        links.find(|(_, id)| **id == link).map(|(number, _)| *number)
    }

    fn say_advertising(&mut self) {
        if let Some(advertising) = self.advertising.clone() {
            self.say(ToRadio::Advertise(advertising));
        }
    }

    fn say(&mut self, message: ToRadio) {
        let Some(radio) = &self.radio else { return };
        if radio.messages.try_send(message).is_err() {
            // It does not read, or it is gone: then it is no radio any more.
            self.let_radio_go();
        }
    }
}
