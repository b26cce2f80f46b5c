//! Answers of `/v1` that are errors: what, where and what to do. Values are not repeated.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::auth::Denied;
use super::super::error::{Refusal, json, whole_seconds};
use crate::access::Scope;
use crate::gateway::GatewayError;
use crate::store::StoreError;

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Problem {
    #[serde(skip)]
    #[schema(ignore)]
    status: StatusCode,
    #[serde(skip)]
    #[schema(ignore)]
    retry_after: Option<u64>,
    /// A word for programs: `bad_parameter`, `unauthorized`, `not_found` and the like.
    #[schema(value_type = String)]
    error: &'static str,
    /// The parameter or header that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    parameter: Option<Cow<'static, str>>,
    /// What is wrong.
    #[schema(value_type = String)]
    message: Cow<'static, str>,
    /// What to do.
    #[schema(value_type = String)]
    hint: Cow<'static, str>,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        error: &'static str,
        message: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, retry_after: None, error, parameter: None, message: message.into(), hint: hint.into() }
    }

    /// A parameter is bad: which one, how, and what it takes.
    pub(super) fn parameter(
        name: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        let problem = Self::new(StatusCode::BAD_REQUEST, "bad_parameter", message, hint);
        Self { parameter: Some(name.into()), ..problem }
    }

    /// The reason is kept back: it would only help to guess.
    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "no valid credential",
            "add token=..., or ts, rnr and hash, or ctoken and nonce, or a header Authorization: Bearer ...; \
             compare the clocks",
        )
    }

    /// Too many wrong tries came from there.
    pub(super) fn too_many_requests(wait: Duration) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            "too many wrong credentials came from this address",
            "wait as long as the header Retry-After says",
        )
        .after(wait)
    }

    /// The token is right and may not do this.
    pub(super) fn forbidden(scopes: &[Scope]) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            format!("this token does not have the scope {}", either(scopes)),
            "`keyturner token list` says what each token may do; `keyturner token add` makes another one",
        )
    }

    /// It would give away more than the token may do itself.
    pub(super) fn gives_more() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "this token may do less than the one that would be handed out",
            "use the token of `keyturner token`, or one with every scope at every lock",
        )
    }

    /// What was asked for is not there.
    pub(super) fn not_found(message: &'static str, hint: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message, hint)
    }

    /// The path has no such method.
    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this path does not take this method",
            "the header Allow says which it takes",
        )
    }

    /// No media type that was asked for can be given.
    pub(super) fn not_acceptable(hint: &'static str) -> Self {
        let message = "the header Accept names nothing that can be given here";
        let problem = Self::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", message, hint);
        Self { parameter: Some("Accept".into()), ..problem }
    }

    /// The body is something else than it should be: where, and what it should be.
    pub(super) fn body(message: impl Into<Cow<'static, str>>, expected: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_body", message, expected)
    }

    /// The body is longer than any that makes sense.
    pub(super) fn body_too_large(most: usize) -> Self {
        let message = format!("the body is longer than {most} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message, "no request needs as much")
    }

    /// The body did not come.
    pub(super) fn body_too_slow(within: Duration) -> Self {
        let message = format!("the body did not come within {} s", within.as_secs());
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            message,
            "send it at once, as long as Content-Length says",
        )
    }

    /// The body is not JSON by its own word.
    pub(super) fn unsupported_media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the header Content-Type does not name JSON",
            "send JSON, with Content-Type: application/json",
        )
    }

    /// Digits may come where nobody can read them on their way.
    pub(super) fn not_private() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "not_private",
            "keypad codes are taken over TLS or from this machine itself, and this came over plain HTTP from another one",
            "use TLS (`[tls]` in the configuration) or `keyturner code` on the gateway, with other digits: these could be \
             read on their way",
        )
    }

    /// The token itself may come where nobody can read it on its way, or where the owner says so.
    pub(super) fn token_not_private() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "not_private",
            "no token is taken over this way, since others could read it",
            "open the page by https:// (`[tls]` in the configuration) or on the gateway itself; `plain_tokens` says \
             where a token may be sent as it is",
        )
    }

    /// A browser has a session, and something else than our page asks by it.
    pub(super) fn not_our_page() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "foreign_page",
            "what changes something is done for this gateway's own page alone",
            "programs show their token: Authorization: Bearer ...",
        )
    }

    /// The `Idempotency-Key` is no key.
    pub(super) fn bad_key() -> Self {
        Self::parameter("Idempotency-Key", "it is no key", "give it once, with 1 to 255 ASCII characters")
    }

    /// Without an `Idempotency-Key` a request that got lost could not be repeated.
    pub(super) fn key_needed() -> Self {
        let message = "what moves a lock is asked for under a key, so that it can be repeated and is done once";
        Self::parameter("Idempotency-Key", message, "send a new one for each thing that is wanted, such as a UUID")
    }

    /// As many keys of one token are remembered as can be.
    pub(super) fn too_many_keys(wait: Duration) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_keys",
            "too many keys of this token are remembered; nothing was done",
            "wait as long as the header Retry-After says",
        )
        .after(wait)
    }

    /// The `Idempotency-Key` stands for another request.
    pub(super) fn key_used() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "key_used",
            "this Idempotency-Key was used for something else",
            "a key stands for one request; use a new one",
        )
    }

    /// The same, with the time after which it may be asked for again.
    pub(super) fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(whole_seconds(wait)), ..self }
    }

    /// Too many listen already.
    pub(super) fn too_many_streams() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_streams",
            "as many streams as are allowed are open already",
            "close one, or come back later",
        )
    }

    /// An answer could not be made; the log says why.
    pub(super) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the event log could not be read",
            "the gateway's own log says why",
        )
    }
}

/// Scopes of which one is enough, in words.
pub(super) fn either(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" or ")
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::TooMany(wait) => Self::too_many_requests(wait),
            _ => Self::unauthorized(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // Logged there.
        let _ = Refusal::from(error);
        Self::internal()
    }
}

impl From<GatewayError> for Problem {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::UnknownLock(_) => Self::not_found("no lock with this number is paired", "take it from /list"),
            // The routes ask before, so this is the second bolt on the same door.
            GatewayError::NotAllowed => Self::forbidden(&[Scope::Admin]),
            error => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                error.to_string(),
                "it may be asked for again",
            ),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Ok(body) = serde_json::to_string(&self) else { return Refusal::Internal.into_response() };
        let mut response = json(self.status, body);
        let header = match self.status {
            StatusCode::UNAUTHORIZED => {
                Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"keyturner\"")))
            }
            StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, HeaderValue::from_static("30"))),
            _ => self.retry_after.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))),
        };
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// Puts words to an answer that axum gives without any, and keeps its list of methods.
pub(super) fn reword(response: Response) -> Response {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let allow = response.headers().get(ALLOW).cloned();
    let mut worded = Problem::method_not_allowed().into_response();
    if let Some(allow) = allow {
        worded.headers_mut().insert(ALLOW, allow);
    }
    worded
}
