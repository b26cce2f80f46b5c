//! The beginning of the chain moves up behind events that were removed, so that the file does not grow for ever.

use rusqlite::Transaction;

use super::super::StoreError;
use super::super::append::digest;
use super::super::chain::ChainHead;
use super::super::writer::Statements as _;

/// Forgets the links of removed events at the beginning, and gives the new beginning if it moved.
///
/// A record proves itself by the numbers of all events it is about. Their
/// links go together or stay together, so it can be checked to its end.
pub(super) fn advance(tx: &Transaction<'_>) -> Result<Option<ChainHead>, StoreError> {
    let first_kept =
        tx.first("select id from chain where removed_by is null order by id limit 1", (), |row| row.get::<_, i64>(0))?;
    let mut end = match first_kept {
        Some(id) => id - 1,
        None => tx.one("select coalesce(max(id), 0) from chain", (), |row| row.get(0))?,
    };
    // The first link of a record whose links would not all go.
    while let Some(first) = tx.one(
        "select min(c.id) from chain c where c.id <= ?1 and (
             exists (select 1 from chain d where d.removed_by = c.removed_by and d.id > ?1)
             or exists (select 1 from chain d where d.erased_by = c.erased_by and d.id > ?1))",
        [end],
        |row| row.get::<_, Option<i64>>(0),
    )? {
        end = first - 1;
    }
    let Some(hash) = tx.first("select hash from chain where id = ?", [end], |row| row.get::<_, Vec<u8>>(0))? else {
        return Ok(None);
    };
    tx.run("update chain_start set id = ?, hash = ?", (end, &hash))?;
    tx.run("delete from chain where id <= ?", [end])?;
    Ok(Some(ChainHead { id: end, hash: digest(hash)? }))
}
