//! Events of versions without a chain get their links, once, before anything else is written.

use rusqlite::Transaction;
use tracing::info;

use super::append::{Chain, salt};
use super::chain::{CONTENT_COLUMNS, Hasher, PERSON_COLUMNS};
use super::columns::{event_column_list, values};
use super::writer::Statements as _;
use super::{Store, StoreError};

/// Events per transaction: bounds memory, and what a power cut throws back.
const AT_ONCE: i64 = 5000;

/// Seals what the migration found in `events`, and nothing else: a row without a link that comes later was slipped in.
pub(super) async fn seal_older(store: &Store) -> Result<(), StoreError> {
    let up_to = sqlx::query_scalar::<_, i64>("select up_to from unchained").fetch_optional(&store.readers).await?;
    let Some(up_to) = up_to else { return Ok(()) };
    info!(up_to, "events of an older version are chained now");
    while store.write(move |tx| seal_some(tx, up_to)).await? {}
    store.write(|tx| Ok(tx.run("delete from unchained", ())?)).await?;
    Ok(())
}

/// `false` if nothing was left.
fn seal_some(tx: &Transaction<'_>, up_to: i64) -> Result<bool, StoreError> {
    let sql = format!(
        "select {} from events e where e.id > (select coalesce(max(id), 0) from chain) and e.id <= ?
         order by e.id limit ?",
        event_column_list("e")
    );
    let mut statement = tx.prepare(&sql)?;
    let mut rows = statement.query((up_to, AT_ONCE))?;
    let mut chain = Chain::default();
    let mut hasher = Hasher::default();
    let mut any = false;
    while let Some(row) = rows.next()? {
        any = true;
        let content: [_; CONTENT_COLUMNS.len()] = values(row, 0)?;
        let content = hasher.content(CONTENT_COLUMNS.into_iter().zip(content));
        let salt = salt()?;
        let person: [_; PERSON_COLUMNS.len()] = values(row, CONTENT_COLUMNS.len())?;
        let person = hasher.person(&salt, PERSON_COLUMNS.into_iter().zip(person));
        chain.add_link(tx, row.get(0)?, &salt, &content, &person)?;
    }
    Ok(any)
}
