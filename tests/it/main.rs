//! One test binary; a module per behaviour.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod attribution_property;
mod bridge_actions;
mod bridge_auth;
mod bridge_wire;
mod callback_body;
mod callback_worker;
mod callbacks;
#[cfg(feature = "daemon")]
mod gateway_who;
mod history;
mod hostile_bytes;
mod http_logging;
mod http_support;
mod known_answers;
mod purity;
mod reassembly;
mod secrets;
mod sim_radio;
mod simlock_pairing;
#[cfg(feature = "daemon")]
mod store;
#[cfg(feature = "daemon")]
mod store_audit;
#[cfg(feature = "daemon")]
mod store_commit;
#[cfg(feature = "daemon")]
mod store_history;
#[cfg(feature = "daemon")]
mod store_open;
#[cfg(feature = "daemon")]
mod store_outbox;
#[cfg(feature = "daemon")]
mod store_users;
mod support;
