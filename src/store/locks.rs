//! Locks, and the last state seen of each.

use crate::clock::UnixMillis;
use crate::protocol::LockState;
use crate::protocol::beacon::NukiId;
use crate::protocol::log::LogIndex;
use crate::protocol::state::KeyturnerStates;

use super::{Store, StoreError, log_epoch};

/// A paired lock. Its keys are not here: they stand with the secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRow {
    /// Its number.
    pub nuki_id: NukiId,
    /// Name given by the owner; the advertised one until the configuration was read.
    pub name: String,
    /// Type as the Bridge API numbers it: 0 Smart Lock 1 and 2, 2 Opener, 3 Smart Door, 4 Smart Lock 3 and 4, 5 Ultra, Go and Pro (5th).
    pub device_type: u8,
    /// `3.9.5`; `None` until the configuration was read.
    pub firmware_version: Option<String>,
    /// Whether a keypad is paired.
    pub has_keypad: bool,
    /// When it was registered first; later values are not taken.
    pub paired_at: UnixMillis,
}

/// A state as it was read from a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredObservation {
    /// Number of the row.
    pub id: i64,
    /// When it was read.
    pub observed_at: UnixMillis,
    /// The state.
    pub states: KeyturnerStates,
    /// State before; `None` if none was known.
    pub before: Option<LockState>,
}

#[derive(sqlx::FromRow)]
struct RawLock {
    nuki_id: u32,
    name: String,
    device_type: u8,
    firmware_version: Option<String>,
    has_keypad: bool,
    paired_at: i64,
}

impl Store {
    /// Adds a lock, or updates name, type, firmware and keypad of a known one. A known firmware is not forgotten.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn register_lock(&self, lock: &LockRow) -> Result<(), StoreError> {
        let _held = self.hold_time().await;
        sqlx::query(
            "insert into locks (nuki_id, name, device_type, firmware_version, has_keypad, paired_at)
             values (?, ?, ?, ?, ?, ?)
             on conflict (nuki_id) do update set
                 name = excluded.name,
                 device_type = excluded.device_type,
                 firmware_version = coalesce(excluded.firmware_version, firmware_version),
                 has_keypad = excluded.has_keypad",
        )
        .bind(lock.nuki_id)
        .bind(&lock.name)
        .bind(lock.device_type)
        .bind(&lock.firmware_version)
        .bind(lock.has_keypad)
        .bind(lock.paired_at.0)
        .execute(&self.seldom)
        .await?;
        Ok(())
    }

    /// Every lock, in the order of registration.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn locks(&self) -> Result<Vec<LockRow>, StoreError> {
        let _held = self.hold_time().await;
        let rows: Vec<RawLock> = sqlx::query_as(
            "select nuki_id, name, device_type, firmware_version, has_keypad, paired_at
             from locks order by paired_at, nuki_id",
        )
        .fetch_all(&self.readers)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| LockRow {
                nuki_id: row.nuki_id,
                name: row.name,
                device_type: row.device_type,
                firmware_version: row.firmware_version,
                has_keypad: row.has_keypad,
                paired_at: UnixMillis(row.paired_at),
            })
            .collect())
    }

    /// The last state stored for a lock.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn last_observation(&self, nuki_id: NukiId) -> Result<Option<StoredObservation>, StoreError> {
        let _held = self.hold_time().await;
        let row: Option<(i64, i64, Option<u8>, Vec<u8>)> = sqlx::query_as(
            "select id, observed_at, state_before_code, payload
             from observations where nuki_id = ? order by id desc limit 1",
        )
        .bind(nuki_id)
        .fetch_optional(&self.readers)
        .await?;
        let Some((id, observed_at, before, payload)) = row else { return Ok(None) };
        let states = KeyturnerStates::decode(&payload)
            .map_err(|error| StoreError::Content { column: "payload", value: error.to_string() })?;
        Ok(Some(StoredObservation {
            id,
            observed_at: UnixMillis(observed_at),
            states,
            before: before.map(LockState::from_code),
        }))
    }

    /// The last log entry that was read from a lock; 0 if none was.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn cursor(&self, nuki_id: NukiId) -> Result<LogIndex, StoreError> {
        let _held = self.hold_time().await;
        let cursor: Option<LogIndex> = sqlx::query_scalar("select log_index from cursors where nuki_id = ?")
            .bind(nuki_id)
            .fetch_optional(&self.readers)
            .await?;
        Ok(cursor.unwrap_or(0))
    }

    /// Whether a registered lock's log was found to begin anew, once at least.
    ///
    /// # Errors
    /// [`StoreError`] when the lock is not registered or the file cannot be read.
    pub async fn log_has_begun_anew(&self, nuki_id: NukiId) -> Result<bool, StoreError> {
        let _held = self.hold_time().await;
        let mut connection = self.readers.acquire().await?;
        Ok(log_epoch(&mut connection, nuki_id).await? > 0)
    }
}
