//! Time passes: timers, the running motor, and what the lock tells and writes about it.

use std::time::Duration;

use crate::protocol::log::{KeypadEntry, LogEntryKind, LoggedAction};
use crate::protocol::state::LastAction;
use crate::protocol::{CompletionStatus, ErrorCode, LockAction, LockState, StatusCode, Trigger};

use super::SimLock;
use super::bolt::{Cause, Job, Leg, Motion, Plan, plan};
use super::device::Device;
use super::fault::take;
use super::io::{LinkId, Moment};
use super::opener::ring_entry;
use super::pairing::Pairing;

/// A central that does not confirm an indication for so long is dropped.
const CONFIRM_TIME: Duration = Duration::from_secs(5);

/// Everything that happens by time alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The current leg of the motion ends.
    Motor,
    /// Lock 'n' go locks.
    Relock,
    /// Auto lock locks.
    AutoLock,
    /// Ring to open ends.
    RingToOpen,
    /// Pairing mode ends.
    Pairing,
    /// An indication was not confirmed.
    Unconfirmed(LinkId),
    /// A link had no traffic.
    Idle(LinkId),
}

/// How an action begins.
#[derive(Debug)]
pub(super) enum Beginning {
    /// Another one runs.
    Busy,
    /// The bolt is where it should be.
    NothingToDo,
    /// The motor has a way to go.
    Moves(Plan),
}

impl SimLock {
    pub(super) fn next_timer(&self) -> Option<(Duration, Timer)> {
        let own = [
            self.bolt.motion.as_ref().map(|motion| (motion.until, Timer::Motor)),
            self.bolt.relock.as_ref().map(|(at, _)| (*at, Timer::Relock)),
            self.bolt.auto_lock_at.map(|at| (at, Timer::AutoLock)),
            self.opener.ring_to_open_until.map(|until| (until, Timer::RingToOpen)),
            self.pairing_until.map(|until| (until, Timer::Pairing)),
        ];
        let links = self.links.iter().flat_map(|(id, port)| {
            let idle = (port.last_traffic.saturating_add(self.config.idle_time), Timer::Idle(*id));
            let unconfirmed = port.outstanding.map(|at| (at.saturating_add(CONFIRM_TIME), Timer::Unconfirmed(*id)));
            [Some(idle), unconfirmed]
        });
        own.into_iter().chain(links).flatten().min()
    }

    /// Lets everything happen that is due, in order and each at its own time.
    pub(super) fn advance(&mut self, now: Moment) {
        while let Some((due, timer)) = self.next_timer() {
            if due > now.mono {
                return;
            }
            self.fire(timer, now.back_to(due));
        }
    }

    fn fire(&mut self, timer: Timer, now: Moment) {
        match timer {
            Timer::Motor => self.leg_ended(now),
            Timer::Relock => {
                if let Some((_, job)) = self.bolt.relock.take() {
                    self.begin_unasked(job, now);
                }
            }
            Timer::AutoLock => {
                self.bolt.auto_lock_at = None;
                let cause = Cause::Nobody;
                let (action, trigger) = (LockAction::Lock, Trigger::AutoLock);
                self.begin_unasked(Job { action, trigger, flags: 0, cause, reply_to: None }, now);
            }
            Timer::RingToOpen => self.ring_to_open_ended(now),
            Timer::Pairing => self.set_pairing_mode(false, now),
            Timer::Unconfirmed(link) | Timer::Idle(link) => self.hang_up(link),
        }
    }

    pub(super) fn set_pairing_mode(&mut self, on: bool, now: Moment) {
        self.pairing_until = on.then(|| now.mono.saturating_add(self.config.pairing_time));
        if on {
            return;
        }
        for port in self.links.values_mut() {
            // A user that is stored already may still confirm.
            if !matches!(port.pairing, Pairing::Confirming { .. }) {
                port.pairing = Pairing::Idle;
            }
        }
    }

    pub(super) fn beginning(&self, action: LockAction, is_forced: bool) -> Beginning {
        if self.bolt.motion.is_some() {
            return Beginning::Busy;
        }
        if self.config.device.is_opener() && self.is_opener_there(action) {
            return Beginning::NothingToDo;
        }
        plan(action, self.bolt.state, is_forced, &self.config).map_or(Beginning::NothingToDo, Beginning::Moves)
    }

    fn begin_unasked(&mut self, job: Job, now: Moment) {
        if let Beginning::Moves(plan) = self.beginning(job.action, false) {
            self.start(plan, job, now);
        }
    }

    pub(super) fn start(&mut self, mut plan: Plan, job: Job, now: Moment) {
        self.bolt.relock = None;
        self.bolt.auto_lock_at = None;
        match plan.legs.pop_front() {
            Some(leg) => self.run_leg(leg, plan, job, now),
            None => self.arrive(plan.ends, CompletionStatus::Success, job, now),
        }
    }

    fn run_leg(&mut self, leg: Leg, plan: Plan, job: Job, now: Moment) {
        let (trigger, is_bridge) = (job.trigger, job.cause.is_bridge());
        self.bolt.motion = Some(Motion { plan, until: now.mono.saturating_add(leg.lasts), job });
        self.enter(leg.state, trigger, is_bridge, now);
    }

    fn leg_ended(&mut self, now: Moment) {
        let Some(Motion { mut plan, job, .. }) = self.bolt.motion.take() else { return };
        if take(&mut self.faults.motor_blocked) {
            let (ends, status) = match self.config.device {
                // It has no motor; the bus can be without voltage.
                Device::Opener => (plan.ends, CompletionStatus::Incomplete),
                _ => (LockState::MotorBlocked, CompletionStatus::MotorBlocked),
            };
            self.arrive(ends, status, job, now);
            return;
        }
        match plan.legs.pop_front() {
            Some(leg) => self.run_leg(leg, plan, job, now),
            None => self.arrive(plan.ends, CompletionStatus::Success, job, now),
        }
    }

    /// The motor has ended: only now bytes 15 to 17 and the log know of the action.
    fn arrive(&mut self, ends: LockState, status: CompletionStatus, job: Job, now: Moment) {
        self.note_result(&job, status, now);
        let ends = if self.config.device.is_opener() {
            self.switch_modes(&job, now);
            self.rest_of_opener()
        } else {
            ends
        };
        self.enter(ends, job.trigger, job.cause.is_bridge(), now);
        self.write_action(&job, status, now);
        if let Some(to) = job.reply_to {
            match status {
                CompletionStatus::Success => self.send_status(to.link, to.auth_id, StatusCode::Complete),
                CompletionStatus::Incomplete => {
                    self.send_error(to.link, to.auth_id, ErrorCode::MotorLowVoltage, to.command);
                }
                _ => self.send_error(to.link, to.auth_id, ErrorCode::MotorBlocked, to.command),
            }
        }
        // Its second half is an action of its own, by the same person; how real locks log it is not documented.
        if ends == LockState::UnlockedLockNGo {
            let at = now.mono.saturating_add(self.config.lock_n_go_timeout);
            self.bolt.relock = Some((at, Job { action: LockAction::Lock, reply_to: None, ..job }));
        }
    }

    /// Nothing had to move, but it was asked for and granted.
    pub(super) fn arrive_without_moving(&mut self, job: &Job, now: Moment) {
        self.note_result(job, CompletionStatus::Success, now);
        self.write_action(job, CompletionStatus::Success, now);
        if let Some(to) = job.reply_to {
            self.send_status(to.link, to.auth_id, StatusCode::Complete);
        }
    }

    fn note_result(&mut self, job: &Job, completion_status: CompletionStatus, now: Moment) {
        self.bolt.last_action = LastAction { action: job.action, trigger: job.trigger, completion_status };
        self.bolt.last_end = Some(now.mono);
        let at = self.device_time(now);
        match &job.cause {
            Cause::User { auth_id, .. } => self.users.used(*auth_id, at),
            Cause::Keypad { auth_id, code_id, .. } => {
                self.users.used(*auth_id, at);
                self.keypad.used(*code_id, at);
            }
            Cause::Bell { .. } | Cause::Nobody => {}
        }
    }

    /// The bolt is in another state: tell everybody who listens.
    pub(super) fn enter(&mut self, state: LockState, trigger: Trigger, is_bridge: bool, now: Moment) {
        self.bolt.state = state;
        self.bolt.trigger = trigger;
        if state == LockState::Unlocked {
            self.arm_auto_lock(now);
        }
        self.changed(is_bridge, now);
    }

    /// Auto lock counts from unlocking, or from closing the door.
    pub(super) fn arm_auto_lock(&mut self, now: Moment) {
        let is_door_known_open = self.config.has_door_sensor && self.door_open;
        let is_due = self.bolt.state == LockState::Unlocked && self.bolt.motion.is_none() && !is_door_known_open;
        self.bolt.auto_lock_at = self.config.auto_lock.filter(|_| is_due).map(|pause| now.mono.saturating_add(pause));
    }

    pub(super) fn changed(&mut self, is_bridge: bool, now: Moment) {
        self.unread |= !is_bridge;
        self.push_states(now);
    }

    pub(super) fn write_action(&mut self, job: &Job, completion_status: CompletionStatus, now: Moment) {
        let logged = LoggedAction { action: job.action, trigger: job.trigger, flags: job.flags, completion_status };
        let (auth_id, name, kind) = match &job.cause {
            Cause::User { auth_id, name, .. } => (*auth_id, name.as_str(), LogEntryKind::LockAction(logged)),
            Cause::Nobody => (0, "", LogEntryKind::LockAction(logged)),
            Cause::Bell { mode } => (0, "", LogEntryKind::Ring(ring_entry(*mode, completion_status))),
            Cause::Keypad { auth_id, name, source, code_id } => {
                let (action, source, code_id) = (job.action, *source, *code_id);
                let entry = KeypadEntry { action, source, completion_status, code_id };
                (*auth_id, name.as_str(), LogEntryKind::Keypad(entry))
            }
        };
        self.write_entry(auth_id, name, kind, job.cause.is_bridge(), now);
    }

    pub(super) fn write_entry(&mut self, auth_id: u32, name: &str, kind: LogEntryKind, is_bridge: bool, now: Moment) {
        if !self.log.enabled || take(&mut self.faults.swallow_log_entry) {
            return;
        }
        self.log.write(self.device_time(now), auth_id, name, kind);
        self.unread |= !is_bridge;
    }
}
