//! Everybody and everything that moves the bolt.

use keyturner::attribution::Event;
use keyturner::protocol::{KeypadSource, Trigger};

pub(super) const GATEWAY: u32 = 1;
pub(super) const KEYPAD: u32 = 9;

/// Everybody and everything that moves the bolt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Phone,
    OtherPhone,
    Fob,
    Code,
    OtherCode,
    Finger,
    ArrowKey,
    Button,
    Hand,
    Gateway,
    AutoLock,
    TimeControl,
}

impl Who {
    pub(crate) const ALL: [Self; 12] = [
        Self::Phone,
        Self::OtherPhone,
        Self::Fob,
        Self::Code,
        Self::OtherCode,
        Self::Finger,
        Self::ArrowKey,
        Self::Button,
        Self::Hand,
        Self::Gateway,
        Self::AutoLock,
        Self::TimeControl,
    ];

    pub(super) const fn auth_id(self) -> u32 {
        match self {
            Self::Phone => 2,
            Self::OtherPhone => 3,
            Self::Fob => 4,
            Self::Code | Self::OtherCode | Self::Finger | Self::ArrowKey => KEYPAD,
            Self::Gateway => GATEWAY,
            Self::Button | Self::Hand | Self::AutoLock | Self::TimeControl => 0,
        }
    }

    /// The code's number, of those who have one.
    pub(super) fn code(self) -> Option<u16> {
        self.key().map(|(_, code)| code).filter(|code| *code != 0)
    }

    pub(super) const fn key(self) -> Option<(KeypadSource, u16)> {
        match self {
            Self::Code => Some((KeypadSource::Code, 1)),
            Self::OtherCode => Some((KeypadSource::Code, 2)),
            Self::Finger => Some((KeypadSource::Fingerprint, 3)),
            Self::ArrowKey => Some((KeypadSource::ArrowKey, 0)),
            _ => None,
        }
    }

    pub(super) const fn trigger(self) -> Trigger {
        match self {
            Self::Button => Trigger::Button,
            Self::Hand => Trigger::Manual,
            Self::AutoLock => Trigger::AutoLock,
            Self::TimeControl => Trigger::Automatic,
            _ => Trigger::System,
        }
    }

    /// What an event must say of it: authorization, code, trigger.
    pub(super) fn identity(self) -> Identity {
        (Some(self.auth_id()).filter(|id| *id != 0), self.code(), self.trigger())
    }
}

pub(super) type Identity = (Option<u32>, Option<u16>, Trigger);

pub(super) fn identity_of(event: &Event) -> Identity {
    (event.who.auth_id, event.who.code_id, event.trigger.unwrap_or(Trigger::Unknown(0xFE)))
}
