//! Looking at the radio without changing anything.

use super::errors::Stage;
use super::{limited, limits};
use crate::transport::{Address, TransportError};

/// An adapter as BlueZ shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterFacts {
    /// Such as `hci0`.
    pub name: String,
    /// Its own address.
    pub address: Address,
    /// Whether it is switched on; the gateway does that itself where it may.
    pub is_powered: bool,
}

/// The adapter of this name, or the one that the gateway would take. Nothing is switched on or scanned.
///
/// # Errors
/// [`TransportError`] with what to do: no D-Bus, no bluetoothd, no right to talk to it, no such adapter.
pub async fn look_at_adapter(name: Option<&str>) -> Result<AdapterFacts, TransportError> {
    let (_session, adapter) = super::choose(name).await?;
    let what = adapter.name();
    let address = limited(Stage::Adapter, what, limits::CALL, adapter.address()).await?;
    let is_powered = limited(Stage::Adapter, what, limits::CALL, adapter.is_powered()).await?;
    Ok(AdapterFacts { name: what.to_owned(), address: address.into(), is_powered })
}
