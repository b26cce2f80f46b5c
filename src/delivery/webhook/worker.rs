//! The worker behind one webhook.

use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::delay;
use super::message::{Message, body};
use super::send::{Answer, Receiver, WebhookPost};
use super::{Signals, Tools};
use crate::pulse::Pulse;
use crate::secrets::WebhookSecret;
use crate::store::{FailedTry, StoreError, Webhook, WebhookDelivery};

/// Nothing is given up before the receiver has failed for so long in this run: after a
/// power cut events may be old, and the network later than we. For so long, too, a
/// refused event holds up those behind it.
const PATIENCE: Duration = Duration::from_hours(1);
/// Between attempts to reach a store that fails.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Told,
    /// The receiver understood and does not want this one.
    Refused(String),
    /// The receiver is not fit to take anything now.
    Failed(String, Option<Duration>),
}

/// What an answer means. Redirects are failures: following one would hand events to whoever the receiver names.
#[must_use]
pub fn verdict(answer: Answer) -> Verdict {
    match answer {
        Answer::Status { code: 200..=299, .. } => Verdict::Told,
        Answer::Status { code: code @ (400 | 413 | 415 | 422), .. } => {
            Verdict::Refused(format!("refused with status {code}"))
        }
        Answer::Status { code: code @ 300..=399, .. } => {
            Verdict::Failed(format!("answered with status {code}; redirects are not followed"), None)
        }
        Answer::Status { code, retry_after } => Verdict::Failed(format!("answered with status {code}"), retry_after),
        Answer::None(reason) => Verdict::Failed(reason, None),
    }
}

/// Tells one receiver, one event after the other.
pub(super) struct Worker<P> {
    tools: Tools<P>,
    webhook: Webhook,
    secret: WebhookSecret,
    dice: ChaCha20Rng,
    signals: Arc<Signals>,
    /// Since it took something last, or since the owner said that it works again.
    failures: u32,
    failing_since: Option<Instant>,
    /// The delivery that is refused, and since when.
    refused: Option<(i64, Instant)>,
    /// How many were known to have become dead letters because too many waited.
    overflowed: Option<i64>,
}

/// What to do next.
enum Step {
    /// There may be more in the queue.
    Continue,
    /// The queue is empty.
    WaitForWake,
    /// The receiver failed.
    WaitForRetry(Duration),
}

impl<P: WebhookPost> Worker<P> {
    pub(super) const fn new(
        tools: Tools<P>,
        webhook: Webhook,
        secret: WebhookSecret,
        dice: ChaCha20Rng,
        signals: Arc<Signals>,
    ) -> Self {
        Self {
            tools,
            webhook,
            secret,
            dice,
            signals,
            failures: 0,
            failing_since: None,
            refused: None,
            overflowed: None,
        }
    }

    /// Never ends by itself.
    pub(super) async fn run(mut self) {
        let pulse = self.tools.pulses.begin(format!("webhook {}", self.webhook.name));
        loop {
            pulse.beat();
            match self.step(&pulse).await {
                Ok(Step::Continue) => {}
                Ok(Step::WaitForWake) => pulse.while_waiting(self.signals.wake.notified()).await,
                // New events do not shorten it.
                Ok(Step::WaitForRetry(wait)) => {
                    let hurried = self.signals.hurry.notified();
                    let is_hurried = pulse.while_waiting(timeout(wait, hurried)).await.is_ok();
                    if is_hurried {
                        self.failures = 0;
                    }
                }
                Err(error) => {
                    tracing::error!(webhook = self.webhook.name, %error, "a webhook's queue cannot be read; it waits");
                    sleep(STORE_RETRY).await;
                }
            }
        }
    }

    async fn step(&mut self, pulse: &Pulse) -> Result<Step, StoreError> {
        let Some(delivery) = self.tools.store.next_webhook_delivery(self.webhook.id).await? else {
            return Ok(Step::WaitForWake);
        };
        let Some(event) = self.tools.store.live_row(delivery.event_id).await? else {
            return self.give_up(&delivery, "retention has removed the event").await;
        };
        let body = match body(&self.webhook.name, &delivery, event, self.tools.entry_json) {
            Ok(body) => body,
            Err(error) => return self.give_up(&delivery, &format!("it cannot be written as JSON: {error}")).await,
        };
        let at = self.tools.clock.wall();
        let message = Message::signed(delivery.key.clone(), body, &self.secret.secret, at);
        let to = Receiver { url: &self.secret.url, ca_pem: self.webhook.ca_pem.as_deref() };
        match verdict(self.tools.post.send(to, &message).await) {
            Verdict::Told => Ok(self.told(&delivery, pulse).await),
            Verdict::Refused(reason) => {
                let now = Instant::now();
                let since = self.refused.filter(|(id, _)| *id == delivery.id).map_or(now, |(_, since)| since);
                self.refused = Some((delivery.id, since));
                if since.elapsed() >= self.patience() {
                    return self.give_up(&delivery, &reason).await;
                }
                Ok(self.failed(&delivery, reason, None).await)
            }
            Verdict::Failed(reason, retry_after) => Ok(self.failed(&delivery, reason, retry_after).await),
        }
    }

    fn patience(&self) -> Duration {
        PATIENCE.min(self.webhook.give_up_after)
    }

    /// Until it is stored: otherwise the same event would go out again and again. It may take as long as another program
    /// holds the file.
    async fn told(&mut self, delivery: &WebhookDelivery, pulse: &Pulse) -> Step {
        while let Err(error) = self.tools.store.webhook_told(delivery, self.tools.clock.wall()).await {
            tracing::error!(webhook = self.webhook.name, %error, "a webhook's queue cannot be written; it waits");
            pulse.while_waiting(sleep(STORE_RETRY)).await;
        }
        if self.failing_since.is_some() {
            tracing::info!(webhook = self.webhook.name, "a webhook is reached again");
        }
        (self.failures, self.failing_since, self.refused) = (0, None, None);
        Step::Continue
    }

    async fn failed(&mut self, delivery: &WebhookDelivery, error: String, retry_after: Option<Duration>) -> Step {
        let webhook = self.webhook.name.as_str();
        if self.failing_since.is_none() {
            tracing::warn!(webhook, error, "a webhook is not reached; what it must be told waits");
        }
        self.failures = self.failures.saturating_add(1);
        let wait = delay(self.failures, retry_after, &mut self.dice);
        let failing = self.failing_since.get_or_insert_with(Instant::now).elapsed();
        let at = self.tools.clock.wall();
        let give_up_before = (failing >= self.patience()).then(|| at.before(self.webhook.give_up_after));
        let failed = FailedTry { at, error, next_try_at: at.plus(wait), give_up_before };
        let after = match self.tools.store.webhook_failed(delivery, &failed).await {
            Ok(after) => after,
            Err(error) => {
                // The receiver is spared all the same.
                tracing::error!(webhook, %error, "a webhook's queue cannot be written; it waits");
                return Step::WaitForRetry(wait);
            }
        };
        if after.given_up > 0 {
            tracing::warn!(webhook, events = after.given_up, "events are dead letters now: {}", failed.error);
        }
        if self.overflowed.replace(after.overflowed).is_some_and(|before| before < after.overflowed) {
            tracing::warn!(webhook, "too many events wait for a webhook; the oldest are dead letters now");
        }
        Step::WaitForRetry(wait)
    }

    async fn give_up(&mut self, delivery: &WebhookDelivery, reason: &str) -> Result<Step, StoreError> {
        tracing::warn!(webhook = self.webhook.name, event = delivery.event_id, reason, "an event is a dead letter now");
        self.tools.store.webhook_dead(delivery, reason, self.tools.clock.wall()).await?;
        Ok(Step::Continue)
    }
}
