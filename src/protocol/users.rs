//! Authorizations and keypad codes, read with the PIN.

use core::fmt;

use super::datetime::DeviceTime;
use super::frame::AuthId;
use super::log::CodeId;
use super::types::IdType;
use super::wire::{Reader, TooShort, fixed_text};

/// When a time-limited authorization or code is valid, by the lock's clock.
///
/// 19 bytes: from date 7, until date 7, weekday mask u8 (bit 6 Monday … bit 0
/// Sunday, 0 = every day), from hour, minute, until hour, minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeLimit {
    /// Not before.
    pub from: Option<DeviceTime>,
    /// Not after.
    pub until: Option<DeviceTime>,
    /// Bit 6 Monday … bit 0 Sunday; 0 = every day.
    pub weekdays: u8,
    /// Hour and minute of the day from which.
    pub from_time: (u8, u8),
    /// Hour and minute of the day until which.
    pub until_time: (u8, u8),
}

impl TimeLimit {
    /// Bytes on the wire.
    pub const LEN: usize = 19;

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            from: DeviceTime::read(r)?,
            until: DeviceTime::read(r)?,
            weekdays: r.u8()?,
            from_time: (r.u8()?, r.u8()?),
            until_time: (r.u8()?, r.u8()?),
        })
    }

    /// The wire form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN);
        out.extend_from_slice(&self.from.map_or([0; 7], DeviceTime::to_bytes));
        out.extend_from_slice(&self.until.map_or([0; 7], DeviceTime::to_bytes));
        out.push(self.weekdays);
        out.extend_from_slice(&[self.from_time.0, self.from_time.1, self.until_time.0, self.until_time.1]);
        out
    }
}

/// Authorization Entry (0x000A): id u32, type u8, name 32, enabled u8, remote
/// allowed u8, created 7, last active 7, lock count u16, time limited u8, [`TimeLimit`] if limited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationEntry {
    /// Its number.
    pub auth_id: AuthId,
    /// Phone, bridge, fob, keypad.
    pub id_type: IdType,
    /// Name given by its owner.
    pub name: String,
    /// May act.
    pub enabled: bool,
    /// May act through a bridge.
    pub remote_allowed: bool,
    /// Made when.
    pub created: Option<DeviceTime>,
    /// Used last when.
    pub last_active: Option<DeviceTime>,
    /// How often used.
    pub lock_count: u16,
    /// Valid when; `None` for always.
    pub time_limit: Option<TimeLimit>,
}

impl AuthorizationEntry {
    /// Bytes without the time limit.
    pub const MIN_LEN: usize = 56;

    /// Reads 56 or 75 bytes.
    ///
    /// # Errors
    /// [`TooShort`] below 56 bytes, or below 75 when it is time limited.
    pub fn decode(payload: &[u8]) -> Result<Self, TooShort> {
        let mut r = Reader::at_least("Authorization Entry", payload, Self::MIN_LEN)?;
        (|| {
            Some(Self {
                auth_id: r.u32()?,
                id_type: r.u8()?.into(),
                name: r.text::<32>()?,
                enabled: r.flag()?,
                remote_allowed: r.flag()?,
                created: DeviceTime::read(&mut r)?,
                last_active: DeviceTime::read(&mut r)?,
                lock_count: r.u16()?,
                time_limit: read_limit(&mut r)?,
            })
        })()
        .ok_or(TooShort {
            what: "Authorization Entry with time limit",
            expected: Self::MIN_LEN + TimeLimit::LEN,
            actual: payload.len(),
        })
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::MIN_LEN);
        out.extend_from_slice(&self.auth_id.to_le_bytes());
        out.push(self.id_type.code());
        out.extend_from_slice(&fixed_text::<32>(&self.name));
        out.extend_from_slice(&[u8::from(self.enabled), u8::from(self.remote_allowed)]);
        push_usage(&mut out, self.created, self.last_active, self.lock_count, self.time_limit);
        out
    }
}

/// What authorizations and keypad codes end with.
fn push_usage(
    out: &mut Vec<u8>,
    created: Option<DeviceTime>,
    last_active: Option<DeviceTime>,
    lock_count: u16,
    time_limit: Option<TimeLimit>,
) {
    out.extend_from_slice(&created.map_or([0; 7], DeviceTime::to_bytes));
    out.extend_from_slice(&last_active.map_or([0; 7], DeviceTime::to_bytes));
    out.extend_from_slice(&lock_count.to_le_bytes());
    out.push(u8::from(time_limit.is_some()));
    out.extend_from_slice(&time_limit.map_or_else(Vec::new, |limit| limit.encode()));
}

/// Some devices send the block even when it does not apply.
fn read_limit(r: &mut Reader<'_>) -> Option<Option<TimeLimit>> {
    if r.flag()? { TimeLimit::read(r).map(Some) } else { Some(None) }
}

/// Keypad Code (0x0045): code id u16, code u32, name 20, enabled u8, created 7,
/// last active 7, lock count u16, time limited u8, [`TimeLimit`] if limited.
///
/// The digits are skipped while reading: this type cannot hold them, so no
/// log, database or API can show them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeypadCode {
    /// Its number.
    pub code_id: CodeId,
    /// Name given by its owner.
    pub name: String,
    /// May open.
    pub enabled: bool,
    /// Made when.
    pub created: Option<DeviceTime>,
    /// Used last when.
    pub last_active: Option<DeviceTime>,
    /// How often used.
    pub lock_count: u16,
    /// Valid when; `None` for always.
    pub time_limit: Option<TimeLimit>,
}

/// The digits of a keypad code, on their way to a lock. Printing it prints nothing of them.
#[derive(Clone, Copy, PartialEq, Eq, zeroize::Zeroize)]
pub struct CodeDigits(u32);

impl CodeDigits {
    /// Six digits from 1 to 9, not beginning with 12 (the keypad's rules); `None` otherwise.
    #[must_use]
    pub fn new(digits: u32) -> Option<Self> {
        let mut rest = digits;
        let six = (111_111..=999_999).contains(&digits);
        let no_zero = core::iter::from_fn(|| {
            (rest > 0).then(|| {
                let digit = rest % 10;
                rest /= 10;
                digit
            })
        })
        .all(|digit| digit != 0);
        (six && no_zero && digits / 10_000 != 12).then_some(Self(digits))
    }

    /// The same, written as six digits and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_plain).and_then(Self::new)
    }

    /// The digits, for the wire only.
    #[must_use]
    pub const fn expose(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for CodeDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeDigits(..)")
    }
}

impl KeypadCode {
    /// Bytes without the time limit.
    pub const MIN_LEN: usize = 44;

    /// Reads 44 or 63 bytes, leaving the digits out.
    ///
    /// # Errors
    /// [`TooShort`] below 44 bytes, or below 63 when it is time limited.
    pub fn decode(payload: &[u8]) -> Result<Self, TooShort> {
        let mut r = Reader::at_least("Keypad Code", payload, Self::MIN_LEN)?;
        (|| {
            let code_id = r.u16()?;
            let _digits: [u8; 4] = r.array()?;
            Some(Self {
                code_id,
                name: r.text::<20>()?,
                enabled: r.flag()?,
                created: DeviceTime::read(&mut r)?,
                last_active: DeviceTime::read(&mut r)?,
                lock_count: r.u16()?,
                time_limit: read_limit(&mut r)?,
            })
        })()
        .ok_or(TooShort {
            what: "Keypad Code with time limit",
            expected: Self::MIN_LEN + TimeLimit::LEN,
            actual: payload.len(),
        })
    }

    /// The payload as a lock sends it, which knows the digits.
    #[must_use]
    pub fn encode(&self, digits: CodeDigits) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::MIN_LEN);
        out.extend_from_slice(&self.code_id.to_le_bytes());
        out.extend_from_slice(&digits.expose().to_le_bytes());
        out.extend_from_slice(&fixed_text::<20>(&self.name));
        out.push(u8::from(self.enabled));
        push_usage(&mut out, self.created, self.last_active, self.lock_count, self.time_limit);
        out
    }
}
