//! Sessions: what to say to a lock, and when. Pure.
//!
//! [`Session`] is one lock's daily life over many links, [`pairing::Pairing`]
//! the making of an authorization. Neither has a clock or does IO.

mod acting;
mod action;
mod channel;
mod daily;
mod due;
mod exchange;
mod io;
mod link;
pub mod pairing;
mod policy;
mod replies;
mod timers;
mod work;

pub use action::{ActionRequest, NotDone, Outcome, intent_suffix};
pub use channel::ChannelError;
pub use daily::Session;
pub use io::{Input, LogAccess, Output, SessionConfig};
