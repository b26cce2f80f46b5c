//! Removing a person everywhere, so that the chain still closes.

mod person;

use std::path::Path;

use serde_json::Value as Json;
use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::append::{Chain, head};
use super::chain::IdDigest;
use super::note::note;
use super::record::Record;
use super::{Store, StoreError, backup};
use crate::attribution::EventKind;
use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;

pub use person::{Key, Person, PersonSelector};

/// What an erasure takes, or would take.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Erasure {
    /// Who is meant.
    pub person: Person,
    /// Events that lose their person.
    pub events: u64,
    /// Rows of the lists of authorizations and codes.
    pub list_rows: u64,
    /// Messages to callbacks, told or waiting.
    pub messages: u64,
    /// Automatic backups, which hold the person too.
    pub backups: u64,
}

impl Erasure {
    /// Whether there is nothing to erase.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.events == 0 && self.list_rows == 0 && self.messages == 0
    }
}

impl Store {
    /// What [`erase`](Self::erase) would take. Nothing is changed.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn plan_erasure(
        &self,
        path: &Path,
        selector: &PersonSelector,
        nuki_id: Option<NukiId>,
    ) -> Result<Erasure, StoreError> {
        let _held = self.hold_time().await;
        let mut tx = self.readers.begin().await?;
        let person = Person::find(&mut tx, selector, nuki_id).await?;
        let mut plan = Erasure { backups: backup::automatic(path)?.len() as u64, ..Erasure::default() };
        for nuki_id in locks(&mut tx, nuki_id).await? {
            plan.events += events_of(&mut tx, &person, nuki_id).await?.len() as u64;
            plan.messages += messages_of(&mut tx, &person, nuki_id).await?.len() as u64;
            plan.list_rows += list_rows(&mut tx, &person, nuki_id).await?.len() as u64;
        }
        plan.person = person;
        Ok(plan)
    }

    /// Erases a person: from events, lists, messages to callbacks and automatic backups, and from the free space and the
    /// write-ahead log of the file. Each lock's events get an event of kind `erasure` that says how many they were.
    ///
    /// Other programs, such as a running gateway, may have the file open.
    ///
    /// # Errors
    /// [`StoreError::Traces`] when the person is erased, and a program that is reading keeps old pages alive.
    /// Else [`StoreError`]: nothing was changed.
    pub async fn erase(
        &self,
        path: &Path,
        selector: &PersonSelector,
        nuki_id: Option<NukiId>,
        now: UnixMillis,
    ) -> Result<Erasure, StoreError> {
        let _held = self.hold_time().await;
        let mut tx = self.begin().await?;
        let mut done = Erasure { person: Person::find(&mut tx, selector, nuki_id).await?, ..Erasure::default() };
        for nuki_id in locks(&mut tx, nuki_id).await? {
            erase_at(&mut tx, &mut done, nuki_id, now).await?;
        }
        tx.commit().await?;
        for old in backup::automatic(path)? {
            std::fs::remove_file(&old).map_err(|source| StoreError::File { path: old, source })?;
            done.backups += 1;
        }
        self.wipe().await?;
        Ok(done)
    }

    /// Leaves nothing of removed rows: not in samples for the query planner, not in free pages, not in the write-ahead log.
    ///
    /// # Errors
    /// [`StoreError::Traces`] when something may be left.
    pub async fn wipe(&self) -> Result<(), StoreError> {
        let traces = |error: StoreError| StoreError::Traces { reason: error.to_string() };
        let sampled: bool =
            sqlx::query_scalar("select exists (select 1 from sqlite_schema where name = 'sqlite_stat4')")
                .fetch_one(&self.writer)
                .await
                .map_err(|error| traces(error.into()))?;
        if sampled {
            sqlx::query("analyze").execute(&self.writer).await.map_err(|error| traces(error.into()))?;
        }
        sqlx::query("vacuum").execute(&self.writer).await.map_err(|error| traces(error.into()))?;
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("pragma wal_checkpoint(truncate)")
            .fetch_one(&self.writer)
            .await
            .map_err(|error| traces(error.into()))?;
        if busy == 0 { Ok(()) } else { Err(traces(StoreError::Busy)) }
    }
}

async fn erase_at(
    tx: &mut Transaction<'static, Sqlite>,
    done: &mut Erasure,
    nuki_id: NukiId,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let events = events_of(tx, &done.person, nuki_id).await?;
    let messages = messages_of(tx, &done.person, nuki_id).await?;
    let rows = list_rows(tx, &done.person, nuki_id).await?;
    if !events.is_empty() {
        let record_id = head(tx).await?.id + 1;
        let mut ids = IdDigest::default();
        for id in &events {
            ids.add(*id);
            // In this order, because an event changes only when the chain says so.
            sqlx::query("update chain set salt = null, erased_by = ? where id = ?")
                .bind(record_id)
                .bind(id)
                .execute(&mut **tx)
                .await?;
            sqlx::query(
                "update events set auth_id = null, auth_name = null, code_id = null, code_name = null,
                     user_name = null, raw = x'' where id = ?",
            )
            .bind(id)
            .execute(&mut **tx)
            .await?;
        }
        let record = Record::new(format!("a person was erased from {} events", ids.count), &ids, None);
        let id = note(tx, &mut Chain::default(), nuki_id, EventKind::Erasure, &record, now).await?;
        if id != record_id {
            return Err(StoreError::Content { column: "sqlite_sequence.seq", value: (id - 1).to_string() });
        }
    }
    for id in &messages {
        sqlx::query("delete from outbox where id = ?").bind(id).execute(&mut **tx).await?;
    }
    for (table, id) in &rows {
        let statement = match table {
            List::Authorizations => "delete from authorizations where id = ?",
            List::KeypadCodes => "delete from keypad_codes where id = ?",
        };
        sqlx::query(statement).bind(id).execute(&mut **tx).await?;
    }
    done.events += events.len() as u64;
    done.messages += messages.len() as u64;
    done.list_rows += rows.len() as u64;
    Ok(())
}

async fn locks(tx: &mut SqliteConnection, nuki_id: Option<NukiId>) -> Result<Vec<NukiId>, StoreError> {
    let locks = sqlx::query_scalar("select nuki_id from locks where ?1 is null or nuki_id = ?1 order by nuki_id")
        .bind(nuki_id)
        .fetch_all(tx)
        .await?;
    match nuki_id {
        Some(nuki_id) if locks.is_empty() => Err(StoreError::UnknownLock(nuki_id)),
        _ => Ok(locks),
    }
}

#[derive(sqlx::FromRow)]
struct WithPerson {
    id: i64,
    auth_id: Option<u32>,
    auth_name: Option<String>,
    code_id: Option<u16>,
    code_name: Option<String>,
    user_name: Option<String>,
}

/// Numbers of a lock's events that are theirs, ascending.
async fn events_of(tx: &mut SqliteConnection, person: &Person, nuki_id: NukiId) -> Result<Vec<i64>, StoreError> {
    let rows: Vec<WithPerson> = sqlx::query_as(
        "select id, auth_id, auth_name, code_id, code_name, user_name from events
         where nuki_id = ? and (auth_id is not null or code_id is not null
                                or auth_name is not null or code_name is not null or user_name is not null)
         order by id",
    )
    .bind(nuki_id)
    .fetch_all(tx)
    .await?;
    let is_theirs = |row: &WithPerson| {
        let names = [row.auth_name.as_deref(), row.code_name.as_deref(), row.user_name.as_deref()];
        person.has(nuki_id, row.auth_id, row.code_id, &names)
    };
    Ok(rows.into_iter().filter(is_theirs).map(|row| row.id).collect())
}

/// Messages about them. What a message says is all there is to go by, also for those of older versions.
async fn messages_of(tx: &mut SqliteConnection, person: &Person, nuki_id: NukiId) -> Result<Vec<i64>, StoreError> {
    let rows: Vec<(i64, String)> =
        sqlx::query_as("select id, body from outbox where nuki_id = ?").bind(nuki_id).fetch_all(tx).await?;
    let is_theirs = |body: &str| {
        let Ok(body) = serde_json::from_str::<Json>(body) else { return false };
        let number = |key: &str| body.get(key).and_then(Json::as_u64);
        let auth_id = number("authId").and_then(|id| id.try_into().ok());
        let code_id = number("codeId").and_then(|id| id.try_into().ok());
        let names = ["userName", "codeName"].map(|key| body.get(key).and_then(Json::as_str));
        person.has(nuki_id, auth_id, code_id, &names)
    };
    Ok(rows.into_iter().filter(|(_, body)| is_theirs(body)).map(|(id, _)| id).collect())
}

#[derive(Debug, Clone, Copy)]
enum List {
    Authorizations,
    KeypadCodes,
}

/// Their rows in the lists: every interval, under whatever name.
async fn list_rows(
    tx: &mut SqliteConnection,
    person: &Person,
    nuki_id: NukiId,
) -> Result<Vec<(List, i64)>, StoreError> {
    let mut rows = Vec::new();
    for key in person.keys.keys().filter(|key| key.nuki_id() == nuki_id) {
        let (list, ids) = match *key {
            Key::Authorization(_, auth_id) => (
                List::Authorizations,
                sqlx::query_scalar::<_, i64>("select id from authorizations where nuki_id = ? and auth_id = ?")
                    .bind(nuki_id)
                    .bind(auth_id)
                    .fetch_all(&mut *tx)
                    .await?,
            ),
            Key::Code(_, code_id) => (
                List::KeypadCodes,
                sqlx::query_scalar::<_, i64>("select id from keypad_codes where nuki_id = ? and code_id = ?")
                    .bind(nuki_id)
                    .bind(code_id)
                    .fetch_all(&mut *tx)
                    .await?,
            ),
        };
        rows.extend(ids.into_iter().map(|id| (list, id)));
    }
    Ok(rows)
}
