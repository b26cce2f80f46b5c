//! Removing what is old, so that the chain still closes and everybody can see that it was removed.

mod clock;
mod rules;
mod start;

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::append::{Chain, head};
use super::chain::{CONTENT_COLUMNS, Hasher, IdDigest};
use super::columns::{event_columns, values};
use super::note::note;
use super::record::Record;
use super::{Store, StoreError};
use crate::attribution::EventKind;
use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;

use rules::Group;

pub use clock::ClockDoubt;
pub(super) use clock::doubt as clock_doubt;
pub use rules::{Keep, RetentionRules};

/// Rows per transaction: bounds memory and how long the radio's batches wait.
const AT_ONCE: i64 = 5000;

/// What a run of retention did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Events, each question with its answer.
    pub events: u64,
    /// States that were read.
    pub observations: u64,
    /// Intents that no event refers to any more.
    pub intents: u64,
    /// Changes of keypad codes.
    pub code_changes: u64,
    /// Why nothing was removed although something may be due.
    pub doubt: Option<ClockDoubt>,
}

impl Store {
    /// Removes what is older than the rules allow, as of `now`.
    ///
    /// Removed events leave their digest in the chain, and an event of kind
    /// `retention` says how many they were. Nothing is removed while the clock is in doubt.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written; what was removed until then is recorded.
    pub async fn remove_old(&self, rules: &RetentionRules, now: UnixMillis) -> Result<Removed, StoreError> {
        let _held = self.hold_time().await;
        let mut removed = Removed::default();
        let mut reader = self.readers.acquire().await?;
        if !anything_old(&mut reader, rules, now).await? {
            return Ok(removed);
        }
        removed.doubt = clock::doubt(&mut reader, now).await?;
        drop(reader);
        if removed.doubt.is_some() {
            return Ok(removed);
        }
        let locks: Vec<NukiId> =
            sqlx::query_scalar("select nuki_id from locks order by nuki_id").fetch_all(&self.readers).await?;
        for group in rules.groups() {
            let selection = Selection { rules, group: &group, now };
            for nuki_id in &locks {
                removed.events += self.remove_group(*nuki_id, &selection).await?;
            }
        }
        if let Some(before) = rules.observations.cutoff(now) {
            removed.observations = self
                .remove_rows(
                    "delete from observations where id in (
                         select o.id from observations o
                         where o.observed_at < ?1
                           and exists (select 1 from observations n where n.nuki_id = o.nuki_id and n.id > o.id)
                         limit ?2)",
                    before,
                )
                .await?;
        }
        if let Some(before) = rules.events.cutoff(now) {
            removed.intents = self
                .remove_rows(
                    "delete from intents where id in (
                         select i.id from intents i
                         where i.finished_at < ?1 and not exists (select 1 from events e where e.intent_id = i.id)
                         limit ?2)",
                    before,
                )
                .await?;
            removed.code_changes = self
                .remove_rows(
                    "delete from code_changes where id in (
                         select id from code_changes where finished_at < ?1 limit ?2)",
                    before,
                )
                .await?;
        }
        Ok(removed)
    }

    async fn remove_group(&self, nuki_id: NukiId, selection: &Selection<'_>) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let mut tx = self.begin().await?;
            let count = remove_events(&mut tx, nuki_id, selection).await?;
            tx.commit().await?;
            all += count;
            if count == 0 {
                return Ok(all);
            }
        }
    }

    async fn remove_rows(&self, statement: &'static str, before: UnixMillis) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let done = sqlx::query(statement).bind(before.0).bind(AT_ONCE).execute(&self.writer).await?;
            all += done.rows_affected();
            if done.rows_affected() == 0 {
                return Ok(all);
            }
        }
    }
}

/// Whether a look at the clock is worth the words: is anything older than what is kept for the shortest time?
async fn anything_old(
    connection: &mut SqliteConnection,
    rules: &RetentionRules,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let events = rules.groups().into_iter().filter_map(|group| group.keep.cutoff(now)).max();
    let is_old = sqlx::query_scalar(
        "select exists (select 1 from events where observed_at < ?1)
             or exists (select 1 from intents where finished_at < ?1)
             or exists (select 1 from code_changes where finished_at < ?1)
             or exists (select 1 from observations where observed_at < ?2)",
    )
    .bind(events.map(|at| at.0))
    .bind(rules.observations.cutoff(now).map(|at| at.0))
    .fetch_one(connection)
    .await?;
    Ok(is_old)
}

/// Which events are looked at.
struct Selection<'a> {
    rules: &'a RetentionRules,
    group: &'a Group<'a>,
    now: UnixMillis,
}

/// Removes some of a lock's events that are due, and says how many.
async fn remove_events(
    tx: &mut SqliteConnection,
    nuki_id: NukiId,
    selection: &Selection<'_>,
) -> Result<u64, StoreError> {
    let ids = due(tx, nuki_id, selection).await?;
    if ids.count == 0 {
        return Ok(0);
    }
    // The record comes last, because it says where the chain begins then; its number is the next one.
    let record_id = head(tx).await?.id + 1;
    leave_digests(tx, record_id).await?;
    sqlx::query("delete from unanswered where event_id in (select id from due)").execute(&mut *tx).await?;
    sqlx::query("delete from events where id in (select id from due)").execute(&mut *tx).await?;
    let start = start::advance(tx).await?;
    let words = format!("{} old events were removed ({})", ids.count, selection.group);
    let record = Record::new(words, &ids, start);
    let id = note(tx, &mut Chain::default(), nuki_id, EventKind::Retention, &record, selection.now).await?;
    if id != record_id {
        return Err(StoreError::Content { column: "sqlite_sequence.seq", value: (id - 1).to_string() });
    }
    Ok(ids.count)
}

/// Puts the numbers of what is due into the temporary table `due`: a question and its answer together, as old as the
/// answer, and no record that the chain still needs.
async fn due(tx: &mut SqliteConnection, nuki_id: NukiId, selection: &Selection<'_>) -> Result<IdDigest, StoreError> {
    sqlx::query("create temporary table if not exists due (id integer primary key)").execute(&mut *tx).await?;
    sqlx::query("delete from due").execute(&mut *tx).await?;
    let mut query = QueryBuilder::<Sqlite>::new(
        "insert into due
         select g.id from events g where g.shown_as in (
             select m.shown_as from events m
             where not exists (select 1 from events a where a.refers_to = m.id)
               and (m.kind not in ('retention', 'erasure') or (
                   not exists (select 1 from chain c where c.removed_by = m.id)
                   and not exists (select 1 from chain c where c.erased_by = m.id)
                   and m.id is not (select max(id) from events where kind = 'retention' and detail like '% start=%]')))
               and m.nuki_id = ",
    );
    let Selection { rules, group, now } = selection;
    query.push_bind(nuki_id).push(" and m.observed_at < ").push_bind(group.keep.cutoff(*now).map(|at| at.0));
    query.push(" and (m.kind in (");
    push_list(&mut query, group.kinds.iter().copied());
    query.push(")");
    if group.others {
        query.push(" or m.kind not in (");
        push_list(&mut query, rules.kinds.keys().map(String::as_str));
        query.push(")");
    }
    query.push(") order by m.shown_as limit ").push_bind(AT_ONCE).push(")");
    query.build().execute(&mut *tx).await?;
    let mut ids = IdDigest::default();
    let numbers: Vec<i64> = sqlx::query_scalar("select id from due order by id").fetch_all(&mut *tx).await?;
    for id in numbers {
        ids.add(id);
    }
    Ok(ids)
}

fn push_list<'a>(query: &mut QueryBuilder<Sqlite>, kinds: impl Iterator<Item = &'a str>) {
    let mut list = query.separated(", ");
    for kind in kinds {
        list.push_bind(kind.to_owned());
    }
}

/// What is due leaves the digest of its content in the chain. The salt goes: nothing shall tell who it was.
async fn leave_digests(tx: &mut SqliteConnection, record_id: i64) -> Result<(), StoreError> {
    let mut query = event_columns("select ", "e");
    query.push(" from events e where e.id in (select id from due)");
    let rows = query.build().fetch_all(&mut *tx).await?;
    let mut hasher = Hasher::default();
    for row in &rows {
        let content = values(row, 0, CONTENT_COLUMNS.len())?;
        let content = hasher.content(CONTENT_COLUMNS.into_iter().zip(content));
        sqlx::query("update chain set salt = null, content = ?, removed_by = ? where id = ?")
            .bind(content.as_slice())
            .bind(record_id)
            .bind(row.try_get::<i64, _>(0)?)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}
