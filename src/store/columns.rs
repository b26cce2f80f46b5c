//! Rows of `events` as they are hashed: the columns to select, and their values as SQLite stores them.

use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, QueryBuilder, Row, Sqlite, TypeInfo, ValueRef};

use super::StoreError;
use super::chain::{CONTENT_COLUMNS, PERSON_COLUMNS, Value};

/// `start`, then every column that is hashed, content first.
pub(super) fn event_columns(start: &str, table: &str) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(start);
    query.push(event_column_list(table));
    query
}

/// Every column that is hashed, content first.
pub(super) fn event_column_list(table: &str) -> String {
    let columns: Vec<String> =
        CONTENT_COLUMNS.iter().chain(&PERSON_COLUMNS).map(|name| format!("{table}.{name}")).collect();
    columns.join(", ")
}

/// The first `count` values from column `start` on.
pub(super) fn values(row: &SqliteRow, start: usize, count: usize) -> Result<Vec<Value<'_>>, StoreError> {
    (start..start + count).map(|index| value(row, index)).collect()
}

/// A value by its own type, not that of its column: a flipped byte may have changed it.
pub(super) fn value(row: &SqliteRow, index: usize) -> Result<Value<'_>, StoreError> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let storage = raw.type_info().into_owned();
    let value = match storage.name() {
        "INTEGER" => i64::decode(raw).map(Value::Integer),
        "REAL" => f64::decode(raw).map(Value::Real),
        // As bytes, because they need not be UTF-8 any more.
        "TEXT" => <&[u8]>::decode(raw).map(Value::Text),
        _ => <&[u8]>::decode(raw).map(Value::Blob),
    };
    value.map_err(|error| StoreError::Sql(sqlx::Error::Decode(error)))
}
