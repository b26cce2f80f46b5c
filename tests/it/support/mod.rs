//! Helpers that several behaviours share.

pub(crate) mod bench;
#[cfg(feature = "daemon")]
pub(crate) mod central;
#[cfg(feature = "daemon")]
pub(crate) mod daemon;
pub(crate) mod dice;
#[cfg(feature = "daemon")]
pub(crate) mod fake_bluez;
#[cfg(feature = "daemon")]
pub(crate) mod golden;
#[cfg(feature = "daemon")]
pub(crate) mod house;
#[cfg(feature = "daemon")]
pub(crate) mod house_cli;
#[cfg(feature = "daemon")]
pub(crate) mod journal;
#[cfg(feature = "daemon")]
pub(crate) mod listener;
pub(crate) mod pair;
pub(crate) mod puppet;
#[cfg(feature = "daemon")]
pub(crate) mod rows;
pub(crate) mod states;
#[cfg(feature = "daemon")]
pub(crate) mod webhooks;
pub(crate) mod world;
