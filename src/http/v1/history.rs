//! `/v1/history` and `/v1/users/{auth_id}/history`.

use std::str::FromStr;

use serde::Serialize;

use super::super::bridge::wire::{auth_type, keypad_source, web_trigger};
use super::super::doors::{Doors, Records};
use super::super::query::Params;
use super::{AppState, Problem, nuki_id};
use crate::attribution::{EventKind, is_refusal};
use crate::clock::UnixMillis;
use crate::protocol::{CompletionStatus, DoorEvent, IdType, LockAction, Trigger};
use crate::store::{HistoryFilter, HistoryRow};

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 50;
/// From here on the Web API's `action` numbers stand for kinds of events that no lock calls an action.
const FIRST_KIND_NUMBER: u8 = 200;

/// One entry: names and numbers of the Web API's log, then what only a local gateway knows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: String,
    smartlock_id: u64,
    nuki_id: u32,
    device_type: u8,
    /// The lock's own number, not the Web API's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_type: Option<u8>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_id: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<u8>,
    auto_unlock: bool,
    date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_timestamp: Option<String>,
    /// The lock's log index, as in callbacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<u32>,
    kind: String,
    method: String,
    attribution: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribution_reason: Option<String>,
    refused: bool,
    backfilled: bool,
}

impl From<HistoryRow> for Entry {
    fn from(row: HistoryRow) -> Self {
        let source = keypad_source(&row.method);
        let status = status(&row);
        Self {
            id: row.id.to_string(),
            // The Web API's rule: the type stands above the 32 bits of the lock's number.
            smartlock_id: u64::from(row.device_type) << 32 | u64::from(row.nuki_id),
            nuki_id: row.nuki_id,
            device_type: row.device_type,
            auth_id: row.auth_id,
            auth_type: row.auth_id.and(auth_type(row.auth_type.map(IdType::code), row.code_id.is_some())),
            name: row.user_name.unwrap_or_default(),
            code_id: row.code_id,
            code_name: row.code_name,
            action: kind_number(&row.kind, row.kind_code).or(row.action.map(LockAction::code)),
            trigger: web_trigger(&row.kind, source, row.trigger.map(Trigger::code)),
            state: status.map(CompletionStatus::code),
            auto_unlock: row.auto_unlock,
            date: row.at.rfc3339(),
            source,
            device_timestamp: row.device_time.map(|time| format!("{time}+00:00")),
            event_id: row.log_index,
            kind: row.kind,
            method: row.method,
            attribution: row.attribution,
            attribution_reason: row.reason,
            refused: status.is_some_and(is_refusal),
            backfilled: row.backfilled,
        }
    }
}

/// One event as `/v1/history` writes it, for whoever else tells events.
///
/// # Errors
/// JSON's; none is known.
pub fn entry_json(row: HistoryRow) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::to_value(Entry::from(row))
}

/// The Web API's `action` for events that are none: door, settings, maintenance.
fn kind_number(kind: &str, code: Option<u8>) -> Option<u8> {
    const DOOR: &str = EventKind::Door(DoorEvent::Opened).name();
    const RING: &str = EventKind::Ring.name();
    const FIRMWARE_UPDATE: &str = EventKind::FirmwareUpdate.name();
    const INITIALISATION: &str = EventKind::Initialisation.name();
    const CALIBRATION: &str = EventKind::Calibration.name();
    const LOGGING: &str = EventKind::Logging(true).name();
    const DOOR_SENSOR_LOGGING: &str = EventKind::DoorSensorLogging(true).name();
    match (kind, code) {
        (DOOR, Some(0)) => Some(240),
        (DOOR, Some(1)) => Some(241),
        // Jammed; manipulated has no number of its own, and `kind` tells them apart from the rest.
        (DOOR, _) => Some(242),
        (RING, _) => Some(224),
        (FIRMWARE_UPDATE, _) => Some(243),
        (DOOR_SENSOR_LOGGING, code) => Some(if code == Some(0) { 251 } else { 250 }),
        (INITIALISATION, _) => Some(252),
        (CALIBRATION, _) => Some(253),
        (LOGGING, code) => Some(if code == Some(0) { 255 } else { 254 }),
        _ => None,
    }
}

/// `state`: the completion status. What cannot fail has succeeded; what may have failed and does not say, stays open.
fn status(row: &HistoryRow) -> Option<CompletionStatus> {
    row.completion_status.or_else(|| kind_number(&row.kind, row.kind_code).map(|_| CompletionStatus::Success))
}

/// Newest first, one page. `of_user` is the number from the path.
pub(super) async fn history<D: Doors, R: Records>(
    app: &AppState<D, R>,
    params: &Params,
    of_user: Option<&str>,
) -> Result<Vec<impl Serialize + use<D, R>>, Problem> {
    let filter = filter(&app.gateway, params, of_user)?;
    Ok(app.store.history(&filter).await?.into_iter().map(Entry::from).collect())
}

fn filter(gateway: &impl Doors, params: &Params, of_user: Option<&str>) -> Result<HistoryFilter, Problem> {
    let auth_id = match of_user {
        Some(text) => Some(whole("auth_id in the path", text, AUTH_ID_HINT)?),
        None => number(params, "authId", AUTH_ID_HINT)?,
    };
    Ok(HistoryFilter {
        nuki_id: nuki_id(gateway, params)?,
        auth_id,
        code_id: number(params, "codeId", "take it from /v1/users; it is never the code itself")?,
        action: action(params)?,
        from: date(params, "fromDate")?,
        to: date(params, "toDate")?,
        before_id: number(params, "id", "take it from the last entry of the previous page")?,
        limit: limit(params)?,
        ..HistoryFilter::default()
    })
}

const AUTH_ID_HINT: &str = "take it from /v1/users";

fn number<T: FromStr>(params: &Params, name: &'static str, hint: &'static str) -> Result<Option<T>, Problem> {
    params.get(&name.to_ascii_lowercase()).map(|text| whole(name, text, hint)).transpose()
}

fn whole<T: FromStr>(name: &'static str, text: &str, hint: &'static str) -> Result<T, Problem> {
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits_only).ok_or(Problem::Parameter {
        name,
        message: "it is not a whole number in its range",
        hint,
    })
}

fn action(params: &Params) -> Result<Option<u8>, Problem> {
    let action = number(params, "action", "1 unlock, 2 lock, 3 unlatch, 4 lock 'n' go, 5 lock 'n' go with unlatch")?;
    if action.is_some_and(|action| action >= FIRST_KIND_NUMBER) {
        return Err(Problem::Parameter {
            name: "action",
            message: "entries that are no lock action cannot be looked for by number",
            hint: "leave it out and look at action or kind of each entry",
        });
    }
    Ok(action)
}

fn date(params: &Params, name: &'static str) -> Result<Option<UnixMillis>, Problem> {
    let Some(text) = params.get(&name.to_ascii_lowercase()) else { return Ok(None) };
    let time = text.parse::<jiff::Timestamp>().map_err(|_| Problem::Parameter {
        name,
        message: "it is not an RFC 3339 date and time with an offset",
        hint: "write it like 2026-11-23T14:05:09Z",
    })?;
    Ok(Some(UnixMillis(time.as_millisecond())))
}

fn limit(params: &Params) -> Result<u32, Problem> {
    let hint = "1 to 50; for more, ask again with id set to the last entry's id";
    match number(params, "limit", hint)? {
        None => Ok(DEFAULT_LIMIT),
        Some(limit @ 1..=MAX_LIMIT) => Ok(limit),
        Some(_) => Err(Problem::Parameter { name: "limit", message: "it is out of range", hint }),
    }
}
