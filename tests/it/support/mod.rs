//! Helpers that several behaviours share.

pub(crate) mod bench;
pub(crate) mod central;
#[cfg(feature = "daemon")]
pub(crate) mod house;
pub(crate) mod dice;
pub(crate) mod world;
