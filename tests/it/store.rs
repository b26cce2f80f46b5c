//! A database in a folder of its own, and things to put into it; then intents and observations.

use std::path::{Path, PathBuf};

use keyturner::attribution::{Attribution, Event, EventKind, Method, StateChange, Who};
use keyturner::clock::UnixMillis;
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::state::KeyturnerStates;
use keyturner::protocol::{CompletionStatus, IdType, LockAction, LockState, Trigger};
use keyturner::store::{
    Batch, IntentState, LockRow, NewIntent, Observation, OpenIntent, Store, StoreError, StoredObservation,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tempfile::TempDir;

pub(crate) const LOCK: u32 = 0x2B1C_0D0E;
/// 2026-11-23T14:05:09Z.
pub(crate) const NOW: UnixMillis = UnixMillis(1_795_442_709_000);

pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) path: PathBuf,
    pub(crate) dir: TempDir,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keyturner.db");
        let store = Store::open(&path).await.unwrap();
        store.register_lock(&lock_row(LOCK, "Front door")).await.unwrap();
        Self { store, path, dir }
    }

    /// Runs one statement like an owner with `sqlite3`, and leaves.
    pub(crate) async fn run(&self, statement: &'static str) {
        run(&self.path, statement).await;
    }

    /// A connection like that of an owner with `sqlite3`.
    pub(crate) async fn sqlite3(&self) -> SqliteConnection {
        connect(&self.path).await
    }

    pub(crate) async fn count(&self, statement: &'static str) -> i64 {
        let mut owner = self.sqlite3().await;
        let count = sqlx::query_scalar(statement).fetch_one(&mut owner).await.unwrap();
        owner.close().await.unwrap();
        count
    }
}

pub(crate) async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

pub(crate) async fn run(path: &Path, statement: &'static str) {
    // A paused clock stands still while a blocking task runs; else hours could pass in the meantime.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let held = tokio::task::spawn_blocking(move || released.recv().is_err());
    let mut owner = connect(path).await;
    sqlx::query(statement).execute(&mut owner).await.unwrap();
    // Dropping would close it later, on its own thread.
    owner.close().await.unwrap();
    drop(release);
    assert!(held.await.unwrap());
}

pub(crate) fn lock_row(nuki_id: u32, name: &str) -> LockRow {
    LockRow {
        nuki_id,
        name: name.to_owned(),
        device_type: 4,
        firmware_version: Some("3.9.5".to_owned()),
        has_keypad: true,
        paired_at: NOW,
    }
}

pub(crate) fn device_time(seconds: i64) -> Option<DeviceTime> {
    DeviceTime::from_unix_seconds(NOW.seconds() + seconds)
}

/// Anna unlocks with her phone.
pub(crate) fn by_app(log_index: u32) -> Event {
    Event {
        log_index: Some(log_index),
        device_time: device_time(i64::from(log_index)),
        action: Some(LockAction::Unlock),
        trigger: Some(Trigger::System),
        completion_status: Some(CompletionStatus::Success),
        change: Some(StateChange { before: Some(LockState::Locked), after: LockState::Unlocked }),
        who: Who {
            auth_id: Some(7),
            auth_type: Some(IdType::App),
            auth_name: Some("Anna".to_owned()),
            ..Who::default()
        },
        method: Method::App,
        attribution: Attribution::Matched,
        raw: log_index.to_le_bytes().to_vec(),
        ..Event::blank(EventKind::LockAction)
    }
}

/// The cleaner unlocks with code 1 at the keypad.
pub(crate) fn by_code(log_index: u32) -> Event {
    Event {
        kind: EventKind::KeypadAction,
        who: Who {
            auth_id: Some(9),
            auth_type: Some(IdType::Keypad),
            auth_name: Some("Nuki Keypad".to_owned()),
            code_id: Some(1),
            code_name: Some("Cleaner".to_owned()),
        },
        method: Method::Code,
        ..by_app(log_index)
    }
}

/// A state change whose log entry is not read yet.
pub(crate) fn pending() -> Event {
    Event {
        kind: EventKind::StateChange,
        log_index: None,
        device_time: device_time(0),
        action: None,
        trigger: Some(Trigger::System),
        completion_status: None,
        who: Who::default(),
        method: Method::Unknown,
        attribution: Attribution::Pending,
        ..by_app(0)
    }
}

pub(crate) fn without_entry(kind: EventKind, log_index: Option<u32>) -> Event {
    Event {
        kind,
        log_index,
        action: None,
        trigger: None,
        completion_status: None,
        change: None,
        who: Who::default(),
        method: Method::Device,
        attribution: Attribution::Nobody,
        raw: Vec::new(),
        ..by_app(0)
    }
}

pub(crate) fn states(lock_state: LockState) -> KeyturnerStates {
    let payload = [2, lock_state.code(), 0, 0xEA, 0x07, 11, 23, 14, 5, 9, 60, 0, 0xA1, 7, 0, 1, 0, 0, 3, 0, 0];
    KeyturnerStates::decode(&payload).unwrap()
}

/// Seconds after [`NOW`], with nothing in it.
pub(crate) fn batch(seconds: i64) -> Batch {
    Batch {
        nuki_id: LOCK,
        observed_at: UnixMillis(NOW.0 + seconds * 1000),
        clock: None,
        observations: Vec::new(),
        events: Vec::new(),
        cursor: None,
        callback_bodies: Vec::new(),
    }
}

pub(crate) fn events(seconds: i64, events: Vec<Event>) -> Batch {
    Batch { events, ..batch(seconds) }
}

fn unlock() -> NewIntent {
    NewIntent { nuki_id: LOCK, action: LockAction::Unlock, requester: "http 127.0.0.1".to_owned(), at: NOW }
}

#[tokio::test]
async fn a_lock_is_updated_but_keeps_its_firmware_and_day_of_pairing() {
    let f = Fixture::new().await;
    let later = LockRow {
        name: "Back door".to_owned(),
        firmware_version: None,
        has_keypad: false,
        paired_at: UnixMillis(NOW.0 + 5),
        ..lock_row(LOCK, "")
    };
    f.store.register_lock(&later).await.unwrap();
    let expected = LockRow { firmware_version: Some("3.9.5".to_owned()), paired_at: NOW, ..later };
    assert_eq!(f.store.locks().await.unwrap(), [expected]);
}

#[tokio::test]
async fn an_intent_is_on_disk_when_it_has_a_number_and_ends_once() {
    let f = Fixture::new().await;
    let id = f.store.begin_intent(&unlock()).await.unwrap();
    assert_eq!(f.count("select count(*) from intents where state = 'open' and action = 'unlock'").await, 1);

    f.store.finish_intent(id, IntentState::Done, "complete", NOW).await.unwrap();
    let again = f.store.finish_intent(id, IntentState::NotDone, "late", NOW).await;
    assert!(matches!(again, Err(StoreError::IntentNotOpen(n)) if n == id), "{again:?}");
    assert_eq!(f.count("select count(*) from intents where state = 'done' and detail = 'complete'").await, 1);
}

#[tokio::test]
async fn open_intents_of_an_earlier_run_expire_and_are_named() {
    let f = Fixture::new().await;
    let done = f.store.begin_intent(&unlock()).await.unwrap();
    f.store.finish_intent(done, IntentState::Unknown, "", NOW).await.unwrap();
    let first = f.store.begin_intent(&unlock()).await.unwrap();
    let second = f.store.begin_intent(&NewIntent { action: LockAction::Unknown(0x2A), ..unlock() }).await.unwrap();
    f.store.close().await;

    let store = Store::open(&f.path).await.unwrap();
    let open = |id, action| OpenIntent { id, nuki_id: LOCK, action, requester: "http 127.0.0.1".to_owned(), at: NOW };
    assert_eq!(
        store.expire_open_intents(NOW).await.unwrap(),
        [open(first, LockAction::Unlock), open(second, LockAction::Unknown(0x2A))]
    );
    assert_eq!(store.expire_open_intents(NOW).await.unwrap(), []);
    let end = store.finish_intent(first, IntentState::Done, "", NOW).await;
    assert!(matches!(end, Err(StoreError::IntentNotOpen(_))));
}

#[tokio::test]
async fn an_intent_for_an_unknown_lock_is_refused() {
    let f = Fixture::new().await;
    let result = f.store.begin_intent(&NewIntent { nuki_id: 5, ..unlock() }).await;
    assert_eq!(result.unwrap_err().to_string(), "lock 00000005 is not in the database");
}

#[tokio::test]
async fn the_last_state_comes_back_as_it_was_read() {
    let f = Fixture::new().await;
    assert_eq!(f.store.last_observation(LOCK).await.unwrap(), None);
    let seen = |state, before| Observation { states: states(state), before };
    let observations = vec![seen(LockState::Unlocking, Some(LockState::Locked)), seen(LockState::Unlocked, None)];
    f.store.commit(&Batch { observations, ..batch(1) }).await.unwrap();
    assert_eq!(
        f.store.last_observation(LOCK).await.unwrap(),
        Some(StoredObservation {
            id: 2,
            observed_at: UnixMillis(NOW.0 + 1000),
            states: states(LockState::Unlocked),
            before: None
        })
    );
    assert_eq!(
        f.count("select count(*) from observations where state = 'unlocking' and state_before = 'locked'").await,
        1
    );
    assert_eq!(f.count("select battery_percent from observations where id = 2").await, 80);
    assert_eq!(f.store.last_observation(1).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn virtual_time_waits_for_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("keyturner.db")).await.unwrap().with_virtual_time();
    let start = tokio::time::Instant::now();
    // Whoever sleeps meanwhile must not be woken by a clock that believes nobody works.
    let sleeper = tokio::spawn(tokio::time::sleep(std::time::Duration::from_secs(60)));
    store.register_lock(&lock_row(LOCK, "Front door")).await.unwrap();
    for index in 1..20 {
        store.commit(&events(i64::from(index), vec![by_app(index)])).await.unwrap();
    }
    assert_eq!(start.elapsed(), std::time::Duration::ZERO);
    sleeper.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 60);
}
