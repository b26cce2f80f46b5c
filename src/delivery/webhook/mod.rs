//! Event webhooks: every stored event, signed, at least once and in order, to each receiver that wants it.
//!
//! | file | job |
//! |---|---|
//! | `mod` | one worker per receiver, started and stopped as receivers come and go |
//! | `worker` | empties one queue, one event after the other; decides what an answer means |
//! | `backoff` | how long to wait after a failure |
//! | `message` | body, idempotency key and signature |
//! | `send` | one POST over HTTPS |
//!
//! Receivers are added and removed by `keyturner webhook` in a process of its
//! own, so the database is looked at every few seconds.

mod backoff;
mod message;
mod send;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tokio::sync::{Notify, oneshot};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

pub use message::{Message, test_message};
pub use send::{Answer, HttpsPost, Receiver, SendLimits, WebhookPost};
pub use worker::{Verdict, verdict};

use super::Waker;
use crate::clock::Clock;
use crate::pulse::Pulses;
use crate::secrets::{SecretsError, WebhookSecret};
use crate::store::{HistoryRow, Store, StoreError, Webhook};

/// How often to look for receivers that came or went.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The secrets of every webhook, read anew.
pub type ReadSecrets = Arc<dyn Fn() -> Result<Vec<WebhookSecret>, SecretsError> + Send + Sync>;

/// The wire form of an event.
pub type EntryJson = fn(HistoryRow) -> Result<serde_json::Value, serde_json::Error>;

/// What webhooks are told with.
#[derive(Clone)]
pub struct Tools<P> {
    /// Receivers and queues.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// The way out.
    pub post: P,
    /// Where receivers are and what they know us by.
    pub secrets: ReadSecrets,
    /// The wire form of an event.
    pub entry_json: EntryJson,
    /// Fresh randomness, for the jitter.
    pub seed: Arc<dyn Fn() -> [u8; 32] + Send + Sync>,
    /// How often to look for receivers that came or went; [`LOOK_EVERY`].
    pub look_every: Duration,
    /// Where each loop shows that it lives.
    pub pulses: Pulses,
}

/// The running workers. Dropping it stops them; what was not noted as told is told again at the next start.
#[derive(Debug)]
pub struct Webhooks {
    stop: oneshot::Sender<()>,
    supervisor: JoinHandle<()>,
}

impl Webhooks {
    /// Stops the workers and waits until they are gone.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.supervisor.await {
            tracing::error!(%error, "the supervisor of webhooks failed");
        }
    }
}

/// Starts a worker for each receiver, now and whenever one is added.
pub fn start<P: WebhookPost>(tools: Tools<P>, waker: &Waker) -> Webhooks {
    let (stop, stopped) = oneshot::channel();
    let waker = waker.clone();
    let supervisor = tokio::spawn(async move {
        let mut supervisor = Supervisor::new(tools);
        tokio::select! {
            // A dropped sender means stop as well.
            _ = stopped => {}
            () = supervisor.run(&waker) => {}
        }
        supervisor.workers.shutdown().await;
    });
    Webhooks { stop, supervisor }
}

/// What a worker is told by its supervisor.
#[derive(Debug, Default)]
struct Signals {
    /// There may be something in the queue.
    wake: Notify,
    /// The owner wants it tried at once.
    hurry: Notify,
}

struct Running {
    signals: Arc<Signals>,
    hurried: i64,
    handle: AbortHandle,
}

struct Supervisor<P> {
    tools: Tools<P>,
    workers: JoinSet<()>,
    running: BTreeMap<i64, Running>,
    /// Receivers without secrets, of which the journal knows.
    reported: BTreeSet<i64>,
}

impl<P: WebhookPost> Supervisor<P> {
    fn new(tools: Tools<P>) -> Self {
        Self { tools, workers: JoinSet::new(), running: BTreeMap::new(), reported: BTreeSet::new() }
    }

    /// Never ends by itself.
    async fn run(&mut self, waker: &Waker) {
        let mut looks = interval(self.tools.look_every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let pulse = self.tools.pulses.begin("webhooks");
        loop {
            let wait = async {
                tokio::select! {
                    _ = looks.tick() => true,
                    () = waker.for_webhooks() => false,
                }
            };
            let is_time_to_look = pulse.while_waiting(wait).await;
            if is_time_to_look && let Err(error) = self.look().await {
                tracing::error!(%error, "webhooks cannot be looked up; those that run go on");
            }
            // Also after a look: another process may have put dead letters back into a queue.
            self.running.values().for_each(|running| running.signals.wake.notify_one());
        }
    }

    /// Brings the workers in line with the database.
    async fn look(&mut self) -> Result<(), StoreError> {
        let webhooks = self.tools.store.webhooks().await?;
        self.running.retain(|id, running| {
            let stays = webhooks.iter().any(|webhook| webhook.id == *id);
            if !stays {
                running.handle.abort();
            }
            stays && !running.handle.is_finished()
        });
        while let Some(ended) = self.workers.try_join_next() {
            if let Err(error) = ended
                && error.is_panic()
            {
                tracing::error!(%error, "the worker of a webhook failed; it is started again");
            }
        }
        for webhook in &webhooks {
            if let Some(running) = self.running.get_mut(&webhook.id)
                && running.hurried != webhook.hurried
            {
                running.hurried = webhook.hurried;
                running.signals.hurry.notify_one();
            }
        }
        let added: Vec<Webhook> =
            webhooks.into_iter().filter(|webhook| !self.running.contains_key(&webhook.id)).collect();
        if !added.is_empty() {
            self.start(added);
        }
        Ok(())
    }

    fn start(&mut self, added: Vec<Webhook>) {
        let secrets = match (self.tools.secrets)() {
            Ok(secrets) => secrets,
            Err(error) => {
                // Each of them once, not at every look.
                let new = added.iter().filter(|webhook| self.reported.insert(webhook.id)).count();
                if new > 0 {
                    tracing::error!(%error, "the secrets of webhooks cannot be read; what they must be told waits");
                }
                return;
            }
        };
        for webhook in added {
            let Some(secret) = secrets.iter().find(|secret| secret.number == webhook.id) else {
                // It may be written this very moment: the database comes first.
                if self.reported.insert(webhook.id) {
                    tracing::warn!(
                        webhook = webhook.name,
                        "secrets.json has no URL for a webhook; if this goes on, remove it and add it again"
                    );
                }
                continue;
            };
            self.reported.remove(&webhook.id);
            let (id, hurried) = (webhook.id, webhook.hurried);
            let signals = Arc::new(Signals::default());
            let dice = ChaCha20Rng::from_seed((self.tools.seed)());
            let worker = worker::Worker::new(self.tools.clone(), webhook, secret.clone(), dice, signals.clone());
            let handle = self.workers.spawn(worker.run());
            self.running.insert(id, Running { signals, hurried, handle });
        }
    }
}
