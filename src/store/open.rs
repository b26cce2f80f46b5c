//! Opening the file: made for its owner only, checked before the first write, migrated.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, SqliteConnection, SqlitePool};

use super::error::{Class, classify};
use super::reader::Readers;
use super::simulation::{HeldTime, Time};
use super::writer::Writer;
use super::{Store, StoreError, backup, look, seal};
use crate::owner::give_to_owner_of_dir;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// How long to wait for another program that writes, such as an owner with `sqlite3`.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How a connection that writes is set up, beside its journal.
pub(super) const WRITING: [(&str, &str); 5] = [
    ("synchronous", "full"),
    ("foreign_keys", "on"),
    ("recursive_triggers", "on"),
    // What is removed or erased is overwritten, not just forgotten.
    ("secure_delete", "on"),
    // SQLite keeps pages as they were before a statement that may fail. In a file of its own these are as many bytes
    // again for a batch of entries, and names outside of our directory.
    ("temp_store", "memory"),
];
/// Enough for the HTTP server and one more; each is a thread and a page cache.
const READERS: u32 = 2;

impl Store {
    /// Opens the database, makes it (mode 0600) if there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError`] that names the file and what to do. A file that is newer,
    /// locked or damaged is not changed.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        // Once per run, so for everybody; see `with_virtual_time`.
        let _held = HeldTime::begin();
        let is_new = create(path)?;
        if !is_new && check(path).await? == Look::Older {
            backup::before_migration(path, newest_schema()).await?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writing = options.clone().journal_mode(SqliteJournalMode::Wal);
        let writing = WRITING.into_iter().fold(writing, |options, (name, value)| options.pragma(name, value));
        let seldom = pool(1).connect_with(writing).await.map_err(|e| failed(path, e))?;
        // An index over a long log is sorted, which needs more than a small machine has in memory.
        temp_store(&seldom, "file").await.map_err(|e| failed(path, e))?;
        MIGRATIONS.run(&seldom).await.map_err(|source| match source {
            MigrateError::Execute(error) => failed(path, error),
            source => StoreError::Migration { path: path.to_owned(), source },
        })?;
        temp_store(&seldom, "memory").await.map_err(|e| failed(path, e))?;
        let readers = pool(READERS).connect_with(options.read_only(true)).await.map_err(|e| failed(path, e))?;
        let (writer, pages, looks) = (Writer::new(path), Readers::new(path), Readers::new(path));
        let store = Self { writer, seldom, readers, pages, looks, time: Time::Real };
        seal::seal_older(&store).await?;
        Ok(store)
    }

    /// Opens the file for reading alone, while a gateway may be writing: nothing is made and nothing is migrated. What
    /// writes gives an error.
    ///
    /// # Errors
    /// [`StoreError::NoDatabase`], [`StoreError::Older`] when a migration is due, and those of [`open`](Self::open).
    pub async fn look(path: &Path) -> Result<Self, StoreError> {
        look::look(path).await?.close().await.map_err(|error| failed(path, error))?;
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
        let readers = pool(READERS).connect_with(options).await.map_err(|error| failed(path, error))?;
        let (writer, pages, looks) = (Writer::refusing(path), Readers::new(path), Readers::new(path));
        Ok(Self { writer, seldom: readers.clone(), readers, pages, looks, time: Time::Real })
    }
}

/// A connection of rusqlite. Each is used by one thread at a time, so SQLite needs no locks of its own for it.
pub(super) fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Else SQLite plans a statement anew whenever a value is bound that a plan could depend on, which takes longer than most
    // of ours. No plan here may depend on one.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// Where a connection keeps what lasts no longer than its transaction.
async fn temp_store(connection: &SqlitePool, place: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(format!("pragma temp_store = {place}"))).execute(connection).await?;
    Ok(())
}

/// Connections that stay open: no timers in the background, no pings.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(0)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// Makes an empty file that only its owner can read, who is the owner of its directory also where root makes it; SQLite
/// gives the same mode and owner to its companions.
fn create(path: &Path) -> Result<bool, StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => match give_to_owner_of_dir(path, &file) {
            Ok(()) => Ok(true),
            Err(source) => Err(StoreError::File { path: path.to_owned(), source }),
        },
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(StoreError::File { path: path.to_owned(), source }),
    }
}

/// Looks at an existing file without writing to it, so that a file which is not ours stays as it is.
async fn check(path: &Path) -> Result<Look, StoreError> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .connect()
        .await
        .map_err(|e| failed(path, e))?;
    let schema = known_schema(path, &mut connection).await?;
    connection.close().await.map_err(|e| failed(path, e))?;
    Ok(match schema {
        Schema::Version(found) if found < newest_schema() => Look::Older,
        _ => Look::Ready,
    })
}

/// Whether a migration is due that could lose something.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Ready,
    Older,
}

/// The schema of a file that this program can read.
pub(super) async fn known_schema(path: &Path, connection: &mut SqliteConnection) -> Result<Schema, StoreError> {
    let found = schema_version(connection).await.map_err(|error| match failed(path, error) {
        // The statements are right, so the schema is not: a format or a text that this SQLite cannot read.
        StoreError::Open { path, source: sqlx::Error::Database(reason) } if reason.code().as_deref() == Some("1") => {
            StoreError::Damaged { path, reason: reason.to_string() }
        }
        other => other,
    })?;
    let known = newest_schema();
    match found {
        Schema::Version(found) if found > known => Err(StoreError::Newer { path: path.to_owned(), found, known }),
        Schema::Foreign => Err(StoreError::Damaged {
            path: path.to_owned(),
            reason: "it is the database of another program".to_owned(),
        }),
        Schema::Version(_) | Schema::Empty => Ok(found),
    }
}

/// Version of the schema that this program makes.
pub(super) fn newest_schema() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    Empty,
    Version(i64),
    Foreign,
}

async fn schema_version(connection: &mut SqliteConnection) -> Result<Schema, sqlx::Error> {
    let tables: i64 = sqlx::query_scalar("select count(*) from sqlite_schema").fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(Schema::Empty);
    }
    let ours: bool = sqlx::query_scalar("select exists (select 1 from sqlite_schema where name = '_sqlx_migrations')")
        .fetch_one(&mut *connection)
        .await?;
    if !ours {
        return Ok(Schema::Foreign);
    }
    let version: Option<i64> =
        sqlx::query_scalar("select max(version) from _sqlx_migrations").fetch_one(&mut *connection).await?;
    Ok(Schema::Version(version.unwrap_or(0)))
}

/// What an error says about the file.
pub(super) fn failed(path: &Path, error: sqlx::Error) -> StoreError {
    let path = path.to_owned();
    match classify(&error) {
        Class::Busy => StoreError::Locked { path },
        Class::Damaged => StoreError::Damaged { path, reason: error.to_string() },
        Class::Full => StoreError::Full,
        Class::Other => StoreError::Open { path, source: error },
    }
}

#[cfg(test)]
#[allow(clippy::panic, clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_writes_syncs_every_commit_and_checks_references() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("keyturner.db")).await.unwrap();
        const SETTINGS: &str = "select (select journal_mode from pragma_journal_mode)
             || ' ' || (select synchronous from pragma_synchronous)
             || ' ' || (select foreign_keys from pragma_foreign_keys)
             || ' ' || (select recursive_triggers from pragma_recursive_triggers)
             || ' ' || (select secure_delete from pragma_secure_delete)
             || ' ' || (select temp_store from pragma_temp_store)";
        // FULL and MEMORY are 2.
        let wanted = "wal 2 1 1 1 2";
        let often: String = store.write(|tx| Ok(tx.query_row(SETTINGS, (), |row| row.get(0))?)).await.unwrap();
        let seldom: String = sqlx::query_scalar(SETTINGS).fetch_one(&store.seldom).await.unwrap();
        assert_eq!([often.as_str(), seldom.as_str()], [wanted; 2]);
        let written = sqlx::query("delete from locks").execute(&store.readers).await;
        assert!(written.is_err(), "a reader can write");
    }

    #[tokio::test]
    async fn what_fails_in_the_middle_leaves_nothing_and_the_next_one_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("keyturner.db")).await.unwrap();
        let insert = "insert into token_uses (name, used_at) values (?, 1)";
        let failed = store.write(move |tx| {
            tx.execute(insert, ["half"])?;
            Err::<(), _>(StoreError::IntentNotOpen(7))
        });
        assert!(matches!(failed.await, Err(StoreError::IntentNotOpen(7))));
        let broken = store.write(move |tx| {
            tx.execute(insert, ["half"])?;
            panic!("in the middle")
        });
        let broken: Result<(), _> = broken.await;
        assert!(matches!(broken, Err(StoreError::BrokenOff(_))), "{broken:?}");
        store.write(move |tx| Ok(tx.execute(insert, ["whole"])?)).await.unwrap();
        let names: Vec<String> =
            sqlx::query_scalar("select name from token_uses").fetch_all(&store.readers).await.unwrap();
        assert_eq!(names, ["whole"]);
    }

    #[test]
    fn every_migration_says_why() {
        for migration in MIGRATIONS.iter() {
            assert!(migration.sql.as_str().starts_with("-- Why: "), "{}", migration.description);
        }
    }
}
