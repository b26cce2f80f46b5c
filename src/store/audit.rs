//! The event log as sentences, for people.

use std::collections::BTreeMap;

use rusqlite::Row;

use super::statement::{Question, Statement as _};
use super::{HistoryFilter, HistoryRow, Store, StoreError};
use crate::attribution::EventKind;
use crate::protocol::beacon::NukiId;

/// A row of the view `audit`.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl AuditRow {
    /// Everything that [`read`](Self::read) reads, up to a condition.
    fn question() -> Question {
        Question::new("select id, at, lock, who, what, how, result, certainty from audit ")
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            at: row.get("at")?,
            lock: row.get("lock")?,
            who: row.get("who")?,
            what: row.get("what")?,
            how: row.get("how")?,
            result: row.get("result")?,
            certainty: row.get("certainty")?,
        })
    }

    /// What was done, how, and how it ended if not well.
    #[must_use]
    pub fn deed(&self) -> String {
        let how = if self.how.is_empty() { String::new() } else { format!(" {}", self.how) };
        let ended_well = self.result.is_empty() || self.result == "success";
        let result = if ended_well { String::new() } else { format!(": {}", self.result) };
        format!("{}{how}{result}", self.what)
    }
}

impl Store {
    /// The newest events as sentences, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn audit(&self, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let mut question = AuditRow::question();
        question.sql("order by id desc limit ").number(i64::from(limit));
        self.looks.rows(question, AuditRow::read).await
    }

    /// These events as sentences, with their late answers if there were some, by their numbers.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn sentences(&self, ids: &[i64]) -> Result<BTreeMap<i64, AuditRow>, StoreError> {
        let mut question = AuditRow::question();
        question.sql("where id in ").numbers(ids.iter().copied());
        let rows = self.looks.rows(question, AuditRow::read).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }

    /// The newest event in which somebody or something moved this lock: no refused attempt, no door, no maintenance.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn last_moved(&self, nuki_id: NukiId) -> Result<Option<HistoryRow>, StoreError> {
        let kinds = [EventKind::LockAction, EventKind::KeypadAction, EventKind::StateChange];
        let filter = HistoryFilter {
            nuki_id: Some(nuki_id),
            kinds: kinds.iter().map(|kind| kind.name().to_owned()).collect(),
            refused: Some(false),
            limit: 1,
            ..HistoryFilter::default()
        };
        Ok(self.history(&filter).await?.pop())
    }
}
