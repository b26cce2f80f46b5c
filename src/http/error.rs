//! Answers that are errors, with the short plain texts of the hardware.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::auth::Denied;
use crate::gateway::GatewayError;
use crate::store::StoreError;

/// Why a Bridge request gets no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A parameter is missing or bad.
    BadRequest,
    /// No valid credential. Never 403: clients read "wrong token" from 401 only.
    Unauthorized,
    /// The credential is right, and its token may not have this done, or `/auth` is switched off. Not 401: a client
    /// would throw its token away.
    Forbidden,
    /// A browser asks for a page of another site.
    ForeignSite,
    /// Asked under a name that may be anybody's.
    ForeignHost,
    /// Too many wrong tries came from there; so many seconds to wait. Nothing was done, so it may be repeated.
    TooManyRequests(u64),
    /// No such device or path.
    NotFound,
    /// Anything but GET.
    MethodNotAllowed,
    /// The action left for the lock, and whether it happened cannot be told.
    ///
    /// Not 503, 502, 504 or 500: widely used clients repeat those by
    /// themselves, and a repeated unlatch opens the door once more.
    Gone,
    /// The `Idempotency-Key` is no key.
    BadKey,
    /// The `Idempotency-Key` was used for something else.
    KeyUsed,
    /// Longer than any client's URL.
    UriTooLong,
    /// The store failed.
    Internal,
    /// An action was not sent. Clients may repeat it, and some (FHEM) do so on exactly this body.
    ActionUnavailable,
    /// A query could not be answered. FHEM repeats its last *action* on any
    /// 503 whose body is exactly `HTTP 503 Unavailable`, so this one differs.
    QueryUnavailable,
}

impl Refusal {
    const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::BadKey => StatusCode::BAD_REQUEST,
            Self::KeyUsed => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::ForeignSite | Self::ForeignHost => StatusCode::FORBIDDEN,
            Self::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Gone => StatusCode::GONE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::ActionUnavailable | Self::QueryUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn body(self) -> &'static str {
        match self {
            Self::BadRequest => "HTTP 400 Bad Request",
            Self::BadKey => "HTTP 400 Bad Request: an Idempotency-Key is given once and has 1 to 255 ASCII characters",
            Self::KeyUsed => {
                "HTTP 422 Unprocessable Content: this Idempotency-Key was used for another action or another lock"
            }
            Self::Unauthorized => "HTTP 401 Unauthorized",
            Self::Forbidden => "HTTP 403 Forbidden",
            Self::ForeignSite => "HTTP 403 Forbidden: asked for by a page of another site",
            Self::ForeignHost => {
                "HTTP 403 Forbidden: not to be asked for under this name; write it into `hosts` of the configuration"
            }
            Self::TooManyRequests(_) => "HTTP 429 Too Many Requests",
            Self::NotFound => "HTTP 404 Not Found",
            Self::MethodNotAllowed => "HTTP 405 Method Not Allowed",
            Self::Gone => "HTTP 410 Gone",
            Self::UriTooLong => "HTTP 414 URI Too Long",
            Self::Internal => "HTTP 500 Internal Server Error",
            Self::ActionUnavailable => "HTTP 503 Unavailable",
            Self::QueryUnavailable => "HTTP 503 Service Unavailable",
        }
    }

    /// For a query that the gateway could not answer.
    pub(super) fn from_query(error: &GatewayError) -> Self {
        match error {
            GatewayError::UnknownLock(_) => Self::NotFound,
            GatewayError::NotAllowed => Self::Unauthorized,
            _ => Self::QueryUnavailable,
        }
    }

    /// For an action that was not sent.
    pub(super) fn from_action(error: &GatewayError) -> Self {
        match error {
            GatewayError::UnknownLock(_) => Self::NotFound,
            GatewayError::NotAllowed => Self::Forbidden,
            GatewayError::KeyUsed => Self::KeyUsed,
            GatewayError::TooManyKeys(wait) => Self::TooManyRequests(whole_seconds(*wait)),
            _ => Self::ActionUnavailable,
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::TooMany(wait) => Self::TooManyRequests(whole_seconds(wait)),
            // Which of them it was would only help to guess.
            _ => Self::Unauthorized,
        }
    }
}

/// Rounded up, so that whoever waits as long is not told to wait again.
pub(super) const fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add((wait.subsec_nanos() > 0) as u64)
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the event log could not answer a request");
        Self::Internal
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = answer(self.status(), "text/plain", self.body());
        match self {
            Self::MethodNotAllowed => {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            }
            Self::TooManyRequests(seconds) => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            _ => {}
        }
        response
    }
}

/// A whole answer; its length is known, so hyper sends Content-Length and never chunks.
pub(super) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: String) -> Response {
    answer(status, "application/json", body)
}
