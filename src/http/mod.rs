//! The HTTP server: [`bridge`] mirrors the vendor's Bridge API, `/v1` is ours.
//!
//! One function routes every request, because paths match in any case and
//! nothing may happen before the credential was checked: path, method,
//! credential, parameters, in this order. Query strings carry tokens, so no
//! line of the log ever holds one.

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
use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

pub use auth::{Authenticated, Authenticator, DEFAULT_WINDOW, Denied, EmptyToken, Token};
pub use doors::{Doors, Records};
pub use query::Params;
pub use v1::entry_json;

use crate::clock::Clock;
use crate::delivery::Waker;
use crate::gateway::GatewayHandle;
use crate::store::Store;
use error::Refusal;

/// Longest path and query; the longest that a client needs is a callback URL, three times its length when encoded.
const MAX_URL: usize = 2_048;

/// What the server works on.
#[derive(Debug)]
pub struct AppState<D = GatewayHandle, R = Store> {
    /// The locks.
    pub gateway: D,
    /// The event log.
    pub store: R,
    /// Who may ask.
    pub auth: Arc<Mutex<Authenticator>>,
    /// Time.
    pub clock: Clock,
    /// What `/info` says we are.
    pub identity: BridgeIdentity,
    /// Woken when callbacks are added or removed.
    pub delivery: Waker,
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
pub fn router<D: Doors, R: Records>(app: AppState<D, R>) -> Router {
    let app = Arc::new(app);
    Router::new().fallback(move |request: Request| {
        let app = Arc::clone(&app);
        // The body is never read: every parameter stands in the URL.
        let (parts, _) = request.into_parts();
        async move { answer(&app, &parts.method, &parts.uri).await }
    })
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

enum Endpoint {
    Bridge(bridge::Endpoint),
    V1(v1::Endpoint),
}

async fn answer<D: Doors, R: Records>(app: &AppState<D, R>, method: &Method, uri: &Uri) -> Response {
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    if path.len() + query.len() > MAX_URL {
        return Refusal::UriTooLong.into_response();
    }
    let path = path.to_ascii_lowercase();
    let bridge = bridge::Endpoint::find(&path).map(Endpoint::Bridge);
    let Some(endpoint) = bridge.or_else(|| v1::Endpoint::find(&path).map(Endpoint::V1)) else {
        // A live bridge says 400 to its root.
        return if path == "/" { Refusal::BadRequest } else { Refusal::NotFound }.into_response();
    };
    if method != Method::GET {
        return Refusal::MethodNotAllowed.into_response();
    }
    let params = Params::parse(query);
    // A panic inside the check cannot leave it half done: it only ever adds to or drops from a set.
    let checked = app.auth.lock().unwrap_or_else(PoisonError::into_inner).check(&params, app.clock.wall());
    match (checked, endpoint) {
        (Ok(who), Endpoint::Bridge(endpoint)) => bridge::answer(app, endpoint, &params, &who.name).await,
        (Ok(_), Endpoint::V1(endpoint)) => v1::answer(app, endpoint, &params).await,
        (Err(denied), endpoint) => {
            deny(denied);
            match endpoint {
                Endpoint::Bridge(_) => Refusal::Unauthorized.into_response(),
                Endpoint::V1(_) => v1::unauthorized(),
            }
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
