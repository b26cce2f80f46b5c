//! Webhooks in virtual time: a real queue on disk, and receivers that behave as the test says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyturner::attribution::Event;
use keyturner::clock::{Clock, UnixMillis};
use keyturner::delivery::Waker;
use keyturner::delivery::webhook::{Answer, Message, Receiver, Tools, WebhookPost, Webhooks, start};
use keyturner::http::entry_json;
use keyturner::pulse::Pulses;
use keyturner::secrets::{WebhookSecret, WebhookUrl};
use keyturner::store::{AddWebhook, Batch, NewWebhook, Store, WebhookFilter, WebhookStatus};
use serde_json::Value;
use tempfile::TempDir;

use super::listener::listen;
use crate::store::{LOCK, NOW, batch, lock_row};

pub(crate) const SECRET: &str = "a-secret-of-the-right-size-0123456789";
/// Beside [`LOCK`].
pub(crate) const OTHER_LOCK: u32 = 0x2B1C_0D0F;

/// How a receiver treats what comes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    /// Takes it.
    Up,
    /// Cannot be connected to.
    Down,
    /// Says nothing until the sender hangs up.
    Hangs,
    /// Answers so.
    Says(u16),
    /// Answers 429 and wants to be left alone for so many seconds.
    AsksFor(u64),
    /// Refuses the event with this number, takes all others.
    Refuses(i64),
    /// Takes it, after a second.
    Slow,
    /// Takes it and dies before the answer is out, each time a key comes for the first time.
    DiesAfterTaking,
}

/// What a receiver took.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Taken {
    pub(crate) key: String,
    pub(crate) body: Value,
    pub(crate) message: Message,
    pub(crate) at: UnixMillis,
}

impl Taken {
    pub(crate) fn sequence(&self) -> i64 {
        self.body["sequence"].as_i64().unwrap()
    }
}

/// Every receiver there is, by host.
#[derive(Clone)]
pub(crate) struct Net {
    clock: Clock,
    state: Arc<Mutex<NetState>>,
}

#[derive(Default)]
struct NetState {
    manners: BTreeMap<String, Manner>,
    taken: BTreeMap<String, Vec<Taken>>,
    tried: BTreeMap<String, Vec<UnixMillis>>,
}

impl Net {
    pub(crate) fn set(&self, name: &str, manner: Manner) {
        self.state.lock().unwrap().manners.insert(name.to_owned(), manner);
    }

    pub(crate) fn taken(&self, name: &str) -> Vec<Taken> {
        self.state.lock().unwrap().taken.get(name).cloned().unwrap_or_default()
    }

    pub(crate) fn sequences(&self, name: &str) -> Vec<i64> {
        self.taken(name).iter().map(Taken::sequence).collect()
    }

    pub(crate) fn tried(&self, name: &str) -> Vec<UnixMillis> {
        self.state.lock().unwrap().tried.get(name).cloned().unwrap_or_default()
    }
}

fn status(code: u16) -> Answer {
    Answer::Status { code, retry_after: None }
}

impl WebhookPost for Net {
    async fn send(&self, to: Receiver<'_>, message: &Message) -> Answer {
        let name = to.url.expose().strip_prefix("https://").unwrap().split('/').next().unwrap().to_owned();
        let body: Value = serde_json::from_str(&message.body).unwrap();
        let at = self.clock.wall();
        let (manner, known) = {
            let mut state = self.state.lock().unwrap();
            state.tried.entry(name.clone()).or_default().push(at);
            let taken = state.taken.get(&name);
            let known = taken.is_some_and(|taken| taken.iter().any(|taken| taken.key == message.key));
            (state.manners.get(&name).copied().unwrap_or(Manner::Up), known)
        };
        let taken = Taken { key: message.key.clone(), body, message: message.clone(), at };
        let take = |taken: Taken| self.state.lock().unwrap().taken.entry(name).or_default().push(taken);
        match manner {
            Manner::Down => return Answer::None("cannot connect: refused".to_owned()),
            Manner::Hangs => {
                tokio::time::sleep(Duration::from_secs(10)).await;
                return Answer::None("no answer in time".to_owned());
            }
            Manner::Says(code) => return status(code),
            Manner::AsksFor(seconds) => {
                return Answer::Status { code: 429, retry_after: Some(Duration::from_secs(seconds)) };
            }
            Manner::Refuses(sequence) if taken.sequence() == sequence => return status(422),
            Manner::DiesAfterTaking if !known => {
                take(taken);
                return Answer::None("the connection broke".to_owned());
            }
            Manner::Slow => {
                take(taken);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Manner::Up | Manner::Refuses(_) | Manner::DiesAfterTaking => take(taken),
        }
        status(204)
    }
}

/// A database, receivers, and the workers between them.
pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) net: Net,
    pub(crate) clock: Clock,
    pub(crate) secrets: Arc<Mutex<Vec<WebhookSecret>>>,
    pub(crate) path: PathBuf,
    pub(crate) pulses: Pulses,
    workers: Option<Webhooks>,
    waker: Waker,
    _files: TempDir,
}

impl Desk {
    /// With the workers running and nobody to tell.
    pub(crate) async fn new() -> Self {
        let files = TempDir::new().unwrap();
        let path = files.path().join("keyturner.db");
        let store = Store::open(&path).await.unwrap().with_virtual_time();
        store.register_lock(&lock_row(LOCK, "Front door")).await.unwrap();
        store.register_lock(&lock_row(OTHER_LOCK, "Back door")).await.unwrap();
        let clock = Clock::virtual_from(NOW);
        let net = Net { clock, state: Arc::default() };
        let secrets = Arc::default();
        let (pulses, waker) = (Pulses::default(), Waker::new());
        let mut desk = Self { store, net, clock, secrets, path, pulses, workers: None, waker, _files: files };
        desk.start();
        desk
    }

    pub(crate) fn start(&mut self) {
        let secrets = self.secrets.clone();
        let tools = Tools {
            store: self.store.clone(),
            clock: self.clock,
            post: self.net.clone(),
            secrets: Arc::new(move || Ok(secrets.lock().unwrap().clone())),
            entry_json,
            seed: Arc::new(|| [9; 32]),
            look_every: Duration::from_secs(30),
            pulses: self.pulses.clone(),
        };
        self.workers = Some(start(tools, &self.waker));
    }

    pub(crate) async fn stop(&mut self) {
        self.workers.take().unwrap().stop().await;
    }

    /// The daemon ends, however busy it is, and begins again on the same files.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.store.close().await;
        self.store = Store::open(&self.path).await.unwrap().with_virtual_time();
        self.start();
    }

    /// A receiver named like its host; when this returns it is looked after.
    pub(crate) async fn add(&self, name: &str) -> i64 {
        self.add_with(NewWebhook { name: name.to_owned(), ..plain() }).await
    }

    pub(crate) async fn add_with(&self, webhook: NewWebhook) -> i64 {
        let added = self.store.add_webhook(&webhook, self.clock.wall()).await.unwrap();
        let AddWebhook::Added(id) = added else { panic!("{added:?}") };
        self.secrets.lock().unwrap().push(secret(id, &format!("https://{}/t0ken", webhook.name)));
        // A moment longer than the workers take to look.
        tokio::time::sleep(Duration::from_secs(31)).await;
        id
    }

    /// Stores events that are seen now; their numbers.
    pub(crate) async fn commit(&self, events: Vec<Event>) -> Vec<i64> {
        self.commit_at(LOCK, events).await
    }

    pub(crate) async fn commit_at(&self, nuki_id: u32, events: Vec<Event>) -> Vec<i64> {
        let batch = Batch { nuki_id, observed_at: self.clock.wall(), events, ..batch(0) };
        let ids = self.store.commit(&batch).await.unwrap();
        self.waker.wake();
        ids
    }

    pub(crate) async fn status(&self, name: &str) -> WebhookStatus {
        let all = self.store.webhook_status().await.unwrap();
        all.into_iter().find(|status| status.name == name).unwrap()
    }
}

pub(crate) fn secret(number: i64, url: &str) -> WebhookSecret {
    listen([url, SECRET]);
    WebhookSecret { number, url: WebhookUrl::parse(url).unwrap(), secret: SECRET.to_owned().into() }
}

pub(crate) fn plain() -> NewWebhook {
    NewWebhook {
        name: "plain".to_owned(),
        filter: WebhookFilter::default(),
        ca_pem: None,
        queue_limit: 10_000,
        give_up_after: Duration::from_hours(24),
    }
}

pub(crate) fn minutes(count: u64) -> Duration {
    Duration::from_mins(count)
}
