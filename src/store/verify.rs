//! Walking the chain of hashes over the whole log: is everything still as it was written?

mod check;
mod report;

use std::path::Path;

use futures::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row as _, SqliteConnection};

use super::StoreError;
use super::chain::{CONTENT_COLUMNS, ChainHead, PERSON_COLUMNS, Value};
use super::columns::{event_columns, value, values};
use super::error::{Class, classify};
use super::look::look;
use check::{Checker, EventValues, Row};

pub use report::{Fault, VerifyReport};

/// Columns of `chain`, before those of the event.
const CHAIN_COLUMNS: &str = "select c.id, c.salt, c.person, c.content, c.hash, c.erased_by, c.removed_by, ";
const FIRST_EVENT_COLUMN: usize = 7;
/// Events between two calls of `progress`.
const STEP: u64 = 10_000;

/// Walks along the chain of a database, which may be in use, and compares it with every column of every event.
///
/// `heads` are those that were kept elsewhere; each must be in the chain.
/// `progress` is told how many links were walked and how many there are.
///
/// # Errors
/// [`StoreError`] when the database cannot be looked at. What is wrong with what it holds, is in the report.
pub async fn verify(
    path: &Path,
    heads: &[ChainHead],
    mut progress: impl FnMut(u64, u64),
) -> Result<VerifyReport, StoreError> {
    let mut walker = look(path).await?;
    let mut examiner = look(path).await?;
    // SQLite's own look at pages and indexes, on a thread of its own.
    let (walked, examined) = tokio::join!(walk(&mut walker, heads, &mut progress), examine(&mut examiner));
    let mut report = walked?;
    if let Some(reason) = examined? {
        report.add(Fault::File(reason));
    }
    Ok(report)
}

async fn walk(
    connection: &mut SqliteConnection,
    heads: &[ChainHead],
    progress: &mut impl FnMut(u64, u64),
) -> Result<VerifyReport, StoreError> {
    // One snapshot for everything.
    let mut tx = connection.begin().await?;
    let start = start(&mut tx).await?;
    let last: i64 = sqlx::query_scalar("select coalesce(max(id), 0) from chain").fetch_one(&mut *tx).await?;
    let total = u64::try_from(last - start.id).unwrap_or(0);
    let mut checker = Checker::new(start, heads);
    let mut walked = 0;
    let mut broken = None;
    {
        let mut query = event_columns(CHAIN_COLUMNS, "e");
        query.push(" from chain c left join events e on e.id = c.id order by c.id");
        let mut rows = query.build().fetch(&mut *tx);
        loop {
            match rows.try_next().await {
                Ok(Some(row)) => checker.row(&decode(&row)?),
                Ok(None) => break,
                Err(error) if classify(&error) == Class::Damaged => {
                    broken = Some(error.to_string());
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            walked += 1;
            if walked % STEP == 0 {
                progress(walked, total);
            }
        }
    }
    if let Some(reason) = broken {
        let mut report = checker.report;
        report.add(Fault::File(reason));
        return Ok(report);
    }
    let given =
        sqlx::query_scalar("select seq from sqlite_sequence where name = 'events'").fetch_optional(&mut *tx).await?;
    let mut report = checker.finish(given);
    let known = report.events;
    if let Some(fault) = strangers(&mut tx, known).await? {
        report.add(fault);
    }
    Ok(report)
}

async fn start(connection: &mut SqliteConnection) -> Result<ChainHead, StoreError> {
    let (id, hash): (i64, Vec<u8>) = sqlx::query_as("select id, hash from chain_start").fetch_one(connection).await?;
    let hash = hash.try_into().map_err(|hash: Vec<u8>| StoreError::Content {
        column: "chain_start.hash",
        value: format!("{} bytes", hash.len()),
    })?;
    Ok(ChainHead { id, hash })
}

/// Events that the chain does not know. Counted in the table itself, because an index may have been changed.
async fn strangers(connection: &mut SqliteConnection, known: u64) -> Result<Option<Fault>, StoreError> {
    let there: i64 = sqlx::query_scalar("select count(*) from events not indexed").fetch_one(&mut *connection).await?;
    if u64::try_from(there) == Ok(known) {
        return Ok(None);
    }
    let (count, first): (i64, Option<i64>) = sqlx::query_as(
        "select count(*), min(e.id) from events e not indexed where not exists (select 1 from chain c where c.id = e.id)",
    )
    .fetch_one(connection)
    .await?;
    Ok(first.map(|first| Fault::NoLink { count, first }))
}

/// What SQLite says about the file, if it is not well.
async fn examine(connection: &mut SqliteConnection) -> Result<Option<String>, StoreError> {
    match sqlx::query_scalar::<_, String>("pragma integrity_check(1)").fetch_one(connection).await {
        Ok(result) => Ok((result != "ok").then_some(result)),
        Err(error) if classify(&error) == Class::Damaged => Ok(Some(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

fn decode(row: &SqliteRow) -> Result<Row<'_>, StoreError> {
    let event = values(row, FIRST_EVENT_COLUMN, CONTENT_COLUMNS.len())?;
    let person = values(row, FIRST_EVENT_COLUMN + CONTENT_COLUMNS.len(), PERSON_COLUMNS.len())?;
    // Its number is null only if there is no event.
    let is_there = event.first().is_some_and(|id| *id != Value::Null);
    Ok(Row {
        id: row.try_get(0)?,
        salt: value(row, 1)?,
        person: value(row, 2)?,
        content: value(row, 3)?,
        hash: value(row, 4)?,
        erased_by: value(row, 5)?,
        removed_by: value(row, 6)?,
        event: is_there.then_some(EventValues { content: event, person }),
    })
}
