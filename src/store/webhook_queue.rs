//! What each webhook must still be told, oldest event first, and what became of each try.

use rusqlite::{Connection, OptionalExtension as _, Transaction};

use crate::clock::UnixMillis;

use super::writer::Statements as _;
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

/// Whether there is any webhook.
pub(super) fn is_wanted(tx: &Transaction<'_>) -> rusqlite::Result<bool> {
    tx.one("select exists (select 1 from webhooks)", (), |row| row.get(0))
}

/// Queues a new event for every webhook whose filter it passes. Part of the transaction that stores the event.
pub(super) fn enqueue(tx: &Transaction<'_>, event_id: i64) -> rusqlite::Result<()> {
    let queued = tx.all(
        "insert into webhook_deliveries (webhook_id, event_id, waits_since)
         select w.id, e.id, e.observed_at from webhooks w join events e on e.id = ?1
         where (json_array_length(w.nuki_ids) = 0 or e.nuki_id in (select value from json_each(w.nuki_ids)))
           and (json_array_length(w.auth_ids) + json_array_length(w.code_ids) = 0
                or e.auth_id in (select value from json_each(w.auth_ids))
                or e.code_id in (select value from json_each(w.code_ids)))
           and (json_array_length(w.kinds) = 0 or e.kind in (select value from json_each(w.kinds)))
           and (w.refused_only = 0 or e.refused = 1)
         returning webhook_id, waits_since",
        [event_id],
        |row| Ok((row.get(0)?, UnixMillis(row.get(1)?))),
    )?;
    for (webhook_id, at) in queued {
        keep_bound(tx, webhook_id, at)?;
    }
    Ok(())
}

/// Of too many that wait, the oldest become dead letters.
pub(super) fn keep_bound(tx: &Transaction<'_>, webhook_id: i64, at: UnixMillis) -> rusqlite::Result<()> {
    let overflow = tx.run(
        "update webhook_deliveries set state = 'dead', ended_at = ?2, reason = 'too many waited'
         where webhook_id = ?1 and state = 'waiting' and event_id <= (
             select event_id from webhook_deliveries where webhook_id = ?1 and state = 'waiting'
             order by event_id desc limit 1 offset (select queue_limit from webhooks where id = ?1))",
        (webhook_id, at.0),
    )?;
    if overflow > 0 {
        let overflow = i64::try_from(overflow).unwrap_or(i64::MAX);
        tx.run("update webhooks set overflowed = overflowed + ? where id = ?", (overflow, webhook_id))?;
    }
    Ok(())
}

impl Store {
    /// What a receiver must be told next.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn next_webhook_delivery(&self, webhook_id: i64) -> Result<Option<WebhookDelivery>, StoreError> {
        let look = move |connection: &mut Connection| {
            let mut statement = connection.prepare_cached(
                "select id, event_id, key, attempts from webhook_deliveries
                 where webhook_id = ? and state = 'waiting' order by event_id limit 1",
            )?;
            let next = statement.query_row([webhook_id], |row| {
                let (id, event_id, key, attempts) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                Ok(WebhookDelivery { id, webhook_id, event_id, key, attempts })
            });
            Ok(next.optional()?)
        };
        self.looks.read(look).await
    }

    /// Notes that the receiver has it. No error if the receiver was removed meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn webhook_told(&self, delivery: &WebhookDelivery, at: UnixMillis) -> Result<(), StoreError> {
        let (id, webhook_id) = (delivery.id, delivery.webhook_id);
        self.write(move |tx| {
            // It may have become a dead letter for the bound while it was on its way: that it arrived is the truth.
            tx.run(
                "update webhook_deliveries
                 set state = 'told', attempts = attempts + 1, tried_at = ?1, ended_at = ?1, reason = null
                 where id = ?2 and state <> 'told'",
                (at.0, id),
            )?;
            tx.run(
                "update webhooks set failures = 0, last_told_at = ?, last_error = null, next_try_at = null where id = ?",
                (at.0, webhook_id),
            )?;
            Ok(())
        })
        .await
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
        let (id, webhook_id) = (delivery.id, delivery.webhook_id);
        let FailedTry { at, error, next_try_at, give_up_before } = failed.clone();
        self.write(move |tx| {
            let tried = "update webhook_deliveries set attempts = attempts + 1, tried_at = ? where id = ?";
            tx.run(tried, (at.0, id))?;
            let given_up = match give_up_before {
                Some(before) => tx.run(
                    "update webhook_deliveries set state = 'dead', ended_at = ?1, reason = ?2
                     where webhook_id = ?3 and state = 'waiting' and waits_since <= ?4",
                    (at.0, &error, webhook_id, before.0),
                )?,
                None => 0,
            };
            let overflowed = tx.first(
                "update webhooks set failures = failures + 1, last_failed_at = ?, last_error = ?, next_try_at = ?
                 where id = ? returning overflowed",
                (at.0, &error, next_try_at.0, webhook_id),
                |row| row.get(0),
            )?;
            Ok(AfterFailure { given_up: given_up as u64, overflowed: overflowed.unwrap_or(0) })
        })
        .await
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
        let (id, reason) = (delivery.id, reason.to_owned());
        self.write(move |tx| {
            tx.run(
                "update webhook_deliveries
                 set state = 'dead', attempts = attempts + 1, tried_at = ?1, ended_at = ?1, reason = ?2
                 where id = ?3 and state = 'waiting'",
                (at.0, reason, id),
            )?;
            Ok(())
        })
        .await
    }
}
