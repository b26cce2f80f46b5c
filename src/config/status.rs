//! What became of the configuration while the gateway runs, for whoever asks how it is.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::UnixMillis;

/// The last word on the configuration. To be cloned freely: all clones are one.
#[derive(Debug, Clone, Default)]
pub struct ConfigStatus(Arc<Mutex<ConfigHealth>>);

/// How the configuration is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigHealth {
    /// The file that was read; `None` if there is none.
    pub file: Option<PathBuf>,
    /// When what counts was read; `None` for a gateway without a configuration of its own.
    pub loaded_at: Option<UnixMillis>,
    /// Why the last reload was refused, so that what was read before counts on.
    pub problem: Option<String>,
    /// Keys that have another value in the file and count only after a restart.
    pub needs_restart: Vec<String>,
}

impl ConfigStatus {
    /// As it is now.
    #[must_use]
    pub fn get(&self) -> ConfigHealth {
        self.lock().clone()
    }

    /// This file counts, but for these keys.
    pub fn loaded(&self, file: Option<PathBuf>, at: UnixMillis, needs_restart: Vec<String>) {
        *self.lock() = ConfigHealth { file, loaded_at: Some(at), problem: None, needs_restart };
    }

    /// What counted counts on, and why.
    pub fn refused(&self, problem: String) {
        self.lock().problem = Some(problem);
    }

    fn lock(&self) -> MutexGuard<'_, ConfigHealth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
