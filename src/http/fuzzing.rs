//! What has to be true of every answer of the parsers behind the port; called by [`fuzzing`](crate::fuzzing).

mod credential;
mod header;
mod query;

pub use credential::credential;
pub use header::header;
pub use query::query;

pub use super::v1::fuzzing::body;

/// Every byte as an escape: what has to be read as the same text, whatever stands in it.
pub(super) fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
