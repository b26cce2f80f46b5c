//! Who did it: joins state changes and log entries, and says how sure it is. Pure.

mod directory;
mod event;

pub use directory::{Directory, User};
pub use event::{Attribution, Event, EventKind, Method, StateChange, UnknownReason, Who};
