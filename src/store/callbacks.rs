//! Receivers of the Bridge API: three slots, kept over restarts.

use crate::clock::UnixMillis;

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
    /// Registers a receiver in the lowest free slot.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn add_callback(&self, url: &str, at: UnixMillis) -> Result<AddCallback, StoreError> {
        let _held = self.hold_time();
        let mut tx = self.begin().await?;
        let taken: Vec<(u8, String)> = sqlx::query_as("select id, url from callbacks").fetch_all(&mut *tx).await?;
        if taken.iter().any(|(_, known)| known == url) {
            return Ok(AddCallback::AlreadyAdded);
        }
        let Some(free) = (0..CALLBACK_SLOTS).find(|id| taken.iter().all(|(other, _)| other != id)) else {
            return Ok(AddCallback::Full);
        };
        sqlx::query("insert into callbacks (id, url, added_at) values (?, ?, ?)")
            .bind(free)
            .bind(url)
            .bind(at.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(AddCallback::Added(free))
    }

    /// Every receiver, in the order of registration.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn callbacks(&self) -> Result<Vec<Callback>, StoreError> {
        let _held = self.hold_time();
        let rows: Vec<(u8, String, i64)> =
            sqlx::query_as("select id, url, added_at from callbacks order by seq").fetch_all(&self.readers).await?;
        Ok(rows.into_iter().map(|(id, url, at)| Callback { id, url, added_at: UnixMillis(at) }).collect())
    }

    /// Removes a receiver and what it was still to be told; `false` if the slot was free.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn remove_callback(&self, id: u8) -> Result<bool, StoreError> {
        let _held = self.hold_time();
        let mut tx = self.begin().await?;
        sqlx::query(
            "delete from outbox
             where state = 'waiting' and callback_seq = (select seq from callbacks where id = ?)",
        )
        .bind(id)
        .execute(&mut *tx)
        .await?;
        // Rows that ended stay for the audit; the foreign key clears their receiver.
        let removed = sqlx::query("delete from callbacks where id = ?").bind(id).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(removed.rows_affected() > 0)
    }
}
