//! Receivers of the Bridge API: three slots, kept over restarts.

use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;

use super::outbox::FORGET_WAITING;
use super::{Store, StoreError};

/// Slots of the Bridge API, numbered from 0.
pub const CALLBACK_SLOTS: u8 = 3;

/// A registered receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// Its slot.
    pub id: u8,
    /// Its URL, byte for byte as given.
    pub url: String,
    /// When it was registered.
    pub added_at: UnixMillis,
}

/// A receiver to be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewCallback<'a> {
    /// Its URL.
    pub url: &'a str,
    /// It gets the vendor's keys alone.
    pub is_bare: bool,
    /// When it is registered.
    pub at: UnixMillis,
}

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddCallback {
    /// It has this slot.
    Added(u8),
    /// The same URL is registered; nothing was changed.
    AlreadyAdded,
    /// Every slot is taken.
    Full,
}

impl Store {
    /// Registers a receiver that gets everything, from the next change on.
    ///
    /// # Errors
    /// As [`register_callback`](Self::register_callback).
    pub async fn add_callback(&self, url: &str, at: UnixMillis) -> Result<AddCallback, StoreError> {
        self.register_callback(NewCallback { url, is_bare: false, at }, Vec::new).await
    }

    /// Registers a receiver in the lowest free slot, and has it told what `current` says.
    ///
    /// `current` is asked while nobody else writes, so that what it says is told
    /// before whatever is stored later.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn register_callback(
        &self,
        new: NewCallback<'_>,
        current: impl FnOnce() -> Vec<(NukiId, String)> + Send,
    ) -> Result<AddCallback, StoreError> {
        let NewCallback { url, is_bare, at } = new;
        let _held = self.hold_time().await;
        let mut tx = self.begin().await?;
        let taken: Vec<(u8, String)> = sqlx::query_as("select id, url from callbacks").fetch_all(&mut *tx).await?;
        if taken.iter().any(|(_, known)| known == url) {
            return Ok(AddCallback::AlreadyAdded);
        }
        let Some(free) = (0..CALLBACK_SLOTS).find(|id| taken.iter().all(|(other, _)| other != id)) else {
            return Ok(AddCallback::Full);
        };
        let seq: i64 =
            sqlx::query_scalar("insert into callbacks (id, url, added_at, bare) values (?, ?, ?, ?) returning seq")
                .bind(free)
                .bind(url)
                .bind(at.0)
                .bind(is_bare)
                .fetch_one(&mut *tx)
                .await?;
        for (nuki_id, body) in current() {
            sqlx::query("insert into outbox (callback_seq, url, nuki_id, body, created_at) values (?, ?, ?, ?, ?)")
                .bind(seq)
                .bind(url)
                .bind(nuki_id)
                .bind(body)
                .bind(at.0)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(AddCallback::Added(free))
    }

    /// Says anew which receivers get the vendor's keys alone, by their URLs. What waits already stays as it is.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn set_bare_callbacks(&self, is_bare: impl Fn(&str) -> bool + Send) -> Result<(), StoreError> {
        for callback in self.callbacks().await? {
            let _held = self.hold_time().await;
            sqlx::query("update callbacks set bare = ?1 where id = ?2 and url = ?3 and bare <> ?1")
                .bind(is_bare(&callback.url))
                .bind(callback.id)
                .bind(&callback.url)
                .execute(&self.seldom)
                .await?;
        }
        Ok(())
    }

    /// Every receiver, in the order of registration.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn callbacks(&self) -> Result<Vec<Callback>, StoreError> {
        let _held = self.hold_time().await;
        let rows: Vec<(u8, String, i64)> =
            sqlx::query_as("select id, url, added_at from callbacks order by seq").fetch_all(&self.readers).await?;
        Ok(rows.into_iter().map(|(id, url, at)| Callback { id, url, added_at: UnixMillis(at) }).collect())
    }

    /// Removes a receiver and what it was still to be told; `false` if the slot was free.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn remove_callback(&self, id: u8) -> Result<bool, StoreError> {
        let _held = self.hold_time().await;
        let mut tx = self.begin().await?;
        sqlx::query(FORGET_WAITING).bind(id).execute(&mut *tx).await?;
        // Rows that ended stay for the audit; the foreign key clears their receiver.
        let removed = sqlx::query("delete from callbacks where id = ?").bind(id).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(removed.rows_affected() > 0)
    }
}
