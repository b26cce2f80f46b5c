//! What a journal starts from, and what it wants stored and told.

use std::time::Duration;

use super::directory::Directory;
use super::event::{Event, StateChange, UnknownReason};
use crate::protocol::frame::AuthId;
use crate::protocol::log::LogIndex;
use crate::protocol::state::KeyturnerStates;

/// A state that was seen and differs from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The state.
    pub states: KeyturnerStates,
    /// The one before, if any was known.
    pub before: Option<KeyturnerStates>,
}

/// A state change that Bridge callbacks must be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telling {
    /// The state.
    pub states: KeyturnerStates,
    /// Index into [`Draft::events`] of the event that explains it.
    pub event: Option<usize>,
}

/// What must become durable together, in one transaction.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Draft {
    /// States seen.
    pub observations: Vec<Observation>,
    /// What happened, in the log's order.
    pub events: Vec<Event>,
    /// The log is stored up to here.
    pub cursor: Option<LogIndex>,
    /// What to tell, in order.
    pub tellings: Vec<Telling>,
}

impl Draft {
    pub(super) const fn is_empty(&self) -> bool {
        self.observations.is_empty() && self.events.is_empty() && self.cursor.is_none() && self.tellings.is_empty()
    }
}

/// What a journal wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Store this, and tell.
    Commit(Draft),
    /// Read the log again: an entry is owed.
    ReadLog,
    /// Find out whether the log was cleared: an entry is owed and does not come.
    CheckLog,
    /// Read the state again: the log tells of a change that was not seen.
    ReadState,
    /// Read people and codes: somebody unknown was at the door.
    ReadDirectory,
}

/// Why the log cannot be read, if so.
pub type LogBlocked = Option<UnknownReason>;

/// What a journal starts from.
#[derive(Debug)]
pub struct JournalConfig {
    /// Whether it is an Opener, whose states and actions mean other things by the same numbers.
    pub is_opener: bool,
    /// The gateway's own authorization.
    pub own_auth_id: AuthId,
    /// Index of the last stored log entry; 0 for none.
    pub cursor: LogIndex,
    /// Nothing is stored of the log since it was found to begin anew: what is known of the bolt can be older than all of it.
    pub has_begun_anew: bool,
    /// The last stored state.
    pub states: Option<KeyturnerStates>,
    /// The stored events that are still without an answer, oldest first.
    pub pending: Vec<Pending>,
    /// People and codes as stored.
    pub directory: Directory,
    /// How long a telling waits for its log entry.
    pub patience: Duration,
}

/// A stored state change that waits for a late answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// The change.
    pub change: StateChange,
    /// What the lock said then; without it only "cannot be known" is an answer.
    pub states: Option<KeyturnerStates>,
    /// What it had said before that, as far as it is stored.
    pub before: Option<KeyturnerStates>,
}
