//! The log as a replay sees it: acts that can have moved the bolt, and holes.

use super::entry::{is_refusal, trigger_of_ring};
use crate::protocol::datetime::DeviceTime;
use crate::protocol::frame::AuthId;
use crate::protocol::log::{CodeId, LogEntry, LogEntryKind, Ring};
use crate::protocol::state::KeyturnerStates;
use crate::protocol::{CompletionStatus, KeypadSource, LockAction, LockState, OpenerAction, OpenerState, Trigger};

/// An entry that matters for the bolt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Counts what was read.
    pub(super) serial: u64,
    /// The lock's clock, in seconds.
    pub(super) time: Option<i64>,
    /// What was done; `None` where entries are or may be missing, so anything can have happened.
    pub(super) act: Option<Act>,
}

/// Something somebody did that can have moved the bolt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Act {
    pub(super) action: LockAction,
    pub(super) trigger: Trigger,
    pub(super) succeeded: bool,
    /// See [`Names::era`](super::names::Names::era).
    era: Option<u32>,
    auth_id: AuthId,
    key: Option<(KeypadSource, CodeId)>,
    /// An Opener means other things by the same numbers.
    is_opener: bool,
}

impl Step {
    /// `None` for entries that neither move the bolt nor hide who does.
    ///
    /// An entry without a time can be about anything that was seen.
    pub(super) fn of(entry: &LogEntry, serial: u64, era: Option<u32>, is_opener: bool) -> Option<Self> {
        let time = seconds(entry.timestamp);
        let (action, trigger, status, key) = match &entry.kind {
            LogEntryKind::LockAction(logged) => (logged.action, logged.trigger, logged.completion_status, None),
            LogEntryKind::Keypad(keypad) => {
                let key = Some((keypad.source, keypad.code_id));
                (keypad.action, Trigger::System, keypad.completion_status, key)
            }
            // A ring that found ring to open or continuous mode has opened.
            LogEntryKind::Ring(ring) if is_opener && ring.mode & (Ring::RING_TO_OPEN | Ring::CONTINUOUS) != 0 => {
                (OpenerAction::Open.command(), trigger_of_ring(*ring), ring.completion_status, None)
            }
            LogEntryKind::Door(_)
            | LogEntryKind::Ring(_)
            | LogEntryKind::DoorSensorLogging(_)
            | LogEntryKind::FirmwareUpdate(_) => return None,
            // Between "off" and "on" nothing is written; what the others did to the bolt they do not say.
            LogEntryKind::Logging(_)
            | LogEntryKind::Calibration(_)
            | LogEntryKind::Initialisation(_)
            | LogEntryKind::Unknown { .. } => return Some(Self { serial, time, act: None }),
        };
        if is_refusal(status) || matches!(action, LockAction::FobNoAction | LockAction::ButtonNoAction) {
            return None;
        }
        // It changes what a ring does, and not the state.
        if is_opener && matches!(action, LockAction::LockNGo | LockAction::LockNGoUnlatch) {
            return None;
        }
        let succeeded = status == CompletionStatus::Success;
        let act = Act { action, trigger, succeeded, era, auth_id: entry.auth_id, key, is_opener };
        Some(Self { serial, time, act: time.map(|_| act) })
    }
}

impl Act {
    pub(super) const fn is_open_ended(self) -> bool {
        is_open_ended(self.action)
    }

    /// Whether both name the same person, or the same thing that is no person. A number can have been given to somebody
    /// else between two readings.
    pub(super) fn is_by_same(&self, other: &Self) -> bool {
        let has_one_holder = self.auth_id == 0 || self.era.is_some() && self.era == other.era;
        has_one_holder && (self.auth_id, self.key, self.trigger) == (other.auth_id, other.key, other.trigger)
    }
}

/// The number that a lock's state has where an Opener's means this.
const fn numbered(state: OpenerState) -> LockState {
    LockState::from_code(state.code())
}

/// A clock that shows no moment is as good as none.
pub(super) fn seconds(time: Option<DeviceTime>) -> Option<i64> {
    time.and_then(DeviceTime::unix_seconds)
}

/// The action does not say which way the bolt went.
pub(super) const fn is_open_ended(action: LockAction) -> bool {
    matches!(
        action,
        LockAction::None
            | LockAction::FobAction1
            | LockAction::FobAction2
            | LockAction::FobAction3
            | LockAction::Unknown(_)
    )
}

/// Lock 'n' go: unlocks now, locks by itself later.
pub(super) const fn is_leaving(action: LockAction) -> bool {
    matches!(action, LockAction::LockNGo | LockAction::LockNGoUnlatch)
}

impl Act {
    /// States it can end in from `state`, and whether it moved there.
    pub(super) fn outcomes(self, state: LockState) -> Vec<(LockState, bool)> {
        if self.is_opener {
            return self.outcomes_at_opener(state);
        }
        use LockAction as A;
        use LockState as S;
        let stays = (state, false);
        match self.action {
            _ if !self.succeeded => {
                // The motor ran and did not get there.
                let mut ends = vec![stays, (state, true), (S::MotorBlocked, true), (S::Undefined, true)];
                if !matches!(self.action, A::Lock | A::FullLock | A::Unlock) {
                    ends.extend([(S::Unlocked, true), (S::UnlockedLockNGo, true)]);
                }
                ends
            }
            A::Unlock if state == S::Unlocked => vec![stays],
            A::Unlock => vec![(S::Unlocked, true)],
            A::Lock if state == S::Locked => vec![stays],
            // Turns once more on some locks.
            A::FullLock if state == S::Locked => vec![stays, (state, true)],
            A::Lock | A::FullLock => vec![(S::Locked, true)],
            A::Unlatch => vec![(S::Unlocked, true)],
            A::LockNGo if state == S::UnlockedLockNGo => vec![stays],
            A::LockNGo | A::LockNGoUnlatch => vec![(S::UnlockedLockNGo, true)],
            _ => vec![stays, (S::Locked, true), (S::Unlocked, true), (S::UnlockedLockNGo, true)],
        }
    }

    /// An Opener is idle or has ring to open on, and comes back to one of them.
    fn outcomes_at_opener(self, state: LockState) -> Vec<(LockState, bool)> {
        let (idle, ring_to_open) = (numbered(OpenerState::Online), numbered(OpenerState::RingToOpen));
        match OpenerAction::from_code(self.action.code()) {
            _ if !self.succeeded => vec![(state, false), (state, true), (idle, true)],
            OpenerAction::ActivateRingToOpen if state == ring_to_open => vec![(state, false)],
            OpenerAction::ActivateRingToOpen => vec![(ring_to_open, true)],
            OpenerAction::DeactivateRingToOpen if state == idle => vec![(state, false)],
            OpenerAction::DeactivateRingToOpen => vec![(idle, true)],
            // A ring ends ring to open; whether other openings do is not known.
            OpenerAction::Open => vec![(state, true), (idle, true)],
            _ => vec![(state, false), (idle, true), (ring_to_open, true)],
        }
    }

    /// Whether the state of another act can show on the way of this one, in front of its entry.
    pub(super) const fn unlatches_on_the_way(self) -> bool {
        !self.is_opener && matches!(self.action, LockAction::Unlatch | LockAction::LockNGoUnlatch)
    }

    /// Whether the lock says that this kind of trigger made its last change.
    pub(super) fn trigger_agrees(self, states: &KeyturnerStates) -> bool {
        if self.trigger == Trigger::Manual || states.trigger == Trigger::Manual {
            return self.trigger == states.trigger;
        }
        // The last action can still be the one before, as long as the motor is on its way.
        let is_named = states.last_action.is_some_and(|last| last.trigger == self.trigger);
        states.trigger == self.trigger || (states.trigger == Trigger::System && is_named)
    }

    /// Whether this can be what the lock calls its last action.
    pub(super) fn action_agrees(self, states: &KeyturnerStates) -> bool {
        let Some(last) = states.last_action else { return true };
        // A hand is no action; it leaves the last one standing.
        self.trigger == Trigger::Manual
            || self.is_open_ended()
            || is_open_ended(last.action)
            || is_refusal(last.completion_status)
            || last.action == self.action
    }
}
