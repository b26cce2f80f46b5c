//! Keyturner: a gateway for Nuki smart locks that says who opened the door.
//!
//! Radio in, truth on disk, then tell. The rooms and their directions:
//!
//! ```text
//! protocol  <-  session  <-  gateway  ->  transport (bluez | sim)
//!    ^             ^            |
//!    |         attribution  <---+--->  store  <-  delivery
//!    |                                   ^
//! simlock                               http
//! ```
//!
//! `protocol`, `session`, `attribution` and `simlock` are pure: time comes in
//! as an argument, bytes go in and out as values. Everything else needs the
//! feature `daemon`.

pub mod attribution;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod protocol;
pub mod session;
pub mod simlock;

#[cfg(feature = "daemon")]
pub mod access;
#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
pub mod clock;
#[cfg(feature = "daemon")]
pub mod config;
#[cfg(feature = "daemon")]
pub mod daemon;
#[cfg(feature = "daemon")]
pub mod delivery;
#[cfg(feature = "daemon")]
pub mod diagnostics;
#[cfg(feature = "daemon")]
pub mod gateway;
#[cfg(feature = "daemon")]
pub mod http;
#[cfg(feature = "daemon")]
pub mod live;
#[cfg(feature = "daemon")]
mod logging;
#[cfg(feature = "daemon")]
pub mod metrics;
#[cfg(feature = "daemon")]
mod owner;
#[cfg(feature = "daemon")]
pub mod pairing;
#[cfg(feature = "daemon")]
pub mod pins;
#[cfg(feature = "daemon")]
pub mod pulse;
#[cfg(feature = "daemon")]
pub mod secrets;
#[cfg(feature = "daemon")]
pub mod store;
#[cfg(feature = "daemon")]
mod table;
#[cfg(feature = "daemon")]
pub mod tokens;
#[cfg(feature = "daemon")]
pub mod transport;
