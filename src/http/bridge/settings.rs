//! The section `[bridge]` of the configuration.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;

/// The longest age at which a state is passed off as live.
const LONGEST_AGE: u16 = 300;

/// What the owner may set about the Bridge API.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BridgeSettings {
    /// How old a state may be that `/lockState` answers without asking the lock.
    pub lock_state_max_age: MaxAge,
    /// What clients may do to the gateway itself.
    pub allow: BTreeSet<Maintenance>,
}

/// Seconds, 0 to 300; 0 asks the lock each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "u16")]
pub struct MaxAge(u16);

impl MaxAge {
    /// As a time.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0))
    }
}

/// A state older than five minutes says nothing about a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} seconds are too many: lock_state_max_age is 0 to {LONGEST_AGE}")]
pub struct TooOld(u16);

impl TryFrom<u16> for MaxAge {
    type Error = TooOld;

    fn try_from(seconds: u16) -> Result<Self, TooOld> {
        if seconds <= LONGEST_AGE { Ok(Self(seconds)) } else { Err(TooOld(seconds)) }
    }
}

/// Requests that change the gateway itself, or end what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Maintenance {
    /// `/reboot`.
    Reboot,
    /// `/unpair`.
    Unpair,
    /// `/factoryReset`.
    FactoryReset,
}
