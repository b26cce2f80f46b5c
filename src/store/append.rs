//! The only way into `events`: a row, its link of the chain and what webhooks must be told of it, in one transaction.

use std::borrow::Cow;

use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Transaction, params_from_iter};
use sqlx::SqliteConnection;

use super::chain::{ChainHead, Digest, Hasher, SALT_LEN, Value, link};
use super::writer::Statements as _;
use super::{Store, StoreError, webhook_queue};

/// A value to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Null,
    Integer(i64),
    Text(Cow<'a, str>),
    Blob(&'a [u8]),
}

impl Field<'_> {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Integer(*number),
            Self::Text(text) => Value::Text(text.as_bytes()),
            Self::Blob(bytes) => Value::Blob(bytes),
        }
    }
}

impl ToSql for Field<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

macro_rules! integer_fields {
    ($($integer:ty),*) => {
        $(impl From<$integer> for Field<'_> {
            fn from(number: $integer) -> Self {
                Self::Integer(i64::from(number))
            }
        })*
    };
}

integer_fields!(bool, u8, u16, u32, i16, i64);

impl<'a> From<&'a str> for Field<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Field<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Field<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Field<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Blob(bytes)
    }
}

impl<T: Into<Self>> From<Option<T>> for Field<'_> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of `events` without its number; columns in the order of the table, because they are hashed in it.
pub(super) struct NewEvent<'a> {
    /// All but those about a person.
    pub(super) content: Vec<(&'static str, Field<'a>)>,
    /// Those about a person.
    pub(super) person: Vec<(&'static str, Field<'a>)>,
}

/// The end of the chain within one transaction that holds the write lock.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// The last hash, once it was read.
    hash: Option<Digest>,
    hasher: Hasher,
    /// The statement for a row; every row has the same columns.
    insert: Option<String>,
    /// Whether anybody must be told, once it was asked.
    has_webhooks: Option<bool>,
}

impl Chain {
    /// Inserts an event with its link and gives its number.
    pub(super) fn append(&mut self, tx: &Transaction<'_>, row: &NewEvent<'_>) -> Result<i64, StoreError> {
        let columns = || row.content.iter().chain(&row.person);
        let sql = self.insert.get_or_insert_with(|| insert(columns().map(|(name, _)| *name)));
        tx.run(sql, params_from_iter(columns().map(|(_, field)| field)))?;
        // `returning` would have SQLite keep a table for its one row.
        let id = tx.last_insert_rowid();
        let content = row.content.iter().map(|(name, field)| (*name, field.value()));
        let content = self.hasher.content([("id", Value::Integer(id))].into_iter().chain(content));
        let salt = salt()?;
        let person = self.hasher.person(&salt, row.person.iter().map(|(name, field)| (*name, field.value())));
        self.add_link(tx, id, &salt, &content, &person)?;
        let has_webhooks = match self.has_webhooks {
            Some(has) => has,
            None => *self.has_webhooks.insert(webhook_queue::is_wanted(tx)?),
        };
        if has_webhooks {
            webhook_queue::enqueue(tx, id)?;
        }
        Ok(id)
    }

    /// Inserts the link of an event that stands in `events`.
    pub(super) fn add_link(
        &mut self,
        tx: &Transaction<'_>,
        id: i64,
        salt: &[u8; SALT_LEN],
        content: &Digest,
        person: &Digest,
    ) -> Result<(), StoreError> {
        let before = match self.hash {
            Some(hash) => hash,
            None => head(tx)?.hash,
        };
        let hash = link(&before, content, person);
        let insert = "insert into chain (id, salt, person, hash) values (?, ?, ?, ?)";
        tx.run(insert, (id, salt, person, hash))?;
        self.hash = Some(hash);
        Ok(())
    }
}

fn insert<'a>(columns: impl Iterator<Item = &'a str>) -> String {
    let columns: Vec<&str> = columns.collect();
    let places = vec!["?"; columns.len()].join(", ");
    format!("insert into events ({}) values ({places})", columns.join(", "))
}

/// Fresh for each event, so that equal persons have different digests.
pub(super) fn salt() -> Result<[u8; SALT_LEN], StoreError> {
    let mut salt = [0; SALT_LEN];
    getrandom::fill(&mut salt).map_err(StoreError::NoRandomness)?;
    Ok(salt)
}

const HEAD: &str = "select id, hash from (select id, hash from chain order by id desc limit 1)
     union all select id, hash from chain_start
     order by id desc limit 1";

/// The last link; where the chain begins if there is none.
pub(super) fn head(tx: &Connection) -> Result<ChainHead, StoreError> {
    let (id, hash) = tx.one(HEAD, (), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(ChainHead { id, hash: digest(hash)? })
}

/// The same of a connection that reads.
pub(super) async fn read_head(connection: &mut SqliteConnection) -> Result<ChainHead, StoreError> {
    let (id, hash) = sqlx::query_as(HEAD).fetch_one(connection).await?;
    Ok(ChainHead { id, hash: digest(hash)? })
}

/// A hash as it stands in its column.
pub(super) fn digest(hash: Vec<u8>) -> Result<Digest, StoreError> {
    hash.try_into()
        .map_err(|hash: Vec<u8>| StoreError::Content { column: "chain.hash", value: format!("{} bytes", hash.len()) })
}

impl Store {
    /// The number and hash of the last event; (0, zeros) before the first.
    ///
    /// Kept elsewhere, it proves later that everything up to it still stands (`keyturner verify --head`).
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn chain_head(&self) -> Result<ChainHead, StoreError> {
        let _held = self.hold_time().await;
        let mut reader = self.readers.acquire().await?;
        read_head(&mut reader).await
    }
}
