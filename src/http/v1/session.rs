//! A browser's session: a token is shown once, a cookie stands for it from then on (`docs/adr/0039`).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, ORIGIN, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::super::auth::Authenticated;
use super::super::cookie;
use super::super::gate::Knock;
use super::super::peer;
use super::super::query::Params;
use super::super::sessions::SessionId;
use super::AppState;
use super::ask::{object, private};
use super::body::Secret;
use super::problem::Problem;

/// Where it stands below the prefix; here alone nobody needs a credential to be heard.
pub(super) const PATH: &str = "/session";
/// A header that no page of another site can send unasked, and that no form can send at all.
const OWN_PAGE: HeaderName = HeaderName::from_static("keyturner-page");

const LOGIN: &str = "a JSON object with token, a text, and nothing else";

/// What a browser shows once.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login<'a> {
    /// The token, of either API.
    #[serde(borrow)]
    #[schema(value_type = String, write_only, min_length = 1, max_length = 64)]
    token: Cow<'a, str>,
}

/// A session, as its browser may know it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub(super) struct Described {
    /// Name of the token behind it.
    name: String,
    /// What it may do: what the token may, but for `admin`.
    scopes: Vec<&'static str>,
    /// When it ends if it goes on being used; after a day without any use it ends earlier.
    #[schema(format = DateTime)]
    ends: String,
}

/// Begins a session. The token comes in the body, the cookie in `Set-Cookie`.
///
/// The token is taken where it is taken as a header (`plain_tokens`), and guessing is delayed as there.
#[utoipa::path(post, path = "/session", operation_id = "log_in", tag = "session", request_body = Login<'_>, security(()), responses(
    (status = 201, description = "Logged in; Set-Cookie has the session", body = Described),
    (status = 400, description = "The body is something else", body = Problem),
    (status = 401, description = "The token is wrong, or its time is over", body = Problem),
    (status = 403, description = "No token is taken as it is over this way; or, in plain text, a browser asks for another site or name", body = Problem),
    (status = 408, description = "The body did not come in time", body = Problem),
    (status = 413, description = "The body is too long", body = Problem),
    (status = 415, description = "The body is not application/json", body = Problem),
    (status = 429, description = "Too many wrong credentials came from this address; Retry-After says how long", body = Problem),
))]
pub(super) async fn log_in(State(app): State<Arc<AppState>>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let from = peer(&parts.extensions);
    if !app.gate.takes_plain(from) {
        return Err(Problem::token_not_private());
    }
    let who = check(&app, &parts, body).await?;
    let id = SessionId::new(&random()?);
    let begun = app.gate.open_session(&id, &who, app.clock.monotonic());
    tracing::info!(token = who.name(), from = %from.address.ip(), "a browser has logged in");
    let (mut answer, lasts) = describe(&app, &begun)?;
    *answer.status_mut() = StatusCode::CREATED;
    let cookie = cookie::set(&id, lasts, from).ok_or_else(Problem::internal)?;
    answer.headers_mut().insert(SET_COOKIE, cookie);
    Ok(answer)
}

/// The session that the cookie holds.
#[utoipa::path(get, path = "/session", operation_id = "session", tag = "session", security(("session" = [])), responses(
    (status = 200, description = "The session", body = Described),
    (status = 401, description = "There is none, or it is over", body = Problem),
    (status = 403, description = "None is to be had over this way, since no token is taken as it is; or, in plain text, a browser asks for another site or name", body = Problem),
))]
pub(super) async fn session(State(app): State<Arc<AppState>>, request: Request) -> Result<Response, Problem> {
    match asked_by(&request) {
        Ok(who) => Ok(describe(&app, who)?.0),
        // Said before anybody types a token where it could be read.
        Err(_) if !app.gate.takes_plain(peer(request.extensions())) => Err(Problem::token_not_private()),
        Err(problem) => Err(problem),
    }
}

/// Ends the session; its live streams end too.
#[utoipa::path(delete, path = "/session", operation_id = "log_out", tag = "session", security(("session" = [])), responses(
    (status = 204, description = "It is over"),
    (status = 401, description = "There was none", body = Problem),
    (status = 403, description = "A page of another site asks", body = Problem),
))]
pub(super) async fn log_out(State(app): State<Arc<AppState>>, request: Request) -> Result<Response, Problem> {
    let who = asked_by(&request)?;
    app.gate.end_session(who);
    app.news.ask_again();
    tracing::info!(token = who.name(), "a browser has logged out");
    let mut answer = StatusCode::NO_CONTENT.into_response();
    let cookie = cookie::clear(peer(request.extensions())).ok_or_else(Problem::internal)?;
    answer.headers_mut().insert(SET_COOKIE, cookie);
    Ok(private(answer))
}

/// Whether a request that changes something comes from our own page. The browser says so, and no other page can have it
/// say so: the origin is checked against the host before anything else, and the header of our own needs a permission
/// that nobody gets.
pub(super) fn is_own_page(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) && headers.contains_key(OWN_PAGE)
}

/// Whose token is in the body.
async fn check(app: &AppState, parts: &Parts, body: Body) -> Result<Authenticated, Problem> {
    let body = Secret::read(&parts.headers, body).await?;
    let Login { token }: Login<'_> = body.json(LOGIN)?;
    let knock = Knock {
        params: &Params::default(),
        bearer: Some(token.as_bytes()),
        is_v1: true,
        from: peer(&parts.extensions),
    };
    Ok(app.gate.admit(knock, app.clock.wall(), app.clock.monotonic())?)
}

/// Whoever asks by a session.
fn asked_by(request: &Request) -> Result<&Authenticated, Problem> {
    let who: Option<&Authenticated> = request.extensions().get();
    who.filter(|who| who.session().is_some()).ok_or_else(Problem::unauthorized)
}

/// What its browser may know of it, and how long it lasts at most.
fn describe(app: &AppState, who: &Authenticated) -> Result<(Response, Duration), Problem> {
    let session = who.session().ok_or_else(Problem::unauthorized)?;
    let left = session.left(app.clock.monotonic());
    let described = Described {
        name: who.name().to_owned(),
        scopes: who.access().scopes().map(|scope| scope.name()).collect(),
        ends: app.clock.wall().plus(left).rfc3339(),
    };
    let mut answer = private(object(&described)?);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok((answer, left))
}

fn random() -> Result<Zeroizing<[u8; 32]>, Problem> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| {
        tracing::error!(%error, "the system gives no random numbers, so nobody can log in");
        Problem::internal()
    })?;
    Ok(bytes)
}
