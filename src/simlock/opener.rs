//! What an Opener does that no lock does: it listens to a bell, and releases a strike.

use std::time::Duration;

use crate::protocol::log::Ring;
use crate::protocol::{CompletionStatus, LockAction, LockState, OpenerAction, OpenerState, Trigger};

use super::SimLock;
use super::bolt::{Cause, Job, Leg, Plan};
use super::config::SimLockConfig;
use super::io::Moment;
use super::motion::Beginning;
use super::people::Refusal;

/// The bell, as the log names what rang.
const SOURCE_BELL: u8 = 0;
/// The sound that the Opener plays for a ring.
const SOUND: u8 = 1;

/// What lets the next ring open, or every one.
#[derive(Debug, Default)]
pub(super) struct OpenerModes {
    /// Every ring opens.
    pub(super) is_continuous: bool,
    /// The next ring opens, until then.
    pub(super) ring_to_open_until: Option<Duration>,
}

impl OpenerModes {
    /// What is left of ring to open, in minutes and at least 1 while it runs. The unit is not documented.
    pub(super) fn ring_to_open_left(&self, now: Duration) -> u8 {
        let Some(until) = self.ring_to_open_until else { return 0 };
        u8::try_from(until.saturating_sub(now).as_secs().div_ceil(60)).unwrap_or(u8::MAX).max(1)
    }
}

/// The number that a lock's state has where an Opener's means this.
pub(super) const fn numbered(state: OpenerState) -> LockState {
    LockState::from_code(state.code())
}

/// What an Opener's action does to its state. The modes change when it has ended.
pub(super) fn plan(action: OpenerAction, state: LockState, config: &SimLockConfig) -> Option<Plan> {
    match action {
        OpenerAction::Open => Some(Plan {
            legs: [
                Leg { state: numbered(OpenerState::Opening), lasts: config.motor_time },
                Leg { state: numbered(OpenerState::Open), lasts: config.unlatch_hold },
            ]
            .into(),
            // Its modes say where it comes to rest.
            ends: state,
        }),
        OpenerAction::ActivateRingToOpen
        | OpenerAction::DeactivateRingToOpen
        | OpenerAction::ActivateContinuousMode
        | OpenerAction::DeactivateContinuousMode => Some(Plan { legs: [].into(), ends: state }),
        OpenerAction::None | OpenerAction::Unknown(_) => None,
    }
}

/// Whether an action is one of the two that need the bridge's role.
pub(super) const fn switches_continuous_mode(action: LockAction) -> bool {
    matches!(
        OpenerAction::from_code(action.code()),
        OpenerAction::ActivateContinuousMode | OpenerAction::DeactivateContinuousMode
    )
}

impl SimLock {
    /// Whether an Opener is so already. The strike can be released at any time.
    pub(super) fn is_opener_there(&self, action: LockAction) -> bool {
        let is_ringing_opens = self.opener.ring_to_open_until.is_some();
        match OpenerAction::from_code(action.code()) {
            OpenerAction::ActivateRingToOpen => is_ringing_opens,
            OpenerAction::DeactivateRingToOpen => !is_ringing_opens,
            OpenerAction::ActivateContinuousMode => self.opener.is_continuous,
            OpenerAction::DeactivateContinuousMode => !self.opener.is_continuous,
            _ => false,
        }
    }

    /// An action has ended.
    pub(super) fn switch_modes(&mut self, job: &Job, now: Moment) {
        match OpenerAction::from_code(job.action.code()) {
            OpenerAction::ActivateRingToOpen => {
                self.opener.ring_to_open_until = Some(now.mono.saturating_add(self.config.ring_to_open_time));
            }
            OpenerAction::DeactivateRingToOpen => self.opener.ring_to_open_until = None,
            OpenerAction::ActivateContinuousMode => self.opener.is_continuous = true,
            OpenerAction::DeactivateContinuousMode => self.opener.is_continuous = false,
            // Ring to open is over with the ring that opened.
            _ if matches!(job.cause, Cause::Bell { mode } if mode & Ring::RING_TO_OPEN != 0) => {
                self.opener.ring_to_open_until = None;
            }
            _ => {}
        }
    }

    /// Where an Opener comes to rest: ring to open can have run out while the strike was released.
    pub(super) fn rest_of_opener(&self) -> LockState {
        let is_ringing_opens = self.opener.ring_to_open_until.is_some();
        numbered(if is_ringing_opens { OpenerState::RingToOpen } else { OpenerState::Online })
    }

    /// Nobody rang in time. Whether that is logged is not documented; here it is not.
    pub(super) fn ring_to_open_ended(&mut self, now: Moment) {
        self.opener.ring_to_open_until = None;
        if self.bolt.motion.is_none() {
            self.enter(numbered(OpenerState::Online), Trigger::Automatic, false, now);
        }
    }

    /// Somebody rings at the house door.
    pub(super) fn ring(&mut self, now: Moment) -> Result<(), Refusal> {
        if !self.config.device.is_opener() {
            return Err(Refusal::NoSuchAction);
        }
        let ring_to_open = if self.opener.ring_to_open_until.is_some() { Ring::RING_TO_OPEN } else { 0 };
        let continuous = if self.opener.is_continuous { Ring::CONTINUOUS } else { 0 };
        let mode = ring_to_open | continuous;
        let action = OpenerAction::Open.command();
        let job = Job { action, trigger: Trigger::Manual, flags: 0, cause: Cause::Bell { mode }, reply_to: None };
        match self.beginning(action, false) {
            Beginning::Moves(plan) if mode != 0 => self.start(plan, job, now),
            // The strike is released already, or stays as it is.
            _ => self.write_action(&job, CompletionStatus::Success, now),
        }
        Ok(())
    }
}

/// The log entry of a ring.
pub(super) const fn ring_entry(mode: u8, completion_status: CompletionStatus) -> Ring {
    Ring {
        mode,
        source: SOURCE_BELL,
        geofence: false,
        suppressed: false,
        sound_id: SOUND,
        completion_status,
        code_id: 0,
    }
}
