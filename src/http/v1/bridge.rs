//! What the owner does for clients of the Bridge API.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::accept::Media;
use super::ask::{Ask, object, private};
use super::problem::Problem;

/// How long the window stays open if nothing is said.
const DEFAULT_SECONDS: u16 = 120;
/// How long it may stay open.
const MOST_SECONDS: u16 = 600;

/// How long to open the window.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[allow(dead_code, reason = "documentation: it says which names there are and is read by `Query`")]
pub(super) struct WindowQuery {
    /// For so many seconds: 1 to 600.
    #[param(default = 120, minimum = 1, maximum = 600)]
    seconds: Option<u16>,
}

/// The open window.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthWindow {
    /// When it shuts by itself.
    #[schema(format = DateTime)]
    open_until: String,
}

/// Opens the window in which the Bridge API's `/auth` hands out the token, to one client.
///
/// That token may do everything at every lock, so only such a token opens it.
/// A hardware bridge has a button for that. The window shuts when the token
/// was handed out, or when its time has passed.
#[utoipa::path(post, path = "/bridge/auth", tag = "gateway", params(WindowQuery), responses(
    (status = 200, description = "The window is open", body = AuthWindow),
    (status = 400, description = "A parameter is bad", body = Problem),
    (status = 403, description = "The token may not do everything at every lock", body = Problem),
    (status = 406, description = "JSON is not accepted", body = Problem),
))]
pub(super) async fn open_auth_window(State(app): State<Arc<AppState>>, ask: Ask) -> Result<Response, Problem> {
    ask.media(&[Media::Json])?;
    if !ask.who().access().is_full() {
        return Err(Problem::gives_more());
    }
    let hint = "1 to 600; leave it out for 120";
    let seconds = ask.query::<WindowQuery>()?.number("seconds", hint)?.unwrap_or(DEFAULT_SECONDS);
    if !(1..=MOST_SECONDS).contains(&seconds) {
        return Err(Problem::parameter("seconds", "it is out of range", hint));
    }
    let duration = Duration::from_secs(u64::from(seconds));
    app.bridge.window.open(duration);
    tracing::warn!(seconds, "the window for /auth is open: whoever asks first gets the token");
    Ok(private(object(&AuthWindow { open_until: app.clock.wall().plus(duration).rfc3339() })?))
}
