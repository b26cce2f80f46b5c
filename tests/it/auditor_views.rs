//! The views for auditors: safe to print, fair to the erased, fast.

use keyturner::attribution::{Event, Method, Who};
use keyturner::protocol::{IdType, LockAction};
use keyturner::store::{Batch, IntentState, LockClock, NewIntent};
use sqlx::{AssertSqlSafe, Row};

use crate::store::{Fixture, LOCK, NOW, by_app, by_code, events, lock_row};

async fn texts(f: &Fixture, statement: &'static str) -> Vec<String> {
    let mut owner = f.sqlite3().await;
    sqlx::query_scalar(statement).fetch_all(&mut owner).await.unwrap()
}

fn named(name: &str) -> Event {
    let who = Who { auth_name: Some(name.to_owned()), ..by_app(1).who };
    Event { who, ..by_app(1) }
}

#[tokio::test]
async fn names_from_the_air_cannot_steer_a_terminal_or_fake_a_line() {
    let f = Fixture::new().await;
    let hostile = "Eve\u{1b}[2K\rAnna\n1|2026\u{9b}\u{202e}\u{7f}";
    f.store.register_lock(&lock_row(LOCK, "Front\u{7}door")).await.unwrap();
    f.store.commit(&events(1, vec![named(hostile)])).await.unwrap();
    let user = keyturner::protocol::users::KeypadCode {
        code_id: 1,
        name: hostile.to_owned(),
        enabled: true,
        created: None,
        last_active: None,
        lock_count: 0,
        time_limit: None,
    };
    f.store.replace_keypad_codes(LOCK, &[user], NOW).await.unwrap();
    let shown = "Eve\u{fffd}[2K\u{fffd}Anna\u{fffd}1|2026\u{fffd}\u{fffd}\u{fffd}";
    for statement in ["select who from audit", "select name from last_by_user", "select name from users"] {
        assert_eq!(texts(&f, statement).await, [shown], "{statement}");
    }
    assert_eq!(texts(&f, "select lock from audit").await, ["Front\u{fffd}door"]);
    // On disk and in `entries` it is what the lock said.
    assert_eq!(texts(&f, "select user_name from entries").await, [hostile]);
    f.store.commit(&events(2, vec![Event { log_index: Some(2), ..named("Zoë 🔑 O'Hara") }])).await.unwrap();
    assert_eq!(texts(&f, "select who from audit where id = 2").await, ["Zoë 🔑 O'Hara"]);
}

#[tokio::test]
async fn an_action_of_ours_is_the_clients_who_asked_for_it() {
    let f = Fixture::new().await;
    let intent =
        NewIntent { nuki_id: LOCK, action: LockAction::Unlock, requester: "http 10.0.0.7".to_owned(), at: NOW };
    let intent_id = f.store.begin_intent(&intent).await.unwrap();
    f.store.finish_intent(intent_id, IntentState::Done, "", NOW).await.unwrap();
    let who = Who {
        auth_id: Some(5),
        auth_type: Some(IdType::Bridge),
        auth_name: Some("Keyturner".to_owned()),
        ..Who::default()
    };
    let event = Event { who, method: Method::Bridge, intent_id: Some(intent_id), ..by_app(1) };
    f.store.commit(&events(1, vec![event])).await.unwrap();
    assert_eq!(
        texts(&f, "select who || '|' || what || '|' || how || '|' || name || '|' || client from audit").await,
        ["a client (http 10.0.0.7)|unlocked the door|through the bridge (intent 1)|Keyturner|http 10.0.0.7"]
    );
}

#[tokio::test]
async fn an_erased_person_is_somebody_and_the_erasure_says_from_how_many_events() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, vec![by_app(1), by_code(2), by_app(3)])).await.unwrap();
    let mut owner = f.sqlite3().await;
    for statement in [
        "insert into chain (id, salt, person, hash)
         select id, zeroblob(16), zeroblob(32), zeroblob(32) from events where id not in (select id from chain)",
        "update chain set salt = null, erased_by = 4 where id in (1, 3)",
        "update events set auth_id = null, auth_name = null, code_id = null, code_name = null, user_name = null, raw = x''
         where id in (1, 3)",
        "insert into events (nuki_id, log_epoch, kind, at, observed_at, method, attribution, auto_unlock, presses,
             backfilled, raw, refused)
         select nuki_id, 0, 'erasure', at, observed_at, 'device', 'nobody', 0, 0, 0, x'', 0 from events where id = 3",
    ] {
        sqlx::query(statement).execute(&mut owner).await.unwrap();
    }
    assert_eq!(
        texts(&f, "select trim(who || ' ' || what || ' ' || how) from audit order by id").await,
        [
            "somebody (erased) unlocked the door with the app",
            "Cleaner unlocked the door with keypad code 1",
            "somebody (erased) unlocked the door with the app",
            "the owner erased a person from 2 events",
        ]
    );
    assert_eq!(texts(&f, "select name from last_by_user").await, ["Cleaner"]);
}

#[tokio::test]
async fn the_time_at_the_door_is_that_of_the_locks_zone_and_utc_without_one() {
    let f = Fixture::new().await;
    f.store.commit(&events(1, vec![by_app(1)])).await.unwrap();
    for (index, zone_offset) in [(2, 60), (3, -210)] {
        let clock = Some(LockClock { skew: 0, zone_offset });
        f.store.commit(&Batch { clock, ..events(1, vec![by_app(index)]) }).await.unwrap();
    }
    assert_eq!(
        texts(&f, "select at || ' is ' || local_at || coalesce(zone, '') from audit order by id").await,
        [
            "2026-11-23 14:05:10Z is 2026-11-23 14:05:10",
            "2026-11-23 14:05:11Z is 2026-11-23 15:05:11+01:00",
            "2026-11-23 14:05:12Z is 2026-11-23 10:35:12-03:30",
        ]
    );
}

/// A view that walks through the log or sorts it gets slower every year.
#[tokio::test]
async fn views_are_read_along_an_index_and_sort_nothing() {
    let f = Fixture::new().await;
    let mut owner = f.sqlite3().await;
    for (statement, index) in [
        ("select * from last_by_user", "SCAN events USING INDEX events_seen"),
        ("select * from refused order by id desc limit 20", "SCAN m USING INDEX events_refused"),
        ("select count(*) from refused", "SCAN m USING INDEX events_refused"),
        ("select * from refused where id > 9", "SEARCH m USING INDEX events_refused"),
        ("select * from audit where auth_id = 7 order by id", "SEARCH m USING INDEX events_by_user"),
        ("select * from audit where code_id = 7 order by id", "SEARCH m USING INDEX events_by_code"),
    ] {
        let explain = AssertSqlSafe(format!("explain query plan {statement}"));
        let rows = sqlx::query(explain).fetch_all(&mut owner).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        assert!(plan.iter().any(|step| step.starts_with(index)), "{statement}\n{plan:#?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{statement}\n{plan:#?}");
    }
}
