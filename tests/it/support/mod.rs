//! Helpers that several behaviours share.

pub(crate) mod bench;
pub(crate) mod central;
