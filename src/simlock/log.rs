//! The activity log inside the lock.

use std::collections::VecDeque;

use crate::protocol::datetime::DeviceTime;
use crate::protocol::frame::AuthId;
use crate::protocol::log::{LogEntry, LogEntryKind, LogIndex, LogRequest, SortOrder};
use crate::protocol::pairing::name_as_stored;

/// Bytes of data to which some firmware fills entries up.
const PADDED_DATA: usize = 5;

/// A ring of entries; the index rises by one with each, and begins anew at 1 behind the highest number.
#[derive(Debug)]
pub(super) struct ActivityLog {
    entries: VecDeque<LogEntry>,
    capacity: usize,
    next_index: LogIndex,
    pub(super) enabled: bool,
}

impl ActivityLog {
    pub(super) const fn new(capacity: usize, next_index: LogIndex) -> Self {
        Self { entries: VecDeque::new(), capacity, next_index, enabled: true }
    }

    /// Everything is forgotten, and the numbers begin anew.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.next_index = 1;
    }

    pub(super) const fn entries(&self) -> &VecDeque<LogEntry> {
        &self.entries
    }

    pub(super) fn write(&mut self, timestamp: Option<DeviceTime>, auth_id: AuthId, name: &str, kind: LogEntryKind) {
        let index = self.next_index;
        // 0 is no number: a request that begins there begins at the end of the log.
        self.next_index = index.checked_add(1).unwrap_or(1);
        if self.entries.len() >= self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back(LogEntry { index, timestamp, auth_id, name: name_as_stored(name), kind });
    }

    /// The entries that a request asks for, in its order, and how many there are without its limit.
    pub(super) fn select(&self, request: &LogRequest) -> (Vec<&LogEntry>, usize) {
        let start = request.start_index;
        let wanted = |entry: &&LogEntry| match request.order {
            _ if start == 0 => true,
            SortOrder::Ascending => entry.index > start,
            SortOrder::Descending => entry.index < start,
        };
        let available = self.entries.iter().filter(wanted);
        let count = available.clone().count();
        let limit = usize::from(request.count);
        let chosen = match request.order {
            SortOrder::Ascending => available.take(limit).collect(),
            SortOrder::Descending => available.rev().take(limit).collect(),
        };
        (chosen, count)
    }

    /// The payload of an entry, filled up if the firmware does that.
    pub(super) fn payload(entry: &LogEntry, is_padded: bool) -> Vec<u8> {
        let mut payload = entry.encode();
        if is_padded {
            payload.resize(payload.len().max(LogEntry::MIN_LEN + PADDED_DATA), 0);
        }
        payload
    }
}
