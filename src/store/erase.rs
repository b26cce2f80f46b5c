//! Removing a person everywhere, so that the chain still closes.

mod person;

use std::path::Path;

use rusqlite::{Connection, Transaction};
use serde_json::Value as Json;

use super::append::{Chain, head};
use super::chain::IdDigest;
use super::note::note;
use super::record::Record;
use super::writer::Statements as _;
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
        let (path, selector) = (path.to_owned(), selector.clone());
        self.pages
            .read(move |connection| {
                let snapshot = connection.transaction()?;
                let person = Person::find(&snapshot, &selector, nuki_id)?;
                let mut plan = Erasure { backups: backup::automatic(&path)?.len() as u64, ..Erasure::default() };
                for nuki_id in locks(&snapshot, nuki_id)? {
                    plan.events += events_of(&snapshot, &person, nuki_id)?.len() as u64;
                    plan.messages += messages_of(&snapshot, &person, nuki_id)?.len() as u64;
                    plan.list_rows += list_rows(&snapshot, &person, nuki_id)?.len() as u64;
                }
                plan.person = person;
                Ok(plan)
            })
            .await
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
        let selector = selector.clone();
        let mut done = self
            .write(move |tx| {
                let mut done = Erasure { person: Person::find(tx, &selector, nuki_id)?, ..Erasure::default() };
                for nuki_id in locks(tx, nuki_id)? {
                    erase_at(tx, &mut done, nuki_id, now)?;
                }
                Ok(done)
            })
            .await?;
        let _held = self.hold_time().await;
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
                .fetch_one(&self.seldom)
                .await
                .map_err(|error| traces(error.into()))?;
        if sampled {
            sqlx::query("analyze").execute(&self.seldom).await.map_err(|error| traces(error.into()))?;
        }
        sqlx::query("vacuum").execute(&self.seldom).await.map_err(|error| traces(error.into()))?;
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("pragma wal_checkpoint(truncate)")
            .fetch_one(&self.seldom)
            .await
            .map_err(|error| traces(error.into()))?;
        if busy == 0 { Ok(()) } else { Err(traces(StoreError::Busy)) }
    }
}

fn erase_at(tx: &Transaction<'_>, done: &mut Erasure, nuki_id: NukiId, now: UnixMillis) -> Result<(), StoreError> {
    let events = events_of(tx, &done.person, nuki_id)?;
    let messages = messages_of(tx, &done.person, nuki_id)?;
    let rows = list_rows(tx, &done.person, nuki_id)?;
    if !events.is_empty() {
        let record_id = head(tx)?.id + 1;
        let mut ids = IdDigest::default();
        for id in &events {
            ids.add(*id);
            // In this order, because an event changes only when the chain says so.
            tx.run("update chain set salt = null, erased_by = ? where id = ?", (record_id, id))?;
            tx.run(
                "update events set auth_id = null, auth_name = null, code_id = null, code_name = null,
                     user_name = null, raw = x'' where id = ?",
                [id],
            )?;
        }
        let record = Record::new(format!("a person was erased from {} events", ids.count), &ids, None);
        let id = note(tx, &mut Chain::default(), nuki_id, EventKind::Erasure, &record, now)?;
        if id != record_id {
            return Err(StoreError::Content { column: "sqlite_sequence.seq", value: (id - 1).to_string() });
        }
    }
    for id in &messages {
        tx.run("delete from outbox where id = ?", [id])?;
    }
    for (table, id) in &rows {
        let statement = match table {
            List::Authorizations => "delete from authorizations where id = ?",
            List::KeypadCodes => "delete from keypad_codes where id = ?",
        };
        tx.run(statement, [id])?;
    }
    done.events += events.len() as u64;
    done.messages += messages.len() as u64;
    done.list_rows += rows.len() as u64;
    Ok(())
}

fn locks(snapshot: &Connection, nuki_id: Option<NukiId>) -> Result<Vec<NukiId>, StoreError> {
    let all = "select nuki_id from locks where ?1 is null or nuki_id = ?1 order by nuki_id";
    let locks = snapshot.all(all, [nuki_id], |row| row.get(0))?;
    match nuki_id {
        Some(nuki_id) if locks.is_empty() => Err(StoreError::UnknownLock(nuki_id)),
        _ => Ok(locks),
    }
}

/// Numbers of a lock's events that are theirs, ascending.
fn events_of(snapshot: &Connection, person: &Person, nuki_id: NukiId) -> Result<Vec<i64>, StoreError> {
    let mut statement = snapshot.prepare_cached(
        "select id, auth_id, code_id, auth_name, code_name, user_name from events
         where nuki_id = ? and (auth_id is not null or code_id is not null
                                or auth_name is not null or code_name is not null or user_name is not null)
         order by id",
    )?;
    let mut rows = statement.query([nuki_id])?;
    let mut theirs = Vec::new();
    while let Some(row) = rows.next()? {
        let name = |column| row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from);
        if person.has(nuki_id, row.get(1)?, row.get(2)?, &[name(3)?, name(4)?, name(5)?]) {
            theirs.push(row.get(0)?);
        }
    }
    Ok(theirs)
}

/// Messages about them. What a message says is all there is to go by, also for those of older versions.
fn messages_of(snapshot: &Connection, person: &Person, nuki_id: NukiId) -> Result<Vec<i64>, StoreError> {
    let rows: Vec<(i64, String)> = snapshot
        .all("select id, body from outbox where nuki_id = ?", [nuki_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
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
fn list_rows(snapshot: &Connection, person: &Person, nuki_id: NukiId) -> Result<Vec<(List, i64)>, StoreError> {
    let mut rows = Vec::new();
    for key in person.keys.keys().filter(|key| key.nuki_id() == nuki_id) {
        let (list, sql, number) = match *key {
            Key::Authorization(_, auth_id) => {
                (List::Authorizations, "select id from authorizations where nuki_id = ? and auth_id = ?", auth_id)
            }
            Key::Code(_, code_id) => {
                (List::KeypadCodes, "select id from keypad_codes where nuki_id = ? and code_id = ?", u32::from(code_id))
            }
        };
        rows.extend(snapshot.all(sql, (nuki_id, number), |row| row.get(0))?.into_iter().map(|id| (list, id)));
    }
    Ok(rows)
}
