//! One test binary; a module per behaviour.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod hostile_bytes;
mod known_answers;
mod purity;
mod reassembly;
mod sim_radio;
mod sim_sockets;
mod simlock_beacon;
mod simlock_checks;
mod simlock_hostile;
mod simlock_link;
mod simlock_log;
mod simlock_motion;
mod simlock_pairing;
mod support;
