//! How fresh the names are that entries are given.

use std::collections::BTreeSet;

use super::directory::Directory;
use super::entry::event_of;
use super::event::Event;
use super::tenure::Order;
use crate::protocol::frame::AuthId;
use crate::protocol::log::{CodeId, LogEntry, LogEntryKind};

/// People and codes, and to which entries their last reading applies.
///
/// A lock counts changes of its configuration, and shows the count with its
/// state. While it differs from the one at the last reading, no name counts.
#[derive(Debug)]
pub(super) struct Names {
    directory: Directory,
    own_auth_id: AuthId,
    /// The count at the last reading of this process.
    count: Option<u8>,
    /// The lock showed another count since.
    is_outdated: bool,
    /// What was read of the log up to here may be older than the last reading; `None` while everything may.
    after: Option<u64>,
    /// Numbers that were asked for in vain.
    asked_users: BTreeSet<AuthId>,
    asked_codes: BTreeSet<CodeId>,
}

impl Names {
    /// Names as stored, which nobody has compared with the lock yet.
    pub(super) const fn new(directory: Directory, own_auth_id: AuthId) -> Self {
        Self {
            directory,
            own_auth_id,
            count: None,
            is_outdated: true,
            after: None,
            asked_users: BTreeSet::new(),
            asked_codes: BTreeSet::new(),
        }
    }

    /// The event of an entry that was the `serial`-th to be read.
    pub(super) fn event_of(&self, entry: &LogEntry, serial: u64) -> Event {
        event_of(entry, &self.directory, self.order(serial), self.own_auth_id)
    }

    fn order(&self, serial: u64) -> Order {
        match self.after {
            _ if self.is_outdated => Order::Outdated,
            Some(after) if serial > after => Order::After,
            _ => Order::Either,
        }
    }

    /// The lock shows this count; `true` if people and codes must be read because of it.
    pub(super) fn shown(&mut self, count: u8) -> bool {
        let is_new = self.count.is_some_and(|known| known != count) && !self.is_outdated;
        self.is_outdated |= is_new;
        is_new
    }

    /// People and codes were read while the lock showed this count.
    pub(super) fn read(&mut self, directory: Directory, count: Option<u8>) {
        self.directory.take_reading(directory);
        self.count = count;
        self.is_outdated = false;
        self.after = None;
    }

    /// The log was read to its end, up to the `serial`-th entry.
    pub(super) fn log_ended(&mut self, serial: u64) {
        self.after.get_or_insert(serial);
    }

    /// Everything that was read is stored.
    pub(super) fn all_stored(&mut self) {
        if self.after.is_some() {
            self.directory.forget_former();
        }
    }

    /// Whether entries have to wait for the next reading.
    pub(super) const fn are_outdated(&self) -> bool {
        self.is_outdated
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
