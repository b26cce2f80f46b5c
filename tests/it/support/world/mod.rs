//! A door, its people, a lock and a session, as small as a journal can tell from the real ones, and the truth beside them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use keyturner::attribution::{Journal, StateChange};
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::log::{LogEntry, LogEntryKind, Ring};
use keyturner::protocol::state::KeyturnerStates;
use keyturner::protocol::{CompletionStatus, DoorEvent, LockAction, LockState, Trigger};

use super::dice::Dice;

/// `?` with a reason.
macro_rules! ensure {
    ($cond:expr, $($why:tt)*) => {
        if !$cond {
            return Err(format!($($why)*));
        }
    };
}

mod keys;
mod lock;
mod people;
mod script;
mod session;
mod truth;

pub(crate) use keys::Change;
use keys::{By, Keys};
pub(crate) use people::Who;
pub(crate) use script::{Firmware, LockNGoLog, Op, Script, Tally};

pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
/// 2026-11-23 14:00:00 UTC.
const START: i64 = 1_795_442_400;

#[derive(Debug, Clone)]
enum Todo {
    State(LockState, By),
    /// What bytes 15 to 17 say from now on.
    Last(Trigger, LockAction, CompletionStatus),
    Entry(By, LockAction, CompletionStatus),
    /// Lock 'n' go locks.
    Relock(By, u64),
}

#[derive(Debug, Clone, Copy)]
enum Due {
    States,
    Check,
    /// The beacon says "changed".
    Beacon,
    Read,
    Directory,
    Up,
}

/// A state as it was handed to the journal.
#[derive(Debug, Clone)]
struct Seen {
    states: KeyturnerStates,
    owner: Option<By>,
    live: bool,
    is_question: bool,
}

#[derive(Debug, Clone)]
struct Unanswered {
    change: StateChange,
    raw: Vec<u8>,
    at: i64,
    /// The state that was stored before it.
    before: Option<KeyturnerStates>,
    owner: Option<By>,
}

/// An entry as it was written.
#[derive(Debug)]
struct Written {
    epoch: u32,
    entry: LogEntry,
    by: Option<By>,
    /// The same holder with the names they had by then.
    then: Option<By>,
    is_lost: bool,
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    firmware: Firmware,
    now: u64,
    seq: u64,
    // The lock.
    state: LockState,
    owner: Option<By>,
    trigger: Trigger,
    last_action: (LockAction, Trigger, CompletionStatus),
    door: bool,
    /// Device clock minus host clock, seconds; `None` if it was never set.
    clock: Option<i64>,
    has_fallen: bool,
    is_logging: bool,
    loses: bool,
    /// The next entry is gone before it is read.
    drops: bool,
    keys: Keys,
    log: Vec<LogEntry>,
    next_index: u32,
    epoch: u32,
    todo: BTreeMap<(u64, u64), Todo>,
    moving_until: u64,
    relock: u64,
    unlogged_leave: Option<By>,
    has_unlatched: bool,
    has_left: bool,
    // The session.
    is_up: bool,
    due: BTreeMap<(u64, u64), Due>,
    read_up_to: u32,
    /// The configuration's count as the session knows it.
    count: Option<u8>,
    wants_directory: bool,
    journal: Option<Journal>,
    // What is stored.
    cursor: u32,
    /// Time of the last stored entry, as the store has it.
    read_up_to_time: Option<i64>,
    states: Option<KeyturnerStates>,
    unanswered: VecDeque<Unanswered>,
    // The truth.
    written: Vec<Written>,
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
            has_fallen: false,
            is_logging: true,
            loses: false,
            drops: false,
            keys: Keys::new(DeviceTime::from_unix_seconds(START - 90_000), knows_all),
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
            count: None,
            wants_directory: false,
            journal: None,
            cursor: 0,
            read_up_to_time: None,
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
            Op::Refused(who, status) => {
                let Some(by) = self.keys.by(who) else { return Ok(()) };
                self.write(&by, LockAction::Unlock, status)?;
            }
            Op::Lost(who, action) => {
                self.play(Op::Link(true))?;
                self.pass(20_000)?;
                self.loses = true;
                self.act(who, action, false)?;
                self.pass(45_000)?;
                self.loses = false;
            }
            Op::Gone(who, action) => {
                // In front of the first entry that is ever read nobody can miss one, and what neither log nor state show
                // leaves no trace.
                let leaves_trace = self.firmware.has_last_action || action != LockAction::Unlatch;
                self.drops = self.cursor != 0 && leaves_trace;
                self.act(who, action, false)?;
            }
            Op::Key(who, change) => {
                let (created, is_sound) = (self.device_time(), !self.has_fallen && self.todo.is_empty());
                if self.keys.change(who, change, created, is_sound) {
                    self.tally.key_changes += 1;
                    // What changes within the second in which it is used cannot be told apart.
                    return self.pass(2_000);
                }
            }
            Op::Door => {
                self.door = !self.door;
                let event = if self.door { DoorEvent::Opened } else { DoorEvent::Closed };
                self.write_kind(None, LogEntryKind::Door(event))?;
                self.changed()?;
            }
            Op::Ring => {
                let ring = Ring {
                    mode: 1,
                    source: 0,
                    geofence: false,
                    suppressed: false,
                    sound_id: 1,
                    completion_status: CompletionStatus::Success,
                    code_id: 0,
                };
                self.write_kind(None, LogEntryKind::Ring(ring))?;
            }
            Op::Days(days) => return self.pass(u64::from(days) * 86_400_000),
            // Between a state and its entry a second more or less looks like a second that has just passed.
            Op::Clock(by) if by.abs() <= 2 && !self.todo.is_empty() => {}
            Op::Clock(by) => self.set_clock(Some(self.clock.unwrap_or(START) + by)),
            Op::ClockRight if self.is_up => self.set_clock(Some(START)),
            Op::ClockRight => {}
            Op::ClockUnset => self.set_clock(None),
            Op::Link(true) if !self.is_up => self.later_due(0, Due::Up),
            Op::Link(false) => self.down(),
            Op::Link(true) => {}
            Op::Log(on) if on != self.is_logging => {
                self.is_logging = true;
                let by = self.keys.by(Who::Phone);
                self.write_kind(by.as_ref(), LogEntryKind::Logging(on))?;
                self.is_logging = on;
            }
            Op::Log(_) => {}
            // Before the first entry is stored a cleared log looks like a young one, and one that is cleared while it is
            // read like one that ends there.
            Op::Clear if self.cursor == 0 || self.read_up_to > self.cursor => {}
            Op::Clear => {
                for written in &mut self.written {
                    written.is_lost = true;
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

    fn set_clock(&mut self, clock: Option<i64>) {
        // Between a state and its entry the entry seems to be about something else, and a change that waits for its answer
        // cannot be compared with it any more.
        let waits = !self.todo.is_empty() || !self.expected.is_empty() || !self.unanswered.is_empty();
        self.tally.moot += 2 * u64::from(waits);
        self.has_fallen |= clock < self.clock;
        self.clock = clock;
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
            .filter(|written| !written.is_lost && !self.committed.contains(&(written.epoch, written.entry.index)))
            .map(|written| written.entry.index)
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
}
