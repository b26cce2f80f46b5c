//! How the gateway is: what works, and in plain words what does not and what to do about it.

mod lock;
mod parts;
mod webhook;

pub(super) use lock::Clock;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::AppState;
use super::accept::Media;
use super::ask::{Ask, object, private};
use super::events::NoQuery;
use super::problem::Problem;
use crate::gateway::RadioHealth;
use crate::http::Certificates;
use crate::http::doors::Doors as _;
use crate::store::{ChainHead, ClockDoubt};
use lock::LockState;
use parts::{CallbackQueue, Config, Database, Tls, certificate_attention, clock_attention};
use webhook::Webhook;

/// In one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// Everything works.
    Ok,
    /// It works, but something wants attention.
    Degraded,
}

/// How the gateway is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    /// In one word.
    status: Status,
    /// This program's version.
    version: String,
    /// Seconds since the start.
    uptime_seconds: u64,
    /// Now, by the host's clock.
    #[schema(format = DateTime)]
    date: String,
    /// Number of the newest row of the event log.
    newest_event: i64,
    /// The end of the chain of hashes. Whoever keeps it can prove later that nothing before it was changed.
    chain_head: Head,
    /// How the radio listens for beacons.
    radio: Radio,
    /// Every paired lock, by number.
    locks: Vec<LockState>,
    /// What waits to be told, by slot of the Bridge API.
    callbacks: Vec<Callback>,
    /// What waits to be told to event webhooks, and how they take it.
    webhooks: Vec<Webhook>,
    /// Everything that wants attention, part by part, in plain words that say what to do; empty if all is well.
    attention: Vec<String>,
    /// How the file of the event log is.
    database: Database,
    /// What waits for callbacks, all slots together.
    callback_queue: CallbackQueue,
    /// What became of the configuration.
    config: Config,
    /// The certificate that is shown; absent without TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tls: Option<Tls>,
}

/// How the radio listens for beacons.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Radio {
    /// Whether it listens.
    is_listening: bool,
    /// Since when it does, or does not; absent until it has begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    since: Option<String>,
    /// Why it does not, and what to do about it; absent while it listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<String>,
    /// The Bluetooth adapter that was used last, such as `hci0`; absent until there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    adapter: Option<String>,
}

impl From<Option<RadioHealth>> for Radio {
    fn from(health: Option<RadioHealth>) -> Self {
        let is_listening = health.as_ref().is_some_and(|health| health.problem.is_none());
        let since = health.as_ref().map(|health| health.since.rfc3339());
        let (problem, adapter) = health.map_or((None, None), |health| (health.problem, health.adapter));
        Self { is_listening, since, problem, adapter }
    }
}

impl Radio {
    fn attention(&self) -> Option<String> {
        let why = self.problem.as_deref().unwrap_or("it has not begun to listen");
        (!self.is_listening).then(|| format!("radio: {why}"))
    }
}

/// The last event and its hash, for `keyturner verify --head ID:HASH`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Head {
    /// Number of the event.
    id: i64,
    /// SHA-256, 64 hex digits.
    hash: String,
}

impl From<ChainHead> for Head {
    fn from(head: ChainHead) -> Self {
        Self { id: head.id, hash: head.hash_hex() }
    }
}

/// What waits for a callback's receiver.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Callback {
    /// The slot.
    id: u8,
    /// How many bodies wait.
    waiting: i64,
}

/// How the gateway and its locks are. From memory and the database; no radio is used.
#[utoipa::path(get, path = "/health", tag = "gateway", responses(
    (status = 200, description = "How it is", body = Health),
    (status = 400, description = "A parameter is bad", body = Problem),
    (status = 406, description = "JSON is not accepted", body = Problem),
))]
pub(super) async fn health(State(app): State<Arc<AppState>>, ask: Ask) -> Result<Response, Problem> {
    ask.media(&[Media::Json])?;
    ask.query::<NoQuery>()?;
    let now = app.clock.wall();
    let doors = ask.doors(&app);
    let locks = doors.locks().into_iter();
    let locks: Vec<_> = locks.map(|lock| LockState::new(doors.health(lock.nuki_id), &lock, now)).collect();
    let webhooks: Vec<_> = app.store.webhook_status().await?.into_iter().map(Webhook::from).collect();
    let waiting = app.store.waiting().await?;
    let radio = Radio::from(doors.radio());
    let database = Database::new(app.store.condition().await?, app.store.open_questions().await?);
    let config = Config::from(app.config.get());
    // Of locks that the client may know of.
    let reaches =
        |doubt: &ClockDoubt| !matches!(doubt, ClockDoubt::LockDisagrees { nuki_id, .. } if !ask.reaches(*nuki_id));
    let doubt = app.store.clock_doubt(now).await?.filter(reaches);
    let expires = app.certificates.as_ref().and_then(Certificates::expires);
    let parts = [
        radio.attention(),
        database.attention(),
        config.attention(),
        clock_attention(doubt.as_ref()),
        certificate_attention(expires, now),
    ];
    let mut attention: Vec<String> = parts.into_iter().flatten().collect();
    attention.extend(locks.iter().flat_map(LockState::attention));
    attention.extend(webhooks.iter().filter_map(Webhook::attention));
    Ok(private(object(&Health {
        status: if attention.is_empty() { Status::Ok } else { Status::Degraded },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: app.clock.monotonic().as_secs(),
        date: now.rfc3339(),
        newest_event: app.store.row_numbers().await?.newest,
        chain_head: app.store.chain_head().await?.into(),
        radio,
        locks,
        callbacks: waiting.into_iter().map(|slot| Callback { id: slot.slot, waiting: slot.waiting }).collect(),
        webhooks,
        attention,
        database,
        callback_queue: app.store.outbox_condition().await?.into(),
        config,
        tls: expires.map(Tls::new),
    })?))
}
