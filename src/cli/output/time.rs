//! Moments and spans as people say them, in the zone of this computer: it stands in the house.

use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::clock::UnixMillis;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// `2026-11-23 15:05:13`, by this computer's zone.
pub(in crate::cli) fn local(at: UnixMillis) -> String {
    within(at, TimeZone::system())
}

fn within(at: UnixMillis, zone: TimeZone) -> String {
    match Timestamp::from_millisecond(at.0) {
        Ok(time) => time.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => at.rfc3339(),
    }
}

/// The moment that the gateway writes so.
pub(in crate::cli) fn moment(rfc3339: &str) -> Option<UnixMillis> {
    rfc3339.parse::<Timestamp>().ok().map(|time| UnixMillis(time.as_millisecond()))
}

/// `12 min ago`.
pub(in crate::cli) fn ago(at: UnixMillis, now: UnixMillis) -> String {
    format!("{} ago", lasting(now.since(at)))
}

/// `12 min`, as exactly as is of use.
pub(in crate::cli) fn lasting(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..MINUTE => format!("{seconds} s"),
        seconds @ MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        seconds @ HOUR..DAY => format!("{} h", seconds / HOUR),
        seconds => format!("{} d", seconds / DAY),
    }
}

const EXPECTED: &str = "write a span such as 2h or 3d, today, yesterday, a date such as 2026-11-23, with a time such as \
                        2026-11-23T14:05, or a moment with an offset such as 2026-11-23T14:05:09Z";

/// From when on: the beginning of what is said.
pub(in crate::cli) fn parse_since(text: &str) -> Result<UnixMillis, String> {
    read(text, &Zoned::now()).map(|(begin, _)| begin).ok_or_else(|| EXPECTED.to_owned())
}

/// Until when: the end of what is said, so a day is in it.
pub(in crate::cli) fn parse_until(text: &str) -> Result<UnixMillis, String> {
    read(text, &Zoned::now()).map(|(_, end)| end).ok_or_else(|| EXPECTED.to_owned())
}

/// Beginning and end of a time as people write it; both are one where it is a moment.
fn read(text: &str, now: &Zoned) -> Option<(UnixMillis, UnixMillis)> {
    let zone = now.time_zone();
    let millis = |time: Timestamp| UnixMillis(time.as_millisecond());
    let at = |time: DateTime| Some(millis(time.to_zoned(zone.clone()).ok()?.timestamp()));
    // Days have 23 or 25 hours twice a year.
    let day = |date: Date| Some((at(date.at(0, 0, 0, 0))?, at(date.tomorrow().ok()?.at(0, 0, 0, 0))?));
    let once = |moment: UnixMillis| (moment, moment);
    match text {
        "now" => return Some(once(millis(now.timestamp()))),
        "today" => return day(now.date()),
        "yesterday" => return day(now.date().yesterday().ok()?),
        _ => {}
    }
    if let Some((count, unit)) = text.char_indices().last().and_then(|(end, unit)| Some((text.get(..end)?, unit)))
        && !count.is_empty()
        && count.bytes().all(|byte| byte.is_ascii_digit())
    {
        let count: i64 = count.parse().ok()?;
        let span = match unit {
            's' => 1.second().checked_mul(count).ok()?,
            'm' => 1.minute().checked_mul(count).ok()?,
            'h' => 1.hour().checked_mul(count).ok()?,
            'd' => 1.day().checked_mul(count).ok()?,
            'w' => 1.week().checked_mul(count).ok()?,
            _ => return None,
        };
        return Some(once(millis(now.checked_sub(span).ok()?.timestamp())));
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(once(millis(moment)));
    }
    // A date with a time is also a date to the parser, which would leave the time out.
    if text.len() == 10 {
        return text.parse::<Date>().ok().and_then(day);
    }
    text.parse::<DateTime>().ok().and_then(at).map(once)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read_at(text: &str, now: &str) -> Option<(String, String)> {
        let now: Zoned = now.parse().unwrap();
        read(text, &now).map(|(begin, end)| (begin.rfc3339(), end.rfc3339()))
    }

    #[test]
    fn times_are_read_by_the_clock_on_the_wall() {
        let now = "2026-11-23T15:05:13+01:00[Europe/Berlin]";
        for (text, begin, end) in [
            ("2h", "2026-11-23T12:05:13.000Z", "2026-11-23T12:05:13.000Z"),
            ("90m", "2026-11-23T12:35:13.000Z", "2026-11-23T12:35:13.000Z"),
            ("3d", "2026-11-20T14:05:13.000Z", "2026-11-20T14:05:13.000Z"),
            // Over the end of summer time a day is a day.
            ("5w", "2026-10-19T13:05:13.000Z", "2026-10-19T13:05:13.000Z"),
            ("today", "2026-11-22T23:00:00.000Z", "2026-11-23T23:00:00.000Z"),
            ("yesterday", "2026-11-21T23:00:00.000Z", "2026-11-22T23:00:00.000Z"),
            ("2026-10-25", "2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"),
            ("2026-11-23T08:30", "2026-11-23T07:30:00.000Z", "2026-11-23T07:30:00.000Z"),
            ("2026-11-23 08:30:01", "2026-11-23T07:30:01.000Z", "2026-11-23T07:30:01.000Z"),
            ("2026-11-23T08:30:00Z", "2026-11-23T08:30:00.000Z", "2026-11-23T08:30:00.000Z"),
            ("2026-11-23T08:30:00-05:00", "2026-11-23T13:30:00.000Z", "2026-11-23T13:30:00.000Z"),
        ] {
            assert_eq!(read_at(text, now), Some((begin.to_owned(), end.to_owned())), "{text}");
        }
        for text in [
            "",
            "h",
            "2",
            "2y",
            "-2h",
            "+2h",
            "99999999999999999999d",
            "9999999d",
            "tomorrow",
            "2026-13-01",
            "\u{0664}h",
            "14:05",
        ] {
            assert_eq!(read_at(text, now), None, "{text}");
        }
    }

    #[test]
    fn moments_are_shown_by_the_clock_on_the_wall() {
        let at = UnixMillis(1_795_442_713_000);
        assert_eq!(within(at, TimeZone::UTC), "2026-11-23 14:05:13");
        assert_eq!(within(at, TimeZone::get("Europe/Berlin").unwrap()), "2026-11-23 15:05:13");
        assert_eq!(within(UnixMillis(i64::MAX), TimeZone::UTC), i64::MAX.to_string());
    }

    #[test]
    fn spans_are_as_exact_as_is_of_use() {
        for (seconds, words) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7_199, "1 h"), (90_000, "1 d"), (864_000, "10 d")]
        {
            assert_eq!(lasting(Duration::from_secs(seconds)), words);
        }
        assert_eq!(ago(UnixMillis(5_000), UnixMillis(0)), "0 s ago", "a clock that went back");
    }
}
