//! The lock: its bolt, motor, clock and log.

use keyturner::protocol::log::{KeypadEntry, LogEntry, LogEntryKind, LoggedAction};
use keyturner::protocol::state::{Battery, KeyturnerStates, LastAction};
use keyturner::protocol::{CompletionStatus, DoorSensorState, KeypadSource, LockAction, LockState, NukiState};

use super::keys::By;
use super::people::Who;
use super::script::LockNGoLog;
use super::{Check, Due, Todo, World, Written};

impl World {
    pub(super) fn act(&mut self, who: Who, action: LockAction, is_blocked: bool) -> Check {
        use LockState as S;
        let Some(by) = self.keys.by(who) else {
            // The code is gone: the keypad takes it for a wrong one.
            self.drops = false;
            return self.wrong_code();
        };
        let is_device = matches!(who, Who::Hand | Who::AutoLock | Who::TimeControl);
        let (is_in, is_out) = (matches!(self.state, S::Unlocked | S::UnlockedLockNGo), self.state == S::Locked);
        if self.now < self.moving_until {
            return if is_device { Ok(()) } else { self.write(&by, action, CompletionStatus::Busy) };
        }
        let is_there = match action {
            LockAction::Lock => is_out,
            LockAction::Unlock => self.state == S::Unlocked,
            LockAction::LockNGo => self.state == S::UnlockedLockNGo,
            _ => false,
        };
        if is_there && is_device {
            return Ok(());
        }
        if let Some(by) = self.unlogged_leave.take() {
            self.write(&by, LockAction::LockNGo, CompletionStatus::Success)?;
        }
        if is_there {
            // After a lock 'n' go: did it lock by itself, or this act? Does a second one begin anew?
            self.tally.moot += 2 * u64::from(self.state != S::Unlocked && self.has_left && !self.is_owner(&by));
            self.last_action = (action, who.trigger(), CompletionStatus::Success);
            return self.write(&by, action, CompletionStatus::Success);
        }
        if self.state == S::UnlockedLockNGo && !self.is_owner(&by) {
            // It may as well have locked by itself, unlogged, and this act found nothing to do.
            self.tally.moot += 1;
        }
        if self.state == S::Unlocked && action == LockAction::Unlatch && self.has_unlatched {
            // Both end where they began; if neither entry was read in between, either can be the one seen.
            self.tally.moot += 1;
        }
        if self.has_left && action == LockAction::LockNGo {
            self.tally.moot += 2;
        }
        self.has_unlatched = action == LockAction::Unlatch;
        self.has_left = action == LockAction::LockNGo;
        self.relock += 1;
        let (motor, latch) = (self.firmware.motor, 700);
        let path: Vec<(S, u64)> = match action {
            _ if who == Who::Hand => vec![],
            _ if is_blocked => vec![(if is_in { S::Locking } else { S::Unlocking }, motor)],
            LockAction::Lock => vec![(S::Locking, motor)],
            LockAction::Unlock | LockAction::LockNGo if is_in => vec![],
            LockAction::Unlock | LockAction::LockNGo => vec![(S::Unlocking, motor)],
            _ => {
                let over = [(S::Unlocking, motor), (S::Unlocked, 900)];
                let front = if self.firmware.unlatches_over_unlocked && !is_in { &over[..] } else { &[] };
                let latch = [(S::Unlatching, latch), (S::Unlatched, 2_000), (S::Unlatching, latch)];
                front.iter().chain(&latch).copied().collect()
            }
        };
        let ends = match action {
            _ if is_blocked => S::MotorBlocked,
            LockAction::Lock => S::Locked,
            LockAction::Unlock | LockAction::Unlatch => S::Unlocked,
            _ => S::UnlockedLockNGo,
        };
        let status = if is_blocked { CompletionStatus::MotorBlocked } else { CompletionStatus::Success };
        let end = self.run(&by, &path);
        let lag = self.firmware.lag;
        let (shown, logged) = if self.firmware.entry_first { (end + lag, end) } else { (end, end + lag) };
        if who != Who::Hand || self.firmware.hand_is_action {
            self.later(shown, Todo::Last(who.trigger(), action, status));
        }
        self.later(shown, Todo::State(ends, by.clone()));
        let is_leaving = ends == S::UnlockedLockNGo;
        if is_leaving {
            let timer = self.dice.between(4_000, 9_000);
            self.later(shown.max(logged) + timer, Todo::Relock(by.clone(), self.relock));
        }
        if is_leaving && self.firmware.lock_n_go == LockNGoLog::AtEnd {
            // Seen again in the same state, one that runs now cannot be told from the one before until it ends.
            self.tally.moot += 2 * u64::from(!self.is_up);
            self.unlogged_leave = Some(by);
        } else {
            self.later(logged, Todo::Entry(by, action, status));
        }
        self.moving_until = self.now + shown.max(logged) + 1;
        self.catch_up()
    }

    /// What happens at once happens before the next person acts.
    fn catch_up(&mut self) -> Check {
        while self.todo.first_key_value().is_some_and(|(key, _)| key.0 <= self.now) {
            let (_, todo) = self.todo.pop_first().unwrap();
            self.happen(todo)?;
        }
        Ok(())
    }

    /// Through states on the way; when the last of them ends.
    fn run(&mut self, by: &By, path: &[(LockState, u64)]) -> u64 {
        let mut at = 0;
        for (state, lasts) in path {
            self.later(at, Todo::State(*state, by.clone()));
            at += lasts;
        }
        at
    }

    pub(super) fn happen(&mut self, todo: Todo) -> Check {
        match todo {
            Todo::State(state, by) => {
                self.state = state;
                self.trigger = by.who.trigger();
                self.owner = Some(by);
                self.changed()
            }
            Todo::Last(trigger, action, status) => {
                self.last_action = (action, trigger, status);
                Ok(())
            }
            Todo::Entry(by, action, status) => self.write(&by, action, status),
            Todo::Relock(by, number) if number == self.relock => {
                self.relock += 1;
                let motor = self.run(&by, &[(LockState::Locking, self.firmware.motor)]);
                let logged = motor + self.firmware.lag;
                let entry = match self.firmware.lock_n_go {
                    LockNGoLog::Twice => {
                        self.later(motor, Todo::Last(by.who.trigger(), LockAction::Lock, CompletionStatus::Success));
                        Some((by.clone(), LockAction::Lock))
                    }
                    LockNGoLog::AtStart => None,
                    LockNGoLog::AtEnd => self.unlogged_leave.take().map(|by| (by, LockAction::LockNGo)),
                };
                self.later(motor, Todo::State(LockState::Locked, by));
                if let Some((by, action)) = entry {
                    self.later(logged, Todo::Entry(by, action, CompletionStatus::Success));
                }
                self.moving_until = self.now + logged + 1;
                Ok(())
            }
            Todo::Relock(..) => Ok(()),
        }
    }

    fn is_owner(&self, by: &By) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.who == by.who)
    }

    fn wrong_code(&mut self) -> Check {
        let Some(keypad) = self.keys.by(Who::ArrowKey) else { return Ok(()) };
        let (source, completion_status) = (KeypadSource::Code, CompletionStatus::InvalidCode);
        let entry = KeypadEntry { action: LockAction::Unlock, source, completion_status, code_id: 0 };
        self.write_kind(Some(&keypad), LogEntryKind::Keypad(entry))
    }

    pub(super) fn write(&mut self, by: &By, action: LockAction, completion_status: CompletionStatus) -> Check {
        let kind = match by.who.key() {
            Some((source, code_id)) => LogEntryKind::Keypad(KeypadEntry { action, source, completion_status, code_id }),
            None => {
                let trigger = by.who.trigger();
                LogEntryKind::LockAction(LoggedAction { action, trigger, flags: 0, completion_status })
            }
        };
        self.write_kind(Some(by), kind)
    }

    pub(super) fn write_kind(&mut self, by: Option<&By>, kind: LogEntryKind) -> Check {
        if !self.is_logging || self.loses {
            return Ok(());
        }
        let (index, timestamp) = (self.next_index, self.device_time());
        self.next_index += 1;
        if core::mem::take(&mut self.drops) {
            self.say(|| format!("    log {index} is gone: {kind:?}"));
            return Ok(());
        }
        let auth_id = by.map_or(0, |by| by.who.auth_id());
        let name = by.map(|by| by.auth_name.clone()).unwrap_or_default();
        let entry = LogEntry { index, timestamp, auth_id, name, kind };
        self.say(|| format!("    log {index}: {auth_id} {} {:?}", entry.name, entry.kind));
        let then = by.and_then(|by| self.keys.by(by.who).filter(|then| then.holder == by.holder));
        let (epoch, by) = (self.epoch, by.cloned());
        self.written.push(Written { epoch, entry: entry.clone(), by, then, is_lost: false });
        self.log.push(entry);
        if self.is_up {
            self.soon(150, 1_500, Due::Beacon);
        }
        Ok(())
    }

    pub(super) fn now_states(&self) -> KeyturnerStates {
        let (action, trigger, completion_status) = self.last_action;
        let full = self.firmware.has_last_action;
        KeyturnerStates {
            nuki_state: NukiState::from_code(2),
            lock_state: self.state,
            trigger: self.trigger,
            current_time: self.device_time(),
            timezone_offset: 0,
            battery: Battery(0),
            config_update_count: self.keys.count,
            lock_n_go_timer: 0,
            last_action: full.then_some(LastAction { action, trigger, completion_status }),
            door_sensor: full.then_some(if self.door { DoorSensorState::Opened } else { DoorSensorState::Closed }),
            night_mode: None,
            accessory_battery: None,
            network: None,
        }
    }

    pub(super) fn changed(&mut self) -> Check {
        if !self.is_up {
            return Ok(());
        }
        self.feed()?;
        if !self.state.is_transitional() {
            // The log at once, then the state that clears the beacon's bit, and the log behind it.
            self.soon(5, 400, Due::Read);
            self.soon(20, 600, Due::Beacon);
        }
        Ok(())
    }
}
