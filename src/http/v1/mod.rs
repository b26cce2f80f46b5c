//! Our own API: the event log and the people in it, under the Web API's names and numbers.
//!
//! Routes and their description in OpenAPI come from the same annotations. The
//! credential is checked before anything else, unknown paths included.

mod accept;
mod actions;
mod ask;
mod body;
mod bridge;
mod codes;
mod csv;
mod cursor;
mod entry;
mod events;
mod filter;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod health;
mod history;
mod live;
mod locks;
mod metrics;
mod movements;
mod openapi;
mod problem;
mod query;
mod refused;
mod schema;
mod session;
mod users;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::str::FromStr;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;
use super::auth::{Authenticated, Denied};
use super::cookie;
use super::gate::{Knock, Peer};
use super::query::Params;
use crate::access::Scope;
use problem::{Problem, reword};
use query::{CREDENTIALS, Query, whole};

pub use entry::entry_json;
pub use live::{News, live_json};
pub use locks::lock_json;
pub use users::user_json;

/// Where it all stands.
pub(super) const PREFIX: &str = "/v1";

/// A part of the path, as text.
type PathText = Result<Path<String>, PathRejection>;

/// Everything under `/v1`.
pub(super) fn router(app: &Arc<AppState>) -> Router {
    let (router, api) = described().split_for_parts();
    let router = router.route("/openapi.json", openapi::serve(&api));
    router
        .fallback(async || Problem::not_found("there is nothing at this path", "/v1/openapi.json says what there is"))
        .layer(from_fn_with_state(Arc::clone(app), guard))
        .with_state(Arc::clone(app))
}

/// `/metrics`, which is no part of the API and asks for the same credential.
pub(super) fn metrics_router(app: &Arc<AppState>) -> Router {
    Router::new()
        .route("/metrics", get(metrics::metrics))
        .layer(from_fn(|request: Request, next: Next| allow(&[Scope::Read], request, next)))
        .layer(from_fn_with_state(Arc::clone(app), guard))
        .with_state(Arc::clone(app))
}

/// The routes with their description. Each stands with the scope that it needs, and in no other place.
fn described() -> OpenApiRouter<Arc<AppState>> {
    let history = OpenApiRouter::new()
        .routes(routes!(history::history))
        .routes(routes!(events::events))
        .routes(routes!(events::event))
        .routes(routes!(users::users))
        .routes(routes!(users::user))
        .routes(routes!(history::of_user))
        .routes(routes!(users::codes))
        .routes(routes!(users::code))
        .routes(routes!(history::of_code))
        .routes(routes!(history::refused))
        .routes(routes!(refused::counts))
        .routes(routes!(movements::counts));
    let mut free = OpenApiRouter::new().routes(routes!(session::log_in, session::session, session::log_out));
    openapi::need(free.get_openapi_mut(), &[]);
    let read = OpenApiRouter::new().routes(routes!(health::health)).routes(routes!(locks::locks));
    // Which of the two, or both, depends on the action and the device: `ScopedDoors` asks.
    let acting = OpenApiRouter::new().routes(routes!(actions::act));
    let admin = OpenApiRouter::new()
        .routes(routes!(locks::set_clock))
        .routes(routes!(codes::list, codes::add))
        .routes(routes!(codes::update, codes::remove))
        .routes(routes!(bridge::open_auth_window));
    OpenApiRouter::with_openapi(openapi::head())
        .merge(free)
        .merge(needing(&[Scope::History], history))
        .merge(needing(&[Scope::Read], read))
        .merge(needing(&[Scope::Lock, Scope::Unlock], acting))
        .merge(needing(&[Scope::Admin], admin))
}

/// Lets only tokens with one of these scopes to these routes, and says so in their description.
fn needing(scopes: &'static [Scope], mut routes: OpenApiRouter<Arc<AppState>>) -> OpenApiRouter<Arc<AppState>> {
    openapi::need(routes.get_openapi_mut(), scopes);
    routes.layer(from_fn(move |request: Request, next: Next| allow(scopes, request, next)))
}

async fn allow(scopes: &'static [Scope], request: Request, next: Next) -> Response {
    match request.extensions().get::<Authenticated>() {
        Some(who) if scopes.iter().any(|scope| who.access().may(*scope)) => next.run(request).await,
        Some(_) => Problem::forbidden(scopes).into_response(),
        None => Problem::unauthorized().into_response(),
    }
}

/// Checks the credential, and puts words to the answers that axum makes by itself.
async fn guard(State(app): State<Arc<AppState>>, mut request: Request, next: Next) -> Response {
    let shown = Shown::take(&mut request);
    let who = if request.uri().path() == session::PATH && !shown.has_token() {
        // Whoever logs in shows nothing yet, or a session that is over.
        shown.by_session(&app).and_then(Result::ok)
    } else {
        match shown.admit(&app) {
            Ok(who) => Some(who),
            Err(denied) => return Problem::from(denied).into_response(),
        }
    };
    let changes = !request.method().is_safe();
    let is_session = who.as_ref().is_some_and(|who| who.session().is_some());
    if is_session && changes && !session::is_own_page(request.headers()) {
        return Problem::not_our_page().into_response();
    }
    if let Some(who) = who {
        request.extensions_mut().insert(who);
    }
    reword(next.run(request).await)
}

/// What a request shows of whose it is.
struct Shown {
    params: Params,
    authorization: Option<HeaderValue>,
    cookie: Option<Vec<u8>>,
    from: Peer,
}

impl Shown {
    /// Takes headers with credentials out of a request: they have done their work, and nobody behind us shall be able
    /// to show them.
    fn take(request: &mut Request) -> Self {
        let from = super::peer(request.extensions());
        let params = Params::parse(request.uri().query().unwrap_or_default());
        let headers = request.headers_mut();
        let cookie = cookie::read(headers, from);
        headers.remove(COOKIE);
        Self { params, authorization: headers.remove(AUTHORIZATION), cookie, from }
    }

    fn bearer(&self) -> Option<&[u8]> {
        self.authorization.as_ref().and_then(|value| bearer(value.as_bytes()))
    }

    /// Whether it shows a token, or what was made with one.
    fn has_token(&self) -> bool {
        self.bearer().is_some() || CREDENTIALS.iter().any(|name| self.params.get(name).is_some())
    }

    /// Whose request it is. A session's cookie counts only where nothing else is shown.
    fn admit(&self, app: &AppState) -> Result<Authenticated, Denied> {
        let by_session = if self.has_token() { None } else { self.by_session(app) };
        by_session.unwrap_or_else(|| {
            let knock = Knock { params: &self.params, bearer: self.bearer(), is_v1: true, from: self.from };
            app.gate.admit(knock, app.clock.wall(), app.clock.monotonic())
        })
    }

    /// Whose session it is, if a cookie is shown.
    fn by_session(&self, app: &AppState) -> Option<Result<Authenticated, Denied>> {
        let cookie = self.cookie.as_ref()?;
        Some(app.gate.find_session(cookie, self.from, app.clock.wall(), app.clock.monotonic()))
    }
}

/// The token of `Authorization: Bearer TOKEN`; other schemes are a proxy's business.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// A number in the path.
fn path_number<T: FromStr>(name: &'static str, text: PathText, hint: &'static str) -> Result<T, Problem> {
    match text {
        Ok(Path(text)) => whole(name, &text, hint),
        Err(_) => Err(Problem::parameter(name, "it is not UTF-8", hint)),
    }
}

/// Refuses a filter that the path has settled.
fn named(query: &Query, name: &'static str, message: &'static str, hint: &'static str) -> Result<(), Problem> {
    match query.get(name) {
        Some(_) => Err(Problem::parameter(name, message, hint)),
        None => Ok(()),
    }
}
