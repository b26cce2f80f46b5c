//! How often something was refused, by source and hour.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::accept::Media;
use super::ask::{Ask, Edition, list, private};
use super::csv::Row;
use super::filter::nuki_id;
use super::problem::Problem;
use super::query::Query;
use super::schema;
use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;
use crate::store::RefusedCount;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// What is counted if no range is given.
const DEFAULT_RANGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The longest range: a leap year has less than 9,000 hours.
const LONGEST_RANGE: Duration = Duration::from_secs(366 * 24 * 60 * 60);
const HOUR_MILLIS: i64 = 60 * 60 * 1000;

/// Which attempts to count.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[allow(dead_code, reason = "documentation: it says which names there are and is read by `Query`")]
pub(super) struct CountsQuery {
    /// At this lock: its number, decimal or as eight hex digits.
    #[param(schema_with = schema::lock_number, required = false)]
    nuki_id: (),
    /// Not before: RFC 3339; seven days before to, if absent.
    #[param(value_type = Option<String>, format = DateTime)]
    from: (),
    /// Before: RFC 3339; now, if absent. At most 366 days after from.
    #[param(value_type = Option<String>, format = DateTime)]
    to: (),
    /// Offset from UTC of the clock whose hours are counted, such as +01:00; UTC if absent.
    #[param(schema_with = schema::offset, required = false)]
    tz: Option<String>,
}

/// Refused attempts of one source within one hour.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HourCount {
    /// When the hour began, in the offset that was asked for.
    #[schema(format = DateTime)]
    hour: String,
    /// What the attempts came from: `code`, `fingerprint`, `arrow_key`, `app`, `fob`, `bridge`, `button` and so on.
    source: String,
    /// How many.
    count: i64,
}

impl Row for HourCount {
    const COLUMNS: &'static [&'static str] = &["hour", "source", "count"];
}

/// Refused attempts by source and hour.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HourCounts {
    /// Where the range begins.
    #[schema(format = DateTime)]
    from: String,
    /// Where it ends.
    #[schema(format = DateTime)]
    to: String,
    /// By hour, then by source; hours without any are left out.
    counts: Vec<HourCount>,
}

/// Counts what was tried and did not succeed, by source and hour.
#[utoipa::path(get, path = "/refused/counts", tag = "history", params(CountsQuery), responses(
    (status = 200, description = "The counts", content((HourCounts = "application/json"), (String = "text/csv"))),
    (status = 304, description = "As If-None-Match says"),
    (status = 400, description = "A parameter is bad", body = Problem),
    (status = 406, description = "Neither JSON nor CSV is accepted", body = Problem),
))]
pub(super) async fn counts(State(app): State<Arc<AppState>>, ask: Ask) -> Result<Response, Problem> {
    let counting = Counting::new::<CountsQuery>(&app, &ask).await?;
    if let Some(known) = counting.not_modified() {
        return Ok(known);
    }
    let Counting { nuki_id, from, to, offset, .. } = counting;
    let rows = app.store.refused_counts(nuki_id, ask.who().access().locks(), from, to, offset).await?;
    let counts = rows.into_iter().map(|row| hour_count(row, offset)).collect();
    let body = HourCounts { from: from.rfc3339(), to: to.rfc3339(), counts };
    counting.answer(&body, &body.counts)
}

/// What is asked of counts by hour, whatever is counted.
pub(super) struct Counting {
    pub(super) query: Query,
    pub(super) nuki_id: Option<NukiId>,
    /// Where the range begins.
    pub(super) from: UnixMillis,
    /// Where it ends.
    pub(super) to: UnixMillis,
    /// Minutes ahead of UTC.
    pub(super) offset: i16,
    media: Media,
    edition: Edition,
}

impl Counting {
    pub(super) async fn new<P: IntoParams>(app: &AppState, ask: &Ask) -> Result<Self, Problem> {
        let media = ask.media(&[Media::Json, Media::Csv])?;
        let query = ask.query::<P>()?;
        let (from, to) = range(&query, app.clock.wall())?;
        let (nuki_id, offset) = (nuki_id(&query, &ask.doors(app))?, offset(&query)?);
        let edition = ask.edition(&app.store, &query, media).await?;
        Ok(Self { query, nuki_id, from, to, offset, media, edition })
    }

    /// A range that ends now is another one each time.
    fn is_fixed(&self) -> bool {
        self.query.get("from").is_some() && self.query.get("to").is_some()
    }

    /// The answer for a client that has these counts.
    pub(super) fn not_modified(&self) -> Option<Response> {
        self.edition.not_modified().filter(|_| self.is_fixed())
    }

    /// The counts, as the client wants them.
    pub(super) fn answer<R: Row>(&self, body: &impl Serialize, rows: &[R]) -> Result<Response, Problem> {
        let response = list(self.media, body, rows)?;
        Ok(if self.is_fixed() { self.edition.mark(response) } else { private(response) })
    }
}

fn range(query: &Query, now: UnixMillis) -> Result<(UnixMillis, UnixMillis), Problem> {
    let (from, to) = (query.date("from")?, query.date("to")?);
    let to = to.or_else(|| from.map(|from| now.max(from.plus(DAY)))).unwrap_or(now);
    let from = from.unwrap_or_else(|| to.before(DEFAULT_RANGE));
    if from >= to {
        return Err(Problem::parameter("to", "it is not after from", "from belongs to the range, to does not"));
    }
    if to.since(from) > LONGEST_RANGE {
        return Err(Problem::parameter("from", "the range is longer than 366 days", "ask for a year at a time"));
    }
    Ok((from, to))
}

/// Minutes ahead of UTC.
fn offset(query: &Query) -> Result<i16, Problem> {
    let Some(text) = query.get("tz") else { return Ok(0) };
    minutes(text).ok_or_else(|| {
        Problem::parameter("tz", "it is no offset from UTC", "write it like +01:00 or -03:30, or Z; at most 14 hours")
    })
}

fn minutes(text: &str) -> Option<i16> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (sign, digits) = match text.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, text.strip_prefix('-')?),
    };
    let &[h1, h0, b':', m1, m0] = digits.as_bytes() else { return None };
    let two = |high: u8, low: u8| {
        let both_digits = high.is_ascii_digit() && low.is_ascii_digit();
        both_digits.then(|| i16::from(high - b'0') * 10 + i16::from(low - b'0'))
    };
    let (hours, minutes) = (two(h1, h0)?, two(m1, m0)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= 14 * 60).then_some(sign * total)
}

fn hour_count(row: RefusedCount, offset: i16) -> HourCount {
    HourCount { hour: hour(row.hour, offset), source: row.source, count: row.times }
}

/// `2026-11-23T15:00:00+01:00`, from the number of the hour in that offset.
pub(super) fn hour(number: i64, offset: i16) -> String {
    let local = UnixMillis(number.saturating_mul(HOUR_MILLIS)).rfc3339();
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.unsigned_abs();
    // Cut where fractions of a second begin: an hour has none.
    format!("{}{sign}{:02}:{:02}", local.split('.').next().unwrap_or(&local), minutes / 60, minutes % 60)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_and_hours_written_in_them() {
        for (text, expected) in [("Z", 0), ("+00:00", 0), ("+05:45", 345), ("-03:30", -210), ("+14:00", 840)] {
            assert_eq!(minutes(text), Some(expected), "{text}");
        }
        for text in ["", "1", "+1:00", "+14:01", "+00:60", "Europe/Berlin", "+0٣:00", "++1:00"] {
            assert_eq!(minutes(text), None, "{text}");
        }
        assert_eq!(hour(498_733, 0), "2026-11-23T13:00:00+00:00");
        assert_eq!(hour(498_733, -210), "2026-11-23T13:00:00-03:30");
    }
}
