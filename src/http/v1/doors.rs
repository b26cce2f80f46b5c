//! The locks as they are now, and having one do something.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::accept::Media;
use super::ask::{Ask, object, private};
use super::events::NoQuery;
use super::locks::find;
use super::problem::Problem;
use super::schema;
use crate::access::Access;
use crate::clock::UnixMillis;
use crate::gateway::{ActionOutcome, GatewayError, LockSnapshot, NotDone, WaitFor};
use crate::http::bridge::wire::OPENER;
use crate::http::bridge::{action_name, carry_out};
use crate::http::doors::Doors as _;
use crate::http::idempotency::key_of;
use crate::protocol::state::KeyturnerStates;
use crate::protocol::{DoorSensorState, LockAction, NukiState, OpenerState};

/// What a device may be asked to do here. An Opener's actions have the same numbers and other names.
pub(super) const ACTIONS: [LockAction; 5] =
    [LockAction::Unlock, LockAction::Lock, LockAction::Unlatch, LockAction::LockNGo, LockAction::LockNGoUnlatch];

/// A lock as it was read last; no radio is used. A key is absent where nothing is known.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Lock)]
pub(super) struct Door {
    /// The lock's number.
    nuki_id: u32,
    /// Its name. From the air: for showing, no key.
    name: String,
    /// 0 Smart Lock 1 and 2, 2 Opener, 3 Smart Door, 4 Smart Lock 3 and 4, 5 Ultra, Go and Pro (5th).
    device_type: u8,
    /// Number of its state, as in the Bridge API.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    state: Option<u8>,
    /// Name of its state, such as `locked`, `unlatched` or `motor_blocked`; of an Opener such as `online` or
    /// `ring_to_open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    state_name: Option<String>,
    /// When its state was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    read_at: Option<String>,
    /// An Opener opens at every ring.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    is_continuous: Option<bool>,
    /// When an Opener's bell rang last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    last_ring: Option<String>,
    /// Name of the door sensor's state, such as `closed` or `opened`; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    door_sensor: Option<String>,
    /// New batteries are needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    battery_critical: Option<bool>,
    /// It is being charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    battery_charging: Option<bool>,
    /// Its charge, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, maximum = 100)]
    battery_charge: Option<u8>,
    /// The keypad needs new batteries.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    keypad_battery_critical: Option<bool>,
    /// What this client may have it do, by the names for `/locks/{nuki_id}/actions/{action}`.
    actions: Vec<String>,
}

/// Every lock.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DoorList {
    /// By number.
    locks: Vec<Door>,
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DoneAction)]
pub(super) struct Done {
    /// The lock's number.
    nuki_id: u32,
    /// What it has done.
    action: String,
}

/// Which action of which lock.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "documentation")]
pub(super) struct ActionPath {
    /// Number of the lock, decimal or as eight hex digits
    #[param(schema_with = schema::lock_number, required = true)]
    nuki_id: (),
    /// Name of the action; `actions` of `/locks` says which there are
    #[param(schema_with = schema::lock_action, required = true)]
    action: (),
}

/// The name of a request.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "documentation")]
pub(super) struct NeededKey {
    /// The request's name, 1 to 255 ASCII characters, a new one for each action that is meant. The same request under the same key is answered as before for a day, and not done again.
    #[param(
        rename = "Idempotency-Key",
        required = true,
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]([ -~]{0,253}[!-~])?$"
    )]
    key: String,
}

/// Every lock as it was read last, and what this client may have it do.
#[utoipa::path(get, path = "/locks", tag = "gateway", responses(
    (status = 200, description = "The locks", body = DoorList),
    (status = 400, description = "A parameter is bad", body = Problem),
    (status = 406, description = "JSON is not accepted", body = Problem),
))]
pub(super) async fn list(State(app): State<Arc<AppState>>, ask: Ask) -> Result<Response, Problem> {
    ask.media(&[Media::Json])?;
    ask.query::<NoQuery>()?;
    let locks = ask.doors(&app).locks();
    let locks = locks.iter().map(|lock| Door::new(lock, ask.who().access())).collect();
    Ok(private(object(&DoorList { locks })?))
}

/// Has a lock do something, once at most, and answers when it is done: within fifteen seconds.
///
/// The key is needed, since a client that asks again without one may open a
/// door twice. It takes the scopes of the Bridge API's actions.
#[utoipa::path(post, path = "/locks/{nuki_id}/actions/{action}", operation_id = "act", tag = "gateway", params(ActionPath, NeededKey), responses(
    (status = 200, description = "It is done", body = Done),
    (status = 400, description = "The number or the key is bad, or the key is missing", body = Problem),
    (status = 401, description = "No valid credential", body = Problem),
    (status = 403, description = "The token does not have the scopes that this action needs", body = Problem),
    (status = 404, description = "No such lock is paired, or it has no such action", body = Problem),
    (status = 406, description = "JSON is not accepted", body = Problem),
    (status = 409, description = "The lock refused or failed, or its log proves that nothing moved", body = Problem),
    (status = 410, description = "It was sent, and whether it was done is not known", body = Problem),
    (status = 422, description = "The key was used for something else", body = Problem),
    (status = 429, description = "Too many wrong credentials came from this address, or too many keys of this client are remembered; Retry-After says how long", body = Problem),
    (status = 503, description = "The lock cannot be reached, or is busy; nothing was done", body = Problem),
))]
pub(super) async fn act(
    State(app): State<Arc<AppState>>,
    path: Result<Path<(String, String)>, PathRejection>,
    ask: Ask,
) -> Result<Response, Problem> {
    ask.media(&[Media::Json])?;
    ask.query::<NoQuery>()?;
    let key = key_of(ask.headers()).map_err(|_| Problem::bad_key())?.ok_or_else(Problem::no_key)?;
    // Where one of them is no text, neither is a lock or an action.
    let (nuki_id, name) = path.map(|path| path.0).unwrap_or_default();
    let doors = ask.doors(&app).with_key(Some(key));
    let nuki_id = find(&doors, Ok(Path(nuki_id)))?;
    let lock = doors.lock(nuki_id).ok_or(GatewayError::UnknownLock(nuki_id))?;
    let action = ACTIONS
        .into_iter()
        .find(|action| action_name(&lock, *action) == name)
        .ok_or_else(|| Problem::not_found("this lock has no such action", "actions of /v1/locks says which it has"))?;
    let outcome = carry_out(&app, &doors, &lock, action, ask.who().name(), WaitFor::Completed).await;
    match outcome.map_err(not_sent)? {
        ActionOutcome::Accepted | ActionOutcome::Done => Ok(private(object(&Done { nuki_id, action: name })?)),
        ActionOutcome::NotDone(why) => Err(not_done(why)),
        ActionOutcome::NotDoneBefore => Err(conflict("as a request with this key was told before, it was not done")),
        ActionOutcome::Unknown => Err(Problem::new(
            StatusCode::GONE,
            "unknown_outcome",
            "it was sent, and whether the lock has done it cannot be told",
            "look at the lock and its history before asking again with another key",
        )),
    }
}

impl Door {
    fn new(lock: &LockSnapshot, access: &Access) -> Self {
        let is_opener = lock.device_type == OPENER;
        let states = lock.state.as_ref().map(|(states, _)| states);
        // Of an Opener the sources disagree about what stands behind the first bytes.
        let of_lock = states.filter(|_| !is_opener);
        let percent = of_lock.and_then(|states| states.battery.percent());
        let actions = ACTIONS.into_iter().filter(|action| access.may_act(*action, is_opener));
        Self {
            nuki_id: lock.nuki_id,
            name: lock.name.clone(),
            device_type: lock.device_type,
            state: states.map(|states| states.lock_state.code()),
            state_name: states.map(|states| state_name(states, is_opener)),
            read_at: lock.state.as_ref().map(|(_, at)| at.rfc3339()),
            is_continuous: states.filter(|_| is_opener).map(|states| states.nuki_state == NukiState::Continuous),
            last_ring: lock.last_ring.map(UnixMillis::rfc3339),
            door_sensor: of_lock.and_then(|states| states.door_sensor).and_then(door_sensor),
            battery_critical: states.map(|states| states.battery.is_critical()),
            battery_charging: percent.and(of_lock).map(|states| states.battery.is_charging()),
            battery_charge: percent,
            keypad_battery_critical: of_lock
                .and_then(|states| states.accessory_battery)
                .and_then(|battery| battery.keypad_critical())
                .filter(|_| lock.has_keypad),
            actions: actions.map(|action| action_name(lock, action)).collect(),
        }
    }
}

fn state_name(states: &KeyturnerStates, is_opener: bool) -> String {
    if is_opener { OpenerState::of(states).to_string() } else { states.lock_state.to_string() }
}

fn door_sensor(state: DoorSensorState) -> Option<String> {
    (state != DoorSensorState::Unavailable).then(|| state.to_string())
}

/// Why nothing was sent.
fn not_sent(error: GatewayError) -> Problem {
    match error {
        GatewayError::NotAllowed => Problem::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "this token does not have the scopes that this action needs",
            "`keyturner token list` says what each token may do; `keyturner token add` makes another one",
        ),
        GatewayError::KeyUsed => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "key_used",
            "this Idempotency-Key was used for another action or another lock",
            "a key stands for one request; use a new one",
        ),
        GatewayError::TooManyKeys(wait) => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_keys",
            "too many keys of this client are remembered",
            "wait as long as the header Retry-After says",
        )
        .after(wait),
        error => error.into(),
    }
}

/// Why it was not done, for certain.
fn not_done(why: NotDone) -> Problem {
    match why {
        NotDone::Refused(code) => conflict(format!("the lock refused: {code}")),
        NotDone::Failed(status) => conflict(format!("the lock could not do it: {status}")),
        NotDone::ProvenByLog => conflict("the link broke, and the lock's log shows that nothing moved"),
        NotDone::NotSent => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "the lock could not be reached, so nothing was sent",
            "it may be asked for again",
        ),
    }
}

fn conflict(message: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "not_done",
        message,
        "nothing was done; it may be asked for again with another key",
    )
}
