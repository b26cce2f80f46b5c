//! Walking the chain of hashes over the whole log: is everything still as it was written?

mod check;
mod report;
mod walk;

use std::path::Path;

use rusqlite::{Connection, InterruptHandle, OpenFlags};
use sqlx::Connection as _;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

use super::StoreError;
use super::chain::ChainHead;
use super::error::{Class, classify_rusqlite};
use super::look::look;
use super::open;
use walk::walk;

pub use report::{Fault, VerifyReport};

/// Walks along the chain of a database, which may be in use, and compares it with every column of every event.
///
/// `heads` are those that were kept elsewhere; each must be in the chain.
/// `progress` is told how many links were walked and how many there are, at last of all.
///
/// # Errors
/// [`StoreError`] when the database cannot be looked at. What is wrong with what it holds, is in the report.
pub async fn verify(
    path: &Path,
    heads: &[ChainHead],
    mut progress: impl FnMut(u64, u64),
) -> Result<VerifyReport, StoreError> {
    look(path).await?.close().await.map_err(|error| open::failed(path, error))?;
    let (walked, mut walking) = watch::channel((0, 0));
    let heads = heads.to_vec();
    let walker = Work::begin(path, move |mut connection| walk(&mut connection, &heads, &walked))?;
    // SQLite's own look at pages and indexes takes longer than the walk, so each has a thread.
    let examiner = Work::begin(path, |connection| examine(&connection))?;
    // The walker has the other end.
    while walking.changed().await.is_ok() {
        let (done, total) = *walking.borrow_and_update();
        progress(done, total);
    }
    let mut report = walker.end().await?;
    if let Some(reason) = examiner.end().await? {
        report.add(Fault::File(reason));
    }
    Ok(report)
}

/// What SQLite says about the file, if it is not well.
fn examine(connection: &Connection) -> Result<Option<String>, StoreError> {
    match connection.query_row("pragma integrity_check(1)", [], |row| row.get::<_, String>(0)) {
        Ok(result) => Ok((result != "ok").then_some(result)),
        Err(error) if classify_rusqlite(&error) == Class::Damaged => Ok(Some(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// Something that reads the database on a thread of its own, and stops when nobody waits for it any more.
struct Work<T> {
    thread: JoinHandle<Result<T, StoreError>>,
    stop: InterruptHandle,
}

impl<T: Send + 'static> Work<T> {
    fn begin(
        path: &Path,
        work: impl FnOnce(Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Self, StoreError> {
        let connection = open::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let stop = connection.get_interrupt_handle();
        Ok(Self { thread: spawn_blocking(move || work(connection)), stop })
    }

    async fn end(mut self) -> Result<T, StoreError> {
        (&mut self.thread).await.map_err(StoreError::BrokenOff)?
    }
}

impl<T> Drop for Work<T> {
    fn drop(&mut self) {
        self.stop.interrupt();
    }
}
