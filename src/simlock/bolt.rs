//! The bolt and its motor: what an action makes them do.

use std::collections::VecDeque;
use std::time::Duration;

use crate::protocol::frame::AuthId;
use crate::protocol::log::CodeId;
use crate::protocol::state::LastAction;
use crate::protocol::{Command, CompletionStatus, KeypadSource, LockAction, LockState, OpenerAction, Trigger};

use super::config::SimLockConfig;
use super::device::Device;
use super::io::LinkId;
use super::opener;

/// How long the latch takes to spring back.
const LATCH_RETURN: Duration = Duration::from_millis(500);

/// Who or what set an action off, as the log will tell.
#[derive(Debug, Clone)]
pub(super) enum Cause {
    User {
        auth_id: AuthId,
        name: String,
        is_bridge: bool,
    },
    Keypad {
        auth_id: AuthId,
        name: String,
        source: KeypadSource,
        code_id: CodeId,
    },
    /// The bell of an Opener, with the mode bits that its log entry has.
    Bell {
        mode: u8,
    },
    Nobody,
}

impl Cause {
    pub(super) const fn is_bridge(&self) -> bool {
        matches!(self, Self::User { is_bridge: true, .. })
    }
}

/// Where to send COMPLETE.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplyTo {
    pub(super) link: LinkId,
    pub(super) auth_id: AuthId,
    pub(super) command: Command,
}

/// One action with everything that is told about it when it has ended.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) action: LockAction,
    pub(super) trigger: Trigger,
    pub(super) flags: u8,
    pub(super) cause: Cause,
    pub(super) reply_to: Option<ReplyTo>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leg {
    pub(super) state: LockState,
    pub(super) lasts: Duration,
}

/// A way through transitional states to a resting one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) legs: VecDeque<Leg>,
    pub(super) ends: LockState,
}

#[derive(Debug)]
pub(super) struct Motion {
    pub(super) plan: Plan,
    /// When the current leg ends.
    pub(super) until: Duration,
    pub(super) job: Job,
}

#[derive(Debug)]
pub(super) struct Bolt {
    pub(super) state: LockState,
    pub(super) trigger: Trigger,
    pub(super) last_action: LastAction,
    pub(super) motion: Option<Motion>,
    /// The second half of lock 'n' go.
    pub(super) relock: Option<(Duration, Job)>,
    pub(super) auto_lock_at: Option<Duration>,
    /// When the last action ended.
    pub(super) last_end: Option<Duration>,
}

impl Bolt {
    pub(super) const fn new(state: LockState) -> Self {
        let last_action = LastAction {
            action: LockAction::None,
            trigger: Trigger::System,
            completion_status: CompletionStatus::Success,
        };
        Self {
            state,
            trigger: Trigger::System,
            last_action,
            motion: None,
            relock: None,
            auto_lock_at: None,
            last_end: None,
        }
    }

    /// Remaining lock 'n' go time in whole seconds, at least 1 while it runs.
    pub(super) fn lock_n_go_seconds(&self, now: Duration) -> u8 {
        let Some((at, _)) = &self.relock else { return 0 };
        u8::try_from(at.saturating_sub(now).as_secs()).unwrap_or(u8::MAX).max(1)
    }
}

/// What `action` makes the motor do; `None` if there is nothing to do.
///
/// The path of unlatching is the first of those reported from real locks: 7, 5, 7, 3.
pub(super) fn plan(action: LockAction, state: LockState, is_forced: bool, config: &SimLockConfig) -> Option<Plan> {
    if config.device.is_opener() {
        return opener::plan(OpenerAction::from_code(action.code()), state, config);
    }
    let turn = |state| Leg { state, lasts: config.motor_time };
    let latch = || {
        [
            turn(LockState::Unlatching),
            Leg { state: LockState::Unlatched, lasts: config.unlatch_hold },
            Leg { state: LockState::Unlatching, lasts: LATCH_RETURN },
        ]
    };
    let is_bolt_in = matches!(state, LockState::Unlocked | LockState::UnlockedLockNGo);
    let (legs, ends): (VecDeque<Leg>, LockState) = match action {
        LockAction::Lock | LockAction::FullLock => ([turn(LockState::Locking)].into(), LockState::Locked),
        LockAction::Unlock if is_bolt_in && !is_forced => (VecDeque::new(), LockState::Unlocked),
        LockAction::Unlock => ([turn(LockState::Unlocking)].into(), LockState::Unlocked),
        LockAction::Unlatch => (latch().into(), LockState::Unlocked),
        LockAction::LockNGo if is_bolt_in => (VecDeque::new(), LockState::UnlockedLockNGo),
        LockAction::LockNGo => ([turn(LockState::Unlocking)].into(), LockState::UnlockedLockNGo),
        LockAction::LockNGoUnlatch => (latch().into(), LockState::UnlockedLockNGo),
        _ => return None,
    };
    let moves_latch = matches!(action, LockAction::Unlatch | LockAction::LockNGoUnlatch);
    let is_there = ends == state && !is_forced && !moves_latch;
    (!is_there).then_some(Plan { legs, ends })
}

/// Whether `action` is one that this device can carry out. An Opener has five of its own under the same numbers.
pub(super) const fn is_motor_action(device: Device, action: LockAction) -> bool {
    matches!(
        action,
        LockAction::FullLock if !device.is_opener()
    ) || matches!(
        action,
        LockAction::Lock | LockAction::Unlock | LockAction::Unlatch | LockAction::LockNGo | LockAction::LockNGoUnlatch
    )
}
