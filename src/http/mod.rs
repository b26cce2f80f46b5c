//! The HTTP server: [`bridge`] mirrors the vendor's Bridge API, `/v1` is ours, and so is the page that shows it.
//!
//! One function routes the bridge's requests, because paths match in any case
//! there; `/v1` is a router of its own. In both nothing happens before the
//! credential was checked. Query strings carry tokens, so no line of the log
//! ever holds one.

mod auth;
pub mod bridge;
mod cookie;
mod doors;
mod edition;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod idempotency;
mod json;
mod network;
mod origin;
mod page;
mod query;
mod replay;
mod scoped;
mod server;
mod sessions;
mod throttle;
mod v1;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{Extensions, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

pub use auth::{
    Authenticated, Authenticator, DEFAULT_WINDOW, Denied, EmptyToken, NotLetIn, Presented, Token, USES_NOTED_EVERY,
};
pub use doors::Doors;
pub use gate::{Gate, Knock, Peer, PlainTokens};
pub use query::Params;
pub use server::{Certificates, Entrance, TlsError, TlsFiles, serve, serve_all};
pub use v1::News;
pub use v1::{entry_json, live_json, lock_json, user_json};

use crate::clock::Clock;
use crate::config::ConfigStatus;
use crate::delivery::{CallbackRules, Waker};
use crate::diagnostics::Diagnostics;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::store::Store;
use error::Refusal;
use origin::Foreign;
use scoped::ScopedDoors;

/// Longest path and query; the longest that a client needs is a callback URL, three times its length when encoded.
const MAX_URL: usize = 2_048;

/// What the server works on. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The locks.
    pub gateway: Arc<dyn Doors>,
    /// The event log.
    pub store: Store,
    /// Who may ask.
    pub gate: Arc<Gate>,
    /// Time.
    pub clock: Clock,
    /// What `/info` says we are.
    pub identity: BridgeIdentity,
    /// What receivers of callbacks get.
    pub callbacks: Live<CallbackRules>,
    /// Woken when callbacks are added or removed.
    pub delivery: Waker,
    /// Tells live streams that something was stored.
    pub news: News,
    /// What the Bridge API works on beside these.
    pub bridge: bridge::Bridge,
    /// What was done lately.
    pub diagnostics: Diagnostics,
    /// What is counted and timed.
    pub metrics: Metrics,
    /// What became of the configuration.
    pub config: ConfigStatus,
    /// What is shown to clients that come with TLS.
    pub certificates: Option<Certificates>,
}

impl AppState {
    /// The locks and actions that a client's token allows, for one request.
    fn within_reach_of(&self, who: &Authenticated) -> ScopedDoors {
        ScopedDoors::new(Arc::clone(&self.gateway), who.clone())
    }
}

/// The numbers by which clients recognise a bridge; they must stay the same for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BridgeIdentity {
    hardware_id: u32,
    server_id: u32,
}

impl BridgeIdentity {
    /// Any two numbers; those that some client cannot take (openHAB reads signed
    /// 32 bits, homebridge-nb wants eight hex digits) are folded into
    /// `0x10000000..=0x7FFFFFFF`.
    #[must_use]
    pub const fn new(hardware_id: u32, server_id: u32) -> Self {
        Self { hardware_id: fold(hardware_id), server_id: fold(server_id) }
    }

    /// `hardwareId`.
    #[must_use]
    pub const fn hardware_id(self) -> u32 {
        self.hardware_id
    }

    /// `serverId`.
    #[must_use]
    pub const fn server_id(self) -> u32 {
        self.server_id
    }
}

const fn fold(id: u32) -> u32 {
    match id {
        0x1000_0000..=0x7FFF_FFFF => id,
        _ => 0x1000_0000 + id % 0x7000_0000,
    }
}

/// Every endpoint.
pub fn router(app: AppState) -> Router {
    let app = Arc::new(app);
    let (v1, measured) = (v1::router(&app), v1::metrics_router(&app));
    Router::new()
        .nest(v1::PREFIX, v1)
        .merge(measured)
        .layer(from_fn_with_state(Arc::clone(&app), enter_matched))
        // Behind the layer, because a layer is a few allocations for every request.
        .fallback(move |request: Request| {
            let app = Arc::clone(&app);
            async move {
                let path = request.uri().path().to_ascii_lowercase();
                let is_known = bridge::Endpoint::find(&path).is_some() || bridge::OpenEndpoint::find(&path).is_some();
                let route = if is_known { path.clone() } else { "other".to_owned() };
                // Here no body is ever read: every parameter stands in the URL.
                enter(&app, route, request, async |request| answer(&app, &path, &request.into_parts().0).await).await
            }
        })
}

async fn enter_matched(State(app): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    enter(&app, route, request, async |request| next.run(request).await).await
}

/// What every request passes first: refuses what no client needs, and counts what was answered, by the route as this program
/// names it.
async fn enter(
    app: &AppState,
    route: String,
    request: Request,
    go_on: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let response = match first_look(&app.gate, &request) {
        Ok(()) => go_on(request).await,
        Err(refusal) => refusal.into_response(),
    };
    app.metrics.request(route, response.status().as_u16());
    response
}

/// Before anything else looks at it.
fn first_look(gate: &Gate, request: &Request) -> Result<(), Refusal> {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    if path.len() + query.len() > MAX_URL {
        return Err(Refusal::UriTooLong);
    }
    let headers = request.headers();
    // Somebody who follows a link to the page is its reader, wherever the link stands.
    let checked = if page::find(path, headers).is_some() && origin::is_opening(headers) {
        origin::check_name(headers, &gate.hosts())
    } else {
        origin::check(headers, &gate.hosts())
    };
    checked.map_err(|foreign| match foreign {
        Foreign::Site => Refusal::ForeignSite,
        Foreign::Host => Refusal::ForeignHost,
    })
}

/// Where a request comes from. The server says so of every request; one that it says nothing of is a stranger's.
fn peer(extensions: &Extensions) -> Peer {
    let nobody = Peer { address: SocketAddr::from(([0, 0, 0, 0], 0)), is_local: false, is_encrypted: false };
    extensions.get().copied().unwrap_or(nobody)
}

/// Answers for the bridge: path, method, credential, parameters, in this order.
/// `path` is the request's in lower case.
async fn answer(app: &AppState, path: &str, request: &Parts) -> Response {
    if let Some(file) = page::find(request.uri.path(), &request.headers) {
        return file.answer(&request.method, &request.headers);
    }
    let (endpoint, open) = (bridge::Endpoint::find(path), bridge::OpenEndpoint::find(path));
    if endpoint.is_none() && open.is_none() {
        // A live bridge says 400 to its root.
        return if path == "/" { Refusal::BadRequest } else { Refusal::NotFound }.into_response();
    }
    if request.method != Method::GET {
        return Refusal::MethodNotAllowed.into_response();
    }
    if let Some(open) = open {
        let host = request.headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
        // A page that has let its own name point here may read every answer, and there is no credential to stop it.
        if host.is_some_and(|host| !open.is_known_as(host, &app.gate.hosts())) {
            return Refusal::ForeignHost.into_response();
        }
        return bridge::answer_openly(app, open, host).await;
    }
    let Some(endpoint) = endpoint else { return Refusal::NotFound.into_response() };
    let params = Params::parse(request.uri.query().unwrap_or_default());
    let knock = Knock { params: &params, bearer: None, is_v1: false, from: peer(&request.extensions) };
    match app.gate.admit(knock, app.clock.wall(), app.clock.monotonic()) {
        Ok(who) => bridge::answer(app, endpoint, &params, &who, &request.headers).await,
        Err(denied) => Refusal::from(denied).into_response(),
    }
}
