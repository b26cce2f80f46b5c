//! What the lock does and writes when people act at the door.

use crate::protocol::frame::AuthId;
use crate::protocol::log::{CodeId, LogEntryKind};
use crate::protocol::request::FLAG_AUTO_UNLOCK;
use crate::protocol::users::{CodeDigits, KeypadCode};
use crate::protocol::{
    CompletionStatus, DoorEvent, IdType, KeypadSource, LockAction, LockState, OpenerAction, Trigger,
};

use super::SimLock;
use super::bolt::{Cause, Job, Plan, is_motor_action};
use super::device::Device;
use super::io::Moment;
use super::limits::permits;
use super::motion::Beginning;
use super::people::{DoorMove, Person, Refusal, Turn};

/// The log's flags of buttons and fobs count the presses.
const ONE_PRESS: u8 = 1;

impl SimLock {
    pub(super) fn person(&mut self, person: Person, now: Moment) -> Result<(), Refusal> {
        match person {
            Person::KeypadCode { digits } => self.keypad_code(Some(digits), now),
            Person::KeypadWrongCode => self.keypad_code(None, now),
            Person::Finger { code_id } => self.finger(code_id, now),
            Person::From { trigger, action } => self.act(action, trigger, 0, Cause::Nobody, now),
            Person::Sensor(event) => {
                self.door_moved(event, now);
                Ok(())
            }
            Person::Ring => self.ring(now),
            Person::ArrowKey => {
                let cause = self.keypad_cause(KeypadSource::ArrowKey, 0)?;
                self.act(LockAction::Lock, Trigger::System, 0, cause, now)
            }
            Person::Fob { auth } => {
                let cause = self.user_cause(auth, Some(IdType::Fob), now)?;
                self.act(self.intelligent_action(), Trigger::System, ONE_PRESS, cause, now)
            }
            Person::App { auth, action, auto_unlock } => {
                let cause = self.user_cause(auth, None, now)?;
                if auto_unlock && self.acted_lately(now) {
                    return Err(Refusal::TooRecent);
                }
                let flags = if auto_unlock { FLAG_AUTO_UNLOCK } else { 0 };
                self.act(action, Trigger::System, flags, cause, now)
            }
            Person::Button => self.act(self.button_action(), Trigger::Button, ONE_PRESS, Cause::Nobody, now),
            Person::ManualTurn(turn) => self.turned(turn, now),
            Person::Door(DoorMove::Open) => self.door_opened(now),
            Person::Door(DoorMove::Close) => self.door_closed(now),
        }
    }

    /// The one keypad, if there is one.
    pub(super) fn keypad_auth(&self) -> Option<AuthId> {
        let keypad = self.users.all().iter().find(|user| user.entry.id_type == IdType::Keypad);
        keypad.map(|user| user.entry.auth_id)
    }

    /// Locked becomes unlocked, everything else locked. An Opener opens.
    pub(super) fn intelligent_action(&self) -> LockAction {
        if self.config.device.is_opener() {
            return OpenerAction::Open.command();
        }
        if self.bolt.state == LockState::Locked { LockAction::Unlock } else { LockAction::Lock }
    }

    /// One press switches ring to open on an Opener.
    fn button_action(&self) -> LockAction {
        match self.config.device {
            Device::Opener if self.opener.ring_to_open_until.is_some() => OpenerAction::DeactivateRingToOpen.command(),
            Device::Opener => OpenerAction::ActivateRingToOpen.command(),
            _ => self.intelligent_action(),
        }
    }

    fn act(
        &mut self,
        action: LockAction,
        trigger: Trigger,
        flags: u8,
        cause: Cause,
        now: Moment,
    ) -> Result<(), Refusal> {
        if !is_motor_action(self.config.device, action) {
            return Err(Refusal::NoSuchAction);
        }
        let job = Job { action, trigger, flags, cause, reply_to: None };
        match self.beginning(action, false) {
            Beginning::Moves(plan) => self.start(plan, job, now),
            Beginning::NothingToDo => self.arrive_without_moving(&job, now),
            Beginning::Busy => {
                self.write_action(&job, CompletionStatus::Busy, now);
                return Err(Refusal::Busy);
            }
        }
        Ok(())
    }

    fn user_cause(&self, auth_id: AuthId, only: Option<IdType>, now: Moment) -> Result<Cause, Refusal> {
        let entry = &self.users.get(auth_id).ok_or(Refusal::NoSuchUser)?.entry;
        let is_kind = only.is_none_or(|kind| entry.id_type == kind);
        if !is_kind || !entry.enabled || !permits(entry.time_limit.as_ref(), self.device_time(now)) {
            return Err(Refusal::NotAllowed);
        }
        Ok(Cause::User { auth_id, name: entry.name.clone(), is_bridge: false })
    }

    fn keypad_cause(&self, source: KeypadSource, code_id: u16) -> Result<Cause, Refusal> {
        let auth_id = self.keypad_auth().ok_or(Refusal::NoKeypad)?;
        let name = self.users.get(auth_id).map(|user| user.entry.name.clone()).unwrap_or_default();
        Ok(Cause::Keypad { auth_id, name, source, code_id })
    }

    fn keypad_code(&mut self, digits: Option<CodeDigits>, now: Moment) -> Result<(), Refusal> {
        let found = digits.and_then(|digits| self.keypad.find(digits)).map(|record| record.entry.clone());
        self.at_keypad(KeypadSource::Code, (CompletionStatus::InvalidCode, Refusal::WrongCode), found, now)
    }

    fn finger(&mut self, code_id: Option<CodeId>, now: Moment) -> Result<(), Refusal> {
        let found = code_id.and_then(|id| self.keypad.get_mut(id)).map(|record| record.entry.clone());
        let unknown = (CompletionStatus::InvalidFingerprint, Refusal::WrongFinger);
        self.at_keypad(KeypadSource::Fingerprint, unknown, found, now)
    }

    fn at_keypad(
        &mut self,
        source: KeypadSource,
        unknown: (CompletionStatus, Refusal),
        found: Option<KeypadCode>,
        now: Moment,
    ) -> Result<(), Refusal> {
        let (code_id, refused) = match found {
            None => (0, Some(unknown)),
            Some(code) if !code.enabled || !permits(code.time_limit.as_ref(), self.device_time(now)) => {
                (code.code_id, Some((CompletionStatus::Rejected, Refusal::CodeNotAllowed)))
            }
            Some(code) => (code.code_id, None),
        };
        let cause = self.keypad_cause(source, code_id)?;
        let action = self.config.keypad_action;
        if let Some((status, refusal)) = refused {
            let job = Job { action, trigger: Trigger::System, flags: 0, cause, reply_to: None };
            self.write_action(&job, status, now);
            return Err(refusal);
        }
        self.act(action, Trigger::System, 0, cause, now)
    }

    /// By hand the bolt is there at once; no motor, no transitional state, nobody's name.
    fn turned(&mut self, turn: Turn, now: Moment) -> Result<(), Refusal> {
        if self.config.device.is_opener() {
            return Err(Refusal::NoSuchAction);
        }
        if self.bolt.motion.is_some() {
            return Err(Refusal::Busy);
        }
        let (action, ends) = match turn {
            Turn::Lock => (LockAction::Lock, LockState::Locked),
            Turn::Unlock => (LockAction::Unlock, LockState::Unlocked),
        };
        if self.bolt.state == ends {
            return Err(Refusal::Already);
        }
        let job = Job { action, trigger: Trigger::Manual, flags: 0, cause: Cause::Nobody, reply_to: None };
        self.start(Plan { legs: [].into(), ends }, job, now);
        Ok(())
    }

    fn door_opened(&mut self, now: Moment) -> Result<(), Refusal> {
        if self.door_open {
            return Err(Refusal::Already);
        }
        let is_free =
            matches!(self.bolt.state, LockState::Unlocked | LockState::UnlockedLockNGo | LockState::Unlatched);
        if !is_free {
            return Err(Refusal::Locked);
        }
        self.door_open = true;
        if self.config.has_door_sensor {
            self.bolt.auto_lock_at = None;
        }
        self.door_moved(DoorEvent::Opened, now);
        Ok(())
    }

    fn door_closed(&mut self, now: Moment) -> Result<(), Refusal> {
        if !self.door_open {
            return Err(Refusal::Already);
        }
        self.door_open = false;
        if self.config.has_door_sensor {
            self.arm_auto_lock(now);
        }
        self.door_moved(DoorEvent::Closed, now);
        Ok(())
    }

    fn door_moved(&mut self, event: DoorEvent, now: Moment) {
        if !self.config.has_door_sensor {
            return;
        }
        if self.config.door_sensor_logging {
            self.write_entry(0, "", LogEntryKind::Door(event), false, now);
        }
        self.changed(false, now);
    }
}
