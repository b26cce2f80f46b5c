//! What each receiver must still be told, oldest first.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction};

use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;

use super::writer::Statements as _;
use super::{Store, StoreError};

/// So many deliveries may wait per receiver. Beyond, the oldest is given up, and its row says so.
pub const OUTBOX_LIMIT: i64 = 1000;
/// How long deliveries that ended should be kept, for the audit.
pub const OUTBOX_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

// What was told stays in the table for a month. Left to itself, SQLite reads these along `outbox_by_callback`, and so
// through all that a receiver was ever told.
const QUEUE: &str = "select o.id, o.url, o.body, o.attempts, o.created_at
     from callbacks c left join outbox o indexed by outbox_waiting on o.callback_seq = c.seq and o.state = 'waiting'
     where c.id = ?
     order by o.id limit 1";
const KEEP_BOUND: &str = "update outbox indexed by outbox_waiting
     set state = 'gave_up', reason = 'too many undelivered', ended_at = ?1
     where callback_seq = ?2 and state = 'waiting' and id <= (
         select id from outbox indexed by outbox_waiting where callback_seq = ?2 and state = 'waiting'
         order by id desc limit 1 offset ?3)";

/// How many bodies wait for each registered callback, by slot.
pub(super) const WAITING: &str = "select c.id as slot, count(o.id) as waiting
     from callbacks c left join outbox o indexed by outbox_waiting on o.callback_seq = c.seq and o.state = 'waiting'
     group by c.id order by c.id";
/// What waits for the receiver of one slot is forgotten.
pub(super) const FORGET_WAITING: &str = "delete from outbox indexed by outbox_waiting
     where state = 'waiting' and callback_seq = (select seq from callbacks where id = ?)";
/// See [`OutboxCondition`](super::OutboxCondition).
pub(super) const CONDITION: &str = "select
     (select count(*) from outbox indexed by outbox_given_up where state = 'gave_up') as given_up,
     (select min(created_at) from outbox indexed by outbox_waiting where state = 'waiting') as waiting_since";

/// Something to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its number, which never comes twice: an idempotency key.
    pub outbox_id: i64,
    /// To which slot it belongs.
    pub callback_id: u8,
    /// Where to.
    pub url: String,
    /// What.
    pub body: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Since when it waits.
    pub created_at: UnixMillis,
}

/// What waits for the receiver of one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackQueue {
    /// Nobody is registered in it.
    NoReceiver,
    /// It has been told everything.
    Empty,
    /// The oldest that it has not been told.
    Next(Delivery),
}

/// What is to be told of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackBody {
    /// The vendor's keys and ours.
    pub whole: String,
    /// The vendor's alone; `None` if there are no others.
    pub bare: Option<String>,
}

impl From<String> for CallbackBody {
    /// The same for everybody.
    fn from(whole: String) -> Self {
        Self { whole, bare: None }
    }
}

/// How a try to deliver ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver has it.
    Told,
    /// Not now; it stays the oldest.
    Retry,
    /// It will not be tried again, and why.
    GaveUp(String),
}

impl Store {
    /// What waits in a slot.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn callback_queue(&self, callback_id: u8) -> Result<CallbackQueue, StoreError> {
        let look = move |connection: &mut Connection| {
            let mut statement = connection.prepare_cached(QUEUE)?;
            let queue = statement.query_row([callback_id], |row| {
                let Some(outbox_id) = row.get(0)? else { return Ok(CallbackQueue::Empty) };
                let (url, body, attempts, created_at) =
                    (row.get(1)?, row.get(2)?, row.get(3)?, UnixMillis(row.get(4)?));
                Ok(CallbackQueue::Next(Delivery { outbox_id, callback_id, url, body, attempts, created_at }))
            });
            Ok(queue.optional()?.unwrap_or(CallbackQueue::NoReceiver))
        };
        self.looks.read(look).await
    }

    /// The oldest undelivered body of a slot.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn next_delivery(&self, callback_id: u8) -> Result<Option<Delivery>, StoreError> {
        Ok(match self.callback_queue(callback_id).await? {
            CallbackQueue::Next(delivery) => Some(delivery),
            CallbackQueue::NoReceiver | CallbackQueue::Empty => None,
        })
    }

    /// Notes how a try ended. A row that is gone, because its receiver was removed meanwhile, is no error.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn finish_delivery(
        &self,
        outbox_id: i64,
        outcome: DeliveryOutcome,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            let at = at.0;
            match outcome {
                // A row may have been given up for the bound while it was on its way: that it arrived is the truth.
                DeliveryOutcome::Told => tx.run(
                    "update outbox
                     set state = 'told', attempts = attempts + 1, tried_at = ?1, ended_at = ?1, reason = null
                     where id = ?2 and state <> 'told'",
                    (at, outbox_id),
                )?,
                DeliveryOutcome::Retry => tx.run(
                    "update outbox set attempts = attempts + 1, tried_at = ? where id = ? and state = 'waiting'",
                    (at, outbox_id),
                )?,
                DeliveryOutcome::GaveUp(reason) => tx.run(
                    "update outbox
                     set state = 'gave_up', attempts = attempts + 1, tried_at = ?1, ended_at = ?1, reason = ?3
                     where id = ?2 and state = 'waiting'",
                    (at, outbox_id, reason),
                )?,
            };
            Ok(())
        })
        .await
    }

    /// Forgets deliveries that ended before `before` and says how many. What waits is never touched.
    ///
    /// The daemon calls it once a day with [`OUTBOX_KEPT`] before now.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn prune_outbox(&self, before: UnixMillis) -> Result<u64, StoreError> {
        let _held = self.hold_time().await;
        let pruned = sqlx::query("delete from outbox where state <> 'waiting' and ended_at < ?")
            .bind(before.0)
            .execute(&self.seldom)
            .await?;
        Ok(pruned.rows_affected())
    }
}

/// Puts a body into the queue of every receiver.
pub(super) fn enqueue(
    tx: &Transaction<'_>,
    nuki_id: NukiId,
    bodies: &[CallbackBody],
    at: UnixMillis,
) -> rusqlite::Result<()> {
    if bodies.is_empty() {
        return Ok(());
    }
    for body in bodies {
        tx.run(
            "insert into outbox (callback_seq, url, nuki_id, body, created_at)
             select seq, url, ?, iif(bare, ?, ?), ? from callbacks order by seq",
            (nuki_id, body.bare.as_ref().unwrap_or(&body.whole), &body.whole, at.0),
        )?;
    }
    for seq in tx.all("select seq from callbacks", (), |row| row.get::<_, i64>(0))? {
        tx.run(KEEP_BOUND, (at.0, seq, OUTBOX_LIMIT))?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// However much was told in a month, what waits is found without walking through it.
    #[tokio::test]
    async fn what_waits_is_found_beside_whatever_was_told() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("keyturner.db")).await.unwrap();
        for statement in [QUEUE, KEEP_BOUND, WAITING, FORGET_WAITING, CONDITION] {
            let explain = sqlx::AssertSqlSafe(format!("explain query plan {statement}"));
            let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain).fetch_all(&store.readers).await.unwrap();
            let reads = |step: &&str| step.split(' ').any(|word| word == "outbox" || word == "o");
            let steps: Vec<&str> = plan.iter().map(|(.., detail)| detail.as_str()).filter(reads).collect();
            assert!(!steps.is_empty(), "{statement}");
            for step in steps {
                let is_short = step.contains(" outbox_waiting") || step.contains(" outbox_given_up");
                assert!(is_short, "{statement}\n{step}");
            }
        }
    }
}
