//! Sessions: what to say to a lock, and when. Pure.
//!
//! [`Session`] is one lock's daily life over many links, [`pairing::Pairing`]
//! the making of an authorization, [`visit::Visit`] a few questions of an owner. None has a clock or does IO.

mod acting;
mod action;
mod ahead;
mod channel;
mod clock;
mod codes;
mod daily;
mod directory;
mod due;
mod exchange;
mod io;
mod link;
mod lists;
mod lock_n_go;
mod logs;
pub mod pairing;
mod pin;
mod policy;
mod replies;
mod silence;
mod timers;
pub mod visit;
mod work;

pub use action::{ActionRequest, NotDone, Outcome, intent_suffix};
pub use channel::ChannelError;
pub use clock::{CLOCK_LIMIT, ClockVerdict, clock_skew, clock_verdict};
pub use codes::{CodeChange, CodeNotChanged};
pub use daily::Session;
pub use io::{Anchor, ClockNotSet, Input, Listed, LogAccess, Output, SessionConfig};
pub use pin::PinTries;
