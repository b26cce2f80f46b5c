//! A setting that can be changed while it is in use.

use std::sync::{Arc, PoisonError, RwLock};

/// A value that another one can take the place of. To be cloned freely: all clones are one.
#[derive(Debug)]
pub struct Live<T>(Arc<RwLock<Arc<T>>>);

impl<T> Live<T> {
    /// The value of now. Whoever holds it keeps it, whatever comes after.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        // Values are put there whole, so a panic elsewhere leaves nothing half done.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on this one.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<T> for Live<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }
}
