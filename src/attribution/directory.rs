//! The people and codes a lock knows, now and once: who a number meant when an entry was written.

use std::collections::BTreeMap;

use super::tenure::{Holder, Order, Tenure};
use crate::protocol::IdType;
use crate::protocol::datetime::DeviceTime;
use crate::protocol::frame::AuthId;
use crate::protocol::log::CodeId;
use crate::protocol::users::{AuthorizationEntry, KeypadCode};

/// Names by number. Names come from the air: they are for showing, never keys.
///
/// Numbers are used again: a code can be deleted and its number given to
/// somebody else, or be renamed with new digits. So beside those who hold a
/// number now stand those who held it before the last reading, for entries
/// that may be older (`docs/adr/0014`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    users: BTreeMap<AuthId, Tenure<User>>,
    codes: BTreeMap<CodeId, Tenure<Code>>,
}

/// What the directory knows of an authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// What it is.
    pub id_type: IdType,
    /// Made when, by the lock's clock.
    pub created: Option<DeviceTime>,
}

/// What the directory knows of a keypad code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Its name.
    pub name: String,
    /// Made when, by the lock's clock.
    pub created: Option<DeviceTime>,
}

impl Holder for User {
    fn created(&self) -> Option<DeviceTime> {
        self.created
    }
}

impl Holder for Code {
    fn created(&self) -> Option<DeviceTime> {
        self.created
    }
}

/// What an authorization's number meant when an entry was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserThen<'a> {
    /// Its name, if only one can be meant.
    pub name: Option<&'a str>,
    /// What it was, if only one kind can be meant.
    pub id_type: Option<IdType>,
}

impl Directory {
    /// Adds who holds a number now.
    pub fn set_user(&mut self, auth_id: AuthId, user: User) {
        self.users.entry(auth_id).or_default().now = Some(user);
    }

    /// Adds somebody who held a number before.
    pub fn add_former_user(&mut self, auth_id: AuthId, user: User) {
        self.users.entry(auth_id).or_default().add_former(user);
    }

    /// Adds the code that has a number now.
    pub fn set_code(&mut self, code_id: CodeId, code: Code) {
        self.codes.entry(code_id).or_default().now = Some(code);
    }

    /// Adds a code that had a number before.
    pub fn add_former_code(&mut self, code_id: CodeId, code: Code) {
        self.codes.entry(code_id).or_default().add_former(code);
    }

    /// Replaces the authorizations by a complete list.
    pub fn set_users(&mut self, entries: &[AuthorizationEntry]) {
        self.users.clear();
        for e in entries {
            self.set_user(e.auth_id, User { name: e.name.clone(), id_type: e.id_type, created: e.created });
        }
    }

    /// Replaces the keypad codes by a complete list.
    pub fn set_codes(&mut self, codes: &[KeypadCode]) {
        self.codes.clear();
        for c in codes {
            self.set_code(c.code_id, Code { name: c.name.clone(), created: c.created });
        }
    }

    /// An authorization, as it is now.
    #[must_use]
    pub fn user(&self, auth_id: AuthId) -> Option<&User> {
        self.users.get(&auth_id)?.now.as_ref()
    }

    /// Name of a keypad code, as it is now.
    #[must_use]
    pub fn code_name(&self, code_id: CodeId) -> Option<&str> {
        self.codes.get(&code_id)?.now.as_ref().map(|code| code.name.as_str())
    }

    /// Whether anybody is or was known under this number.
    pub(super) fn knows_user(&self, auth_id: AuthId) -> bool {
        self.users.contains_key(&auth_id)
    }

    /// Whether any code is or was known under this number.
    pub(super) fn knows_code(&self, code_id: CodeId) -> bool {
        self.codes.contains_key(&code_id)
    }

    /// Whether one of the numbers was somebody else's before.
    pub(super) fn had_other_holders(&self, auth_id: AuthId, code_id: CodeId) -> bool {
        let user = self.users.get(&auth_id).is_some_and(|tenure| !tenure.former.is_empty());
        user || self.codes.get(&code_id).is_some_and(|tenure| !tenure.former.is_empty())
    }

    /// What an authorization's number meant in an entry of this `time`.
    #[must_use]
    pub fn user_then(&self, auth_id: AuthId, time: Option<DeviceTime>, order: Order) -> UserThen<'_> {
        let Some(tenure) = self.users.get(&auth_id) else { return UserThen::default() };
        UserThen {
            name: tenure.agreed(time, order, |user| user.name.as_str()),
            id_type: tenure.agreed(time, order, |user| user.id_type),
        }
    }

    /// The name of a code's number in an entry of this `time`, if only one can be meant.
    #[must_use]
    pub fn code_then(&self, code_id: CodeId, time: Option<DeviceTime>, order: Order) -> Option<&str> {
        self.codes.get(&code_id)?.agreed(time, order, |code| code.name.as_str())
    }

    /// Takes a newer reading; whoever held a number in this one and does not in `newer` is remembered. `true` if there is
    /// somebody.
    pub(super) fn take_reading(&mut self, newer: Self) -> bool {
        let users = renew(&mut self.users, newer.users);
        let codes = renew(&mut self.codes, newer.codes);
        users || codes
    }

    /// Whether somebody held a number who does not any more.
    pub(super) fn has_former(&self) -> bool {
        let users = self.users.values().any(|tenure| !tenure.former.is_empty());
        users || self.codes.values().any(|tenure| !tenure.former.is_empty())
    }

    /// No entry that may be older than the last reading is to come any more.
    pub(super) fn forget_former(&mut self) {
        forget(&mut self.users);
        forget(&mut self.codes);
    }
}

fn renew<K: Ord, T: Holder + PartialEq>(known: &mut BTreeMap<K, Tenure<T>>, mut newer: BTreeMap<K, Tenure<T>>) -> bool {
    let mut has_gone = false;
    for (number, tenure) in known.iter_mut() {
        has_gone |= tenure.renew(newer.remove(number).and_then(|tenure| tenure.now));
    }
    known.extend(newer.into_iter().map(|(number, tenure)| (number, Tenure { former: Vec::new(), ..tenure })));
    has_gone
}

fn forget<K: Ord, T>(known: &mut BTreeMap<K, Tenure<T>>) {
    known.retain(|_, tenure| {
        tenure.former.clear();
        tenure.now.is_some()
    });
}
