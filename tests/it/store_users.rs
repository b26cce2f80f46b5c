//! Who may open, and who might once.

use keyturner::attribution::Order;
use keyturner::clock::UnixMillis;
use keyturner::protocol::IdType;
use keyturner::protocol::users::{AuthorizationEntry, KeypadCode, TimeLimit};
use keyturner::store::{Batch, StoreError, UserKind, UserRow};

use crate::store::{Fixture, LOCK, NOW, by_app, device_time, lock_row};

fn user(auth_id: u32, name: &str) -> AuthorizationEntry {
    AuthorizationEntry {
        auth_id,
        id_type: IdType::App,
        name: name.to_owned(),
        enabled: true,
        remote_allowed: true,
        created: device_time(-1000),
        last_active: None,
        lock_count: 0,
        time_limit: None,
    }
}

fn code(code_id: u16, name: &str) -> KeypadCode {
    KeypadCode {
        code_id,
        name: name.to_owned(),
        enabled: true,
        created: device_time(-1000),
        last_active: None,
        lock_count: 0,
        time_limit: None,
    }
}

fn at(seconds: i64) -> UnixMillis {
    UnixMillis(NOW.0 + seconds * 1000)
}

fn spans(rows: &[UserRow]) -> Vec<(&str, i64, Option<i64>)> {
    let second = |at: UnixMillis| (at.0 - NOW.0) / 1000;
    rows.iter().map(|r| (r.name.as_str(), second(r.valid_from), r.valid_until.map(second))).collect()
}

#[tokio::test]
async fn a_new_name_closes_the_old_row_and_a_deletion_closes_the_last() {
    let f = Fixture::new().await;
    f.store.replace_users(LOCK, &[user(1, "Anna"), user(2, "Ben")], at(0)).await.unwrap();
    f.store.replace_users(LOCK, &[user(1, "Anna"), user(2, "Benjamin")], at(10)).await.unwrap();
    f.store.replace_users(LOCK, &[user(2, "Benjamin"), user(3, "Cleo")], at(20)).await.unwrap();
    let rows = f.store.users(Some(LOCK)).await.unwrap();
    assert_eq!(spans(&rows), [("Anna", 0, Some(20)), ("Ben", 0, Some(10)), ("Benjamin", 10, None), ("Cleo", 20, None)]);
    let directory = f.store.directory(LOCK).await.unwrap();
    assert_eq!(directory.user(1), None);
    assert_eq!(directory.user(2).map(|u| (u.name.as_str(), u.id_type)), Some(("Benjamin", IdType::App)));
}

#[tokio::test]
async fn codes_are_kept_alike_and_come_into_the_directory() {
    let f = Fixture::new().await;
    f.store.replace_keypad_codes(LOCK, &[code(1, "Cleaner"), code(2, "Guests")], at(0)).await.unwrap();
    f.store.replace_keypad_codes(LOCK, &[code(1, "Cleaning firm")], at(10)).await.unwrap();
    let rows = f.store.users(None).await.unwrap();
    assert_eq!(spans(&rows), [("Cleaner", 0, Some(10)), ("Cleaning firm", 10, None), ("Guests", 0, Some(10))]);
    assert_eq!(rows[0].kind, UserKind::KeypadCode { code_id: 1 });
    let directory = f.store.directory(LOCK).await.unwrap();
    assert_eq!((directory.code_name(1), directory.code_name(2)), (Some("Cleaning firm"), None));
}

#[tokio::test]
async fn use_is_counted_in_the_row_and_permissions_open_a_new_one() {
    let f = Fixture::new().await;
    f.store.replace_users(LOCK, &[user(1, "Anna")], at(0)).await.unwrap();
    f.store.replace_keypad_codes(LOCK, &[code(1, "Cleaner")], at(0)).await.unwrap();
    let used = AuthorizationEntry { last_active: device_time(5), lock_count: 3, ..user(1, "Anna") };
    let used_code = KeypadCode { last_active: device_time(6), lock_count: 4, ..code(1, "Cleaner") };
    f.store.replace_users(LOCK, std::slice::from_ref(&used), at(10)).await.unwrap();
    f.store.replace_keypad_codes(LOCK, std::slice::from_ref(&used_code), at(10)).await.unwrap();
    let rows = f.store.users(None).await.unwrap();
    assert_eq!(spans(&rows), [("Anna", 0, None), ("Cleaner", 0, None)]);
    assert_eq!((rows[0].lock_count, rows[0].last_active), (3, device_time(5)));
    assert_eq!((rows[1].lock_count, rows[1].last_active), (4, device_time(6)));

    let limit = Some(TimeLimit { weekdays: 0b1000000, from_time: (8, 0), until_time: (9, 30), ..TimeLimit::default() });
    f.store.replace_users(LOCK, &[AuthorizationEntry { time_limit: limit, ..used.clone() }], at(20)).await.unwrap();
    let off = KeypadCode { enabled: false, time_limit: limit, ..used_code };
    f.store.replace_keypad_codes(LOCK, &[off], at(20)).await.unwrap();
    let off = AuthorizationEntry { enabled: false, remote_allowed: false, ..used };
    f.store.replace_users(LOCK, &[off], at(30)).await.unwrap();
    let rows = f.store.users(None).await.unwrap();
    assert_eq!(
        rows.iter().map(|r| (r.enabled, r.time_limit)).collect::<Vec<_>>(),
        [(true, None), (true, limit), (false, None), (true, None), (false, limit)]
    );
    let kind = |remote_allowed| UserKind::Authorization { auth_id: 1, id_type: IdType::App, remote_allowed };
    assert_eq!((rows[1].kind, rows[2].kind), (kind(true), kind(false)));
}

#[tokio::test]
async fn a_clock_that_goes_back_ends_no_row_before_it_began() {
    let f = Fixture::new().await;
    f.store.replace_users(LOCK, &[user(1, "Anna")], at(100)).await.unwrap();
    f.store.replace_users(LOCK, &[], at(0)).await.unwrap();
    f.store.replace_keypad_codes(LOCK, &[code(1, "Cleaner")], at(100)).await.unwrap();
    f.store.replace_keypad_codes(LOCK, &[], at(0)).await.unwrap();
    let rows = f.store.users(None).await.unwrap();
    assert_eq!(spans(&rows), [("Anna", 100, Some(100)), ("Cleaner", 100, Some(100))]);
}

#[tokio::test]
async fn a_list_that_names_a_number_twice_counts_once() {
    let f = Fixture::new().await;
    f.store.replace_users(LOCK, &[user(1, "Anna"), user(1, "Anne")], at(0)).await.unwrap();
    assert_eq!(spans(&f.store.users(None).await.unwrap()), [("Anne", 0, None)]);
}

#[tokio::test]
async fn numbers_belong_to_one_lock() {
    let f = Fixture::new().await;
    f.store.register_lock(&lock_row(5, "Back door")).await.unwrap();
    f.store.replace_users(LOCK, &[user(1, "Anna")], at(0)).await.unwrap();
    f.store.replace_users(5, &[user(1, "Ben")], at(0)).await.unwrap();
    f.store.replace_users(5, &[], at(1)).await.unwrap();
    let rows = f.store.users(None).await.unwrap();
    assert_eq!(
        rows.iter().map(|r| (r.nuki_id, r.valid_until.is_some())).collect::<Vec<_>>(),
        [(5, true), (LOCK, false)]
    );
    assert_eq!(f.store.users(Some(5)).await.unwrap().len(), 1);
    for result in [f.store.replace_users(6, &[], at(0)).await, f.store.replace_keypad_codes(6, &[], at(0)).await] {
        assert!(matches!(result, Err(StoreError::UnknownLock(6))));
    }
}

#[tokio::test]
async fn a_failure_in_the_middle_changes_no_user() {
    let f = Fixture::new().await;
    f.store.replace_users(LOCK, &[user(1, "Anna")], at(0)).await.unwrap();
    f.run("create trigger no before insert on authorizations when new.name = 'Eve' begin select raise(abort, 'forced'); end")
        .await;
    f.store.replace_users(LOCK, &[user(2, "Ben"), user(3, "Eve")], at(1)).await.unwrap_err();
    assert_eq!(spans(&f.store.users(None).await.unwrap()), [("Anna", 0, None)]);
}

#[tokio::test]
async fn whoever_held_a_number_lately_is_in_the_directory_for_entries_that_are_still_unread() {
    let f = Fixture::new().await;
    f.store.replace_keypad_codes(LOCK, &[code(1, "Cleaner")], at(0)).await.unwrap();
    f.store.replace_keypad_codes(LOCK, &[code(1, "Cleaning firm")], at(10)).await.unwrap();
    let directory = f.store.directory(LOCK).await.unwrap();
    let then = |order| directory.code_then(1, device_time(5), order).map(str::to_owned);
    assert_eq!(then(Order::Either), None, "from before or after the change");
    assert_eq!(then(Order::After), Some("Cleaning firm".to_owned()));
}

#[tokio::test]
async fn whoever_held_a_number_before_everything_that_is_unread_is_not() {
    let f = Fixture::new().await;
    f.store.replace_keypad_codes(LOCK, &[code(1, "Cleaner")], at(-8 * 86_400)).await.unwrap();
    f.store.replace_keypad_codes(LOCK, &[code(1, "Cleaning firm")], at(-7 * 86_400)).await.unwrap();
    let batch = Batch {
        nuki_id: LOCK,
        observed_at: NOW,
        clock: None,
        observations: Vec::new(),
        events: vec![by_app(1)],
        cursor: Some(1),
        callback_bodies: Vec::new(),
    };
    f.store.commit(&batch).await.unwrap();
    let directory = f.store.directory(LOCK).await.unwrap();
    assert_eq!(directory.code_then(1, device_time(5), Order::Either), Some("Cleaning firm"));
}
