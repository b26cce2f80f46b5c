//! Events of versions without a chain get their links, once, before anything else is written.

use sqlx::{Row, SqlitePool};
use tracing::info;

use super::StoreError;
use super::append::{Chain, salt};
use super::chain::{CONTENT_COLUMNS, Hasher, PERSON_COLUMNS};
use super::columns::{event_columns, values};

/// Events per transaction: bounds memory, and what a power cut throws back.
const AT_ONCE: i64 = 5000;

/// Seals what the migration found in `events`, and nothing else: a row without a link that comes later was slipped in.
pub(super) async fn seal_older(writer: &SqlitePool) -> Result<(), StoreError> {
    let Some(up_to) = sqlx::query_scalar::<_, i64>("select up_to from unchained").fetch_optional(writer).await? else {
        return Ok(());
    };
    info!(up_to, "events of an older version are chained now");
    while seal_some(writer, up_to).await? {}
    sqlx::query("delete from unchained").execute(writer).await?;
    Ok(())
}

/// `false` if nothing was left.
async fn seal_some(writer: &SqlitePool, up_to: i64) -> Result<bool, StoreError> {
    let mut tx = writer.begin_with("begin immediate").await?;
    let mut query = event_columns("select ", "e");
    query.push(" from events e where e.id > (select coalesce(max(id), 0) from chain) and e.id <= ").push_bind(up_to);
    query.push(" order by e.id limit ").push_bind(AT_ONCE);
    let rows = query.build().fetch_all(&mut *tx).await?;
    let mut chain = Chain::default();
    let mut hasher = Hasher::default();
    for row in &rows {
        let content = values(row, 0, CONTENT_COLUMNS.len())?;
        let content = hasher.content(CONTENT_COLUMNS.into_iter().zip(content));
        let person = values(row, CONTENT_COLUMNS.len(), PERSON_COLUMNS.len())?;
        let salt = salt()?;
        let person = hasher.person(&salt, PERSON_COLUMNS.into_iter().zip(person));
        chain.add_link(&mut tx, row.try_get(0)?, &salt, &content, &person).await?;
    }
    tx.commit().await?;
    Ok(!rows.is_empty())
}
