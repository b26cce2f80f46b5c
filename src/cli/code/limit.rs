//! When a code is valid, as people write it.

use clap::Args;
use serde::Serialize;

/// As the week begins; the first has the highest bit.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Everything by the lock's own clock (`keyturner clock` shows it).
#[derive(Debug, Args)]
pub(super) struct LimitArgs {
    /// Valid from this moment of the lock's clock on, such as 2026-12-01T08:00
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    from: Option<String>,
    /// Valid until this moment of the lock's clock
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    until: Option<String>,
    /// Valid on these days only, such as mon-fri or sat,sun
    #[arg(long, value_name = "DAYS", value_parser = parse_days)]
    weekdays: Option<u8>,
    /// Valid between these times of the day only, such as 08:00-12:00
    #[arg(long, value_name = "TIMES", value_parser = parse_times)]
    times: Option<(u16, u16)>,
}

/// The same as `/v1` has it.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Limit {
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_from_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_until_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_week_days: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_from_time: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_until_time: Option<u16>,
}

impl LimitArgs {
    /// `None` if nothing was said.
    pub(super) fn limit(&self) -> Option<Limit> {
        let Self { from, until, weekdays, times } = self;
        let is_any = from.is_some() || until.is_some() || weekdays.is_some() || times.is_some();
        is_any.then(|| Limit {
            allowed_from_date: from.clone(),
            allowed_until_date: until.clone(),
            allowed_week_days: *weekdays,
            allowed_from_time: times.map(|(from, _)| from),
            allowed_until_time: times.map(|(_, until)| until),
        })
    }
}

fn parse_date(text: &str) -> Result<String, String> {
    // A date alone could mean its beginning or its end, and the parser drops a zone that it finds behind the time.
    let is_plain = |time: &str| time.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let has_plain_time = text.split_once(['T', ' ']).is_some_and(|(_, time)| is_plain(time));
    let time = text.parse::<jiff::civil::DateTime>().ok().filter(|_| has_plain_time);
    let time = time.ok_or("expected a date and time of the lock's clock, without a zone, such as 2026-12-01T08:00")?;
    Ok(time.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

fn parse_days(text: &str) -> Result<u8, String> {
    let wrong = || format!("expected days such as mon-fri or sat,sun; there are {}", DAYS.join(", "));
    let day = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name.trim())).ok_or_else(wrong);
    let mut mask = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        if first > last {
            return Err(wrong());
        }
        for day in first..=last {
            mask |= 0x40 >> day;
        }
    }
    Ok(mask)
}

fn parse_times(text: &str) -> Result<(u16, u16), String> {
    let wrong = || "expected two times of one day, the earlier one first, such as 08:00-12:00".to_owned();
    let minutes = |text: &str| {
        let (hour, minute) = text.trim().split_once(':')?;
        let number = |text: &str| text.parse::<u16>().ok().filter(|_| text.len() == 2 && !text.starts_with('+'));
        let (hour, minute) = (number(hour)?, number(minute)?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let (from, until) = text.split_once('-').ok_or_else(wrong)?;
    let (from, until) = (minutes(from).ok_or_else(wrong)?, minutes(until).ok_or_else(wrong)?);
    if from < until { Ok((from, until)) } else { Err(wrong()) }
}

/// Days by their bits.
pub(super) fn days(mask: u64) -> String {
    let names = DAYS.iter().enumerate().filter(|(day, _)| mask & (0x40 >> day) != 0);
    names.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood_or_refused_and_never_guessed() {
        assert_eq!(parse_days("mon-fri"), Ok(0b111_1100));
        assert_eq!(parse_days("Sat,sun"), Ok(0b000_0011));
        assert_eq!(days(0b101_0001), "mon wed sun");
        for text in ["", "fri-mon", "monday", "mon,", "-", "1"] {
            assert!(parse_days(text).is_err(), "{text}");
        }
        assert_eq!(parse_times("08:00-12:05"), Ok((480, 725)));
        for text in ["", "08:00", "8-12", "12:00-08:00", "08:00-08:00", "24:00-25:00", "08:60-09:00", "+8:00-09:00"] {
            assert!(parse_times(text).is_err(), "{text}");
        }
        assert_eq!(parse_date("2026-12-01T08:00").unwrap(), "2026-12-01T08:00:00");
        assert_eq!(parse_date("2026-12-01 08:00:05").unwrap(), "2026-12-01T08:00:05");
        for text in ["", "2026-12-01", "soon", "2026-12-01T08:00Z", "2026-12-01T08:00+01:00", "2026-02-30T08:00"] {
            assert!(parse_date(text).is_err(), "{text}");
        }
    }
}
