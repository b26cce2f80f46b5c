//! What can go wrong with a file, in words that say what to do.

use std::path::PathBuf;

use crate::protocol::beacon::NukiId;

/// Why the database did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file could not be made or read.
    #[error("cannot use the database {}: {source}; check that its folder exists and belongs to the user who runs keyturner", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A newer keyturner made the file.
    #[error(
        "the database {} has schema version {found}, this keyturner knows up to {known}: \
         it was written by a newer version; install that one, or name another file. Nothing was changed", path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Version in the file.
        found: i64,
        /// Newest version of this program.
        known: i64,
    },
    /// An older keyturner made the file, and it may not be changed now.
    #[error("the database {} was written by an older version; start `keyturner run` once, which brings it up to date", path.display())]
    Older {
        /// Which file.
        path: PathBuf,
    },
    /// No backup could be made.
    #[error("cannot back the database up to {}: {reason}. The database itself was not changed", path.display())]
    Backup {
        /// Where to.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A backup is never written over something else.
    #[error("{} exists already; give the backup another name", path.display())]
    BackupExists {
        /// Which file.
        path: PathBuf,
    },
    /// There is no file to look at.
    #[error("there is no event log at {}; is --data right, and has `keyturner run` been started?", path.display())]
    NoDatabase {
        /// Which file.
        path: PathBuf,
    },
    /// Another program has it.
    #[error(
        "the database {} is locked by another program; stop that one (`fuser {}` names it) and start again",
        path.display(), path.display()
    )]
    Locked {
        /// Which file.
        path: PathBuf,
    },
    /// It is no database, or a broken one.
    #[error(
        "the database {} is damaged or no database ({reason}); nothing was changed. \
         Move it away or put a backup in its place, then start again", path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// SQLite's reason.
        reason: String,
    },
    /// Opening failed for another reason.
    #[error("cannot open the database {}: {source}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// The reason.
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date; the failed step was rolled back.
    #[error("cannot bring the database {} up to date: {source}", path.display())]
    Migration {
        /// Which file.
        path: PathBuf,
        /// The reason.
        source: sqlx::migrate::MigrateError,
    },
    /// The lock was never registered.
    #[error("lock {0:08X} is not in the database")]
    UnknownLock(NukiId),
    /// The intent does not exist or has ended already.
    #[error("intent {0} is not open")]
    IntentNotOpen(i64),
    /// The change of a code does not exist or has ended already.
    #[error("the change of a keypad code {0} is not open")]
    CodeChangeNotOpen(i64),
    /// A value in the database is none that this program writes.
    #[error("the database holds {value} as {column}, which this keyturner cannot have written")]
    Content {
        /// Where it stands.
        column: &'static str,
        /// What stands there.
        value: String,
    },
    /// The system gave no salt.
    #[error("the system gives no randomness ({0}), nothing was stored")]
    NoRandomness(getrandom::Error),
    /// Many people use it.
    #[error(
        "authorization {number} is a keypad, which is no person; name the keypad code instead (code:NUMBER or its name)"
    )]
    SharedKey {
        /// Number of the authorization.
        number: i64,
    },
    /// The tables are clean, the file's leftovers may not be.
    #[error(
        "the person is erased from every table, but older pages of the file may still hold the name ({reason}); \
         run the same command again, and stop `keyturner run` before if that does not help"
    )]
    Traces {
        /// Why.
        reason: String,
    },
    /// No space left for it.
    #[error("the disk is full, nothing was stored; make room and try again")]
    Full,
    /// Another program held the file for too long.
    #[error("another program holds the database, nothing was stored")]
    Busy,
    /// Anything else.
    #[error("the database refused: {0}")]
    Sql(sqlx::Error),
    /// The same, from the other library.
    #[error("the database refused: {0}")]
    Sqlite(rusqlite::Error),
    /// A thread that worked on the database ended before its work.
    #[error("the work at the database was broken off: {0}; please report this with the output of `keyturner verify`")]
    BrokenOff(tokio::task::JoinError),
}

/// What SQLite's result code means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Busy,
    Full,
    Damaged,
    Other,
}

impl Class {
    /// SQLite's primary result codes are the lowest byte of the extended ones.
    const fn of(code: i32) -> Self {
        match code & 0xFF {
            5 | 6 => Self::Busy,
            13 => Self::Full,
            11 | 26 => Self::Damaged,
            _ => Self::Other,
        }
    }
}

pub(super) fn classify(error: &sqlx::Error) -> Class {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        return Class::Busy;
    }
    let code = error.as_database_error().and_then(|e| e.code()).and_then(|code| code.parse().ok());
    code.map_or(Class::Other, Class::of)
}

/// The same of the errors of rusqlite.
pub(super) fn classify_rusqlite(error: &rusqlite::Error) -> Class {
    error.sqlite_error().map_or(Class::Other, |reason| Class::of(reason.extended_code))
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match classify(&error) {
            Class::Busy => Self::Busy,
            Class::Full => Self::Full,
            Class::Damaged | Class::Other => Self::Sql(error),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match classify_rusqlite(&error) {
            Class::Busy => Self::Busy,
            Class::Full => Self::Full,
            Class::Damaged | Class::Other => Self::Sqlite(error),
        }
    }
}
