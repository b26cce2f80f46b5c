//! Files that are new, newer, locked, damaged or not ours.

use std::os::unix::fs::PermissionsExt;

use keyturner::store::{Store, StoreError};

use crate::store::{Fixture, run};

#[tokio::test]
async fn a_new_file_and_its_companions_are_for_the_owner_only() {
    let f = Fixture::new().await;
    for name in ["keyturner.db", "keyturner.db-wal", "keyturner.db-shm"] {
        let mode = std::fs::metadata(f.dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn the_file_is_as_durable_as_promised() {
    let f = Fixture::new().await;
    let mut owner = f.sqlite3().await;
    let journal: String = sqlx::query_scalar("pragma journal_mode").fetch_one(&mut owner).await.unwrap();
    assert_eq!(journal, "wal");
    let loose: i64 = sqlx::query_scalar(
        "select count(*) from pragma_table_list where schema = 'main' and type = 'table' and strict = 0
         and name not like 'sqlite_%' and name <> '_sqlx_migrations'",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!(loose, 0, "a table is not STRICT");
}

#[tokio::test]
async fn opening_again_changes_nothing() {
    let f = Fixture::new().await;
    f.store.close().await;
    let before = std::fs::read(&f.path).unwrap();
    let store = Store::open(&f.path).await.unwrap();
    assert_eq!(store.locks().await.unwrap().len(), 1);
    store.close().await;
    assert!(std::fs::read(&f.path).unwrap() == before);
}

#[tokio::test]
async fn a_newer_database_is_refused_untouched() {
    let f = Fixture::new().await;
    f.store.close().await;
    f.run("update _sqlx_migrations set version = 999 where version = (select max(version) from _sqlx_migrations)")
        .await;
    let before = std::fs::read(&f.path).unwrap();
    let error = Store::open(&f.path).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 999, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("keyturner.db") && text.contains("newer version"), "{text}");
    assert!(std::fs::read(&f.path).unwrap() == before);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_untouched() {
    let f = Fixture::new().await;
    f.store.close().await;
    let whole = std::fs::read(&f.path).unwrap();
    let mut garbled = whole.clone();
    garbled[40..100].fill(0xFF);
    let cases: [(&str, Vec<u8>); 4] = [
        ("text", b"this is a letter to my landlord, not a database\n".repeat(100)),
        ("short", whole[..1500].to_vec()),
        ("cut", whole[..whole.len() / 2 / 4096 * 4096].to_vec()),
        ("garbled", garbled),
    ];
    for (name, bytes) in cases {
        let path = f.dir.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let error = Store::open(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains(name));
        assert!(std::fs::read(&path).unwrap() == bytes, "{name}");
    }
}

#[tokio::test]
async fn another_programs_database_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("photos.db");
    std::fs::write(&path, b"").unwrap();
    run(&path, "create table photos (id integer)").await;
    let before = std::fs::read(&path).unwrap();
    let error = Store::open(&path).await.unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
    assert!(std::fs::read(&path).unwrap() == before);
}

#[tokio::test]
async fn a_locked_database_is_named_with_what_to_do() {
    let f = Fixture::new().await;
    f.store.close().await;
    let mut owner = f.sqlite3().await;
    sqlx::query("pragma locking_mode = exclusive").execute(&mut owner).await.unwrap();
    sqlx::query("begin exclusive").execute(&mut owner).await.unwrap();
    let error = Store::open(&f.path).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    assert!(error.to_string().contains("fuser"), "{error}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_said_plainly() {
    let dir = tempfile::tempdir().unwrap();
    let error = Store::open(&dir.path().join("nowhere/keyturner.db")).await.unwrap_err();
    assert!(error.to_string().contains("nowhere/keyturner.db"), "{error}");
    assert!(matches!(error, StoreError::File { .. }));
}
