//! What a simulation in virtual time needs of the store: a clock that waits for the file, and a disk that can be slow,
//! fail to answer and lose what was not synced.

use std::fmt::Debug;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::task::spawn_blocking;

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

/// A call that a simulated disk has let through. It ends when this is dropped.
pub(super) struct DiskCall {
    disk: Arc<dyn SimDisk>,
    _turn: Box<dyn Send>,
}

impl DiskCall {
    async fn begin(disk: &Arc<dyn SimDisk>) -> Self {
        Self { disk: Arc::clone(disk), _turn: disk.before().await }
    }
}

impl Drop for DiskCall {
    fn drop(&mut self) {
        self.disk.after();
    }
}

/// While it lives, a call goes on in threads that tokio does not see, and its paused clock stands still.
pub(super) struct HeldTime {
    _call: Option<DiskCall>,
    _release: mpsc::Sender<()>,
}

impl HeldTime {
    /// tokio's clock does not advance by itself while a blocking task runs.
    pub(super) fn begin() -> Self {
        let (release, released) = mpsc::channel();
        // It ends when the sender is dropped; there is nothing to wait for.
        drop(spawn_blocking(move || released.recv()));
        Self { _call: None, _release: release }
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
    /// For a call that sqlx makes, on SQLite's threads.
    pub(super) async fn hold(&self) -> Option<HeldTime> {
        if matches!(self, Self::Real) {
            return None;
        }
        let call = self.call().await;
        Some(HeldTime { _call: call, ..HeldTime::begin() })
    }

    /// For a call that [`block`](Self::block) makes.
    pub(super) async fn call(&self) -> Option<DiskCall> {
        match self {
            Self::Real | Self::Virtual => None,
            Self::Simulated(disk) => Some(DiskCall::begin(disk).await),
        }
    }

    /// Does `work`, which blocks, where nothing waits for it; whoever goes away meanwhile does not end it. In virtual time it
    /// is done at once and here: nothing is kept waiting by it, and another thread would only add its chance to the order
    /// of things.
    pub(super) async fn block<T: Send + 'static>(
        &self,
        call: Option<DiskCall>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        match self {
            Self::Real => spawn_blocking(work).await.map_err(StoreError::BrokenOff),
            Self::Virtual | Self::Simulated(_) => {
                let done = work();
                drop(call);
                Ok(done)
            }
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
