//! Tells what is in the store: Bridge callbacks, one worker for each slot, and
//! event webhooks, one worker for each receiver.
//!
//! Only what was committed is told, and what was committed is told in the
//! order of its queue. Each slot and each webhook has its own worker and its
//! own queue, so a dead or mute receiver delays nobody else.

mod callback;
mod post;
mod rules;
pub mod webhook;

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinSet;

pub use callback::Outbox;
pub use post::{BadUrl, HttpPost, Limits, Post, Posted, Target};
pub use rules::{BadReceiver, CallbackRules, Receiver};

use crate::clock::Clock;
use crate::pulse::Pulses;

/// Callback slots of a bridge. Clients evict each other by rules that count on three.
pub const SLOTS: u8 = 3;

/// Says that there may be something to tell. A wake is never lost, also while a worker is busy.
#[derive(Debug, Clone, Default)]
pub struct Waker(Arc<Wakes>);

#[derive(Debug, Default)]
struct Wakes {
    slots: [SlotWakes; SLOTS as usize],
    webhooks: Notify,
}

/// What the worker of a slot waits for.
#[derive(Debug, Default)]
struct SlotWakes {
    /// There may be something in its queue.
    news: Notify,
    /// Its receiver came, went, or is another one.
    receiver: Notify,
}

impl Waker {
    /// To be shared by whoever commits, by [`start`] and by [`webhook::start`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Call it after each commit that may have filled the outbox.
    pub fn wake(&self) {
        self.0.slots.iter().for_each(|slot| slot.news.notify_one());
        self.0.webhooks.notify_one();
    }

    /// Call it when callbacks were added or removed: until then nobody looks into the queue of a free slot.
    pub fn callbacks_changed(&self) {
        self.0.slots.iter().for_each(|slot| slot.receiver.notify_one());
        self.wake();
    }

    /// Until there may be something to tell webhooks.
    async fn for_webhooks(&self) {
        self.0.webhooks.notified().await;
    }
}

/// The running workers. Dropping it stops them; what was not finished is tried again at the next start.
#[derive(Debug)]
pub struct Workers(JoinSet<()>);

impl Workers {
    /// Stops the workers and waits until they are gone.
    pub async fn stop(mut self) {
        self.0.shutdown().await;
    }
}

/// Starts a worker for each slot.
pub fn start<O: Outbox + Clone, P: Post + Clone>(
    outbox: &O,
    post: &P,
    clock: Clock,
    waker: &Waker,
    pulses: &Pulses,
) -> Workers {
    let mut workers = JoinSet::new();
    for slot in 0..SLOTS {
        let (outbox, post, waker) = (outbox.clone(), post.clone(), waker.clone());
        let pulse = pulses.begin(format!("callback {slot}"));
        workers.spawn(async move {
            // Always there: the slots count the array's length.
            if let Some(wakes) = waker.0.slots.get(usize::from(slot)) {
                callback::Worker::new(slot, &outbox, &post, clock, wakes, &pulse).run().await;
            }
        });
    }
    Workers(workers)
}
