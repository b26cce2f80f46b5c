//! The log as an API reads it.

use keyturner::attribution::{Attribution, Event, EventKind, Method, StateChange, UnknownReason, Who};
use keyturner::clock::UnixMillis;
use keyturner::protocol::{CompletionStatus, DoorEvent, IdType, LockAction, LockState, Trigger};
use keyturner::store::{Batch, HistoryFilter, HistoryRow, LockClock, MAX_PAGE, NewIntent, Order, PageKey};
use sqlx::Row;

use crate::store::{Fixture, LOCK, NOW, by_app, by_code, device_time, events, lock_row, pending, without_entry};

fn all() -> HistoryFilter {
    HistoryFilter::default()
}

fn after(id: i64, seconds: i64) -> Option<PageKey> {
    Some(PageKey { at: UnixMillis(NOW.0 + seconds * 1000), id })
}

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
    let clock = Some(LockClock { skew: -1500, zone_offset: 60 });
    f.store.commit(&Batch { clock, ..events(10, vec![event]) }).await.unwrap();
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
        client: Some("http".to_owned()),
        detail: Some("words".to_owned()),
        refused: true,
        zone_offset: Some(60),
        clock_skew: Some(-1500),
        answered_by: None,
    };
    assert_eq!(f.store.history(&all()).await.unwrap(), [expected]);
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
    assert_eq!(f.store.history(&all()).await.unwrap()[1].attribution, "pending");
    let answer = Event { answers_pending: true, backfilled: true, completion_status: None, ..by_app(2) };
    f.store.commit(&events(3, vec![answer])).await.unwrap();

    let rows = f.store.history(&all()).await.unwrap();
    assert_eq!(rows.iter().map(|r| (r.id, r.answered_by)).collect::<Vec<_>>(), [(2, None), (1, Some(3))]);
    let row = &rows[1];
    assert_eq!((row.user_name.as_deref(), row.kind.as_str(), row.log_index), (Some("Anna"), "lock_action", Some(2)));
    assert_eq!((row.at, row.observed_at), (NOW, UnixMillis(NOW.0 + 1000)), "the moment it was seen stays");
    assert!(!row.backfilled);
    assert_eq!(row.completion_status, Some(CompletionStatus::MotorBlocked));
    assert!(row.refused, "the result of the question counts if the answer has none");

    assert_eq!(ids(&f, HistoryFilter { auth_id: Some(7), ..all() }).await, [1]);
    assert_eq!(ids(&f, HistoryFilter { kinds: vec!["state_change".to_owned()], ..all() }).await, [0_i64; 0]);
    assert_eq!(ids(&f, HistoryFilter { after: after(2, 0), ..all() }).await, [1]);
    assert_eq!(ids(&f, HistoryFilter { refused: Some(true), ..all() }).await, [1]);
    assert_eq!(ids(&f, HistoryFilter { to: Some(UnixMillis(NOW.0 + 1)), ..all() }).await, [1]);
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
    let cases: [(HistoryFilter, &[i64]); 18] = [
        (all(), &[7, 6, 5, 4, 3, 2, 1]),
        (HistoryFilter { nuki_id: Some(5), ..all() }, &[6]),
        (HistoryFilter { auth_id: Some(7), ..all() }, &[6, 3, 1]),
        (HistoryFilter { auth_id: Some(7), nuki_id: Some(LOCK), ..all() }, &[3, 1]),
        (HistoryFilter { code_id: Some(1), ..all() }, &[5]),
        (HistoryFilter { action: Some(2), ..all() }, &[3]),
        (HistoryFilter { from: second(2), to: second(5), ..all() }, &[3, 2]),
        (HistoryFilter { kinds: kinds(&["door", "keypad_action"]), ..all() }, &[5, 4, 2]),
        (HistoryFilter { kinds: kinds(&["'; drop table events"]), ..all() }, &[]),
        (HistoryFilter { refused: Some(true), ..all() }, &[7, 2]),
        (HistoryFilter { after: after(4, 0), limit: 2, ..all() }, &[3, 2]),
        (HistoryFilter { limit: 0, ..all() }, &[]),
        (HistoryFilter { refused: Some(false), method: Some("app".to_owned()), ..all() }, &[6, 3, 1]),
        (HistoryFilter { user_name: Some("Anna".to_owned()), ..all() }, &[6, 3, 1]),
        (HistoryFilter { user_name: Some("anna".to_owned()), ..all() }, &[]),
        (HistoryFilter { attribution: Some("nobody".to_owned()), ..all() }, &[7, 4, 2]),
        (HistoryFilter { order: Order::Time, after: after(3, 3), ..all() }, &[2, 1, 7, 4]),
        (HistoryFilter { auth_id: Some(9), action: Some(1), refused: Some(true), after: after(5, 0), ..all() }, &[2]),
    ];
    for (filter, expected) in cases {
        assert_eq!(ids(&f, filter.clone()).await, expected, "{filter:?}");
    }
    assert_eq!(HistoryFilter::default(), HistoryFilter { limit: 50, ..all() });
}

#[tokio::test]
async fn pages_meet_without_gap_or_overlap_while_rows_are_added() {
    for order in [Order::Number, Order::Time] {
        let f = Fixture::new().await;
        // Three at each second, so that a page ends between equal times.
        let at = |index: u32| Event { device_time: device_time(i64::from(index / 3)), ..by_app(index) };
        f.store.commit(&events(1, (1..=25).map(at).collect())).await.unwrap();
        let mut seen = Vec::new();
        let mut filter = HistoryFilter { limit: 4, order, ..all() };
        loop {
            let page = f.store.page(&filter).await.unwrap();
            seen.extend(page.rows.iter().map(|row| row.id));
            assert_eq!(page.next.is_some(), seen.len() < 25, "the last page says so");
            let Some(next) = page.next else { break };
            filter.after = Some(next);
            // Newer in both orders.
            let newer = Event { device_time: device_time(60), ..by_app(100 + next.id as u32) };
            f.store.commit(&events(2, vec![newer])).await.unwrap();
        }
        assert_eq!(seen, (1..=25).rev().collect::<Vec<_>>(), "{order:?}");
    }
}

#[tokio::test]
async fn by_time_means_the_events_own_time_and_a_late_answer_stays_where_its_question_was() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, vec![pending(), by_app(9), by_app(5)])).await.unwrap();
    let by_time = HistoryFilter { order: Order::Time, ..all() };
    assert_eq!(ids(&f, by_time.clone()).await, [2, 3, 1]);
    let first = f.store.page(&HistoryFilter { limit: 2, ..by_time.clone() }).await.unwrap();
    f.store.commit(&events(3, vec![Event { answers_pending: true, ..by_app(20) }])).await.unwrap();
    let rest = f.store.page(&HistoryFilter { after: first.next, ..by_time }).await.unwrap();
    assert_eq!(rest.rows.iter().map(|row| (row.id, row.answered_by)).collect::<Vec<_>>(), [(1, Some(4))]);
}

#[tokio::test]
async fn an_event_is_found_by_its_number_and_by_that_of_its_answer() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, vec![pending()])).await.unwrap();
    f.store.commit(&events(2, vec![Event { answers_pending: true, ..by_app(1) }])).await.unwrap();
    for id in [1, 2] {
        let row = f.store.entry(id).await.unwrap().unwrap();
        assert_eq!((row.id, row.answered_by, row.user_name.as_deref()), (1, Some(2), Some("Anna")));
    }
    assert_eq!(f.store.entry(3).await.unwrap(), None);
}

#[tokio::test]
async fn rows_come_in_the_order_of_writing_and_an_answer_is_one_of_its_own() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, vec![pending(), by_code(1)])).await.unwrap();
    f.store.commit(&events(2, vec![Event { answers_pending: true, ..by_app(2) }])).await.unwrap();
    let rows = f.store.rows_after(&all(), 0, 100, 100).await.unwrap();
    let told: Vec<_> =
        rows.iter().map(|row| (row.row_id, row.answers, row.entry.id, row.entry.attribution.as_str())).collect();
    assert_eq!(told, [(1, None, 1, "pending"), (2, None, 2, "matched"), (3, Some(1), 1, "matched")]);
    let anna = HistoryFilter { auth_id: Some(7), ..all() };
    assert_eq!(f.store.rows_after(&anna, 0, 100, 100).await.unwrap().len(), 1);
    assert_eq!(f.store.rows_after(&all(), 1, 2, 100).await.unwrap().len(), 1);
    assert_eq!(f.store.rows_after(&all(), 0, 100, 2).await.unwrap().len(), 2);
}

#[tokio::test]
async fn no_page_is_longer_than_the_bound() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, (1..=MAX_PAGE + 5).map(by_app).collect())).await.unwrap();
    assert_eq!(ids(&f, HistoryFilter { limit: u32::MAX, ..all() }).await.len(), 1000);
}

#[tokio::test]
async fn a_reader_does_not_wait_for_a_writer() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, vec![by_app(1)])).await.unwrap();
    let mut owner = f.sqlite3().await;
    sqlx::query("begin immediate").execute(&mut owner).await.unwrap();
    assert_eq!(ids(&f, all()).await, [1]);
}

/// What an owner reads with `sqlite3` must not walk through the log or sort it either; pages are tested beside their query.
#[tokio::test]
async fn views_are_read_along_an_index() {
    let f = Fixture::new().await;
    let mut owner = f.sqlite3().await;
    for (statement, index) in [
        ("explain query plan select * from audit order by id desc limit 5", "events_shown_as"),
        ("explain query plan select * from entries where auth_id = 1 order by id desc limit 20", "events_by_user"),
        ("explain query plan select * from entries where at > 5 and at < 9 order by at, id", "events_by_time"),
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
    let row = f.store.history(&all()).await.unwrap().remove(0);
    assert_eq!((row.user_name, row.auth_id, row.attribution.as_str()), (None, None, "nobody"));
}
