//! Device states as Bridge clients read them: codes, names, key orders, and the callback's body.

use std::borrow::Cow;
use std::time::Duration;

use jiff::tz::Offset;

use super::super::json::{Object, tame};
use crate::attribution::{Attribution, Event, EventKind, Method};
use crate::clock::UnixMillis;
use crate::gateway::{Cause, LockSnapshot};
use crate::protocol::state::KeyturnerStates;
use crate::protocol::{CompletionStatus, DoorSensorState, IdType, LockState, NukiState, OpenerState, Trigger};

/// `deviceType` of the Opener.
pub(in crate::http) const OPENER: u8 = 2;

/// `ringactionState` is true for so long after a ring.
const RINGS_FOR: Duration = Duration::from_secs(30);

/// `trigger` of anything done at a keypad; the lock itself has no such number.
const TRIGGER_KEYPAD: u8 = 255;
/// `authType` of a keypad code, which is not an authorization of its own in the lock.
const AUTH_TYPE_KEYPAD_CODE: u8 = 13;

/// The body of one callback POST: the vendor's keys first and unchanged, then ours.
///
/// Ours appear only when the event of `cause` explains the state in `states` and was not
/// refused, and those about the user only when the lock's log names one.
#[must_use]
pub fn callback_body(
    device: &LockSnapshot,
    states: &KeyturnerStates,
    cause: Option<Cause<'_>>,
    now: UnixMillis,
) -> String {
    let head = Object::new().int("deviceType", device_type(device.device_type)).int("nukiId", device.nuki_id);
    let vendor = push_state(head, device, states, now);
    match cause.filter(|cause| explains(cause.event, states)) {
        Some(cause) => push_cause(vendor, cause).finish(),
        None => vendor.finish(),
    }
}

fn explains(event: &Event, states: &KeyturnerStates) -> bool {
    let names_it = event.change.is_some_and(|change| change.after == states.lock_state);
    names_it && !event.is_refused()
}

fn push_cause(object: Object, Cause { event, client }: Cause<'_>) -> Object {
    let source = keypad_source(event.method.name());
    let trigger = web_trigger(event.kind.name(), source, event.trigger.map(Trigger::code));
    let matched = (event.attribution == Attribution::Matched).then_some(&event.who);
    let device_time = event.device_time.filter(|time| time.is_valid());
    object
        .int_if("action", event.action.map(|action| action.code()))
        .int_if("trigger", trigger)
        .int_if("source", source)
        .int_if("authId", matched.and_then(|who| who.auth_id))
        .int_if("authType", matched.and_then(|who| auth_type(who.auth_type.map(IdType::code), who.code_id.is_some())))
        .text_if("userName", spoken(matched.and_then(|who| who.user_name())).as_deref())
        .int_if("codeId", matched.and_then(|who| who.code_id))
        .text_if("codeName", spoken(matched.and_then(|who| who.code_name.as_deref())).as_deref())
        // Only the log knows it; without its entry "false" would be a guess.
        .bool_if("autoUnlock", event.log_index.map(|_| event.auto_unlock))
        .int_if("completionStatus", event.completion_status.map(CompletionStatus::code))
        .int_if("eventId", event.log_index)
        .text_if("eventTimestamp", device_time.map(|time| format!("{time}+00:00")).as_deref())
        // Its request counts as what moved the lock as surely as the authorization does, and no more.
        .text_if("client", spoken(matched.and(client)).as_deref())
}

fn spoken(name: Option<&str>) -> Option<Cow<'_, str>> {
    name.map(tame).filter(|name| !name.trim().is_empty())
}

/// `source` for what was done at a keypad, by the name of the method; `None` for everything else.
pub(in crate::http) fn keypad_source(method: &str) -> Option<u8> {
    const AT_KEYPAD: [(Method, u8); 3] = [(Method::ArrowKey, 0), (Method::Code, 1), (Method::Fingerprint, 2)];
    AT_KEYPAD.iter().find(|(known, _)| known.name() == method).map(|(_, source)| *source)
}

/// The Web API's `trigger`: the lock's own number, except at a keypad.
pub(in crate::http) fn web_trigger(kind: &str, source: Option<u8>, trigger: Option<u8>) -> Option<u8> {
    if source.is_some() || kind == EventKind::KeypadAction.name() { Some(TRIGGER_KEYPAD) } else { trigger }
}

/// The Web API's number for the kind of authorization.
pub(in crate::http) fn auth_type(id_type: Option<u8>, has_code: bool) -> Option<u8> {
    if has_code {
        return Some(AUTH_TYPE_KEYPAD_CODE);
    }
    // The keypad with a fingerprint reader is a keypad to every client.
    id_type.map(|code| if code == IdType::Keypad2.code() { IdType::Keypad.code() } else { code })
}

/// The number under which clients know a device. Most of them ignore a 5 or build a device without functions of it, so
/// whatever is newer than the Bridge API is its newest lock.
pub(super) const fn device_type(device_type: u8) -> u8 {
    match device_type {
        0 | OPENER | 3 => device_type,
        _ => 4,
    }
}

/// A device's state under the Bridge API's numbers and names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::http) struct Reading {
    /// 2, on an Opener also 3 for continuous mode. Nothing else is known to any client.
    pub(in crate::http) mode: u8,
    /// Number and name.
    pub(in crate::http) state: (u8, &'static str),
    /// New batteries are needed.
    pub(in crate::http) battery_critical: bool,
    /// The charge is rising; `None` if the device sends no charge.
    pub(in crate::http) battery_charging: Option<bool>,
    /// Percent.
    pub(in crate::http) battery_charge: Option<u8>,
    /// `None` without a keypad.
    pub(in crate::http) keypad_battery_critical: Option<bool>,
    /// Number and name; `None` without a sensor.
    pub(in crate::http) door_sensor: Option<(u8, &'static str)>,
}

impl Reading {
    pub(in crate::http) fn of(device: &LockSnapshot, states: &KeyturnerStates) -> Self {
        let battery_critical = states.battery.is_critical();
        let no_keypad = device.has_keypad.then_some(false);
        if device.device_type == OPENER {
            // Behind byte 17 the sources disagree about an Opener, so nothing is read there; a charge it has none to send.
            return Self {
                mode: match states.nuki_state {
                    NukiState::Continuous => NukiState::Continuous.code(),
                    _ => NukiState::Door.code(),
                },
                state: opener_state(OpenerState::of(states)),
                battery_critical,
                battery_charging: None,
                battery_charge: None,
                keypad_battery_critical: no_keypad,
                door_sensor: None,
            };
        }
        // Old firmware sends no charge.
        let battery_charge = states.battery.percent();
        Self {
            mode: NukiState::Door.code(),
            state: lock_state(states.lock_state),
            battery_critical,
            battery_charging: battery_charge.map(|_| states.battery.is_charging()),
            battery_charge,
            keypad_battery_critical: states
                .accessory_battery
                .and_then(|battery| battery.keypad_critical())
                .or(no_keypad),
            door_sensor: states.door_sensor.and_then(door_sensor),
        }
    }
}

/// Adds mode, state, batteries, door and bell at a moment, in the order of firmware 2.x.
pub(super) fn push_state(object: Object, device: &LockSnapshot, states: &KeyturnerStates, now: UnixMillis) -> Object {
    let Reading {
        mode,
        state,
        battery_critical,
        battery_charging,
        battery_charge,
        keypad_battery_critical,
        door_sensor,
    } = Reading::of(device, states);
    let object = object
        .int("mode", mode)
        .int("state", state.0)
        .text("stateName", state.1)
        .bool("batteryCritical", battery_critical)
        .bool_if("batteryCharging", battery_charging)
        .int_if("batteryChargeState", battery_charge)
        .bool_if("keypadBatteryCritical", keypad_battery_critical)
        .int_if("doorsensorState", door_sensor.map(|(code, _)| code))
        .text_if("doorsensorStateName", door_sensor.map(|(_, name)| name));
    if device.device_type != OPENER {
        return object;
    }
    // A ring of the future was dated by a clock that was set back since.
    let rings = device.last_ring.is_some_and(|ring| ring <= now && now.since(ring) < RINGS_FOR);
    object
        .text_if("ringactionTimestamp", device.last_ring.map(timestamp).as_deref())
        // Always there: hass_nuki_ng takes from a callback only keys that /list has.
        .bool("ringactionState", rings)
}

/// States that the Bridge API does not list, such as a running calibration, are `undefined` to its clients.
const fn lock_state(state: LockState) -> (u8, &'static str) {
    let name = match state {
        LockState::Uncalibrated => "uncalibrated",
        LockState::Locked => "locked",
        LockState::Unlocking => "unlocking",
        LockState::Unlocked => "unlocked",
        LockState::Locking => "locking",
        LockState::Unlatched => "unlatched",
        LockState::UnlockedLockNGo => "unlocked (lock \u{2018}n\u{2019} go)",
        LockState::Unlatching => "unlatching",
        LockState::MotorBlocked => "motor blocked",
        LockState::Calibration | LockState::BootRun | LockState::Undefined | LockState::Unknown(_) => {
            return (LockState::Undefined.code(), "undefined");
        }
    };
    (state.code(), name)
}

const fn opener_state(state: OpenerState) -> (u8, &'static str) {
    let name = match state {
        OpenerState::Untrained => "untrained",
        OpenerState::Online => "online",
        OpenerState::RingToOpen => "rto active",
        OpenerState::Open => "open",
        OpenerState::Opening => "opening",
        OpenerState::BootRun => "boot run",
        OpenerState::Undefined | OpenerState::Unknown(_) => return (OpenerState::Undefined.code(), "undefined"),
    };
    (state.code(), name)
}

const fn door_sensor(state: DoorSensorState) -> Option<(u8, &'static str)> {
    let name = match state {
        DoorSensorState::Unavailable => return None,
        DoorSensorState::Deactivated => "deactivated",
        DoorSensorState::Closed => "door closed",
        DoorSensorState::Opened => "door opened",
        DoorSensorState::DoorStateUnknown => "door state unknown",
        DoorSensorState::Calibrating => "calibrating",
        DoorSensorState::Uncalibrated => "uncalibrated",
        DoorSensorState::Tampered => "removed",
        DoorSensorState::UnknownState | DoorSensorState::Unknown(_) => {
            return Some((DoorSensorState::UnknownState.code(), "unknown"));
        }
    };
    Some((state.code(), name))
}

/// `2024-04-06T06:00:51+00:00`, as the hardware writes it.
pub(super) fn timestamp(at: UnixMillis) -> String {
    // A wall clock beyond the year 9999 is broken; clients still need a text that parses.
    let epoch = jiff::Timestamp::UNIX_EPOCH;
    let time = jiff::Timestamp::from_second(at.seconds()).unwrap_or(epoch);
    format!("{}+00:00", Offset::UTC.to_datetime(time))
}
