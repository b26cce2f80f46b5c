//! Where session and transport meet: an actor per lock, an arbiter per adapter.

mod handle;

pub use handle::{ActionOutcome, GatewayError, GatewayHandle, LockSnapshot, NotDone, ScanResult, WaitFor};
