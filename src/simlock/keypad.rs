//! Keypad codes. The digits live here and on the wire of one listing, nowhere else.

use crate::protocol::datetime::DeviceTime;
use crate::protocol::log::CodeId;
use crate::protocol::users::{CodeDigits, KeypadCode, TimeLimit};

use super::config::CodeConfig;

/// A code with its digits, which print as nothing.
#[derive(Debug, Clone)]
pub struct KeypadRecord {
    /// As it is listed.
    pub entry: KeypadCode,
    pub(super) digits: CodeDigits,
}

#[derive(Debug)]
pub(super) struct Keypad {
    records: Vec<KeypadRecord>,
    next_id: CodeId,
}

impl Keypad {
    pub(super) fn new(configs: &[CodeConfig]) -> Self {
        let mut keypad = Self { records: Vec::new(), next_id: 1 };
        for config in configs {
            keypad.insert(&config.name, config.digits, None, (config.enabled, config.time_limit));
        }
        keypad
    }

    pub(super) fn all(&self) -> &[KeypadRecord] {
        &self.records
    }

    pub(super) fn get_mut(&mut self, id: CodeId) -> Option<&mut KeypadRecord> {
        self.records.iter_mut().find(|record| record.entry.code_id == id)
    }

    pub(super) fn find(&self, digits: CodeDigits) -> Option<&KeypadRecord> {
        self.records.iter().find(|record| record.digits == digits)
    }

    pub(super) fn add(
        &mut self,
        name: &str,
        digits: CodeDigits,
        created: Option<DeviceTime>,
        time_limit: Option<TimeLimit>,
    ) -> CodeId {
        self.insert(name, digits, created, (true, time_limit))
    }

    fn insert(
        &mut self,
        name: &str,
        digits: CodeDigits,
        created: Option<DeviceTime>,
        (enabled, time_limit): (bool, Option<TimeLimit>),
    ) -> CodeId {
        let code_id = self.next_id;
        self.next_id = code_id.saturating_add(1);
        let entry = KeypadCode {
            code_id,
            name: name.to_owned(),
            enabled,
            created,
            last_active: None,
            lock_count: 0,
            time_limit,
        };
        self.records.push(KeypadRecord { entry, digits });
        code_id
    }

    /// Whether there was one.
    pub(super) fn remove(&mut self, id: CodeId) -> bool {
        let before = self.records.len();
        self.records.retain(|record| record.entry.code_id != id);
        self.records.len() < before
    }

    pub(super) fn used(&mut self, id: CodeId, at: Option<DeviceTime>) {
        if let Some(record) = self.get_mut(id) {
            record.entry.last_active = at;
            record.entry.lock_count = record.entry.lock_count.saturating_add(1);
        }
    }
}
