//! The event log as sentences, for people.

use super::{Store, StoreError};

/// A row of the view `audit`.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditRow {
    /// Number of the event.
    pub id: i64,
    /// When, UTC.
    pub at: String,
    /// Name of the lock.
    pub lock: String,
    /// Who it was.
    pub who: String,
    /// What they did.
    pub what: String,
    /// With what.
    pub how: String,
    /// How it ended.
    pub result: String,
    /// How sure the answer is.
    pub certainty: String,
}

impl Store {
    /// The newest events as sentences, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn audit(&self, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let rows = sqlx::query_as(
            "select id, at, lock, who, what, how, result, certainty from audit order by id desc limit ?",
        )
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        Ok(rows)
    }

    /// One event as a sentence, with its late answer if there was one.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn audit_of(&self, id: i64) -> Result<Option<AuditRow>, StoreError> {
        let _held = self.hold_time();
        let row = sqlx::query_as("select id, at, lock, who, what, how, result, certainty from audit where id = ?");
        Ok(row.bind(id).fetch_optional(&self.readers).await?)
    }
}
