//! What clients asked for: on disk before the command leaves, so that nothing is done twice or forgotten.

use rusqlite::Transaction;

use crate::clock::UnixMillis;
use crate::protocol::LockAction;
use crate::protocol::beacon::NukiId;

use super::writer::Statements as _;
use super::{Store, StoreError};

/// An action that a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIntent {
    /// Of which lock.
    pub nuki_id: NukiId,
    /// What it shall do.
    pub action: LockAction,
    /// Who asks, such as `http 192.168.1.20`.
    pub requester: String,
    /// When.
    pub at: UnixMillis,
}

/// How an intent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntentState {
    /// The lock did it.
    Done,
    /// The lock did not, for certain.
    NotDone,
    /// It left, and what became of it cannot be told.
    Unknown,
    /// It was found open at a start; it is never executed.
    Expired,
}

impl IntentState {
    /// The stable name in the database and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotDone => "not_done",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
        }
    }

    /// The state by its name; `None` while an intent is open.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Done, Self::NotDone, Self::Unknown, Self::Expired].into_iter().find(|state| state.name() == name)
    }
}

/// An intent that had not ended when the gateway stopped. Whether it reached the lock is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIntent {
    /// Its number.
    pub id: i64,
    /// Of which lock.
    pub nuki_id: NukiId,
    /// What it should have done.
    pub action: LockAction,
    /// Who asked.
    pub requester: String,
    /// When.
    pub at: UnixMillis,
}

pub(super) fn insert_intent(tx: &Transaction<'_>, intent: &NewIntent) -> Result<i64, StoreError> {
    tx.first(
        "insert into intents (nuki_id, action, action_code, requester, created_at)
         select nuki_id, ?, ?, ?, ? from locks where nuki_id = ?
         returning id",
        (intent.action.to_string(), intent.action.code(), &intent.requester, intent.at.0, intent.nuki_id),
        |row| row.get(0),
    )?
    .ok_or(StoreError::UnknownLock(intent.nuki_id))
}

impl Store {
    /// Writes an intent down and gives its number. It is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::UnknownLock`], or the file cannot be written: then nothing may be sent.
    pub async fn begin_intent(&self, intent: &NewIntent) -> Result<i64, StoreError> {
        let intent = intent.clone();
        self.write(move |tx| insert_intent(tx, &intent)).await
    }

    /// Who asked for what a lock did; `None` if no intent of this lock has the number.
    ///
    /// Not read by those who read the history, so that a commit never waits for them.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn requester_of(&self, nuki_id: NukiId, intent_id: i64) -> Result<Option<String>, StoreError> {
        let _held = self.hold_time().await;
        Ok(sqlx::query_scalar("select requester from intents where id = ? and nuki_id = ?")
            .bind(intent_id)
            .bind(nuki_id)
            .fetch_optional(&self.seldom)
            .await?)
    }

    /// Ends an open intent.
    ///
    /// # Errors
    /// [`StoreError::IntentNotOpen`] when there is none or it has ended, or the file cannot be written.
    pub async fn finish_intent(
        &self,
        intent_id: i64,
        state: IntentState,
        detail: &str,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        let detail = detail.to_owned();
        self.write(move |tx| {
            let done = tx.run(
                "update intents set state = ?, detail = ?, finished_at = ? where id = ? and state = 'open'",
                (state.name(), detail, at.0, intent_id),
            )?;
            if done == 0 { Err(StoreError::IntentNotOpen(intent_id)) } else { Ok(()) }
        })
        .await
    }

    /// Ends every open intent as [`IntentState::Expired`] and gives what was open, oldest first.
    ///
    /// To be called at the start: an intent of an earlier run is never executed.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn expire_open_intents(&self, at: UnixMillis) -> Result<Vec<OpenIntent>, StoreError> {
        let _held = self.hold_time().await;
        let rows: Vec<(i64, u32, u8, String, i64)> = sqlx::query_as(
            "update intents
             set state = 'expired', detail = 'the gateway stopped before it ended', finished_at = ?
             where state = 'open'
             returning id, nuki_id, action_code, requester, created_at",
        )
        .bind(at.0)
        .fetch_all(&self.seldom)
        .await?;
        let mut open: Vec<OpenIntent> = rows
            .into_iter()
            .map(|(id, nuki_id, action, requester, at)| OpenIntent {
                id,
                nuki_id,
                action: LockAction::from_code(action),
                requester,
                at: UnixMillis(at),
            })
            .collect();
        // SQLite promises no order for returned rows.
        open.sort_by_key(|intent| intent.id);
        Ok(open)
    }
}
