//! What the owner does with the vendor's app, as far as the lock remembers it.

use crate::protocol::IdType;
use crate::protocol::crypto::{Pin, SharedKey};
use crate::protocol::frame::AuthId;
use crate::protocol::log::{CodeId, LogEntryKind};
use crate::protocol::pairing::Applicant;
use crate::protocol::users::CodeDigits;

use super::SimLock;
use super::io::Moment;

/// A change that the owner makes. Each moves the configuration counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Somebody new gets an authorization.
    AddUser {
        /// Their name.
        name: String,
        /// What it is.
        id_type: IdType,
    },
    /// An authorization gets another name.
    RenameUser(AuthId, String),
    /// An authorization is taken away.
    RemoveUser(AuthId),
    /// An authorization is taken away, and its number given to somebody else.
    ReplaceUser(AuthId, String),
    /// A new keypad code.
    AddCode {
        /// Its name.
        name: String,
        /// Its digits.
        digits: CodeDigits,
    },
    /// A code gets another name.
    RenameCode(CodeId, String),
    /// A code is taken away.
    RemoveCode(CodeId),
    /// The log is switched on or off.
    Logging(bool),
    /// The security PIN is changed.
    Pin(Pin),
}

impl SimLock {
    /// What does not exist is not changed.
    pub(super) fn owner(&mut self, act: Owner, now: Moment) {
        match act {
            Owner::AddUser { name, id_type } => {
                let key = SharedKey::from_bytes(self.random());
                let created = self.device_time(now);
                self.users.admit(&Applicant { id_type, app_id: 0, name }, key, created);
            }
            Owner::RenameUser(auth_id, name) => {
                if let Some(user) = self.users.get_mut(auth_id) {
                    user.entry.name = name;
                }
            }
            Owner::RemoveUser(auth_id) => {
                self.users.remove(auth_id);
            }
            Owner::ReplaceUser(auth_id, name) => {
                let (created, key) = (self.device_time(now), SharedKey::from_bytes(self.random()));
                if let Some(user) = self.users.get_mut(auth_id) {
                    user.entry.name = name;
                    user.entry.created = created;
                    user.key = key;
                }
            }
            Owner::AddCode { name, digits } => {
                let created = self.device_time(now);
                self.keypad.add(&name, digits, created, None);
            }
            Owner::RenameCode(code_id, name) => {
                if let Some(code) = self.keypad.get_mut(code_id) {
                    code.entry.name = name;
                }
            }
            Owner::RemoveCode(code_id) => {
                self.keypad.remove(code_id);
            }
            Owner::Logging(on) if on != self.log.enabled => {
                self.log.enabled = true;
                self.write_entry(0, "", LogEntryKind::Logging(on), false, now);
                self.log.enabled = on;
            }
            Owner::Logging(_) => {}
            Owner::Pin(pin) => self.pin.set(pin),
        }
        self.count_change();
    }
}
