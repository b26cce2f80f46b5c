//! What it costs to say who it was.

use std::time::Duration;

use criterion::{BatchSize, Criterion};
use keyturner::attribution::{Code, Directory, Event, Journal, JournalConfig, Order, Output, User, event_of};
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::log::{KeypadEntry, LogEntry, LogEntryKind};
use keyturner::protocol::state::KeyturnerStates;
use keyturner::protocol::{CompletionStatus, IdType, KeypadSource, LockAction, LockState};

/// A keypad, and a code of it.
const KEYPAD: u32 = 18;
const CODE: u16 = 7;
const OWN: u32 = 2;
/// 2026-11-26T11:02:15.
const NOON: i64 = 1_795_690_935;

fn directory() -> Directory {
    let mut directory = Directory::default();
    for n in 0..100 {
        directory.set_user(100 + n, User { name: format!("Phone {n}"), id_type: IdType::App, created: None });
        let code_id = 100 + u16::try_from(n).unwrap();
        directory.set_code(code_id, Code { name: format!("Guest {n}"), created: None });
    }
    directory.set_user(KEYPAD, User { name: "Nuki Keypad".to_owned(), id_type: IdType::Keypad, created: None });
    directory.set_code(CODE, Code { name: "Anna".to_owned(), created: None });
    directory
}

fn entry() -> LogEntry {
    let keypad = KeypadEntry {
        action: LockAction::Unlock,
        source: KeypadSource::Code,
        completion_status: CompletionStatus::Success,
        code_id: CODE,
    };
    LogEntry {
        index: 2,
        timestamp: DeviceTime::from_unix_seconds(NOON + 12),
        auth_id: KEYPAD,
        name: "Nuki Keypad".to_owned(),
        kind: LogEntryKind::Keypad(keypad),
    }
}

fn states(lock_state: LockState, seconds: i64) -> KeyturnerStates {
    let bytes = [2, 1, 0, 0xE9, 7, 1, 0x1F, 0x17, 0x3B, 0x3A, 0x3C, 0, 0xA8, 5, 0, 2, 0, 0, 3, 1, 13];
    KeyturnerStates {
        lock_state,
        current_time: DeviceTime::from_unix_seconds(NOON + seconds),
        last_action: None,
        ..KeyturnerStates::decode(&bytes).unwrap()
    }
}

/// A journal that has read the log once, and knows the door as locked.
fn quiet(directory: &Directory) -> Journal {
    let mut journal = Journal::new(JournalConfig {
        is_opener: false,
        own_auth_id: OWN,
        cursor: 1,
        has_begun_anew: false,
        states: Some(states(LockState::Locked, 0)),
        pending: Vec::new(),
        directory: directory.clone(),
        patience: Duration::from_secs(3),
    });
    journal.handle_states(states(LockState::Locked, 1), Duration::from_secs(1));
    journal.handle_directory(directory.clone(), Duration::from_secs(2));
    journal.handle_log(Vec::new(), true, Duration::from_secs(3));
    while journal.poll().is_some() {}
    journal
}

/// The bolt moves, the log is read: who it was.
fn visit(journal: &mut Journal) -> Vec<Event> {
    journal.handle_states(states(LockState::Unlocked, 12), Duration::from_secs(13));
    journal.handle_log(vec![entry()], true, Duration::from_secs(14));
    let mut events = Vec::new();
    while let Some(output) = journal.poll() {
        if let Output::Commit(draft) = output {
            events.extend(draft.events);
        }
    }
    events
}

pub(crate) fn attribution(criterion: &mut Criterion) {
    let (directory, entry) = (directory(), entry());
    let anna = |event: &Event| event.who.user_name() == Some("Anna");
    assert!(anna(&event_of(&entry, &directory, Order::After, OWN)));
    assert!(visit(&mut quiet(&directory)).iter().any(anna), "{:?}", visit(&mut quiet(&directory)));
    let mut group = criterion.benchmark_group("attribution");
    group.bench_function("an entry among a hundred people and codes", |bencher| {
        bencher.iter(|| event_of(&entry, &directory, Order::After, OWN));
    });
    group.bench_function("a visit: a state and its entry", |bencher| {
        bencher.iter_batched(|| quiet(&directory), |mut journal| visit(&mut journal), BatchSize::SmallInput);
    });
    group.finish();
}
