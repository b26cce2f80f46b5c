//! Which form of an answer a client takes.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

use super::problem::Problem;

/// A form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// JSON, where nothing else is asked for.
    Json,
    /// A table.
    Csv,
    /// Server-sent events.
    Events,
}

impl Media {
    /// Its type.
    pub(super) const fn essence(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("application", "json"),
            Self::Csv => ("text", "csv"),
            Self::Events => ("text", "event-stream"),
        }
    }
}

/// The offer that the client likes best; the first of those it likes the same.
///
/// # Errors
/// It takes none.
pub(super) fn choose(headers: &HeaderMap, offers: &[Media]) -> Result<Media, Problem> {
    let ranges: Vec<Range> = headers
        .get_all(ACCEPT)
        .iter()
        // What cannot be read asks for nothing.
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(Range::parse)
        .collect();
    let wish = |media: &Media| if ranges.is_empty() { 1000 } else { weight(&ranges, *media) };
    let mut best = None;
    for offer in offers {
        let weight = wish(offer);
        if weight > 0 && best.is_none_or(|(most, _)| weight > most) {
            best = Some((weight, *offer));
        }
    }
    best.map(|(_, offer)| offer).ok_or_else(|| {
        Problem::not_acceptable(match offers {
            [Media::Events] => "ask for text/event-stream, or leave the header out",
            [Media::Json] => "ask for application/json, or leave the header out",
            _ => "ask for application/json or text/csv, or leave the header out",
        })
    })
}

/// A media range and its weight in thousandths.
struct Range<'a> {
    kind: &'a str,
    sub: &'a str,
    weight: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, sub) = parts.next()?.split_once('/')?;
        let weight = parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .map_or(1000, |(_, value)| thousandths(value.trim()));
        Some(Self { kind, sub, weight })
    }

    /// How exactly it names the type; `None` if it does not.
    fn fits(&self, media: Media) -> Option<u8> {
        let (kind, sub) = media.essence();
        if self.kind.eq_ignore_ascii_case(kind) && self.sub.eq_ignore_ascii_case(sub) {
            Some(2)
        } else if self.kind.eq_ignore_ascii_case(kind) && self.sub == "*" {
            Some(1)
        } else {
            (self.kind == "*" && self.sub == "*").then_some(0)
        }
    }
}

/// The weight of the range that names the type most exactly.
fn weight(ranges: &[Range], media: Media) -> u16 {
    let fitting = ranges.iter().filter_map(|range| Some((range.fits(media)?, range.weight)));
    fitting.max_by_key(|(exactness, _)| *exactness).map_or(0, |(_, weight)| weight)
}

/// `0.8` is 800; what is no weight is none.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction:0<3.3}");
    digits.parse::<u16>().map_or(0, |weight| weight.min(1000))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_best_offer_is_chosen() {
        let table = [Media::Json, Media::Csv];
        for (accept, expected) in [
            ("", Some(Media::Json)),
            ("*/*", Some(Media::Json)),
            ("text/csv", Some(Media::Csv)),
            ("TEXT/CSV; q=0.5, application/json;q=0.4", Some(Media::Csv)),
            ("text/*", Some(Media::Csv)),
            ("text/csv;q=0, */*;q=0.1", Some(Media::Json)),
            ("text/html, application/xhtml+xml, */*;q=0.8", Some(Media::Json)),
            ("application/json, text/csv", Some(Media::Json)),
            ("text/html", None),
            ("text/csv;q=0", None),
            ("text/csv;q=nonsense", None),
            ("\u{1}nonsense", Some(Media::Json)),
        ] {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(accept.as_bytes()) {
                headers.insert(ACCEPT, value);
            }
            assert_eq!(choose(&headers, &table).ok(), expected, "{accept}");
        }
    }
}
