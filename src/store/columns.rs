//! Rows of `events` as they are hashed: the columns to select, and their values as SQLite stores them.

use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::chain::{CONTENT_COLUMNS, PERSON_COLUMNS, Value};

/// Every column that is hashed, content first.
pub(super) fn event_column_list(table: &str) -> String {
    let columns: Vec<String> =
        CONTENT_COLUMNS.iter().chain(&PERSON_COLUMNS).map(|name| format!("{table}.{name}")).collect();
    columns.join(", ")
}

/// As many values as the array holds, from column `start` on.
pub(super) fn values<'a, const COUNT: usize>(row: &'a Row<'_>, start: usize) -> rusqlite::Result<[Value<'a>; COUNT]> {
    let mut values = [Value::Null; COUNT];
    for (index, slot) in (start..).zip(&mut values) {
        *slot = value(row, index)?;
    }
    Ok(values)
}

/// A value by its own type, not that of its column: a flipped byte may have changed it.
/// A text as bytes, because they need not be UTF-8 any more.
pub(super) fn value<'a>(row: &'a Row<'_>, index: usize) -> rusqlite::Result<Value<'a>> {
    Ok(match row.get_ref(index)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) => Value::Text(bytes),
        ValueRef::Blob(bytes) => Value::Blob(bytes),
    })
}
