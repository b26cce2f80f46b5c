//! What is counted and timed while the gateway works, for `/metrics`.
//!
//! Counters and times alone: what stands in the database or in the gateway's
//! memory is read there when somebody scrapes. Labels are few and bounded:
//! numbers of locks, words of this program; never a name that anybody gave.

mod journey;
mod told;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::attribution::{Attribution, Event};
use crate::clock::UnixMillis;
use crate::diagnostics::Deed;
use crate::protocol::beacon::NukiId;
use crate::session::Outcome;
use journey::Journeys;

pub use told::{MeasuredOutbox, MeasuredPost};

/// Names and values of labels.
pub(crate) type Labels = Vec<(&'static str, String)>;
pub(crate) type Counters = Family<Labels, Counter>;

/// The labels of a request, which are made for each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

/// Upper ends, in seconds. A read over the radio takes tenths of a second, a telling ten milliseconds or three seconds, and
/// beyond a minute nobody waits any more.
const BUCKETS: [f64; 14] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0, 60.0];

/// To be cloned freely.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    beacon_to_state: Histogram,
    state_to_user: Histogram,
    user_to_told: Histogram,
    beacon_to_told: Histogram,
    connections: Counters,
    write_failures: Counters,
    actions: Counters,
    events: Counters,
    callbacks: Counters,
    webhooks: Counters,
    requests: Family<Answered, Counter>,
    journeys: Mutex<Journeys>,
}

impl Default for Inside {
    fn default() -> Self {
        let histogram = || Histogram::new(BUCKETS);
        Self {
            beacon_to_state: histogram(),
            state_to_user: histogram(),
            user_to_told: histogram(),
            beacon_to_told: histogram(),
            connections: Counters::default(),
            write_failures: Counters::default(),
            actions: Counters::default(),
            events: Counters::default(),
            callbacks: Counters::default(),
            webhooks: Counters::default(),
            requests: Family::default(),
            journeys: Mutex::default(),
        }
    }
}

/// A lock in a label.
pub(crate) fn lock_label(nuki_id: NukiId) -> (&'static str, String) {
    ("lock", format!("{nuki_id:08X}"))
}

fn word(name: &'static str, value: &str) -> (&'static str, String) {
    (name, value.to_owned())
}

/// A counter for each of these words.
pub(crate) fn counters(counts: impl IntoIterator<Item = (&'static str, u64)>, label: &'static str) -> Counters {
    let counters = Counters::default();
    for (name, count) in counts {
        counters.get_or_create(&vec![word(label, name)]).inc_by(count);
    }
    counters
}

impl Metrics {
    /// A beacon said that something changed, and is heeded. Times are the clock's that never goes back.
    pub(crate) fn beacon(&self, nuki_id: NukiId, now: Duration) {
        self.journeys(|journeys| journeys.beacon(nuki_id, now));
    }

    /// A state was read.
    pub(crate) fn state(&self, nuki_id: NukiId, now: Duration) {
        if let Some(took) = self.journeys(|journeys| journeys.state(nuki_id, now)) {
            self.0.beacon_to_state.observe(took.as_secs_f64());
        }
    }

    /// Events are on disk, and what is to be told of them, if anything is, since `queued_at`.
    pub(crate) fn committed(&self, nuki_id: NukiId, events: &[Event], queued_at: Option<UnixMillis>, now: Duration) {
        for event in events {
            let labels = vec![word("kind", event.kind.name()), word("attribution", event.attribution.name())];
            self.0.events.get_or_create(&labels).inc();
        }
        let is_settled = events.iter().any(|event| event.attribution != Attribution::Pending && !event.backfilled);
        let took = self.journeys(|journeys| {
            let took = is_settled.then(|| journeys.user(nuki_id, now)).flatten();
            if let Some(queued_at) = queued_at {
                journeys.queued(nuki_id, queued_at);
            }
            took
        });
        if let Some(took) = took {
            self.0.state_to_user.observe(took.as_secs_f64());
        }
    }

    /// A receiver was told what was queued then.
    fn told(&self, queued_at: UnixMillis, now: Duration) {
        let Some(told) = self.journeys(|journeys| journeys.told(queued_at, now)) else { return };
        if let Some(took) = told.since_user {
            self.0.user_to_told.observe(took.as_secs_f64());
        }
        self.0.beacon_to_told.observe(told.since_beacon.as_secs_f64());
    }

    /// Something happened to a link.
    pub(crate) fn link(&self, nuki_id: NukiId, deed: Deed) {
        let outcome = match deed {
            Deed::Connected => "connected",
            Deed::ConnectFailed => "failed",
            Deed::Disconnected => "lost",
            Deed::Disconnect => {
                // What a beacon began is over, whether it brought something or not.
                self.journeys(|journeys| journeys.end(nuki_id));
                return;
            }
            _ => return,
        };
        self.0.connections.get_or_create(&vec![lock_label(nuki_id), word("outcome", outcome)]).inc();
    }

    /// Something could not be written to a lock, so the link was given up.
    pub(crate) fn write_failed(&self, nuki_id: NukiId) {
        self.0.write_failures.get_or_create(&vec![lock_label(nuki_id)]).inc();
    }

    /// An action ended.
    pub(crate) fn action(&self, nuki_id: NukiId, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::NotDone(_) => "not_done",
            Outcome::Unknown => "unknown",
        };
        self.0.actions.get_or_create(&vec![lock_label(nuki_id), word("outcome", outcome)]).inc();
    }

    /// A request was answered; `route` is one of ours, never what a client wrote.
    pub(crate) fn request(&self, route: String, status: u16) {
        self.0.requests.get_or_create(&Answered { route, status }).inc();
    }

    /// Puts everything under its name.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let all = &self.0;
        let times = [
            (
                "beacon_to_state",
                "From the beacon that said something changed to the state read from the lock",
                &all.beacon_to_state,
            ),
            ("state_to_user", "From the state to the event with its user, or with nobody, on disk", &all.state_to_user),
            ("user_to_told", "From the event with its user on disk to a callback told", &all.user_to_told),
            ("beacon_to_told", "From the beacon to a callback told, the whole way", &all.beacon_to_told),
        ];
        for (name, help, histogram) in times {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
        let counters = [
            ("connections", "Connections to a lock, by how they went", &all.connections),
            ("write_failures", "Links given up because the lock took no write", &all.write_failures),
            ("actions", "Actions that ended, by how sure it is that they were done", &all.actions),
            ("events", "Events stored since the start", &all.events),
            ("callback_deliveries", "Tries to tell a callback of the Bridge API", &all.callbacks),
            ("webhook_deliveries", "Tries to tell an event webhook", &all.webhooks),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register("http_requests", "Requests answered", all.requests.clone());
    }

    fn journeys<T>(&self, act: impl FnOnce(&mut Journeys) -> T) -> T {
        // Each change is a single assignment, so a panic elsewhere leaves nothing half done.
        act(&mut self.0.journeys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
