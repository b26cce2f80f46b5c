//! The lock's activity log: request, count, entries.

use super::datetime::DeviceTime;
use super::frame::AuthId;
use super::types::{CompletionStatus, DoorEvent, KeypadSource, LockAction, Trigger};
use super::wire::{Reader, TooShort, fixed_text};

/// Number of a log entry; grows with every entry of one lock.
pub type LogIndex = u32;
/// Number of a keypad code; never its digits.
pub type CodeId = u16;

/// In which order entries are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortOrder {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
}

/// Request Log Entries (0x0031), without nonce and PIN: start u32 (exclusive,
/// 0 = from the end the order begins at), count u16, order u8, "send the count first" u8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRequest {
    /// Entries behind this index, in the given order; 0 for all.
    pub start_index: LogIndex,
    /// At most so many.
    pub count: u16,
    /// Direction.
    pub order: SortOrder,
    /// Whether Log Entry Count comes first.
    pub total_count: bool,
}

impl LogRequest {
    /// Bytes without nonce and PIN.
    pub const LEN: usize = 8;

    /// The payload without nonce and PIN.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN);
        out.extend_from_slice(&self.start_index.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.push(u8::from(self.order == SortOrder::Descending));
        out.push(u8::from(self.total_count));
        out
    }

    /// Reads the payload without nonce and PIN.
    ///
    /// # Errors
    /// [`TooShort`] below 8 bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, TooShort> {
        let mut r = Reader::new(payload);
        (|| {
            Some(Self {
                start_index: r.u32()?,
                count: r.u16()?,
                order: if r.flag()? { SortOrder::Descending } else { SortOrder::Ascending },
                total_count: r.flag()?,
            })
        })()
        .ok_or(TooShort { what: "Request Log Entries", expected: Self::LEN, actual: payload.len() })
    }
}

/// Log Entry Count (0x0033): logging u8, count u16, door sensor u8, door sensor logging u8; an Opener sends the first 3 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEntryCount {
    /// Whether the lock writes its log.
    pub logging_enabled: bool,
    /// Entries available for the request.
    pub count: u16,
    /// Whether a door sensor is in use.
    pub door_sensor_enabled: Option<bool>,
    /// Whether its events are logged.
    pub door_sensor_logging_enabled: Option<bool>,
}

impl LogEntryCount {
    /// Reads 3 bytes or more.
    ///
    /// # Errors
    /// [`TooShort`] below 3 bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, TooShort> {
        let mut r = Reader::new(payload);
        (|| {
            Some(Self {
                logging_enabled: r.flag()?,
                count: r.u16()?,
                door_sensor_enabled: r.flag(),
                door_sensor_logging_enabled: r.flag(),
            })
        })()
        .ok_or(TooShort { what: "Log Entry Count", expected: 3, actual: payload.len() })
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let [c0, c1] = self.count.to_le_bytes();
        let mut out = vec![u8::from(self.logging_enabled), c0, c1];
        let Some(sensor) = self.door_sensor_enabled else { return out };
        out.push(u8::from(sensor));
        out.extend(self.door_sensor_logging_enabled.map(u8::from));
        out
    }
}

/// Log Entry (0x0032): index u32, time 7, authorization id u32, name 32, type u8, data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its number.
    pub index: LogIndex,
    /// The lock's clock when it was written; `None` if never set.
    pub timestamp: Option<DeviceTime>,
    /// Whose authorization; 0 for nobody's.
    pub auth_id: AuthId,
    /// Name of that authorization at that time, with the action's name suffix.
    pub name: String,
    /// What happened.
    pub kind: LogEntryKind,
}

/// An action as log types 2, 3 and 4 carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggedAction {
    /// What was done.
    pub action: LockAction,
    /// By what.
    pub trigger: Trigger,
    /// Bit 0: auto unlock; for buttons and fobs the number of presses.
    pub flags: u8,
    /// With which result.
    pub completion_status: CompletionStatus,
}

/// An entry at the keypad, log type 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeypadEntry {
    /// What the keypad asked for.
    pub action: LockAction,
    /// Code, finger or arrow key.
    pub source: KeypadSource,
    /// With which result.
    pub completion_status: CompletionStatus,
    /// Which code; 0 for the arrow key and for codes nobody has.
    pub code_id: CodeId,
}

/// A ring at the Opener, log type 6 there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    /// Bit 0 ring to open, bit 1 continuous mode.
    pub mode: u8,
    /// Who asked: 0 doorbell, 1 time control, 2 app, 3 button, 4 fob, 5 bridge, 6 keypad.
    pub source: u8,
    /// Geofence active.
    pub geofence: bool,
    /// Bell suppressed.
    pub suppressed: bool,
    /// Sound played.
    pub sound_id: u8,
    /// With which result.
    pub completion_status: CompletionStatus,
    /// Which keypad code.
    pub code_id: CodeId,
}

impl Ring {
    /// Bit of `mode`: ring to open was on.
    pub const RING_TO_OPEN: u8 = 1;
    /// Bit of `mode`: continuous mode was on.
    pub const CONTINUOUS: u8 = 2;
}

/// Type of a log entry and its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEntryKind {
    /// 0x01: the log was switched on or off.
    Logging(bool),
    /// 0x02: the bolt was moved, or should have been.
    LockAction(LoggedAction),
    /// 0x03: calibration.
    Calibration(LoggedAction),
    /// 0x04: initialisation run.
    Initialisation(LoggedAction),
    /// 0x05: something was entered at the keypad.
    Keypad(KeypadEntry),
    /// 0x06 on a lock: the door moved.
    Door(DoorEvent),
    /// 0x06 on an Opener: somebody rang.
    Ring(Ring),
    /// 0x07: logging of the door sensor was switched.
    DoorSensorLogging(bool),
    /// 0x0A: new firmware (major, minor, patch).
    FirmwareUpdate([u8; 3]),
    /// A type this version does not know, or a known one with too few bytes.
    Unknown {
        /// The type.
        code: u8,
        /// The bytes behind it.
        data: Vec<u8>,
    },
}

impl LogEntryKind {
    /// The type byte.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Logging(_) => 0x01,
            Self::LockAction(_) => 0x02,
            Self::Calibration(_) => 0x03,
            Self::Initialisation(_) => 0x04,
            Self::Keypad(_) => 0x05,
            Self::Door(_) | Self::Ring(_) => 0x06,
            Self::DoorSensorLogging(_) => 0x07,
            Self::FirmwareUpdate(_) => 0x0A,
            Self::Unknown { code, .. } => *code,
        }
    }

    fn decode(code: u8, data: &[u8], is_opener: bool) -> Self {
        let mut r = Reader::new(data);
        let known = match code {
            0x01 => r.flag().map(Self::Logging),
            0x02 => read_action(&mut r).map(Self::LockAction),
            0x03 => read_action(&mut r).map(Self::Calibration),
            0x04 => read_action(&mut r).map(Self::Initialisation),
            0x05 => read_keypad(&mut r).map(Self::Keypad),
            0x06 if is_opener => read_ring(&mut r).map(Self::Ring),
            0x06 => r.u8().map(|state| Self::Door(state.into())),
            0x07 => r.flag().map(Self::DoorSensorLogging),
            0x0A => r.array().map(Self::FirmwareUpdate),
            _ => None,
        };
        known.unwrap_or_else(|| Self::Unknown { code, data: data.to_vec() })
    }

    fn encode_data(&self) -> Vec<u8> {
        match self {
            Self::Logging(on) | Self::DoorSensorLogging(on) => vec![u8::from(*on)],
            Self::LockAction(a) | Self::Calibration(a) | Self::Initialisation(a) => {
                vec![a.action.code(), a.trigger.code(), a.flags, a.completion_status.code()]
            }
            Self::Keypad(k) => {
                let [c0, c1] = k.code_id.to_le_bytes();
                vec![k.action.code(), k.source.code(), k.completion_status.code(), c0, c1]
            }
            Self::Door(event) => vec![event.code()],
            Self::Ring(ring) => {
                let [c0, c1] = ring.code_id.to_le_bytes();
                let [geofence, suppressed] = [u8::from(ring.geofence), u8::from(ring.suppressed)];
                let status = ring.completion_status.code();
                vec![ring.mode, ring.source, geofence, suppressed, ring.sound_id, status, c0, c1]
            }
            Self::FirmwareUpdate(version) => version.to_vec(),
            Self::Unknown { data, .. } => data.clone(),
        }
    }
}

fn read_action(r: &mut Reader<'_>) -> Option<LoggedAction> {
    Some(LoggedAction {
        action: r.u8()?.into(),
        trigger: r.u8()?.into(),
        flags: r.u8()?,
        completion_status: r.u8()?.into(),
    })
}

fn read_keypad(r: &mut Reader<'_>) -> Option<KeypadEntry> {
    Some(KeypadEntry {
        action: r.u8()?.into(),
        source: r.u8()?.into(),
        completion_status: r.u8()?.into(),
        code_id: r.u16()?,
    })
}

fn read_ring(r: &mut Reader<'_>) -> Option<Ring> {
    Some(Ring {
        mode: r.u8()?,
        source: r.u8()?,
        geofence: r.flag()?,
        suppressed: r.flag()?,
        sound_id: r.u8()?,
        completion_status: r.u8()?.into(),
        code_id: r.u16()?,
    })
}

impl LogEntry {
    /// Bytes in front of the type's data.
    pub const MIN_LEN: usize = 48;

    /// Reads an entry of a lock (`is_opener` false) or an Opener, where type 6 means something else.
    ///
    /// # Errors
    /// [`TooShort`] below 48 bytes.
    pub fn decode(payload: &[u8], is_opener: bool) -> Result<Self, TooShort> {
        let mut r = Reader::at_least("Log Entry", payload, Self::MIN_LEN)?;
        (|| {
            let index = r.u32()?;
            let timestamp = DeviceTime::read(&mut r)?;
            let auth_id = r.u32()?;
            let name = r.text::<32>()?;
            let code = r.u8()?;
            Some(Self { index, timestamp, auth_id, name, kind: LogEntryKind::decode(code, r.rest(), is_opener) })
        })()
        .ok_or(TooShort { what: "Log Entry", expected: Self::MIN_LEN, actual: payload.len() })
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::MIN_LEN + 5);
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.timestamp.map_or([0; 7], DeviceTime::to_bytes));
        out.extend_from_slice(&self.auth_id.to_le_bytes());
        out.extend_from_slice(&fixed_text::<32>(&self.name));
        out.push(self.kind.code());
        out.extend_from_slice(&self.kind.encode_data());
        out
    }
}
