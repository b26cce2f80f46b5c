//! The locks as they are now, and what is set at one.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::accept::Media;
use super::actions;
use super::ask::{Ask, object, private};
use super::events::NoQuery;
use super::health::Clock;
use super::problem::Problem;
use super::schema;
use super::{AppState, PathText};
use crate::clock::UnixMillis;
use crate::gateway::LockSnapshot;
use crate::http::bridge::wire::Reading;
use crate::http::doors::Doors as _;
use crate::http::query::nuki_id_readings;
use crate::http::scoped::ScopedDoors;
use crate::protocol::beacon::NukiId;

/// A lock as it is, as far as the gateway knows.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Lock)]
pub(super) struct LockNow {
    /// The lock's number.
    nuki_id: u32,
    /// Its name. From the air: for showing, no key.
    name: String,
    /// 0 Smart Lock 1 and 2, 2 Opener, 3 Smart Door, 4 Smart Lock 3 and 4, 5 Ultra, Go and Pro (5th).
    device_type: u8,
    /// Absent until its configuration was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    firmware_version: Option<String>,
    /// Its last state; absent until one was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_known_state: Option<StateNow>,
    /// When the bell of an Opener rang last; absent until it rings since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    ring_date: Option<String>,
    /// What this client may have it do, by the names for `/locks/{nuki_id}/actions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    actions: Option<Vec<&'static str>>,
}

/// A state under the numbers and names of the Bridge API.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LastKnownState)]
pub(super) struct StateNow {
    /// When it was read.
    #[schema(format = DateTime)]
    date: String,
    /// 2, on an Opener in continuous mode 3.
    mode: u8,
    /// Number of the state.
    state: u8,
    /// Its name, such as `locked`.
    state_name: &'static str,
    /// New batteries are needed.
    battery_critical: bool,
    /// Absent, as the next, if the device sends no charge.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    battery_charging: Option<bool>,
    /// Percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    battery_charge_state: Option<u8>,
    /// Absent without a keypad.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    keypad_battery_critical: Option<bool>,
    /// Number of the door sensor's state; absent, as the next, without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    doorsensor_state: Option<u8>,
    /// Its name, such as `door closed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    doorsensor_state_name: Option<&'static str>,
}

impl From<&LockSnapshot> for LockNow {
    fn from(lock: &LockSnapshot) -> Self {
        let last_known_state = lock.state.as_ref().map(|(states, read_at)| {
            let reading = Reading::of(lock, states);
            StateNow {
                date: read_at.rfc3339(),
                mode: reading.mode,
                state: reading.state.0,
                state_name: reading.state.1,
                battery_critical: reading.battery_critical,
                battery_charging: reading.battery_charging,
                battery_charge_state: reading.battery_charge,
                keypad_battery_critical: reading.keypad_battery_critical,
                doorsensor_state: reading.door_sensor.map(|(code, _)| code),
                doorsensor_state_name: reading.door_sensor.map(|(_, name)| name),
            }
        });
        Self {
            nuki_id: lock.nuki_id,
            name: lock.name.clone(),
            device_type: lock.device_type,
            firmware_version: lock.firmware_version.clone(),
            last_known_state,
            ring_date: lock.last_ring.map(UnixMillis::rfc3339),
            actions: None,
        }
    }
}

/// One lock as `/v1/locks` writes it, for whoever else shows locks.
///
/// # Errors
/// JSON's; none is known.
pub fn lock_json(lock: &LockSnapshot) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::to_value(LockNow::from(lock))
}

/// Every lock that the client may know of.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LockList {
    /// By number.
    locks: Vec<LockNow>,
}

/// The locks as they are now. From memory; no radio is used.
#[utoipa::path(get, path = "/locks", tag = "gateway", responses(
    (status = 200, description = "The locks", body = LockList),
    (status = 400, description = "A parameter is bad", body = Problem),
    (status = 406, description = "JSON is not accepted", body = Problem),
))]
pub(super) async fn locks(State(app): State<Arc<AppState>>, ask: Ask) -> Result<Response, Problem> {
    ask.media(&[Media::Json])?;
    ask.query::<NoQuery>()?;
    let access = ask.who().access();
    let locks = ask.doors(&app).locks().into_iter().map(|lock| {
        let actions = actions::offered(&lock, access);
        LockNow { actions: Some(actions), ..LockNow::from(&*lock) }
    });
    let locks = locks.collect();
    Ok(private(object(&LockList { locks })?))
}

/// Which lock.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "documentation")]
pub(super) struct LockPath {
    /// Number of the lock, decimal or as eight hex digits
    #[param(schema_with = schema::lock_number, required = true)]
    nuki_id: (),
}

/// Sets the clock of a lock to the host's. It needs the security PIN and a link, so it takes some seconds.
///
/// A lock that runs on local time keeps to it. This changes the lock's
/// settings; the gateway never does so by itself.
#[utoipa::path(post, path = "/locks/{nuki_id}/clock", tag = "gateway",
    params(LockPath), responses(
    (status = 200, description = "What the clock shows now", body = Clock),
    (status = 400, description = "The number is none", body = Problem),
    (status = 404, description = "No such lock is paired", body = Problem),
    (status = 406, description = "JSON is not accepted", body = Problem),
    (status = 503, description = "The lock cannot be reached or does not take the PIN", body = Problem),
))]
pub(super) async fn set_clock(
    State(app): State<Arc<AppState>>,
    nuki_id: PathText,
    ask: Ask,
) -> Result<Response, Problem> {
    let (doors, nuki_id) = at_lock(&app, &ask, nuki_id)?;
    Ok(private(object(&Clock::from(doors.set_clock(nuki_id).await?))?))
}

/// A request to one lock that takes no parameters and answers in JSON: the doors as the client sees them, and the lock.
pub(super) fn at_lock(app: &AppState, ask: &Ask, nuki_id: PathText) -> Result<(ScopedDoors, NukiId), Problem> {
    ask.media(&[Media::Json])?;
    ask.query::<NoQuery>()?;
    let doors = ask.doors(app);
    let nuki_id = find(&doors, nuki_id)?;
    Ok((doors, nuki_id))
}

/// The lock that the path names, if the client may know of it.
pub(super) fn find(doors: &ScopedDoors, nuki_id: PathText) -> Result<NukiId, Problem> {
    let text = nuki_id.map(|path| path.0).unwrap_or_default();
    let mut readings = nuki_id_readings(&text).into_iter().flatten().peekable();
    if readings.peek().is_none() {
        let hint = "decimal, or eight hex digits, as printed on the lock";
        return Err(Problem::parameter("nuki_id in the path", "it is no number of a lock", hint));
    }
    let found = readings.find(|id| doors.lock(*id).is_some());
    found.ok_or_else(|| Problem::not_found("no lock with this number is paired", "take it from /list"))
}
