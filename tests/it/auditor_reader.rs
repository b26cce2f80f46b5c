//! An auditor in the file while the gateway writes.

use keyturner::store::Store;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::store::{Fixture, by_app, events};

/// Events per transaction, as a burst brings them.
const BURST: u32 = 5;

async fn reader(f: &Fixture) -> SqliteConnection {
    SqliteConnectOptions::new().filename(&f.path).read_only(true).connect().await.unwrap()
}

async fn count(connection: &mut SqliteConnection) -> i64 {
    sqlx::query_scalar("select count(*) from audit").fetch_one(connection).await.unwrap()
}

/// Commits events `from` to `to`, both included.
async fn commit(store: &Store, from: u32, to: u32) {
    for first in (from..=to).step_by(BURST as usize) {
        let burst = (first..first + BURST).map(by_app).collect();
        store.commit(&events(i64::from(first), burst)).await.unwrap();
    }
}

fn wal_len(f: &Fixture) -> u64 {
    std::fs::metadata(f.path.with_extension("db-wal")).unwrap().len()
}

/// Whoever waited for this reader would wait until the busy timeout and fail: it stays to the end.
#[tokio::test]
async fn a_long_read_holds_up_no_writer_and_sees_one_moment() {
    let f = Fixture::new().await;
    commit(&f.store, 1, 5).await;
    let mut auditor = reader(&f).await;
    sqlx::query("begin").execute(&mut auditor).await.unwrap();
    assert_eq!(count(&mut auditor).await, 5);
    commit(&f.store, 6, 1_005).await;
    assert_eq!(count(&mut auditor).await, 5, "what is read is one moment");
    let held = wal_len(&f);

    sqlx::query("commit").execute(&mut auditor).await.unwrap();
    assert_eq!(count(&mut auditor).await, 1_005);
    // Nobody reads from it any more, so it is written from its beginning again.
    commit(&f.store, 1_006, 3_005).await;
    assert!(wal_len(&f) <= held + held / 4, "it grew from {held} to {}", wal_len(&f));
    assert_eq!(count(&mut auditor).await, 3_005);
}

#[tokio::test]
async fn an_owner_who_writes_delays_the_log_and_loses_nothing() {
    let f = Fixture::new().await;
    let mut owner = f.sqlite3().await;
    sqlx::query("begin immediate").execute(&mut owner).await.unwrap();
    let store = f.store.clone();
    let writing = tokio::spawn(async move { store.commit(&events(1, vec![by_app(1)])).await });
    assert_eq!(count(&mut reader(&f).await).await, 0);
    assert!(!writing.is_finished());
    sqlx::query("commit").execute(&mut owner).await.unwrap();
    owner.close().await.unwrap();
    assert_eq!(writing.await.unwrap().unwrap(), [1]);
    assert_eq!(count(&mut reader(&f).await).await, 1);
}
