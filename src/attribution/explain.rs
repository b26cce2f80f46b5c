//! Which log entry explains a state change that was seen.
//!
//! The rule has to be right or silent, never likely. The log is replayed from
//! the state before: the last entry that can have moved the bolt is the cause,
//! if it leads to the state seen and agrees with what the lock itself says of
//! its last change and last action. Somebody who unlocks an unlocked door is
//! in the log, but moved nothing. Times are compared only within the lock's own
//! clock, and only to leave entries out, never to prefer one.

use super::entry::motion;
use crate::protocol::datetime::DeviceTime;
use crate::protocol::log::LogEntry;
use crate::protocol::state::KeyturnerStates;
use crate::protocol::{CompletionStatus, LockAction, LockState, Trigger};

/// A state change to be explained.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// The state before.
    pub(super) before: Option<LockState>,
    /// What the lock said afterwards.
    pub(super) states: &'a KeyturnerStates,
    /// The lock's clock when the bolt was last seen at rest before: an older entry belongs to an older change.
    pub(super) not_before: Option<DeviceTime>,
}

/// Index into `entries`, which are in the log's order, of the one that explains the change.
pub(super) fn explanation(entries: &[LogEntry], question: Question<'_>) -> Option<usize> {
    let states = question.states;
    let mut position = Position::of(question.before);
    let mut cause = None;
    let mut last = None;
    for (at, entry) in entries.iter().enumerate() {
        let Some(motion) = motion(entry).map(Motion::from) else { continue };
        if is_before(states.current_time, entry.timestamp) {
            break;
        }
        if motion.can_move(position) {
            cause = Some((at, entry, motion));
        }
        position = motion.leads_to(position);
        last = Some(motion);
    }
    let (at, entry, cause) = cause?;
    let agrees = !is_before(entry.timestamp, question.not_before)
        && cause.explains(states.lock_state)
        && cause.trigger_agrees(states)
        && last?.action_agrees(states);
    agrees.then_some(at)
}

/// Whether `a` is certainly before `b`; false where a clock is not set.
fn is_before(a: Option<DeviceTime>, b: Option<DeviceTime>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if a < b)
}

/// As much of the bolt's position as decides whether an action moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Out,
    In,
    Unsure,
}

impl Position {
    const fn of(state: Option<LockState>) -> Self {
        match state {
            Some(LockState::Locked) => Self::Out,
            Some(LockState::Unlocked) => Self::In,
            _ => Self::Unsure,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Motion {
    action: LockAction,
    trigger: Trigger,
    succeeded: bool,
}

impl From<(LockAction, Trigger, CompletionStatus)> for Motion {
    fn from((action, trigger, status): (LockAction, Trigger, CompletionStatus)) -> Self {
        Self { action, trigger, succeeded: status == CompletionStatus::Success }
    }
}

impl Motion {
    /// Whether it can have changed the state from `position`.
    fn can_move(self, position: Position) -> bool {
        match self.action {
            LockAction::Unlock => !(self.succeeded && position == Position::In),
            LockAction::Lock | LockAction::FullLock => !(self.succeeded && position == Position::Out),
            _ => true,
        }
    }

    const fn leads_to(self, position: Position) -> Position {
        match (self.succeeded, self.action) {
            (true, LockAction::Unlock) => Position::In,
            (true, LockAction::Lock | LockAction::FullLock) => Position::Out,
            (false, LockAction::Unlock | LockAction::Lock | LockAction::FullLock) => Position::Unsure,
            // A latch springs back; what an open-ended action did is not known.
            (_, LockAction::FobNoAction | LockAction::ButtonNoAction) => position,
            _ => Position::Unsure,
        }
    }

    /// Whether `state` can be its result.
    const fn explains(self, state: LockState) -> bool {
        use LockAction as A;
        use LockState as S;
        if matches!(state, S::MotorBlocked | S::Undefined) {
            return !self.succeeded;
        }
        if !self.succeeded {
            return false;
        }
        match self.action {
            A::Unlock => matches!(state, S::Unlocked | S::Unlatched),
            A::Lock | A::FullLock => matches!(state, S::Locked),
            A::Unlatch => matches!(state, S::Unlatched | S::Unlocked),
            A::LockNGo => matches!(state, S::UnlockedLockNGo | S::Unlocked | S::Locked),
            A::LockNGoUnlatch => matches!(state, S::Unlatched | S::UnlockedLockNGo | S::Unlocked | S::Locked),
            _ => !state.is_transitional(),
        }
    }

    /// Whether the lock says that this kind of trigger made its last change.
    fn trigger_agrees(self, states: &KeyturnerStates) -> bool {
        if self.trigger == Trigger::Manual || states.trigger == Trigger::Manual {
            return self.trigger == states.trigger;
        }
        states.trigger == self.trigger || states.last_action.is_some_and(|last| last.trigger == self.trigger)
    }

    /// Whether this can be what the lock calls its last action.
    fn action_agrees(self, states: &KeyturnerStates) -> bool {
        let Some(last) = states.last_action else { return true };
        // A hand is no action; it leaves the last one standing.
        self.trigger == Trigger::Manual
            || is_open_ended(self.action)
            || is_open_ended(last.action)
            || last.action == self.action
    }
}

/// The action does not say which way the bolt went.
const fn is_open_ended(action: LockAction) -> bool {
    matches!(
        action,
        LockAction::None
            | LockAction::FobAction1
            | LockAction::FobAction2
            | LockAction::FobAction3
            | LockAction::Unknown(_)
    )
}
