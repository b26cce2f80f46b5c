//! Reading pages of rows where SQLite holds them.
//!
//! sqlx copies each value of a row into an allocation of its own and sends the
//! row from SQLite's thread to ours, which for the forty columns of an event
//! takes several times as long as SQLite's own work (`docs/adr/0053`). What
//! reads one row does not notice; a page of fifty does.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags, Row, params_from_iter};
use tokio::sync::Semaphore;

use super::StoreError;
use super::open::connect;
use super::simulation::Time;
use super::statement::Question;

/// So many pages are read at a time; whoever comes then waits.
const AT_A_TIME: u32 = 2;

/// Connections that only read, opened when they are needed and kept.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    inner: Arc<Inner>,
    time: Time,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    /// Of this file, which is not opened yet.
    pub(super) fn new(path: &Path) -> Self {
        let turns = Arc::new(Semaphore::new(AT_A_TIME as usize));
        let inner = Arc::new(Inner { path: path.to_owned(), idle: Mutex::default(), turns });
        Self { inner, time: Time::Real }
    }

    /// The same connections in another time.
    pub(super) fn keep(&mut self, time: &Time) {
        self.time = time.clone();
    }

    /// Every row that answers `question`, as `read` makes it.
    pub(super) async fn rows<T: Send + 'static>(
        &self,
        question: Question,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.read(move |connection| Ok(rows(connection, &question, read)?)).await
    }

    /// What `look` sees.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let call = self.time.call().await;
        let turn = Arc::clone(&self.inner.turns).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let inner = Arc::clone(&self.inner);
        let reading = move || {
            // Whoever asked may be gone; the turn is over when the reading is.
            let _turn = turn;
            let mut connection = inner.take()?;
            let seen = look(&mut connection)?;
            inner.idle().push(connection);
            Ok(seen)
        };
        self.time.block(call, reading).await?
    }

    /// Closes them after the readings that go on. The last connection to leave tidies the file up, and one that only reads
    /// cannot.
    pub(super) async fn close(&self) {
        let turns = self.inner.turns.acquire_many(AT_A_TIME).await;
        self.inner.turns.close();
        drop(turns);
        self.inner.idle().clear();
    }
}

impl Inner {
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        // Connections are put in and taken out whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> rusqlite::Result<Connection> {
        let idle = self.idle().pop();
        idle.map_or_else(|| connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY), Ok)
    }
}

fn rows<T>(
    connection: &Connection,
    question: &Question,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare_cached(&question.sql)?;
    statement.query_map(params_from_iter(&question.values), read)?.collect()
}
