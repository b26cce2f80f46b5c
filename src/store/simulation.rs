//! What a simulation in virtual time needs of the store: a clock that waits for the file, and a disk that can be slow,
//! fail to answer and lose what was not synced.

use std::fmt::Debug;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures::future::BoxFuture;

use super::{Store, StoreError};

/// The disk of a simulated machine, asked around every call of the store.
///
/// The file under it is a real one. What a simulation adds is time, and the moment at which the machine stops: a call
/// that [`before`](Self::before) never lets through was not made, one that [`after`](Self::after) has seen was made, and
/// its caller does not know it yet.
pub trait SimDisk: Debug + Send + Sync {
    /// Before a call; what it holds is given back after the call.
    fn before(&self) -> BoxFuture<'_, Box<dyn Send>>;
    /// The call has ended, and its caller was not told.
    fn after(&self);
}

/// While it lives, a call is under way, and a paused tokio clock stands still.
pub(super) struct HeldTime {
    disk: Option<(Arc<dyn SimDisk>, Box<dyn Send>)>,
    _release: mpsc::Sender<()>,
}

impl HeldTime {
    /// tokio's clock does not advance by itself while a blocking task runs.
    pub(super) fn begin() -> Self {
        let (release, released) = mpsc::channel();
        // It ends when the sender is dropped; there is nothing to wait for.
        drop(tokio::task::spawn_blocking(move || released.recv()));
        Self { disk: None, _release: release }
    }

    /// The same, on a simulated disk.
    pub(super) async fn begin_on(disk: &Arc<dyn SimDisk>) -> Self {
        let turn = disk.before().await;
        let mut held = Self::begin();
        held.disk = Some((Arc::clone(disk), turn));
        held
    }
}

impl Drop for HeldTime {
    fn drop(&mut self) {
        if let Some((disk, _turn)) = self.disk.take() {
            disk.after();
        }
    }
}

/// Which time the store keeps.
#[derive(Debug, Clone, Default)]
pub(super) enum Time {
    /// The world's.
    #[default]
    Real,
    /// tokio's, which may be paused.
    Virtual,
    /// The same, with a simulated disk.
    Simulated(Arc<dyn SimDisk>),
}

impl Time {
    pub(super) async fn hold(&self) -> Option<HeldTime> {
        match self {
            Self::Real => None,
            Self::Virtual => Some(HeldTime::begin()),
            Self::Simulated(disk) => Some(HeldTime::begin_on(disk).await),
        }
    }
}

/// `pragma synchronous` of a connection that syncs the write-ahead log at each commit.
const FULL: i64 = 2;

impl Store {
    /// Whether the disk is told to sync at each commit. If it is not, a simulated one keeps nothing over a power cut.
    ///
    /// # Errors
    /// [`StoreError`] when a connection that writes cannot be asked.
    pub async fn syncs_every_commit(&self) -> Result<bool, StoreError> {
        let often: i64 = self.write(|tx| Ok(tx.query_row("pragma synchronous", (), |row| row.get(0))?)).await?;
        let _held = self.hold_time().await;
        let seldom: i64 = sqlx::query_scalar("pragma synchronous").fetch_one(&self.seldom).await?;
        Ok(often.min(seldom) >= FULL)
    }

    /// From now on a write fails at once while another program holds the file. Otherwise it would wait in the world's
    /// time, in which a simulated disk has no part.
    ///
    /// # Errors
    /// [`StoreError`] when a connection that writes cannot be told.
    pub async fn wait_for_nobody(&self) -> Result<(), StoreError> {
        self.write(|tx| Ok(tx.busy_timeout(Duration::ZERO)?)).await?;
        let _held = self.hold_time().await;
        sqlx::query("pragma busy_timeout = 0").execute(&self.seldom).await?;
        Ok(())
    }
}
