//! One request and its answers; never two at once on one authorization.

use std::collections::BTreeSet;

use super::due::Read;
use super::io::{Anchor, Listed};
use crate::protocol::Command;
use crate::protocol::crypto::{Challenge, Pin};
use crate::protocol::datetime::DeviceTime;
use crate::protocol::frame::Message;
use crate::protocol::gatt::Generation;
use crate::protocol::log::{LogEntry, LogIndex, LogRequest, SortOrder};
use crate::protocol::request::{PinCommand, config_request};
use crate::protocol::users::{AuthorizationEntry, KeypadCode};

/// A nonce may go bad; more often than this something else is wrong.
pub(super) const NONCE_TRIES: u8 = 3;
/// Log entries asked for at a time; an action waits for one page at most.
pub(super) const LOG_PAGE: u16 = 25;
/// Authorizations or codes asked for at a time.
pub(super) const LIST_PAGE: u16 = 25;

/// What is being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// Keyturner States.
    States,
    /// Configuration.
    Config,
    /// Advanced configuration.
    AdvancedConfig,
    /// Battery report.
    Battery,
    /// The newest index of the log, to notice that it was cleared.
    NewestLogIndex { newest: Option<LogIndex>, announced: Option<u16> },
    /// Entries behind `start`.
    Log {
        start: LogIndex,
        entries: Vec<LogEntry>,
        /// The entry at `start` is asked for as well, to see that it is still the same.
        anchor: Option<Anchor>,
        /// The cursor was set back meanwhile: these entries leave a hole in front of them.
        is_void: bool,
        /// How many entries the lock says there are for this request, the anchor among them.
        announced: Option<u16>,
        /// The anchor has come.
        has_anchor: bool,
        /// So many were handed on already, as the end of the log: all that the lock announced. It owes the end mark.
        handed_on: usize,
    },
    /// Authorizations.
    Users(List<AuthorizationEntry>),
    /// Keypad codes.
    Codes(List<KeypadCode>),
    /// How long a list is.
    Count { of: Read, announced: Option<u16> },
    /// The log from its newest entry down, because its numbers have begun anew while older entries stand behind them.
    LogBack {
        entries: Vec<LogEntry>,
        top: Option<LogIndex>,
        /// How many were there when this page began.
        page_start: usize,
        /// One came that is not new, so those behind it are not, either.
        has_ended: bool,
        /// How many entries came in this page, wanted or not.
        came: u16,
        /// How many entries the lock says there are in all.
        announced: Option<u16>,
    },
    /// Set the clock.
    SetClock,
    /// Look a keypad code up that is to be changed.
    FindCode,
    /// Change the keypad codes.
    ChangeCode(Command),
    /// A lock action.
    Action,
    /// A challenge for the log, while the motor runs.
    Challenge,
}

/// A list that is read in pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List<T> {
    pub(super) found: Vec<T>,
    announced: Option<u16>,
    /// Its length changed while it was read.
    has_moved: bool,
    /// How many were there when this page began.
    page_start: usize,
}

impl<T> List<T> {
    pub(super) const fn new() -> Self {
        Self { found: Vec::new(), announced: None, has_moved: false, page_start: 0 }
    }

    pub(super) const fn announced(&self) -> Option<u16> {
        self.announced
    }

    /// The lock says how long it is; it may say so with each page.
    pub(super) fn announce(&mut self, count: u16) {
        self.has_moved |= self.announced.replace(count).is_some_and(|before| before != count);
    }

    /// Whether another page is worth asking for: some are missing, and this page brought some.
    pub(super) fn has_more(&self) -> bool {
        let brought = self.found.len() - self.page_start;
        // A lock that announces nothing has more as long as its pages are full.
        let wanted = self.announced.map_or(brought >= usize::from(LIST_PAGE), |n| self.found.len() < usize::from(n));
        brought > 0 && self.found.len() < usize::from(u16::MAX) && wanted
    }

    /// What was read. Whole is only what the lock announced: somebody may have been added or removed between two
    /// pages, which shows somebody twice or not at all, and who is missing in half a list is not gone.
    pub(super) fn listed(self, number: impl Fn(&T) -> u32) -> Listed<T> {
        let numbers: BTreeSet<u32> = self.found.iter().map(number).collect();
        let is_whole = !self.has_moved
            && numbers.len() == self.found.len()
            && self.announced.is_some_and(|n| self.found.len() == usize::from(n));
        Listed { entries: self.found, is_whole }
    }

    pub(super) const fn next_page(mut self) -> Self {
        self.page_start = self.found.len();
        self
    }

    /// True if there was room: a page has an end.
    pub(super) fn push(&mut self, entry: T) -> bool {
        let has_room = self.found.len() < self.page_start.saturating_add(usize::from(LIST_PAGE));
        if has_room {
            self.found.push(entry);
        }
        has_room
    }

    fn is_complete(&self) -> bool {
        self.announced.is_some_and(|n| self.found.len() >= usize::from(n))
    }
}

impl Job {
    /// Which read it is; `None` for an action.
    pub(super) const fn read(&self) -> Option<Read> {
        Some(match self {
            Self::States => Read::States,
            Self::Config => Read::Config,
            Self::AdvancedConfig => Read::AdvancedConfig,
            Self::Battery => Read::Battery,
            Self::NewestLogIndex { .. } => Read::Newest,
            Self::Log { .. } | Self::LogBack { .. } => Read::Log,
            Self::Users(_) => Read::Users,
            Self::Codes(_) => Read::Codes,
            Self::Count { of, .. } => *of,
            Self::SetClock | Self::FindCode | Self::ChangeCode(_) | Self::Action | Self::Challenge => return None,
        })
    }

    /// Whether its command carries the PIN.
    pub(super) fn has_pin(&self) -> bool {
        matches!(self, Self::SetClock | Self::FindCode | Self::ChangeCode(_))
            || self.read().is_some_and(Read::needs_pin)
    }

    const fn command(&self) -> Command {
        match self {
            Self::States => Command::KeyturnerStates,
            Self::Config => Command::RequestConfig,
            Self::AdvancedConfig => Command::RequestAdvancedConfig,
            Self::Battery => Command::BatteryReport,
            Self::NewestLogIndex { .. } | Self::Log { .. } | Self::LogBack { .. } => Command::RequestLogEntries,
            Self::Users(_) | Self::Count { of: Read::Users | Read::UserCount, .. } => {
                Command::RequestAuthorizationEntries
            }
            Self::Codes(_) | Self::Count { .. } => Command::RequestKeypadCodes,
            Self::FindCode => Command::RequestKeypadCodes,
            Self::ChangeCode(command) => *command,
            Self::SetClock => Command::UpdateTime,
            Self::Action => Command::LockAction,
            Self::Challenge => Command::Challenge,
        }
    }
}

/// How far the exchange is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The lock owes a nonce.
    Challenge,
    /// The lock owes the answer.
    Answer,
}

#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) job: Job,
    pub(super) stage: Stage,
}

impl Exchange {
    /// The exchange and its first message.
    pub(super) fn begin(job: Job) -> (Self, Message) {
        match job {
            Job::States | Job::Battery => {
                let message = Message::request(job.command());
                (Self { job, stage: Stage::Answer }, message)
            }
            _ => (Self { job, stage: Stage::Challenge }, Message::request(Command::Challenge)),
        }
    }

    /// The command that follows the nonce; `None` for the action, which decides for itself. `time` is what the clock
    /// is to be set to.
    pub(super) fn command(
        &self,
        nonce: &Challenge,
        pin: Pin,
        generation: Generation,
        time: Option<DeviceTime>,
    ) -> Option<Message> {
        let log = |start_index, count, order| {
            PinCommand::RequestLogEntries(LogRequest { start_index, count, order, total_count: true })
        };
        let command = match &self.job {
            Job::States | Job::Battery | Job::Action | Job::FindCode | Job::ChangeCode(_) | Job::Challenge => {
                return None;
            }
            Job::Config | Job::AdvancedConfig => return Some(config_request(self.job.command(), nonce)),
            Job::NewestLogIndex { .. } => log(0, 1, SortOrder::Descending),
            // The start is exclusive: one lower brings the anchor itself.
            Job::Log { start, anchor: Some(_), .. } => log(start - 1, LOG_PAGE + 1, SortOrder::Ascending),
            Job::Log { start, .. } => log(*start, LOG_PAGE, SortOrder::Ascending),
            Job::LogBack { entries, .. } => {
                log(entries.last().map_or(0, |last| last.index), LOG_PAGE, SortOrder::Descending)
            }
            // One entry and not none: what a lock makes of 0 is nowhere said, and it could be "all".
            Job::Count { of: Read::UserCount, .. } => PinCommand::RequestAuthorizationEntries(0, 1),
            Job::Count { .. } => PinCommand::RequestKeypadCodes(0, 1),
            Job::SetClock => PinCommand::UpdateTime(time?),
            Job::Users(list) => PinCommand::RequestAuthorizationEntries(offset(list.found.len()), LIST_PAGE),
            Job::Codes(list) => PinCommand::RequestKeypadCodes(offset(list.found.len()), LIST_PAGE),
        };
        Some(command.encode(nonce, pin, generation))
    }

    /// Whether an error report about `command` is about this exchange, as far as it has come.
    pub(super) fn is_about(&self, command: u16) -> bool {
        let asked = Command::RequestData.id();
        match self.stage {
            Stage::Challenge => command == asked || command == Command::Challenge.id(),
            Stage::Answer if matches!(self.job, Job::States | Job::Battery) => {
                command == asked || command == self.job.command().id()
            }
            Stage::Answer => command == self.job.command().id(),
        }
    }

    /// Whether everything announced has come, so that a missing final Status does no harm.
    pub(super) fn is_list_complete(&self) -> bool {
        self.stage == Stage::Answer
            && match &self.job {
                Job::Users(list) => list.is_complete(),
                Job::Codes(list) => list.is_complete(),
                Job::Log { entries, handed_on, .. } => *handed_on > 0 || entries.len() >= usize::from(LOG_PAGE),
                Job::NewestLogIndex { newest, .. } => newest.is_some(),
                Job::Count { announced, .. } => announced.is_some(),
                Job::LogBack { .. } | Job::States | Job::SetClock | Job::Action | Job::Challenge => false,
                Job::Config | Job::AdvancedConfig | Job::Battery | Job::FindCode | Job::ChangeCode(_) => false,
            }
    }
}

fn offset(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}
