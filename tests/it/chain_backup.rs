//! Copies: online ones, and those before the schema changes. And events that are older than the chain.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use keyturner::store::{HistoryFilter, Store, StoreError, backup};
use sqlx::migrate::Migrator;
use tempfile::TempDir;

use crate::chain_tampering::{report, written};
use crate::store::{LOCK, by_app, connect, events};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_backup_is_whole_private_and_can_be_put_back() {
    let f = written().await;
    let to = f.dir.path().join("copy.db");
    let made = backup(&f.path, &to).await.unwrap();
    assert!(made.is_intact());
    assert_eq!((made.head, made.events), (f.store.chain_head().await.unwrap(), 6));
    assert_eq!(mode(&to), 0o600);
    // As docs/backup.md says: the gateway is stopped, its file replaced, and it goes on.
    f.store.commit(&events(5, vec![by_app(9)])).await.unwrap();
    f.store.close().await;
    std::fs::copy(&to, &f.path).unwrap();
    let store = Store::open(&f.path).await.unwrap();
    assert_eq!(store.chain_head().await.unwrap(), made.head);
    store.commit(&events(6, vec![by_app(9)])).await.unwrap();
    assert!(report(&f.path).await.is_intact());
}

#[tokio::test]
async fn nothing_is_written_over_and_half_a_backup_is_not_left() {
    let f = written().await;
    let to = f.dir.path().join("letter");
    std::fs::write(&to, "dear landlord").unwrap();
    let error = backup(&f.path, &to).await.unwrap_err();
    assert!(matches!(&error, StoreError::BackupExists { path } if *path == to), "{error:?}");
    assert_eq!(std::fs::read(&to).unwrap(), b"dear landlord");
    let nowhere = f.dir.path().join("nowhere/copy.db");
    let error = backup(&f.path, &nowhere).await.unwrap_err();
    assert!(matches!(error, StoreError::Backup { .. }) && error.to_string().contains("nowhere/copy.db"), "{error}");
    let error = backup(&nowhere, &f.dir.path().join("copy.db")).await.unwrap_err();
    assert!(matches!(error, StoreError::NoDatabase { .. }), "{error:?}");
    assert!(!f.dir.path().join("copy.db").exists());
}

#[tokio::test]
async fn a_backup_of_a_log_that_was_changed_says_so() {
    let f = written().await;
    f.run("drop trigger events_are_not_changed").await;
    f.run("update events set presses = 9 where id = 2").await;
    assert!(!backup(&f.path, &f.dir.path().join("copy.db")).await.unwrap().is_intact());
}

/// A database as the first version left it, with three events.
async fn first_version() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let migrations = dir.path().join("migrations");
    std::fs::create_dir(&migrations).unwrap();
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    for entry in std::fs::read_dir(all).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().as_ref() < "0003" {
            std::fs::copy(entry.path(), migrations.join(entry.file_name())).unwrap();
        }
    }
    let path = dir.path().join("keyturner.db");
    std::fs::write(&path, b"").unwrap();
    let mut owner = connect(&path).await;
    Migrator::new(migrations).await.unwrap().run(&mut owner).await.unwrap();
    for statement in [
        "insert into locks (nuki_id, name, device_type, has_keypad, paired_at) values (723258638, 'Front door', 4, 1, 1)",
        "insert into events (nuki_id, log_epoch, log_index, kind, at, observed_at, auth_id, auth_name, user_name, method,
             attribution, auto_unlock, presses, backfilled, raw, refused)
         select 723258638, 0, value, 'lock_action', value, value, 7, 'Anna', 'Anna', 'app', 'matched', 0, 0, 0, x'01', 0
         from (select 1 as value union select 2 union select 3)",
    ] {
        sqlx::query(statement).execute(&mut owner).await.unwrap();
    }
    sqlx::Connection::close(owner).await.unwrap();
    (dir, path)
}

#[tokio::test]
async fn an_older_database_is_copied_then_chained_and_only_once() {
    let (dir, path) = first_version().await;
    assert_eq!(LOCK, 723_258_638);
    let store = Store::open(&path).await.unwrap();
    let copies: Vec<PathBuf> = files(dir.path(), "keyturner.db.before-");
    assert_eq!(copies.len(), 1);
    assert_eq!(mode(&copies[0]), 0o600);
    let mut copy = connect(&copies[0]).await;
    let versions: i64 =
        sqlx::query_scalar("select max(version) from _sqlx_migrations").fetch_one(&mut copy).await.unwrap();
    let kept: i64 = sqlx::query_scalar("select count(*) from events").fetch_one(&mut copy).await.unwrap();
    assert_eq!((versions, kept), (2, 3));

    assert!(report(&path).await.is_intact());
    assert_eq!(report(&path).await.events, 3);
    store.commit(&events(1, vec![by_app(4)])).await.unwrap();
    store.close().await;
    // Whatever stands there without a link from now on was slipped in.
    crate::store::run(
        &path,
        "insert into events (nuki_id, log_epoch, kind, at, observed_at, method, attribution, auto_unlock, presses,
             backfilled, raw, refused) values (723258638, 0, 'gap', 5, 5, 'unknown', 'nobody', 0, 0, 0, x'', 0)",
    )
    .await;
    let store = Store::open(&path).await.unwrap();
    assert_eq!(store.history(&HistoryFilter::default()).await.unwrap().len(), 5);
    assert!(!report(&path).await.is_intact());
    assert_eq!(files(dir.path(), "keyturner.db.before-").len(), 1, "there was nothing to migrate");
}

#[tokio::test]
async fn a_chain_that_was_cut_short_by_a_power_cut_is_completed_at_the_next_start() {
    let (_dir, path) = first_version().await;
    Store::open(&path).await.unwrap().close().await;
    crate::store::run(&path, "drop trigger chain_is_not_deleted").await;
    crate::store::run(&path, "delete from chain where id > 1").await;
    crate::store::run(&path, "insert into unchained values (1, 3)").await;
    let error = keyturner::store::verify(&path, &[], |_, _| ()).await.unwrap_err();
    assert!(matches!(error, StoreError::Older { .. }), "{error:?}");
    Store::open(&path).await.unwrap().close().await;
    assert!(report(&path).await.is_intact());
}

#[tokio::test]
async fn an_older_database_is_not_looked_at_nor_changed_by_those_who_only_read() {
    let (dir, path) = first_version().await;
    let before = std::fs::read(&path).unwrap();
    for error in [
        keyturner::store::verify(&path, &[], |_, _| ()).await.unwrap_err(),
        backup(&path, &dir.path().join("copy")).await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Older { .. }), "{error:?}");
    }
    assert!(std::fs::read(&path).unwrap() == before);
}

#[tokio::test]
async fn the_last_two_automatic_copies_stay() {
    let (dir, path) = first_version().await;
    for version in ["0001", "0002"] {
        std::fs::write(dir.path().join(format!("keyturner.db.before-{version}")), b"").unwrap();
    }
    Store::open(&path).await.unwrap();
    let left = files(dir.path(), "keyturner.db.before-");
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left[0].ends_with("keyturner.db.before-0002"));
}

#[tokio::test]
async fn without_a_copy_nothing_is_migrated() {
    let (dir, path) = first_version().await;
    // In the place of the copy stands what cannot be replaced.
    std::fs::create_dir_all(dir.path().join("keyturner.db.before-part/full")).unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = Store::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Backup { .. }), "{error:?}");
    assert!(error.to_string().contains("was not changed"), "{error}");
    assert!(std::fs::read(&path).unwrap() == before);
}

fn files(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix))
        .collect();
    found.sort();
    found
}
