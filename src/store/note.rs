//! Events that the store writes about the log itself.

use sqlx::SqliteConnection;

use super::StoreError;
use super::append::Chain;
use super::events::Batch;
use super::insert::{Place, event_row};
use super::record::Record;
use crate::attribution::{Attribution, Event, EventKind, Method, Who};
use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;

/// Writes a record down and gives its number.
pub(super) async fn note(
    tx: &mut SqliteConnection,
    chain: &mut Chain,
    nuki_id: NukiId,
    kind: EventKind,
    record: &Record,
    at: UnixMillis,
) -> Result<i64, StoreError> {
    let epoch = sqlx::query_scalar("select log_epoch from locks where nuki_id = ?")
        .bind(nuki_id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::UnknownLock(nuki_id))?;
    let batch = Batch {
        nuki_id,
        observed_at: at,
        clock: None,
        observations: Vec::new(),
        events: Vec::new(),
        cursor: None,
        callback_bodies: Vec::new(),
    };
    let event = Event {
        kind,
        log_index: None,
        device_time: None,
        action: None,
        trigger: None,
        completion_status: None,
        change: None,
        who: Who::default(),
        method: Method::Unknown,
        attribution: Attribution::Nobody,
        auto_unlock: false,
        presses: 0,
        backfilled: false,
        answers_pending: false,
        intent_id: None,
        detail: Some(record.to_string()),
        raw: Vec::new(),
    };
    chain.append(tx, &event_row(&Place { batch: &batch, epoch, answered: None }, &event)).await
}
