//! Writing, a whole transaction in one go.
//!
//! sqlx sends each statement to SQLite's thread and waits for its answer. What
//! one look at a lock brings is a dozen statements, and the two ways between
//! threads take longer than most of them (`docs/adr/0056`). Here a transaction
//! is one call on a thread that may block.
//!
//! What is written seldom goes through sqlx. Should both want to write at once,
//! SQLite lets one of them wait.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Params, Row, Transaction, TransactionBehavior};
use tokio::task::spawn_blocking;

use super::open::{WRITING, connect};
use super::{Store, StoreError};

/// More than there are statements here.
const STATEMENTS: usize = 64;

/// A connection that writes, opened when it is needed and kept.
#[derive(Debug, Clone)]
pub(super) struct Writer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    flags: OpenFlags,
    connection: Mutex<Option<Connection>>,
}

impl Writer {
    /// To this file, which is not opened yet.
    pub(super) fn new(path: &Path) -> Self {
        Self::with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    /// To a file that is only looked at: every transaction fails.
    pub(super) fn refusing(path: &Path) -> Self {
        Self::with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn with_flags(path: &Path, flags: OpenFlags) -> Self {
        Self(Arc::new(Inner { path: path.to_owned(), flags, connection: Mutex::default() }))
    }

    /// Closes the connection after the transaction that is under way.
    pub(super) async fn close(&self) -> Result<(), StoreError> {
        let inner = Arc::clone(&self.0);
        spawn_blocking(move || drop(inner.lock().take())).await.map_err(StoreError::BrokenOff)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        // After a panic there is no connection, and the next one to come opens it.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = connect(&self.path, self.flags)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        for (name, value) in WRITING {
            connection.pragma_update(None, name, value)?;
        }
        Ok(connection)
    }

    /// One transaction, which holds the write lock from its beginning, so that it cannot fail in the middle because another
    /// program writes.
    fn transact<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut held = self.lock();
        let mut connection = match held.take() {
            Some(connection) => connection,
            None => self.open()?,
        };
        let done = (|| {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&tx)?;
            tx.commit()?;
            Ok(done)
        })();
        *held = Some(connection);
        done
    }
}

impl Store {
    /// Does `work` in a transaction and commits it, unless `work` fails. It is on disk when this returns.
    ///
    /// Whoever goes away meanwhile does not know whether it was committed; it goes on to its end.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let call = self.time.call().await;
        let inner = Arc::clone(&self.writer.0);
        self.time.block(call, move || inner.transact(work)).await?
    }
}

/// Statements that are prepared once.
pub(super) trait Statements {
    /// Runs one without rows, and says how many rows it changed.
    fn run(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize>;
    /// The only row.
    fn one<T>(&self, sql: &str, params: impl Params, read: Read<T>) -> rusqlite::Result<T>;
    /// The first row, if there is one.
    fn first<T>(&self, sql: &str, params: impl Params, read: Read<T>) -> rusqlite::Result<Option<T>>;
    /// Every row.
    fn all<T>(&self, sql: &str, params: impl Params, read: Read<T>) -> rusqlite::Result<Vec<T>>;
}

type Read<T> = fn(&Row<'_>) -> rusqlite::Result<T>;

impl Statements for Connection {
    fn run(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.prepare_cached(sql)?.execute(params)
    }

    fn one<T>(&self, sql: &str, params: impl Params, read: Read<T>) -> rusqlite::Result<T> {
        self.prepare_cached(sql)?.query_row(params, read)
    }

    fn first<T>(&self, sql: &str, params: impl Params, read: Read<T>) -> rusqlite::Result<Option<T>> {
        self.one(sql, params, read).optional()
    }

    fn all<T>(&self, sql: &str, params: impl Params, read: Read<T>) -> rusqlite::Result<Vec<T>> {
        self.prepare_cached(sql)?.query_map(params, read)?.collect()
    }
}
