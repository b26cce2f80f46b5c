//! What goes into a simulated lock and what comes out.

use std::time::Duration;

use crate::protocol::gatt::Characteristic;

use super::fault::Fault;
use super::owner::Owner;
use super::people::Person;

/// A point in time on both clocks of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Time since any fixed point; never goes back.
    pub mono: Duration,
    /// Seconds since 1970-01-01 UTC; the lock's clock starts from it.
    pub unix_seconds: i64,
}

impl Moment {
    /// The moment at an earlier point of `mono`.
    pub(super) fn back_to(self, mono: Duration) -> Self {
        let passed = i64::try_from(self.mono.saturating_sub(mono).as_secs()).unwrap_or(i64::MAX);
        Self { mono, unix_seconds: self.unix_seconds.saturating_sub(passed) }
    }
}

/// One connection of a central; never used again once it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u32);

/// Something that happens to the lock.
#[derive(Debug, Clone)]
pub enum Input {
    /// Only time passed.
    Tick,
    /// A central connected.
    Connected {
        /// Its link.
        link: LinkId,
        /// The link's ATT MTU, at least 23.
        mtu: u16,
    },
    /// The ATT MTU was negotiated anew.
    MtuChanged {
        /// Which link.
        link: LinkId,
        /// The MTU.
        mtu: u16,
    },
    /// A link is gone, for whatever reason.
    Disconnected {
        /// Which link.
        link: LinkId,
    },
    /// A central wrote the client configuration of a characteristic.
    Subscribed {
        /// Which link.
        link: LinkId,
        /// Which characteristic.
        characteristic: Characteristic,
        /// Whether it wants indications.
        indications: bool,
    },
    /// A central wrote a whole value.
    Write {
        /// Which link.
        link: LinkId,
        /// Which characteristic.
        characteristic: Characteristic,
        /// The value.
        value: Vec<u8>,
    },
    /// A central confirmed the outstanding indication.
    Confirmed {
        /// Which link.
        link: LinkId,
    },
    /// Somebody does something at the door.
    Person(Person),
    /// The lock's zone is set to so many minutes from UTC, as summer time does.
    SetZone(i16),
    /// The button was held for five seconds (true), or pairing mode was left (false).
    PairingMode(bool),
    /// The lock's clock is set to these seconds since 1970.
    SetClock(i64),
    /// The log is cleared, and its numbers begin anew.
    ClearLog,
    /// The owner changes something with the vendor's app.
    Owner(Owner),
    /// Something shall go wrong.
    Fault(Fault),
}

/// Something the radio shall do for the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Indicate a value; the next one on this link comes after [`Input::Confirmed`].
    Indicate {
        /// Which link.
        link: LinkId,
        /// Which characteristic.
        characteristic: Characteristic,
        /// The value.
        value: Vec<u8>,
    },
    /// Close a link. The lock has forgotten it already.
    Disconnect {
        /// Which link.
        link: LinkId,
    },
    /// Advertise this from now on.
    Advertise(Advertising),
}

/// What is on the air, as raw bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertising {
    /// Advertising data.
    pub data: Vec<u8>,
    /// Scan response.
    pub scan_response: Vec<u8>,
}
