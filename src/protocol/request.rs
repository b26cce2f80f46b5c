//! Commands of daily operation, both ways: building them as a client, reading them as a lock.
//!
//! A command that needs a challenge ends with the lock's 32-byte nonce; one
//! that needs the PIN too ends with nonce and PIN (u16, on the 5th generation u32).

use super::command::Command;
use super::crypto::{Challenge, Pin};
use super::datetime::DeviceTime;
use super::frame::{AuthId, Message};
use super::gatt::Generation;
use super::log::LogRequest;
use super::types::LockAction;
use super::wire::Reader;

/// Bit 0 of the lock action flags: the phone came near by itself.
pub const FLAG_AUTO_UNLOCK: u8 = 0x01;
/// Bit 1 of the lock action flags: move even if the state says it is not needed.
pub const FLAG_FORCE: u8 = 0x02;
/// Bytes of the name suffix in a lock action.
pub const SUFFIX_LEN: usize = 20;

/// Lock Action (0x000D): action u8, app id u32, flags u8, optional name suffix 20, nonce 32.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockActionCommand {
    /// What to do.
    pub action: LockAction,
    /// The number given at pairing.
    pub app_id: u32,
    /// See [`FLAG_AUTO_UNLOCK`] and [`FLAG_FORCE`].
    pub flags: u8,
    /// Appended to the name in the lock's log.
    pub suffix: Option<[u8; SUFFIX_LEN]>,
}

impl LockActionCommand {
    /// The message.
    #[must_use]
    pub fn encode(&self, nonce: &Challenge) -> Message {
        let mut payload = vec![self.action.code()];
        payload.extend_from_slice(&self.app_id.to_le_bytes());
        payload.push(self.flags);
        payload.extend_from_slice(self.suffix.as_ref().map_or(&[], |suffix| suffix.as_slice()));
        payload.extend_from_slice(nonce);
        Message::new(Command::LockAction, payload)
    }

    /// Reads the payload (38 or 58 bytes) and its nonce.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<(Self, Challenge)> {
        let (body, nonce) = payload.split_last_chunk::<32>()?;
        let mut r = Reader::new(body);
        let (action, app_id, flags) = (r.u8()?, r.u32()?, r.u8()?);
        let suffix = match r.rest() {
            [] => None,
            rest => Some(<[u8; SUFFIX_LEN]>::try_from(rest).ok()?),
        };
        Some((Self { action: action.into(), app_id, flags, suffix }, *nonce))
    }
}

/// A command that needs challenge and PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinCommand {
    /// 0x0020: check the PIN.
    VerifySecurityPin,
    /// 0x0031: read the log.
    RequestLogEntries(LogRequest),
    /// 0x0009: list authorizations (offset, count).
    RequestAuthorizationEntries(u16, u16),
    /// 0x0043: list keypad codes (offset, count).
    RequestKeypadCodes(u16, u16),
    /// 0x0021: set the clock.
    UpdateTime(DeviceTime),
    /// 0x0008: remove an authorization.
    RemoveAuthorizationEntry(AuthId),
}

impl PinCommand {
    /// Its number.
    #[must_use]
    pub const fn command(&self) -> Command {
        match self {
            Self::VerifySecurityPin => Command::VerifySecurityPin,
            Self::RequestLogEntries(_) => Command::RequestLogEntries,
            Self::RequestAuthorizationEntries(..) => Command::RequestAuthorizationEntries,
            Self::RequestKeypadCodes(..) => Command::RequestKeypadCodes,
            Self::UpdateTime(_) => Command::UpdateTime,
            Self::RemoveAuthorizationEntry(_) => Command::RemoveAuthorizationEntry,
        }
    }

    /// The message.
    #[must_use]
    pub fn encode(&self, nonce: &Challenge, pin: Pin, generation: Generation) -> Message {
        let mut payload = match self {
            Self::VerifySecurityPin => Vec::new(),
            Self::RequestLogEntries(request) => request.encode(),
            Self::RequestAuthorizationEntries(offset, count) | Self::RequestKeypadCodes(offset, count) => {
                [offset.to_le_bytes(), count.to_le_bytes()].concat()
            }
            Self::UpdateTime(time) => time.to_bytes().to_vec(),
            Self::RemoveAuthorizationEntry(auth_id) => auth_id.to_le_bytes().to_vec(),
        };
        payload.extend_from_slice(nonce);
        payload.extend_from_slice(pin.expose().to_le_bytes().get(..generation.pin_len()).unwrap_or_default());
        Message::new(self.command(), payload)
    }

    /// Reads a message with its nonce and PIN; `None` if it is no such command or has a wrong length.
    #[must_use]
    pub fn decode(message: &Message, generation: Generation) -> Option<(Self, Challenge, Pin)> {
        let (rest, pin) = message.payload.split_at_checked(message.payload.len().checked_sub(generation.pin_len())?)?;
        let (body, nonce) = rest.split_last_chunk::<32>()?;
        let mut r = Reader::new(body);
        let command = match message.command {
            Command::VerifySecurityPin if body.is_empty() => Self::VerifySecurityPin,
            Command::RequestLogEntries if body.len() == LogRequest::LEN => {
                Self::RequestLogEntries(LogRequest::decode(body).ok()?)
            }
            // The 4th and 5th generation allow a filter byte behind offset and count.
            Command::RequestAuthorizationEntries if matches!(body.len(), 4 | 5) => {
                Self::RequestAuthorizationEntries(r.u16()?, r.u16()?)
            }
            Command::RequestKeypadCodes if body.len() == 4 => Self::RequestKeypadCodes(r.u16()?, r.u16()?),
            // All zero is "never", to which no clock can be set.
            Command::UpdateTime if body.len() == DeviceTime::LEN => Self::UpdateTime(DeviceTime::decode(body).ok()??),
            Command::RemoveAuthorizationEntry if body.len() == 4 => Self::RemoveAuthorizationEntry(r.u32()?),
            _ => return None,
        };
        let pin = pin.iter().rev().fold(0u32, |value, byte| value << 8 | u32::from(*byte));
        Some((command, *nonce, Pin::new(pin)))
    }
}

/// Request Config (0x0014) or Request Advanced Config (0x0036): the nonce alone.
#[must_use]
pub fn config_request(command: Command, nonce: &Challenge) -> Message {
    Message::new(command, nonce.as_slice())
}
