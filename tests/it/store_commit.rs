//! One transaction, once: replays, resets, power cuts, answers that come late.

use keyturner::attribution::{Attribution, Event, EventKind, StateChange, UnknownReason};
use keyturner::clock::UnixMillis;
use keyturner::protocol::{LockState, Trigger};
use keyturner::store::{Batch, HistoryFilter, Observation, PendingEvent, Store, StoreError};
use proptest::prelude::*;

use crate::store::{
    Fixture, LOCK, NOW, batch, by_app, by_code, device_time, events, lock_row, pending, states, without_entry,
};

fn full_batch() -> Batch {
    Batch {
        observations: vec![Observation { states: states(LockState::Unlocked), before: Some(LockState::Locked) }],
        events: vec![pending(), by_app(4), by_code(5)],
        cursor: Some(5),
        callback_bodies: vec!["{\"state\": 3}".to_owned().into()],
        ..batch(1)
    }
}

#[tokio::test]
async fn the_same_batch_twice_is_stored_once_and_told_once() {
    let f = Fixture::new().await;
    f.store.add_callback("http://a/", NOW).await.unwrap();
    let ids = f.store.commit(&full_batch()).await.unwrap();
    assert_eq!(ids, [1, 2, 3]);
    // As after a kill between the commit and the note that it was done.
    f.store.close().await;
    let store = Store::open(&f.path).await.unwrap();
    assert_eq!(store.commit(&full_batch()).await.unwrap(), ids);

    assert_eq!(f.count("select count(*) from events").await, 3);
    assert_eq!(f.count("select count(*) from observations").await, 1);
    assert_eq!(f.count("select count(*) from outbox").await, 1);
    assert_eq!(f.count("select count(*) from unanswered").await, 1);
    assert_eq!(store.cursor(LOCK).await.unwrap(), 5);
}

#[tokio::test]
async fn a_batch_that_overlaps_stores_and_tells_only_what_is_new() {
    let f = Fixture::new().await;
    f.store.add_callback("http://a/", NOW).await.unwrap();
    f.store.commit(&events(1, vec![by_app(1), by_app(2)])).await.unwrap();
    let bodies = vec!["{}".to_owned().into()];
    let overlap = Batch { callback_bodies: bodies.clone(), ..events(2, vec![by_app(2), by_app(3)]) };
    assert_eq!(f.store.commit(&overlap).await.unwrap(), [2, 3]);
    assert_eq!(f.count("select count(*) from outbox").await, 1);
    let nothing_new = Batch { callback_bodies: bodies, ..events(3, vec![by_app(3)]) };
    assert_eq!(f.store.commit(&nothing_new).await.unwrap(), [3]);
    assert_eq!(f.count("select count(*) from outbox").await, 1);
}

#[tokio::test]
async fn bodies_without_events_are_told() {
    let f = Fixture::new().await;
    f.store.add_callback("http://a/", NOW).await.unwrap();
    f.store.commit(&Batch { callback_bodies: vec!["{}".to_owned().into()], ..batch(1) }).await.unwrap();
    assert_eq!(f.count("select count(*) from outbox").await, 1);
}

#[tokio::test]
async fn equal_rows_of_one_batch_are_two_rows() {
    let f = Fixture::new().await;
    let ids = f.store.commit(&events(1, vec![pending(), pending()])).await.unwrap();
    assert_eq!(ids, [1, 2]);
    assert_eq!(f.store.commit(&events(2, vec![pending()])).await.unwrap(), [3]);
}

#[tokio::test]
async fn a_failure_at_the_last_part_leaves_nothing_of_the_batch() {
    let f = Fixture::new().await;
    f.store.add_callback("http://a/", NOW).await.unwrap();
    // The outbox is written last. Forbidding it makes everything before fail with it.
    f.run("create trigger no before insert on outbox begin select raise(abort, 'forced'); end").await;
    let mut whole = full_batch();
    whole.events.insert(0, without_entry(EventKind::Reset, None));
    let error = f.store.commit(&whole).await.unwrap_err();
    assert!(error.to_string().contains("forced"), "{error}");
    for table in [
        "select count(*) from events",
        "select count(*) from observations",
        "select count(*) from unanswered",
        "select count(*) from cursors",
        "select count(*) from outbox",
        "select log_epoch from locks",
    ] {
        assert_eq!(f.count(table).await, 0, "{table}");
    }
    // The connection is usable again, and the batch goes through.
    f.run("drop trigger no").await;
    assert_eq!(f.store.commit(&whole).await.unwrap().len(), 4);
}

#[tokio::test]
async fn an_event_with_an_intent_that_never_was_fails_as_a_whole() {
    let f = Fixture::new().await;
    let bad = Event { intent_id: Some(77), ..by_app(2) };
    let error = f.store.commit(&events(1, vec![by_app(1), bad])).await.unwrap_err();
    assert!(error.to_string().contains("FOREIGN KEY"), "{error}");
    assert_eq!(f.count("select count(*) from events").await, 0);
}

#[tokio::test]
async fn a_lock_that_was_never_registered_has_no_events() {
    let f = Fixture::new().await;
    let error = f.store.commit(&Batch { nuki_id: 3, ..events(1, vec![by_app(1)]) }).await.unwrap_err();
    assert!(matches!(error, StoreError::UnknownLock(3)));
}

#[tokio::test]
async fn what_was_committed_stands_after_a_power_cut() {
    let f = Fixture::new().await;
    f.store.add_callback("http://a/", NOW).await.unwrap();
    for index in 1..=5 {
        f.store
            .commit(&Batch {
                cursor: Some(index),
                callback_bodies: vec![index.to_string().into()],
                ..events(1, vec![by_app(index)])
            })
            .await
            .unwrap();
        // What the disk holds now, while the store is open. Without the shared memory, which a power cut takes.
        let copy = f.dir.path().join(format!("copy{index}.db"));
        std::fs::copy(&f.path, &copy).unwrap();
        std::fs::copy(f.path.with_extension("db-wal"), copy.with_extension("db-wal")).unwrap();

        let store = Store::open(&copy).await.unwrap();
        let rows = store.history(&HistoryFilter::default()).await.unwrap();
        assert_eq!(
            rows.iter().map(|r| r.log_index).collect::<Vec<_>>(),
            (1..=index).rev().map(Some).collect::<Vec<_>>()
        );
        assert_eq!(store.cursor(LOCK).await.unwrap(), index);
        assert_eq!(store.next_delivery(0).await.unwrap().unwrap().body, "1");
        let mut owner = crate::store::connect(&copy).await;
        let check: String = sqlx::query_scalar("pragma integrity_check").fetch_one(&mut owner).await.unwrap();
        assert_eq!(check, "ok");
    }
}

#[tokio::test]
async fn a_torn_write_ahead_log_loses_the_torn_batch_whole() {
    let f = Fixture::new().await;
    let wal = f.path.with_extension("db-wal");
    f.store.commit(&events(1, vec![by_app(1)])).await.unwrap();
    let kept = std::fs::metadata(&wal).unwrap().len();
    f.store.commit(&Batch { cursor: Some(3), ..events(2, vec![by_app(2), by_app(3)]) }).await.unwrap();
    let bytes = std::fs::read(&wal).unwrap();
    // The commit mark is in the last frame, so every length below loses all of the second batch.
    for (n, length) in (kept..bytes.len() as u64).step_by(1021).enumerate() {
        let copy = f.dir.path().join(format!("torn{n}.db"));
        std::fs::copy(&f.path, &copy).unwrap();
        std::fs::write(copy.with_extension("db-wal"), &bytes[..length as usize]).unwrap();
        let store = Store::open(&copy).await.unwrap();
        assert_eq!(store.history(&HistoryFilter::default()).await.unwrap().len(), 1, "{length}");
        assert_eq!(store.cursor(LOCK).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn after_a_reset_the_same_numbers_are_new_entries() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, vec![by_app(1), by_app(2)])).await.unwrap();
    let reset = Batch {
        cursor: Some(2),
        ..events(2, vec![by_app(3), without_entry(EventKind::Reset, Some(1)), by_code(1), by_code(2)])
    };
    let ids = f.store.commit(&reset).await.unwrap();
    assert_eq!(ids, [3, 4, 5, 6]);
    assert_eq!(f.store.commit(&reset).await.unwrap(), ids, "a repeated reset is no second one");
    assert_eq!(f.count("select log_epoch from locks").await, 1);
    assert_eq!(f.count("select count(*) from events where log_epoch = 0").await, 3);

    let two = events(
        3,
        vec![without_entry(EventKind::Reset, None), by_app(1), without_entry(EventKind::Reset, Some(1)), by_app(1)],
    );
    let ids = f.store.commit(&two).await.unwrap();
    assert_eq!(ids, [7, 8, 9, 10]);
    assert_eq!(f.store.commit(&two).await.unwrap(), ids);
    assert_eq!(f.count("select log_epoch from locks").await, 3);
    assert_eq!(f.store.commit(&events(4, vec![by_app(1)])).await.unwrap(), [10]);
}

#[tokio::test]
async fn a_gap_may_carry_the_number_of_the_entry_behind_it() {
    let f = Fixture::new().await;
    let gap = Event {
        attribution: Attribution::Unknown(UnknownReason::EntryMissing),
        detail: Some("entries 1 to 8".to_owned()),
        ..without_entry(EventKind::Gap, Some(9))
    };
    assert_eq!(f.store.commit(&events(1, vec![gap.clone(), by_app(9)])).await.unwrap(), [1, 2]);
    assert_eq!(f.store.commit(&events(1, vec![gap, by_app(9)])).await.unwrap(), [1, 2]);
}

impl Fixture {
    /// Numbers of the pending events without an answer.
    async fn open_questions(&self) -> Vec<i64> {
        self.store.pending_events(LOCK).await.unwrap().iter().map(|pending| pending.id).collect()
    }
}

#[tokio::test]
async fn a_late_answer_refers_to_the_oldest_change_that_it_explains() {
    let f = Fixture::new().await;
    let locked = StateChange { before: Some(LockState::Unlocked), after: LockState::Locked };
    f.store.commit(&events(1, vec![pending()])).await.unwrap();
    f.store.commit(&events(2, vec![pending(), Event { change: Some(locked), ..pending() }])).await.unwrap();
    let answer = |index| Event { answers_pending: true, ..by_app(index) };

    f.store.commit(&events(3, vec![answer(1)])).await.unwrap();
    assert_eq!(f.count("select refers_to from events where log_index = 1").await, 1);
    assert_eq!(f.open_questions().await, [2, 3]);
    f.store.commit(&events(4, vec![answer(2)])).await.unwrap();
    assert_eq!(f.count("select refers_to from events where log_index = 2").await, 2);
    // Nothing is left that it could explain: it stands for itself rather than for another change.
    f.store.commit(&events(5, vec![answer(3), Event { change: None, ..answer(4) }])).await.unwrap();
    assert_eq!(f.count("select count(*) from events where log_index in (3, 4) and refers_to is null").await, 2);
    assert_eq!(f.open_questions().await, [3]);
}

#[tokio::test]
async fn a_number_below_the_highest_is_looked_up_before_it_counts_as_new() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, vec![by_app(5), by_app(8)])).await.unwrap();
    let ids = f.store.commit(&events(2, [9, 5, 6, 8, 9, 6, 10].map(by_app).into())).await.unwrap();
    assert_eq!(ids, [3, 1, 4, 2, 3, 4, 5]);
    assert_eq!(f.count("select count(*) from events").await, 5);
}

#[tokio::test]
async fn an_answer_with_another_state_before_is_no_answer() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, vec![pending()])).await.unwrap();
    let other = StateChange { before: Some(LockState::Unlatched), after: LockState::Unlocked };
    f.store.commit(&events(2, vec![Event { answers_pending: true, change: Some(other), ..by_app(1) }])).await.unwrap();
    assert_eq!(f.open_questions().await, [1]);
    let unsaid = StateChange { before: None, after: LockState::Unlocked };
    f.store.commit(&events(3, vec![Event { answers_pending: true, change: Some(unsaid), ..by_app(2) }])).await.unwrap();
    assert!(f.open_questions().await.is_empty());
}

#[tokio::test]
async fn a_pending_event_is_given_back_with_what_was_seen() {
    let f = Fixture::new().await;
    assert!(f.open_questions().await.is_empty());
    f.store.commit(&events(1, vec![pending()])).await.unwrap();
    assert_eq!(
        f.store.pending_events(LOCK).await.unwrap(),
        [PendingEvent {
            id: 1,
            observed_at: UnixMillis(NOW.0 + 1000),
            device_time: device_time(0),
            action: None,
            trigger: Some(Trigger::System),
            completion_status: None,
            change: pending().change,
            raw: pending().raw,
            raw_before: None,
        }]
    );
    let unknown =
        Event { attribution: Attribution::Unknown(UnknownReason::EntryMissing), answers_pending: true, ..pending() };
    f.store.commit(&events(2, vec![unknown])).await.unwrap();
    assert!(f.open_questions().await.is_empty());
}

#[tokio::test]
async fn a_pending_event_is_given_back_with_the_state_that_was_stored_before_its_own() {
    const OTHER: u32 = LOCK + 1;
    let f = Fixture::new().await;
    f.store.register_lock(&lock_row(OTHER, "Back door")).await.unwrap();
    let seen = |lock_state| Observation { states: states(lock_state), before: None };
    let at_rest = |lock_state| Event { raw: states(lock_state).encode(), ..pending() };
    let batches = [
        (2, vec![LockState::Unlatching], vec![]),
        // What waits for its entry is stored with what was seen since.
        (
            3,
            vec![LockState::Unlocked, LockState::Locking, LockState::Locked],
            vec![LockState::Unlocked, LockState::Locked],
        ),
        (4, vec![LockState::Unlocking], vec![]),
    ];
    for (seconds, observed, asked) in batches {
        let observations = observed.into_iter().map(seen).collect();
        let events = asked.into_iter().map(at_rest).collect();
        f.store.commit(&Batch { observations, events, ..batch(seconds) }).await.unwrap();
        // Another lock's states come in between.
        f.store
            .commit(&Batch { nuki_id: OTHER, observations: vec![seen(LockState::Locked)], ..batch(seconds) })
            .await
            .unwrap();
    }
    let pending = f.store.pending_events(LOCK).await.unwrap();
    let before: Vec<_> = pending.into_iter().map(|pending| pending.raw_before).collect();
    assert_eq!(before, [LockState::Unlatching, LockState::Locking].map(|state| Some(states(state).encode())));
}

#[tokio::test]
async fn events_cannot_be_changed_deleted_or_replaced() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, vec![by_app(1)])).await.unwrap();
    let mut owner = f.sqlite3().await;
    for statement in [
        "update events set auth_name = 'Eve'",
        "delete from events",
        "insert or replace into events (id, nuki_id, log_epoch, kind, at, observed_at, method, attribution,
             auto_unlock, presses, backfilled, raw, refused)
         values (1, 1, 0, 'door', 0, 0, 'manual', 'nobody', 0, 0, 0, x'', 0)",
    ] {
        let error = sqlx::query(statement).execute(&mut owner).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    assert_eq!(f.count("select count(*) from events where auth_name = 'Anna'").await, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// However often and wherever a gateway is killed and begins again behind its cursor, each entry is there once, in order.
    #[test]
    fn any_overlap_of_batches_stores_each_entry_once(cuts in proptest::collection::vec((1_u32..12, 0_u32..12), 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let f = Fixture::new().await;
            f.store.add_callback("http://a/", NOW).await.unwrap();
            let mut next = 1;
            for (second, (length, back)) in cuts.into_iter().enumerate() {
                let from = next.max(back + 1) - back;
                let until = from + length;
                let batch = Batch {
                    cursor: Some(until - 1),
                    callback_bodies: vec![until.to_string().into()],
                    ..events(second as i64, (from..until).map(by_app).collect())
                };
                f.store.commit(&batch).await.unwrap();
                next = next.max(until);
            }
            let filter = HistoryFilter { limit: 1000, ..HistoryFilter::default() };
            let rows = f.store.history(&filter).await.unwrap();
            let seen: Vec<u32> = rows.iter().rev().filter_map(|row| row.log_index).collect();
            assert_eq!(seen, (1..next).collect::<Vec<_>>());
            // Told is a subset of stored: no body of a batch that brought nothing.
            let told = f.count("select count(distinct body) = count(*) from outbox").await;
            assert_eq!(told, 1);
        });
    }
}

#[tokio::test]
async fn a_commit_that_is_dropped_half_way_is_whole_or_nothing_and_blocks_nobody() {
    let f = Fixture::new().await;
    let many = Batch { cursor: Some(200), ..events(1, (1..=200).map(by_app).collect()) };
    for millis in [0, 1, 3, 5, 10, 20] {
        let store = f.store.clone();
        let batch = many.clone();
        let task = tokio::spawn(async move { store.commit(&batch).await });
        tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
        task.abort();
        // Whether it came through or not, the next one waits for its end.
        f.store.commit(&crate::store::batch(2)).await.unwrap();
        let stored = f.count("select count(*) from events").await;
        let cursor = f.store.cursor(LOCK).await.unwrap();
        assert!(matches!((stored, cursor), (0, 0) | (200, 200)), "{stored} events, cursor {cursor}");
    }
    assert_eq!(f.store.commit(&many).await.unwrap().len(), 200);
    assert_eq!(f.count("select count(*) from events").await, 200);
}

#[tokio::test]
async fn another_program_that_writes_too_long_is_named_and_nothing_is_stored() {
    let f = Fixture::new().await;
    let mut owner = f.sqlite3().await;
    sqlx::query("begin immediate").execute(&mut owner).await.unwrap();
    let error = f.store.commit(&events(1, vec![by_app(1)])).await.unwrap_err();
    assert!(matches!(error, StoreError::Busy), "{error:?}");
    sqlx::query("rollback").execute(&mut owner).await.unwrap();
    assert_eq!(f.store.commit(&events(1, vec![by_app(1)])).await.unwrap(), [1]);
}
