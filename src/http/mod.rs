//! The HTTP server: [`bridge`] mirrors the vendor's Bridge API, `/v1` is ours.
//!
//! One function routes the bridge's requests, because paths match in any case
//! there; `/v1` is a router of its own. In both nothing happens before the
//! credential was checked. Query strings carry tokens, so no line of the log
//! ever holds one.

mod auth;
pub mod bridge;
mod doors;
mod error;
mod json;
mod query;
mod replay;
mod v1;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

pub use auth::{Authenticated, Authenticator, DEFAULT_WINDOW, Denied, EmptyToken, Token};
pub use doors::Doors;
pub use query::Params;
pub use v1::News;
pub use v1::entry_json;

use crate::clock::Clock;
use crate::delivery::Waker;
use crate::diagnostics::Diagnostics;
use crate::store::Store;
use error::Refusal;

/// Longest path and query; the longest that a client needs is a callback URL, three times its length when encoded.
const MAX_URL: usize = 2_048;

/// What the server works on.
pub struct AppState {
    /// The locks.
    pub gateway: Arc<dyn Doors>,
    /// The event log.
    pub store: Store,
    /// Who may ask.
    pub auth: Arc<Mutex<Authenticator>>,
    /// Time.
    pub clock: Clock,
    /// What `/info` says we are.
    pub identity: BridgeIdentity,
    /// Woken when callbacks are added or removed.
    pub delivery: Waker,
    /// Tells live streams that something was stored.
    pub news: News,
    /// What the Bridge API works on beside these.
    pub bridge: bridge::Bridge,
    /// What was done lately.
    pub diagnostics: Diagnostics,
}

impl AppState {
    /// Whose request it is. A header counts alone.
    fn authenticate(&self, params: &Params, bearer: Option<&[u8]>) -> Result<Authenticated, Denied> {
        // A panic inside the check cannot leave it half done: it only ever adds to or drops from a set.
        let mut auth = self.auth.lock().unwrap_or_else(PoisonError::into_inner);
        match bearer {
            Some(token) => auth.check_bearer(token),
            None => auth.check(params, self.clock.wall()),
        }
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
    let v1 = v1::router(&app);
    Router::new()
        .nest(v1::PREFIX, v1)
        .fallback(move |request: Request| {
            let app = Arc::clone(&app);
            // The body is never read: every parameter stands in the URL.
            let (parts, _) = request.into_parts();
            async move { answer(&app, &parts).await }
        })
        .layer(from_fn(short))
}

/// Refuses what no client needs before anything looks at it.
async fn short(request: Request, next: Next) -> Response {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    if path.len() + query.len() > MAX_URL {
        return Refusal::UriTooLong.into_response();
    }
    next.run(request).await
}

/// Serves until `shutdown` is done, then lets running requests finish.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    // Answers are one small write each; waiting to merge them only costs time.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
    });
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

/// Answers for the bridge: path, method, credential, parameters, in this order.
async fn answer(app: &AppState, request: &Parts) -> Response {
    let path = request.uri.path().to_ascii_lowercase();
    let (endpoint, open) = (bridge::Endpoint::find(&path), bridge::OpenEndpoint::find(&path));
    if endpoint.is_none() && open.is_none() {
        // A live bridge says 400 to its root.
        return if path == "/" { Refusal::BadRequest } else { Refusal::NotFound }.into_response();
    }
    if request.method != Method::GET {
        return Refusal::MethodNotAllowed.into_response();
    }
    if let Some(open) = open {
        let host = request.headers.get(HOST).and_then(|host| host.to_str().ok());
        return bridge::answer_openly(app, open, host).await;
    }
    let Some(endpoint) = endpoint else { return Refusal::NotFound.into_response() };
    let params = Params::parse(request.uri.query().unwrap_or_default());
    match app.authenticate(&params, None) {
        Ok(who) => bridge::answer(app, endpoint, &params, &who.name).await,
        Err(denied) => {
            deny(denied);
            Refusal::Unauthorized.into_response()
        }
    }
}

/// Wrong clocks are the top reason for 401 with a right token, so those are said aloud.
fn deny(denied: Denied) {
    match denied {
        Denied::OutsideWindow { .. } | Denied::TooOldToTell => tracing::warn!(%denied, "a request was refused"),
        _ => tracing::debug!(%denied, "a request was refused"),
    }
}
