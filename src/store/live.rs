//! The log in the order in which it is written, row by row, for whoever listens.

use sqlx::QueryBuilder;

use super::history::{Lead, push_filter};
use super::history_row::{HistoryRow, RawRow};
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct RowNumbers {
    /// Lowest number that is still there; what was lower, retention has removed.
    pub oldest: Option<i64>,
    /// Highest number that was ever given; 0 before the first event.
    pub newest: i64,
}

#[derive(sqlx::FromRow)]
struct RawLive {
    row_id: i64,
    answers: Option<i64>,
    #[sqlx(flatten)]
    entry: RawRow,
}

impl RawLive {
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
        let _held = self.hold_time().await;
        let row: Option<RawLive> = sqlx::query_as("select * from event_rows where row_id = ?")
            .bind(row_id)
            .fetch_optional(&self.readers)
            .await?;
        row.map(RawLive::row).transpose()
    }

    /// Lowest and highest number of the stored rows.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn row_numbers(&self) -> Result<RowNumbers, StoreError> {
        let _held = self.hold_time().await;
        let numbers = sqlx::query_as(
            "select (select min(id) from events) as oldest,
                    coalesce((select seq from sqlite_sequence where name = 'events'), 0) as newest",
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(numbers)
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
        let _held = self.hold_time().await;
        let mut query = QueryBuilder::new("select * from event_rows where row_id > ");
        query.push_bind(after).push(" and row_id <= ").push_bind(up_to);
        push_filter(&mut query, filter, Lead::Nothing);
        query.push(" order by row_id limit ").push_bind(limit);
        let rows: Vec<RawLive> = query.build_query_as().fetch_all(&self.readers).await?;
        rows.into_iter().map(RawLive::row).collect()
    }
}
