//! Our own API: the event log and the people in it, under the Web API's names and numbers.

mod history;
mod users;

pub use history::entry_json;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::AppState;
use super::doors::{Doors, Records};
use super::error::{Refusal, json};
use super::query::{Params, nuki_id_readings};
use crate::protocol::beacon::NukiId;
use crate::store::StoreError;

/// What may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    History,
    Users,
    /// The number is checked with the other parameters, after the credential.
    UserHistory(String),
}

impl Endpoint {
    /// By a path in lower case.
    pub(super) fn find(path: &str) -> Option<Self> {
        match path.strip_prefix("/v1/")?.split('/').collect::<Vec<_>>().as_slice() {
            ["history"] => Some(Self::History),
            ["users"] => Some(Self::Users),
            ["users", auth_id, "history"] => Some(Self::UserHistory((*auth_id).to_owned())),
            _ => None,
        }
    }
}

/// Why a request gets no list.
enum Problem {
    /// A parameter is bad.
    Parameter { name: &'static str, message: &'static str, hint: &'static str },
    /// The store failed, or its answer could not be written.
    Internal,
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // Logged there.
        let _ = Refusal::from(error);
        Self::Internal
    }
}

/// What went wrong, where, and what to do. Values are not repeated.
#[derive(Serialize)]
struct ErrorBody {
    error: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'static str>,
    message: &'static str,
    hint: &'static str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::Parameter { name, message, hint } => problem(
                StatusCode::BAD_REQUEST,
                &ErrorBody { error: "bad_parameter", parameter: Some(name), message, hint },
            ),
            Self::Internal => problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                &ErrorBody {
                    error: "internal",
                    parameter: None,
                    message: "the event log could not be read",
                    hint: "the gateway's own log says why",
                },
            ),
        }
    }
}

fn problem(status: StatusCode, body: &ErrorBody) -> Response {
    match serde_json::to_string(body) {
        Ok(body) => json(status, body),
        Err(_) => Refusal::Internal.into_response(),
    }
}

/// 401 with the reason kept back: it would only help to guess.
pub(super) fn unauthorized() -> Response {
    problem(
        StatusCode::UNAUTHORIZED,
        &ErrorBody {
            error: "unauthorized",
            parameter: None,
            message: "no valid credential",
            hint: "add token=..., or ts, rnr and hash, or ctoken and nonce; compare the clocks",
        },
    )
}

/// Answers a request whose credential was checked.
pub(super) async fn answer<D: Doors, R: Records>(
    app: &AppState<D, R>,
    endpoint: Endpoint,
    params: &Params,
) -> Response {
    match body(app, endpoint, params).await {
        Ok(body) => json(StatusCode::OK, body),
        Err(problem) => problem.into_response(),
    }
}

async fn body<D: Doors, R: Records>(
    app: &AppState<D, R>,
    endpoint: Endpoint,
    params: &Params,
) -> Result<String, Problem> {
    match endpoint {
        Endpoint::History => list(&history::history(app, params, None).await?),
        Endpoint::UserHistory(auth_id) => list(&history::history(app, params, Some(&auth_id)).await?),
        Endpoint::Users => list(&users::users(app, params).await?),
    }
}

fn list<T: Serialize>(items: &[T]) -> Result<String, Problem> {
    serde_json::to_string(items).map_err(|error| {
        tracing::error!(%error, "an answer could not be written");
        Problem::Internal
    })
}

/// `nukiId`, if it was given: the reading under which a lock is paired, else the first that is a number, for locks that are gone.
fn nuki_id(gateway: &impl Doors, params: &Params) -> Result<Option<NukiId>, Problem> {
    let Some(text) = params.get("nukiid") else { return Ok(None) };
    let readings = nuki_id_readings(text).into_iter().flatten();
    let paired = readings.clone().find(|id| gateway.lock(*id).is_some());
    paired.or_else(|| readings.clone().next()).map(Some).ok_or(Problem::Parameter {
        name: "nukiId",
        message: "it is neither a decimal number nor eight hex digits",
        hint: "take it from /list",
    })
}
