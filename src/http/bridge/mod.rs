//! The mirror of the vendor's Bridge API.

mod callback;
mod info;
mod list;
mod lock;
pub mod wire;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::auth::Authenticated;
use super::error::{Refusal, json};
use super::query::Params;
use super::scoped::ScopedDoors;
use crate::access::Scope;

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
pub(super) async fn answer(app: &AppState, endpoint: Endpoint, params: &Params, who: &Authenticated) -> Response {
    match body(app, endpoint, params, who).await {
        Ok(body) => json(StatusCode::OK, body),
        Err(refusal) => refusal.into_response(),
    }
}

async fn body(app: &AppState, endpoint: Endpoint, params: &Params, who: &Authenticated) -> Result<String, Refusal> {
    let doors = &ScopedDoors::new(Arc::clone(&app.gateway), who.clone());
    let access = who.access();
    match endpoint {
        // A token that may not even look is no use to a client, and 401 makes it ask its user for another one.
        Endpoint::Info | Endpoint::List | Endpoint::LockState if !access.may(Scope::Read) => Err(Refusal::Unauthorized),
        // A logical failure: clients go on without callbacks, as with three taken slots.
        Endpoint::CallbackAdd | Endpoint::CallbackRemove if !access.may_subscribe() => {
            Ok(callback::failure("token may not use callbacks"))
        }
        Endpoint::CallbackList if !access.may_subscribe() => Ok(callback::none()),
        Endpoint::Info => Ok(info::info(app, doors)),
        Endpoint::List => Ok(list::list(doors)),
        Endpoint::LockState => lock::state(doors, params).await,
        Endpoint::LockAction => lock::action(doors, params, who.name()).await,
        Endpoint::Lock => lock::simple(doors, lock::Simple::Lock, params, who.name()).await,
        Endpoint::Unlock => lock::simple(doors, lock::Simple::Unlock, params, who.name()).await,
        Endpoint::CallbackAdd => callback::add(app, params).await,
        Endpoint::CallbackList => callback::list(&app.store).await,
        Endpoint::CallbackRemove => callback::remove(app, params).await,
    }
}
