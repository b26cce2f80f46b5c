//! The mirror of the vendor's Bridge API.

mod auth;
mod callback;
mod host;
mod info;
mod list;
mod lock;
mod log;
mod maintenance;
mod settings;
mod window;
pub mod wire;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::doors::Doors;
use super::error::{Refusal, json};
use super::json::Object;
use super::query::{Params, nuki_id_readings};
use crate::diagnostics::{Deed, Line};
use crate::gateway::LockSnapshot;
use crate::protocol::beacon::NukiId;

pub use host::{Bridge, Host};
pub use settings::{BridgeSettings, Maintenance, MaxAge, TooOld};
pub use window::AuthWindow;

/// What may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    ConfigAuth,
    Info,
    List,
    LockState,
    LockAction,
    Lock,
    Unlock,
    Unpair,
    CallbackAdd,
    CallbackList,
    CallbackRemove,
    Log,
    ClearLog,
    FirmwareUpdate,
    Reboot,
    FactoryReset,
}

impl Endpoint {
    /// By a path in lower case.
    pub(super) fn find(path: &str) -> Option<Self> {
        Some(match path {
            "/configauth" => Self::ConfigAuth,
            "/info" => Self::Info,
            "/list" => Self::List,
            "/lockstate" => Self::LockState,
            "/lockaction" => Self::LockAction,
            "/lock" => Self::Lock,
            "/unlock" => Self::Unlock,
            "/unpair" => Self::Unpair,
            "/callback/add" => Self::CallbackAdd,
            "/callback/list" => Self::CallbackList,
            "/callback/remove" => Self::CallbackRemove,
            "/log" => Self::Log,
            "/clearlog" => Self::ClearLog,
            "/fwupdate" => Self::FirmwareUpdate,
            "/reboot" => Self::Reboot,
            "/factoryreset" => Self::FactoryReset,
            _ => return None,
        })
    }
}

/// What may be asked for without a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenEndpoint {
    Auth,
    Discover,
}

impl OpenEndpoint {
    /// By a path in lower case.
    pub(super) fn find(path: &str) -> Option<Self> {
        Some(match path {
            "/auth" => Self::Auth,
            "/discover/bridges" => Self::Discover,
            _ => return None,
        })
    }
}

/// Answers a request that needs no credential. `host` is where the client says that it has found us.
pub(super) async fn answer_openly(app: &AppState, endpoint: OpenEndpoint, host: Option<&str>) -> Response {
    respond(match endpoint {
        OpenEndpoint::Auth => auth::auth(app).await,
        OpenEndpoint::Discover => Ok(auth::discover(app, host)),
    })
}

/// Answers a request whose credential was checked.
pub(super) async fn answer(app: &AppState, endpoint: Endpoint, params: &Params, requester: &str) -> Response {
    respond(body(app, endpoint, params, requester).await)
}

fn respond(answer: Result<String, Refusal>) -> Response {
    match answer {
        Ok(body) => json(StatusCode::OK, body),
        Err(refusal) => refusal.into_response(),
    }
}

async fn body(app: &AppState, endpoint: Endpoint, params: &Params, requester: &str) -> Result<String, Refusal> {
    let doors = &*app.gateway;
    match endpoint {
        Endpoint::ConfigAuth => auth::config(app, params).await,
        Endpoint::Info => {
            note(app, Deed::Info, None, None);
            Ok(info::info(app, doors))
        }
        Endpoint::List => {
            note(app, Deed::List, None, None);
            Ok(list::list(doors, app.clock.wall()))
        }
        Endpoint::LockState => lock::state(app, doors, params).await,
        Endpoint::LockAction => lock::action(app, doors, params, requester).await,
        Endpoint::Lock => lock::simple(app, doors, lock::Simple::Lock, params, requester).await,
        Endpoint::Unlock => lock::simple(app, doors, lock::Simple::Unlock, params, requester).await,
        Endpoint::Unpair => maintenance::unpair(app, doors, params).await,
        Endpoint::CallbackAdd => callback::add(app, params).await,
        Endpoint::CallbackList => callback::list(&app.store).await,
        Endpoint::CallbackRemove => callback::remove(app, params).await,
        Endpoint::Log => {
            let answer = log::log(app, params)?;
            note(app, Deed::Log, None, None);
            Ok(answer)
        }
        Endpoint::ClearLog => {
            app.diagnostics.clear();
            Ok(success(true))
        }
        Endpoint::FirmwareUpdate => maintenance::update(params),
        Endpoint::Reboot => Ok(maintenance::reboot(app)),
        Endpoint::FactoryReset => maintenance::factory_reset(app).await,
    }
}

/// By `nukiId` alone: `deviceType` is missing or wrong in too many clients.
fn find(gateway: &dyn Doors, params: &Params) -> Result<LockSnapshot, Refusal> {
    let readings = nuki_id_readings(params.get("nukiid").ok_or(Refusal::BadRequest)?);
    if readings == [None, None] {
        return Err(Refusal::BadRequest);
    }
    readings.into_iter().flatten().find_map(|id| gateway.lock(id)).ok_or(Refusal::NotFound)
}

fn note(app: &AppState, deed: Deed, nuki_id: Option<NukiId>, action: Option<String>) {
    app.diagnostics.note(Line { at: app.clock.wall(), deed, nuki_id, action });
}

fn success(success: bool) -> String {
    Object::new().bool("success", success).finish()
}
