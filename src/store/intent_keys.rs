//! Keys by which clients name their requests, so that a repeated one is answered and not executed again.

use std::time::Duration;

use rusqlite::Transaction;
use sha2::{Digest, Sha256};

use crate::clock::UnixMillis;
use crate::protocol::LockAction;
use crate::protocol::beacon::NukiId;

use super::intents::{IntentState, NewIntent, insert_intent};
use super::writer::Statements as _;
use super::{Store, StoreError};

/// A key counts for so long.
pub const KEYS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// So many keys of one client are remembered. Its next one is refused: to forget an old one early would be to execute it again.
pub const KEYS_LIMIT: u32 = 10_000;

/// A client's key for one request, as its SHA-256: what a client writes there is its own affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdempotencyKey {
    digest: [u8; 32],
    /// Another digest of the same text, which is never stored.
    salt: [u8; 32],
}

impl IdempotencyKey {
    /// Of the text as it was sent.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let salt = Sha256::new().chain_update(b"what the key is for").chain_update(text).finalize().into();
        Self { digest: Sha256::digest(text).into(), salt }
    }

    /// A digest of what is asked for under the key. Who does not have the key's text cannot try out what it was.
    #[must_use]
    pub fn salted(&self, wish: &[u8]) -> [u8; 32] {
        Sha256::new().chain_update(self.salt).chain_update(wish).finalize().into()
    }

    /// What the database has of it.
    pub(super) const fn digest(&self) -> &[u8] {
        self.digest.as_slice()
    }
}

/// The intent that a key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedIntent {
    /// Its number.
    pub id: i64,
    /// Of which lock.
    pub nuki_id: NukiId,
    /// What it asked for.
    pub action: LockAction,
    /// How it ended; `None` while it is open.
    pub state: Option<IntentState>,
}

/// What became of an intent with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is written down under this number.
    New(i64),
    /// The client has used its key before, for this.
    Before(KeyedIntent),
    /// Too many keys of the client are remembered; the first one is forgotten after this time.
    TooMany(Duration),
}

impl Store {
    /// What a client's key stands for.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn keyed_intent(
        &self,
        requester: &str,
        key: &IdempotencyKey,
        now: UnixMillis,
    ) -> Result<Option<KeyedIntent>, StoreError> {
        let _held = self.hold_time().await;
        let row = sqlx::query_as(KEYED)
            .bind(requester)
            .bind(key.digest())
            .bind(now.before(KEYS_KEPT).0)
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.map(keyed))
    }

    /// Writes an intent down together with its key, unless the key was used before. It is on disk when this returns.
    ///
    /// # Errors
    /// As [`begin_intent`](Self::begin_intent).
    pub async fn begin_keyed_intent(&self, intent: &NewIntent, key: &IdempotencyKey) -> Result<Begun, StoreError> {
        let (intent, key) = (intent.clone(), *key);
        self.write(move |tx| begin(tx, &intent, &key)).await
    }

    /// Frees the key of an intent that never left, so that the client may ask again under it.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn release_key(&self, intent_id: i64) -> Result<(), StoreError> {
        let _held = self.hold_time().await;
        sqlx::query("delete from intent_keys where intent_id = ?").bind(intent_id).execute(&self.seldom).await?;
        Ok(())
    }
}

fn begin(tx: &Transaction<'_>, intent: &NewIntent, key: &IdempotencyKey) -> Result<Begun, StoreError> {
    let (requester, forgotten) = (&intent.requester, intent.at.before(KEYS_KEPT).0);
    tx.run("delete from intent_keys where requester = ? and created_at <= ?", (requester, forgotten))?;
    let known = tx.first(KEYED, (requester, key.digest(), forgotten), |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    if let Some(known) = known {
        return Ok(Begun::Before(keyed(known)));
    }
    let (count, oldest): (u32, Option<i64>) =
        tx.one("select count(*), min(created_at) from intent_keys where requester = ?", [requester], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    if count >= KEYS_LIMIT {
        let free_at = UnixMillis(oldest.unwrap_or(intent.at.0)).plus(KEYS_KEPT);
        return Ok(Begun::TooMany(free_at.since(intent.at)));
    }
    let id = insert_intent(tx, intent)?;
    tx.run(
        "insert into intent_keys (requester, digest, intent_id, created_at) values (?, ?, ?, ?)",
        (requester, key.digest(), id, intent.at.0),
    )?;
    Ok(Begun::New(id))
}

/// What a client's key stands for.
const KEYED: &str = "select i.id, i.nuki_id, i.action_code, i.state
     from intent_keys k join intents i on i.id = k.intent_id
     where k.requester = ? and k.digest = ? and k.created_at > ?";

fn keyed((id, nuki_id, action, state): (i64, NukiId, u8, String)) -> KeyedIntent {
    KeyedIntent { id, nuki_id, action: LockAction::from_code(action), state: IntentState::from_name(&state) }
}
