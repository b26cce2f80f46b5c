//! Who is told: receivers of callbacks and of event webhooks, good, dead, mute, slow, refusing and lying.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyturner::clock::Clock;
use keyturner::delivery::webhook::{Answer, Message, Receiver, WebhookPost};
use keyturner::delivery::{Post, Posted, Target};
use serde_json::Value;

use super::machine::Machine;

/// How a receiver treats what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Up,
    /// Cannot be connected to.
    Dead,
    /// Takes the connection and says nothing.
    Mute,
    /// Takes it after so many seconds.
    Slow(u64),
    /// Says that it failed.
    Refusing(u16),
    /// Takes it and says that it failed.
    Lying,
}

impl Manner {
    pub(crate) const ALL: [Self; 6] =
        [Self::Up, Self::Dead, Self::Mute, Self::Slow(3), Self::Refusing(503), Self::Lying];
}

/// Something that a receiver took.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) key: String,
    pub(crate) body: Value,
    /// Since the life began.
    pub(crate) at: Duration,
    /// On which start of the machine.
    pub(crate) boot: u32,
    /// The receiver said that it had failed.
    pub(crate) is_denied: bool,
}

impl Taken {
    pub(crate) fn sequence(&self) -> i64 {
        self.body["sequence"].as_i64().unwrap()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Receivers {
    pub(crate) manners: BTreeMap<String, Manner>,
    /// Webhooks, by host.
    pub(crate) taken: BTreeMap<String, Vec<Taken>>,
    /// Callbacks, by host.
    pub(crate) called: BTreeMap<String, Vec<Taken>>,
}

/// The network as one start of the machine sees it.
#[derive(Clone)]
pub(crate) struct Net {
    pub(crate) clock: Clock,
    pub(crate) machine: Arc<Machine>,
    pub(crate) boot: u32,
    pub(crate) receivers: Arc<Mutex<Receivers>>,
}

impl Net {
    fn manner(&self, host: &str) -> Manner {
        self.receivers.lock().unwrap().manners.get(host).copied().unwrap_or(Manner::Up)
    }

    fn taken(&self, key: &str, body: &str) -> Taken {
        let body = serde_json::from_str(body).unwrap();
        Taken { key: key.to_owned(), body, at: self.clock.monotonic(), boot: self.boot, is_denied: false }
    }
}

impl Post for Net {
    async fn post(&self, target: &Target, body: &str) -> Posted {
        self.machine.step().await;
        let host = ["good", "bad"].into_iter().find(|host| format!("{target:?}").contains(host)).unwrap();
        let take = || {
            let taken = self.taken("", body);
            self.receivers.lock().unwrap().called.entry(host.to_owned()).or_default().push(taken);
        };
        match self.manner(host) {
            Manner::Dead => return Posted::NotSent("cannot connect: refused".to_owned()),
            // What it answers, and whether it does, is its own affair.
            Manner::Mute => tokio::time::sleep(Duration::from_secs(2)).await,
            Manner::Slow(_) => tokio::time::sleep(Duration::from_millis(1_900)).await,
            Manner::Up | Manner::Refusing(_) | Manner::Lying => {}
        }
        self.machine.step().await;
        take();
        self.machine.step().await;
        Posted::Told
    }
}

impl WebhookPost for Net {
    async fn send(&self, to: Receiver<'_>, message: &Message) -> Answer {
        self.machine.step().await;
        let host = to.url.expose().strip_prefix("https://").unwrap().split('/').next().unwrap().to_owned();
        let manner = self.manner(&host);
        let take = || {
            let taken = Taken { is_denied: manner == Manner::Lying, ..self.taken(&message.key, &message.body) };
            self.receivers.lock().unwrap().taken.entry(host.clone()).or_default().push(taken);
        };
        match manner {
            Manner::Dead => return Answer::None("cannot connect: refused".to_owned()),
            Manner::Mute => {
                tokio::time::sleep(Duration::from_secs(10)).await;
                return Answer::None("no answer in time".to_owned());
            }
            Manner::Refusing(code) => return Answer::Status { code, retry_after: None },
            Manner::Slow(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            Manner::Up | Manner::Lying => {}
        }
        self.machine.step().await;
        take();
        self.machine.step().await;
        match manner {
            Manner::Lying => Answer::None("the connection broke".to_owned()),
            _ => Answer::Status { code: 204, retry_after: None },
        }
    }
}
