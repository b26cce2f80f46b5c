//! What each webhook must still be told, oldest event first, and what became of each try.

use sqlx::SqliteConnection;

use crate::clock::UnixMillis;

use super::{Store, StoreError};

/// Something that waits for a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// Number of the delivery.
    pub id: i64,
    /// To which receiver.
    pub webhook_id: i64,
    /// Number of the event's own row; a late answer has one of its own. It grows with every event.
    pub event_id: i64,
    /// The idempotency key: the same at every try, and never that of another delivery.
    pub key: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// A try that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedTry {
    /// When.
    pub at: UnixMillis,
    /// Why, without anything secret.
    pub error: String,
    /// When it is tried again.
    pub next_try_at: UnixMillis,
    /// What waits since then or longer becomes a dead letter.
    pub give_up_before: Option<UnixMillis>,
}

/// What a failed try led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AfterFailure {
    /// So many became dead letters.
    pub given_up: u64,
    /// How many ever became dead letters because too many waited.
    pub overflowed: i64,
}

/// Queues a new event for every webhook whose filter it passes. Part of the transaction that stores the event.
pub(super) async fn enqueue(tx: &mut SqliteConnection, event_id: i64) -> Result<(), StoreError> {
    let queued: Vec<(i64, i64)> = sqlx::query_as(
        "insert into webhook_deliveries (webhook_id, event_id, waits_since)
         select w.id, e.id, e.observed_at from webhooks w join events e on e.id = ?1
         where (json_array_length(w.nuki_ids) = 0 or e.nuki_id in (select value from json_each(w.nuki_ids)))
           and (json_array_length(w.auth_ids) + json_array_length(w.code_ids) = 0
                or e.auth_id in (select value from json_each(w.auth_ids))
                or e.code_id in (select value from json_each(w.code_ids)))
           and (json_array_length(w.kinds) = 0 or e.kind in (select value from json_each(w.kinds)))
           and (w.refused_only = 0 or e.refused = 1)
         returning webhook_id, waits_since",
    )
    .bind(event_id)
    .fetch_all(&mut *tx)
    .await?;
    for (webhook_id, at) in queued {
        keep_bound(tx, webhook_id, UnixMillis(at)).await?;
    }
    Ok(())
}

/// Of too many that wait, the oldest become dead letters.
pub(super) async fn keep_bound(tx: &mut SqliteConnection, webhook_id: i64, at: UnixMillis) -> Result<(), StoreError> {
    let overflow = sqlx::query(
        "update webhook_deliveries set state = 'dead', ended_at = ?2, reason = 'too many waited'
         where webhook_id = ?1 and state = 'waiting' and event_id <= (
             select event_id from webhook_deliveries where webhook_id = ?1 and state = 'waiting'
             order by event_id desc limit 1 offset (select queue_limit from webhooks where id = ?1))",
    )
    .bind(webhook_id)
    .bind(at.0)
    .execute(&mut *tx)
    .await?;
    if overflow.rows_affected() > 0 {
        sqlx::query("update webhooks set overflowed = overflowed + ? where id = ?")
            .bind(i64::try_from(overflow.rows_affected()).unwrap_or(i64::MAX))
            .bind(webhook_id)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

impl Store {
    /// What a receiver must be told next.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn next_webhook_delivery(&self, webhook_id: i64) -> Result<Option<WebhookDelivery>, StoreError> {
        let _held = self.hold_time().await;
        let row: Option<(i64, i64, String, u32)> = sqlx::query_as(
            "select id, event_id, key, attempts from webhook_deliveries
             where webhook_id = ? and state = 'waiting' order by event_id limit 1",
        )
        .bind(webhook_id)
        .fetch_optional(&self.readers)
        .await?;
        Ok(row.map(|(id, event_id, key, attempts)| WebhookDelivery { id, webhook_id, event_id, key, attempts }))
    }

    /// Notes that the receiver has it. No error if the receiver was removed meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn webhook_told(&self, delivery: &WebhookDelivery, at: UnixMillis) -> Result<(), StoreError> {
        let _held = self.hold_time().await;
        let mut tx = self.begin().await?;
        // It may have become a dead letter for the bound while it was on its way: that it arrived is the truth.
        sqlx::query(
            "update webhook_deliveries
             set state = 'told', attempts = attempts + 1, tried_at = ?1, ended_at = ?1, reason = null
             where id = ?2 and state <> 'told'",
        )
        .bind(at.0)
        .bind(delivery.id)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "update webhooks set failures = 0, last_told_at = ?, last_error = null, next_try_at = null where id = ?",
        )
        .bind(at.0)
        .bind(delivery.webhook_id)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Notes a failed try; the delivery stays the first unless it is given up.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn webhook_failed(
        &self,
        delivery: &WebhookDelivery,
        failed: &FailedTry,
    ) -> Result<AfterFailure, StoreError> {
        let _held = self.hold_time().await;
        let mut tx = self.begin().await?;
        sqlx::query("update webhook_deliveries set attempts = attempts + 1, tried_at = ? where id = ?")
            .bind(failed.at.0)
            .bind(delivery.id)
            .execute(&mut *tx)
            .await?;
        let mut given_up = 0;
        if let Some(before) = failed.give_up_before {
            let dead = sqlx::query(
                "update webhook_deliveries set state = 'dead', ended_at = ?1, reason = ?2
                 where webhook_id = ?3 and state = 'waiting' and waits_since <= ?4",
            )
            .bind(failed.at.0)
            .bind(&failed.error)
            .bind(delivery.webhook_id)
            .bind(before.0)
            .execute(&mut *tx)
            .await?;
            given_up = dead.rows_affected();
        }
        let overflowed: Option<i64> = sqlx::query_scalar(
            "update webhooks set failures = failures + 1, last_failed_at = ?, last_error = ?, next_try_at = ?
             where id = ? returning overflowed",
        )
        .bind(failed.at.0)
        .bind(&failed.error)
        .bind(failed.next_try_at.0)
        .bind(delivery.webhook_id)
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(AfterFailure { given_up, overflowed: overflowed.unwrap_or(0) })
    }

    /// Makes one delivery a dead letter, so that the rest can go on.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn webhook_dead(
        &self,
        delivery: &WebhookDelivery,
        reason: &str,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        let _held = self.hold_time().await;
        sqlx::query(
            "update webhook_deliveries
             set state = 'dead', attempts = attempts + 1, tried_at = ?1, ended_at = ?1, reason = ?2
             where id = ?3 and state = 'waiting'",
        )
        .bind(at.0)
        .bind(reason)
        .bind(delivery.id)
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}
