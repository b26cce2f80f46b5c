//! One lock action, executed at most once.
//!
//! The command leaves in exactly one place ([`Action::leave`]), which only a
//! not-yet-sent action passes. Afterwards three answers alone free a new
//! attempt, because with each of them the lock has said that it did nothing:
//! busy, bad nonce, and an explicit refusal that ends the action anyway.
//! A lost answer is never answered by sending again: state and log are read
//! until it is known what happened (`docs/design.md`, "Acting"). "Not done" is
//! said only if state and log agree that nothing happened; one missing entry
//! proves nothing.

use std::time::Duration;

use crate::protocol::crypto::Challenge;
use crate::protocol::frame::{AuthId, Message};
use crate::protocol::log::{LogEntry, LogEntryKind};
use crate::protocol::request::{LockActionCommand, SUFFIX_LEN};
use crate::protocol::state::KeyturnerStates;
use crate::protocol::{CompletionStatus, ErrorCode, LockAction, LockState, NukiState, OpenerAction, OpenerState};

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
    /// When it was asked for, in the session's time: its deadlines count from here, wherever it waited since.
    pub asked_at: Duration,
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

/// What a refusal means for an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The lock did nothing; it may leave again after a pause.
    Again,
    /// It is over.
    Ends,
    /// It is about something else, such as a second copy of a frame that was carried out.
    Ignored,
}

#[derive(Debug)]
pub(super) struct Action {
    pub(super) request: ActionRequest,
    stage: Stage,
    /// The lock reported a state after the command had left.
    moved: bool,
    /// The last refusal that freed a new attempt.
    refusal: Option<ErrorCode>,
    /// What was known of the lock when the command left.
    before: Option<KeyturnerStates>,
    /// The state was read on a later link.
    seen_since: bool,
    /// The bolt was moved after the command had left, by whomever, so how it stands at the end proves nothing.
    is_disturbed: bool,
    /// An Opener means other things by the same numbers.
    is_opener: bool,
}

impl Action {
    pub(super) const fn new(request: ActionRequest, is_opener: bool) -> Self {
        Self {
            request,
            is_opener,
            stage: Stage::Waiting,
            moved: false,
            refusal: None,
            before: None,
            seen_since: false,
            is_disturbed: false,
        }
    }

    pub(super) const fn send_before(&self) -> Duration {
        self.request.asked_at.saturating_add(SEND_WITHIN)
    }

    pub(super) const fn answer_before(&self) -> Duration {
        self.request.asked_at.saturating_add(ANSWER_WITHIN)
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.stage == Stage::Waiting
    }

    pub(super) fn is_searching(&self) -> bool {
        matches!(self.stage, Stage::Searching { .. })
    }

    /// The command leaves: `None` unless it never left before.
    pub(super) fn leave(
        &mut self,
        app_id: u32,
        nonce: &Challenge,
        before: Option<KeyturnerStates>,
        now: Duration,
    ) -> Option<Message> {
        if self.stage != Stage::Waiting || now >= self.send_before() {
            return None;
        }
        self.stage = Stage::Sent;
        self.before = before;
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

    /// An error report for it.
    pub(super) fn refused(&mut self, code: ErrorCode) -> Verdict {
        let did_nothing = matches!(code, ErrorCode::Busy | ErrorCode::BadNonce);
        match self.stage {
            Stage::Waiting | Stage::Sent if did_nothing => {
                self.stage = Stage::Waiting;
                self.refusal = Some(code);
                Verdict::Again
            }
            Stage::Accepted if did_nothing => Verdict::Ignored,
            Stage::Waiting | Stage::Sent | Stage::Accepted => Verdict::Ends,
            Stage::Searching { .. } => Verdict::Ignored,
        }
    }

    /// The link is gone.
    pub(super) fn link_lost(&mut self) {
        if matches!(self.stage, Stage::Sent | Stage::Accepted) {
            self.stage = Stage::Searching { searches: 0 };
        }
    }

    /// What an entry of the log says about this action, `None` if it is about something else.
    pub(super) fn verdict(&mut self, entry: &LogEntry, own_auth_id: AuthId) -> Option<Outcome> {
        if !self.is_searching() || self.is_older(entry) {
            return None;
        }
        let suffix = intent_suffix(self.request.intent_id);
        match &entry.kind {
            LogEntryKind::LockAction(logged) if entry.auth_id == own_auth_id && entry.name.ends_with(&suffix) => {
                Some(match logged.completion_status {
                    CompletionStatus::Success => Outcome::Done,
                    status => Outcome::NotDone(NotDone::Failed(status)),
                })
            }
            // The door swings without the bolt.
            LogEntryKind::Door(_) => None,
            _ => {
                self.is_disturbed = true;
                None
            }
        }
    }

    /// Numbers of intents begin anew with a new database, and the lock still has the old entries.
    fn is_older(&self, entry: &LogEntry) -> bool {
        let left = self.before.and_then(|states| states.current_time);
        matches!((entry.timestamp, left), (Some(written), Some(left)) if written < left)
    }

    /// The log was read to its end without an entry for it: the outcome, or `None` to search again.
    pub(super) fn searched(&mut self, states: Option<&KeyturnerStates>) -> Option<Outcome> {
        let Stage::Searching { searches } = &mut self.stage else { return None };
        *searches = searches.saturating_add(1);
        if *searches < SEARCHES {
            return None;
        }
        let can_result = |states: &KeyturnerStates| {
            if self.is_opener {
                opener_can_result(OpenerAction::from_code(self.request.action.code()), states)
            } else {
                can_result(self.request.action, states.lock_state)
            }
        };
        let untouched = self.seen_since && !self.is_disturbed && states.is_some_and(|states| !can_result(states));
        Some(if untouched { Outcome::NotDone(NotDone::ProvenByLog) } else { Outcome::Unknown })
    }

    /// What is certain if it ends now and nobody knows more: it never left, or it is unknown.
    pub(super) fn cut_short(&self) -> Outcome {
        if self.is_waiting() {
            Outcome::NotDone(self.refusal.map_or(NotDone::NotSent, NotDone::Refused))
        } else {
            Outcome::Unknown
        }
    }

    /// The lock reported its state.
    pub(super) fn observed(&mut self, states: &KeyturnerStates) {
        if !self.is_waiting() {
            self.moved |= !self.is_searching();
            self.seen_since |= self.is_searching();
            self.is_disturbed |= self.before.is_none_or(|before| !shows_the_same(&before, states));
        }
    }

    pub(super) const fn has_moved(&self) -> bool {
        self.moved
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.stage == Stage::Accepted
    }
}

/// Whether nothing that an action changes differs.
fn shows_the_same(before: &KeyturnerStates, now: &KeyturnerStates) -> bool {
    let shown = |states: &KeyturnerStates| {
        let is_continuous = states.nuki_state == NukiState::Continuous;
        (is_continuous, states.lock_state, states.trigger, states.last_action)
    };
    shown(before) == shown(now)
}

/// Whether a lock may stand like that because it carried `action` out, or tried to. Only a bolt that rests elsewhere shows that it did
/// not; a motor that is blocked may have been blocked once more.
const fn can_result(action: LockAction, state: LockState) -> bool {
    !matches!(
        (action, state),
        (LockAction::Unlock, LockState::Locked | LockState::UnlockedLockNGo)
            | (
                LockAction::Lock | LockAction::FullLock,
                LockState::Unlocked | LockState::Unlatched | LockState::UnlockedLockNGo
            )
            | (LockAction::Unlatch, LockState::Locked)
    )
}

/// Whether an Opener may be like that because it carried `action` out.
fn opener_can_result(action: OpenerAction, states: &KeyturnerStates) -> bool {
    let is_ring_to_open = OpenerState::of(states) == OpenerState::RingToOpen;
    let is_continuous = states.nuki_state == NukiState::Continuous;
    match action {
        OpenerAction::ActivateRingToOpen => is_ring_to_open,
        OpenerAction::DeactivateRingToOpen => !is_ring_to_open,
        OpenerAction::ActivateContinuousMode => is_continuous,
        OpenerAction::DeactivateContinuousMode => !is_continuous,
        // It comes back to where it was.
        OpenerAction::Open | OpenerAction::None | OpenerAction::Unknown(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn action() -> Action {
        Action::new(ActionRequest { intent_id: 1, action: LockAction::Unlock, asked_at: S }, false)
    }

    #[test]
    fn the_command_leaves_once_unless_the_lock_says_that_it_did_nothing() {
        let mut action = action();
        let leaves = |action: &mut Action| action.leave(0, &[0; 32], None, S).is_some();
        assert!(leaves(&mut action));
        assert!(!leaves(&mut action));
        assert_eq!(action.refused(ErrorCode::Busy), Verdict::Again);
        assert!(leaves(&mut action));
        assert!(action.accepted());
        assert_eq!(action.refused(ErrorCode::Busy), Verdict::Ignored);
        assert!(!leaves(&mut action));
        action.link_lost();
        assert_eq!(action.refused(ErrorCode::BadNonce), Verdict::Ignored);
        assert!(!leaves(&mut action));
    }

    #[test]
    fn a_motor_that_fails_ends_an_accepted_action_and_a_late_busy_does_not() {
        let mut action = action();
        action.leave(0, &[0; 32], None, S);
        action.accepted();
        assert_eq!(action.refused(ErrorCode::Busy), Verdict::Ignored);
        assert_eq!(action.refused(ErrorCode::MotorBlocked), Verdict::Ends);
    }

    #[test]
    fn the_command_does_not_leave_after_its_deadline() {
        assert!(action().leave(0, &[0; 32], None, S + SEND_WITHIN).is_none());
    }

    #[test]
    fn a_suffix_fits_and_tells_intents_apart() {
        assert_eq!(intent_suffix(0x51), "#00000051");
        assert_eq!(intent_suffix(i64::MAX), "#ffffffff");
    }
}
