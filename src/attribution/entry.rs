//! From a log entry to an event.

use super::directory::Directory;
use super::event::{Attribution, Event, EventKind, Method, UnknownReason, Who, is_keypad};
use super::tenure::Order;
use crate::protocol::frame::AuthId;
use crate::protocol::log::{KeypadEntry, LogEntry, LogEntryKind, LoggedAction, Ring};
use crate::protocol::request::FLAG_AUTO_UNLOCK;
use crate::protocol::{CompletionStatus, IdType, KeypadSource, Trigger};

/// The event that a log entry tells of.
///
/// The entry's own name counts, because it is the name as of then; the
/// directory adds what the entry lacks: the kind of the authorization and the
/// name of the keypad code, each as of then, which `order` helps to tell.
/// `own_auth_id` is the gateway's authorization, whose names carry the number
/// of the intent (`docs/protocol.md`, "Exchanges").
#[must_use]
pub fn event_of(entry: &LogEntry, directory: &Directory, order: Order, own_auth_id: AuthId) -> Event {
    let user = directory.user_then(entry.auth_id, entry.timestamp, order);
    let auth_type = user.id_type;
    let has_identity = entry.auth_id != 0;
    let is_own = has_identity && entry.auth_id == own_auth_id;
    let (auth_name, intent_id) = split_suffix(&entry.name, is_own);
    let auth_name = Some(auth_name).filter(|name| !name.is_empty()).or_else(|| user.name.map(str::to_owned));
    let who = Who {
        auth_id: has_identity.then_some(entry.auth_id),
        auth_type: auth_type.filter(|_| has_identity),
        auth_name: auth_name.filter(|_| has_identity),
        ..Who::default()
    };
    let blank = Event {
        log_index: Some(entry.index),
        device_time: entry.timestamp,
        attribution: if has_identity { Attribution::Matched } else { Attribution::Nobody },
        who,
        method: Method::Device,
        intent_id,
        raw: entry.encode(),
        ..Event::blank(EventKind::UnknownEntry(entry.kind.code()))
    };
    match &entry.kind {
        LogEntryKind::LockAction(logged) => action_event(blank, EventKind::LockAction, *logged, is_own),
        LogEntryKind::Calibration(logged) => action_event(blank, EventKind::Calibration, *logged, is_own),
        LogEntryKind::Initialisation(logged) => action_event(blank, EventKind::Initialisation, *logged, is_own),
        LogEntryKind::Keypad(keypad) => keypad_event(blank, *keypad, directory, order),
        LogEntryKind::Door(door) => Event { kind: EventKind::Door(*door), method: Method::DoorSensor, ..blank },
        LogEntryKind::Ring(ring) => ring_event(blank, *ring, directory, order),
        LogEntryKind::Logging(on) => {
            Event { kind: EventKind::Logging(*on), method: how(&blank, None, is_own), ..blank }
        }
        LogEntryKind::DoorSensorLogging(on) => {
            Event { kind: EventKind::DoorSensorLogging(*on), method: how(&blank, None, is_own), ..blank }
        }
        LogEntryKind::FirmwareUpdate([major, minor, patch]) => Event {
            kind: EventKind::FirmwareUpdate,
            detail: Some(format!("firmware {major}.{minor}.{patch}")),
            ..blank
        },
        LogEntryKind::Unknown { .. } => Event {
            attribution: if has_identity {
                Attribution::Matched
            } else {
                Attribution::Unknown(UnknownReason::NotUnderstood)
            },
            method: Method::Unknown,
            ..blank
        },
    }
}

/// Cuts `#` and 8 hex digits off our own authorization's name.
fn split_suffix(name: &str, is_own: bool) -> (String, Option<i64>) {
    if is_own
        && let Some((front, digits)) = name.rsplit_once('#')
        && digits.len() == 8
        // A number in Rust may have a sign.
        && !digits.starts_with(['+', '-'])
        && let Ok(intent_id) = i64::from_str_radix(digits, 16)
    {
        return (front.trim_end().to_owned(), Some(intent_id));
    }
    (name.to_owned(), None)
}

fn action_event(blank: Event, kind: EventKind, logged: LoggedAction, is_own: bool) -> Event {
    let method = how(&blank, Some(logged.trigger), is_own);
    let counts_presses = matches!(method, Method::Button | Method::Fob);
    let is_riddle = matches!(logged.trigger, Trigger::Unknown(_)) && blank.attribution == Attribution::Nobody;
    Event {
        kind,
        attribution: if is_riddle { Attribution::Unknown(UnknownReason::NotUnderstood) } else { blank.attribution },
        action: Some(logged.action),
        trigger: Some(logged.trigger),
        completion_status: Some(logged.completion_status),
        method,
        auto_unlock: method == Method::App && logged.flags & FLAG_AUTO_UNLOCK != 0,
        presses: if counts_presses { logged.flags } else { 0 },
        ..blank
    }
}

fn how(event: &Event, trigger: Option<Trigger>, is_own: bool) -> Method {
    match trigger {
        Some(Trigger::Manual) => Method::Manual,
        Some(Trigger::Button) => Method::Button,
        Some(Trigger::Automatic) => Method::TimeControl,
        Some(Trigger::AutoLock) => Method::AutoLock,
        Some(Trigger::HomeKit) => Method::HomeKit,
        Some(Trigger::Mqtt) => Method::Mqtt,
        Some(Trigger::Unknown(_)) => Method::Unknown,
        // Whatever it registered as, this gateway acts for others.
        Some(Trigger::System) | None if is_own => Method::Bridge,
        Some(Trigger::System) | None => match event.who.auth_type {
            Some(IdType::App) => Method::App,
            Some(IdType::Bridge) => Method::Bridge,
            Some(IdType::Fob) => Method::Fob,
            Some(IdType::Keypad | IdType::Keypad2) => Method::Code,
            Some(IdType::DoorSensor) => Method::DoorSensor,
            Some(IdType::Unknown(_)) => Method::Unknown,
            None if event.who.auth_id.is_none() => Method::Device,
            None => Method::Unknown,
        },
    }
}

fn keypad_event(blank: Event, keypad: KeypadEntry, directory: &Directory, order: Order) -> Event {
    // Code id 0 stands for the arrow key and for codes that nobody has.
    let code_id = (keypad.code_id != 0).then_some(keypad.code_id);
    let who = Who {
        auth_type: blank.who.auth_type.filter(|t| is_keypad(*t)).or(Some(IdType::Keypad)),
        code_id,
        code_name: code_id.and_then(|id| directory.code_then(id, blank.device_time, order)).map(str::to_owned),
        ..blank.who
    };
    Event {
        kind: EventKind::KeypadAction,
        action: Some(keypad.action),
        // A keypad speaks Bluetooth like a phone does.
        trigger: Some(Trigger::System),
        completion_status: Some(keypad.completion_status),
        method: match keypad.source {
            KeypadSource::ArrowKey => Method::ArrowKey,
            KeypadSource::Code => Method::Code,
            KeypadSource::Fingerprint => Method::Fingerprint,
            KeypadSource::Unknown(_) => Method::Unknown,
        },
        attribution: match keypad.source {
            _ if code_id.is_some() => Attribution::Matched,
            KeypadSource::ArrowKey => Attribution::Nobody,
            // Nobody has this code or finger.
            _ if is_refusal(keypad.completion_status) => Attribution::Nobody,
            // Somebody's was accepted, and the entry does not say whose.
            _ => Attribution::Unknown(UnknownReason::NotUnderstood),
        },
        who,
        ..blank
    }
}

/// What set off what an Opener did, by the numbers of its own log.
fn ring_event(blank: Event, ring: Ring, directory: &Directory, order: Order) -> Event {
    let code_id = (ring.code_id != 0).then_some(ring.code_id);
    let who = Who {
        code_id,
        code_name: code_id.and_then(|id| directory.code_then(id, blank.device_time, order)).map(str::to_owned),
        ..blank.who
    };
    let marks = [
        (ring.mode & Ring::RING_TO_OPEN != 0, "ring to open"),
        (ring.mode & Ring::CONTINUOUS != 0, "continuous mode"),
        (ring.geofence, "geofence"),
        (ring.suppressed, "bell suppressed"),
    ];
    let marks: Vec<&str> = marks.into_iter().filter_map(|(is_set, mark)| is_set.then_some(mark)).collect();
    let method = match ring.source {
        0 => Method::Manual,
        1 => Method::TimeControl,
        2 => Method::App,
        3 => Method::Button,
        4 => Method::Fob,
        5 => Method::Bridge,
        6 => Method::Code,
        _ => Method::Unknown,
    };
    let trigger = Some(trigger_of_ring(ring)).filter(|trigger| !matches!(trigger, Trigger::Unknown(_)));
    Event {
        kind: EventKind::Ring,
        completion_status: Some(ring.completion_status),
        trigger,
        method,
        attribution: match method {
            _ if code_id.is_some() => Attribution::Matched,
            Method::Manual | Method::TimeControl | Method::Button => blank.attribution,
            // Somebody's phone, fob or code, and the entry does not say whose.
            _ if blank.attribution == Attribution::Nobody => Attribution::Unknown(UnknownReason::NotUnderstood),
            _ => blank.attribution,
        },
        who,
        detail: (!marks.is_empty()).then(|| marks.join(", ")),
        ..blank
    }
}

/// What set off what an Opener did, in the numbers of states and actions.
pub(super) const fn trigger_of_ring(ring: Ring) -> Trigger {
    match ring.source {
        0 => Trigger::Manual,
        1 => Trigger::Automatic,
        3 => Trigger::Button,
        2 | 4 | 5 | 6 => Trigger::System,
        other => Trigger::Unknown(other),
    }
}

/// Whether an attempt was turned away: the bolt did not move for it, and it never names who opened.
#[must_use]
pub const fn is_refusal(status: CompletionStatus) -> bool {
    matches!(
        status,
        CompletionStatus::InvalidCode
            | CompletionStatus::InvalidFingerprint
            // Invalid NFC tag, in the vendor's Web API.
            | CompletionStatus::Unknown(0xE2)
            | CompletionStatus::Rejected
            | CompletionStatus::RejectedNightMode
            | CompletionStatus::TooRecent
            | CompletionStatus::Busy
            | CompletionStatus::HandleNotLifted
    )
}

impl Event {
    /// Whether this is an attempt that the lock turned away.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.completion_status.is_some_and(is_refusal)
    }
}
