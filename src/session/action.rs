//! One lock action, executed at most once.
//!
//! The command leaves in exactly one place ([`Action::leave`]), which only a
//! not-yet-sent action passes. Afterwards three answers alone free a new
//! attempt, because with each of them the lock has said that it did nothing:
//! busy, bad nonce, and an explicit refusal that ends the action anyway.
//! A lost answer is never answered by sending again: state and log are read
//! until it is known what happened (`docs/design.md`, "Acting").

use std::time::Duration;

use crate::protocol::crypto::Challenge;
use crate::protocol::frame::{AuthId, Message};
use crate::protocol::log::{LogEntry, LogEntryKind};
use crate::protocol::request::{LockActionCommand, SUFFIX_LEN};
use crate::protocol::{CompletionStatus, ErrorCode, LockAction};

/// An action must have left within this time, or it never does: a door that opens minutes later is a danger.
pub(super) const SEND_WITHIN: Duration = Duration::from_secs(10);
/// Whoever asked gets an answer within this time (`docs/bridge-api.md`: clients give up after 15 s).
pub(super) const ANSWER_WITHIN: Duration = Duration::from_millis(14_500);
/// Pause after "busy".
pub(super) const BUSY_PAUSE: Duration = Duration::from_millis(1_500);
/// Pause between reads of the log while it is searched for the action's entry.
pub(super) const SEARCH_PAUSE: Duration = Duration::from_millis(700);
/// The log is read so often before "no entry" counts as proof.
const SEARCHES: u8 = 4;

/// What a client asked for. The intent is on disk already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionRequest {
    /// Number of the intent; it becomes the name suffix in the lock's log.
    pub intent_id: i64,
    /// What to do.
    pub action: LockAction,
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The lock said complete, or its log proves it.
    Done,
    /// It did not happen.
    NotDone(NotDone),
    /// It left, and whether it happened cannot be told.
    Unknown,
}

/// Why an action was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotDone {
    /// The lock said so.
    Refused(ErrorCode),
    /// The action ended with this status.
    Failed(CompletionStatus),
    /// It never left the gateway: no connection in time.
    NotSent,
    /// The link broke after it left, and state and log show that nothing moved.
    ProvenByLog,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing of it has left.
    Waiting,
    /// The command left on the link that is up now.
    Sent,
    /// The lock accepted it on the link that is up now.
    Accepted,
    /// The link broke after it left: its entry is searched in the log.
    Searching { searches: u8 },
}

/// The suffix that marks an intent in the lock's log: `#` and 8 hex digits.
#[must_use]
pub fn intent_suffix(intent_id: i64) -> String {
    // The low 32 bits are enough: two intents 4 billion apart are not mixed up.
    format!("#{:08x}", intent_id & 0xFFFF_FFFF)
}

#[derive(Debug)]
pub(super) struct Action {
    pub(super) request: ActionRequest,
    pub(super) send_before: Duration,
    pub(super) answer_before: Duration,
    stage: Stage,
    /// The lock reported a state after the command had left.
    moved: bool,
    /// The last refusal that freed a new attempt.
    refusal: Option<ErrorCode>,
}

impl Action {
    pub(super) const fn new(request: ActionRequest, now: Duration) -> Self {
        Self {
            request,
            send_before: now.saturating_add(SEND_WITHIN),
            answer_before: now.saturating_add(ANSWER_WITHIN),
            stage: Stage::Waiting,
            moved: false,
            refusal: None,
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.stage == Stage::Waiting
    }

    pub(super) fn is_searching(&self) -> bool {
        matches!(self.stage, Stage::Searching { .. })
    }

    /// The command leaves: `None` unless it never left before.
    pub(super) fn leave(&mut self, app_id: u32, nonce: &Challenge, now: Duration) -> Option<Message> {
        if self.stage != Stage::Waiting || now >= self.send_before {
            return None;
        }
        self.stage = Stage::Sent;
        let mut suffix = [0; SUFFIX_LEN];
        suffix.iter_mut().zip(intent_suffix(self.request.intent_id).bytes()).for_each(|(slot, byte)| *slot = byte);
        let command = LockActionCommand { action: self.request.action, app_id, flags: 0, suffix: Some(suffix) };
        Some(command.encode(nonce))
    }

    /// ACCEPTED; true the first time.
    pub(super) fn accepted(&mut self) -> bool {
        let first = self.stage == Stage::Sent;
        if first {
            self.stage = Stage::Accepted;
        }
        first
    }

    /// An error report for it: true if it may leave again after a pause, because the lock did nothing.
    pub(super) fn refused(&mut self, code: ErrorCode) -> bool {
        let free = self.stage == Stage::Sent && matches!(code, ErrorCode::Busy | ErrorCode::BadNonce);
        if free {
            self.stage = Stage::Waiting;
            self.refusal = Some(code);
        }
        free
    }

    /// The link is gone.
    pub(super) fn link_lost(&mut self) {
        if matches!(self.stage, Stage::Sent | Stage::Accepted) {
            self.stage = Stage::Searching { searches: 0 };
        }
    }

    /// What an entry of the log says about this action, `None` if it is about something else.
    pub(super) fn verdict(&self, entry: &LogEntry, own_auth_id: AuthId) -> Option<Outcome> {
        let LogEntryKind::LockAction(logged) = &entry.kind else { return None };
        let ours = entry.auth_id == own_auth_id && entry.name.ends_with(&intent_suffix(self.request.intent_id));
        ours.then_some(match logged.completion_status {
            CompletionStatus::Success => Outcome::Done,
            status => Outcome::NotDone(NotDone::Failed(status)),
        })
    }

    /// The log was read to its end without an entry for it: the verdict, or `None` to search again.
    pub(super) fn searched(&mut self) -> Option<Outcome> {
        let Stage::Searching { searches } = &mut self.stage else { return None };
        *searches = searches.saturating_add(1);
        (*searches >= SEARCHES).then_some(Outcome::NotDone(NotDone::ProvenByLog))
    }

    /// Time to send has run out: the outcome, unless it left already.
    pub(super) fn given_up(&self) -> Option<Outcome> {
        self.is_waiting().then_some(Outcome::NotDone(self.refusal.map_or(NotDone::NotSent, NotDone::Refused)))
    }

    /// The lock reported its state.
    pub(super) fn moved(&mut self) {
        self.moved |= matches!(self.stage, Stage::Sent | Stage::Accepted);
    }

    pub(super) const fn has_moved(&self) -> bool {
        self.moved
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.stage == Stage::Accepted
    }
}
