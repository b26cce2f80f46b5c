//! Removing what is old, so that the chain still closes and everybody can see that it was removed.

mod clock;
mod rules;
mod start;

use rusqlite::{Transaction, params_from_iter};
use sqlx::SqliteConnection;

use super::append::{Chain, head};
use super::chain::{CONTENT_COLUMNS, Hasher, IdDigest};
use super::columns::{event_column_list, values};
use super::note::note;
use super::record::Record;
use super::statement::{Question, Statement as _};
use super::writer::Statements as _;
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
        let mut removed = Removed::default();
        let locks: Vec<NukiId> = {
            let _held = self.hold_time().await;
            let mut reader = self.readers.acquire().await?;
            if !anything_old(&mut reader, rules, now).await? {
                return Ok(removed);
            }
            removed.doubt = clock::doubt(&mut reader, now).await?;
            if removed.doubt.is_some() {
                return Ok(removed);
            }
            sqlx::query_scalar("select nuki_id from locks order by nuki_id").fetch_all(&mut *reader).await?
        };
        for group in rules.groups() {
            let selection = Selection::new(rules, &group, now);
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

    async fn remove_group(&self, nuki_id: NukiId, selection: &Selection) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let selection = selection.clone();
            let count = self.write(move |tx| remove_events(tx, nuki_id, &selection)).await?;
            all += count;
            if count == 0 {
                return Ok(all);
            }
        }
    }

    async fn remove_rows(&self, statement: &'static str, before: UnixMillis) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let done = self.write(move |tx| Ok(tx.run(statement, (before.0, AT_ONCE))? as u64)).await?;
            all += done;
            if done == 0 {
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
#[derive(Clone)]
struct Selection {
    /// What is kept for how long, in words.
    words: String,
    /// What was observed before is old.
    before: Option<i64>,
    /// Of these kinds.
    kinds: Vec<String>,
    /// Or of none of these.
    but: Option<Vec<String>>,
    now: UnixMillis,
}

impl Selection {
    fn new(rules: &RetentionRules, group: &Group<'_>, now: UnixMillis) -> Self {
        Self {
            words: group.to_string(),
            before: group.keep.cutoff(now).map(|at| at.0),
            kinds: group.kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            but: group.others.then(|| rules.kinds.keys().cloned().collect()),
            now,
        }
    }
}

/// Removes some of a lock's events that are due, and says how many.
fn remove_events(tx: &Transaction<'_>, nuki_id: NukiId, selection: &Selection) -> Result<u64, StoreError> {
    let ids = due(tx, nuki_id, selection)?;
    if ids.count == 0 {
        return Ok(0);
    }
    // The record comes last, because it says where the chain begins then; its number is the next one.
    let record_id = head(tx)?.id + 1;
    leave_digests(tx, record_id)?;
    tx.run("delete from unanswered where event_id in (select id from due)", ())?;
    tx.run("delete from events where id in (select id from due)", ())?;
    let start = start::advance(tx)?;
    let words = format!("{} old events were removed ({})", ids.count, selection.words);
    let record = Record::new(words, &ids, start);
    let id = note(tx, &mut Chain::default(), nuki_id, EventKind::Retention, &record, selection.now)?;
    if id != record_id {
        return Err(StoreError::Content { column: "sqlite_sequence.seq", value: (id - 1).to_string() });
    }
    Ok(ids.count)
}

/// Puts the numbers of what is due into the temporary table `due`: a question and its answer together, as old as the
/// answer, and no record that the chain still needs.
fn due(tx: &Transaction<'_>, nuki_id: NukiId, selection: &Selection) -> Result<IdDigest, StoreError> {
    tx.execute_batch("create temporary table if not exists due (id integer primary key); delete from due")?;
    let mut question = Question::new(
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
    question.number(nuki_id.into()).sql(" and m.observed_at < ");
    match selection.before {
        Some(before) => question.number(before),
        None => question.sql("null"),
    };
    question.sql(" and (m.kind in ").texts(selection.kinds.iter().map(String::as_str));
    if let Some(but) = &selection.but {
        question.sql(" or m.kind not in ").texts(but.iter().map(String::as_str));
    }
    question.sql(") order by m.shown_as limit ").number(AT_ONCE).sql(")");
    tx.execute(&question.sql, params_from_iter(&question.values))?;
    let mut ids = IdDigest::default();
    for id in tx.all("select id from due order by id", (), |row| row.get(0))? {
        ids.add(id);
    }
    Ok(ids)
}

/// What is due leaves the digest of its content in the chain. The salt goes: nothing shall tell who it was.
fn leave_digests(tx: &Transaction<'_>, record_id: i64) -> Result<(), StoreError> {
    let sql = format!("select {} from events e where e.id in (select id from due)", event_column_list("e"));
    let mut statement = tx.prepare(&sql)?;
    let mut rows = statement.query(())?;
    let mut hasher = Hasher::default();
    while let Some(row) = rows.next()? {
        let content: [_; CONTENT_COLUMNS.len()] = values(row, 0)?;
        let content = hasher.content(CONTENT_COLUMNS.into_iter().zip(content));
        tx.run(
            "update chain set salt = null, content = ?, removed_by = ? where id = ?",
            (content, record_id, row.get::<_, i64>(0)?),
        )?;
    }
    Ok(())
}
