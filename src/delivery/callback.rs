//! The worker behind one callback slot.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::SlotWakes;
use super::post::{Post, Posted, Target};
use crate::clock::{Clock, UnixMillis};
use crate::pulse::Pulse;
use crate::store::{Callback, CallbackQueue, Delivery, DeliveryOutcome, Store, StoreError};

/// How long after it was stored a body is still worth another attempt.
const GIVE_UP_AFTER: Duration = Duration::from_mins(10);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// Between attempts to reach a store that fails.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// The queues as a worker sees them. See [`Store`] for each method.
pub trait Outbox: Send + Sync + 'static {
    /// Registered callbacks.
    fn callbacks(&self) -> impl Future<Output = Result<Vec<Callback>, StoreError>> + Send;
    /// What waits in a slot.
    fn callback_queue(&self, slot: u8) -> impl Future<Output = Result<CallbackQueue, StoreError>> + Send;
    /// Marks it.
    fn finish_delivery(
        &self,
        outbox_id: i64,
        outcome: DeliveryOutcome,
        at: UnixMillis,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl Outbox for Store {
    fn callbacks(&self) -> impl Future<Output = Result<Vec<Callback>, StoreError>> + Send {
        Self::callbacks(self)
    }

    fn callback_queue(&self, slot: u8) -> impl Future<Output = Result<CallbackQueue, StoreError>> + Send {
        Self::callback_queue(self, slot)
    }

    fn finish_delivery(
        &self,
        outbox_id: i64,
        outcome: DeliveryOutcome,
        at: UnixMillis,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        Self::finish_delivery(self, outbox_id, outcome, at)
    }
}

/// Tells one receiver, one body after the other.
pub(super) struct Worker<'a, O, P> {
    slot: u8,
    outbox: &'a O,
    post: &'a P,
    clock: Clock,
    wakes: &'a SlotWakes,
    pulse: &'a Pulse,
    /// Attempts since the receiver was last reached, whatever the body was.
    failures: u32,
}

/// What to do next.
enum Step {
    /// There may be more in the queue.
    Continue,
    /// The queue is empty.
    WaitForWake,
    /// The slot is free.
    WaitForReceiver,
    /// This URL cannot be reached now.
    WaitForRetry(String),
}

impl<'a, O: Outbox, P: Post> Worker<'a, O, P> {
    pub(super) const fn new(
        slot: u8,
        outbox: &'a O,
        post: &'a P,
        clock: Clock,
        wakes: &'a SlotWakes,
        pulse: &'a Pulse,
    ) -> Self {
        Self { slot, outbox, post, clock, wakes, pulse, failures: 0 }
    }

    /// Never ends by itself.
    pub(super) async fn run(mut self) {
        let pulse = self.pulse;
        loop {
            pulse.beat();
            match self.step().await {
                Ok(Step::Continue) => {}
                Ok(Step::WaitForWake) => pulse.while_waiting(self.wakes.news.notified()).await,
                Ok(Step::WaitForReceiver) => pulse.while_waiting(self.wakes.receiver.notified()).await,
                Ok(Step::WaitForRetry(url)) => pulse.while_waiting(self.wait_for_retry(&url)).await,
                Err(error) => {
                    tracing::error!(slot = self.slot, %error, "the outbox cannot be read; callbacks wait");
                    sleep(STORE_RETRY).await;
                }
            }
        }
    }

    async fn step(&mut self) -> Result<Step, StoreError> {
        let delivery = match self.outbox.callback_queue(self.slot).await? {
            CallbackQueue::NoReceiver => return Ok(Step::WaitForReceiver),
            CallbackQueue::Empty => return Ok(Step::WaitForWake),
            CallbackQueue::Next(delivery) => delivery,
        };
        let posted = match Target::parse(&delivery.url) {
            Ok(target) => self.post.post(&target, &delivery.body).await,
            Err(error) => return Ok(self.give_up(&delivery, &error.to_string()).await),
        };
        match posted {
            Posted::Told => {
                self.failures = 0;
                self.finish(&delivery, DeliveryOutcome::Told).await;
                Ok(Step::Continue)
            }
            Posted::NotSent(reason) => {
                self.failures = self.failures.saturating_add(1);
                // Every body gets at least one attempt, also after a long time without power.
                if self.clock.wall().since(delivery.created_at) >= GIVE_UP_AFTER {
                    return Ok(self.give_up(&delivery, &reason).await);
                }
                tracing::debug!(slot = self.slot, reason, failures = self.failures, "a callback was not reached");
                self.finish(&delivery, DeliveryOutcome::Retry).await;
                Ok(Step::WaitForRetry(delivery.url))
            }
        }
    }

    async fn url(&self) -> Result<Option<String>, StoreError> {
        let callbacks = self.outbox.callbacks().await?;
        Ok(callbacks.into_iter().find(|callback| callback.id == self.slot).map(|callback| callback.url))
    }

    async fn give_up(&self, delivery: &Delivery, reason: &str) -> Step {
        tracing::warn!(slot = self.slot, reason, "a callback was given up");
        self.finish(delivery, DeliveryOutcome::GaveUp(reason.to_owned())).await;
        Step::Continue
    }

    /// Until it is stored: otherwise the same body would go out again and again. It may take as long as another program
    /// holds the file.
    async fn finish(&self, delivery: &Delivery, outcome: DeliveryOutcome) {
        while let Err(error) = self.outbox.finish_delivery(delivery.outbox_id, outcome.clone(), self.clock.wall()).await
        {
            tracing::error!(slot = self.slot, %error, "the outbox cannot be written; callbacks wait");
            self.pulse.while_waiting(sleep(STORE_RETRY)).await;
        }
    }

    /// Waits out the delay, unless another URL is in this slot meanwhile.
    async fn wait_for_retry(&mut self, failed_url: &str) {
        let doublings = self.failures.saturating_sub(1).min(5);
        let until = Instant::now() + LONGEST_RETRY.min(FIRST_RETRY * (1 << doublings));
        while timeout_at(until, self.wakes.receiver.notified()).await.is_ok() {
            if self.url().await.is_ok_and(|url| url.as_deref() != Some(failed_url)) {
                self.failures = 0;
                return;
            }
        }
    }
}
