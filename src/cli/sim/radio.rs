//! What the lock and its radio say to each other, whatever the radio is.
//!
//! Links have the radio's numbers here; it may use one again after [`FromRadio::Disconnected`].

use crate::protocol::gatt::Characteristic;
use crate::simlock::Advertising;

/// What the lock tells its radio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ToRadio {
    /// First of all: you are the radio.
    Hello,
    /// Put this on the air.
    Advertise(Advertising),
    /// Indicate; the next one on this link follows [`FromRadio::Confirmed`].
    Indicate { link: u32, characteristic: Characteristic, value: Vec<u8> },
    /// Close a link.
    Disconnect { link: u32 },
    /// What you said was not understood, or you may not be the radio.
    Error(String),
}

/// What a radio tells the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FromRadio {
    /// A central connected.
    Connected { link: u32, mtu: u16 },
    /// The MTU was negotiated.
    Mtu { link: u32, mtu: u16 },
    /// A central wrote a client configuration.
    Subscribed { link: u32, characteristic: Characteristic, indications: bool },
    /// A central wrote a whole value.
    Write { link: u32, characteristic: Characteristic, value: Vec<u8> },
    /// A central confirmed.
    Confirmed { link: u32 },
    /// A link is gone.
    Disconnected { link: u32 },
}
