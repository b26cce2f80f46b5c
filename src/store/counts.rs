//! Sums over the log: when somebody was seen, what was refused, what waits, and whether anything changed.

use std::collections::BTreeSet;

use sqlx::QueryBuilder;

use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;
use crate::protocol::frame::AuthId;
use crate::protocol::log::CodeId;
use crate::protocol::{CompletionStatus, LockAction};

use super::history::push_locks;
use super::outbox::WAITING;
use super::{Store, StoreError};

/// Whose events are summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// An authorization's; a keypad's are those of everything typed on it.
    Authorization(AuthId),
    /// A keypad code's.
    KeypadCode(CodeId),
}

/// What the log holds of one number under one name.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Seen {
    /// At which lock.
    pub nuki_id: NukiId,
    /// Number of the authorization.
    pub auth_id: Option<AuthId>,
    /// Number of the keypad code.
    pub code_id: Option<CodeId>,
    /// The name as of then.
    pub name: Option<String>,
    /// How often the lock's log named it for something that succeeded. A refused attempt proves nobody's presence.
    pub times: i64,
    /// When it did so last.
    #[sqlx(try_from = "i64")]
    pub last: UnixMillis,
}

/// What an identity did at one lock, with one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionCount {
    /// At which lock.
    pub nuki_id: NukiId,
    /// What; `None` for what is no action.
    pub action: Option<LockAction>,
    /// It did not succeed.
    pub refused: bool,
    /// The log names them, so they were there; a refused attempt proves nobody's presence.
    pub seen: bool,
    /// How often.
    pub times: i64,
    /// First of these.
    pub first: UnixMillis,
    /// Last of these.
    pub last: UnixMillis,
}

#[derive(sqlx::FromRow)]
struct RawCount {
    nuki_id: u32,
    action_code: Option<u8>,
    refused: bool,
    seen: bool,
    times: i64,
    first: i64,
    last: i64,
}

/// Refused attempts within one hour, from one source.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RefusedCount {
    /// Number of the hour since 1970, in the offset that was asked for.
    pub hour: i64,
    /// What the attempt came from: `code`, `fingerprint`, else the method's name.
    pub source: String,
    /// How many.
    pub times: i64,
}

/// How often doors were opened and locked within one hour.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct MovementCount {
    /// Number of the hour since 1970, in the offset that was asked for.
    pub hour: i64,
    /// How often one was unlocked or its latch was pulled.
    pub opened: i64,
    /// How often one was locked.
    pub locked: i64,
}

/// Which movements are counted.
#[derive(Debug, Clone, Copy)]
pub struct Movements<'a> {
    /// Of this lock.
    pub nuki_id: Option<NukiId>,
    /// Of one of these locks; `None` for every lock.
    pub locks: Option<&'a BTreeSet<NukiId>>,
    /// Of whoever had exactly this name then.
    pub user_name: Option<&'a str>,
    /// Not before.
    pub from: UnixMillis,
    /// Before.
    pub to: UnixMillis,
    /// Hours are those of a clock so many minutes ahead of UTC.
    pub offset: i16,
}

/// What waits for the receiver of one callback slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Waiting {
    /// Its slot.
    pub slot: u8,
    /// Bodies that were not told yet.
    pub waiting: i64,
}

impl Store {
    /// What an identity did, by lock, action and result.
    ///
    /// It reads every event of theirs.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn action_counts(
        &self,
        identity: Identity,
        nuki_id: Option<NukiId>,
    ) -> Result<Vec<ActionCount>, StoreError> {
        let _held = self.hold_time().await;
        let mut query = QueryBuilder::new(
            "select nuki_id, action_code, refused, attribution = 'matched' and refused = 0 as seen,
                    count(*) as times, min(at) as first, max(at) as last
             from entries where ",
        );
        match identity {
            Identity::Authorization(auth_id) => query.push("auth_id = ").push_bind(auth_id),
            Identity::KeypadCode(code_id) => query.push("code_id = ").push_bind(code_id),
        };
        if let Some(nuki_id) = nuki_id {
            query.push(" and +nuki_id = ").push_bind(nuki_id);
        }
        query.push(" group by nuki_id, action_code, refused, seen order by nuki_id, action_code, refused, seen");
        let rows: Vec<RawCount> = query.build_query_as().fetch_all(&self.readers).await?;
        let count = |raw: RawCount| ActionCount {
            nuki_id: raw.nuki_id,
            action: raw.action_code.map(LockAction::from_code),
            refused: raw.refused,
            seen: raw.seen,
            times: raw.times,
            first: UnixMillis(raw.first),
            last: UnixMillis(raw.last),
        };
        Ok(rows.into_iter().map(count).collect())
    }

    /// Refused attempts from `from` until before `to`, by hour and source. Hours are those of a clock `offset` minutes ahead of UTC.
    ///
    /// Of one lock if `nuki_id` is given, and only of those in `locks` if that is.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn refused_counts(
        &self,
        nuki_id: Option<NukiId>,
        locks: Option<&BTreeSet<NukiId>>,
        from: UnixMillis,
        to: UnixMillis,
        offset: i16,
    ) -> Result<Vec<RefusedCount>, StoreError> {
        let _held = self.hold_time().await;
        // Whole numbers, and no event is from before 1970.
        let mut query = QueryBuilder::new("select (at + ");
        query.push_bind(i64::from(offset) * 60_000);
        // The lock names no keypad source for a guess, but its result says what was tried.
        query.push(") / 3600000 as hour, case completion_code when ");
        query.push_bind(CompletionStatus::InvalidCode.code()).push(" then 'code' when ");
        query.push_bind(CompletionStatus::InvalidFingerprint.code());
        query.push(" then 'fingerprint' else method end as source, count(*) as times from entries where refused = 1");
        query.push(" and at >= ").push_bind(from.0).push(" and at < ").push_bind(to.0);
        if let Some(nuki_id) = nuki_id {
            query.push(" and +nuki_id = ").push_bind(nuki_id);
        }
        if let Some(locks) = locks {
            push_locks(&mut query, locks);
        }
        query.push(" group by hour, source order by hour, source");
        Ok(query.build_query_as().fetch_all(&self.readers).await?)
    }

    /// How often doors were opened and locked, by hour; hours without either are left out. What was refused moved none,
    /// and what an Opener does beside opening moves none either.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn movement_counts(&self, which: Movements<'_>) -> Result<Vec<MovementCount>, StoreError> {
        let _held = self.hold_time().await;
        // Whole numbers, and no event is from before 1970. Lock 'n' go is somebody who comes or goes; that it locks
        // afterwards is an entry of its own.
        let mut query = QueryBuilder::new("select (at + ");
        query.push_bind(i64::from(which.offset) * 60_000).push(") / 3600000 as hour, sum(action_code in (1, 3, 4, 5))");
        query.push(" as opened, sum(action_code in (2, 6)) as locked from entries where refused = 0");
        query.push(" and kind in ('lock_action', 'keypad_action')");
        query.push(" and case device_type when 2 then action_code = 3 else action_code between 1 and 6 end");
        query.push(" and at >= ").push_bind(which.from.0).push(" and at < ").push_bind(which.to.0);
        if let Some(nuki_id) = which.nuki_id {
            query.push(" and +nuki_id = ").push_bind(nuki_id);
        }
        if let Some(name) = which.user_name {
            query.push(" and +user_name = ").push_bind(name.to_owned());
        }
        if let Some(locks) = which.locks {
            push_locks(&mut query, locks);
        }
        query.push(" group by hour order by hour");
        Ok(query.build_query_as().fetch_all(&self.readers).await?)
    }

    /// What waits for each registered callback, by slot.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let _held = self.hold_time().await;
        Ok(sqlx::query_as(WAITING).fetch_all(&self.readers).await?)
    }

    /// Everybody and every code that the log has named, by number and by the name of then.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn seen(&self) -> Result<Vec<Seen>, StoreError> {
        let _held = self.hold_time().await;
        let seen = sqlx::query_as(
            "select nuki_id, auth_id, code_id, user_name as name, count(*) as times, max(at) as last from events
             where attribution = 'matched' and refused = 0 and (auth_id is not null or code_id is not null)
             group by nuki_id, auth_id, code_id, user_name",
        )
        .fetch_all(&self.readers)
        .await?;
        Ok(seen)
    }

    /// A text that changes whenever the log, the people or the locks' names do.
    ///
    /// Cheap: one look-up for the log, and tables that have a row per person. Retention and erasure are events themselves.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn edition(&self) -> Result<String, StoreError> {
        let _held = self.hold_time().await;
        let edition = sqlx::query_scalar(
            "select coalesce((select seq from sqlite_sequence where name = 'events'), 0)
                 || (select printf('/%d,%d,%d,%d', count(*), total(id), total(valid_until), total(lock_count))
                            || coalesce(max(last_active), '') from authorizations)
                 || (select printf('/%d,%d,%d,%d', count(*), total(id), total(valid_until), total(lock_count))
                            || coalesce(max(last_active), '') from keypad_codes)
                 || (select coalesce(group_concat(nuki_id || ' ' || device_type || ' ' || name, '/'), '') from locks)",
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(edition)
    }
}
