//! How the file itself is.

use super::{ClockDoubt, Store, StoreError, outbox, retention};
use crate::clock::UnixMillis;

/// How the database's file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its size in bytes, without the write-ahead log.
    pub size: u64,
    /// Bytes that the file system still has for it; `None` if it does not say.
    pub free: Option<u64>,
    /// Why nothing can be written; `None` while it can.
    pub problem: Option<String>,
}

impl Store {
    /// Looks at the file: its size, the room around it, and whether it could be written now. Nothing is written.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn condition(&self) -> Result<Condition, StoreError> {
        let _held = self.hold_time().await;
        let pages: i64 = sqlx::query_scalar("pragma page_count").fetch_one(&self.readers).await?;
        let page: i64 = sqlx::query_scalar("pragma page_size").fetch_one(&self.readers).await?;
        let path: Option<String> = sqlx::query_scalar("select file from pragma_database_list where name = 'main'")
            .fetch_optional(&self.readers)
            .await?;
        let free =
            path.and_then(|path| rustix::fs::statvfs(path).ok()).map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize));
        // The write lock is what a read-only or broken file does not give.
        let problem = match self.begin().await {
            Ok(tx) => tx.rollback().await.err().map(StoreError::from),
            Err(error) => Some(error),
        };
        let size = u64::try_from(pages.saturating_mul(page)).unwrap_or(0);
        Ok(Condition { size, free, problem: problem.map(|error| error.to_string()) })
    }

    /// Callbacks that were given up, and when the oldest one that waits was queued.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn outbox_condition(&self) -> Result<OutboxCondition, StoreError> {
        let _held = self.hold_time().await;
        Ok(sqlx::query_as(outbox::CONDITION).fetch_one(&self.readers).await?)
    }

    /// Why this machine's clock may be wrong, as far as the event log shows it; nothing is removed by retention meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn clock_doubt(&self, now: UnixMillis) -> Result<Option<ClockDoubt>, StoreError> {
        let _held = self.hold_time().await;
        let mut reader = self.readers.acquire().await?;
        retention::clock_doubt(&mut reader, now).await
    }

    /// Events that wait for their answer: who it was is not known yet.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn open_questions(&self) -> Result<i64, StoreError> {
        let _held = self.hold_time().await;
        Ok(sqlx::query_scalar("select count(*) from unanswered").fetch_one(&self.readers).await?)
    }
}

/// What waits for callbacks, and what does not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct OutboxCondition {
    /// Bodies that nobody took in time, as long as they are kept for the audit.
    pub given_up: i64,
    /// When the oldest waiting one was queued, milliseconds since 1970 UTC.
    pub waiting_since: Option<i64>,
}
