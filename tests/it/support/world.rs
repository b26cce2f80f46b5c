//! A door, its people, a lock and a session, as small as a journal can tell from the real ones, and the truth beside them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use keyturner::attribution::{
    Attribution, Directory, Draft, Event, EventKind, Journal, JournalConfig, Output, Pending, StateChange,
    UnknownReason, User,
};
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::log::{KeypadEntry, LogEntry, LogEntryKind, LoggedAction};
use keyturner::protocol::state::{Battery, KeyturnerStates, LastAction};
use keyturner::protocol::{
    CompletionStatus, DoorEvent, DoorSensorState, IdType, KeypadSource, LockAction, LockState, NukiState, Trigger,
};

use super::dice::Dice;

pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
const GATEWAY: u32 = 1;
const KEYPAD: u32 = 9;
/// 2026-11-23 14:00:00 UTC.
const START: i64 = 1_795_442_400;

/// Everybody and everything that moves the bolt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Phone,
    OtherPhone,
    Fob,
    Code,
    OtherCode,
    Finger,
    ArrowKey,
    Button,
    Hand,
    Gateway,
    AutoLock,
    TimeControl,
}

impl Who {
    pub(crate) const ALL: [Self; 12] = [
        Self::Phone,
        Self::OtherPhone,
        Self::Fob,
        Self::Code,
        Self::OtherCode,
        Self::Finger,
        Self::ArrowKey,
        Self::Button,
        Self::Hand,
        Self::Gateway,
        Self::AutoLock,
        Self::TimeControl,
    ];

    const fn auth(self) -> (u32, &'static str) {
        match self {
            Self::Phone => (2, "Anna"),
            Self::OtherPhone => (3, "Ben"),
            Self::Fob => (4, "Fob"),
            Self::Code | Self::OtherCode | Self::Finger | Self::ArrowKey => (KEYPAD, "Keypad"),
            Self::Gateway => (GATEWAY, "Keyturner"),
            Self::Button | Self::Hand | Self::AutoLock | Self::TimeControl => (0, ""),
        }
    }

    const fn key(self) -> Option<(KeypadSource, u16)> {
        match self {
            Self::Code => Some((KeypadSource::Code, 1)),
            Self::OtherCode => Some((KeypadSource::Code, 2)),
            Self::Finger => Some((KeypadSource::Fingerprint, 3)),
            Self::ArrowKey => Some((KeypadSource::ArrowKey, 0)),
            _ => None,
        }
    }

    const fn trigger(self) -> Trigger {
        match self {
            Self::Button => Trigger::Button,
            Self::Hand => Trigger::Manual,
            Self::AutoLock => Trigger::AutoLock,
            Self::TimeControl => Trigger::Automatic,
            _ => Trigger::System,
        }
    }

    /// What an event must say of it: authorization, code, trigger.
    fn identity(self) -> Identity {
        let some = |id: u32| (id != 0).then_some(id);
        (some(self.auth().0), self.key().map(|(_, code)| code).filter(|code| *code != 0), self.trigger())
    }
}

type Identity = (Option<u32>, Option<u16>, Trigger);

fn identity_of(event: &Event) -> Identity {
    (event.who.auth_id, event.who.code_id, event.trigger.unwrap_or(Trigger::Unknown(0xFE)))
}

/// One line of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Wait(u32),
    Act(Who, LockAction),
    /// The motor does not get there.
    Blocked(Who, LockAction),
    /// An attempt that the lock turns away.
    Refused(Who, CompletionStatus),
    /// The lock forgets to write it down. Somebody else doing the same before anyone looks could
    /// not be told from it, so it stands alone for some seconds, and the gateway is looking.
    Lost(Who, LockAction),
    Door,
    Clock(i64),
    ClockUnset,
    Link(bool),
    Log(bool),
    Clear,
    Kill,
    /// The process ends right after the n-th commit from here.
    KillAfter(u8),
}

/// How a lock 'n' go is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockNGoLog {
    Twice,
    AtStart,
    AtEnd,
}

/// What firmware differs in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Firmware {
    pub(crate) lock_n_go: LockNGoLog,
    /// Unlatching passes 2, 3, 7, 5, 7, 3 instead of 7, 5, 7, 3.
    pub(crate) unlatches_over_unlocked: bool,
    /// States of 19 bytes or more.
    pub(crate) has_last_action: bool,
    /// The entry is written before the state changes.
    pub(crate) entry_first: bool,
    /// Between the one and the other, milliseconds.
    pub(crate) lag: u64,
    pub(crate) motor: u64,
    /// A change by hand stays in the last action.
    pub(crate) hand_is_action: bool,
    pub(crate) page: usize,
}

/// A history and the world it is played in.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) seed: u64,
    pub(crate) firmware: Firmware,
    pub(crate) ops: Vec<Op>,
}

/// What came out.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) entries: u64,
    pub(crate) changes: u64,
    pub(crate) named: u64,
    pub(crate) told: u64,
    pub(crate) told_named: u64,
    pub(crate) unknown: u64,
    pub(crate) late: u64,
    /// Changes that may go unexplained though nothing was lost.
    pub(crate) moot: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.entries += other.entries;
        self.changes += other.changes;
        self.named += other.named;
        self.told += other.told;
        self.told_named += other.told_named;
        self.unknown += other.unknown;
        self.late += other.late;
        self.moot += other.moot;
    }
}

#[derive(Debug, Clone, Copy)]
enum Todo {
    State(LockState, Who),
    /// What bytes 15 to 17 say from now on.
    Last(Who, LockAction, CompletionStatus),
    Entry(Who, LockAction, CompletionStatus),
    /// Lock 'n' go locks.
    Relock(Who, u64),
}

#[derive(Debug, Clone, Copy)]
enum Due {
    States,
    Check,
    Read,
    Directory,
    Up,
}

/// A state as it was handed to the journal.
#[derive(Debug, Clone, Copy)]
struct Seen {
    states: KeyturnerStates,
    owner: Option<Who>,
    live: bool,
    is_question: bool,
}

#[derive(Debug, Clone)]
struct Unanswered {
    change: StateChange,
    raw: Vec<u8>,
    owner: Option<Who>,
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    firmware: Firmware,
    now: u64,
    seq: u64,
    // The lock.
    state: LockState,
    owner: Option<Who>,
    trigger: Trigger,
    last_action: (LockAction, Trigger, CompletionStatus),
    door: bool,
    /// Device clock minus host clock, seconds; `None` if it was never set.
    clock: Option<i64>,
    is_logging: bool,
    loses: bool,
    log: Vec<LogEntry>,
    next_index: u32,
    epoch: u32,
    todo: BTreeMap<(u64, u64), Todo>,
    moving_until: u64,
    relock: u64,
    unlogged_leave: Option<Who>,
    has_unlatched: bool,
    has_left: bool,
    // The session.
    is_up: bool,
    due: BTreeMap<(u64, u64), Due>,
    read_up_to: u32,
    directory: Directory,
    wants_directory: bool,
    journal: Option<Journal>,
    // What is stored.
    cursor: u32,
    states: Option<KeyturnerStates>,
    unanswered: VecDeque<Unanswered>,
    // The truth.
    written: Vec<(u32, LogEntry, bool)>,
    committed: Vec<(u32, u32)>,
    committed_epoch: u32,
    fed: Option<KeyturnerStates>,
    is_first: bool,
    expected: VecDeque<Seen>,
    kill_after: Option<u8>,
    pub(crate) tally: Tally,
    pub(crate) trace: Option<Vec<String>>,
}

type Check = Result<(), String>;

macro_rules! ensure {
    ($cond:expr, $($why:tt)*) => {
        if !$cond {
            return Err(format!($($why)*));
        }
    };
}

impl World {
    pub(crate) fn new(script: &Script, is_traced: bool) -> Self {
        let mut dice = Dice::new(script.seed);
        let knows_all = dice.chance(70);
        let mut world = Self {
            firmware: script.firmware,
            now: 0,
            seq: 0,
            state: if dice.chance(50) { LockState::Locked } else { LockState::Unlocked },
            owner: None,
            trigger: Trigger::System,
            last_action: (LockAction::None, Trigger::System, CompletionStatus::Success),
            door: false,
            clock: Some(START),
            is_logging: true,
            loses: false,
            log: Vec::new(),
            next_index: 500,
            epoch: 0,
            todo: BTreeMap::new(),
            moving_until: 0,
            relock: 0,
            unlogged_leave: None,
            has_unlatched: false,
            has_left: false,
            is_up: false,
            due: BTreeMap::new(),
            read_up_to: 0,
            directory: if knows_all { everybody() } else { Directory::default() },
            wants_directory: false,
            journal: None,
            cursor: 0,
            states: None,
            unanswered: VecDeque::new(),
            written: Vec::new(),
            committed: Vec::new(),
            committed_epoch: 0,
            fed: None,
            is_first: true,
            expected: VecDeque::new(),
            kill_after: None,
            tally: Tally::default(),
            trace: is_traced.then(Vec::new),
            dice,
        };
        world.start();
        world.later_due(0, Due::Up);
        world
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>9.3}  {}", self.now as f64 / 1000.0, what()));
        }
    }

    fn later(&mut self, wait: u64, todo: Todo) {
        self.seq += 1;
        self.todo.insert((self.now + wait, self.seq), todo);
    }

    fn later_due(&mut self, wait: u64, due: Due) {
        self.seq += 1;
        self.due.insert((self.now + wait, self.seq), due);
    }

    fn soon(&mut self, from: u64, to: u64, due: Due) {
        let wait = self.dice.between(from, to);
        self.later_due(wait, due);
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    fn device_time(&self) -> Option<DeviceTime> {
        self.clock.and_then(|offset| DeviceTime::from_unix_seconds(offset + (self.now / 1000) as i64))
    }

    /// Lets `wait` milliseconds pass.
    pub(crate) fn pass(&mut self, wait: u64) -> Check {
        let end = self.now + wait;
        loop {
            let lock = self.todo.keys().next().map(|key| (key.0, 0));
            let session = self.due.keys().next().map(|key| (key.0, 1));
            let timeout = self.journal.as_ref().and_then(Journal::next_timeout).map(|at| (at.as_millis() as u64, 2));
            let first = [lock, session, timeout].into_iter().flatten().min();
            let Some((at, what)) = first.filter(|(at, _)| *at <= end) else {
                self.now = end;
                return Ok(());
            };
            self.now = self.now.max(at);
            // What falls together comes in any order.
            let what =
                if what == 1 && timeout.is_some_and(|(t, _)| t == at) && self.dice.chance(50) { 2 } else { what };
            match what {
                0 => {
                    let (_, todo) = self.todo.pop_first().unwrap();
                    self.happen(todo)?;
                }
                1 => {
                    let (_, due) = self.due.pop_first().unwrap();
                    self.do_due(due)?;
                }
                _ => {
                    let now = self.now();
                    self.journal.as_mut().unwrap().handle_timeout(now);
                    self.drain()?;
                }
            }
        }
    }

    pub(crate) fn play(&mut self, op: Op) -> Check {
        self.say(|| format!("{op:?}"));
        match op {
            Op::Wait(wait) => return self.pass(u64::from(wait)),
            Op::Act(who, action) => self.act(who, action, false)?,
            Op::Blocked(who, action) => {
                // Where a motor stops that does not get there, the log does not say.
                self.tally.moot += 2;
                self.act(who, action, true)?;
            }
            Op::Refused(who, status) => self.write(who, LockAction::Unlock, status)?,
            Op::Lost(who, action) => {
                self.play(Op::Link(true))?;
                self.pass(20_000)?;
                self.loses = true;
                self.act(who, action, false)?;
                self.pass(20_000)?;
                self.loses = false;
            }
            Op::Door => {
                self.door = !self.door;
                let event = if self.door { DoorEvent::Opened } else { DoorEvent::Closed };
                self.write_kind(0, "", LogEntryKind::Door(event))?;
                self.changed()?;
            }
            Op::Clock(by) => {
                // Between a state and its entry: the entry seems to be about something later.
                self.tally.moot += if self.todo.is_empty() { 0 } else { 2 };
                self.clock = Some(self.clock.unwrap_or(START) + by);
            }
            Op::ClockUnset => self.clock = None,
            Op::Link(true) if !self.is_up => self.later_due(0, Due::Up),
            Op::Link(false) => self.down(),
            Op::Link(true) => {}
            Op::Log(on) if on != self.is_logging => {
                self.is_logging = true;
                self.write_kind(2, "Anna", LogEntryKind::Logging(on))?;
                self.is_logging = on;
            }
            Op::Log(_) => {}
            // Before the first entry is stored a cleared log looks like a young one.
            Op::Clear if self.cursor == 0 => {}
            Op::Clear => {
                for (_, _, is_lost) in &mut self.written {
                    *is_lost = true;
                }
                self.log.clear();
                self.next_index = 1;
                self.epoch += 1;
            }
            Op::Kill => self.kill(),
            Op::KillAfter(commits) => self.kill_after = Some(commits),
        }
        Ok(())
    }

    /// Long enough for everything that can still come.
    pub(crate) fn come_to_rest(&mut self) -> Check {
        self.play(Op::Link(true))?;
        self.kill_after = None;
        for _ in 0..7 {
            self.pass(31_000)?;
            self.later_due(0, Due::States);
            self.later_due(50, Due::Check);
        }
        self.pass(31_000)?;
        let missing: Vec<u32> = self
            .written
            .iter()
            .filter(|(epoch, entry, is_lost)| !is_lost && !self.committed.contains(&(*epoch, entry.index)))
            .map(|(_, entry, _)| entry.index)
            .collect();
        ensure!(missing.is_empty(), "entries never stored: {missing:?}");
        ensure!(self.expected.is_empty(), "changes never stored: {:?}", self.expected);
        ensure!(self.unanswered.is_empty(), "left open for ever: {:?}", self.unanswered);
        ensure!(
            self.cursor == self.log.last().map_or(self.cursor, |entry| entry.index),
            "the cursor is {}",
            self.cursor
        );
        Ok(())
    }

    // ---- the lock

    fn act(&mut self, who: Who, action: LockAction, is_blocked: bool) -> Check {
        use LockState as S;
        let is_device = matches!(who, Who::Hand | Who::AutoLock | Who::TimeControl);
        let (is_in, is_out) = (matches!(self.state, S::Unlocked | S::UnlockedLockNGo), self.state == S::Locked);
        if self.now < self.moving_until {
            return if is_device { Ok(()) } else { self.write(who, action, CompletionStatus::Busy) };
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
        if let Some(who) = self.unlogged_leave.take() {
            self.write(who, LockAction::LockNGo, CompletionStatus::Success)?;
        }
        if is_there {
            // After a lock 'n' go: did it lock by itself, or this act? Does a second one begin anew?
            self.tally.moot += 2 * u64::from(self.state != S::Unlocked && self.has_left && self.owner != Some(who));
            self.last_action = (action, who.trigger(), CompletionStatus::Success);
            return self.write(who, action, CompletionStatus::Success);
        }
        if self.state == S::UnlockedLockNGo && self.owner != Some(who) {
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
        let end = self.run(who, &path, ends);
        let lag = self.firmware.lag;
        let (shown, logged) = if self.firmware.entry_first { (end + lag, end) } else { (end, end + lag) };
        if who != Who::Hand || self.firmware.hand_is_action {
            self.later(shown, Todo::Last(who, action, status));
        }
        self.later(shown, Todo::State(ends, who));
        let is_leaving = ends == S::UnlockedLockNGo;
        if is_leaving {
            let timer = self.dice.between(4_000, 9_000);
            self.later(shown.max(logged) + timer, Todo::Relock(who, self.relock));
        }
        if is_leaving && self.firmware.lock_n_go == LockNGoLog::AtEnd {
            self.unlogged_leave = Some(who);
        } else {
            self.later(logged, Todo::Entry(who, action, status));
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
    fn run(&mut self, who: Who, path: &[(LockState, u64)], _ends: LockState) -> u64 {
        let mut at = 0;
        for (state, lasts) in path {
            self.later(at, Todo::State(*state, who));
            at += lasts;
        }
        at
    }

    fn happen(&mut self, todo: Todo) -> Check {
        match todo {
            Todo::State(state, who) => {
                self.state = state;
                self.owner = Some(who);
                self.trigger = who.trigger();
                self.changed()
            }
            Todo::Last(who, action, status) => {
                self.last_action = (action, who.trigger(), status);
                Ok(())
            }
            Todo::Entry(who, action, status) => self.write(who, action, status),
            Todo::Relock(who, number) if number == self.relock => {
                self.relock += 1;
                let logs = self.firmware.lock_n_go;
                let motor = self.run(who, &[(LockState::Locking, self.firmware.motor)], LockState::Locked);
                if logs == LockNGoLog::Twice {
                    self.later(motor, Todo::Last(who, LockAction::Lock, CompletionStatus::Success));
                }
                self.later(motor, Todo::State(LockState::Locked, who));
                self.moving_until = self.now + motor + self.firmware.lag + 1;
                match logs {
                    LockNGoLog::Twice => {
                        self.later(
                            motor + self.firmware.lag,
                            Todo::Entry(who, LockAction::Lock, CompletionStatus::Success),
                        );
                    }
                    LockNGoLog::AtStart => {}
                    LockNGoLog::AtEnd => {
                        if let Some(who) = self.unlogged_leave.take() {
                            let entry = Todo::Entry(who, LockAction::LockNGo, CompletionStatus::Success);
                            self.later(motor + self.firmware.lag, entry);
                        }
                    }
                }
                Ok(())
            }
            Todo::Relock(..) => Ok(()),
        }
    }

    fn write(&mut self, who: Who, action: LockAction, completion_status: CompletionStatus) -> Check {
        let (auth_id, name) = who.auth();
        let kind = match who.key() {
            Some((source, code_id)) => LogEntryKind::Keypad(KeypadEntry { action, source, completion_status, code_id }),
            None => {
                let trigger = who.trigger();
                LogEntryKind::LockAction(LoggedAction { action, trigger, flags: 0, completion_status })
            }
        };
        self.write_kind(auth_id, name, kind)
    }

    fn write_kind(&mut self, auth_id: u32, name: &str, kind: LogEntryKind) -> Check {
        if !self.is_logging || self.loses {
            return Ok(());
        }
        let (index, timestamp) = (self.next_index, self.device_time());
        let entry = LogEntry { index, timestamp, auth_id, name: name.to_owned(), kind };
        self.next_index += 1;
        self.say(|| format!("    log {index}: {auth_id} {name} {:?}", entry.kind));
        self.written.push((self.epoch, entry.clone(), false));
        self.log.push(entry);
        if self.is_up {
            // The beacon says "changed".
            self.soon(150, 1_500, Due::Read);
        }
        Ok(())
    }

    fn now_states(&self) -> KeyturnerStates {
        let (action, trigger, completion_status) = self.last_action;
        let full = self.firmware.has_last_action;
        KeyturnerStates {
            nuki_state: NukiState::from_code(2),
            lock_state: self.state,
            trigger: self.trigger,
            current_time: self.device_time(),
            timezone_offset: 0,
            battery: Battery(0),
            config_update_count: 0,
            lock_n_go_timer: 0,
            last_action: full.then_some(LastAction { action, trigger, completion_status }),
            door_sensor: full.then_some(if self.door { DoorSensorState::Opened } else { DoorSensorState::Closed }),
            night_mode: None,
            accessory_battery: None,
            network: None,
        }
    }

    fn changed(&mut self) -> Check {
        if !self.is_up {
            return Ok(());
        }
        self.feed()?;
        if !self.state.is_transitional() {
            self.soon(80, 400, Due::Read);
        }
        Ok(())
    }

    // ---- the session

    fn start(&mut self) {
        let pending = self
            .unanswered
            .iter()
            .map(|question| Pending { change: question.change, states: KeyturnerStates::decode(&question.raw).ok() });
        self.journal = Some(Journal::new(JournalConfig {
            own_auth_id: GATEWAY,
            cursor: self.cursor,
            states: self.states,
            pending: pending.collect(),
            directory: self.directory.clone(),
            patience: PATIENCE,
        }));
        self.read_up_to = self.cursor;
        self.fed = self.states;
        self.is_first = true;
        self.expected.clear();
    }

    fn kill(&mut self) {
        // Whose lock 'n' go runs is not stored.
        self.tally.moot += u64::from(self.has_left);
        let was_up = self.is_up || self.due.values().any(|due| matches!(due, Due::Up));
        self.down();
        self.start();
        self.say(|| "    restarted".to_owned());
        if was_up {
            self.soon(200, 4_000, Due::Up);
        }
    }

    fn down(&mut self) {
        // That the motor went on at once must be seen, to know that it was on its way.
        self.tally.moot += u64::from(self.firmware.unlatches_over_unlocked && self.now < self.moving_until);
        self.is_up = false;
        self.due.clear();
    }

    fn do_due(&mut self, due: Due) -> Check {
        match due {
            Due::Up => {
                self.is_up = true;
                self.feed()?;
                self.soon(50, 300, Due::Check);
                if self.wants_directory {
                    self.soon(50, 300, Due::Directory);
                }
                Ok(())
            }
            _ if !self.is_up => Ok(()),
            Due::States => self.feed(),
            Due::Check => {
                let newest = self.log.last().map(|entry| entry.index);
                let blocked = (!self.is_logging).then_some(UnknownReason::LoggingOff);
                let now = self.now();
                self.journal.as_mut().unwrap().handle_log_access(blocked, now);
                self.drain()?;
                if newest.unwrap_or(0) < self.read_up_to {
                    self.say(|| "    the log was cleared".to_owned());
                    self.read_up_to = 0;
                    self.journal.as_mut().unwrap().handle_log_reset(newest);
                    self.drain()?;
                }
                self.later_due(20, Due::Read);
                Ok(())
            }
            Due::Read => {
                let page: Vec<LogEntry> = self
                    .log
                    .iter()
                    .filter(|entry| entry.index > self.read_up_to)
                    .take(self.firmware.page)
                    .cloned()
                    .collect();
                let end = page.len() < self.firmware.page;
                self.read_up_to = page.last().map_or(self.read_up_to, |entry| entry.index);
                let indexes: Vec<u32> = page.iter().map(|entry| entry.index).collect();
                self.say(|| format!("    page {indexes:?}{}", if end { ", end" } else { "" }));
                if !end {
                    self.soon(20, 150, Due::Read);
                }
                let now = self.now();
                self.journal.as_mut().unwrap().handle_log(page, end, now);
                self.drain()
            }
            Due::Directory => {
                self.wants_directory = false;
                self.directory = everybody();
                let (now, directory) = (self.now(), self.directory.clone());
                self.journal.as_mut().unwrap().handle_directory(directory, now);
                self.drain()
            }
        }
    }

    fn feed(&mut self) -> Check {
        let states = self.now_states();
        // Through the bytes, as it comes.
        let states = KeyturnerStates::decode(&states.encode()).unwrap();
        self.say(|| format!("    sees {} by {}", states.lock_state, states.trigger));
        let seen = |is_question, live| Seen { states, owner: self.owner, live, is_question };
        match self.fed {
            None => {
                // Whose lock 'n' go runs when we come for the first time, the log's first entries do not prove.
                self.tally.moot += u64::from(states.lock_state == LockState::UnlockedLockNGo || self.relock > 0);
                let first = Seen { states, owner: self.owner, live: false, is_question: false };
                self.expected.push_back(first);
            }
            Some(fed) if fed.lock_state != states.lock_state => {
                self.expected.push_back(seen(!states.lock_state.is_transitional(), !self.is_first));
            }
            Some(fed) if fed.door_sensor != states.door_sensor => self.expected.push_back(seen(false, !self.is_first)),
            Some(_) => {}
        }
        self.fed = Some(states);
        self.is_first = false;
        let now = self.now();
        self.journal.as_mut().unwrap().handle_states(states, now);
        self.drain()
    }

    fn drain(&mut self) -> Check {
        while let Some(output) = self.journal.as_mut().unwrap().poll() {
            match output {
                Output::Commit(draft) => {
                    self.commit(&draft)?;
                    if let Some(left) = &mut self.kill_after {
                        *left = left.saturating_sub(1);
                        if *left == 0 {
                            self.kill_after = None;
                            self.kill();
                            return Ok(());
                        }
                    }
                }
                Output::ReadLog => self.later_due(250, Due::Read),
                Output::CheckLog => self.soon(20, 100, Due::Check),
                Output::ReadState => self.soon(20, 300, Due::States),
                Output::ReadDirectory => {
                    self.wants_directory = true;
                    self.soon(50, 1_500, Due::Directory);
                }
            }
        }
        Ok(())
    }

    // ---- the truth

    fn commit(&mut self, draft: &Draft) -> Check {
        self.say(|| {
            let event = |e: &Event| {
                let change = e.change.map(|c| format!("{:?}->{}", c.before.map(|b| b.to_string()), c.after));
                let late = if e.answers_pending { " late" } else { "" };
                format!(
                    "[{} {:?} {:?} {} {change:?}{late}]",
                    e.kind.name(),
                    e.log_index,
                    identity_of(e),
                    e.attribution.name()
                )
            };
            let events: Vec<String> = draft.events.iter().map(event).collect();
            let told: Vec<String> =
                draft.tellings.iter().map(|t| format!("{}:{:?}", t.states.lock_state, t.event)).collect();
            format!("  commit cursor {:?} events {} told {}", draft.cursor, events.join(" "), told.join(" "))
        });
        let mut questions = VecDeque::new();
        let mut live = VecDeque::new();
        for observation in &draft.observations {
            let Some(seen) = self.expected.pop_front() else {
                return Err(format!("stored a state that was not seen: {observation:?}"));
            };
            ensure!(seen.states == observation.states, "states out of order: {seen:?} and {observation:?}");
            self.states = Some(seen.states);
            if seen.is_question {
                questions.push_back(seen);
            }
            if seen.live {
                live.push_back(seen);
            }
        }
        for event in &draft.events {
            self.check_entry(event)?;
            self.check_change(event, &mut questions)?;
        }
        ensure!(questions.is_empty(), "a change was stored without an event: {questions:?}");
        ensure!(
            draft.cursor.is_none_or(|cursor| cursor == self.cursor),
            "cursor {:?}, last entry {}",
            draft.cursor,
            self.cursor
        );
        ensure!(live.len() == draft.tellings.len(), "told {:?} for {live:?}", draft.tellings);
        for (telling, seen) in draft.tellings.iter().zip(live) {
            ensure!(telling.states == seen.states, "told out of order: {telling:?}");
            self.tally.told += 1;
            let Some(at) = telling.event else { continue };
            let event = draft.events.get(at).ok_or("a telling without its event")?;
            ensure!(event.change.is_some_and(|change| change.after == seen.states.lock_state), "told with {event:?}");
            self.check_person(event, seen.owner)?;
            self.tally.told_named += 1;
        }
        Ok(())
    }

    fn check_entry(&mut self, event: &Event) -> Check {
        if event.kind == EventKind::Reset {
            self.committed_epoch += 1;
            self.cursor = 0;
        }
        let Some(index) = event.log_index.filter(|_| event.kind != EventKind::StateChange) else { return Ok(()) };
        ensure!(index > self.cursor, "entry {index} stored behind {}", self.cursor);
        self.cursor = index;
        let place = (self.committed_epoch, index);
        ensure!(!self.committed.contains(&place), "entry {place:?} stored twice");
        let written = self.written.iter().find(|(epoch, entry, _)| (*epoch, entry.index) == place);
        let entry = written.ok_or_else(|| format!("entry {place:?} was never written"))?;
        ensure!(entry.1.encode() == event.raw, "entry {place:?} is not what was written");
        self.committed.push(place);
        self.tally.entries += 1;
        Ok(())
    }

    fn check_change(&mut self, event: &Event, questions: &mut VecDeque<Seen>) -> Check {
        let Some(change) = event.change else {
            ensure!(!event.answers_pending, "answers nothing: {event:?}");
            return Ok(());
        };
        ensure!(!event.is_refused(), "a refused attempt moved the bolt: {event:?}");
        let owner = if event.answers_pending {
            let question = self.unanswered.pop_front().ok_or("an answer without a question")?;
            // The store looks for the oldest with these states.
            ensure!(question.change == change, "answered {change:?} instead of {:?}", question.change);
            self.tally.late += 1;
            question.owner
        } else {
            let seen = questions.pop_front().ok_or("a change that was not seen")?;
            ensure!(seen.states.lock_state == change.after, "{change:?} for {seen:?}");
            self.tally.changes += 1;
            seen.owner
        };
        match event.attribution {
            Attribution::Pending => {
                self.unanswered.push_back(Unanswered { change, raw: event.raw.clone(), owner });
                Ok(())
            }
            Attribution::Unknown(_) => {
                self.tally.unknown += 1;
                ensure!(event.who.auth_id.is_none() && event.who.code_id.is_none(), "unknown, yet named: {event:?}");
                Ok(())
            }
            Attribution::Matched | Attribution::Nobody => {
                self.tally.named += 1;
                self.check_person(event, owner)
            }
        }
    }

    fn check_person(&self, event: &Event, owner: Option<Who>) -> Check {
        let named = identity_of(event);
        let is_right = owner.is_some_and(|who| who.identity() == named);
        ensure!(is_right, "WRONG PERSON: it was {owner:?}, and {named:?} is named in {event:?}");
        Ok(())
    }
}

fn everybody() -> Directory {
    let user = |name: &str, id_type| User { name: name.to_owned(), id_type };
    let users = [
        (GATEWAY, user("Keyturner", IdType::Bridge)),
        (2, user("Anna", IdType::App)),
        (3, user("Ben", IdType::App)),
        (4, user("Fob", IdType::Fob)),
        (KEYPAD, user("Keypad", IdType::Keypad)),
    ];
    let codes = [(1, "Cleaner"), (2, "Guest"), (3, "Dora")].map(|(id, name)| (id, name.to_owned()));
    Directory::new(users.into(), codes.into())
}
