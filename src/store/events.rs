//! One transaction per batch: what was seen, what happened, up to where the log is read, and what must be told.

use rusqlite::{Transaction, params};

use crate::attribution::{Attribution, Event, EventKind, StateChange};
use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;
use crate::protocol::datetime::DeviceTime;
use crate::protocol::log::LogIndex;
use crate::protocol::state::KeyturnerStates;
use crate::protocol::{CompletionStatus, LockAction, LockState, Trigger};

use super::append::Chain;
use super::convert::device_time;
use super::insert::{Place, event_row, insert_observation};
use super::outbox::CallbackBody;
use super::writer::Statements as _;
use super::{LOG_EPOCH, Store, StoreError, outbox};

/// What one look at a lock brought; stored whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Of which lock.
    pub nuki_id: NukiId,
    /// When, by the host's clock.
    pub observed_at: UnixMillis,
    /// The lock's clock when its state was read last; `None` if it shows no moment.
    pub clock: Option<LockClock>,
    /// States, oldest first.
    pub observations: Vec<Observation>,
    /// Events, oldest first.
    pub events: Vec<Event>,
    /// Up to which entry the lock's log is read now; `None` leaves it.
    pub cursor: Option<LogIndex>,
    /// Bodies that every registered callback must be sent, oldest first.
    pub callback_bodies: Vec<CallbackBody>,
}

/// What a lock's clock showed beside ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockClock {
    /// How far it was ahead of the host's clock, in milliseconds; the lock shows whole seconds.
    pub skew: i64,
    /// Its zone offset, minutes. Its clock is taken as UTC (`docs/protocol.md`, "Time").
    pub zone_offset: i16,
}

/// A state that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The state.
    pub states: KeyturnerStates,
    /// State before; `None` if none was known.
    pub before: Option<LockState>,
}

/// An event that waits for its log entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEvent {
    /// Number of the event.
    pub id: i64,
    /// When it was seen.
    pub observed_at: UnixMillis,
    /// The lock's clock at that moment.
    pub device_time: Option<DeviceTime>,
    /// What was done, as the state said.
    pub action: Option<LockAction>,
    /// By what, as the state said.
    pub trigger: Option<Trigger>,
    /// With which result, as the state said.
    pub completion_status: Option<CompletionStatus>,
    /// The change that was seen.
    pub change: Option<StateChange>,
    /// The payload it was decoded from.
    pub raw: Vec<u8>,
    /// The payload of the state that was stored before that one, if any was.
    pub raw_before: Option<Vec<u8>>,
}

#[derive(sqlx::FromRow)]
struct RawPending {
    id: i64,
    observed_at: i64,
    device_time: Option<String>,
    action_code: Option<u8>,
    trigger_code: Option<u8>,
    completion_code: Option<u8>,
    state_before_code: Option<u8>,
    state_after_code: Option<u8>,
    raw: Vec<u8>,
    raw_before: Option<Vec<u8>>,
}

impl Store {
    /// Stores a batch in one transaction and gives the numbers of its events, in their order.
    ///
    /// Committing a batch again changes nothing and tells nobody: an event
    /// that is stored already is skipped and its number is given. A log entry
    /// is known by lock, epoch and index; other rows and states are known by
    /// their moment and content. Bodies are queued if anything in the batch is
    /// new, or if the batch has neither events nor observations.
    ///
    /// [`EventKind::Reset`] starts a new epoch of the lock's log, for itself and what follows.
    ///
    /// An event with `answers_pending` refers to the lock's oldest unanswered
    /// pending event with the same state after it and no other state before
    /// it: answers come in the order of their questions. Without such an event
    /// it stands for itself.
    ///
    /// # Errors
    /// [`StoreError::UnknownLock`], or the file cannot be written; then nothing of the batch is stored.
    pub async fn commit(&self, batch: &Batch) -> Result<Vec<i64>, StoreError> {
        let batch = batch.clone();
        self.write(move |tx| commit(tx, &batch)).await
    }

    /// The events of a lock that are [`Attribution::Pending`] and have no answer yet, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn pending_events(&self, nuki_id: NukiId) -> Result<Vec<PendingEvent>, StoreError> {
        let _held = self.hold_time().await;
        let rows: Vec<RawPending> = sqlx::query_as(
            "select e.id, e.observed_at, e.device_time, e.action_code, e.trigger_code, e.completion_code,
                    e.state_before_code, e.state_after_code, e.raw,
                    (select before.payload from observations before
                     where before.nuki_id = e.nuki_id and before.id < (
                         select max(id) from observations
                         where nuki_id = e.nuki_id and observed_at = e.observed_at and payload = e.raw)
                     order by before.id desc limit 1) raw_before
             from unanswered u join events e on e.id = u.event_id
             where u.nuki_id = ? order by u.event_id",
        )
        .bind(nuki_id)
        .fetch_all(&self.readers)
        .await?;
        let event = |row: RawPending| {
            Ok(PendingEvent {
                id: row.id,
                observed_at: UnixMillis(row.observed_at),
                device_time: device_time(row.device_time.as_deref(), "device_time")?,
                action: row.action_code.map(LockAction::from_code),
                trigger: row.trigger_code.map(Trigger::from_code),
                completion_status: row.completion_code.map(CompletionStatus::from_code),
                change: row.state_after_code.map(|after| StateChange {
                    before: row.state_before_code.map(LockState::from_code),
                    after: LockState::from_code(after),
                }),
                raw: row.raw,
                raw_before: row.raw_before,
            })
        };
        rows.into_iter().map(event).collect()
    }
}

/// Kinds whose number, if they have one, is not that of an entry of their own.
///
/// The indexes `events_once` and `events_unnumbered` name the same kinds.
pub(super) const fn is_numbered(event: &Event) -> bool {
    event.log_index.is_some()
        && !matches!(event.kind, EventKind::StateChange | EventKind::IntentFailed | EventKind::Gap | EventKind::Reset)
}

/// The epoch of a registered lock's log.
pub(super) fn epoch(tx: &Transaction<'_>, nuki_id: NukiId) -> Result<i64, StoreError> {
    tx.first(LOG_EPOCH, [nuki_id], |row| row.get(0))?.ok_or(StoreError::UnknownLock(nuki_id))
}

/// See [`Store::commit`].
fn commit(tx: &Transaction<'_>, batch: &Batch) -> Result<Vec<i64>, StoreError> {
    let mut entry = Entry::new(tx, batch)?;
    let mut any_new = batch.events.is_empty() && batch.observations.is_empty();
    for observation in &batch.observations {
        any_new |= entry.observation(observation)?;
    }
    let mut ids = Vec::with_capacity(batch.events.len());
    for event in &batch.events {
        let (id, is_new) = entry.event(event)?;
        any_new |= is_new;
        ids.push(id);
    }
    if let Some(cursor) = batch.cursor {
        tx.run(
            "insert into cursors (nuki_id, log_index) values (?, ?)
             on conflict (nuki_id) do update set log_index = excluded.log_index",
            (batch.nuki_id, cursor),
        )?;
    }
    if any_new {
        outbox::enqueue(tx, batch.nuki_id, &batch.callback_bodies, batch.observed_at)?;
    }
    Ok(ids)
}

/// The running transaction of one batch.
struct Entry<'a> {
    tx: &'a Transaction<'a>,
    batch: &'a Batch,
    /// Epoch of the next event.
    epoch: i64,
    /// Nothing above this number is stored of that epoch's log, once that is known.
    newest: Option<i64>,
    /// Rows up to these stood before the batch: only they make a row of it a repetition.
    stood: Stood,
    chain: Chain,
}

struct Stood {
    events: i64,
    observations: i64,
}

impl<'a> Entry<'a> {
    fn new(tx: &'a Transaction<'a>, batch: &'a Batch) -> Result<Self, StoreError> {
        let current = epoch(tx, batch.nuki_id)?;
        let stood = tx.one(
            "select coalesce((select max(id) from events), 0), coalesce((select max(id) from observations), 0)",
            (),
            |row| Ok(Stood { events: row.get(0)?, observations: row.get(1)? }),
        )?;
        let mut entry = Self { tx, batch, epoch: current, newest: None, stood, chain: Chain::default() };
        // In a repeated batch, what stands before the reset belongs to the epoch before.
        if let Some(reset) = batch.events.iter().find(|event| event.kind == EventKind::Reset)
            && let Some((_, epoch)) = entry.find_unnumbered(reset)?
        {
            entry.epoch = epoch - 1;
        }
        Ok(entry)
    }

    /// `true` if it was not stored yet.
    fn observation(&self, observation: &Observation) -> Result<bool, StoreError> {
        let payload = observation.states.encode();
        let known: bool = self.tx.one(
            "select exists (
                 select 1 from observations where nuki_id = ? and observed_at = ? and id <= ? and payload = ?)",
            (self.batch.nuki_id, self.batch.observed_at.0, self.stood.observations, &payload),
            |row| row.get(0),
        )?;
        if !known {
            insert_observation(self.tx, self.batch, observation, &payload)?;
        }
        Ok(!known)
    }

    /// The event's number, and `true` if it was not stored yet.
    fn event(&mut self, event: &Event) -> Result<(i64, bool), StoreError> {
        // Looked up first: a conflict while inserting would use up a number, and a hole in an audit log looks like a deletion.
        let known = if is_numbered(event) {
            self.find_numbered(event)?.map(|id| (id, self.epoch))
        } else {
            self.find_unnumbered(event)?
        };
        if let Some((id, epoch)) = known {
            self.enter(epoch);
            return Ok((id, false));
        }
        if event.kind == EventKind::Reset {
            let next = "update locks set log_epoch = log_epoch + 1 where nuki_id = ? returning log_epoch";
            self.enter(self.tx.one(next, [self.batch.nuki_id], |row| row.get(0))?);
        }
        let answered = if event.answers_pending { self.answered(event)? } else { None };
        let place = Place { batch: self.batch, epoch: self.epoch, answered };
        let id = self.chain.append(self.tx, &event_row(&place, event))?;
        self.note_open_question(id, event, answered.map(|a| a.id))?;
        Ok((id, true))
    }

    fn enter(&mut self, epoch: i64) {
        if epoch != self.epoch {
            self.newest = None;
        }
        self.epoch = epoch;
    }

    fn find_numbered(&mut self, event: &Event) -> rusqlite::Result<Option<i64>> {
        let index = event.log_index.map_or(0, i64::from);
        // In a page of the log that is every entry but the first few.
        if self.newest.is_some_and(|newest| index > newest) {
            self.newest = Some(index);
            return Ok(None);
        }
        let next: Option<(i64, i64)> = self.tx.first(
            "select log_index, id from events where nuki_id = ? and log_epoch = ? and log_index >= ?
             and kind not in ('state_change', 'intent_failed', 'gap', 'reset')
             order by log_index limit 1",
            (self.batch.nuki_id, self.epoch, index),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        if next.is_none() {
            self.newest = Some(index);
        }
        Ok(next.filter(|(found, _)| *found == index).map(|(_, id)| id))
    }

    /// Number and epoch of a row that a batch of the same moment left with the same content.
    fn find_unnumbered(&self, event: &Event) -> rusqlite::Result<Option<(i64, i64)>> {
        self.tx.first(
            "select id, log_epoch from events
             where nuki_id = ? and observed_at = ? and id <= ?
               and (log_index is null or kind in ('state_change', 'intent_failed', 'gap', 'reset'))
               and kind = ? and kind_code is ? and log_index is ? and action_code is ? and intent_id is ?
               and state_before_code is ? and state_after_code is ? and attribution = ? and detail is ? and raw = ?
             order by id limit 1",
            params![
                self.batch.nuki_id,
                self.batch.observed_at.0,
                self.stood.events,
                event.kind.name(),
                event.kind.code(),
                event.log_index,
                event.action.map(LockAction::code),
                event.intent_id,
                event.change.and_then(|c| c.before).map(LockState::code),
                event.change.map(|c| c.after.code()),
                event.attribution.name(),
                event.detail,
                event.raw,
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    /// The question that this event answers. A change that does not match is never guessed at: it could be another person's.
    fn answered(&self, event: &Event) -> rusqlite::Result<Option<Answered>> {
        let Some(change) = event.change else { return Ok(None) };
        self.tx.first(
            "select e.id, e.at, e.completion_code
             from unanswered u join events e on e.id = u.event_id
             where u.nuki_id = ?1 and e.state_after_code = ?2
               and (?3 is null or e.state_before_code is null or e.state_before_code = ?3)
             order by u.event_id limit 1",
            (self.batch.nuki_id, change.after.code(), change.before.map(LockState::code)),
            |row| Ok(Answered { id: row.get(0)?, at: row.get(1)?, completion_code: row.get(2)? }),
        )
    }

    fn note_open_question(&self, id: i64, event: &Event, answered: Option<i64>) -> rusqlite::Result<()> {
        if let Some(question) = answered {
            self.tx.run("delete from unanswered where event_id = ?", [question])?;
        } else if event.attribution == Attribution::Pending {
            self.tx.run("insert into unanswered (event_id, nuki_id) values (?, ?)", (id, self.batch.nuki_id))?;
        }
        Ok(())
    }
}

/// What an answer takes over from its question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    pub(super) id: i64,
    pub(super) at: i64,
    pub(super) completion_code: Option<u8>,
}
