//! The mirror of the vendor's Bridge API.

mod callback;
mod info;
mod list;
mod lock;
pub mod wire;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::auth::Authenticated;
use super::error::{Refusal, json};
use super::idempotency::key_of;
use super::query::Params;
use crate::access::{Access, Scope};

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

    /// Whether it moves a lock.
    const fn acts(self) -> bool {
        matches!(self, Self::LockAction | Self::Lock | Self::Unlock)
    }

    /// What a client is answered whose token does not allow this; `None` if it does.
    ///
    /// Actions are not decided here, because that depends on the action and the
    /// device: [`ScopedDoors`](super::scoped::ScopedDoors) asks for each.
    fn not_for(self, access: &Access) -> Option<Result<String, Refusal>> {
        match self {
            // Of no use to a client, so it is told to ask its user for another token.
            Self::Info | Self::List | Self::LockState if !access.may(Scope::Read) => Some(Err(Refusal::Unauthorized)),
            // A logical failure: clients go on without callbacks, as with three taken slots.
            Self::CallbackAdd | Self::CallbackRemove if !access.may_subscribe() => {
                Some(Ok(callback::failure("token may not use callbacks")))
            }
            Self::CallbackList if !access.may_subscribe() => Some(Ok(callback::none())),
            Self::Info | Self::List | Self::LockState => None,
            Self::CallbackAdd | Self::CallbackList | Self::CallbackRemove => None,
            Self::LockAction | Self::Lock | Self::Unlock => None,
        }
    }
}

/// Answers a request whose credential was checked.
pub(super) async fn answer(
    app: &AppState,
    endpoint: Endpoint,
    params: &Params,
    who: &Authenticated,
    headers: &HeaderMap,
) -> Response {
    let body = async {
        let key = if endpoint.acts() { key_of(headers)? } else { None };
        body(&app.within_reach_of(who, key), endpoint, params, who).await
    };
    match body.await {
        Ok(body) => json(StatusCode::OK, body),
        Err(refusal) => refusal.into_response(),
    }
}

async fn body(app: &AppState, endpoint: Endpoint, params: &Params, who: &Authenticated) -> Result<String, Refusal> {
    if let Some(answer) = endpoint.not_for(who.access()) {
        return answer;
    }
    match endpoint {
        Endpoint::Info => Ok(info::info(app)),
        Endpoint::List => Ok(list::list(&*app.gateway)),
        Endpoint::LockState => lock::state(&*app.gateway, params).await,
        Endpoint::LockAction => lock::action(&*app.gateway, params, who.name()).await,
        Endpoint::Lock => lock::simple(&*app.gateway, lock::Simple::Lock, params, who.name()).await,
        Endpoint::Unlock => lock::simple(&*app.gateway, lock::Simple::Unlock, params, who.name()).await,
        Endpoint::CallbackAdd => callback::add(app, params).await,
        Endpoint::CallbackList => callback::list(&app.store).await,
        Endpoint::CallbackRemove => callback::remove(app, params).await,
    }
}
