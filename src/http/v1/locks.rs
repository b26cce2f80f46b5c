//! What is set at a lock.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use utoipa::IntoParams;

use super::accept::Media;
use super::ask::{Ask, object, private};
use super::events::NoQuery;
use super::health::Clock;
use super::problem::Problem;
use super::schema;
use super::{AppState, PathText};
use crate::http::doors::Doors as _;
use crate::http::query::nuki_id_readings;
use crate::http::scoped::ScopedDoors;
use crate::protocol::beacon::NukiId;

/// Which lock.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "documentation")]
pub(super) struct LockPath {
    /// Number of the lock, decimal or as eight hex digits
    #[param(schema_with = schema::lock_number, required = true)]
    nuki_id: (),
}

/// Sets the clock of a lock to the host's. It needs the security PIN and a link, so it takes some seconds.
///
/// A lock that runs on local time keeps to it. This changes the lock's
/// settings; the gateway never does so by itself.
#[utoipa::path(post, path = "/locks/{nuki_id}/clock", tag = "gateway",
    params(LockPath), responses(
    (status = 200, description = "What the clock shows now", body = Clock),
    (status = 400, description = "The number is none", body = Problem),
    (status = 404, description = "No such lock is paired", body = Problem),
    (status = 406, description = "JSON is not accepted", body = Problem),
    (status = 503, description = "The lock cannot be reached or does not take the PIN", body = Problem),
))]
pub(super) async fn set_clock(
    State(app): State<Arc<AppState>>,
    nuki_id: PathText,
    ask: Ask,
) -> Result<Response, Problem> {
    let (doors, nuki_id) = at_lock(&app, &ask, nuki_id)?;
    Ok(private(object(&Clock::from(doors.set_clock(nuki_id).await?))?))
}

/// A request to one lock that takes no parameters and answers in JSON: the doors as the client sees them, and the lock.
pub(super) fn at_lock(app: &AppState, ask: &Ask, nuki_id: PathText) -> Result<(ScopedDoors, NukiId), Problem> {
    ask.media(&[Media::Json])?;
    ask.query::<NoQuery>()?;
    let doors = ask.doors(app);
    let nuki_id = find(&doors, nuki_id)?;
    Ok((doors, nuki_id))
}

/// The lock that the path names, if the client may know of it.
pub(super) fn find(doors: &ScopedDoors, nuki_id: PathText) -> Result<NukiId, Problem> {
    let text = nuki_id.map(|path| path.0).unwrap_or_default();
    let mut readings = nuki_id_readings(&text).into_iter().flatten().peekable();
    if readings.peek().is_none() {
        let hint = "decimal, or eight hex digits, as printed on the lock";
        return Err(Problem::parameter("nuki_id in the path", "it is no number of a lock", hint));
    }
    let found = readings.find(|id| doors.lock(*id).is_some());
    found.ok_or_else(|| Problem::not_found("no lock with this number is paired", "take it from /list"))
}
