//! The mirror of the vendor's Bridge API.

mod callback;
mod info;
mod list;
mod lock;
pub mod wire;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::error::{Refusal, json};
use super::query::Params;

/// What may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Info,
    List,
    LockState,
    LockAction,
    Lock,
    Unlock,
    CallbackAdd,
    CallbackList,
    CallbackRemove,
}

impl Endpoint {
    /// By a path in lower case.
    pub(super) fn find(path: &str) -> Option<Self> {
        Some(match path {
            "/info" => Self::Info,
            "/list" => Self::List,
            "/lockstate" => Self::LockState,
            "/lockaction" => Self::LockAction,
            "/lock" => Self::Lock,
            "/unlock" => Self::Unlock,
            "/callback/add" => Self::CallbackAdd,
            "/callback/list" => Self::CallbackList,
            "/callback/remove" => Self::CallbackRemove,
            _ => return None,
        })
    }
}

/// Answers a request whose credential was checked.
pub(super) async fn answer(app: &AppState, endpoint: Endpoint, params: &Params, requester: &str) -> Response {
    match body(app, endpoint, params, requester).await {
        Ok(body) => json(StatusCode::OK, body),
        Err(refusal) => refusal.into_response(),
    }
}

async fn body(app: &AppState, endpoint: Endpoint, params: &Params, requester: &str) -> Result<String, Refusal> {
    match endpoint {
        Endpoint::Info => Ok(info::info(app)),
        Endpoint::List => Ok(list::list(&*app.gateway)),
        Endpoint::LockState => lock::state(&*app.gateway, params).await,
        Endpoint::LockAction => lock::action(&*app.gateway, params, requester).await,
        Endpoint::Lock => lock::simple(&*app.gateway, lock::Simple::Lock, params, requester).await,
        Endpoint::Unlock => lock::simple(&*app.gateway, lock::Simple::Unlock, params, requester).await,
        Endpoint::CallbackAdd => callback::add(app, params).await,
        Endpoint::CallbackList => callback::list(&app.store).await,
        Endpoint::CallbackRemove => callback::remove(app, params).await,
    }
}
