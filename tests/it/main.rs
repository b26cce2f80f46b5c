//! One test binary; a module per behaviour.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod bridge_actions;
mod bridge_auth;
mod bridge_wire;
mod callback_body;
mod callback_worker;
mod callbacks;
mod history;
mod http_logging;
mod http_support;
