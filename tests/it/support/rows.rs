//! The rows of the event log as an auditor reads them, however many.

use std::path::Path;

use sqlx::{ConnectOptions, Connection};

/// A row of `events`, as far as these tests look at it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct EventRow {
    pub(crate) kind: String,
    pub(crate) log_index: Option<u32>,
    pub(crate) backfilled: bool,
    pub(crate) detail: Option<String>,
    pub(crate) clock_skew: Option<i64>,
    pub(crate) zone_offset: Option<i16>,
}

/// All of them, oldest first.
pub(crate) async fn event_rows(database: &Path) -> Vec<EventRow> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database).read_only(true);
    let mut connection = options.connect().await.unwrap();
    let rows =
        sqlx::query_as("select kind, log_index, backfilled, detail, clock_skew, zone_offset from events order by id");
    let rows = rows.fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows
}
