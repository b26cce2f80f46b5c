//! Who did it: joins state changes and log entries, and says how sure it is. Pure.

mod directory;
mod draft;
mod entry;
mod event;
mod explain;
mod journal;
mod names;
mod pace;
mod question;
#[cfg(test)]
mod samples;
mod step;
mod tenure;
mod trail;

pub use directory::{Code, Directory, User, UserThen};
pub use draft::{Draft, JournalConfig, LogBlocked, Observation, Output, Pending, Telling};
pub use entry::{event_of, is_refusal};
pub use event::{Attribution, Event, EventKind, Method, StateChange, UnknownReason, Who};
pub use journal::Journal;
pub use tenure::Order;
