//! What is known of a lock beside its history: tries with its PIN, when its people were read, how its clock goes.

use std::collections::BTreeMap;

use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;
use crate::protocol::datetime::DeviceTime;
use crate::protocol::log::{LogEntry, LogIndex};
use crate::session::{Anchor, PinTries};

use super::convert::device_time;
use super::{LockClock, Store, StoreError};

/// What is kept of a lock over restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthRow {
    /// Tries with the PIN that the owner set last.
    pub pin_tries: PinTries,
    /// When people and codes were read whole, and how many of each there were.
    pub directory: Option<StoredDirectory>,
    /// Its clock as it was read last.
    pub clock: Option<StoredClock>,
}

/// When people and codes were read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredDirectory {
    /// When.
    pub read_at: UnixMillis,
    /// Authorizations.
    pub users: u32,
    /// Keypad codes.
    pub codes: u32,
}

/// A lock's clock as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredClock {
    /// When, by the host's clock.
    pub read_at: UnixMillis,
    /// What it showed.
    pub device_time: DeviceTime,
    /// How it stood beside the host's.
    pub clock: LockClock,
}

#[derive(Default, sqlx::FromRow)]
struct RawHealth {
    pin_refused: u8,
    pin_unanswered: u8,
    pin_proven: bool,
    directory_at: Option<i64>,
    users: Option<u32>,
    codes: Option<u32>,
    clock_at: Option<i64>,
    device_time: Option<String>,
    zone_offset: Option<i16>,
    clock_skew: Option<i64>,
}

impl Store {
    /// What is kept of a lock.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn lock_health(&self, nuki_id: NukiId) -> Result<HealthRow, StoreError> {
        let _held = self.hold_time().await;
        let raw: Option<RawHealth> = sqlx::query_as(
            "select pin_refused, pin_unanswered, pin_proven, directory_at, users, codes,
                    clock_at, device_time, zone_offset, clock_skew
             from lock_health where nuki_id = ?",
        )
        .bind(nuki_id)
        .fetch_optional(&self.readers)
        .await?;
        let raw = raw.unwrap_or_default();
        let shown = device_time(raw.device_time.as_deref(), "device_time")?;
        let directory = raw.directory_at.zip(raw.users).zip(raw.codes);
        Ok(HealthRow {
            pin_tries: PinTries { refused: raw.pin_refused, unanswered: raw.pin_unanswered, is_proven: raw.pin_proven },
            directory: directory.map(|((at, users), codes)| StoredDirectory { read_at: UnixMillis(at), users, codes }),
            clock: raw.clock_at.zip(shown).zip(raw.clock_skew).map(|((at, device_time), skew)| StoredClock {
                read_at: UnixMillis(at),
                device_time,
                clock: LockClock { skew, zone_offset: raw.zone_offset.unwrap_or(0) },
            }),
        })
    }

    /// Remembers tries with a PIN.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn set_pin_tries(&self, nuki_id: NukiId, tries: PinTries) -> Result<(), StoreError> {
        let _held = self.hold_time().await;
        sqlx::query(
            "insert into lock_health (nuki_id, pin_refused, pin_unanswered, pin_proven) values (?, ?, ?, ?)
             on conflict (nuki_id) do update set pin_refused = excluded.pin_refused,
                 pin_unanswered = excluded.pin_unanswered, pin_proven = excluded.pin_proven",
        )
        .bind(nuki_id)
        .bind(tries.refused)
        .bind(tries.unanswered)
        .bind(tries.is_proven)
        .execute(&self.seldom)
        .await?;
        Ok(())
    }

    /// The owner has set the PIN of a lock: tries count anew. `false` if no gateway has registered this lock yet, so
    /// that there is nothing to forget.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn forget_pin_tries(&self, nuki_id: NukiId) -> Result<bool, StoreError> {
        let _held = self.hold_time().await;
        let done = sqlx::query(
            "insert into lock_health (nuki_id, pin_set) select nuki_id, 1 from locks where nuki_id = ?
             on conflict (nuki_id) do update set pin_refused = 0, pin_unanswered = 0, pin_proven = 0,
                 pin_set = pin_set + 1",
        )
        .bind(nuki_id)
        .execute(&self.seldom)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// How often the owner has set each lock's PIN.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn pins_set(&self) -> Result<BTreeMap<NukiId, i64>, StoreError> {
        let _held = self.hold_time().await;
        let rows: Vec<(NukiId, i64)> =
            sqlx::query_as("select nuki_id, pin_set from lock_health").fetch_all(&self.readers).await?;
        Ok(rows.into_iter().collect())
    }

    /// Remembers when people and codes were read whole.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn note_directory(&self, nuki_id: NukiId, directory: StoredDirectory) -> Result<(), StoreError> {
        let _held = self.hold_time().await;
        sqlx::query(
            "insert into lock_health (nuki_id, directory_at, users, codes) values (?, ?, ?, ?)
             on conflict (nuki_id) do update set directory_at = excluded.directory_at, users = excluded.users,
                 codes = excluded.codes",
        )
        .bind(nuki_id)
        .bind(directory.read_at.0)
        .bind(directory.users)
        .bind(directory.codes)
        .execute(&self.seldom)
        .await?;
        Ok(())
    }

    /// Remembers how a lock's clock stood.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn note_clock(&self, nuki_id: NukiId, seen: StoredClock) -> Result<(), StoreError> {
        let _held = self.hold_time().await;
        sqlx::query(
            "insert into lock_health (nuki_id, clock_at, device_time, zone_offset, clock_skew) values (?, ?, ?, ?, ?)
             on conflict (nuki_id) do update set clock_at = excluded.clock_at, device_time = excluded.device_time,
                 zone_offset = excluded.zone_offset, clock_skew = excluded.clock_skew",
        )
        .bind(nuki_id)
        .bind(seen.read_at.0)
        .bind(seen.device_time.to_string())
        .bind(seen.clock.zone_offset)
        .bind(seen.clock.skew)
        .execute(&self.seldom)
        .await?;
        Ok(())
    }

    /// The stored entry at the cursor, as far as retention and erasure have left it.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn anchor(&self, nuki_id: NukiId) -> Result<Option<Anchor>, StoreError> {
        let _held = self.hold_time().await;
        let row: Option<(LogIndex, Option<String>, Vec<u8>)> = sqlx::query_as(
            "select e.log_index, e.device_time, e.raw
             from cursors c join locks l on l.nuki_id = c.nuki_id
             join events e on e.nuki_id = c.nuki_id and e.log_epoch = l.log_epoch and e.log_index = c.log_index
             where c.nuki_id = ? and e.kind not in ('state_change', 'intent_failed', 'gap', 'reset')",
        )
        .bind(nuki_id)
        .fetch_optional(&self.readers)
        .await?;
        let Some((index, shown, raw)) = row else { return Ok(None) };
        let content = LogEntry::decode(&raw, false).ok().map(|entry| (entry.auth_id, entry.kind.code()));
        Ok(Some(Anchor { index, timestamp: device_time(shown.as_deref(), "device_time")?, content }))
    }
}
