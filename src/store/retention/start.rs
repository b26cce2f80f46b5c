//! The beginning of the chain moves up behind events that were removed, so that the file does not grow for ever.

use sqlx::SqliteConnection;

use super::super::StoreError;
use super::super::chain::ChainHead;

/// Forgets the links of removed events at the beginning, and gives the new beginning if it moved.
///
/// A record proves itself by the numbers of all events it is about. Their
/// links go together or stay together, so it can be checked to its end.
pub(super) async fn advance(tx: &mut SqliteConnection) -> Result<Option<ChainHead>, StoreError> {
    let first_kept: Option<i64> =
        sqlx::query_scalar("select id from chain where removed_by is null order by id limit 1")
            .fetch_optional(&mut *tx)
            .await?;
    let mut end = match first_kept {
        Some(id) => id - 1,
        None => sqlx::query_scalar("select coalesce(max(id), 0) from chain").fetch_one(&mut *tx).await?,
    };
    // The first link of a record whose links would not all go.
    while let Some(first) = sqlx::query_scalar::<_, Option<i64>>(
        "select min(c.id) from chain c where c.id <= ?1 and (
             exists (select 1 from chain d where d.removed_by = c.removed_by and d.id > ?1)
             or exists (select 1 from chain d where d.erased_by = c.erased_by and d.id > ?1))",
    )
    .bind(end)
    .fetch_one(&mut *tx)
    .await?
    {
        end = first - 1;
    }
    let Some(hash) = sqlx::query_scalar::<_, Vec<u8>>("select hash from chain where id = ?")
        .bind(end)
        .fetch_optional(&mut *tx)
        .await?
    else {
        return Ok(None);
    };
    sqlx::query("update chain_start set id = ?, hash = ?").bind(end).bind(&hash).execute(&mut *tx).await?;
    sqlx::query("delete from chain where id <= ?").bind(end).execute(&mut *tx).await?;
    let hash = hash.try_into().map_err(|hash: Vec<u8>| StoreError::Content {
        column: "chain.hash",
        value: format!("{} bytes", hash.len()),
    })?;
    Ok(Some(ChainHead { id: end, hash }))
}
