//! The people and codes a lock knows, as last read from it.

use std::collections::BTreeMap;

use crate::protocol::IdType;
use crate::protocol::frame::AuthId;
use crate::protocol::log::CodeId;
use crate::protocol::users::{AuthorizationEntry, KeypadCode};

/// Names by number. Names come from the air: they are for showing, never keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    users: BTreeMap<AuthId, User>,
    codes: BTreeMap<CodeId, String>,
}

/// What the directory knows of an authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// What it is.
    pub id_type: IdType,
}

impl Directory {
    /// From numbers and names.
    #[must_use]
    pub const fn new(users: BTreeMap<AuthId, User>, codes: BTreeMap<CodeId, String>) -> Self {
        Self { users, codes }
    }

    /// Replaces the authorizations by a complete list.
    pub fn set_users(&mut self, entries: &[AuthorizationEntry]) {
        self.users = entries.iter().map(|e| (e.auth_id, User { name: e.name.clone(), id_type: e.id_type })).collect();
    }

    /// Replaces the keypad codes by a complete list.
    pub fn set_codes(&mut self, codes: &[KeypadCode]) {
        self.codes = codes.iter().map(|c| (c.code_id, c.name.clone())).collect();
    }

    /// An authorization.
    #[must_use]
    pub fn user(&self, auth_id: AuthId) -> Option<&User> {
        self.users.get(&auth_id)
    }

    /// Name of a keypad code.
    #[must_use]
    pub fn code_name(&self, code_id: CodeId) -> Option<&str> {
        self.codes.get(&code_id).map(String::as_str)
    }
}
