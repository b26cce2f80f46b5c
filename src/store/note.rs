//! Events that the store writes about the log itself.

use rusqlite::Transaction;

use super::StoreError;
use super::append::Chain;
use super::events::{Batch, epoch};
use super::insert::{Place, event_row};
use super::record::Record;
use crate::attribution::{Event, EventKind};
use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;

/// Writes a record down and gives its number.
pub(super) fn note(
    tx: &Transaction<'_>,
    chain: &mut Chain,
    nuki_id: NukiId,
    kind: EventKind,
    record: &Record,
    at: UnixMillis,
) -> Result<i64, StoreError> {
    let epoch = epoch(tx, nuki_id)?;
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
    chain.append(tx, &event_row(&Place { batch: &batch, epoch, answered: None }, &event))
}
