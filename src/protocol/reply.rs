//! What a lock sends in daily operation, decoded by command.

use super::advanced_config::AdvancedConfig;
use super::codes::{KeypadCodeId, SealedDigits};
use super::command::Command;
use super::config::{BatteryReport, Config, OpenerConfig};
use super::crypto::Challenge;
use super::frame::Message;
use super::log::{LogEntry, LogEntryCount};
use super::state::KeyturnerStates;
use super::types::{ErrorCode, StatusCode};
use super::users::{AuthorizationEntry, KeypadCode};
use super::wire::TooShort;

/// Error Report (0x0012): code u8, the command that failed u16 (0 if it could not be read).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorReport {
    /// Why.
    pub code: ErrorCode,
    /// Which command.
    pub command: u16,
}

impl ErrorReport {
    /// The message.
    #[must_use]
    pub fn encode(self) -> Message {
        let [low, high] = self.command.to_le_bytes();
        Message::new(Command::ErrorReport, [self.code.code(), low, high])
    }
}

/// A decoded message of the lock.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// A nonce for one command.
    Challenge(Challenge),
    /// State, asked for or not.
    States(KeyturnerStates),
    /// Accepted or complete.
    Status(StatusCode),
    /// Refused or failed.
    Error(ErrorReport),
    /// Configuration of a lock.
    Config(Box<Config>),
    /// Configuration of an Opener.
    OpenerConfig(Box<OpenerConfig>),
    /// Advanced configuration of a lock. An Opener's has a layout on which the sources disagree, and is not read.
    AdvancedConfig(Box<AdvancedConfig>),
    /// Battery.
    Battery(BatteryReport),
    /// Before log entries.
    LogEntryCount(LogEntryCount),
    /// A log entry.
    LogEntry(LogEntry),
    /// Before authorizations.
    AuthorizationEntryCount(u16),
    /// An authorization.
    AuthorizationEntry(AuthorizationEntry),
    /// Before keypad codes.
    KeypadCodeCount(u16),
    /// A keypad code, and its digits as far as they can be sent back.
    KeypadCode(KeypadCode, SealedDigits),
    /// The number of a new keypad code.
    KeypadCodeId(KeypadCodeId),
    /// Something this version has no use for.
    Other(Message),
}

impl Reply {
    /// Decodes by command; `is_opener` decides what log type 6 and a configuration mean.
    ///
    /// # Errors
    /// [`TooShort`] when a known message lacks fields that every firmware sends.
    pub fn decode(message: Message, is_opener: bool) -> Result<Self, TooShort> {
        let payload = message.payload.as_slice();
        let short = |what, expected| TooShort { what, expected, actual: payload.len() };
        Ok(match message.command {
            Command::Challenge => Self::Challenge(*payload.first_chunk().ok_or(short("Challenge", 32))?),
            Command::KeyturnerStates => Self::States(KeyturnerStates::decode(payload)?),
            Command::Status => {
                let [code] = payload.first_chunk().ok_or(short("Status", 1))?;
                Self::Status((*code).into())
            }
            Command::ErrorReport => {
                let [code, low, high] = payload.first_chunk().ok_or(short("Error Report", 3))?;
                Self::Error(ErrorReport { code: (*code).into(), command: u16::from_le_bytes([*low, *high]) })
            }
            Command::Config if is_opener => Self::OpenerConfig(Box::new(OpenerConfig::decode(payload)?)),
            Command::Config => Self::Config(Box::new(Config::decode(payload)?)),
            Command::AdvancedConfig if !is_opener => Self::AdvancedConfig(Box::new(AdvancedConfig::decode(payload)?)),
            Command::BatteryReport => Self::Battery(BatteryReport::decode(payload)?),
            Command::LogEntryCount => Self::LogEntryCount(LogEntryCount::decode(payload)?),
            Command::LogEntry => Self::LogEntry(LogEntry::decode(payload, is_opener)?),
            Command::AuthorizationEntryCount => {
                let count = payload.first_chunk().ok_or(short("Authorization Entry Count", 2))?;
                Self::AuthorizationEntryCount(u16::from_le_bytes(*count))
            }
            Command::AuthorizationEntry => Self::AuthorizationEntry(AuthorizationEntry::decode(payload)?),
            Command::KeypadCodeCount => {
                let count = payload.first_chunk().ok_or(short("Keypad Code Count", 2))?;
                Self::KeypadCodeCount(u16::from_le_bytes(*count))
            }
            Command::KeypadCode => {
                let code = KeypadCode::decode(payload)?;
                Self::KeypadCode(
                    code,
                    SealedDigits::of_entry(payload).ok_or(short("Keypad Code", KeypadCode::MIN_LEN))?,
                )
            }
            Command::KeypadCodeId => Self::KeypadCodeId(KeypadCodeId::decode(payload)?),
            _ => Self::Other(message),
        })
    }
}
