//! How long entries wait to hear whose they are.

use super::*;
use crate::attribution::directory::User;
use crate::attribution::samples::{MIDNIGHT, acted, states};
use crate::protocol::{CompletionStatus, IdType};

const ANNA: u32 = 3;
/// When the gateway sees the lock again, seconds.
const BACK: u64 = 3_600;

fn people() -> Directory {
    let mut directory = Directory::default();
    directory.set_user(ANNA, User { name: "Anna".to_owned(), id_type: IdType::App, created: None });
    directory
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn names(journal: &mut Journal) -> Vec<Option<String>> {
    let mut names = Vec::new();
    while let Some(output) = journal.poll() {
        if let Output::Commit(draft) = output {
            names.extend(draft.events.iter().map(|event| event.who.user_name().map(str::to_owned)));
        }
    }
    names
}

/// Anna unlocked and locked so many seconds before the gateway was back, and the owner has changed something meanwhile. It
/// takes six seconds to read people again.
fn told(before: i64) -> Vec<Option<String>> {
    let mut journal = Journal::new(JournalConfig {
        is_opener: false,
        own_auth_id: 7,
        cursor: 0,
        has_begun_anew: false,
        states: None,
        pending: Vec::new(),
        directory: people(),
        patience: s(3),
    });
    for (config_update_count, second) in [(0, 0), (1, BACK)] {
        let clock = MIDNIGHT + second.cast_signed();
        let current_time = DeviceTime::from_unix_seconds(clock);
        let shown = KeyturnerStates { config_update_count, current_time, ..states(LockState::Locked) };
        journal.handle_states(shown, s(second));
        let mut entries = Vec::new();
        if second == BACK {
            let at = BACK.cast_signed() - before;
            let turns = [(1, LockAction::Unlock, at), (2, LockAction::Lock, at + 1)];
            let entry = |(index, action, at)| LogEntry { index, ..acted(ANNA, action, CompletionStatus::Success, at) };
            entries.extend(turns.map(entry));
        }
        journal.handle_log(entries, true, s(second));
        assert_eq!(names(&mut journal), [], "nothing is stored before it is known whether Anna's number is still hers");
    }
    let mut told = Vec::new();
    for waited in 1..6 {
        journal.handle_timeout(s(BACK + waited));
        told.extend(names(&mut journal));
    }
    journal.handle_directory(people(), s(BACK + 6));
    journal.handle_timeout(s(BACK + 36));
    told.extend(names(&mut journal));
    told
}

#[test]
fn what_happened_long_ago_waits_for_both_lists_and_what_just_happened_does_not() {
    let anna = Some("Anna".to_owned());
    assert_eq!(told(1_800), [anna.clone(), anna]);
    assert_eq!(told(5), [None, None]);
}
