//! One door as it truly was: what people did there, and every entry that its lock ever wrote.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use keyturner::protocol::log::{LogEntry, LogEntryKind};
use keyturner::protocol::{LockAction, LockState};
use keyturner::simlock::{Device, Input, Owner, Person, Refusal};
use keyturner::transport::sim::SimDoor;
use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags, Params};

use super::check::TOLD_WITHIN;

/// Numbers of whoever did something: an authorization, 0 for nobody's, and a keypad code.
pub(crate) type Whose = (u32, Option<u16>);

/// An entry may be written so long after the deed: lock 'n' go waits, motors run, latches are held.
const WRITTEN_WITHIN: Duration = Duration::from_secs(60);

/// What we do is written so long after what happened just before it was asked for: as long as that takes to be told, and the
/// slowest motor.
const OURS_WITHIN: Duration = TOLD_WITHIN.saturating_add(Duration::from_secs(10));

/// Something that somebody did, written down when they did it.
#[derive(Debug, Clone)]
pub(crate) struct Deed {
    pub(crate) at: Duration,
    pub(crate) whose: Whose,
    pub(crate) result: Result<(), Refusal>,
}

/// An entry that the lock wrote.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) entry: LogEntry,
    pub(crate) raw: Vec<u8>,
    /// Written in this time.
    pub(crate) between: (Duration, Duration),
    /// Why it need not be in the event log.
    pub(crate) excuse: Option<&'static str>,
    /// The lock's clock was set before it was read.
    pub(crate) is_doubtful: bool,
}

pub(crate) struct Door {
    pub(crate) door: SimDoor,
    pub(crate) app_id: u32,
    pub(crate) own_auth_id: u32,
    pub(crate) deeds: Vec<Deed>,
    pub(crate) entries: Vec<Entry>,
    /// Where the lock's log of now begins and ends in `entries`.
    kept_from: usize,
    looked: Duration,
    names: BTreeMap<Whose, Vec<(Duration, String)>>,
    /// Keypad code number and digits.
    pub(crate) codes: Vec<(u16, u32)>,
    /// Authorizations of phones and fobs.
    pub(crate) phones: Vec<u32>,
    pub(crate) fobs: Vec<u32>,
    pub(crate) keypad: u32,
    /// The lock forgets, or says nothing: not everything can be known.
    pub(crate) is_forgetful: bool,
    /// Its beacon says when something has changed.
    pub(crate) calls: bool,
    /// It listens to a bell and releases a strike, and means other things by the same numbers.
    pub(crate) is_opener: bool,
}

impl Door {
    pub(crate) fn new(door: SimDoor, app_id: u32, own_auth_id: u32) -> Self {
        let device = door.inspect(keyturner::simlock::SimLock::device);
        let (users, codes) = door.inspect(|lock| (lock.users().to_vec(), lock.keypad_codes().to_vec()));
        let mut names: BTreeMap<Whose, Vec<(Duration, String)>> = BTreeMap::new();
        for user in users {
            names.insert((user.entry.auth_id, None), vec![(Duration::ZERO, user.entry.name.clone())]);
        }
        for code in codes {
            names.insert((1, Some(code.entry.code_id)), vec![(Duration::ZERO, code.entry.name.clone())]);
        }
        Self {
            door,
            app_id,
            own_auth_id,
            deeds: Vec::new(),
            entries: Vec::new(),
            kept_from: 0,
            looked: Duration::ZERO,
            names,
            codes: vec![(1, 583_921), (2, 746_352)],
            phones: vec![3, 4, 5],
            fobs: vec![2],
            keypad: 1,
            is_forgetful: false,
            calls: device != Device::Ultra,
            is_opener: device == Device::Opener,
        }
    }

    pub(crate) fn state(&self) -> LockState {
        self.door.inspect(|lock| lock.state().lock_state)
    }

    fn now(&self) -> Duration {
        self.door.moment().mono
    }

    /// Writes down what the lock has written since the last look.
    pub(crate) fn look(&mut self, database: &Path) {
        let now = self.now();
        let last = self.entries[self.kept_from..].last().map(|last| &last.entry);
        let (new, still) = self.door.inspect(|lock| {
            let log = lock.log();
            let new_from = last.and_then(|last| log.iter().rposition(|entry| entry == last)).map_or(0, |at| at + 1);
            // So many of those we had are still there.
            (log.iter().skip(new_from).cloned().collect::<Vec<LogEntry>>(), if last.is_some() { new_from } else { 0 })
        });
        let had = self.entries.len() - self.kept_from;
        assert!(still <= had, "the log grew at its wrong end");
        if still < had {
            self.excuse(self.kept_from..self.entries.len() - still, "overwritten before it was read", database);
            self.kept_from = self.entries.len() - still;
        }
        let between = (self.looked, now);
        self.entries.extend(new.into_iter().map(|entry| Entry {
            raw: entry.encode(),
            entry,
            between,
            excuse: None,
            is_doubtful: false,
        }));
        self.looked = now;
    }

    /// Those that are not stored by now.
    fn unread(&mut self, range: Range<usize>, database: &Path) -> impl Iterator<Item = &mut Entry> {
        let mut left: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for raw in stored(database, self.door.nuki_id()) {
            *left.entry(raw).or_default() += 1;
        }
        self.entries[range].iter_mut().filter(move |entry| match left.get_mut(&entry.raw) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        })
    }

    /// Of these, what is not stored by now can never be read.
    fn excuse(&mut self, range: Range<usize>, why: &'static str, database: &Path) {
        for entry in self.unread(range, database) {
            entry.excuse = Some(why);
        }
        self.is_forgetful = true;
    }

    /// The lock's clock is set. Whether what was not read before is older than the people who are read then, nothing tells.
    pub(crate) fn set_clock(&mut self, unix_seconds: i64, database: &Path) {
        self.look(database);
        for entry in self.unread(self.kept_from..self.entries.len(), database) {
            entry.is_doubtful = true;
        }
        self.door.input(Input::SetClock(unix_seconds));
    }

    /// The lock forgets everything.
    pub(crate) fn clear(&mut self, database: &Path) {
        self.look(database);
        self.excuse(self.kept_from..self.entries.len(), "cleared before it was read", database);
        self.door.input(Input::ClearLog);
        self.kept_from = self.entries.len();
    }

    pub(crate) fn act(&mut self, person: Person) -> Result<(), Refusal> {
        let result = self.door.person(person);
        let whose = match person {
            Person::KeypadCode { digits } => {
                let code = self.codes.iter().find(|(_, known)| *known == digits.expose()).map(|(id, _)| *id);
                (self.keypad, Some(code.unwrap_or(0)))
            }
            Person::KeypadWrongCode | Person::Finger { code_id: None } | Person::ArrowKey => (self.keypad, Some(0)),
            Person::Finger { code_id } => (self.keypad, code_id),
            Person::Fob { auth } | Person::App { auth, .. } => (auth, None),
            _ => (0, None),
        };
        self.deeds.push(Deed { at: self.now(), whose, result });
        result
    }

    pub(crate) fn rename_user(&mut self, auth_id: u32, name: &str, database: &Path) {
        self.call((auth_id, None), name, Owner::RenameUser(auth_id, name.to_owned()), database);
    }

    pub(crate) fn replace_user(&mut self, auth_id: u32, name: &str, database: &Path) {
        self.call((auth_id, None), name, Owner::ReplaceUser(auth_id, name.to_owned()), database);
    }

    pub(crate) fn rename_code(&mut self, code_id: u16, name: &str, database: &Path) {
        self.call((self.keypad, Some(code_id)), name, Owner::RenameCode(code_id, name.to_owned()), database);
    }

    /// From now on this number bears this name, because of what the owner does.
    fn call(&mut self, whose: Whose, name: &str, owner: Owner, database: &Path) {
        self.look(database);
        let now = self.now();
        self.names.entry(whose).or_default().push((now, name.to_owned()));
        self.door.input(Input::Owner(owner));
    }

    /// Every name that this number bore while an entry came about.
    pub(crate) fn names(&self, whose: Whose, entry: &Entry) -> Vec<&str> {
        let (from, until) = (entry.between.0.saturating_sub(WRITTEN_WITHIN), entry.between.1);
        let Some(names) = self.names.get(&whose) else { return Vec::new() };
        let next = |at: usize| names.get(at + 1).map_or(Duration::MAX, |(next, _)| *next);
        let bore = names.iter().enumerate().filter(|(at, (since, _))| *since <= until && next(*at) >= from);
        bore.map(|(_, (_, name))| name.as_str()).collect()
    }

    pub(crate) fn was_renamed(&self, whose: Whose) -> bool {
        self.names.get(&whose).is_some_and(|names| names.len() > 1)
    }

    /// Whose entry it is by the lock's word; `None` for what nobody does.
    pub(crate) fn whose(entry: &LogEntry) -> Option<Whose> {
        match &entry.kind {
            LogEntryKind::LockAction(_) => Some((entry.auth_id, None)),
            LogEntryKind::Keypad(keypad) => Some((entry.auth_id, Some(keypad.code_id))),
            _ => None,
        }
    }

    /// Whether a lock 'n' go ran when this was written, or a moment before or after: what it led to was not seen then.
    pub(crate) fn is_near_lock_n_go(&self, entry: &Entry) -> bool {
        !self.is_opener
            && self.entries.iter().any(|other| {
                matches!(&other.entry.kind, LogEntryKind::LockAction(logged) if logged.action == LockAction::LockNGo)
                    && other.between.0 <= entry.between.1 + WRITTEN_WITHIN
                    && other.between.1 + WRITTEN_WITHIN >= entry.between.0
            })
    }

    /// Since when this could be told: an action of ours has the link until its motor rests, and is written then.
    pub(crate) fn could_be_read(&self, entry: &Entry) -> Duration {
        let is_ours = |other: &&Entry| {
            other.entry.auth_id == self.own_auth_id && matches!(other.entry.kind, LogEntryKind::LockAction(_))
        };
        let ours = self.entries.iter().filter(is_ours).map(|other| other.between.1);
        let until = entry.between.1;
        ours.filter(|done| *done > until && *done <= until + OURS_WITHIN).max().unwrap_or(until)
    }

    /// What the simulated lock wrote must be what people did.
    pub(crate) fn check_lock(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for entry in &self.entries {
            let Some(whose) = Self::whose(&entry.entry) else { continue };
            if whose.0 == 0 || whose.0 == self.own_auth_id {
                continue;
            }
            let (from, until) = (entry.between.0.saturating_sub(WRITTEN_WITHIN), entry.between.1);
            if !self.deeds.iter().any(|deed| deed.whose == whose && deed.at >= from && deed.at <= until) {
                faults.push(format!("the simulated lock wrote what nobody did: {entry:?}"));
            }
        }
        let is_written = |deed: &Deed| {
            self.entries.iter().any(|entry| {
                Self::whose(&entry.entry) == Some(deed.whose)
                    && entry.between.1 >= deed.at
                    && entry.between.0 <= deed.at + WRITTEN_WITHIN
            })
        };
        let done = self.deeds.iter().filter(|deed| deed.result.is_ok() && deed.whose.0 != 0);
        for deed in done.filter(|deed| !self.is_forgetful && !is_written(deed)) {
            faults.push(format!("the simulated lock did not write {deed:?}"));
        }
        faults
    }
}

/// What the event log has of a lock's own entries, in its order.
pub(crate) fn stored(database: &Path, nuki_id: u32) -> Vec<Vec<u8>> {
    let sql = "select raw from events where nuki_id = ? and log_index is not null
               and kind not in ('gap', 'reset', 'state_change', 'intent_failed') order by id";
    column(database, sql, [nuki_id])
}

/// The one column that a question asks for.
pub(crate) fn column<T: FromSql>(database: &Path, sql: &str, values: impl Params) -> Vec<T> {
    let connection = open(database);
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map(values, |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

pub(crate) fn open(database: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(database, flags).unwrap()
}
