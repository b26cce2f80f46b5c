//! What goes into a session and what comes out.

use std::time::Duration;

use super::action::{ActionRequest, Outcome};
use super::channel::ChannelError;
use super::codes::{CodeChange, CodeNotChanged};
use super::pin::PinTries;
use crate::protocol::ErrorCode;
use crate::protocol::advanced_config::AdvancedConfig;
use crate::protocol::beacon::Beacon;
use crate::protocol::config::{BatteryReport, Config, OpenerConfig};
use crate::protocol::crypto::{Pin, SharedKey};
use crate::protocol::datetime::DeviceTime;
use crate::protocol::frame::AuthId;
use crate::protocol::gatt::{Characteristic, Generation};
use crate::protocol::log::{CodeId, LogEntry, LogIndex};
use crate::protocol::reply::ErrorReport;
use crate::protocol::state::KeyturnerStates;
use crate::protocol::users::{AuthorizationEntry, KeypadCode};

/// What a session needs to know of its lock.
#[derive(Debug)]
pub struct SessionConfig {
    /// Device family.
    pub generation: Generation,
    /// The authorization.
    pub auth_id: AuthId,
    /// Its key.
    pub key: SharedKey,
    /// The number given at pairing.
    pub app_id: u32,
    /// The administrator's PIN; without it the log cannot be read.
    pub pin: Option<Pin>,
    /// What is remembered of tries with this PIN.
    pub pin_tries: PinTries,
    /// Index of the last log entry that is stored; 0 for none.
    pub cursor: LogIndex,
    /// The entry at the cursor, as far as it is still stored: by it a log that was cleared and has grown past the
    /// cursor again is told from the one that was read.
    pub anchor: Option<Anchor>,
    /// Fresh randomness from the operating system; message nonces derive from it.
    pub seed: [u8; 32],
}

/// What happens to a session.
#[derive(Debug)]
pub enum Input {
    /// The lock was heard.
    Beacon(Beacon),
    /// A link is up and subscribed.
    Connected,
    /// A link could not be made.
    ConnectFailed,
    /// The lock indicated these bytes.
    Received(Characteristic, Vec<u8>),
    /// A write was not acknowledged; the link is of no more use.
    WriteFailed,
    /// The link is gone, and not by [`Output::Disconnect`]: of that the session hears no more.
    Disconnected,
    /// Somebody asks for an action, and the intent is on its way to the disk: get ready with what moves nothing.
    ExpectAction,
    /// Act, once at most.
    Act(ActionRequest),
    /// Read the state; the answer is an [`Output::Observed`].
    ReadState,
    /// The state has changed and the log has not said why: read it again.
    ReadLog,
    /// The log had no entry for a change: find out whether it was cleared.
    CheckLog,
    /// Somebody who is in neither list was at the door: read authorizations and keypad codes, if the budget allows.
    ReadDirectory,
    /// Set the lock's clock. The moment of the lock's time is this number of milliseconds, plus the session's time when
    /// the command leaves.
    SetClock {
        /// Milliseconds since 1970 at the session's time 0.
        at_zero: i64,
    },
    /// Change a keypad code, once at most; the answer is an [`Output::CodeChanged`].
    ChangeCode(CodeChange),
    /// The owner has set the PIN.
    NewPin {
        /// The PIN.
        pin: Option<Pin>,
        /// What is remembered of tries with it.
        tries: PinTries,
    },
    /// What was read could not be stored: read the log from here again.
    Rewind(LogIndex),
    /// The end: every open action gets its answer, the link is ended, and nothing begins any more.
    Stop,
}

/// What a session wants, or has learnt.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Make a link.
    Connect,
    /// End the link.
    Disconnect,
    /// Write this, as one message with response.
    Write(Characteristic, Vec<u8>),
    /// The lock's state, asked for or not.
    Observed(KeyturnerStates),
    /// Entries behind the cursor, ascending; `end` says that there are no more.
    Log {
        /// The entries.
        entries: Vec<LogEntry>,
        /// Whether the log was read to its end.
        end: bool,
    },
    /// The log is another one than before: its newest index is below the cursor, or another entry stands at the
    /// cursor. The cursor is 0 again.
    LogReset {
        /// Newest index there is, `None` for an empty log.
        newest: Option<LogIndex>,
    },
    /// The newest index that the log was heard to have.
    NewestIndex(LogIndex),
    /// Whether the log can be read has become known or has changed.
    LogAccess(LogAccess),
    /// To be remembered before anything else is done: without it a PIN could be tried too often.
    PinTries(PinTries),
    /// The configuration of a lock.
    Config(Box<Config>),
    /// The configuration of an Opener.
    OpenerConfig(Box<OpenerConfig>),
    /// The advanced configuration of a lock.
    AdvancedConfig(Box<AdvancedConfig>),
    /// The battery report.
    Battery(BatteryReport),
    /// Authorizations.
    Users(Listed<AuthorizationEntry>),
    /// Keypad codes.
    Codes(Listed<KeypadCode>),
    /// People and codes were asked for and are not read now: what is known has to do.
    DirectoryLater,
    /// The lock took the time, or why not.
    ClockSet(Result<(), ClockNotSet>),
    /// A keypad code was changed, or why not; the number of a new one.
    CodeChanged(Result<Option<CodeId>, CodeNotChanged>),
    /// The lock accepted the action.
    ActionAccepted {
        /// Which.
        intent_id: i64,
    },
    /// The action ended.
    ActionFinished {
        /// Which.
        intent_id: i64,
        /// How.
        outcome: Outcome,
    },
    /// The lock has said so often that it does not know our authorization that it is believed: pair again.
    AuthorizationLost,
    /// The lock sent something that cannot be understood; the link is ended.
    Garbled(ChannelError),
    /// The lock refused a request.
    Refused(ErrorReport),
}

/// A list as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// What came.
    pub entries: Vec<T>,
    /// As many came as the lock announced, so that whoever is missing is gone.
    pub is_whole: bool,
}

/// A stored log entry, as far as two logs can be told apart by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Its number.
    pub index: LogIndex,
    /// When the lock wrote it.
    pub timestamp: Option<DeviceTime>,
    /// Whose it was and of which type; `None` if that is erased.
    pub content: Option<(AuthId, u8)>,
}

impl Anchor {
    /// Whether the lock shows the same entry. The name is left aside: a lock may show today's.
    #[must_use]
    pub fn is(&self, entry: &LogEntry) -> bool {
        self.index == entry.index
            && self.timestamp == entry.timestamp
            && self.content.is_none_or(|content| content == (entry.auth_id, entry.kind.code()))
    }
}

impl From<&LogEntry> for Anchor {
    fn from(entry: &LogEntry) -> Self {
        let content = Some((entry.auth_id, entry.kind.code()));
        Self { index: entry.index, timestamp: entry.timestamp, content }
    }
}

/// Why the clock was not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockNotSet {
    /// Without a PIN that the lock takes nothing can be set.
    NoPin(LogAccess),
    /// The lock said no.
    Refused(ErrorCode),
    /// It did not answer in time.
    Unreachable,
}

/// Whether the lock's log can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogAccess {
    /// As far as known.
    Readable,
    /// No PIN was given.
    PinMissing,
    /// The lock refused the PIN; it is tried twice at most (`docs/adr/0012`).
    PinRefused,
    /// The lock does not write its log.
    LoggingOff,
}

impl LogAccess {
    /// Its name, as the API and the event log give it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Readable => "readable",
            Self::PinMissing => "pin_missing",
            Self::PinRefused => "pin_refused",
            Self::LoggingOff => "logging_off",
        }
    }

    /// Whether PIN commands make sense.
    #[must_use]
    pub const fn has_pin(self) -> bool {
        matches!(self, Self::Readable | Self::LoggingOff)
    }

    pub(super) const fn at_start(pin: Option<Pin>, tries: PinTries) -> Self {
        match pin {
            None => Self::PinMissing,
            Some(_) if tries.refused > 0 => Self::PinRefused,
            Some(_) => Self::Readable,
        }
    }
}

/// How often the state is read without any beacon asking for it.
pub(super) const fn upkeep(generation: Generation) -> Duration {
    match generation {
        // Four connections a day: a beacon tells of everything that happens.
        Generation::Gen1To4 | Generation::Opener => Duration::from_secs(6 * 3600),
        // It has no bridge role, and whether its beacon tells is not known; peers read every half hour.
        Generation::Gen5 => Duration::from_secs(30 * 60),
    }
}
