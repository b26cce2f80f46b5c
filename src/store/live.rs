//! The log in the order in which it is written, row by row, for whoever listens.

use rusqlite::{Connection, Row};

use super::history::{Lead, push_filter};
use super::history_row::{HistoryRow, RawRow};
use super::statement::{Question, Statement as _};
use super::{HistoryFilter, Store, StoreError};

/// A row as it was stored: a late answer is one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRow {
    /// Number of the row; they only grow.
    pub row_id: i64,
    /// The event that it answers.
    pub answers: Option<i64>,
    /// What it says, with what it takes over from its question.
    pub entry: HistoryRow,
}

/// Which rows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowNumbers {
    /// Lowest number that is still there; what was lower, retention has removed.
    pub oldest: Option<i64>,
    /// Highest number that was ever given; 0 before the first event.
    pub newest: i64,
}

struct RawLive {
    row_id: i64,
    answers: Option<i64>,
    entry: RawRow,
}

impl RawLive {
    /// Everything that [`read`](Self::read) reads, up to a condition.
    fn question() -> Question {
        Question::new(format!("select {}, row_id, answers from event_rows where ", RawRow::COLUMNS))
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { row_id: row.get("row_id")?, answers: row.get("answers")?, entry: RawRow::read(row)? })
    }

    fn row(self) -> Result<LiveRow, StoreError> {
        Ok(LiveRow { row_id: self.row_id, answers: self.answers, entry: self.entry.row()? })
    }
}

impl Store {
    /// One row as it was stored.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn live_row(&self, row_id: i64) -> Result<Option<LiveRow>, StoreError> {
        let mut question = RawLive::question();
        question.sql("row_id = ").number(row_id);
        let rows = self.looks.rows(question, RawLive::read).await?;
        rows.into_iter().next().map(RawLive::row).transpose()
    }

    /// Lowest and highest number of the stored rows.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn row_numbers(&self) -> Result<RowNumbers, StoreError> {
        let look = |connection: &mut Connection| {
            let mut statement = connection.prepare_cached(
                "select (select min(id) from events),
                        coalesce((select seq from sqlite_sequence where name = 'events'), 0)",
            )?;
            Ok(statement.query_row((), |row| Ok(RowNumbers { oldest: row.get(0)?, newest: row.get(1)? }))?)
        };
        self.looks.read(look).await
    }

    /// Rows with a number above `after` and up to `up_to`, oldest first, `limit` at most.
    ///
    /// Time, order and place of the filter do not count here.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn rows_after(
        &self,
        filter: &HistoryFilter,
        after: i64,
        up_to: i64,
        limit: u32,
    ) -> Result<Vec<LiveRow>, StoreError> {
        if after >= up_to {
            return Ok(Vec::new());
        }
        let mut question = RawLive::question();
        question.sql("row_id > ").number(after).sql(" and row_id <= ").number(up_to);
        push_filter(&mut question, filter, Lead::Nothing);
        question.sql(" order by row_id limit ").number(i64::from(limit));
        let rows = self.looks.rows(question, RawLive::read).await?;
        rows.into_iter().map(RawLive::row).collect()
    }
}
