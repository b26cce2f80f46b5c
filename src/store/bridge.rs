//! What clients of the Bridge API have switched, kept over restarts.

use super::{Store, StoreError};

impl Store {
    /// Whether `/auth` is switched on.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn auth_enabled(&self) -> Result<bool, StoreError> {
        let _held = self.hold_time().await;
        Ok(sqlx::query_scalar("select auth_enabled from bridge_switch where id = 1").fetch_one(&self.readers).await?)
    }

    /// Switches `/auth` on or off.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn set_auth_enabled(&self, enabled: bool) -> Result<(), StoreError> {
        let _held = self.hold_time().await;
        let mut tx = self.begin().await?;
        sqlx::query("update bridge_switch set auth_enabled = ? where id = 1").bind(enabled).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }
}
