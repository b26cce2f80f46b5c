//! The views, as an owner reads them with `sqlite3`.

use keyturner::attribution::{Attribution, Event, EventKind, Method, StateChange, UnknownReason, Who};
use keyturner::protocol::users::{AuthorizationEntry, KeypadCode};
use keyturner::protocol::{CompletionStatus, DoorEvent, IdType, LockAction, LockState, Trigger};
use keyturner::store::NewIntent;
use sqlx::Row;

use crate::store::{Fixture, LOCK, NOW, by_app, by_code, device_time, events, pending, without_entry};

/// Rows of `who | what | how | result`, oldest first.
async fn sentences(f: &Fixture) -> Vec<String> {
    let mut owner = f.sqlite3().await;
    let rows = sqlx::query("select who, what, how, result from audit order by id").fetch_all(&mut owner).await.unwrap();
    let text = |row: &sqlx::sqlite::SqliteRow, column: &str| row.get::<String, _>(column);
    rows.iter()
        .map(|row| ["who", "what", "how", "result"].map(|column| text(row, column)).join(" | ").trim_end().to_owned())
        .collect()
}

fn nobody(log_index: u32, method: Method, trigger: Trigger) -> Event {
    Event { who: Who::default(), attribution: Attribution::Nobody, method, trigger: Some(trigger), ..by_app(log_index) }
}

fn door(log_index: u32, event: DoorEvent) -> Event {
    Event { method: Method::DoorSensor, ..without_entry(EventKind::Door(event), Some(log_index)) }
}

fn changed_to(after: LockState) -> Event {
    Event { change: Some(StateChange { before: None, after }), ..pending() }
}

#[tokio::test]
async fn every_row_of_the_audit_reads_like_a_sentence() {
    let f = Fixture::new().await;
    let intent = NewIntent { nuki_id: LOCK, action: LockAction::Lock, requester: "http 10.0.0.7".to_owned(), at: NOW };
    let intent_id = Some(f.store.begin_intent(&intent).await.unwrap());
    let action = |index, action| Event { action: Some(action), ..by_app(index) };
    let refused = |event: Event, status| Event { completion_status: Some(status), ..event };
    let unknown =
        |event: Event, reason| Event { who: Who::default(), attribution: Attribution::Unknown(reason), ..event };
    let keypad = Who {
        auth_id: Some(9),
        auth_type: Some(IdType::Keypad),
        auth_name: Some("Keypad".to_owned()),
        ..Who::default()
    };
    let nameless = Who { code_id: Some(3), ..keypad.clone() };
    let cases: Vec<(Event, &str)> = vec![
        (by_app(1), "Anna | unlocked the door | with the app | success"),
        (Event { auto_unlock: true, ..by_app(2) }, "Anna | unlocked the door | with the app (auto unlock) | success"),
        (by_code(3), "Cleaner | unlocked the door | with keypad code 1 | success"),
        (Event { who: nameless, ..by_code(4) }, "keypad code 3 | unlocked the door | with keypad code 3 | success"),
        (
            unknown(refused(by_code(5), CompletionStatus::InvalidCode), UnknownReason::NotUnderstood),
            "somebody | entered a wrong code | at the keypad | invalid code",
        ),
        (
            Event {
                method: Method::Fingerprint,
                who: keypad.clone(),
                ..refused(by_code(6), CompletionStatus::InvalidFingerprint)
            },
            "somebody | used an unknown finger | at the keypad | invalid fingerprint",
        ),
        (
            refused(by_code(7), CompletionStatus::Rejected),
            "Cleaner | tried to unlock the door | with keypad code 1 | rejected",
        ),
        (
            Event {
                action: Some(LockAction::Lock),
                who: keypad,
                method: Method::ArrowKey,
                attribution: Attribution::Nobody,
                ..by_code(8)
            },
            "somebody | locked the door | with the keypad's arrow key | success",
        ),
        (nobody(9, Method::Manual, Trigger::Manual), "somebody | unlocked the door | by hand | success"),
        (
            Event { presses: 2, ..nobody(10, Method::Button, Trigger::Button) },
            "somebody | unlocked the door | with the button (2 presses) | success",
        ),
        (
            Event { action: Some(LockAction::Lock), ..nobody(11, Method::AutoLock, Trigger::AutoLock) },
            "the lock itself | locked the door | by auto lock | success",
        ),
        (
            nobody(12, Method::TimeControl, Trigger::Automatic),
            "the lock itself | unlocked the door | by time control | success",
        ),
        (action(13, LockAction::Unlatch), "Anna | pulled the latch | with the app | success"),
        (action(14, LockAction::LockNGo), "Anna | started lock 'n' go | with the app | success"),
        (action(15, LockAction::FullLock), "Anna | locked the door fully | with the app | success"),
        (action(16, LockAction::Unknown(0x2A)), "Anna | did unknown(0x2a) | with the app | success"),
        (
            Event { action: Some(LockAction::FobNoAction), method: Method::Fob, presses: 1, ..by_app(17) },
            "Anna | pressed the fob | with the fob (1 press) | success",
        ),
        (
            refused(action(18, LockAction::Lock), CompletionStatus::MotorBlocked),
            "Anna | tried to lock the door | with the app | motor blocked",
        ),
        (door(19, DoorEvent::Opened), "somebody | opened the door |  |"),
        (door(20, DoorEvent::Closed), "somebody | closed the door |  |"),
        (door(21, DoorEvent::Jammed), "the lock itself | reported a jammed door sensor |  |"),
        (door(22, DoorEvent::Unknown(9)), "somebody | moved the door in an unknown way (9) |  |"),
        (
            Event { kind: EventKind::Logging(false), action: None, completion_status: None, ..by_app(23) },
            "Anna | switched the log off | with the app |",
        ),
        (
            without_entry(EventKind::UnknownEntry(0x2A), Some(24)),
            "the lock itself | logged something of unknown type 42 | by itself |",
        ),
        (
            unknown(by_app(25), UnknownReason::PinMissing),
            "unknown (pin missing) | unlocked the door | with the app | success",
        ),
        (changed_to(LockState::Unlocked), "not known yet | unlocked the door |  |"),
        (changed_to(LockState::MotorBlocked), "not known yet | met a blocked motor |  |"),
        (changed_to(LockState::BootRun), "not known yet | changed the lock to boot run |  |"),
        (
            Event {
                action: Some(LockAction::Lock),
                intent_id,
                method: Method::Bridge,
                ..without_entry(EventKind::IntentFailed, None)
            },
            "a client (http 10.0.0.7) | tried to lock the door | through the bridge (intent 1) |",
        ),
        (
            Event {
                attribution: Attribution::Unknown(UnknownReason::EntryMissing),
                method: Method::Unknown,
                ..without_entry(EventKind::Gap, Some(30))
            },
            "Keyturner | missed log entries |  |",
        ),
        (without_entry(EventKind::Ring, Some(31)), "somebody | rang the bell | by itself |"),
        (without_entry(EventKind::Calibration, Some(32)), "the lock itself | calibrated the lock | by itself |"),
        (without_entry(EventKind::Initialisation, Some(33)), "the lock itself | started the lock up | by itself |"),
        (
            without_entry(EventKind::DoorSensorLogging(true), Some(34)),
            "the lock itself | switched the door log on | by itself |",
        ),
        (without_entry(EventKind::FirmwareUpdate, Some(35)), "the lock itself | got new firmware | by itself |"),
        (without_entry(EventKind::Reset, None), "the lock itself | began a new log | by itself |"),
    ];
    let (rows, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    f.store.commit(&events(1, rows)).await.unwrap();
    assert_eq!(sentences(&f).await, expected);
}

#[tokio::test]
async fn a_late_answer_completes_the_sentence_and_has_none_of_its_own() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, vec![pending()])).await.unwrap();
    assert_eq!(sentences(&f).await, ["not known yet | unlocked the door |  |"]);
    f.store.commit(&events(2, vec![Event { answers_pending: true, ..by_code(1) }])).await.unwrap();
    assert_eq!(sentences(&f).await, ["Cleaner | unlocked the door | with keypad code 1 | success"]);
}

#[tokio::test]
async fn the_audit_says_when_where_and_how_sure() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, vec![Event { backfilled: true, ..by_code(1) }])).await.unwrap();
    let mut owner = f.sqlite3().await;
    let row: (i64, String, String, String, String, String, String, i64, i64, i64) = sqlx::query_as(
        "select id, at, lock, certainty, device_time, backfilled, lock_id, auth_id, code_id, log_index from audit",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    let text = |s: &str| s.to_owned();
    let expected = (
        1,
        text("2026-11-23 14:05:10Z"),
        text("Front door"),
        text("matched"),
        text("2026-11-23T14:05:10"),
        text("yes"),
        text("2B1C0D0E"),
        9,
        1,
        1,
    );
    assert_eq!(row, expected);
}

#[tokio::test]
async fn refused_attempts_stand_in_their_own_view_and_are_nobodys_last_visit() {
    let f = Fixture::new().await;
    let rejected = Event { completion_status: Some(CompletionStatus::Rejected), ..by_code(3) };
    f.store.commit(&events(1, vec![by_code(1), by_app(2), rejected, by_app(4)])).await.unwrap();
    let mut owner = f.sqlite3().await;
    let refused: Vec<(i64, String)> =
        sqlx::query_as("select id, who from refused").fetch_all(&mut owner).await.unwrap();
    assert_eq!(refused, [(3, "Cleaner".to_owned())]);
    let last: Vec<(String, i64, Option<i64>, i64, i64)> =
        sqlx::query_as("select name, auth_id, code_id, event_id, times from last_by_user order by event_id")
            .fetch_all(&mut owner)
            .await
            .unwrap();
    assert_eq!(last, [("Cleaner".to_owned(), 9, Some(1), 1, 1), ("Anna".to_owned(), 7, None, 4, 2)]);
}

#[tokio::test]
async fn users_are_shown_with_their_time_and_codes_without_digits() {
    let f = Fixture::new().await;
    let anna = AuthorizationEntry {
        auth_id: 7,
        id_type: IdType::App,
        name: "Anna".to_owned(),
        enabled: true,
        remote_allowed: true,
        created: device_time(0),
        last_active: None,
        lock_count: 0,
        time_limit: None,
    };
    let code = KeypadCode {
        code_id: 1,
        name: "Cleaner".to_owned(),
        enabled: false,
        created: None,
        last_active: None,
        lock_count: 0,
        time_limit: None,
    };
    f.store.replace_users(LOCK, &[anna], NOW).await.unwrap();
    f.store.replace_keypad_codes(LOCK, &[code], NOW).await.unwrap();
    f.store.replace_users(LOCK, &[], NOW).await.unwrap();
    let mut owner = f.sqlite3().await;
    let rows: Vec<(String, String, i64, String, String, Option<String>)> =
        sqlx::query_as("select lock_id, kind, number, name, enabled, valid_until from users order by number desc")
            .fetch_all(&mut owner)
            .await
            .unwrap();
    let row = |kind: &str, number, name: &str, enabled: &str, until: Option<&str>| {
        ("2B1C0D0E".to_owned(), kind.to_owned(), number, name.to_owned(), enabled.to_owned(), until.map(str::to_owned))
    };
    assert_eq!(
        rows,
        [row("app", 7, "Anna", "yes", Some("2026-11-23 14:05:09Z")), row("keypad_code", 1, "Cleaner", "no", None)]
    );
}
