//! What a history is made of, and what came out of it.

use keyturner::protocol::{CompletionStatus, LockAction};

use super::World;
use super::keys::Change;
use super::people::Who;

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
    /// The entry is written and gone before anybody reads it; its number is missing.
    Gone(Who, LockAction),
    /// A number's holder changes.
    Key(Who, Change),
    Door,
    /// Somebody rings.
    Ring,
    /// Nobody comes for so many days.
    Days(u8),
    /// The clock is set, by so many seconds.
    Clock(i64),
    /// The gateway sets the clock to its own.
    ClockRight,
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

impl Script {
    /// Plays it; what came out, or what went wrong, and the way there.
    pub(crate) fn play(&self, is_traced: bool) -> (Result<Tally, String>, Vec<String>) {
        let mut world = World::new(self, is_traced);
        let result = (|| {
            for op in &self.ops {
                world.play(*op)?;
            }
            world.come_to_rest()?;
            Ok(world.tally)
        })();
        (result, world.trace.take().unwrap_or_default())
    }
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
    /// Entries of a code, and those of them that have its name.
    pub(crate) coded: u64,
    pub(crate) code_named: u64,
    /// Changes of people and codes.
    pub(crate) key_changes: u64,
}

impl Tally {
    /// Changes without a name though nothing in the history hides whose they are.
    pub(crate) const fn silent(&self) -> u64 {
        self.unknown.saturating_sub(self.moot)
    }
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
        self.coded += other.coded;
        self.code_named += other.code_named;
        self.key_changes += other.key_changes;
    }
}
