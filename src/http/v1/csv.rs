//! Lists as CSV, with the columns that JSON has.

use serde::Serialize;

use super::problem::Problem;
use crate::table;

/// Items of a list that can be a table.
pub(super) trait Row: Serialize {
    /// The keys of its JSON, in the order of the columns.
    const COLUMNS: &'static [&'static str];
}

/// A header and a line for each row; what is not known is an empty field.
///
/// # Errors
/// When a row cannot be written; the log says why.
pub(super) fn table<R: Row>(rows: &[R]) -> Result<String, Problem> {
    write(rows).map_err(|error| {
        tracing::error!(%error, "a table could not be written");
        Problem::internal()
    })
}

fn write<R: Row>(rows: &[R]) -> Result<String, Box<dyn std::error::Error>> {
    let mut table = table::begin(R::COLUMNS, Vec::new())?;
    for row in rows {
        table.write_record(table::fields(R::COLUMNS, row)?)?;
    }
    Ok(String::from_utf8(table.into_inner()?)?)
}
