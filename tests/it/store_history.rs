//! The log as an API reads it.

use keyturner::attribution::{Attribution, Event, EventKind, Method, StateChange, UnknownReason, Who};
use keyturner::clock::UnixMillis;
use keyturner::protocol::{CompletionStatus, DoorEvent, IdType, LockAction, LockState, Trigger};
use keyturner::store::{Batch, HistoryFilter, HistoryRow, MAX_PAGE, NewIntent};
use sqlx::Row;

use crate::store::{Fixture, LOCK, NOW, by_app, by_code, device_time, events, lock_row, pending, without_entry};

const ALL: HistoryFilter = HistoryFilter {
    nuki_id: None,
    auth_id: None,
    code_id: None,
    action: None,
    from: None,
    to: None,
    kinds: Vec::new(),
    refused_only: false,
    before_id: None,
    limit: 50,
};

fn wrong_code(log_index: u32) -> Event {
    Event {
        completion_status: Some(CompletionStatus::InvalidCode),
        who: Who { auth_id: Some(9), auth_type: Some(IdType::Keypad), ..Who::default() },
        attribution: Attribution::Nobody,
        change: None,
        ..by_code(log_index)
    }
}

async fn ids(f: &Fixture, filter: HistoryFilter) -> Vec<i64> {
    f.store.history(&filter).await.unwrap().into_iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn everything_an_event_says_comes_back() {
    let f = Fixture::new().await;
    let intent = NewIntent { nuki_id: LOCK, action: LockAction::Unlock, requester: "http".to_owned(), at: NOW };
    let intent_id = f.store.begin_intent(&intent).await.unwrap();
    let event = Event {
        auto_unlock: true,
        presses: 2,
        backfilled: true,
        intent_id: Some(intent_id),
        detail: Some("words".to_owned()),
        action: Some(LockAction::Unknown(0x2A)),
        trigger: Some(Trigger::Unknown(0x2B)),
        completion_status: Some(CompletionStatus::Unknown(0x2C)),
        kind: EventKind::UnknownEntry(0x2D),
        change: Some(StateChange { before: Some(LockState::Unknown(0x2E)), after: LockState::Unknown(0x2F) }),
        attribution: Attribution::Unknown(UnknownReason::NotUnderstood),
        ..by_code(4)
    };
    f.store.commit(&events(10, vec![event])).await.unwrap();
    let expected = HistoryRow {
        id: 1,
        nuki_id: LOCK,
        lock_name: "Front door".to_owned(),
        device_type: 4,
        kind: "unknown_entry".to_owned(),
        kind_code: Some(0x2D),
        log_index: Some(4),
        at: UnixMillis(NOW.0 + 4000),
        observed_at: UnixMillis(NOW.0 + 10_000),
        device_time: device_time(4),
        action: Some(LockAction::Unknown(0x2A)),
        trigger: Some(Trigger::Unknown(0x2B)),
        completion_status: Some(CompletionStatus::Unknown(0x2C)),
        state_before: Some(LockState::Unknown(0x2E)),
        state_after: Some(LockState::Unknown(0x2F)),
        auth_id: Some(9),
        auth_type: Some(IdType::Keypad),
        auth_name: Some("Nuki Keypad".to_owned()),
        code_id: Some(1),
        code_name: Some("Cleaner".to_owned()),
        user_name: Some("Cleaner".to_owned()),
        method: "code".to_owned(),
        attribution: "unknown".to_owned(),
        reason: Some("not_understood".to_owned()),
        auto_unlock: true,
        presses: 2,
        backfilled: true,
        intent_id: Some(intent_id),
        detail: Some("words".to_owned()),
        refused: true,
        answered_by: None,
    };
    assert_eq!(f.store.history(&ALL).await.unwrap(), [expected]);
    assert_eq!(f.count("select count(*) from events where action = 'unknown(0x2a)' and action_code = 42").await, 1);
}

#[tokio::test]
async fn a_late_answer_is_shown_in_the_place_of_its_question() {
    let f = Fixture::new().await;
    f.store
        .commit(&events(1, vec![Event { completion_status: Some(CompletionStatus::MotorBlocked), ..pending() }]))
        .await
        .unwrap();
    f.store.commit(&events(2, vec![by_code(1)])).await.unwrap();
    assert_eq!(f.store.history(&ALL).await.unwrap()[1].attribution, "pending");
    let answer = Event { answers_pending: true, backfilled: true, completion_status: None, ..by_app(2) };
    f.store.commit(&events(3, vec![answer])).await.unwrap();

    let rows = f.store.history(&ALL).await.unwrap();
    assert_eq!(rows.iter().map(|r| (r.id, r.answered_by)).collect::<Vec<_>>(), [(2, None), (1, Some(3))]);
    let row = &rows[1];
    assert_eq!((row.user_name.as_deref(), row.kind.as_str(), row.log_index), (Some("Anna"), "lock_action", Some(2)));
    assert_eq!((row.at, row.observed_at), (NOW, UnixMillis(NOW.0 + 1000)), "the moment it was seen stays");
    assert!(!row.backfilled);
    assert_eq!(row.completion_status, Some(CompletionStatus::MotorBlocked));
    assert!(row.refused, "the result of the question counts if the answer has none");

    assert_eq!(ids(&f, HistoryFilter { auth_id: Some(7), ..ALL }).await, [1]);
    assert_eq!(ids(&f, HistoryFilter { kinds: vec!["state_change".to_owned()], ..ALL }).await, [0_i64; 0]);
    assert_eq!(ids(&f, HistoryFilter { before_id: Some(2), ..ALL }).await, [1]);
    assert_eq!(ids(&f, HistoryFilter { refused_only: true, ..ALL }).await, [1]);
    assert_eq!(ids(&f, HistoryFilter { to: Some(UnixMillis(NOW.0 + 1)), ..ALL }).await, [1]);
}

#[tokio::test]
async fn every_filter_holds_alone_and_with_others() {
    let f = Fixture::new().await;
    f.store.register_lock(&lock_row(5, "Back door")).await.unwrap();
    let opened = Event { log_index: Some(4), ..without_entry(EventKind::Door(DoorEvent::Opened), None) };
    let locked = Event { action: Some(LockAction::Lock), ..by_app(3) };
    f.store.commit(&events(10, vec![by_app(1), wrong_code(2), locked, opened, by_code(5)])).await.unwrap();
    f.store.commit(&Batch { nuki_id: 5, ..events(10, vec![by_app(6)]) }).await.unwrap();
    let failed = Event { intent_id: None, ..without_entry(EventKind::IntentFailed, None) };
    f.store.commit(&events(11, vec![failed])).await.unwrap();

    let kinds = |kinds: &[&str]| kinds.iter().map(|&k| k.to_owned()).collect::<Vec<_>>();
    let second = |s: i64| Some(UnixMillis(NOW.0 + s * 1000));
    let cases: [(HistoryFilter, &[i64]); 13] = [
        (ALL, &[7, 6, 5, 4, 3, 2, 1]),
        (HistoryFilter { nuki_id: Some(5), ..ALL }, &[6]),
        (HistoryFilter { auth_id: Some(7), ..ALL }, &[6, 3, 1]),
        (HistoryFilter { auth_id: Some(7), nuki_id: Some(LOCK), ..ALL }, &[3, 1]),
        (HistoryFilter { code_id: Some(1), ..ALL }, &[5]),
        (HistoryFilter { action: Some(2), ..ALL }, &[3]),
        (HistoryFilter { from: second(2), to: second(5), ..ALL }, &[3, 2]),
        (HistoryFilter { kinds: kinds(&["door", "keypad_action"]), ..ALL }, &[5, 4, 2]),
        (HistoryFilter { kinds: kinds(&["'; drop table events"]), ..ALL }, &[]),
        (HistoryFilter { refused_only: true, ..ALL }, &[7, 2]),
        (HistoryFilter { before_id: Some(4), limit: 2, ..ALL }, &[3, 2]),
        (HistoryFilter { limit: 0, ..ALL }, &[]),
        (HistoryFilter { auth_id: Some(9), action: Some(1), refused_only: true, before_id: Some(5), ..ALL }, &[2]),
    ];
    for (filter, expected) in cases {
        assert_eq!(ids(&f, filter.clone()).await, expected, "{filter:?}");
    }
    assert_eq!(HistoryFilter::default(), HistoryFilter { limit: 20, ..ALL });
}

#[tokio::test]
async fn pages_meet_without_gap_or_overlap_while_rows_are_added() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, (1..=25).map(by_app).collect())).await.unwrap();
    let mut seen = Vec::new();
    let mut filter = HistoryFilter { limit: 10, ..ALL };
    loop {
        let page = ids(&f, filter.clone()).await;
        let Some(&last) = page.last() else { break };
        seen.extend(page);
        filter.before_id = Some(last);
        f.store.commit(&events(2, vec![by_app(100 + last as u32)])).await.unwrap();
    }
    assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn no_page_is_longer_than_the_bound() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, (1..=MAX_PAGE + 5).map(by_app).collect())).await.unwrap();
    assert_eq!(ids(&f, HistoryFilter { limit: u32::MAX, ..ALL }).await.len(), 1000);
}

#[tokio::test]
async fn a_reader_does_not_wait_for_a_writer() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, vec![by_app(1)])).await.unwrap();
    let mut owner = f.sqlite3().await;
    sqlx::query("begin immediate").execute(&mut owner).await.unwrap();
    assert_eq!(ids(&f, ALL).await, [1]);
}

/// Statements that the API runs most must not walk through the log or sort it, however long it grows.
#[tokio::test]
async fn pages_are_read_along_an_index() {
    let f = Fixture::new().await;
    let mut owner = f.sqlite3().await;
    for (statement, index) in [
        ("explain query plan select * from entries where id < 9 order by id desc limit 20", "events_shown_as"),
        ("explain query plan select * from audit order by id desc limit 5", "events_shown_as"),
        (
            "explain query plan select * from entries where nuki_id = 1 and id < 9 order by id desc limit 20",
            "events_by_lock",
        ),
        (
            "explain query plan select * from entries where auth_id = 1 and id < 9 order by id desc limit 20",
            "events_by_user",
        ),
        (
            "explain query plan select * from entries where nuki_id = 1 and auth_id = 1 order by id desc limit 20",
            "events_by_user",
        ),
        ("explain query plan select * from entries where code_id = 1 order by id desc limit 20", "events_by_code"),
        (
            "explain query plan select * from entries where refused = 1 and id < 9 order by id desc limit 20",
            "events_refused",
        ),
    ] {
        let rows = sqlx::query(statement).fetch_all(&mut owner).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        assert!(plan[0].contains(index), "{statement}\n{plan:#?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{statement}\n{plan:#?}");
    }
}

#[tokio::test]
async fn what_was_done_by_hand_has_no_name() {
    let f = Fixture::new().await;
    let by_hand = Event {
        who: Who::default(),
        trigger: Some(Trigger::Manual),
        method: Method::Manual,
        attribution: Attribution::Nobody,
        ..by_app(1)
    };
    f.store.commit(&events(1, vec![by_hand])).await.unwrap();
    let row = f.store.history(&ALL).await.unwrap().remove(0);
    assert_eq!((row.user_name, row.auth_id, row.attribution.as_str()), (None, None, "nobody"));
}
