//! Copies of the database, made while it is in use, for its owner only.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::append::read_head;
use super::error::{Class, classify};
use super::look::look;
use super::open::{self, BUSY_TIMEOUT};
use super::verify::{VerifyReport, verify};
use super::{ChainHead, StoreError};

/// So many automatic backups stay.
const KEPT: usize = 2;

/// Copies a database that may be in use to a new file (mode 0600), then verifies the copy.
///
/// The copy holds everything up to a moment during the call; the head of the
/// chain at its begin is in it, or the report says so.
///
/// # Errors
/// [`StoreError`] when there is something at `to`, or the copy cannot be made; then none is left.
pub async fn backup(path: &Path, to: &Path) -> Result<VerifyReport, StoreError> {
    let mut source = look(path).await?;
    let before: ChainHead = read_head(&mut source).await?;
    source.close().await.map_err(|error| open::failed(path, error))?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(to) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(StoreError::BackupExists { path: to.to_owned() });
        }
        Err(error) => return Err(StoreError::Backup { path: to.to_owned(), reason: error.to_string() }),
    }
    if let Err(error) = copy(path, to).await {
        // Half a copy is none; if it cannot be removed either, the first reason is the one to tell.
        fs::remove_file(to).ok();
        return Err(error);
    }
    verify(to, &[before], |_, _| ()).await
}

/// Copies the database to a file beside it before its schema changes, and keeps the last two of these copies.
pub(super) async fn before_migration(path: &Path, version: i64) -> Result<(), StoreError> {
    let to = beside(path, &format!(".before-{version:04}"));
    let part = beside(path, ".before-part");
    let failed = |error: std::io::Error| StoreError::Backup { path: to.clone(), reason: error.to_string() };
    // Left by a power cut.
    match fs::remove_file(&part) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).map_err(failed)?;
    if let Err(error) = copy(path, &part).await {
        fs::remove_file(&part).ok();
        return Err(match error {
            StoreError::Backup { reason, .. } => StoreError::Backup { path: to, reason },
            other => other,
        });
    }
    // One of an earlier try holds no more than this one.
    fs::rename(&part, &to).map_err(failed)?;
    sync_folder(&to).map_err(failed)?;
    let mut all = automatic(path)?;
    all.truncate(all.len().saturating_sub(KEPT));
    for old in all {
        fs::remove_file(&old).map_err(failed)?;
    }
    Ok(())
}

/// The copies that were made before migrations, oldest first.
pub(super) fn automatic(path: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = beside(path, ".before-");
    let prefix = prefix.file_name().unwrap_or_default().as_encoded_bytes().to_vec();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().as_encoded_bytes().starts_with(&prefix) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Fills an empty file with a copy and brings it to the disk.
async fn copy(path: &Path, to: &Path) -> Result<(), StoreError> {
    let failed = |reason: String| StoreError::Backup { path: to.to_owned(), reason };
    let name = to.to_str().ok_or_else(|| failed("its name is not UTF-8".to_owned()))?;
    let mut source = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .connect()
        .await
        .map_err(|error| open::failed(path, error))?;
    let copied = sqlx::query("vacuum into ?").bind(name).execute(&mut source).await;
    source.close().await.map_err(|error| open::failed(path, error))?;
    copied.map_err(|error| match classify(&error) {
        Class::Full => failed("the disk is full; make room and try again".to_owned()),
        Class::Damaged => StoreError::Damaged { path: path.to_owned(), reason: error.to_string() },
        Class::Busy | Class::Other => failed(error.to_string()),
    })?;
    File::open(to).and_then(|file| file.sync_all()).and_then(|()| sync_folder(to)).map_err(|e| failed(e.to_string()))
}

fn sync_folder(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
