//! Authorizations and keypad codes, with validity in time: what was true stays readable.

use std::collections::BTreeMap;

use rusqlite::Connection;
use sqlx::{Sqlite, Transaction};

use crate::attribution::{Code, Directory, User};
use crate::clock::UnixMillis;
use crate::protocol::IdType;
use crate::protocol::beacon::NukiId;
use crate::protocol::datetime::DeviceTime;
use crate::protocol::frame::AuthId;
use crate::protocol::log::CodeId;
use crate::protocol::users::{AuthorizationEntry, KeypadCode, TimeLimit};

use super::convert::{LimitColumns, device_time};
use super::writer::Statements as _;
use super::{Store, StoreError, log_epoch};

/// The lock's clock counts as time within a day of ours, so what is further apart came in this order.
const CLOCKS_DIFFER_BY: i64 = 2 * 24 * 60 * 60 * 1000;

/// Which kind of key a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserKind {
    /// A phone, bridge, fob or keypad.
    Authorization {
        /// Its number.
        auth_id: AuthId,
        /// What it is.
        id_type: IdType,
        /// May act through a bridge.
        remote_allowed: bool,
    },
    /// A code of the keypad.
    KeypadCode {
        /// Its number; its digits are nowhere.
        code_id: CodeId,
    },
}

/// An authorization or keypad code as it was for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Of which lock.
    pub nuki_id: NukiId,
    /// What it is.
    pub kind: UserKind,
    /// Its name; from the air, for showing only.
    pub name: String,
    /// May act.
    pub enabled: bool,
    /// Made when, by the lock's clock.
    pub created: Option<DeviceTime>,
    /// Used last when, by the lock's clock.
    pub last_active: Option<DeviceTime>,
    /// How often used.
    pub lock_count: u16,
    /// Valid when; `None` for always.
    pub time_limit: Option<TimeLimit>,
    /// First seen so.
    pub valid_from: UnixMillis,
    /// Changed or gone since; `None` while it is so.
    pub valid_until: Option<UnixMillis>,
}

/// What both kinds have in common.
#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Common {
    nuki_id: u32,
    name: String,
    enabled: bool,
    created: Option<String>,
    last_active: Option<String>,
    lock_count: u16,
    #[sqlx(flatten)]
    limit: LimitColumns,
    valid_from: i64,
    valid_until: Option<i64>,
}

#[derive(Debug, sqlx::FromRow)]
struct RawUser {
    id: i64,
    auth_id: u32,
    id_type_code: u8,
    remote_allowed: bool,
    #[sqlx(flatten)]
    common: Common,
}

#[derive(Debug, sqlx::FromRow)]
struct RawCode {
    id: i64,
    code_id: u16,
    #[sqlx(flatten)]
    common: Common,
}

impl Common {
    /// Whether it is the one that was made then. A number that a lock gives away again is somebody else's, and a
    /// moment that either side does not know proves nothing.
    fn is_created(&self, created: Option<DeviceTime>) -> bool {
        self.created.as_deref().zip(created).is_none_or(|(before, now)| before == now.to_string())
    }

    fn row(self, kind: UserKind) -> Result<UserRow, StoreError> {
        Ok(UserRow {
            nuki_id: self.nuki_id,
            kind,
            created: device_time(self.created.as_deref(), "created")?,
            last_active: device_time(self.last_active.as_deref(), "last_active")?,
            time_limit: self.limit.limit()?,
            name: self.name,
            enabled: self.enabled,
            lock_count: self.lock_count,
            valid_from: UnixMillis(self.valid_from),
            valid_until: self.valid_until.map(UnixMillis),
        })
    }
}

impl RawUser {
    /// Whether it says the same of the user; use is counted in place.
    fn is(&self, entry: &AuthorizationEntry) -> bool {
        self.common.is_created(entry.created)
            && self.id_type_code == entry.id_type.code()
            && self.remote_allowed == entry.remote_allowed
            && self.common.name == entry.name
            && self.common.enabled == entry.enabled
            && self.common.limit == LimitColumns::new(entry.time_limit)
    }
}

impl RawCode {
    fn is(&self, code: &KeypadCode) -> bool {
        self.common.is_created(code.created)
            && self.common.name == code.name
            && self.common.enabled == code.enabled
            && self.common.limit == LimitColumns::new(code.time_limit)
    }
}

impl Store {
    /// Takes the complete list of authorizations as read from a lock.
    ///
    /// Whoever is new opens a row, whoever is gone closes one; a new name, type,
    /// permission or time limit does both.
    ///
    /// # Errors
    /// [`StoreError::UnknownLock`], or the file cannot be written; then nothing changed.
    pub async fn replace_users(
        &self,
        nuki_id: NukiId,
        entries: &[AuthorizationEntry],
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        self.take_users(nuki_id, entries, true, at).await
    }

    /// Takes authorizations as read from a lock. Who is missing in a list that is not whole is not gone.
    ///
    /// # Errors
    /// As [`replace_users`](Self::replace_users).
    pub async fn take_users(
        &self,
        nuki_id: NukiId,
        entries: &[AuthorizationEntry],
        is_whole: bool,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        let _held = self.hold_time().await;
        let mut tx = self.begin().await?;
        log_epoch(&mut tx, nuki_id).await?;
        let mut new: BTreeMap<AuthId, &AuthorizationEntry> = entries.iter().map(|e| (e.auth_id, e)).collect();
        let old: Vec<RawUser> =
            sqlx::query_as("select * from authorizations where nuki_id = ? and valid_until is null")
                .bind(nuki_id)
                .fetch_all(&mut *tx)
                .await?;
        for row in old {
            match new.get(&row.auth_id) {
                Some(entry) if row.is(entry) => {
                    use_user(&mut tx, row.id, entry).await?;
                    new.remove(&row.auth_id);
                }
                None if !is_whole => {}
                _ => {
                    // The host's clock may have gone back; a row never ends before it began.
                    sqlx::query("update authorizations set valid_until = max(?, valid_from) where id = ?")
                        .bind(at.0)
                        .bind(row.id)
                        .execute(&mut *tx)
                        .await?;
                }
            }
        }
        for entry in new.into_values() {
            insert_user(&mut tx, nuki_id, entry, at).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Takes the complete list of keypad codes as read from a lock, in the way of [`replace_users`](Self::replace_users).
    ///
    /// # Errors
    /// [`StoreError::UnknownLock`], or the file cannot be written; then nothing changed.
    pub async fn replace_keypad_codes(
        &self,
        nuki_id: NukiId,
        codes: &[KeypadCode],
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        self.take_keypad_codes(nuki_id, codes, true, at).await
    }

    /// Takes keypad codes as read from a lock, in the way of [`take_users`](Self::take_users).
    ///
    /// # Errors
    /// As [`replace_users`](Self::replace_users).
    pub async fn take_keypad_codes(
        &self,
        nuki_id: NukiId,
        codes: &[KeypadCode],
        is_whole: bool,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        let _held = self.hold_time().await;
        let mut tx = self.begin().await?;
        log_epoch(&mut tx, nuki_id).await?;
        let mut new: BTreeMap<CodeId, &KeypadCode> = codes.iter().map(|c| (c.code_id, c)).collect();
        let old: Vec<RawCode> = sqlx::query_as("select * from keypad_codes where nuki_id = ? and valid_until is null")
            .bind(nuki_id)
            .fetch_all(&mut *tx)
            .await?;
        for row in old {
            match new.get(&row.code_id) {
                Some(code) if row.is(code) => {
                    use_code(&mut tx, row.id, code).await?;
                    new.remove(&row.code_id);
                }
                None if !is_whole => {}
                _ => {
                    sqlx::query("update keypad_codes set valid_until = max(?, valid_from) where id = ?")
                        .bind(at.0)
                        .bind(row.id)
                        .execute(&mut *tx)
                        .await?;
                }
            }
        }
        for code in new.into_values() {
            insert_code(&mut tx, nuki_id, code, at).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The names that are valid now, and those that were when entries were written that are not read yet.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn directory(&self, nuki_id: NukiId) -> Result<Directory, StoreError> {
        let look = move |connection: &mut Connection| {
            // One snapshot for all.
            let tx = connection.transaction()?;
            // What comes next in the log is newer than its last entry that was read.
            let read_up_to: Option<i64> = tx.first(
                "select at from events where nuki_id = ? and log_index is not null order by id desc limit 1",
                [nuki_id],
                |row| row.get(0),
            )?;
            let since = read_up_to.map_or(i64::MIN, |at| at.saturating_sub(CLOCKS_DIFFER_BY));
            let users: Vec<(AuthId, u8, String, Option<String>, bool)> = tx.all(
                "select auth_id, id_type_code, name, created, valid_until is null from authorizations
                 where nuki_id = ? and (valid_until is null or valid_until >= ?) order by id",
                (nuki_id, since),
                |row| row.try_into(),
            )?;
            let codes: Vec<(CodeId, String, Option<String>, bool)> = tx.all(
                "select code_id, name, created, valid_until is null from keypad_codes
                 where nuki_id = ? and (valid_until is null or valid_until >= ?) order by id",
                (nuki_id, since),
                |row| row.try_into(),
            )?;
            Ok((users, codes))
        };
        let (users, codes) = self.looks.read(look).await?;
        let mut directory = Directory::default();
        for (auth_id, id_type, name, created, is_now) in users {
            let created = device_time(created.as_deref(), "created")?;
            let user = User { name, id_type: IdType::from_code(id_type), created };
            if is_now { directory.set_user(auth_id, user) } else { directory.add_former_user(auth_id, user) }
        }
        for (code_id, name, created, is_now) in codes {
            let code = Code { name, created: device_time(created.as_deref(), "created")? };
            if is_now { directory.set_code(code_id, code) } else { directory.add_former_code(code_id, code) }
        }
        Ok(directory)
    }

    /// Every authorization and keypad code, now and formerly valid: by lock, authorizations first, then by number and age.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn users(&self, nuki_id: Option<NukiId>) -> Result<Vec<UserRow>, StoreError> {
        let _held = self.hold_time().await;
        let mut tx = self.readers.begin().await?;
        let users: Vec<RawUser> =
            sqlx::query_as("select * from authorizations where ?1 is null or nuki_id = ?1 order by auth_id, id")
                .bind(nuki_id)
                .fetch_all(&mut *tx)
                .await?;
        let codes: Vec<RawCode> =
            sqlx::query_as("select * from keypad_codes where ?1 is null or nuki_id = ?1 order by code_id, id")
                .bind(nuki_id)
                .fetch_all(&mut *tx)
                .await?;
        tx.commit().await?;
        let users = users.into_iter().map(|raw| {
            let id_type = IdType::from_code(raw.id_type_code);
            let kind = UserKind::Authorization { auth_id: raw.auth_id, id_type, remote_allowed: raw.remote_allowed };
            raw.common.row(kind)
        });
        let codes = codes.into_iter().map(|raw| raw.common.row(UserKind::KeypadCode { code_id: raw.code_id }));
        let mut rows = users.chain(codes).collect::<Result<Vec<_>, _>>()?;
        // Stable: within a lock the order stays.
        rows.sort_by_key(|row| row.nuki_id);
        Ok(rows)
    }
}

async fn use_user(
    tx: &mut Transaction<'static, Sqlite>,
    id: i64,
    entry: &AuthorizationEntry,
) -> Result<(), StoreError> {
    sqlx::query(
        "update authorizations set created = ?1, last_active = ?2, lock_count = ?3
         where id = ?4 and (created is not ?1 or last_active is not ?2 or lock_count <> ?3)",
    )
    .bind(entry.created.map(|t| t.to_string()))
    .bind(entry.last_active.map(|t| t.to_string()))
    .bind(entry.lock_count)
    .bind(id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn use_code(tx: &mut Transaction<'static, Sqlite>, id: i64, code: &KeypadCode) -> Result<(), StoreError> {
    sqlx::query(
        "update keypad_codes set created = ?1, last_active = ?2, lock_count = ?3
         where id = ?4 and (created is not ?1 or last_active is not ?2 or lock_count <> ?3)",
    )
    .bind(code.created.map(|t| t.to_string()))
    .bind(code.last_active.map(|t| t.to_string()))
    .bind(code.lock_count)
    .bind(id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn insert_user(
    tx: &mut Transaction<'static, Sqlite>,
    nuki_id: NukiId,
    entry: &AuthorizationEntry,
    at: UnixMillis,
) -> Result<(), StoreError> {
    let limit = LimitColumns::new(entry.time_limit);
    sqlx::query(
        "insert into authorizations (
             nuki_id, auth_id, id_type, id_type_code, name, enabled, remote_allowed, created, last_active, lock_count,
             time_limited, allowed_from, allowed_until, allowed_weekdays, allowed_from_time, allowed_until_time,
             valid_from)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(nuki_id)
    .bind(entry.auth_id)
    .bind(entry.id_type.to_string())
    .bind(entry.id_type.code())
    .bind(&entry.name)
    .bind(entry.enabled)
    .bind(entry.remote_allowed)
    .bind(entry.created.map(|t| t.to_string()))
    .bind(entry.last_active.map(|t| t.to_string()))
    .bind(entry.lock_count)
    .bind(limit.time_limited)
    .bind(limit.allowed_from)
    .bind(limit.allowed_until)
    .bind(limit.allowed_weekdays)
    .bind(limit.allowed_from_time)
    .bind(limit.allowed_until_time)
    .bind(at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn insert_code(
    tx: &mut Transaction<'static, Sqlite>,
    nuki_id: NukiId,
    code: &KeypadCode,
    at: UnixMillis,
) -> Result<(), StoreError> {
    let limit = LimitColumns::new(code.time_limit);
    sqlx::query(
        "insert into keypad_codes (
             nuki_id, code_id, name, enabled, created, last_active, lock_count,
             time_limited, allowed_from, allowed_until, allowed_weekdays, allowed_from_time, allowed_until_time,
             valid_from)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(nuki_id)
    .bind(code.code_id)
    .bind(&code.name)
    .bind(code.enabled)
    .bind(code.created.map(|t| t.to_string()))
    .bind(code.last_active.map(|t| t.to_string()))
    .bind(code.lock_count)
    .bind(limit.time_limited)
    .bind(limit.allowed_from)
    .bind(limit.allowed_until)
    .bind(limit.allowed_weekdays)
    .bind(limit.allowed_from_time)
    .bind(limit.allowed_until_time)
    .bind(at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
