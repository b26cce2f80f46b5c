//! Events that the store writes about the log itself.

use sqlx::SqliteConnection;

use super::append::Chain;
use super::events::Batch;
use super::insert::{Place, event_row};
use super::record::Record;
use super::{StoreError, log_epoch};
use crate::attribution::{Event, EventKind};
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
    let epoch = log_epoch(tx, nuki_id).await?;
    let batch = Batch {
        nuki_id,
        observed_at: at,
        clock: None,
        observations: Vec::new(),
        events: Vec::new(),
        cursor: None,
        callback_bodies: Vec::new(),
    };
    let event = Event { detail: Some(record.to_string()), ..Event::blank(kind) };
    chain.append(tx, &event_row(&Place { batch: &batch, epoch, answered: None }, &event)).await
}
