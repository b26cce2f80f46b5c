//! What an event is: something that happened at a door, and who did it.

use crate::protocol::datetime::DeviceTime;
use crate::protocol::frame::AuthId;
use crate::protocol::log::{CodeId, LogIndex};
use crate::protocol::{CompletionStatus, DoorEvent, IdType, LockAction, LockState, Trigger};

/// A row to be, before it has a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The log entry it was read from; `None` if it was only observed.
    pub log_index: Option<LogIndex>,
    /// The lock's clock at that moment.
    pub device_time: Option<DeviceTime>,
    /// What was done or tried.
    pub action: Option<LockAction>,
    /// By what.
    pub trigger: Option<Trigger>,
    /// With which result.
    pub completion_status: Option<CompletionStatus>,
    /// The state change that this event explains.
    pub change: Option<StateChange>,
    /// The person or key behind it.
    pub who: Who,
    /// How they did it.
    pub method: Method,
    /// How sure the answer is.
    pub attribution: Attribution,
    /// The phone unlocked by coming near.
    pub auto_unlock: bool,
    /// How often a button or fob was pressed; 0 where it does not apply.
    pub presses: u8,
    /// Happened while the gateway was away; not told to Bridge callbacks.
    pub backfilled: bool,
    /// This is the late answer to an event that was stored as [`Attribution::Pending`].
    pub answers_pending: bool,
    /// Number of the gateway's own intent that caused it.
    pub intent_id: Option<i64>,
    /// Words for kinds that have no better field, such as the size of a gap.
    pub detail: Option<String>,
    /// The payload it was decoded from.
    pub raw: Vec<u8>,
}

impl Event {
    /// An event of which nothing but its kind is known.
    #[must_use]
    pub fn blank(kind: EventKind) -> Self {
        Self {
            kind,
            log_index: None,
            device_time: None,
            action: None,
            trigger: None,
            completion_status: None,
            change: None,
            who: Who::default(),
            method: Method::Unknown,
            attribution: Attribution::Nobody,
            auto_unlock: false,
            presses: 0,
            backfilled: false,
            answers_pending: false,
            intent_id: None,
            detail: None,
            raw: Vec::new(),
        }
    }
}

/// A change of the bolt's state that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateChange {
    /// State before; `None` if none was known.
    pub before: Option<LockState>,
    /// State after.
    pub after: LockState,
}

/// Whose key it was. Empty when no identity exists or none is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    /// Number of the authorization; a keypad's codes share one.
    pub auth_id: Option<AuthId>,
    /// Kind of authorization, if it is in the directory.
    pub auth_type: Option<IdType>,
    /// Name of the authorization as the lock logged it, without the gateway's own suffix.
    pub auth_name: Option<String>,
    /// Number of the keypad code.
    pub code_id: Option<CodeId>,
    /// Name of the keypad code as of then.
    pub code_name: Option<String>,
}

impl Who {
    /// The name to say: the code's for an entry at the keypad, else the authorization's.
    ///
    /// A keypad's own name is no person's, so a code without a known name has none.
    #[must_use]
    pub fn user_name(&self) -> Option<&str> {
        match self.code_id {
            Some(_) => self.code_name.as_deref(),
            None if self.auth_type.is_some_and(is_keypad) => None,
            None => self.auth_name.as_deref(),
        }
    }
}

pub(super) const fn is_keypad(id_type: IdType) -> bool {
    matches!(id_type, IdType::Keypad | IdType::Keypad2)
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The bolt was moved, or should have been.
    LockAction,
    /// Something was entered at the keypad.
    KeypadAction,
    /// The door moved.
    Door(DoorEvent),
    /// Somebody rang (Opener).
    Ring,
    /// Calibration.
    Calibration,
    /// Initialisation run.
    Initialisation,
    /// The lock's log was switched.
    Logging(bool),
    /// Logging of the door sensor was switched.
    DoorSensorLogging(bool),
    /// New firmware.
    FirmwareUpdate,
    /// A state change was seen and no log entry explains it (yet).
    StateChange,
    /// An action the gateway was asked for and that did not happen, or may not have.
    IntentFailed,
    /// Log entries are missing between the cursor and the next one.
    Gap,
    /// The log's numbers fell: it was cleared, or the lock was reset.
    Reset,
    /// A log entry of a type this version does not know.
    UnknownEntry(u8),
    /// Old events were removed, as the owner had set. Written by the store alone.
    Retention,
    /// A person was erased from older events. Written by the store alone.
    Erasure,
}

impl EventKind {
    /// Every name, for filters that take one; a new kind stands here too.
    pub const NAMES: [&str; 16] = [
        Self::LockAction.name(),
        Self::KeypadAction.name(),
        Self::Door(DoorEvent::Opened).name(),
        Self::Ring.name(),
        Self::Calibration.name(),
        Self::Initialisation.name(),
        Self::Logging(true).name(),
        Self::DoorSensorLogging(true).name(),
        Self::FirmwareUpdate.name(),
        Self::StateChange.name(),
        Self::IntentFailed.name(),
        Self::Gap.name(),
        Self::Reset.name(),
        Self::UnknownEntry(0).name(),
        Self::Retention.name(),
        Self::Erasure.name(),
    ];

    /// The stable name in the database and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LockAction => "lock_action",
            Self::KeypadAction => "keypad_action",
            Self::Door(_) => "door",
            Self::Ring => "ring",
            Self::Calibration => "calibration",
            Self::Initialisation => "initialisation",
            Self::Logging(_) => "logging",
            Self::DoorSensorLogging(_) => "door_sensor_logging",
            Self::FirmwareUpdate => "firmware_update",
            Self::StateChange => "state_change",
            Self::IntentFailed => "intent_failed",
            Self::Gap => "gap",
            Self::Reset => "reset",
            Self::UnknownEntry(_) => "unknown_entry",
            Self::Retention => "retention",
            Self::Erasure => "erasure",
        }
    }

    /// The number that belongs to the kind: door event, switched on (1) or off (0), type of an unknown entry.
    #[must_use]
    pub const fn code(self) -> Option<u8> {
        match self {
            Self::Door(event) => Some(event.code()),
            Self::Logging(on) | Self::DoorSensorLogging(on) => Some(on as u8),
            Self::UnknownEntry(code) => Some(code),
            _ => None,
        }
    }
}

/// How somebody acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Typed a code.
    Code,
    /// Used a finger.
    Fingerprint,
    /// Pressed the keypad's arrow key.
    ArrowKey,
    /// Pressed the device's button.
    Button,
    /// Pressed a fob.
    Fob,
    /// Used a phone.
    App,
    /// Asked a bridge, this gateway included.
    Bridge,
    /// Auto lock.
    AutoLock,
    /// Time control.
    TimeControl,
    /// Turned key or knob.
    Manual,
    /// `HomeKit`.
    HomeKit,
    /// MQTT.
    Mqtt,
    /// The door sensor reported it.
    DoorSensor,
    /// The lock itself.
    Device,
    /// Not known (yet).
    Unknown,
}

impl Method {
    /// Every name, for filters that take one; a new method stands here too.
    pub const NAMES: [&str; 15] = [
        Self::Code.name(),
        Self::Fingerprint.name(),
        Self::ArrowKey.name(),
        Self::Button.name(),
        Self::Fob.name(),
        Self::App.name(),
        Self::Bridge.name(),
        Self::AutoLock.name(),
        Self::TimeControl.name(),
        Self::Manual.name(),
        Self::HomeKit.name(),
        Self::Mqtt.name(),
        Self::DoorSensor.name(),
        Self::Device.name(),
        Self::Unknown.name(),
    ];

    /// The stable name in the database and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Fingerprint => "fingerprint",
            Self::ArrowKey => "arrow_key",
            Self::Button => "button",
            Self::Fob => "fob",
            Self::App => "app",
            Self::Bridge => "bridge",
            Self::AutoLock => "auto_lock",
            Self::TimeControl => "time_control",
            Self::Manual => "manual",
            Self::HomeKit => "homekit",
            Self::Mqtt => "mqtt",
            Self::DoorSensor => "door_sensor",
            Self::Device => "device",
            Self::Unknown => "unknown",
        }
    }
}

/// How sure the answer to "who" is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribution {
    /// The lock's own log names the authorization or code.
    Matched,
    /// The log entry has not been read yet; a later event answers.
    Pending,
    /// No identity exists: turned by hand, a button, a door, the lock itself.
    Nobody,
    /// It cannot be known.
    Unknown(UnknownReason),
}

impl Attribution {
    /// The stable name in the database and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Pending => "pending",
            Self::Nobody => "nobody",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Why it cannot be known who it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownReason {
    /// No security PIN was given, so the log cannot be read.
    PinMissing,
    /// The lock refused the PIN.
    PinRefused,
    /// The lock does not write its log.
    LoggingOff,
    /// The log was read and has no entry for it.
    EntryMissing,
    /// The entry was read and says nothing this version understands.
    NotUnderstood,
}

impl UnknownReason {
    /// The stable name in the database and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PinMissing => "pin_missing",
            Self::PinRefused => "pin_refused",
            Self::LoggingOff => "logging_off",
            Self::EntryMissing => "entry_missing",
            Self::NotUnderstood => "not_understood",
        }
    }
}
