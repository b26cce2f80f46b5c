//! Dead letters of webhooks: looked at, sent again, forgotten after a while.

use rusqlite::Transaction;
use serde::Serialize;

use crate::clock::UnixMillis;

use super::writer::Statements as _;
use super::{Store, StoreError, webhook_queue};

/// An event that a receiver did not take in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// Number of the delivery, to replay it by.
    pub id: i64,
    /// Number of the event's own row.
    pub event_id: i64,
    /// Its idempotency key.
    pub key: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up, milliseconds since 1970 UTC.
    pub ended_at: i64,
    /// Why.
    pub reason: String,
}

impl Store {
    /// Dead letters of a receiver, oldest event first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn dead_letters(&self, webhook_id: i64, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        let _held = self.hold_time().await;
        let letters = sqlx::query_as(
            "select id, event_id, key, attempts, ended_at, reason from webhook_deliveries
             where webhook_id = ? and state = 'dead' order by event_id limit ?",
        )
        .bind(webhook_id)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        Ok(letters)
    }

    /// Lets dead letters of a receiver wait again, all of them or the `chosen` ones, and says how many.
    ///
    /// Their keys stay the same. They come before all newer events that still
    /// wait, and the receiver is tried at once.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn replay_dead_letters(
        &self,
        webhook_id: i64,
        chosen: Option<&[i64]>,
        at: UnixMillis,
    ) -> Result<u64, StoreError> {
        // One value, however many are chosen: SQLite counts parameters.
        let chosen = chosen.map(serde_json::to_string).transpose();
        let chosen = chosen.map_err(|error| StoreError::Content { column: "id", value: error.to_string() })?;
        self.write(move |tx| {
            let replayed = tx.run(
                "update webhook_deliveries set state = 'waiting', ended_at = null, reason = null, waits_since = ?1
                 where state = 'dead' and webhook_id = ?2 and (?3 is null or id in (select value from json_each(?3)))",
                (at.0, webhook_id, chosen),
            )?;
            if replayed > 0 {
                webhook_queue::keep_bound(tx, webhook_id, at)?;
            }
            hurry(tx, webhook_id)?;
            Ok(replayed as u64)
        })
        .await
    }

    /// Has a receiver tried at once, because it is known to work again.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn hurry_webhook(&self, webhook_id: i64) -> Result<(), StoreError> {
        self.write(move |tx| Ok(hurry(tx, webhook_id)?)).await
    }

    /// Forgets deliveries that ended before `before`, told or dead, and says how many. What waits is never touched.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn prune_webhook_deliveries(&self, before: UnixMillis) -> Result<u64, StoreError> {
        let _held = self.hold_time().await;
        let pruned = sqlx::query("delete from webhook_deliveries where state <> 'waiting' and ended_at < ?")
            .bind(before.0)
            .execute(&self.seldom)
            .await?;
        Ok(pruned.rows_affected())
    }
}

fn hurry(tx: &Transaction<'_>, webhook_id: i64) -> rusqlite::Result<()> {
    tx.run("update webhooks set hurried = hurried + 1 where id = ?", [webhook_id])?;
    Ok(())
}
