//! Sessions: what to say to a lock, and when. Pure.
//!
//! [`Session`] is one lock's daily life over many links, [`pairing::Pairing`]
//! the making of an authorization. Neither has a clock or does IO.

mod action;
mod channel;
mod daily;
mod exchange;
pub mod pairing;
mod policy;
mod timers;

pub use action::{ActionRequest, NotDone, Outcome, intent_suffix};
pub use channel::ChannelError;
pub use daily::{Input, LogAccess, Output, Session, SessionConfig};
