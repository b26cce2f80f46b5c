//! One request and its answers; never two at once on one authorization.

use crate::protocol::Command;
use crate::protocol::crypto::{Challenge, Pin};
use crate::protocol::frame::Message;
use crate::protocol::gatt::Generation;
use crate::protocol::log::{LogEntry, LogIndex, LogRequest, SortOrder};
use crate::protocol::request::{PinCommand, config_request};
use crate::protocol::users::{AuthorizationEntry, KeypadCode};

/// Log entries asked for at a time; an action waits for one page at most.
pub(super) const LOG_PAGE: u16 = 50;
/// Authorizations or codes asked for at a time.
pub(super) const LIST_PAGE: u16 = 100;

/// What is being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// Keyturner States.
    States,
    /// Configuration.
    Config,
    /// The newest index of the log, to notice that it was cleared.
    NewestLogIndex { newest: Option<LogIndex> },
    /// Entries behind the cursor.
    Log { entries: Vec<LogEntry> },
    /// Authorizations.
    Users { found: Vec<AuthorizationEntry>, announced: Option<u16> },
    /// Keypad codes.
    Codes { found: Vec<KeypadCode>, announced: Option<u16> },
    /// A lock action.
    Action,
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
            Job::States => (Self { job, stage: Stage::Answer }, Message::request(Command::KeyturnerStates)),
            _ => (Self { job, stage: Stage::Challenge }, Message::request(Command::Challenge)),
        }
    }

    /// The command that follows the nonce; `None` for the action, which decides for itself.
    pub(super) fn command(
        &self,
        nonce: &Challenge,
        pin: Pin,
        generation: Generation,
        cursor: LogIndex,
    ) -> Option<Message> {
        let log = |start_index, count, order| {
            PinCommand::RequestLogEntries(LogRequest { start_index, count, order, total_count: true })
        };
        let command = match &self.job {
            Job::States | Job::Action => return None,
            Job::Config => return Some(config_request(Command::RequestConfig, nonce)),
            Job::NewestLogIndex { .. } => log(0, 1, SortOrder::Descending),
            Job::Log { .. } => log(cursor, LOG_PAGE, SortOrder::Ascending),
            Job::Users { found, .. } => PinCommand::RequestAuthorizationEntries(offset(found.len()), LIST_PAGE),
            Job::Codes { found, .. } => PinCommand::RequestKeypadCodes(offset(found.len()), LIST_PAGE),
        };
        Some(command.encode(nonce, pin, generation))
    }

    /// Whether everything announced has come, so that a missing final Status does no harm.
    pub(super) fn is_list_complete(&self) -> bool {
        self.stage == Stage::Answer
            && match &self.job {
                Job::Users { found, announced } => announced.is_some_and(|n| found.len() >= usize::from(n)),
                Job::Codes { found, announced } => announced.is_some_and(|n| found.len() >= usize::from(n)),
                Job::Log { entries } => entries.len() >= usize::from(LOG_PAGE),
                Job::NewestLogIndex { newest } => newest.is_some(),
                Job::States | Job::Config | Job::Action => false,
            }
    }
}

fn offset(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}
