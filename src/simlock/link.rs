//! One connection from the lock's side: its queue of indications and its pairing.

use std::collections::VecDeque;
use std::time::Duration;

use crate::protocol::frame::AuthId;
use crate::protocol::gatt::Characteristic;

use super::config::Pieces;
use super::io::Moment;
use super::pairing::Pairing;

/// Smallest ATT MTU there is.
const MIN_MTU: u16 = 23;
/// Opcode and handle in front of an indicated value.
const ATT_HEADER: u16 = 3;
/// Bytes of an indication of old firmware.
const OLD_PIECE: usize = 20;
/// Messages that may wait. The longest answer, a whole log, has 1002; more means a central that does not listen.
const MAX_WAITING: usize = 2048;

/// Something to do on a link, in order.
#[derive(Debug)]
enum Task {
    Send { characteristic: Characteristic, rest: Vec<u8> },
    HangUp,
}

#[derive(Debug)]
pub(super) struct Link {
    mtu: u16,
    subscriptions: Vec<Characteristic>,
    queue: VecDeque<Task>,
    /// When the unconfirmed indication was sent.
    pub(super) outstanding: Option<Duration>,
    pub(super) last_traffic: Duration,
    /// Who spoke last over this link; gets the states.
    pub(super) auth: Option<AuthId>,
    pub(super) pairing: Pairing,
    is_over: bool,
}

impl Link {
    pub(super) fn new(mtu: u16, now: Moment) -> Self {
        Self {
            mtu: mtu.max(MIN_MTU),
            subscriptions: Vec::new(),
            queue: VecDeque::new(),
            outstanding: None,
            last_traffic: now.mono,
            auth: None,
            pairing: Pairing::default(),
            is_over: false,
        }
    }

    pub(super) fn set_mtu(&mut self, mtu: u16) {
        self.mtu = mtu.max(MIN_MTU);
    }

    pub(super) fn subscribe(&mut self, characteristic: Characteristic, indications: bool) {
        self.subscriptions.retain(|c| *c != characteristic);
        if indications {
            self.subscriptions.push(characteristic);
        }
    }

    pub(super) fn is_subscribed(&self, characteristic: Characteristic) -> bool {
        self.subscriptions.contains(&characteristic)
    }

    pub(super) fn touch(&mut self, now: Moment) {
        self.last_traffic = now.mono;
    }

    pub(super) fn confirmed(&mut self, now: Moment) {
        self.outstanding = None;
        self.touch(now);
    }

    /// Queues a message; without a subscription it is lost, as on a real link.
    pub(super) fn send(&mut self, characteristic: Characteristic, message: Vec<u8>) {
        if !self.is_subscribed(characteristic) {
            return;
        }
        if self.queue.len() >= MAX_WAITING {
            self.is_over = true;
            return;
        }
        self.queue.push_back(Task::Send { characteristic, rest: message });
    }

    /// Closes the link when everything queued so far has been confirmed.
    pub(super) fn hang_up_after_queue(&mut self) {
        self.queue.push_back(Task::HangUp);
    }

    /// The next indication, if none is outstanding.
    pub(super) fn next_piece(&mut self, pieces: Pieces, now: Moment) -> Option<(Characteristic, Vec<u8>)> {
        if self.outstanding.is_some() {
            return None;
        }
        let room = usize::from(self.mtu - ATT_HEADER);
        let size = match pieces {
            Pieces::Twenty => room.min(OLD_PIECE),
            Pieces::Mtu => room,
        };
        match self.queue.pop_front()? {
            Task::HangUp => {
                self.is_over = true;
                None
            }
            Task::Send { characteristic, mut rest } => {
                if rest.len() > size {
                    let tail = rest.split_off(size);
                    self.queue.push_front(Task::Send { characteristic, rest: tail });
                }
                self.outstanding = Some(now.mono);
                self.touch(now);
                Some((characteristic, rest))
            }
        }
    }

    /// Whether the lock wants to be rid of it.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }
}
