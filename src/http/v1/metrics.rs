//! `/metrics`: counters, times and how everything stands, for Prometheus.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::AppState;
use super::ask::{Ask, private};
use super::events::NoQuery;
use super::problem::Problem;
use crate::access::Scope;
use crate::clock::UnixMillis;
use crate::gateway::{LockHealth, LockSnapshot, LogAccess};
use crate::http::Certificates;
use crate::metrics::{Labels, lock_label};

/// OpenMetrics, which Prometheus and its kin ask for; older readers take its lines as they are.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PREFIX: &str = "keyturner";

type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

/// Everything there is to measure.
///
/// Not part of `/v1`: names and labels are documented in `docs/metrics.md`.
pub(super) async fn metrics(State(app): State<Arc<AppState>>, ask: Ask) -> Result<Response, Problem> {
    ask.query::<NoQuery>()?;
    // Counters are not kept apart by who may know of which lock.
    if ask.who().access().locks().is_some() {
        return Err(Problem::forbidden(&[Scope::Read]));
    }
    let mut registry = Registry::with_prefix(PREFIX);
    app.metrics.register(&mut registry);
    let mut page = Page { registry, now: app.clock.wall() };
    page.process(&app);
    page.radio(&app);
    page.locks(&app);
    page.database(&app).await?;
    page.queues(&app).await?;
    page.config(&app);
    page.refusals(&app);
    let mut text = String::new();
    if let Err(error) = encode(&mut text, &page.registry) {
        tracing::error!(%error, "the metrics could not be written");
        return Err(Problem::internal());
    }
    let mut response = text.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    Ok(private(response))
}

struct Page {
    registry: Registry,
    now: UnixMillis,
}

impl Page {
    /// One gauge with a value for each of these labels.
    fn gauge(&mut self, name: &str, help: &str, unit: Option<Unit>, values: impl IntoIterator<Item = (Labels, f64)>) {
        let gauges = Gauges::default();
        for (labels, value) in values {
            gauges.get_or_create(&labels).set(value);
        }
        match unit {
            Some(unit) => self.registry.register_with_unit(name, help, unit, gauges),
            None => self.registry.register(name, help, gauges),
        }
    }

    fn one(&mut self, name: &str, help: &str, unit: Option<Unit>, value: f64) {
        self.gauge(name, help, unit, [(Labels::new(), value)]);
    }

    fn process(&mut self, app: &AppState) {
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        self.gauge("build_info", "1, with the version of this program", None, [(version, 1.0)]);
        let uptime = app.clock.monotonic().as_secs_f64();
        self.one("uptime", "Since the start", Some(Unit::Seconds), uptime);
        if let Some(bytes) = resident_memory() {
            self.one("resident_memory", "Memory that this process holds", Some(Unit::Bytes), bytes);
        }
    }

    fn radio(&mut self, app: &AppState) {
        let radio = app.gateway.radio();
        let is_listening = radio.as_ref().is_some_and(|radio| radio.problem.is_none());
        self.one("radio_listening", "1 while beacons can be heard", None, f64::from(u8::from(is_listening)));
        let adapter = radio.and_then(|radio| radio.adapter).map(|adapter| (vec![("adapter", adapter)], 1.0));
        self.gauge("radio_adapter", "1 for the Bluetooth adapter that was used last", None, adapter);
    }

    fn locks(&mut self, app: &AppState) {
        let locks = app.gateway.locks();
        let healths: Vec<LockHealth> = locks.iter().filter_map(|lock| app.gateway.health(lock.nuki_id)).collect();
        let of = |value: fn(&LockSnapshot) -> Option<f64>| -> Vec<(Labels, f64)> {
            locks.iter().filter_map(|lock| Some((vec![lock_label(lock.nuki_id)], value(lock)?))).collect()
        };
        let state = |health: fn(&LockHealth) -> Option<f64>| -> Vec<(Labels, f64)> {
            healths.iter().filter_map(|known| Some((vec![lock_label(known.nuki_id)], health(known)?))).collect()
        };
        self.gauge("lock_rssi_dbm", "Signal of the last beacon", None, of(|lock| lock.rssi.map(f64::from)));
        self.gauge(
            "lock_beacon_timestamp",
            "When a beacon was heard last, since 1970",
            Some(Unit::Seconds),
            of(|lock| lock.last_seen.map(seconds)),
        );
        self.gauge(
            "lock_state_read_timestamp",
            "When the state was read last, since 1970",
            Some(Unit::Seconds),
            of(|lock| lock.state.map(|(_, at)| seconds(at))),
        );
        self.gauge(
            "lock_state",
            "State of the bolt, by the numbers of docs/protocol.md",
            None,
            of(|lock| lock.state.map(|(states, _)| f64::from(states.lock_state.code()))),
        );
        self.gauge(
            "lock_battery_percent",
            "Charge, where the lock says it",
            None,
            of(|lock| lock.state.and_then(|(states, _)| states.battery.percent()).map(f64::from)),
        );
        self.gauge(
            "lock_battery_critical",
            "1 if it needs new batteries",
            None,
            of(|lock| lock.state.map(|(states, _)| truth(states.battery.is_critical()))),
        );
        self.gauge(
            "lock_authorized",
            "0 if it must be paired again",
            None,
            state(|known| Some(truth(known.is_authorized))),
        );
        self.gauge(
            "lock_log_readable",
            "0 if nobody can be named",
            None,
            state(|known| Some(truth(known.log_access == LogAccess::Readable))),
        );
        self.gauge(
            "lock_connections_today",
            "Links that were asked for since midnight, UTC",
            None,
            state(|known| Some(f64::from(known.connections_today))),
        );
        #[expect(clippy::cast_precision_loss, reason = "a clock's error is far below 2^52 ms")]
        self.gauge(
            "lock_clock_ahead",
            "How far the lock's clock is ahead of ours",
            Some(Unit::Seconds),
            state(|known| known.clock.map(|clock| clock.skew as f64 / 1000.0)),
        );
    }

    async fn database(&mut self, app: &AppState) -> Result<(), Problem> {
        let condition = app.store.condition().await?;
        self.one("database_size", "Size of the event log's file", Some(Unit::Bytes), real(condition.size));
        let free = condition.free.map(|free| (Labels::new(), real(free)));
        self.gauge("database_free", "Room that its file system has left", Some(Unit::Bytes), free);
        self.one("database_writable", "0 if nothing can be stored", None, truth(condition.problem.is_none()));
        let newest = u64::try_from(app.store.row_numbers().await?.newest).unwrap_or(0);
        self.one("newest_event", "Number of the newest row of the event log", None, real(newest));
        let open = u64::try_from(app.store.open_questions().await?).unwrap_or(0);
        self.one("open_questions", "Events of which it is not known yet who it was", None, real(open));
        Ok(())
    }

    async fn queues(&mut self, app: &AppState) -> Result<(), Problem> {
        let slots = app.store.waiting().await?;
        let webhooks = app.store.webhook_status().await?;
        let outbox = app.store.outbox_condition().await?;
        let slot = |slot: u8| vec![("queue", format!("callback_{slot}"))];
        // By its number: its name is its owner's.
        let webhook = |id: i64| vec![("queue", format!("webhook_{id}"))];
        let waiting = slots.iter().map(|waiting| (slot(waiting.slot), real(waiting.waiting.unsigned_abs())));
        let waiting = waiting.chain(webhooks.iter().map(|status| (webhook(status.id), f64::from(status.waiting))));
        self.gauge("queue_waiting", "What waits to be told", None, waiting.collect::<Vec<_>>());
        let dead = webhooks.iter().map(|status| (webhook(status.id), f64::from(status.dead)));
        let given_up = (vec![("queue", "callbacks".to_owned())], real(outbox.given_up.unsigned_abs()));
        self.gauge("queue_dead", "What nobody took in time", None, dead.chain([given_up]).collect::<Vec<_>>());
        let age = |since: i64| self.now.since(UnixMillis(since)).as_secs_f64();
        let oldest = webhooks.iter().filter_map(|status| Some((webhook(status.id), age(status.waiting_since?))));
        let callbacks = outbox.waiting_since.map(|since| (vec![("queue", "callbacks".to_owned())], age(since)));
        let oldest: Vec<_> = oldest.chain(callbacks).collect();
        self.gauge("queue_oldest_age", "How long the oldest of them waits", Some(Unit::Seconds), oldest);
        Ok(())
    }

    fn config(&mut self, app: &AppState) {
        let expires = app.certificates.as_ref().and_then(Certificates::expires);
        let help = "When the certificate expires, since 1970";
        let expires = expires.map(|at| (Labels::new(), seconds(at)));
        self.gauge("certificate_expiry_timestamp", help, Some(Unit::Seconds), expires);
        let failed = app.config.get().problem.is_some();
        let help = "1 if the last reload of the configuration was refused";
        self.one("config_reload_failed", help, None, truth(failed));
    }

    fn refusals(&mut self, app: &AppState) {
        let refusals = crate::metrics::counters(app.gate.refusals(), "reason");
        self.registry.register("credential_refusals", "Requests without a credential that counts", refusals);
    }
}

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

#[expect(clippy::cast_precision_loss, reason = "bytes and rows below 2^53")]
fn real(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of our time are below 2^53")]
fn seconds(at: UnixMillis) -> f64 {
    at.0 as f64 / 1000.0
}

/// What the kernel says of this process; `None` where it does not.
fn resident_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}
