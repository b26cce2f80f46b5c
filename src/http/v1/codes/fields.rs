//! What a client says of a code: read strictly, checked before a lock hears of it.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::super::body::Named;
use super::super::problem::Problem;
use super::super::schema;
use crate::protocol::codes::SealedDigits;
use crate::protocol::datetime::DeviceTime;
use crate::protocol::users::{CodeDigits, TimeLimit};

/// Longest name, in bytes of UTF-8: what a lock has room for.
const MAX_NAME: usize = 20;
/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A new keypad code.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewCode<'a> {
    /// Its name, up to 20 bytes of UTF-8.
    #[schema(schema_with = schema::code_name)]
    pub(super) name: String,
    /// Its digits: six from 1 to 9, not beginning with 12. They go to the lock and nowhere else.
    #[schema(schema_with = schema::digits)]
    pub(super) digits: &'a str,
    /// When it is valid; without it, or null: always.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<Limit>)]
    pub(super) time_limit: Option<Limit>,
}

/// What shall be otherwise about a keypad code. What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CodeUpdate<'a> {
    /// Its new name, up to 20 bytes of UTF-8.
    #[serde(default, deserialize_with = "given")]
    #[schema(schema_with = schema::code_name, required = false)]
    pub(super) name: Option<String>,
    /// Its new digits.
    #[serde(borrow, default, deserialize_with = "given")]
    #[schema(schema_with = schema::digits, required = false)]
    pub(super) digits: Option<&'a str>,
    /// Whether it may open.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    pub(super) enabled: Option<bool>,
    /// When it is valid, as a whole; null: always.
    #[serde(default, deserialize_with = "given_named")]
    #[schema(value_type = Option<Limit>)]
    pub(super) time_limit: Option<Option<Limit>>,
}

impl CodeUpdate<'_> {
    pub(super) const fn is_empty(&self) -> bool {
        self.name.is_none() && self.digits.is_none() && self.enabled.is_none() && self.time_limit.is_none()
    }
}

/// A value that stands there, null included, so that null is not taken for left out.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A value with names, or null.
fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Named<T>>::deserialize(deserializer)?.map(|Named(value)| value))
}

fn given_named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    named(deserializer).map(Some)
}

/// When a code is valid, under the Web API's names. Everything by the lock's own clock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TimeLimit)]
pub(super) struct Limit {
    /// Not before: `2026-12-01T08:00:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::lock_time, required = false)]
    allowed_from_date: Option<String>,
    /// Not after.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::lock_time, required = false)]
    allowed_until_date: Option<String>,
    /// On which days: the sum of 64 Monday, 32 Tuesday, 16 Wednesday, 8 Thursday, 4 Friday, 2 Saturday, 1 Sunday. Without it, or 0: every day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 127, nullable = false)]
    allowed_week_days: Option<u8>,
    /// From which minute of the day; only together with `allowedUntilTime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1439, nullable = false)]
    allowed_from_time: Option<u16>,
    /// Until which minute of the day, later than `allowedFromTime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1439, nullable = false)]
    allowed_until_time: Option<u16>,
}

impl From<TimeLimit> for Limit {
    fn from(limit: TimeLimit) -> Self {
        let is_timed = limit.from_time != limit.until_time;
        let minutes = |(hour, minute): (u8, u8)| is_timed.then(|| u16::from(hour) * 60 + u16::from(minute));
        Self {
            allowed_from_date: limit.from.map(|time| time.to_string()),
            allowed_until_date: limit.until.map(|time| time.to_string()),
            allowed_week_days: Some(limit.weekdays),
            allowed_from_time: minutes(limit.from_time),
            allowed_until_time: minutes(limit.until_time),
        }
    }
}

impl TryFrom<&Limit> for TimeLimit {
    type Error = Problem;

    fn try_from(limit: &Limit) -> Result<Self, Problem> {
        let from = date("timeLimit.allowedFromDate", limit.allowed_from_date.as_deref())?;
        let until = date("timeLimit.allowedUntilDate", limit.allowed_until_date.as_deref())?;
        if from.zip(until).is_some_and(|(from, until)| from >= until) {
            let message = "it is not later than allowedFromDate, so the code would never be valid";
            return Err(Problem::parameter("timeLimit.allowedUntilDate", message, "swap them, or leave one out"));
        }
        let weekdays = limit.allowed_week_days.unwrap_or(0);
        if weekdays > 0x7F {
            let hint = "0 for every day, or the sum of 64 Monday, 32 Tuesday, 16, 8, 4, 2 and 1 Sunday";
            return Err(Problem::parameter("timeLimit.allowedWeekDays", "it is more than 127", hint));
        }
        let (from_time, until_time) = match (limit.allowed_from_time, limit.allowed_until_time) {
            (None, None) => ((0, 0), (0, 0)),
            (Some(from), Some(until)) if from < until && until < DAY => (clock(from), clock(until)),
            _ => {
                let message = "allowedFromTime and allowedUntilTime are not two minutes of one day, the later one last";
                let hint = "give both, each from 0 to 1439, or neither; for a night make two codes";
                return Err(Problem::parameter("timeLimit.allowedUntilTime", message, hint));
            }
        };
        let whole = Self { from, until, weekdays, from_time, until_time };
        if whole == Self::default() {
            let hint = "say when the code is valid, or write null for always";
            return Err(Problem::parameter("timeLimit", "it limits nothing", hint));
        }
        Ok(whole)
    }
}

fn clock(minutes: u16) -> (u8, u8) {
    let part = |number: u16| u8::try_from(number).unwrap_or(0);
    (part(minutes / 60), part(minutes % 60))
}

/// A moment of the lock's clock, which has no zone.
fn date(field: &'static str, text: Option<&str>) -> Result<Option<DeviceTime>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let time = text.parse::<jiff::civil::DateTime>().ok().and_then(|time| {
        Some(DeviceTime {
            year: u16::try_from(time.year()).ok()?,
            month: u8::try_from(time.month()).ok()?,
            day: u8::try_from(time.day()).ok()?,
            hour: u8::try_from(time.hour()).ok()?,
            minute: u8::try_from(time.minute()).ok()?,
            second: u8::try_from(time.second()).ok()?,
        })
    });
    // What is written back differently was something else: a zone, a fraction, another calendar.
    match time.filter(|time| time.to_string() == text) {
        Some(time) => Ok(Some(time)),
        None => Err(Problem::parameter(
            field,
            "it is no date and time of the lock's clock",
            "write it like 2026-12-01T08:00:00, without a zone: the lock compares it with its own clock",
        )),
    }
}

/// A name that comes back from the lock as it was sent.
pub(super) fn name(name: String) -> Result<String, Problem> {
    let is_good = (1..=MAX_NAME).contains(&name.len()) && name.trim() == name && !name.chars().any(char::is_control);
    if is_good {
        return Ok(name);
    }
    let message = "it is empty, longer than 20 bytes of UTF-8, or has control characters or blanks at its ends";
    Err(Problem::parameter("name", message, "1 to 20 bytes; most letters with marks take two"))
}

/// The digits, on their way.
pub(super) fn digits(text: &str) -> Result<SealedDigits, Problem> {
    CodeDigits::parse(text).map(SealedDigits::from).ok_or_else(|| {
        Problem::parameter(
            "digits",
            "these are no digits of a keypad code",
            "six digits from 1 to 9, not beginning with 12",
        )
    })
}

pub(super) fn limit(limit: Option<&Limit>) -> Result<Option<TimeLimit>, Problem> {
    limit.map(TimeLimit::try_from).transpose()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<TimeLimit, String> {
        let limit: Limit = serde_json::from_str(text).map_err(|error| error.to_string())?;
        TimeLimit::try_from(&limit).map_err(|problem| serde_json::to_string(&problem).unwrap())
    }

    #[test]
    fn a_limit_comes_back_as_it_was_sent() {
        for text in [
            r#"{"allowedFromDate":"2026-12-01T08:00:00","allowedUntilDate":"2026-12-24T12:00:00","allowedWeekDays":0}"#,
            r#"{"allowedWeekDays":96,"allowedFromTime":480,"allowedUntilTime":720}"#,
            r#"{"allowedWeekDays":0,"allowedFromTime":0,"allowedUntilTime":1439}"#,
        ] {
            assert_eq!(serde_json::to_string(&Limit::from(parse(text).unwrap())).unwrap(), text);
        }
    }

    #[test]
    fn a_limit_that_means_nothing_or_something_else_is_refused() {
        for text in [
            "{}",
            r#"{"allowedWeekDays":0}"#,
            r#"{"allowedWeekDays":128}"#,
            r#"{"allowedFromTime":480}"#,
            r#"{"allowedFromTime":720,"allowedUntilTime":480}"#,
            r#"{"allowedFromTime":480,"allowedUntilTime":480}"#,
            r#"{"allowedFromTime":480,"allowedUntilTime":1440}"#,
            r#"{"allowedFromDate":"2026-12-01T08:00:00Z"}"#,
            r#"{"allowedFromDate":"2026-12-01T08:00:00+01:00"}"#,
            r#"{"allowedFromDate":"2026-12-01"}"#,
            r#"{"allowedFromDate":"2026-12-01 08:00:00"}"#,
            r#"{"allowedFromDate":"2026-02-30T08:00:00"}"#,
            r#"{"allowedFromDate":"-002026-12-01T08:00:00"}"#,
            r#"{"allowedFromDate":"2026-12-24T08:00:00","allowedUntilDate":"2026-12-01T08:00:00"}"#,
            r#"{"allowedDays":1}"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn digits_are_those_that_a_keypad_takes_and_a_refusal_does_not_repeat_them() {
        for text in ["968574", "111111", "999999", "211111"] {
            assert!(digits(text).is_ok(), "{text}");
        }
        for text in ["", "12345", "1234567", "123456", "129999", "968570", "+96857", " 96857", "９６８５", "abcdef"]
        {
            let problem = serde_json::to_string(&digits(text).map(drop).unwrap_err()).unwrap();
            assert!(text.is_empty() || !problem.contains(text), "{problem}");
        }
    }

    #[test]
    fn a_name_is_one_that_the_lock_gives_back() {
        for text in ["A", "Zoë", "12345678901234567890"] {
            assert_eq!(name(text.to_owned()).unwrap(), text);
        }
        for text in ["", " A", "A ", "123456789012345678901", "ëëëëëëëëëëë", "a\0b", "a\nb"] {
            assert!(name(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
