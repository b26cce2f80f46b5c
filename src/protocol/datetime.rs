//! The 7-byte date and time of the lock's clock.

use super::wire::{Reader, TooShort};

/// A civil date and time as the lock sends it, without a time zone.
///
/// Wire layout: year u16 little-endian, month, day, hour, minute, second.
/// Whether a lock means UTC is not settled; see `docs/protocol.md`, "Time".
/// Ordering follows the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceTime {
    /// Year, such as 2026.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

impl DeviceTime {
    /// Bytes on the wire.
    pub const LEN: usize = 7;

    /// Reads 7 bytes; `None` inside means "not set" (all zero).
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Option<Self>> {
        let [y0, y1, month, day, hour, minute, second] = reader.array()?;
        let time = Self { year: u16::from_le_bytes([y0, y1]), month, day, hour, minute, second };
        Some((time.to_bytes() != [0; 7]).then_some(time))
    }

    /// Decodes exactly the first 7 bytes; `Ok(None)` means "not set".
    ///
    /// # Errors
    /// [`TooShort`] for fewer than 7 bytes.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, TooShort> {
        Self::read(&mut Reader::new(bytes)).ok_or(TooShort {
            what: "date and time",
            expected: Self::LEN,
            actual: bytes.len(),
        })
    }

    /// The wire form.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 7] {
        let [y0, y1] = self.year.to_le_bytes();
        [y0, y1, self.month, self.day, self.hour, self.minute, self.second]
    }

    /// Whether the fields name a moment that exists (a lock with an unset clock may send anything).
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.month >= 1
            && self.month <= 12
            && self.day >= 1
            && self.day <= days_in_month(self.year, self.month)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60
    }

    /// Seconds since 1970-01-01, taking the fields as UTC; `None` for fields that name no moment.
    #[must_use]
    pub fn unix_seconds(self) -> Option<i64> {
        if !self.is_valid() {
            return None;
        }
        let days = days_from_civil(i64::from(self.year), i64::from(self.month), i64::from(self.day));
        Some(days * 86_400 + i64::from(self.hour) * 3_600 + i64::from(self.minute) * 60 + i64::from(self.second))
    }

    /// The UTC fields of a moment; `None` outside the years 0 to 65535.
    #[must_use]
    pub fn from_unix_seconds(seconds: i64) -> Option<Self> {
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let of_day = seconds.rem_euclid(86_400);
        Some(Self {
            year: u16::try_from(year).ok()?,
            month,
            day,
            hour: u8::try_from(of_day / 3_600).ok()?,
            minute: u8::try_from(of_day / 60 % 60).ok()?,
            second: u8::try_from(of_day % 60).ok()?,
        })
    }
}

impl core::fmt::Display for DeviceTime {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            self.year, self.month, self.day, self.hour, self.minute, self.second
        )
    }
}

const fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar; years start in March so that the leap day comes last.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    // Both are within 1..=31 by construction.
    (year, u8::try_from(month).unwrap_or(1), u8::try_from(day).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_example_has_its_published_bytes() {
        let time = DeviceTime { year: 2016, month: 3, day: 7, hour: 8, minute: 15, second: 30 };
        assert_eq!(time.to_bytes(), [0xE0, 0x07, 0x03, 0x07, 0x08, 0x0F, 0x1E]);
        assert_eq!(DeviceTime::decode(&time.to_bytes()), Ok(Some(time)));
        assert_eq!(time.unix_seconds(), Some(1_457_338_530));
    }

    #[test]
    fn all_zero_is_not_set_and_garbage_is_no_moment() {
        assert_eq!(DeviceTime::decode(&[0; 7]), Ok(None));
        let garbage = DeviceTime::decode(&[0xFF; 7]).unwrap().unwrap();
        assert_eq!(garbage.unix_seconds(), None);
    }

    #[test]
    fn every_day_of_four_centuries_survives_the_round_trip() {
        for day in -30_000..120_000_i64 {
            let seconds = day * 86_400 + 12_345;
            let time = DeviceTime::from_unix_seconds(seconds).unwrap();
            assert_eq!(time.unix_seconds(), Some(seconds), "{time}");
        }
    }
}
