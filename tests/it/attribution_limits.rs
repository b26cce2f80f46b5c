//! How much a journal keeps of a lock that never explains itself, and that none of it is lost.

use std::time::Duration;

use keyturner::attribution::{
    Attribution, Directory, Event, Journal, JournalConfig, Output, StateChange, UnknownReason, User,
};
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::log::{LogEntry, LogEntryKind, LogIndex, LoggedAction};
use keyturner::protocol::state::KeyturnerStates;
use keyturner::protocol::{CompletionStatus, IdType, LockAction, LockState, Trigger};

use crate::support::states::oldest;

const START: i64 = 1_795_442_400;
const OWN: u32 = 7;
const DORA: u32 = 3;

struct Desk {
    journal: Journal,
    now: i64,
    events: Vec<Event>,
}

impl Desk {
    fn new() -> Self {
        let journal = Journal::new(JournalConfig {
            is_opener: false,
            own_auth_id: OWN,
            cursor: 0,
            has_begun_anew: false,
            states: None,
            pending: Vec::new(),
            directory: directory(),
            patience: Duration::from_secs(5),
        });
        Self { journal, now: 0, events: Vec::new() }
    }

    fn at(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.now).unwrap())
    }

    fn collect(&mut self) {
        while let Some(output) = self.journal.poll() {
            match output {
                Output::Commit(draft) => self.events.extend(draft.events),
                Output::ReadDirectory => self.journal.handle_directory(directory(), self.at()),
                Output::ReadLog | Output::CheckLog | Output::ReadState => {}
            }
        }
    }

    /// The lock says how it stands, a minute later.
    fn shows(&mut self, lock_state: LockState) {
        self.now += 60;
        self.journal.handle_timeout(self.at());
        let current_time = DeviceTime::from_unix_seconds(START + self.now);
        let states = KeyturnerStates { current_time, ..oldest(lock_state) };
        self.journal.handle_states(states, self.at());
        self.collect();
    }

    fn reads(&mut self, entries: Vec<LogEntry>, end: bool) {
        self.journal.handle_log(entries, end, self.at());
        self.collect();
    }

    fn changes(&self, wanted: impl Fn(Attribution) -> bool) -> Vec<StateChange> {
        self.events.iter().filter(|event| wanted(event.attribution)).filter_map(|event| event.change).collect()
    }

    fn indexes(&self) -> Vec<LogIndex> {
        self.events.iter().filter_map(|event| event.log_index).collect()
    }
}

fn directory() -> Directory {
    let mut directory = Directory::default();
    directory.set_user(DORA, User { name: "Dora".to_owned(), id_type: IdType::App, created: None });
    directory
}

fn turned(n: usize) -> LockState {
    if n.is_multiple_of(2) { LockState::Unlocked } else { LockState::Locked }
}

/// Somebody's action, at a time by the lock's clock.
fn entry(index: LogIndex, seconds: i64) -> LogEntry {
    let action = if index.is_multiple_of(2) { LockAction::Lock } else { LockAction::Unlock };
    let completion_status = CompletionStatus::Success;
    LogEntry {
        index,
        timestamp: DeviceTime::from_unix_seconds(START + seconds),
        auth_id: DORA,
        name: "Dora".to_owned(),
        kind: LogEntryKind::LockAction(LoggedAction { action, trigger: Trigger::System, flags: 0, completion_status }),
    }
}

#[test]
fn of_a_log_that_never_comes_the_oldest_changes_are_given_up_and_each_is_stored() {
    let mut desk = Desk::new();
    desk.shows(LockState::Locked);
    desk.reads(Vec::new(), true);
    for n in 0..200 {
        desk.shows(turned(n));
    }
    desk.shows(turned(199));
    let pending = desk.changes(|attribution| attribution == Attribution::Pending);
    let wanted: Vec<LockState> = (0..200).map(turned).collect();
    assert_eq!(pending.iter().map(|change| change.after).collect::<Vec<_>>(), wanted, "each once, in order");
    let given_up = desk.changes(|attribution| matches!(attribution, Attribution::Unknown(_)));
    assert_eq!(given_up.len(), 200 - 64, "more than 64 are not explained any more");
}

#[test]
fn when_the_log_cannot_be_read_any_more_what_is_open_gets_that_for_an_answer() {
    for why in [UnknownReason::PinMissing, UnknownReason::PinRefused] {
        let mut desk = Desk::new();
        desk.shows(LockState::Locked);
        desk.reads(Vec::new(), true);
        for n in 0..3 {
            desk.shows(turned(n));
        }
        assert_eq!(desk.changes(|attribution| matches!(attribution, Attribution::Unknown(_))), []);
        desk.journal.handle_log_access(Some(why), desk.at());
        desk.collect();
        let answered = desk.changes(|attribution| attribution == Attribution::Unknown(why));
        let wanted: Vec<LockState> = (0..3).map(turned).collect();
        assert_eq!(answered.iter().map(|change| change.after).collect::<Vec<_>>(), wanted, "{why:?}");
        // Back again, it is asked from the beginning, and nothing is answered twice.
        desk.journal.handle_log_access(None, desk.at());
        desk.shows(turned(3));
        assert_eq!(desk.changes(|attribution| matches!(attribution, Attribution::Unknown(_))).len(), 3, "{why:?}");
    }
}

#[test]
fn of_a_log_ahead_of_what_is_seen_a_thousand_entries_wait_and_none_is_lost() {
    let mut desk = Desk::new();
    desk.shows(LockState::Locked);
    // By its clock all of it is still to come.
    let count = 1_200;
    for page in 0..count / 600 {
        let indexes = page * 600 + 1..=page * 600 + 600;
        desk.reads(indexes.map(|index| entry(index, 100_000 + i64::from(index))).collect(), false);
        desk.shows(LockState::Locked);
    }
    let stored = u32::try_from(desk.indexes().len()).unwrap();
    assert!((count - 1_000..=count).contains(&stored), "{stored} stored: more than a thousand do not wait");
    assert_eq!(desk.indexes(), (1..=stored).collect::<Vec<_>>(), "in order");
    assert_eq!(desk.journal.cursor(), stored);
    // The rest is stored when its time has come.
    desk.now += 200_000;
    desk.shows(LockState::Locked);
    desk.reads(Vec::new(), true);
    desk.shows(LockState::Locked);
    assert_eq!(desk.indexes(), (1..=count).collect::<Vec<_>>(), "each once");
}
