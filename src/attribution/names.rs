//! How fresh the names are that entries are given.

use std::collections::BTreeSet;

use super::directory::Directory;
use super::entry::event_of;
use super::event::Event;
use super::explain::is_after;
use super::step::seconds;
use super::tenure::Order;
use crate::protocol::datetime::DeviceTime;
use crate::protocol::frame::AuthId;
use crate::protocol::log::{CodeId, LogEntry, LogEntryKind};

/// An entry can be newer than the state that was seen last by so many seconds, without anything having changed in between.
const AHEAD: i64 = 1;

/// People and codes, and to which entries their last reading applies.
///
/// A lock counts changes of its configuration, and shows the count with its
/// state. While it differs from the one at the last reading, no name counts.
#[derive(Debug)]
pub(super) struct Names {
    directory: Directory,
    own_auth_id: AuthId,
    /// The count that the lock shows.
    count: Option<u8>,
    shown: Option<Shown>,
    reading: Reading,
    /// What was read of the log up to here may be older than the last reading; `None` while everything may.
    after: Option<u64>,
    /// So many readings no longer had somebody whom the one before had.
    changes: u32,
    /// A log that begins anew can hide entries from before any reading, up to here.
    hidden: u64,
    /// Numbers that were asked for in vain.
    asked_users: BTreeSet<AuthId>,
    asked_codes: BTreeSet<CodeId>,
}

/// When the lock showed its count, by its own clock in seconds.
#[derive(Debug, Clone, Copy)]
struct Shown {
    /// First with a bolt that was at rest: what still ran, or ended just then, was begun by whoever was known before.
    at_rest: Option<i64>,
    last: i64,
}

/// How the last reading stands to the count that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The lock shows another count since, or nothing was read by this process.
    Outdated,
    /// The count was not seen again since.
    Fresh,
    /// The same count was shown before and after it: nothing has changed since it was shown first.
    Confirmed,
}

impl Names {
    /// Names as stored, which nobody has compared with the lock yet.
    pub(super) const fn new(directory: Directory, own_auth_id: AuthId) -> Self {
        Self {
            directory,
            own_auth_id,
            count: None,
            shown: None,
            reading: Reading::Outdated,
            after: None,
            changes: 0,
            hidden: 0,
            asked_users: BTreeSet::new(),
            asked_codes: BTreeSet::new(),
        }
    }

    /// The event of an entry that was the `serial`-th to be read.
    pub(super) fn event_of(&self, entry: &LogEntry, serial: u64) -> Event {
        event_of(entry, &self.directory, self.order(entry, serial), self.own_auth_id)
    }

    fn order(&self, entry: &LogEntry, serial: u64) -> Order {
        let is_after_log = self.after.is_some_and(|after| serial > after);
        match self.reading {
            Reading::Outdated => Order::Outdated,
            _ if self.is_ahead(entry) || serial <= self.hidden => Order::Outdated,
            Reading::Confirmed if self.is_of_this_count(entry) => Order::After,
            _ if is_after_log => Order::After,
            _ => Order::Either,
        }
    }

    /// Whether an entry was written while the lock had the count that it shows now.
    fn is_of_this_count(&self, entry: &LogEntry) -> bool {
        let time = seconds(entry.timestamp);
        let shown = self.shown.and_then(|shown| Some((shown.at_rest?, shown.last)));
        time.zip(shown).is_some_and(|(time, (first, last))| is_after(time, first) && time <= last + AHEAD)
    }

    /// Whether an entry is newer than what was seen of the count.
    fn is_ahead(&self, entry: &LogEntry) -> bool {
        let time = seconds(entry.timestamp);
        time.zip(self.shown).is_some_and(|(time, shown)| time > shown.last + AHEAD)
    }

    /// The lock shows this count; `true` if people and codes must be read because of it.
    pub(super) fn shown(&mut self, count: u8, clock: Option<DeviceTime>, is_still: bool, clock_goes_on: bool) -> bool {
        let clock = seconds(clock);
        let begins = clock.map(|clock| Shown { at_rest: is_still.then_some(clock), last: clock });
        if self.count.replace(count) != Some(count) {
            self.shown = begins;
            return core::mem::replace(&mut self.reading, Reading::Outdated) != Reading::Outdated;
        }
        // A clock that was set compares nothing any more.
        let goes_on = self.shown.zip(clock).filter(|(shown, clock)| *clock >= shown.last && clock_goes_on);
        self.shown = goes_on.map(|(shown, last)| Shown { at_rest: shown.at_rest.or(is_still.then_some(last)), last });
        if self.reading == Reading::Fresh {
            self.reading = Reading::Confirmed;
        }
        false
    }

    /// People and codes were read.
    pub(super) fn read(&mut self, directory: Directory) {
        let has_gone = self.directory.take_reading(directory);
        self.changes = self.changes.saturating_add(u32::from(has_gone));
        self.reading = Reading::Fresh;
        self.after = None;
    }

    /// Entries of one number and one era are of one holder; `None` if the number has lately had two.
    pub(super) fn era(&self, entry: &LogEntry) -> Option<u32> {
        let code_id = if let LogEntryKind::Keypad(keypad) = &entry.kind { keypad.code_id } else { 0 };
        let has_one_holder = !self.directory.had_other_holders(entry.auth_id, code_id);
        has_one_holder.then_some(self.changes)
    }

    /// The log was read to its end, up to the `serial`-th entry, and nothing that began before the last reading can be missing in it.
    pub(super) fn log_ended(&mut self, serial: u64) {
        self.after.get_or_insert(serial);
        self.hidden = self.hidden.min(serial);
    }

    /// The log began anew: its ends so far proved nothing.
    pub(super) fn log_reset(&mut self) {
        self.after = None;
        self.hidden = u64::MAX;
    }

    /// Everything that was read is stored.
    pub(super) fn all_stored(&mut self) {
        if self.after.is_some() {
            self.directory.forget_former();
        }
    }

    /// Whether entries have to wait for the next reading.
    pub(super) const fn are_outdated(&self) -> bool {
        matches!(self.reading, Reading::Outdated)
    }

    /// Whether the next state tells if the last reading applies to one of these entries.
    pub(super) fn need_state<'a>(&self, mut entries: impl Iterator<Item = &'a LogEntry>) -> bool {
        let is_doubtful = self.reading == Reading::Fresh && self.directory.has_former();
        !self.are_outdated() && entries.any(|entry| needs_names(entry) && (is_doubtful || self.is_ahead(entry)))
    }

    /// Whether nobody is known under a number of this entry who might be. True once per number.
    pub(super) fn misses(&mut self, entry: &LogEntry) -> bool {
        let user = entry.auth_id;
        let mut misses = user != 0 && !self.directory.knows_user(user) && self.asked_users.insert(user);
        if let LogEntryKind::Keypad(keypad) = &entry.kind {
            let code = keypad.code_id;
            misses |= code != 0 && !self.directory.knows_code(code) && self.asked_codes.insert(code);
        }
        misses
    }
}

/// Whether an entry names anybody whose name or kind the directory knows.
pub(super) const fn needs_names(entry: &LogEntry) -> bool {
    entry.auth_id != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribution::directory::User;
    use crate::attribution::samples::{MIDNIGHT, acted};
    use crate::protocol::{CompletionStatus, IdType, KeypadSource, LockAction};

    fn clock(second: i64) -> Option<DeviceTime> {
        DeviceTime::from_unix_seconds(MIDNIGHT + second)
    }

    fn entry(auth_id: AuthId, second: i64) -> LogEntry {
        acted(auth_id, LockAction::Unlock, CompletionStatus::Success, second)
    }

    fn typed(code_id: CodeId) -> LogEntry {
        let kind = LogEntryKind::Keypad(crate::protocol::log::KeypadEntry {
            action: LockAction::Unlock,
            source: KeypadSource::Code,
            completion_status: CompletionStatus::Success,
            code_id,
        });
        LogEntry { kind, ..entry(3, 0) }
    }

    fn house(names: &[(AuthId, &str)]) -> Directory {
        let mut directory = Directory::default();
        for (auth_id, name) in names {
            let user = User { name: (*name).to_owned(), id_type: IdType::App, created: None };
            directory.set_user(*auth_id, user);
        }
        directory
    }

    /// A lock that showed count 1 at rest at the 100th second, and whose people were read then.
    fn names() -> Names {
        let mut names = Names::new(house(&[(3, "Anna")]), 7);
        names.shown(1, clock(100), true, true);
        names.read(house(&[(3, "Anna")]));
        names
    }

    #[test]
    fn until_they_are_read_nobody_is_named() {
        let mut names = Names::new(house(&[(3, "Anna")]), 7);
        assert!(names.are_outdated());
        assert_eq!(names.order(&entry(3, 100), 1), Order::Outdated);
        assert!(!names.shown(1, clock(100), true, true), "whoever has read nothing reads anyway");
        names.read(house(&[(3, "Anna")]));
        assert!(!names.are_outdated());
        assert_eq!(names.order(&entry(3, 100), 1), Order::Either);
        assert!(!names.shown(1, clock(101), true, true) && names.shown(2, clock(102), true, true), "a new count");
        assert!(names.are_outdated() && !names.shown(3, clock(103), true, true), "asked for already");
    }

    #[test]
    fn an_entry_between_two_sights_of_one_count_is_behind_the_reading() {
        let order = |names: &Names, second| names.order(&entry(3, second), 1);
        let mut names = names();
        assert_eq!(order(&names, 101), Order::Either, "read, and the count not seen again");
        assert_eq!(order(&names, 102), Order::Outdated, "newer than everything that was seen");
        names.shown(1, clock(110), true, true);
        let orders = [100, 101, 102, 110, 111, 112].map(|second| order(&names, second));
        let (either, after, outdated) = (Order::Either, Order::After, Order::Outdated);
        assert_eq!(orders, [either, either, after, after, after, outdated]);
    }

    #[test]
    fn a_count_seen_with_a_running_motor_or_over_a_set_clock_proves_nothing() {
        let mut names = Names::new(Directory::default(), 7);
        names.shown(1, clock(100), false, true);
        names.read(Directory::default());
        names.shown(1, clock(110), true, true);
        assert_eq!(names.order(&entry(3, 105), 1), Order::Either, "the motor ran until then");
        names.shown(1, clock(120), true, true);
        assert_eq!(names.order(&entry(3, 115), 1), Order::After);
        let was_set = |second, goes_on| {
            let mut names = self::names();
            names.shown(1, clock(second), true, goes_on);
            names.order(&entry(3, 105), 1)
        };
        assert_eq!((was_set(110, true), was_set(110, false)), (Order::After, Order::Either));
        assert_eq!(was_set(99, true), Order::Either, "it shows less than before");
        assert_eq!(was_set(100, true), Order::Outdated);
    }

    #[test]
    fn what_is_read_behind_the_end_of_the_log_is_behind_the_reading() {
        let mut names = names();
        names.log_ended(5);
        names.log_ended(9);
        let order = |names: &Names, serial| names.order(&entry(3, 101), serial);
        assert_eq!([5, 6].map(|serial| order(&names, serial)), [Order::Either, Order::After], "the first end counts");
        names.read(house(&[(3, "Anna")]));
        assert_eq!(order(&names, 6), Order::Either, "until the next reading");
        names.log_reset();
        assert_eq!(order(&names, 6), Order::Outdated, "a log that begins anew can hide older ones");
        names.log_ended(7);
        assert_eq!([7, 8].map(|serial| order(&names, serial)), [Order::Outdated, Order::After]);
    }

    #[test]
    fn who_has_gone_is_remembered_until_everything_older_is_stored() {
        let mut names = names();
        assert_eq!(names.era(&entry(3, 0)), Some(0));
        names.read(house(&[(3, "Bert")]));
        assert_eq!((names.era(&entry(3, 0)), names.era(&entry(4, 0))), (None, Some(1)), "3 has had two");
        names.all_stored();
        assert_eq!(names.era(&entry(3, 0)), None, "older ones may come");
        names.log_ended(1);
        names.all_stored();
        assert_eq!(names.era(&entry(3, 0)), Some(1));
        names.read(house(&[(3, "Bert"), (4, "Cleo")]));
        assert_eq!(names.era(&entry(3, 0)), Some(1), "nobody has gone");
    }

    #[test]
    fn a_state_is_needed_where_it_says_to_whom_the_reading_applies() {
        let mut names = names();
        let need = |names: &Names, auth_id, second| names.need_state([entry(auth_id, second)].iter());
        assert!(!need(&names, 3, 101) && need(&names, 3, 102), "one that is newer than what was seen");
        assert!(!need(&names, 0, 102), "which nobody did");
        names.read(house(&[(3, "Bert")]));
        assert!(need(&names, 3, 100), "Anna or Bert");
        names.shown(1, clock(100), true, true);
        assert!(!need(&names, 3, 100), "that is known now");
        names.shown(2, clock(100), true, true);
        assert!(!need(&names, 3, 102), "people are read first");
    }

    #[test]
    fn an_unknown_number_is_asked_for_once() {
        let mut names = names();
        assert!(!names.misses(&entry(3, 0)) && !names.misses(&entry(0, 0)));
        assert!(names.misses(&entry(4, 0)) && !names.misses(&entry(4, 0)));
        assert!(names.misses(&typed(12)) && !names.misses(&typed(12)));
        assert!(!names.misses(&typed(0)), "no code");
    }
}
