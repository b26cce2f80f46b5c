//! Counts what is told, around those who tell.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Metrics, word};
use crate::clock::{Clock, UnixMillis};
use crate::delivery::Outbox;
use crate::delivery::webhook::{Answer, Message, Receiver, WebhookPost};
use crate::store::{Callback, CallbackQueue, DeliveryOutcome, Store, StoreError};

/// The queues of callbacks, with a look at how each try ended.
#[derive(Debug, Clone)]
pub struct MeasuredOutbox {
    store: Store,
    metrics: Metrics,
    clock: Clock,
    /// Since when what each slot tells has waited.
    waiting: Arc<Mutex<BTreeMap<i64, UnixMillis>>>,
}

impl MeasuredOutbox {
    /// These queues.
    #[must_use]
    pub fn new(store: Store, metrics: Metrics, clock: Clock) -> Self {
        Self { store, metrics, clock, waiting: Arc::default() }
    }

    fn waiting<T>(&self, act: impl FnOnce(&mut BTreeMap<i64, UnixMillis>) -> T) -> T {
        act(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Outbox for MeasuredOutbox {
    async fn callbacks(&self) -> Result<Vec<Callback>, StoreError> {
        self.store.callbacks().await
    }

    async fn callback_queue(&self, slot: u8) -> Result<CallbackQueue, StoreError> {
        let queue = self.store.callback_queue(slot).await?;
        if let CallbackQueue::Next(delivery) = &queue {
            self.waiting(|waiting| waiting.insert(delivery.outbox_id, delivery.created_at));
        }
        Ok(queue)
    }

    async fn finish_delivery(
        &self,
        outbox_id: i64,
        outcome: DeliveryOutcome,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        let (now, name) = (self.clock.monotonic(), outcome_name(&outcome));
        self.store.finish_delivery(outbox_id, outcome, at).await?;
        let queued_at = self.waiting(|waiting| waiting.remove(&outbox_id));
        self.metrics.0.callbacks.get_or_create(&vec![word("outcome", name)]).inc();
        if let Some(queued_at) = queued_at.filter(|_| name == TOLD) {
            self.metrics.told(queued_at, now);
        }
        Ok(())
    }
}

const TOLD: &str = "told";

const fn outcome_name(outcome: &DeliveryOutcome) -> &'static str {
    match outcome {
        DeliveryOutcome::Told => TOLD,
        DeliveryOutcome::Retry => "retry",
        DeliveryOutcome::GaveUp(_) => "given_up",
    }
}

/// The way out to webhooks, with a look at what comes back.
#[derive(Debug, Clone)]
pub struct MeasuredPost<P> {
    post: P,
    metrics: Metrics,
}

impl<P> MeasuredPost<P> {
    /// This way out.
    #[must_use]
    pub const fn new(post: P, metrics: Metrics) -> Self {
        Self { post, metrics }
    }
}

impl<P: WebhookPost> WebhookPost for MeasuredPost<P> {
    async fn send(&self, to: Receiver<'_>, message: &Message) -> Answer {
        let answer = self.post.send(to, message).await;
        let outcome = match &answer {
            Answer::Status { code: 200..=299, .. } => TOLD,
            Answer::Status { .. } => "refused",
            Answer::None(_) => "unreachable",
        };
        self.metrics.0.webhooks.get_or_create(&vec![word("outcome", outcome)]).inc();
        answer
    }
}
