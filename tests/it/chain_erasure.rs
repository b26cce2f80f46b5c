//! Who is erased is in no byte of any file, and the chain still closes.

use std::path::Path;

use keyturner::attribution::{Event, Who};
use keyturner::protocol::IdType;
use keyturner::protocol::users::AuthorizationEntry;
use keyturner::store::{Batch, Fault, HistoryFilter, PersonSelector, Store, StoreError};

use crate::chain_tampering::report;
use crate::store::{Fixture, LOCK, NOW, by_app, by_code, events, lock_row};
use crate::store_users::user;

/// No other text of the database holds it.
const NAME: &str = "Zoë Quxwert";
const OTHER: u32 = LOCK + 1;

fn zoe(log_index: u32) -> Event {
    let who =
        Who { auth_id: Some(11), auth_type: Some(IdType::App), auth_name: Some(NAME.to_owned()), ..Who::default() };
    Event { who, raw: [b"raw ".as_slice(), NAME.as_bytes()].concat(), ..by_app(log_index) }
}

async fn lived_in() -> Fixture {
    let f = Fixture::new().await;
    f.store.add_callback("http://a/", NOW).await.unwrap();
    f.store.replace_users(LOCK, &[user(11, "Zoë former"), user(7, "Anna")], NOW).await.unwrap();
    f.store.replace_users(LOCK, &[user(11, NAME), user(7, "Anna")], NOW).await.unwrap();
    let formerly = Event { who: Who { auth_name: Some("Zoë former".to_owned()), ..zoe(1).who }, ..zoe(1) };
    let body = format!(r#"{{"nukiId": {LOCK}, "state": 3, "authId": 11, "userName": "{NAME}"}}"#);
    let others = r#"{"state": 3, "authId": 7, "userName": "Anna"}"#.to_owned();
    let stateless = r#"{"state": 3}"#.to_owned();
    f.store
        .commit(&Batch {
            callback_bodies: vec![body.into(), others.into(), stateless.into()],
            ..events(1, vec![formerly, by_app(2), zoe(3), by_code(4)])
        })
        .await
        .unwrap();
    f
}

fn name() -> PersonSelector {
    NAME.parse().unwrap()
}

/// Files of the folder that hold a text.
fn holders(folder: &Path, text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if std::fs::read(&path).unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes()) {
            names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    names
}

#[tokio::test]
async fn a_person_is_erased_from_every_byte_while_a_gateway_has_the_file_open() {
    let f = lived_in().await;
    // The connections of a gateway that has read the person.
    f.store.history(&HistoryFilter::default()).await.unwrap();
    assert!(!holders(f.dir.path(), NAME).is_empty());
    let copy = f.dir.path().join("keyturner.db.before-0002");
    std::fs::write(&copy, NAME).unwrap();

    let cli = Store::open(&f.path).await.unwrap();
    let plan = cli.plan_erasure(&f.path, &name(), None).await.unwrap();
    assert_eq!((plan.events, plan.list_rows, plan.messages, plan.backups), (2, 2, 1, 1));
    let done = cli.erase(&f.path, &name(), None, NOW).await.unwrap();
    assert_eq!(done, plan);

    for text in [NAME, "Zoë former"] {
        assert_eq!(holders(f.dir.path(), text), Vec::<String>::new());
    }
    assert!(!copy.exists());
    let after = report(&f.path).await;
    assert!(after.is_intact(), "{after:?}");
    assert_eq!((after.events, after.erased), (5, 2));
    // What happened stays, and others stay who they are.
    let rows = f.store.history(&HistoryFilter::default()).await.unwrap();
    let names: Vec<Option<String>> = rows.iter().rev().map(|row| row.user_name.clone()).collect();
    assert_eq!(names, [None, Some("Anna".to_owned()), None, Some("Cleaner".to_owned()), None]);
    assert_eq!((rows[2].action, rows[2].auth_id), (by_app(3).action, None));
    assert_eq!(rows[0].kind, "erasure");
    assert!(rows[0].detail.as_ref().unwrap().starts_with("a person was erased from 2 events ["), "{rows:?}");
    assert_eq!(f.count("select count(*) from outbox").await, 2);
    // The gateway goes on.
    f.store.commit(&events(9, vec![by_app(9)])).await.unwrap();
    assert!(report(&f.path).await.is_intact());
    assert!(cli.plan_erasure(&f.path, &name(), None).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_erasure_that_is_recorded_wrongly_is_found() {
    let f = lived_in().await;
    f.store.erase(&f.path, &name(), None, NOW).await.unwrap();
    f.run("update chain set salt = null, erased_by = 5 where id = 2").await;
    f.run("update events set auth_id = null, auth_name = null, user_name = null, raw = x'' where id = 2").await;
    assert_eq!(report(&f.path).await.faults, [Fault::Record(5)]);
}

#[tokio::test]
async fn a_number_is_that_number_alone_and_a_lock_that_lock() {
    let f = lived_in().await;
    f.store.register_lock(&lock_row(OTHER, "Back door")).await.unwrap();
    f.store.commit(&Batch { nuki_id: OTHER, ..events(2, vec![zoe(1)]) }).await.unwrap();
    let plan = async |selector: &str, lock| {
        f.store.plan_erasure(&f.path, &selector.parse().unwrap(), lock).await.map(|plan| plan.events)
    };
    assert_eq!(plan("auth:11", None).await.unwrap(), 3);
    assert_eq!(plan("auth:11", Some(LOCK)).await.unwrap(), 2);
    assert_eq!(plan(NAME, Some(OTHER)).await.unwrap(), 1);
    assert_eq!(plan("code:1", None).await.unwrap(), 1);
    assert_eq!(plan("Cleaner", None).await.unwrap(), 1);
    assert_eq!(plan("cleaner", None).await.unwrap(), 0, "names are compared byte for byte");
    assert!(matches!(plan("auth:11", Some(5)).await, Err(StoreError::UnknownLock(5))));
    f.store.erase(&f.path, &"auth:11".parse().unwrap(), Some(LOCK), NOW).await.unwrap();
    assert_eq!(plan("auth:11", None).await.unwrap(), 1);
    assert!(report(&f.path).await.is_intact());
}

#[tokio::test]
async fn a_keypad_is_no_person() {
    let f = lived_in().await;
    let keypad = AuthorizationEntry { id_type: IdType::Keypad, ..user(9, "Nuki Keypad") };
    f.store.replace_users(LOCK, &[keypad], NOW).await.unwrap();
    for selector in ["auth:9", "Nuki Keypad"] {
        let error = f.store.erase(&f.path, &selector.parse().unwrap(), None, NOW).await.unwrap_err();
        assert!(matches!(error, StoreError::SharedKey { number: 9 }), "{error:?}");
    }
}

#[tokio::test]
async fn whom_the_lock_still_knows_is_named_so() {
    let f = lived_in().await;
    assert_eq!(f.store.plan_erasure(&f.path, &name(), None).await.unwrap().person.current.len(), 1);
    f.store.replace_users(LOCK, &[user(7, "Anna")], NOW).await.unwrap();
    assert_eq!(f.store.plan_erasure(&f.path, &name(), None).await.unwrap().person.current.len(), 0);
}

#[tokio::test]
async fn old_pages_that_somebody_reads_are_said_plainly_and_a_second_try_wipes_them() {
    let f = lived_in().await;
    let mut reader = f.sqlite3().await;
    sqlx::query("begin").execute(&mut reader).await.unwrap();
    sqlx::query("select * from events").fetch_all(&mut reader).await.unwrap();
    let error = f.store.erase(&f.path, &name(), None, NOW).await.unwrap_err();
    assert!(matches!(error, StoreError::Traces { .. }), "{error:?}");
    assert!(error.to_string().contains("again"), "{error}");
    sqlx::query("commit").execute(&mut reader).await.unwrap();
    f.store.wipe().await.unwrap();
    assert_eq!(holders(f.dir.path(), NAME), Vec::<String>::new());
    assert!(report(&f.path).await.is_intact());
}

#[tokio::test]
async fn who_was_erased_can_be_removed_by_retention_too() {
    use keyturner::clock::UnixMillis;
    use keyturner::store::{Keep, RetentionRules};
    let rules = |days| RetentionRules { events: Keep::Days(days), ..RetentionRules::default() };
    let f = lived_in().await;
    f.store.erase(&f.path, &name(), None, NOW).await.unwrap();
    let only_codes = RetentionRules { kinds: [("lock_action".to_owned(), Keep::Forever)].into(), ..rules(30) };
    let day = 24 * 60 * 60;
    let later = UnixMillis(NOW.0 + 31 * day * 1000);
    f.store.commit(&events(22 * day, vec![by_app(30)])).await.unwrap();
    let removed = f.store.remove_old(&only_codes, later).await.unwrap();
    assert_eq!(removed.events, 1, "the record of the erasure stays while the chain needs it");
    let removed = f.store.remove_old(&rules(30), later).await.unwrap();
    assert_eq!(removed.events, 4, "then it goes as well");
    let after = report(&f.path).await;
    assert!(after.is_intact(), "{after:?}");
    assert_eq!((after.start.id, after.erased), (5, 0));
}
