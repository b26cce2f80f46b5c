//! An entry of the history as clients see it: names and numbers of the Web API's log, then what only a local gateway knows.

use serde::Serialize;
use utoipa::ToSchema;

use super::super::bridge::wire::{auth_type, keypad_source, web_trigger};
use super::csv::Row;
use crate::attribution::EventKind;
use crate::protocol::{CompletionStatus, DoorEvent, IdType, LockAction, Trigger};
use crate::store::HistoryRow;

/// Something that happened. A key is absent where nothing is known.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Event)]
pub(super) struct Entry {
    /// Number of the event, as a text. A late answer does not change it.
    id: String,
    /// `nukiId` with the type above its 32 bits, as in the Web API.
    smartlock_id: u64,
    /// The lock's number.
    nuki_id: u32,
    /// 0 Smart Lock 1 and 2, 2 Opener, 3 Smart Door, 4 Smart Lock 3 and 4, 5 Ultra, Go and Pro (5th).
    device_type: u8,
    /// The lock's own number of the authorization, not the Web API's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    auth_id: Option<u32>,
    /// 0 app, 1 bridge, 2 fob, 3 keypad, 13 keypad code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    auth_type: Option<u8>,
    /// Who it was, by the name of that day; empty if nobody can be named. From the air: for showing, no key.
    name: String,
    /// Number of the keypad code, never its digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code_id: Option<u16>,
    /// Name of the keypad code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code_name: Option<String>,
    /// 1 unlock, 2 lock, 3 unlatch, 4 lock 'n' go, 5 the same with unlatch; from 200 on what is no action of the lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    action: Option<u8>,
    /// 0 system, 1 by hand, 2 button, 3 automatic, 6 auto lock, 171 HomeKit, 172 MQTT, 255 keypad.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    trigger: Option<u8>,
    /// Number of the completion status; 0 is success.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    state: Option<u8>,
    /// Name of the completion status, such as `success` or `motor_blocked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    completion_status: Option<String>,
    /// A phone unlocked by coming near.
    auto_unlock: bool,
    /// When: the lock's clock if it can be right, else the host's.
    #[schema(format = DateTime)]
    date: String,
    /// At a keypad: 0 arrow key, 1 code, 2 fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    source: Option<u8>,
    /// The lock's clock as it sent it, without an offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    device_time: Option<String>,
    /// When the gateway learned of it, by the host's clock.
    #[schema(format = DateTime)]
    observed_at: String,
    /// Offset of the lock's time zone, minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    zone_offset: Option<i16>,
    /// How far the lock's clock was ahead of the host's, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    clock_skew: Option<i64>,
    /// The lock's log index, as in callbacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    event_id: Option<u32>,
    /// What happened, such as `lock_action`, `keypad_action`, `door` or `gap`.
    kind: String,
    /// How, such as `code`, `app` or `manual`.
    method: String,
    /// How sure: `matched`, `pending`, `nobody` or `unknown`.
    attribution: String,
    /// Why it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// It did not succeed.
    refused: bool,
    /// It happened while the gateway was away.
    backfilled: bool,
    /// How often a button or fob was pressed.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    presses: u8,
    /// The gateway's own intent behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    intent_id: Option<i64>,
    /// The client that asked for it, by the name of its token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client: Option<String>,
    /// Number of the row with the late answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    answered_by: Option<i64>,
    /// Words for what has no better key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_zero(presses: &u8) -> bool {
    *presses == 0
}

impl Row for Entry {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "date",
        "smartlockId",
        "nukiId",
        "deviceType",
        "kind",
        "name",
        "authId",
        "authType",
        "codeId",
        "codeName",
        "method",
        "action",
        "trigger",
        "source",
        "state",
        "completionStatus",
        "refused",
        "attribution",
        "reason",
        "autoUnlock",
        "presses",
        "backfilled",
        "eventId",
        "deviceTime",
        "observedAt",
        "zoneOffset",
        "clockSkew",
        "intentId",
        "client",
        "answeredBy",
        "detail",
    ];
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
            completion_status: status.map(|status| status.to_string()),
            auto_unlock: row.auto_unlock,
            date: row.at.rfc3339(),
            source,
            device_time: row.device_time.map(|time| time.to_string()),
            observed_at: row.observed_at.rfc3339(),
            zone_offset: row.zone_offset,
            clock_skew: row.clock_skew,
            event_id: row.log_index,
            kind: row.kind,
            method: row.method,
            attribution: row.attribution,
            reason: row.reason,
            refused: row.refused,
            backfilled: row.backfilled,
            presses: row.presses,
            intent_id: row.intent_id,
            client: row.client,
            answered_by: row.answered_by,
            detail: row.detail,
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
