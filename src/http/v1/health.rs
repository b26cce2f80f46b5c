//! How the gateway is.

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
use crate::clock::UnixMillis;
use crate::gateway::LockSnapshot;

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
    /// Every paired lock, by number.
    locks: Vec<LockState>,
    /// What waits to be told, by slot of the Bridge API.
    callbacks: Vec<Callback>,
}

/// How a lock is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LockState {
    /// The lock's number.
    nuki_id: u32,
    /// Its name.
    name: String,
    /// Seconds since its state was read; absent until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    state_age_seconds: Option<u64>,
    /// When it was heard last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    last_contact: Option<String>,
    /// Signal strength, dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rssi: Option<i16>,
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
    let locks: Vec<_> = app.gateway.locks().into_iter().map(|lock| lock_state(lock, now)).collect();
    let waiting = app.store.waiting().await?;
    let is_well = locks.iter().all(|lock| lock.last_contact.is_some());
    Ok(private(object(&Health {
        status: if is_well { Status::Ok } else { Status::Degraded },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: app.clock.monotonic().as_secs(),
        date: now.rfc3339(),
        newest_event: app.store.row_numbers().await?.newest,
        locks,
        callbacks: waiting.into_iter().map(|slot| Callback { id: slot.slot, waiting: slot.waiting }).collect(),
    })?))
}

fn lock_state(lock: LockSnapshot, now: UnixMillis) -> LockState {
    let read_at = lock.state.map(|(_, at)| at);
    LockState {
        nuki_id: lock.nuki_id,
        name: lock.name,
        state_age_seconds: read_at.map(|at| now.since(at).as_secs()),
        last_contact: lock.last_seen.max(read_at).map(UnixMillis::rfc3339),
        rssi: lock.rssi,
    }
}
