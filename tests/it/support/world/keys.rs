//! The authorizations and codes in the lock, what is stored of them, and who a number meant at each moment.

use std::collections::{BTreeMap, BTreeSet};

use keyturner::attribution::{Code, Directory, User};
use keyturner::protocol::IdType;
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::users::{AuthorizationEntry, KeypadCode};

use super::people::{GATEWAY, KEYPAD, Who};

/// What happens to somebody's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Rename,
    Delete,
    /// Deleted, and the number given to somebody else at once.
    Reuse,
}

/// Somebody with the names they had when they acted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct By {
    pub(super) who: Who,
    pub(super) auth_name: String,
    pub(super) id_type: Option<IdType>,
    pub(super) code_name: Option<String>,
    /// Tells holders of one number apart.
    pub(super) holder: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    name: String,
    id_type: IdType,
    created: Option<DeviceTime>,
    holder: u32,
}

/// A stored row: which number, what it said, until when by the host's clock.
#[derive(Debug)]
struct Row {
    number: Number,
    key: Key,
    until: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Number {
    User(u32),
    Code(u16),
}

#[derive(Debug)]
pub(super) struct Keys {
    now: BTreeMap<Number, Key>,
    /// Changed since they were read last: a number that changes twice in between leaves no trace of what it was.
    changed: BTreeSet<Number>,
    was_read: bool,
    serial: u32,
    pub(super) count: u8,
    rows: Vec<Row>,
}

/// As long as the store thinks that clocks differ at most, seconds.
const CLOCKS_DIFFER_BY: i64 = 2 * 24 * 60 * 60;

impl Keys {
    pub(super) fn new(created: Option<DeviceTime>, are_stored: bool) -> Self {
        let key = |name: &str, id_type| Key { name: name.to_owned(), id_type, created, holder: 0 };
        let now = BTreeMap::from([
            (Number::User(GATEWAY), key("Keyturner", IdType::Bridge)),
            (Number::User(2), key("Anna", IdType::App)),
            (Number::User(3), key("Ben", IdType::App)),
            (Number::User(4), key("Fob", IdType::Fob)),
            (Number::User(KEYPAD), key("Keypad", IdType::Keypad)),
            (Number::Code(1), key("Cleaner", IdType::Keypad)),
            (Number::Code(2), key("Guest", IdType::Keypad)),
            (Number::Code(3), key("Dora", IdType::Keypad)),
        ]);
        let mut keys =
            Self { now, changed: BTreeSet::new(), was_read: are_stored, serial: 0, count: 0, rows: Vec::new() };
        if are_stored {
            keys.store(0);
        }
        keys
    }

    /// Somebody with their names of now; `None` if their code is gone.
    pub(super) fn by(&self, who: Who) -> Option<By> {
        let code = match who.code().map(Number::Code) {
            Some(code) => Some(self.now.get(&code)?),
            None => None,
        };
        let user = self.now.get(&Number::User(who.auth_id()));
        Some(By {
            who,
            auth_name: user.map(|key| key.name.clone()).unwrap_or_default(),
            id_type: user.map(|key| key.id_type),
            code_name: code.map(|key| key.name.clone()),
            holder: code.or(user).map_or(0, |key| key.holder),
        })
    }

    /// False if nobody could tell afterwards what was before.
    pub(super) fn change(
        &mut self,
        who: Who,
        change: Change,
        created: Option<DeviceTime>,
        is_clock_sound: bool,
    ) -> bool {
        let number = who.code().map_or(Number::User(who.auth_id()), Number::Code);
        let is_code = matches!(number, Number::Code(_));
        let leaves_trace = self.was_read || (change != Change::Rename && is_clock_sound && created.is_some());
        let is_possible = match change {
            Change::Delete => is_code && self.now.contains_key(&number),
            Change::Rename => self.now.contains_key(&number),
            Change::Reuse => who.auth_id() != GATEWAY,
        };
        if !is_possible || !leaves_trace || who.auth_id() == 0 || !self.changed.insert(number) {
            return false;
        }
        self.serial += 1;
        self.count = self.count.wrapping_add(1);
        let before = self.now.remove(&number);
        let mut key = before.unwrap_or(Key { name: String::new(), id_type: IdType::Keypad, created, holder: 0 });
        key.name = format!("Name {}", self.serial);
        match change {
            Change::Delete => return true,
            Change::Rename => {}
            Change::Reuse => {
                key.created = created;
                key.holder = self.serial;
                key.id_type = match key.id_type {
                    IdType::App => IdType::Fob,
                    IdType::Fob => IdType::App,
                    other => other,
                };
            }
        }
        self.now.insert(number, key);
        true
    }

    /// Takes what was read into the store, as `replace_users` and `replace_keypad_codes` do.
    pub(super) fn store(&mut self, host: i64) {
        self.was_read = true;
        self.changed.clear();
        let mut new = self.now.clone();
        for row in self.rows.iter_mut().filter(|row| row.until.is_none()) {
            if new.get(&row.number) == Some(&row.key) {
                new.remove(&row.number);
            } else {
                row.until = Some(host);
            }
        }
        self.rows.extend(new.into_iter().map(|(number, key)| Row { number, key, until: None }));
    }

    /// What the lock lists.
    pub(super) fn listed(&self) -> Directory {
        let mut directory = Directory::default();
        let users: Vec<AuthorizationEntry> = self.now.iter().filter_map(|(number, key)| user(*number, key)).collect();
        let codes: Vec<KeypadCode> = self.now.iter().filter_map(|(number, key)| code(*number, key)).collect();
        directory.set_codes(&codes);
        directory.set_users(&users);
        directory
    }

    /// What the store gives to a journal that begins: `read_up_to` is the time of the last stored entry.
    pub(super) fn stored(&self, read_up_to: Option<i64>) -> Directory {
        let since = read_up_to.map_or(i64::MIN, |at| at - CLOCKS_DIFFER_BY);
        let mut directory = Directory::default();
        for Row { number, key, until } in self.rows.iter().filter(|row| row.until.is_none_or(|until| until >= since)) {
            let (name, created) = (key.name.clone(), key.created);
            match (*number, until) {
                (Number::User(id), None) => directory.set_user(id, User { name, id_type: key.id_type, created }),
                (Number::User(id), _) => directory.add_former_user(id, User { name, id_type: key.id_type, created }),
                (Number::Code(id), None) => directory.set_code(id, Code { name, created }),
                (Number::Code(id), _) => directory.add_former_code(id, Code { name, created }),
            }
        }
        directory
    }
}

fn user(number: Number, key: &Key) -> Option<AuthorizationEntry> {
    let Number::User(auth_id) = number else { return None };
    Some(AuthorizationEntry {
        auth_id,
        id_type: key.id_type,
        name: key.name.clone(),
        enabled: true,
        remote_allowed: true,
        created: key.created,
        last_active: None,
        lock_count: 0,
        time_limit: None,
    })
}

fn code(number: Number, key: &Key) -> Option<KeypadCode> {
    let Number::Code(code_id) = number else { return None };
    Some(KeypadCode {
        code_id,
        name: key.name.clone(),
        enabled: true,
        created: key.created,
        last_active: None,
        lock_count: 0,
        time_limit: None,
    })
}
