//! Whether a time limit permits a moment of the lock's clock.

use crate::protocol::datetime::DeviceTime;
use crate::protocol::users::TimeLimit;

/// A clock that was never set permits nothing that is limited.
pub(super) fn permits(limit: Option<&TimeLimit>, now: Option<DeviceTime>) -> bool {
    let Some(limit) = limit else { return true };
    let Some(now) = now else { return false };
    let Some(seconds) = now.unix_seconds() else { return false };
    let after_start = limit.from.is_none_or(|from| now >= from);
    let before_end = limit.until.is_none_or(|until| now <= until);
    after_start && before_end && on_weekday(limit.weekdays, seconds) && at_time(limit, (now.hour, now.minute))
}

/// Bit 6 is Monday, bit 0 Sunday, no bit every day.
fn on_weekday(mask: u8, unix_seconds: i64) -> bool {
    // 1970-01-01 was a Thursday, the fourth day of a week that begins on Monday.
    let day = (unix_seconds.div_euclid(86_400) + 3).rem_euclid(7);
    let bit = 6 - u32::try_from(day).unwrap_or(0);
    mask & 0x7F == 0 || mask >> bit & 1 == 1
}

/// Equal ends mean the whole day; an end before the start reaches into the next day.
fn at_time(limit: &TimeLimit, now: (u8, u8)) -> bool {
    let (from, until) = (limit.from_time, limit.until_time);
    match from.cmp(&until) {
        core::cmp::Ordering::Equal => true,
        core::cmp::Ordering::Less => from <= now && now <= until,
        core::cmp::Ordering::Greater => from <= now || now <= until,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: (u16, u8, u8, u8, u8)) -> Option<DeviceTime> {
        let (year, month, day, hour, minute) = text;
        Some(DeviceTime { year, month, day, hour, minute, second: 0 })
    }

    #[test]
    fn a_cleaner_may_come_on_monday_mornings_of_one_year() {
        let limit = TimeLimit {
            from: at((2026, 1, 1, 0, 0)),
            until: at((2026, 12, 31, 23, 59)),
            weekdays: 1 << 6,
            from_time: (8, 0),
            until_time: (12, 0),
        };
        assert!(permits(Some(&limit), at((2026, 11, 23, 9, 30))), "a Monday");
        assert!(!permits(Some(&limit), at((2026, 11, 24, 9, 30))), "a Tuesday");
        assert!(!permits(Some(&limit), at((2026, 11, 23, 12, 1))), "too late");
        assert!(!permits(Some(&limit), at((2027, 11, 22, 9, 30))), "the year after");
        assert!(!permits(Some(&limit), None), "no clock");
    }

    #[test]
    fn before_the_beginning_nothing_is_permitted() {
        let limit =
            TimeLimit { from: at((2026, 12, 1, 0, 0)), from_time: (8, 0), until_time: (12, 0), ..TimeLimit::default() };
        assert!(permits(Some(&limit), at((2026, 12, 1, 8, 0))));
        assert!(!permits(Some(&limit), at((2026, 11, 30, 9, 30))), "the day before");
        assert!(!permits(Some(&limit), at((2026, 12, 1, 7, 59))), "too early");
        assert!(!permits(Some(&limit), at((2026, 13, 1, 9, 30))), "a clock that shows no time");
    }

    #[test]
    fn a_window_over_midnight_and_an_empty_limit() {
        let night = TimeLimit { from_time: (22, 0), until_time: (6, 0), ..TimeLimit::default() };
        assert!(permits(Some(&night), at((2026, 11, 23, 23, 0))));
        assert!(permits(Some(&night), at((2026, 11, 23, 5, 0))));
        assert!(!permits(Some(&night), at((2026, 11, 23, 12, 0))));
        assert!(permits(Some(&TimeLimit::default()), at((2026, 11, 23, 12, 0))));
        assert!(permits(None, None));
    }
}
