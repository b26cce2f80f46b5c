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

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::auth::Authenticated;
use super::doors::Doors;
use super::error::{Refusal, json};
use super::idempotency::key_of;
use super::json::Object;
use super::origin;
use super::query::{Params, nuki_id_readings};
use crate::access::{Access, Scope};
use crate::diagnostics::{Deed, Line};
use crate::gateway::LockSnapshot;
use crate::protocol::beacon::NukiId;

pub use host::{Bridge, Host};
pub(super) use lock::carry_out;
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
            // Not 401: the token is right, and its user is not to be asked for another one because of one button.
            Self::Log if !access.may(Scope::Read) && !access.may(Scope::Admin) => Some(Err(Refusal::Forbidden)),
            Self::Unpair if !access.may(Scope::Admin) => Some(Err(Refusal::Forbidden)),
            Self::ConfigAuth | Self::ClearLog | Self::FirmwareUpdate | Self::Reboot | Self::FactoryReset
                if !access.may_manage() =>
            {
                Some(Err(Refusal::Forbidden))
            }
            Self::Info | Self::List | Self::LockState | Self::Log => None,
            Self::CallbackAdd | Self::CallbackList | Self::CallbackRemove => None,
            Self::LockAction | Self::Lock | Self::Unlock => None,
            Self::ConfigAuth | Self::Unpair | Self::ClearLog => None,
            Self::FirmwareUpdate | Self::Reboot | Self::FactoryReset => None,
        }
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

/// Where clients ask the vendor for the bridges of their house.
const DISCOVERY_HOST: &str = "api.nuki.io";

impl OpenEndpoint {
    /// Whether it answers under this name, the request's `Host`; `own` are the names that the owner has given this
    /// machine.
    ///
    /// The vendor's name counts for discovery, because the owner has let it
    /// point here: no page but the vendor's comes under it, and the answer is
    /// this bridge's number and where the client is already.
    pub(super) fn is_known_as(self, host: &str, own: &[String]) -> bool {
        let is_vendors = self == Self::Discover && origin::name(host) == DISCOVERY_HOST;
        is_vendors || origin::is_own(host, own)
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
pub(super) async fn answer(
    app: &AppState,
    endpoint: Endpoint,
    params: &Params,
    who: &Authenticated,
    headers: &HeaderMap,
) -> Response {
    let body = async {
        let key = if endpoint.acts() { key_of(headers)? } else { None };
        body(app, &app.within_reach_of(who).with_key(key), endpoint, params, who).await
    };
    respond(body.await)
}

fn respond(answer: Result<String, Refusal>) -> Response {
    match answer {
        Ok(body) => json(StatusCode::OK, body),
        Err(refusal) => refusal.into_response(),
    }
}

async fn body(
    app: &AppState,
    doors: &dyn Doors,
    endpoint: Endpoint,
    params: &Params,
    who: &Authenticated,
) -> Result<String, Refusal> {
    if let Some(answer) = endpoint.not_for(who.access()) {
        return answer;
    }
    let requester = who.name();
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
        Endpoint::CallbackAdd => callback::add(app, doors, params).await,
        Endpoint::CallbackList => callback::list(&app.store).await,
        Endpoint::CallbackRemove => callback::remove(app, params).await,
        Endpoint::Log => {
            let answer = log::log(app, params, who.access())?;
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
fn find(gateway: &dyn Doors, params: &Params) -> Result<Arc<LockSnapshot>, Refusal> {
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
