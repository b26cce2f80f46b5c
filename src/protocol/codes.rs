//! Changing keypad codes. The digits pass through once, from the owner or from the lock into one frame.
//!
//! Reading a code leaves its digits out ([`KeypadCode`](super::users::KeypadCode)). A change has to send them all the
//! same, because the lock takes a code only whole; so they travel in [`SealedDigits`], which nothing outside this
//! module can look into, and which is wiped when it is dropped.

use core::fmt;

use zeroize::Zeroizing;

use super::command::Command;
use super::crypto::{Challenge, Pin};
use super::datetime::DeviceTime;
use super::frame::Message;
use super::gatt::Generation;
use super::log::CodeId;
use super::users::{CodeDigits, TimeLimit};
use super::wire::{Reader, TooShort, fixed_text};

/// The digits of a code on their way into a frame. They print as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedDigits(Zeroizing<[u8; 4]>);

impl SealedDigits {
    /// The digits in a Keypad Code (0x0045) as it came, to be sent back with a change.
    pub(super) fn of_entry(payload: &[u8]) -> Option<Self> {
        let mut r = Reader::new(payload);
        let _code_id = r.u16()?;
        r.array().map(|digits| Self(Zeroizing::new(digits)))
    }
}

impl From<CodeDigits> for SealedDigits {
    fn from(digits: CodeDigits) -> Self {
        Self(Zeroizing::new(digits.expose().to_le_bytes()))
    }
}

impl fmt::Debug for SealedDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedDigits(..)")
    }
}

/// A command that changes the keypad codes. All need nonce and PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeCommand {
    /// Add Keypad Code (0x0041), 44 bytes: code u32, name 20, time limited u8, [`TimeLimit`] in any case.
    Add {
        /// Up to 20 bytes.
        name: String,
        /// Six digits.
        digits: SealedDigits,
        /// Valid when; `None` for always.
        time_limit: Option<TimeLimit>,
    },
    /// Update Keypad Code (0x0046), 47 bytes: code id u16, code u32, name 20, enabled u8, time limited u8, [`TimeLimit`].
    Update {
        /// Which.
        code_id: CodeId,
        /// Six digits.
        digits: SealedDigits,
        /// Up to 20 bytes.
        name: String,
        /// May open.
        enabled: bool,
        /// Valid when; `None` for always.
        time_limit: Option<TimeLimit>,
    },
    /// Remove Keypad Code (0x0047), 2 bytes: code id u16.
    Remove(CodeId),
}

impl CodeCommand {
    /// Its number.
    #[must_use]
    pub const fn command(&self) -> Command {
        match self {
            Self::Add { .. } => Command::AddKeypadCode,
            Self::Update { .. } => Command::UpdateKeypadCode,
            Self::Remove(_) => Command::RemoveKeypadCode,
        }
    }

    /// The message.
    #[must_use]
    pub fn encode(&self, nonce: &Challenge, pin: Pin, generation: Generation) -> Message {
        // As large as it gets, so that no copy with digits is left behind by growing.
        let mut payload = Vec::with_capacity(47 + nonce.len() + 4);
        match self {
            Self::Add { name, digits, time_limit } => {
                payload.extend_from_slice(&*digits.0);
                payload.extend_from_slice(&fixed_text::<20>(name));
                push_limit(&mut payload, *time_limit);
            }
            Self::Update { code_id, digits, name, enabled, time_limit } => {
                payload.extend_from_slice(&code_id.to_le_bytes());
                payload.extend_from_slice(&*digits.0);
                payload.extend_from_slice(&fixed_text::<20>(name));
                payload.push(u8::from(*enabled));
                push_limit(&mut payload, *time_limit);
            }
            Self::Remove(code_id) => payload.extend_from_slice(&code_id.to_le_bytes()),
        }
        payload.extend_from_slice(nonce);
        payload.extend_from_slice(pin.expose().to_le_bytes().get(..generation.pin_len()).unwrap_or_default());
        Message::new(self.command(), payload)
    }
}

/// The block is sent in any case, other than in what a lock sends.
fn push_limit(payload: &mut Vec<u8>, limit: Option<TimeLimit>) {
    payload.push(u8::from(limit.is_some()));
    payload.extend_from_slice(&limit.unwrap_or_default().encode());
}

/// Keypad Code ID (0x0042): code id u16, created 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeypadCodeId {
    /// The number that the lock gave.
    pub code_id: CodeId,
    /// When, by the lock's clock; `None` if it shows no moment or was not sent.
    pub created: Option<DeviceTime>,
}

impl KeypadCodeId {
    /// Reads 2 bytes or more.
    ///
    /// # Errors
    /// [`TooShort`] below 2 bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, TooShort> {
        let mut r = Reader::at_least("Keypad Code ID", payload, 2)?;
        let code_id = r.u16().ok_or(TooShort { what: "Keypad Code ID", expected: 2, actual: payload.len() })?;
        Ok(Self { code_id, created: DeviceTime::read(&mut r).flatten() })
    }
}
