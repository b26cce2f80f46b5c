//! What a simulation in virtual time needs of the store: a clock that waits for the file, and a disk that can be slow,
//! fail to answer and lose what was not synced.

use std::fmt::Debug;
use std::sync::{Arc, mpsc};

use futures::future::BoxFuture;

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
