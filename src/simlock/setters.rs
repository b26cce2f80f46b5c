//! Commands that change the configuration. Each accepted one counts up `config_update_count`.

use crate::protocol::crypto::Pin;
use crate::protocol::datetime::DeviceTime;
use crate::protocol::frame::Message;
use crate::protocol::log::LogEntryKind;
use crate::protocol::users::{CodeDigits, TimeLimit};
use crate::protocol::{Command, ErrorCode, StatusCode};

use super::SimLock;
use super::commands::Sender;
use super::io::Moment;

/// Codes a keypad holds.
const MAX_CODES: usize = 100;

impl SimLock {
    pub(super) fn set(&mut self, by: Sender, command: Command, body: &[u8], now: Moment) -> Result<(), ErrorCode> {
        let mut fields = Fields(body);
        match command {
            Command::EnableLogging => self.enable_logging(by, fields.flag()?, now),
            Command::UpdateTime => {
                let seconds = fields.time()?.and_then(DeviceTime::unix_seconds).ok_or(ErrorCode::BadParameter)?;
                self.clock_offset = seconds.saturating_sub(now.unix_seconds);
            }
            Command::SetSecurityPin => {
                let pin = body.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
                if pin > self.config.device.max_pin() {
                    return Err(ErrorCode::BadParameter);
                }
                self.pin.set(Pin::new(pin));
            }
            Command::SetConfig => self.config.name = text(&fields.array::<32>()?),
            Command::RemoveAuthorizationEntry => {
                let auth_id = u32::from_le_bytes(fields.array()?);
                self.users.get(auth_id).ok_or(ErrorCode::InvalidAuthId)?;
                // Answered first: whoever removes themselves has no key to be answered with afterwards.
                self.count_change();
                self.send_status(by.link, by.auth_id, StatusCode::Complete);
                self.users.remove(auth_id);
                return Ok(());
            }
            Command::UpdateAuthorizationEntry => {
                let auth_id = u32::from_le_bytes(fields.array()?);
                let entry = &mut self.users.get_mut(auth_id).ok_or(ErrorCode::InvalidAuthId)?.entry;
                entry.name = text(&fields.array::<32>()?);
                entry.enabled = fields.flag()?;
                entry.remote_allowed = fields.flag()?;
                entry.time_limit = fields.limit()?;
            }
            Command::AddKeypadCode => {
                self.add_code(by, fields, now)?;
                self.count_change();
                return Ok(());
            }
            Command::UpdateKeypadCode => self.update_code(fields)?,
            Command::RemoveKeypadCode => {
                if !self.keypad.remove(u16::from_le_bytes(fields.array()?)) {
                    return Err(ErrorCode::BadParameter);
                }
            }
            _ => return Err(ErrorCode::UnknownError),
        }
        self.count_change();
        self.send_status(by.link, by.auth_id, StatusCode::Complete);
        Ok(())
    }

    pub(super) const fn count_change(&mut self) {
        if self.faults.frozen_counter {
            return;
        }
        self.config_update_count = self.config_update_count.wrapping_add(1);
    }

    /// The entry stands in the log in both cases: the last one before silence, or the first one after.
    fn enable_logging(&mut self, by: Sender, on: bool, now: Moment) {
        if on == self.log.enabled {
            return;
        }
        let name = self.users.get(by.auth_id).map(|user| user.entry.name.clone()).unwrap_or_default();
        self.log.enabled = true;
        self.write_entry(by.auth_id, &name, LogEntryKind::Logging(on), by.is_bridge, now);
        self.log.enabled = on;
    }

    fn add_code(&mut self, by: Sender, mut fields: Fields<'_>, now: Moment) -> Result<(), ErrorCode> {
        let digits = fields.digits()?;
        if self.keypad.find(digits).is_some() {
            return Err(ErrorCode::CodeAlreadyExists);
        }
        if self.keypad.all().len() >= MAX_CODES {
            return Err(ErrorCode::TooManyEntries);
        }
        let name = text(&fields.array::<20>()?);
        let limit = fields.limit()?;
        let created = self.device_time(now);
        let code_id = self.keypad.add(&name, digits, created, limit);
        let mut payload = code_id.to_le_bytes().to_vec();
        payload.extend_from_slice(&created.map_or([0; 7], DeviceTime::to_bytes));
        self.send(by, &Message::new(Command::KeypadCodeId, payload));
        Ok(())
    }

    fn update_code(&mut self, mut fields: Fields<'_>) -> Result<(), ErrorCode> {
        let code_id = u16::from_le_bytes(fields.array()?);
        let digits = fields.digits()?;
        if self.keypad.find(digits).is_some_and(|other| other.entry.code_id != code_id) {
            return Err(ErrorCode::CodeAlreadyExists);
        }
        let record = self.keypad.get_mut(code_id).ok_or(ErrorCode::BadParameter)?;
        record.digits = digits;
        record.entry.name = text(&fields.array::<20>()?);
        record.entry.enabled = fields.flag()?;
        record.entry.time_limit = fields.limit()?;
        Ok(())
    }
}

/// A name field: UTF-8 up to the first zero byte.
pub(super) fn text(field: &[u8]) -> String {
    let used = field.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(used).trim_end().to_owned()
}

/// Reads a payload whose length was checked; what is short all the same is a length error.
#[derive(Debug, Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ErrorCode> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(ErrorCode::BadLength)?;
        self.0 = tail;
        Ok(*head)
    }

    fn flag(&mut self) -> Result<bool, ErrorCode> {
        self.array().map(|[byte]| byte != 0)
    }

    fn time(&mut self) -> Result<Option<DeviceTime>, ErrorCode> {
        let bytes: [u8; DeviceTime::LEN] = self.array()?;
        DeviceTime::decode(&bytes).map_err(|_| ErrorCode::BadLength)
    }

    fn digits(&mut self) -> Result<CodeDigits, ErrorCode> {
        CodeDigits::new(u32::from_le_bytes(self.array()?)).ok_or(ErrorCode::CodeInvalid)
    }

    /// A flag and the block, which is there in any case.
    fn limit(&mut self) -> Result<Option<TimeLimit>, ErrorCode> {
        let is_limited = self.flag()?;
        let (from, until) = (self.time()?, self.time()?);
        let [weekdays, from_hour, from_minute, until_hour, until_minute] = self.array()?;
        let (from_time, until_time) = ((from_hour, from_minute), (until_hour, until_minute));
        Ok(is_limited.then_some(TimeLimit { from, until, weekdays, from_time, until_time }))
    }
}
