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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribution::samples::{self, last_action};
    use crate::protocol::log::LoggedAction;
    use LockState::{Locked, MotorBlocked, Undefined, Unlocked, UnlockedLockNGo};

    const SUCCESS: CompletionStatus = CompletionStatus::Success;
    const FAILED: CompletionStatus = CompletionStatus::MotorBlocked;

    /// A state that it can end in, and whether it moved there.
    type End = (LockState, bool);

    fn step(kind: LogEntryKind, is_opener: bool) -> Option<Step> {
        let timestamp = DeviceTime::from_unix_seconds(1_795_442_400);
        Step::of(&LogEntry { index: 1, timestamp, auth_id: 3, name: String::new(), kind }, 1, None, is_opener)
    }

    fn acted(action: LockAction, status: CompletionStatus, is_opener: bool) -> Option<Step> {
        let logged = LoggedAction { action, trigger: Trigger::System, flags: 0, completion_status: status };
        step(LogEntryKind::LockAction(logged), is_opener)
    }

    fn outcomes(action: LockAction, status: CompletionStatus, is_opener: bool, from: LockState) -> Vec<End> {
        acted(action, status, is_opener).and_then(|step| step.act).map(|act| act.outcomes(from)).unwrap_or_default()
    }

    #[test]
    fn where_a_lock_can_stand_after_an_action() {
        use LockAction as A;
        let cases: [(LockAction, LockState, &[End]); 13] = [
            (A::Unlock, Locked, &[(Unlocked, true)]),
            (A::Unlock, Unlocked, &[(Unlocked, false)]),
            (A::Lock, Unlocked, &[(Locked, true)]),
            (A::Lock, Locked, &[(Locked, false)]),
            (A::FullLock, Unlocked, &[(Locked, true)]),
            (A::FullLock, Locked, &[(Locked, false), (Locked, true)]),
            (A::Unlatch, Unlocked, &[(Unlocked, true)]),
            (A::LockNGo, Locked, &[(UnlockedLockNGo, true)]),
            (A::LockNGo, UnlockedLockNGo, &[(UnlockedLockNGo, false)]),
            (A::LockNGoUnlatch, UnlockedLockNGo, &[(UnlockedLockNGo, true)]),
            (A::FobAction1, Locked, &[(Locked, false), (Locked, true), (Unlocked, true), (UnlockedLockNGo, true)]),
            // These two are nothing that moves a bolt.
            (A::FobNoAction, Locked, &[]),
            (A::ButtonNoAction, Locked, &[]),
        ];
        for (action, from, ends) in cases {
            assert_eq!(outcomes(action, SUCCESS, false, from), ends, "{action} from {from}");
        }
    }

    #[test]
    fn a_motor_that_did_not_get_there_can_stand_anywhere_on_its_way() {
        let anywhere = [(Locked, false), (Locked, true), (MotorBlocked, true), (Undefined, true)];
        for action in [LockAction::Lock, LockAction::FullLock, LockAction::Unlock] {
            assert_eq!(outcomes(action, FAILED, false, Locked), anywhere, "{action}");
        }
        for action in [LockAction::Unlatch, LockAction::LockNGo] {
            let ends = outcomes(action, FAILED, false, Locked);
            assert_eq!(ends[..4], anywhere, "{action}");
            assert_eq!(ends[4..], [(Unlocked, true), (UnlockedLockNGo, true)], "{action}: it unlocks on the way");
        }
    }

    #[test]
    fn where_an_opener_can_stand_after_an_action() {
        let (idle, ringing) = (numbered(OpenerState::Online), numbered(OpenerState::RingToOpen));
        let cases: [(OpenerAction, CompletionStatus, LockState, &[End]); 9] = [
            (OpenerAction::ActivateRingToOpen, SUCCESS, idle, &[(ringing, true)]),
            (OpenerAction::ActivateRingToOpen, SUCCESS, ringing, &[(ringing, false)]),
            (OpenerAction::DeactivateRingToOpen, SUCCESS, ringing, &[(idle, true)]),
            (OpenerAction::DeactivateRingToOpen, SUCCESS, idle, &[(idle, false)]),
            (OpenerAction::Open, SUCCESS, ringing, &[(ringing, true), (idle, true)]),
            (OpenerAction::Open, FAILED, ringing, &[(ringing, false), (ringing, true), (idle, true)]),
            (OpenerAction::Unknown(0x77), SUCCESS, idle, &[(idle, false), (idle, true), (ringing, true)]),
            // They change what a ring does, and not the state.
            (OpenerAction::ActivateContinuousMode, SUCCESS, idle, &[]),
            (OpenerAction::DeactivateContinuousMode, SUCCESS, idle, &[]),
        ];
        for (action, status, from, ends) in cases {
            assert_eq!(outcomes(action.command(), status, true, from), ends, "{action} from {from}");
        }
    }

    #[test]
    fn a_ring_opens_where_ring_to_open_or_continuous_mode_is_on() {
        for (mode, is_opener, opens) in [
            (Ring::RING_TO_OPEN, true, true),
            (Ring::CONTINUOUS, true, true),
            (0, true, false),
            (Ring::RING_TO_OPEN, false, false),
        ] {
            let ring = Ring {
                mode,
                source: 2,
                geofence: false,
                suppressed: false,
                sound_id: 0,
                completion_status: SUCCESS,
                code_id: 0,
            };
            let act = step(LogEntryKind::Ring(ring), is_opener).and_then(|step| step.act);
            assert_eq!(act.map(|act| act.action), opens.then_some(OpenerAction::Open.command()), "{mode} {is_opener}");
        }
    }

    #[test]
    fn only_a_lock_shows_another_state_on_the_way() {
        for (action, is_opener, shows) in [
            (LockAction::Unlatch, false, true),
            (LockAction::LockNGoUnlatch, false, true),
            (LockAction::Unlock, false, false),
            (OpenerAction::Open.command(), true, false),
        ] {
            let act = acted(action, SUCCESS, is_opener).and_then(|step| step.act);
            assert_eq!(act.map(Act::unlatches_on_the_way), Some(shows), "{action} {is_opener}");
        }
    }

    #[test]
    fn what_the_lock_calls_its_last_action_can_be_this_one() {
        use LockAction as A;
        let states = |last: Option<(LockAction, CompletionStatus)>| KeyturnerStates {
            last_action: last.and_then(|(action, completion_status)| last_action(action, completion_status)),
            ..samples::states(Unlocked)
        };
        let cases = [
            (A::Unlock, None, true),
            (A::Unlock, Some((A::Unlock, SUCCESS)), true),
            (A::Unlock, Some((A::Lock, SUCCESS)), false),
            (A::FobAction1, Some((A::Lock, SUCCESS)), true),
            (A::Unlock, Some((A::FobAction1, SUCCESS)), true),
            (A::Unlock, Some((A::Lock, CompletionStatus::InvalidCode)), true),
            (A::Unlock, Some((A::Lock, FAILED)), false),
        ];
        for (action, last, agrees) in cases {
            let act = acted(action, SUCCESS, false).and_then(|step| step.act);
            assert_eq!(act.map(|act| act.action_agrees(&states(last))), Some(agrees), "{action} {last:?}");
        }
        let by_hand = acted(A::Unlock, SUCCESS, false).and_then(|step| step.act);
        let by_hand = by_hand.map(|act| Act { trigger: Trigger::Manual, ..act });
        let agrees = by_hand.map(|act| act.action_agrees(&states(Some((A::Lock, SUCCESS)))));
        assert_eq!(agrees, Some(true), "a hand leaves the last one standing");
    }
}
