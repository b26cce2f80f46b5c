//! What the owner does not keep goes on record, in groups, and never because a clock jumped.

use std::collections::BTreeMap;

use keyturner::attribution::Event;
use keyturner::clock::UnixMillis;
use keyturner::protocol::LockState;
use keyturner::store::{
    Batch, ClockDoubt, Fault, HistoryFilter, IntentState, Keep, LockClock, NewIntent, Observation, Removed,
    RetentionRules, verify,
};

use crate::chain_tampering::report;
use crate::store::{Fixture, LOCK, NOW, batch, by_app, by_code, events, pending, states};

const DAY: i64 = 24 * 60 * 60;

fn rules(events: Keep, kinds: &[(&str, Keep)]) -> RetentionRules {
    let kinds: BTreeMap<String, Keep> = kinds.iter().map(|(kind, keep)| ((*kind).to_owned(), *keep)).collect();
    RetentionRules { events, kinds, observations: Keep::Days(90) }
}

fn day(number: i64) -> UnixMillis {
    UnixMillis(NOW.0 + number * DAY * 1000)
}

/// A state is read, as every day.
async fn observe(f: &Fixture, number: i64, clock: Option<LockClock>) {
    let observations = vec![Observation { states: states(LockState::Locked), before: None }];
    f.store.commit(&Batch { observations, clock, ..batch(number * DAY) }).await.unwrap();
}

/// The gateway has run for a while before that day.
async fn run_until(f: &Fixture, number: i64) {
    for before in 0..15 {
        observe(f, number - 14 + before, None).await;
    }
}

async fn remove(f: &Fixture, rules: &RetentionRules, number: i64) -> Removed {
    f.store.remove_old(rules, day(number)).await.unwrap()
}

async fn ids(f: &Fixture) -> Vec<i64> {
    sqlx::query_scalar("select id from events order by id").fetch_all(&mut f.sqlite3().await).await.unwrap()
}

#[tokio::test]
async fn old_events_go_on_record_and_the_chain_begins_behind_them() {
    let f = Fixture::new().await;
    f.store.commit(&events(0, vec![by_app(1), by_code(2)])).await.unwrap();
    let old_head = f.store.chain_head().await.unwrap();
    f.store.commit(&events(20 * DAY, vec![by_app(3)])).await.unwrap();
    run_until(&f, 31).await;
    let rules = rules(Keep::Days(30), &[]);
    assert_eq!(remove(&f, &rules, 29).await.events, 0);
    assert_eq!(remove(&f, &rules, 31).await.events, 2);
    assert_eq!(ids(&f).await, [3, 4]);
    let after = report(&f.path).await;
    assert!(after.is_intact(), "{after:?}");
    assert_eq!((after.start.id, after.start.hash, after.head.id), (2, old_head.hash, 4));
    assert_eq!(remove(&f, &rules, 31).await.events, 0, "a second run has nothing to do");
    let record = f.store.history(&HistoryFilter::default()).await.unwrap().remove(0);
    assert_eq!(record.kind, "retention");
    let detail = record.detail.unwrap();
    assert!(detail.starts_with("2 old events were removed (kept 30 days: others) [count=2 last=2 digest="), "{detail}");
    // The head of then is now the beginning; an older one is behind it.
    assert!(verify(&f.path, &[old_head], |_, _| ()).await.unwrap().is_intact());
    let older = keyturner::store::ChainHead { id: 1, ..old_head };
    assert_eq!(verify(&f.path, &[older], |_, _| ()).await.unwrap().faults, [Fault::HeadTooOld(older)]);
}

#[tokio::test]
async fn removed_events_between_kept_ones_leave_their_place_in_the_chain_and_nothing_of_the_person() {
    let f = Fixture::new().await;
    f.store.commit(&events(0, vec![by_app(1), by_code(2), by_app(3), by_code(4)])).await.unwrap();
    run_until(&f, 31).await;
    let only_codes = rules(Keep::Forever, &[("keypad_action", Keep::Days(30))]);
    assert_eq!(remove(&f, &only_codes, 31).await.events, 2);
    assert_eq!(ids(&f).await, [1, 3, 5]);
    let after = report(&f.path).await;
    assert!(after.is_intact(), "{after:?}");
    assert_eq!((after.start.id, after.removed, after.events), (0, 2, 3));
    assert_eq!(
        f.count("select count(*) from chain where removed_by = 5 and salt is null and content is not null").await,
        2
    );
    // Later the rest is due, and everything closes up.
    run_until(&f, 80).await;
    assert_eq!(remove(&f, &rules(Keep::Days(60), &[]), 80).await.events, 2);
    let after = report(&f.path).await;
    assert!(after.is_intact(), "{after:?}");
    assert_eq!((after.start.id, after.removed, after.events), (4, 0, 2));
}

#[tokio::test]
async fn a_question_goes_with_its_answer_as_the_answers_kind_says() {
    let f = Fixture::new().await;
    f.store.commit(&events(0, vec![pending(), by_code(2)])).await.unwrap();
    f.store.commit(&events(5 * DAY, vec![Event { answers_pending: true, ..by_app(3) }])).await.unwrap();
    f.store.commit(&events(5 * DAY, vec![pending()])).await.unwrap();
    run_until(&f, 33).await;
    let rules = rules(Keep::Forever, &[("lock_action", Keep::Days(30)), ("state_change", Keep::Days(7))]);
    assert_eq!(remove(&f, &rules, 33).await.events, 1, "the open question alone is due");
    assert_eq!(ids(&f).await, [1, 2, 3, 5]);
    assert_eq!(f.store.pending_events(LOCK).await.unwrap(), []);
    run_until(&f, 36).await;
    assert_eq!(remove(&f, &rules, 36).await.events, 2);
    assert_eq!(ids(&f).await, [2, 5, 6]);
    assert!(report(&f.path).await.is_intact());
}

#[tokio::test]
async fn after_years_of_removing_the_chain_is_short_and_whole() {
    let f = Fixture::new().await;
    let rules = rules(Keep::Days(30), &[("keypad_action", Keep::Days(10))]);
    for number in 0..150_i32 {
        let index = u32::try_from(number).unwrap() * 2 + 1;
        observe(&f, i64::from(number), None).await;
        f.store.commit(&events(i64::from(number) * DAY, vec![by_app(index), by_code(index + 1)])).await.unwrap();
        remove(&f, &rules, i64::from(number)).await;
        if number % 25 == 0 {
            let report = report(&f.path).await;
            assert!(report.is_intact(), "day {number}: {report:?}");
        }
    }
    assert!(report(&f.path).await.is_intact());
    assert!(f.count("select count(*) from events").await < 31 + 11 + 2 * 31 + 10, "records go as well");
    assert!(f.count("select count(*) from chain").await < 200);
    assert!(f.count("select count(*) from observations").await <= 92);
}

#[tokio::test]
async fn a_removal_that_is_recorded_wrongly_is_found() {
    let f = Fixture::new().await;
    f.store.commit(&events(0, vec![by_app(1), by_code(2), by_app(3), by_code(4)])).await.unwrap();
    run_until(&f, 31).await;
    remove(&f, &rules(Keep::Forever, &[("keypad_action", Keep::Days(30))]), 31).await;
    f.store.commit(&events(31 * DAY, vec![by_app(5)])).await.unwrap();
    assert!(report(&f.path).await.is_intact());
    // One more event goes, and the old record is to cover it.
    for statement in [
        "drop trigger events_are_not_deleted",
        "update chain set salt = null, content = randomblob(32), removed_by = 5 where id = 3",
        "delete from events where id = 3",
    ] {
        f.run(statement).await;
    }
    let found = report(&f.path).await;
    assert!(found.faults.contains(&Fault::Record(5)), "{found:?}");
}

#[tokio::test]
async fn a_clock_that_jumped_removes_nothing() {
    let f = Fixture::new().await;
    f.store.commit(&events(0, vec![by_app(1)])).await.unwrap();
    run_until(&f, 20).await;
    let rules = rules(Keep::Days(30), &[]);
    let year_2099 = 73 * 365;
    let jumped = remove(&f, &rules, year_2099).await;
    assert_eq!((jumped.events, jumped.doubt), (0, Some(ClockDoubt::NoProof)));
    // What is observed under the wrong clock proves nothing for a week.
    for after in 0..6 {
        observe(&f, year_2099 + after, None).await;
        assert_eq!(remove(&f, &rules, year_2099 + after).await.doubt, Some(ClockDoubt::NoProof));
    }
    // And a lock that has a clock contradicts for as long as it takes.
    for after in 6..30 {
        observe(&f, year_2099 + after, Some(LockClock { skew: -73 * 365 * DAY * 1000, zone_offset: 60 })).await;
    }
    let doubt = remove(&f, &rules, year_2099 + 29).await.doubt.unwrap();
    assert!(matches!(doubt, ClockDoubt::LockDisagrees { nuki_id: LOCK, .. }), "{doubt:?}");
    assert!(doubt.to_string().contains("2B1C0D0E"), "{doubt}");
    assert_eq!(ids(&f).await, [1]);
}

#[tokio::test]
async fn observations_and_intents_go_when_nothing_needs_them() {
    let f = Fixture::new().await;
    let intent = |at| NewIntent {
        nuki_id: LOCK,
        action: keyturner::protocol::LockAction::Unlock,
        requester: "http 127.0.0.1".to_owned(),
        at,
    };
    let named = f.store.begin_intent(&intent(NOW)).await.unwrap();
    let alone = f.store.begin_intent(&intent(NOW)).await.unwrap();
    let open = f.store.begin_intent(&intent(NOW)).await.unwrap();
    for id in [named, alone] {
        f.store.finish_intent(id, IntentState::Done, "", NOW).await.unwrap();
    }
    observe(&f, 0, None).await;
    observe(&f, 1, None).await;
    f.store.commit(&events(85 * DAY, vec![Event { intent_id: Some(named), ..by_app(1) }])).await.unwrap();
    let removed = remove(&f, &rules(Keep::Days(30), &[]), 95).await;
    assert_eq!((removed.events, removed.observations, removed.intents), (0, 1, 1), "the last state of a lock stays");
    assert_eq!(f.count("select sum(id) from intents").await, named + open);
    let nothing = RetentionRules { observations: Keep::Forever, ..rules(Keep::Forever, &[]) };
    assert_eq!(remove(&f, &nothing, 95).await, Removed::default());
}

#[tokio::test]
async fn a_full_disk_in_the_middle_removes_nothing() {
    let f = Fixture::new().await;
    f.store.commit(&events(0, vec![by_app(1)])).await.unwrap();
    run_until(&f, 31).await;
    f.run("create trigger no before insert on chain begin select raise(abort, 'forced'); end").await;
    let error = f.store.remove_old(&rules(Keep::Days(30), &[]), day(31)).await.unwrap_err();
    assert!(error.to_string().contains("forced"), "{error}");
    f.run("drop trigger no").await;
    assert_eq!(ids(&f).await, [1]);
    assert!(report(&f.path).await.is_intact());
}
