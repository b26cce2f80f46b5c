//! Changes of keypad codes that clients asked for: on disk before the first byte leaves, so that a request that is
//! repeated under its key is answered and not done again. Never the digits.

use std::time::Duration;

use sqlx::SqliteConnection;

use super::intent_keys::{IdempotencyKey, KEYS_KEPT};
use super::{Store, StoreError};
use crate::clock::UnixMillis;
use crate::protocol::ErrorCode;
use crate::protocol::beacon::NukiId;
use crate::protocol::log::CodeId;

/// So many changes of one lock's codes may leave within [`CODE_CHANGES_WITHIN`]. Each costs the lock a visit, and each
/// says whether somebody has these digits already.
pub const CODE_CHANGES_LIMIT: u32 = 30;
/// The time in which they count.
pub const CODE_CHANGES_WITHIN: Duration = Duration::from_secs(60 * 60);

/// What becomes of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeChangeKind {
    /// A new one.
    Add,
    /// Another name, other digits, on or off, another limit.
    Update(CodeId),
    /// Taken away.
    Remove(CodeId),
}

impl CodeChangeKind {
    const fn columns(self) -> (&'static str, Option<CodeId>) {
        match self {
            Self::Add => ("add", None),
            Self::Update(code_id) => ("update", Some(code_id)),
            Self::Remove(code_id) => ("remove", Some(code_id)),
        }
    }
}

/// A change that a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCodeChange {
    /// At which lock.
    pub nuki_id: NukiId,
    /// What.
    pub kind: CodeChangeKind,
    /// Name of the client's token.
    pub requester: String,
    /// The request's key, and a digest of what it asks for ([`IdempotencyKey::salted`]).
    pub key: Option<(IdempotencyKey, [u8; 32])>,
    /// When.
    pub at: UnixMillis,
}

/// How a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeChangeEnd {
    /// The lock did it; the number of a new code.
    Done(Option<CodeId>),
    /// The lock did not: what it said, or that it has no such code.
    Refused(Option<ErrorCode>),
    /// It never left. Its key is free again.
    NotSent,
    /// It left, and whether it was done is not known.
    Unknown,
}

/// What became of a change that is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BegunCodeChange {
    /// It is written down under this number.
    New(i64),
    /// The client has asked for this under its key before, and so it ended; one that is still open is unknown.
    Before(CodeChangeEnd),
    /// The client has used its key for something else.
    KeyUsed,
    /// Too many changes have left; the next one may after this time.
    TooMany(Duration),
}

#[derive(sqlx::FromRow)]
struct Known {
    change: String,
    code_id: Option<CodeId>,
    state: String,
    error_code: Option<u8>,
    wish: Vec<u8>,
}

impl Known {
    fn end(&self) -> CodeChangeEnd {
        match self.state.as_str() {
            "done" => CodeChangeEnd::Done(self.code_id.filter(|_| self.change == "add")),
            "refused" => CodeChangeEnd::Refused(self.error_code.map(ErrorCode::from_code)),
            "not_sent" => CodeChangeEnd::NotSent,
            _ => CodeChangeEnd::Unknown,
        }
    }
}

impl Store {
    /// Writes a change down, unless its key was used before or too many have left. It is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::UnknownLock`], or the file cannot be written: then nothing may be sent.
    pub async fn begin_code_change(&self, change: &NewCodeChange) -> Result<BegunCodeChange, StoreError> {
        let _held = self.hold_time().await;
        let mut tx = self.begin().await?;
        sqlx::query(
            "update code_changes set key_digest = null, wish = null where key_digest is not null and created_at <= ?",
        )
        .bind(change.at.before(KEYS_KEPT).0)
        .execute(&mut *tx)
        .await?;
        if let Some((key, wish)) = &change.key
            && let Some(known) = find(&mut tx, &change.requester, key).await?
        {
            let is_same = known.wish == wish;
            return Ok(if is_same { BegunCodeChange::Before(known.end()) } else { BegunCodeChange::KeyUsed });
        }
        if let Some(wait) = wait(&mut tx, change.nuki_id, change.at).await? {
            return Ok(BegunCodeChange::TooMany(wait));
        }
        let (kind, code_id) = change.kind.columns();
        let id = sqlx::query_scalar(
            "insert into code_changes (nuki_id, change, code_id, requester, created_at, key_digest, wish)
             select nuki_id, ?, ?, ?, ?, ?, ? from locks where nuki_id = ?
             returning id",
        )
        .bind(kind)
        .bind(code_id)
        .bind(&change.requester)
        .bind(change.at.0)
        .bind(change.key.as_ref().map(|(key, _)| key.digest()))
        .bind(change.key.as_ref().map(|(_, wish)| wish.as_slice()))
        .bind(change.nuki_id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(StoreError::UnknownLock(change.nuki_id))?;
        tx.commit().await?;
        Ok(BegunCodeChange::New(id))
    }

    /// Ends an open change.
    ///
    /// # Errors
    /// [`StoreError::CodeChangeNotOpen`] when there is none or it has ended, or the file cannot be written.
    pub async fn finish_code_change(&self, id: i64, end: CodeChangeEnd, at: UnixMillis) -> Result<(), StoreError> {
        let _held = self.hold_time().await;
        let (state, code_id, error) = match end {
            CodeChangeEnd::Done(code_id) => ("done", code_id, None),
            CodeChangeEnd::Refused(error) => ("refused", None, error.map(ErrorCode::code)),
            CodeChangeEnd::NotSent => ("not_sent", None, None),
            CodeChangeEnd::Unknown => ("unknown", None, None),
        };
        let done = sqlx::query(
            "update code_changes
             set state = ?1, code_id = coalesce(?2, code_id), error_code = ?3, finished_at = ?4,
                 key_digest = iif(?1 = 'not_sent', null, key_digest), wish = iif(?1 = 'not_sent', null, wish)
             where id = ?5 and state = 'open'",
        )
        .bind(state)
        .bind(code_id)
        .bind(error)
        .bind(at.0)
        .bind(id)
        .execute(&self.seldom)
        .await?;
        if done.rows_affected() == 0 { Err(StoreError::CodeChangeNotOpen(id)) } else { Ok(()) }
    }

    /// Ends every open change as unknown, and says how many there were. To be called at the start: what was asked of
    /// an earlier run is never done.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn expire_open_code_changes(&self, at: UnixMillis) -> Result<u64, StoreError> {
        let _held = self.hold_time().await;
        let done = sqlx::query("update code_changes set state = 'unknown', finished_at = ? where state = 'open'")
            .bind(at.0)
            .execute(&self.seldom)
            .await?;
        Ok(done.rows_affected())
    }
}

async fn find(
    connection: &mut SqliteConnection,
    requester: &str,
    key: &IdempotencyKey,
) -> Result<Option<Known>, StoreError> {
    Ok(sqlx::query_as(
        "select change, code_id, state, error_code, wish from code_changes where requester = ? and key_digest = ?",
    )
    .bind(requester)
    .bind(key.digest())
    .fetch_optional(connection)
    .await?)
}

/// How long until another change may leave; `None` if one may now. What a clock that was set back has dated ahead
/// does not count.
async fn wait(
    connection: &mut SqliteConnection,
    nuki_id: NukiId,
    now: UnixMillis,
) -> Result<Option<Duration>, StoreError> {
    let oldest: Option<i64> = sqlx::query_scalar(
        "select created_at from code_changes
         where nuki_id = ? and created_at > ? and created_at <= ? and state <> 'not_sent'
         order by created_at desc limit 1 offset ?",
    )
    .bind(nuki_id)
    .bind(now.before(CODE_CHANGES_WITHIN).0)
    .bind(now.0)
    .bind(CODE_CHANGES_LIMIT - 1)
    .fetch_optional(connection)
    .await?;
    Ok(oldest.map(|at| UnixMillis(at).plus(CODE_CHANGES_WITHIN).since(now)))
}
