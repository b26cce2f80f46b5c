//! A simulated lock.
