//! People and codes as they arrive: whole lists, half ones, and their lengths alone.

use std::time::Duration;

use super::daily::Session;
use super::directory::Why;
use super::due::Read;
use super::exchange::List;
use super::io::{Listed, Output};
use crate::protocol::users::{AuthorizationEntry, KeypadCode};

impl Session {
    pub(super) fn on_users(&mut self, list: List<AuthorizationEntry>, now: Duration) {
        let announced = list.announced();
        let listed = list.listed(|entry| entry.auth_id);
        self.directory.users = self.length_of(&listed, announced, Read::Users, now);
        self.outputs.push_back(Output::Users(listed));
    }

    pub(super) fn on_codes(&mut self, list: List<KeypadCode>, now: Duration) {
        let announced = list.announced();
        let listed = list.listed(|code| u32::from(code.code_id));
        self.directory.codes = self.length_of(&listed, announced, Read::Codes, now);
        self.outputs.push_back(Output::Codes(listed));
    }

    /// What is known of a list's length; half a list is read again, a few times.
    fn length_of<T>(&mut self, listed: &Listed<T>, announced: Option<u16>, read: Read, now: Duration) -> Option<u16> {
        self.directory.counted(now);
        if listed.is_whole {
            self.due.succeeded(read);
            return announced;
        }
        if announced.is_some() {
            self.due.stumbled(read);
        }
        None
    }

    /// Asks for the lengths once a day, on a link that is there anyway.
    pub(super) fn count_lists(&mut self, now: Duration) {
        if !self.directory.is_count_due(now) || !self.pin.is_open() {
            return;
        }
        self.directory.counted(now);
        self.want(Read::UserCount);
        self.want(Read::CodeCount);
    }

    /// A list that has another length, or was never read whole, is read.
    pub(super) fn on_count(&mut self, of: Read, announced: Option<u16>, now: Duration) {
        let known = if of == Read::UserCount { self.directory.users } else { self.directory.codes };
        if announced.is_some() && announced != known {
            self.want_directory(Why::Count, now);
        }
    }
}
