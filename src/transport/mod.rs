//! The radio as the gateway sees it: scan, connect, write, indications, disconnect.
//!
//! [`bluez`] is the real one, [`sim`] a simulated one; the gateway cannot tell.

pub mod bluez;
pub mod sim;

use std::fmt;
use std::str::FromStr;

use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::protocol::beacon::Advertisement;
use crate::protocol::gatt::{Characteristic, Generation};

/// A public Bluetooth device address, most significant byte first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(pub [u8; 6]);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

/// The text is not `AA:BB:CC:DD:EE:FF`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0:?} is not a Bluetooth address such as 54:D2:72:01:02:03")]
pub struct BadAddress(String);

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bytes: Option<Vec<u8>> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
        bytes.and_then(|b| <[u8; 6]>::try_from(b).ok()).map(Self).ok_or_else(|| BadAddress(text.to_owned()))
    }
}

/// One advertisement of a Nuki device, as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// Who sent it.
    pub address: Address,
    /// How strong, dBm.
    pub rssi: Option<i16>,
    /// What it says.
    pub advertisement: Advertisement,
}

/// What a link is for; decides which characteristics are subscribed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The pairing characteristic.
    Pairing,
    /// The encrypted characteristic, and the plain one for refusals where it exists.
    Daily,
}

/// A value that the peripheral indicated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indication {
    /// Where.
    pub characteristic: Characteristic,
    /// What, as received: not reassembled.
    pub value: Vec<u8>,
}

/// An open connection with its subscriptions in place.
pub struct Link {
    /// Found from the GATT table.
    pub generation: Generation,
    /// Values in the order received; ends when the link is gone.
    pub indications: mpsc::Receiver<Indication>,
    /// The sending half.
    pub writer: Box<dyn LinkWriter>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// The sending half of a link. Dropping it disconnects too, without waiting.
pub trait LinkWriter: Send {
    /// Writes one whole message with response.
    fn write(&mut self, characteristic: Characteristic, value: Vec<u8>) -> BoxFuture<'_, Result<(), TransportError>>;

    /// Disconnects and waits until that is done, within the transport's own time limit.
    fn disconnect(self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>>;
}

/// A radio.
pub trait Transport: Send + Sync + 'static {
    /// Starts continuous scanning. The stream ends when the radio fails; the caller then starts anew.
    fn scan(&self) -> BoxFuture<'_, Result<mpsc::Receiver<Sighting>, TransportError>>;

    /// Connects, finds the characteristics, subscribes to their indications.
    fn connect(&self, address: Address, purpose: Purpose) -> BoxFuture<'_, Result<Link, TransportError>>;

    /// Name of the adapter that was used last, where there are several to choose from.
    fn adapter(&self) -> Option<String> {
        None
    }
}

/// Why the radio did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct TransportError {
    /// What class of failure; decides what to do next.
    pub kind: TransportErrorKind,
    /// What the system said.
    pub detail: String,
}

impl TransportError {
    /// An error from its parts.
    #[must_use]
    pub fn new(kind: TransportErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

/// Classes of radio failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportErrorKind {
    /// No adapter, or it is switched off; plug it in, or `rfkill unblock bluetooth`.
    #[error("no usable Bluetooth adapter")]
    NoAdapter,
    /// bluetoothd or the D-Bus system bus does not answer.
    #[error("the Bluetooth service is not reachable")]
    ServiceUnavailable,
    /// The user may not talk to bluetoothd.
    #[error("no permission to use Bluetooth")]
    NotPermitted,
    /// Another operation is under way.
    #[error("the adapter is busy")]
    Busy,
    /// The device did not answer in time.
    #[error("timed out")]
    Timeout,
    /// The connection could not be made.
    #[error("the connection failed")]
    ConnectFailed,
    /// The connection is gone.
    #[error("the connection was lost")]
    LinkLost,
    /// The device lacks a service or characteristic that is needed.
    #[error("the device does not offer what is needed")]
    MissingCharacteristic,
    /// Anything else.
    #[error("the radio failed")]
    Other,
}

impl TransportErrorKind {
    /// What its owner can do about it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::NoAdapter => "plug in an adapter or name another one, and check `rfkill list bluetooth`",
            Self::ServiceUnavailable => "check `systemctl status bluetooth dbus`",
            Self::NotPermitted => "add the user to the group bluetooth and log in again, or install the D-Bus policy",
            Self::Busy => {
                "another program uses the adapter: end its scan or connection (`bluetoothctl scan off`, another gateway, \
                 a home automation's own Bluetooth), or give this one an adapter of its own; then try again"
            }
            Self::Timeout | Self::ConnectFailed => {
                "bring the lock within reach, see that no phone is linked to it at this moment, and try again"
            }
            Self::LinkLost => "the signal may be weak: bring the computer nearer to the lock, and try again",
            Self::MissingCharacteristic => "is this a lock? If so, `bluetoothctl remove` its address, and try again",
            Self::Other => "`keyturner doctor` looks at each part",
        }
    }

    /// Whether it is about this computer and not about a lock.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::NoAdapter | Self::ServiceUnavailable | Self::NotPermitted)
    }
}
