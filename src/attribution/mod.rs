//! Who did it: joins state changes and log entries, and says how sure it is. Pure.

mod directory;
mod entry;
mod event;
mod explain;
mod journal;

pub use directory::{Directory, User};
pub use entry::{event_of, is_refusal};
pub use event::{Attribution, Event, EventKind, Method, StateChange, UnknownReason, Who};
pub use journal::{Draft, Journal, JournalConfig, LogBlocked, Observation, Output, Pending, Telling};
