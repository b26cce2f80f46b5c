//! Who is meant: a name as it is shown, or one number.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::str::FromStr;

use rusqlite::Connection;
use sqlx::SqliteConnection;

use super::super::StoreError;
use super::super::writer::Statements as _;
use crate::protocol::IdType;
use crate::protocol::beacon::NukiId;
use crate::protocol::frame::AuthId;
use crate::protocol::log::CodeId;

/// How a person is named by the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonSelector {
    /// Everybody with this name, byte for byte, now or formerly, and all that was done with their keys.
    Name(String),
    /// This authorization alone.
    Authorization(AuthId),
    /// This keypad code alone.
    Code(CodeId),
}

impl FromStr for PersonSelector {
    type Err = Infallible;

    /// `auth:NUMBER`, `code:NUMBER`; everything else is a name.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let number = |prefix: &str| text.strip_prefix(prefix);
        if let Some(id) = number("auth:").and_then(|number| number.parse().ok()) {
            return Ok(Self::Authorization(id));
        }
        if let Some(id) = number("code:").and_then(|number| number.parse().ok()) {
            return Ok(Self::Code(id));
        }
        Ok(Self::Name(text.to_owned()))
    }
}

/// What somebody opens with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// An authorization of a lock.
    Authorization(NukiId, AuthId),
    /// A code of a lock's keypad.
    Code(NukiId, CodeId),
}

impl Key {
    /// Of which lock.
    #[must_use]
    pub const fn nuki_id(self) -> NukiId {
        match self {
            Self::Authorization(nuki_id, _) | Self::Code(nuki_id, _) => nuki_id,
        }
    }
}

/// A person by everything the database knows them by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// Their keys, with every name each had.
    pub keys: BTreeMap<Key, BTreeSet<String>>,
    /// The name they were looked for by; events with it are theirs, whatever the key.
    pub name: Option<String>,
    /// Keys that the lock still accepts, as far as is known.
    pub current: BTreeSet<Key>,
}

#[derive(sqlx::FromRow)]
struct Known {
    nuki_id: NukiId,
    number: i64,
    is_code: bool,
    is_keypad: bool,
    is_current: bool,
    name: Option<String>,
}

const KEYPADS: [u8; 2] = [IdType::Keypad.code(), IdType::Keypad2.code()];

/// What is known of every key: from the lists, and from events whose lists are older than we.
const KNOWN: &str = "
    select nuki_id, auth_id as number, 0 as is_code, id_type_code in (?1, ?2) as is_keypad,
           valid_until is null as is_current, name
    from authorizations
    union select nuki_id, code_id, 1, 0, valid_until is null, name from keypad_codes
    union select nuki_id, auth_id, 0, coalesce(auth_type_code in (?1, ?2), 0), 0, auth_name
    from events where auth_id is not null and code_id is null
    union select nuki_id, code_id, 1, 0, 0, code_name from events where coalesce(code_id, 0) <> 0";

impl Person {
    /// Finds who is meant, at one lock or at all. A keypad is nobody: many people use it.
    pub(in crate::store) fn find(
        snapshot: &Connection,
        selector: &PersonSelector,
        nuki_id: Option<NukiId>,
    ) -> Result<Self, StoreError> {
        let known = snapshot.all(KNOWN, KEYPADS, |row| {
            Ok(Known {
                nuki_id: row.get(0)?,
                number: row.get(1)?,
                is_code: row.get(2)?,
                is_keypad: row.get(3)?,
                is_current: row.get(4)?,
                name: row.get(5)?,
            })
        })?;
        Self::among(known, selector, nuki_id)
    }

    /// The same, for a snapshot of sqlx.
    pub(in crate::store) async fn find_by_sqlx(
        snapshot: &mut SqliteConnection,
        selector: &PersonSelector,
        nuki_id: Option<NukiId>,
    ) -> Result<Self, StoreError> {
        let [keypad, keypad2] = KEYPADS;
        let known = sqlx::query_as(KNOWN).bind(keypad).bind(keypad2).fetch_all(snapshot).await?;
        Self::among(known, selector, nuki_id)
    }

    fn among(known: Vec<Known>, selector: &PersonSelector, nuki_id: Option<NukiId>) -> Result<Self, StoreError> {
        let known: Vec<(Key, Known)> = known
            .into_iter()
            .filter(|row| nuki_id.is_none_or(|id| id == row.nuki_id))
            .filter_map(|row| Some((row.key()?, row)))
            .collect();
        let mut person = Self::default();
        if let PersonSelector::Name(name) = selector {
            person.name = Some(name.clone());
        }
        for (key, row) in known.iter().filter(|(key, row)| fits(selector, *key, row)) {
            if row.is_keypad {
                return Err(StoreError::SharedKey { number: row.number });
            }
            person.keys.entry(*key).or_default();
        }
        for (key, row) in known {
            if let Some(names) = person.keys.get_mut(&key) {
                names.extend(row.name);
                if row.is_current {
                    person.current.insert(key);
                }
            }
        }
        Ok(person)
    }

    /// Whether an event or a message with these columns is theirs. A code counts for itself, not for its keypad.
    #[must_use]
    pub fn has(
        &self,
        nuki_id: NukiId,
        auth_id: Option<AuthId>,
        code_id: Option<CodeId>,
        names: &[Option<&str>],
    ) -> bool {
        let key = match (code_id, auth_id) {
            (Some(code_id), _) => Some(Key::Code(nuki_id, code_id)),
            (None, Some(auth_id)) => Some(Key::Authorization(nuki_id, auth_id)),
            (None, None) => None,
        };
        let by_key = key.is_some_and(|key| self.keys.contains_key(&key));
        by_key || self.name.as_deref().is_some_and(|name| names.contains(&Some(name)))
    }
}

impl Known {
    fn key(&self) -> Option<Key> {
        Some(if self.is_code {
            Key::Code(self.nuki_id, self.number.try_into().ok()?)
        } else {
            Key::Authorization(self.nuki_id, self.number.try_into().ok()?)
        })
    }
}

fn fits(selector: &PersonSelector, key: Key, row: &Known) -> bool {
    match (selector, key) {
        (PersonSelector::Name(name), _) => row.name.as_ref() == Some(name),
        (PersonSelector::Authorization(auth_id), Key::Authorization(_, known)) => *auth_id == known,
        (PersonSelector::Code(code_id), Key::Code(_, known)) => *code_id == known,
        _ => false,
    }
}
