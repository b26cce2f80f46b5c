//! Reading the chain and the events beside it, in order, within one snapshot.
//!
//! By rusqlite, which shows values where SQLite holds them. sqlx copies each of them
//! on its way to another thread, which takes longer than all that is done here (docs/adr/0018).

use rusqlite::{Connection, OptionalExtension as _};
use tokio::sync::watch;

use super::super::StoreError;
use super::super::chain::{CONTENT_COLUMNS, ChainHead, Value};
use super::super::columns::{event_column_list, value, values};
use super::super::error::{Class, classify_rusqlite};
use super::check::{Checker, EventValues, Row};
use super::report::{Fault, VerifyReport};

/// Columns of `chain`, before those of the event.
const CHAIN_COLUMNS: &str = "c.id, c.salt, c.person, c.content, c.hash, c.erased_by, c.removed_by";
const FIRST_EVENT_COLUMN: usize = 7;
/// Events between two words of progress.
const STEP: u64 = 10_000;

/// `progress` is how many links were walked and how many there are.
pub(super) fn walk(
    connection: &mut Connection,
    heads: &[ChainHead],
    progress: &watch::Sender<(u64, u64)>,
) -> Result<VerifyReport, StoreError> {
    // One snapshot for everything.
    let snapshot = connection.transaction()?;
    let mut checker = Checker::new(start(&snapshot)?, heads);
    let given = match links(&snapshot, &mut checker, progress).and_then(|()| counter(&snapshot)) {
        Ok(given) => given,
        Err(error) => return damaged(checker.report, error),
    };
    let mut report = checker.finish(given);
    match strangers(&snapshot, report.events) {
        Ok(fault) => {
            if let Some(fault) = fault {
                report.add(fault);
            }
            Ok(report)
        }
        Err(error) => damaged(report, error),
    }
}

/// A file that cannot be read any further is a finding; whatever else went wrong is an error.
fn damaged(mut report: VerifyReport, error: rusqlite::Error) -> Result<VerifyReport, StoreError> {
    if classify_rusqlite(&error) != Class::Damaged {
        return Err(error.into());
    }
    report.add(Fault::File(error.to_string()));
    Ok(report)
}

fn start(snapshot: &Connection) -> Result<ChainHead, StoreError> {
    let (id, hash) = snapshot
        .query_row("select id, hash from chain_start", [], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))?;
    let hash = hash.try_into().map_err(|hash: Vec<u8>| StoreError::Content {
        column: "chain_start.hash",
        value: format!("{} bytes", hash.len()),
    })?;
    Ok(ChainHead { id, hash })
}

fn links(
    snapshot: &Connection,
    checker: &mut Checker,
    progress: &watch::Sender<(u64, u64)>,
) -> Result<(), rusqlite::Error> {
    let last: i64 = snapshot.query_row("select coalesce(max(id), 0) from chain", [], |row| row.get(0))?;
    let total = u64::try_from(last.saturating_sub(checker.report.start.id)).unwrap_or(0);
    let mut query = snapshot.prepare(&format!(
        "select {CHAIN_COLUMNS}, {} from chain c left join events e on e.id = c.id order by c.id",
        event_column_list("e")
    ))?;
    let mut rows = query.query([])?;
    let mut walked = 0;
    while let Some(row) = rows.next()? {
        checker.row(&decode(row)?);
        walked += 1;
        if walked % STEP == 0 {
            progress.send_replace((walked, total));
        }
    }
    progress.send_replace((walked, total));
    Ok(())
}

/// The last number that SQLite gave to an event; `None` as well if it is no number any more.
fn counter(snapshot: &Connection) -> Result<Option<i64>, rusqlite::Error> {
    let given = snapshot
        .query_row("select seq from sqlite_sequence where name = 'events'", [], |row| Ok(row.get_ref(0)?.as_i64().ok()))
        .optional()?;
    Ok(given.flatten())
}

/// Events that the chain does not know. Counted in the table itself, because an index may have been changed.
fn strangers(snapshot: &Connection, known: u64) -> Result<Option<Fault>, rusqlite::Error> {
    let there: i64 = snapshot.query_row("select count(*) from events not indexed", [], |row| row.get(0))?;
    if u64::try_from(there) == Ok(known) {
        return Ok(None);
    }
    let (count, first): (i64, Option<i64>) = snapshot.query_row(
        "select count(*), min(e.id) from events e not indexed where not exists (select 1 from chain c where c.id = e.id)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(first.map(|first| Fault::NoLink { count, first }))
}

fn decode<'a>(row: &'a rusqlite::Row<'_>) -> Result<Row<'a>, rusqlite::Error> {
    let content = values(row, FIRST_EVENT_COLUMN)?;
    let person = values(row, FIRST_EVENT_COLUMN + CONTENT_COLUMNS.len())?;
    // Its number is null only if there is no event.
    let is_there = content.first() != Some(&Value::Null);
    Ok(Row {
        id: row.get(0)?,
        salt: value(row, 1)?,
        person: value(row, 2)?,
        content: value(row, 3)?,
        hash: value(row, 4)?,
        erased_by: value(row, 5)?,
        removed_by: value(row, 6)?,
        event: is_there.then_some(EventValues { content, person }),
    })
}
