//! Between columns and types.

use crate::protocol::datetime::DeviceTime;
use crate::protocol::users::TimeLimit;

use super::StoreError;

/// A lock's time as [`DeviceTime`] prints it; a lock may send moments that do not exist, so no calendar is asked.
pub(super) fn device_time(text: Option<&str>, column: &'static str) -> Result<Option<DeviceTime>, StoreError> {
    text.map(|text| parse_device_time(text).ok_or_else(|| StoreError::Content { column, value: text.to_owned() }))
        .transpose()
}

fn parse_device_time(text: &str) -> Option<DeviceTime> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.split('-');
    let mut time = time.split(':');
    Some(DeviceTime {
        year: date.next()?.parse().ok()?,
        month: date.next()?.parse().ok()?,
        day: date.next()?.parse().ok()?,
        hour: time.next()?.parse().ok()?,
        minute: time.next()?.parse().ok()?,
        second: time.next()?.parse().ok()?,
    })
}

/// The columns of a time limit.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct LimitColumns {
    pub(super) time_limited: bool,
    pub(super) allowed_from: Option<String>,
    pub(super) allowed_until: Option<String>,
    pub(super) allowed_weekdays: Option<u8>,
    pub(super) allowed_from_time: Option<String>,
    pub(super) allowed_until_time: Option<String>,
}

impl LimitColumns {
    pub(super) fn new(limit: Option<TimeLimit>) -> Self {
        let clock = |(hour, minute): (u8, u8)| format!("{hour:02}:{minute:02}");
        Self {
            time_limited: limit.is_some(),
            allowed_from: limit.and_then(|l| l.from).map(|t| t.to_string()),
            allowed_until: limit.and_then(|l| l.until).map(|t| t.to_string()),
            allowed_weekdays: limit.map(|l| l.weekdays),
            allowed_from_time: limit.map(|l| clock(l.from_time)),
            allowed_until_time: limit.map(|l| clock(l.until_time)),
        }
    }

    pub(super) fn limit(&self) -> Result<Option<TimeLimit>, StoreError> {
        if !self.time_limited {
            return Ok(None);
        }
        Ok(Some(TimeLimit {
            from: device_time(self.allowed_from.as_deref(), "allowed_from")?,
            until: device_time(self.allowed_until.as_deref(), "allowed_until")?,
            weekdays: self.allowed_weekdays.unwrap_or(0),
            from_time: clock(self.allowed_from_time.as_deref(), "allowed_from_time")?,
            until_time: clock(self.allowed_until_time.as_deref(), "allowed_until_time")?,
        }))
    }
}

fn clock(text: Option<&str>, column: &'static str) -> Result<(u8, u8), StoreError> {
    let parsed = text.and_then(|t| t.split_once(':')).and_then(|(h, m)| Some((h.parse().ok()?, m.parse().ok()?)));
    parsed.ok_or_else(|| StoreError::Content { column, value: format!("{text:?}") })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_that_no_calendar_has_survive() {
        for bytes in [[0xFF; 7], [1, 0, 0, 0, 0, 0, 0], [0xEA, 0x07, 11, 23, 14, 5, 9]] {
            let time = DeviceTime::decode(&bytes).unwrap();
            let text = time.map(|t| t.to_string());
            assert_eq!(device_time(text.as_deref(), "device_time").unwrap(), time);
        }
        assert!(device_time(Some("yesterday"), "device_time").is_err());
    }

    #[test]
    fn a_time_limit_survives_with_hours_that_no_day_has() {
        let limit = TimeLimit { weekdays: 0x41, from_time: (255, 255), until_time: (7, 5), ..TimeLimit::default() };
        assert_eq!(LimitColumns::new(Some(limit)).limit().unwrap(), Some(limit));
        assert_eq!(LimitColumns::new(None).limit().unwrap(), None);
    }
}
