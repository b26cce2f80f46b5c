//! What is known of credentials beyond the life of a process; never anything that a credential could be made from.

use std::collections::BTreeMap;

use crate::clock::UnixMillis;

use super::{Store, StoreError};

/// The memory for used single-use credentials, as it stood when its process had stopped to accept any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedCredentials {
    /// The last second whose credentials are refused whatever they are.
    pub floor: i64,
    /// Used ones, by the second that they carry.
    pub used: Vec<(i64, Vec<u8>)>,
}

impl Store {
    /// Keeps the memory for the next start.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written; then nothing is kept.
    pub async fn keep_used_credentials(&self, memory: &UsedCredentials) -> Result<(), StoreError> {
        let _held = self.hold_time().await;
        let mut tx = self.begin().await?;
        sqlx::query("delete from used_credentials").execute(&mut *tx).await?;
        sqlx::query("insert or replace into credential_floor (id, second) values (1, ?)")
            .bind(memory.floor)
            .execute(&mut *tx)
            .await?;
        for (second, credential) in &memory.used {
            sqlx::query("insert into used_credentials (second, credential) values (?, ?)")
                .bind(second)
                .bind(credential)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Takes the memory that was kept, if there is one. It is gone from the disk before it is given: what a process
    /// has accepted since, an older memory must not make fresh again.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn take_used_credentials(&self) -> Result<Option<UsedCredentials>, StoreError> {
        let _held = self.hold_time().await;
        let mut tx = self.begin().await?;
        let floor: Option<i64> =
            sqlx::query_scalar("select second from credential_floor").fetch_optional(&mut *tx).await?;
        let used = sqlx::query_as("select second, credential from used_credentials").fetch_all(&mut *tx).await?;
        sqlx::query("delete from credential_floor").execute(&mut *tx).await?;
        sqlx::query("delete from used_credentials").execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(floor.map(|floor| UsedCredentials { floor, used }))
    }

    /// Notes when tokens were used last, by name.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn note_token_uses(&self, uses: &BTreeMap<String, UnixMillis>) -> Result<(), StoreError> {
        let _held = self.hold_time().await;
        let mut tx = self.begin().await?;
        for (name, at) in uses {
            sqlx::query("insert or replace into token_uses (name, used_at) values (?, ?)")
                .bind(name)
                .bind(at.0)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Forgets when a token was used.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn forget_token_use(&self, name: &str) -> Result<(), StoreError> {
        let _held = self.hold_time().await;
        sqlx::query("delete from token_uses where name = ?").bind(name).execute(&self.seldom).await?;
        Ok(())
    }

    /// When each token was used last, by name.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn token_uses(&self) -> Result<BTreeMap<String, UnixMillis>, StoreError> {
        let _held = self.hold_time().await;
        let rows: Vec<(String, i64)> =
            sqlx::query_as("select name, used_at from token_uses").fetch_all(&self.readers).await?;
        Ok(rows.into_iter().map(|(name, at)| (name, UnixMillis(at))).collect())
    }
}
