//! The body of a request, where one is taken at all: small, soon, JSON, and never shown (`docs/adr/0032`).

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use futures::StreamExt;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::problem::Problem;

/// Longest body; the longest that makes sense has a third of it.
pub(super) const MAX_BODY: usize = 1024;
/// A body comes with its head, or at once behind it.
pub(super) const BODY_WITHIN: Duration = Duration::from_secs(5);

/// The bytes of a body. They are wiped when it is dropped, and print as nothing.
pub(super) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Reads a body to its end.
    ///
    /// # Errors
    /// It is no JSON by its own word, too long, too slow, or breaks off.
    pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Self, Problem> {
        if !is_json(headers) {
            return Err(Problem::unsupported_media_type());
        }
        let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > MAX_BODY as u64) {
            return Err(Problem::body_too_large(MAX_BODY));
        }
        timeout(BODY_WITHIN, collect(body)).await.map_err(|_| Problem::body_too_slow(BODY_WITHIN))?
    }

    /// A body that has been read.
    #[cfg(any(test, fuzzing))]
    pub(super) fn of(body: &[u8]) -> Self {
        Self(Zeroizing::new(body.to_vec()))
    }

    /// What the body says, as exactly as `T` describes it. `expected` says in words what that is.
    ///
    /// # Errors
    /// It is something else. The error says where, and repeats nothing of it.
    pub(super) fn json<'a, T: Deserialize<'a>>(&'a self, expected: &'static str) -> Result<T, Problem> {
        // The parser's own words may repeat values, so only the place is taken from it.
        serde_json::from_slice(&self.0).map(|Named(whole)| whole).map_err(|error| {
            Problem::body(format!("the body does not fit at column {}", column(&self.0, &error)), expected)
        })
    }
}

/// What stands between braces, with names. serde's structs take an array of their values in order as well.
pub(super) struct Named<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Braces(PhantomData))
    }
}

struct Braces<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Braces<T> {
    type Value = Named<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Named<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Named)
    }
}

/// Counted over the whole body, since clients rarely think of it in lines.
fn column(body: &[u8], error: &serde_json::Error) -> usize {
    let before = body.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    before.map(<[u8]>::len).sum::<usize>() + error.column()
}

async fn collect(body: Body) -> Result<Secret, Problem> {
    // As large as it gets, so that growing leaves no copy behind.
    let mut whole = Zeroizing::new(Vec::with_capacity(MAX_BODY));
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            tracing::debug!(%error, "a body broke off");
            Problem::body("the body broke off", "send it whole")
        })?;
        if whole.len() + chunk.len() > MAX_BODY {
            return Err(Problem::body_too_large(MAX_BODY));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(Secret(whole))
}

/// `application/json`, whatever stands behind it. A page of another site cannot send that without being asked first.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let essence = types.next().and_then(|value| value.to_str().ok()).and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json")) && types.next().is_none()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Known {
        #[serde(rename = "n")]
        _n: u8,
    }

    #[test]
    fn the_place_of_a_mistake_is_counted_over_the_whole_body() {
        let at = |text: &str| {
            let secret = Secret(Zeroizing::new(text.as_bytes().to_vec()));
            match secret.json::<Known>("n") {
                Ok(_) => None,
                Err(problem) => Some(serde_json::to_value(&problem).unwrap()["message"].as_str().unwrap().to_owned()),
            }
        };
        assert_eq!(at("{\"n\": 1}"), None);
        assert_eq!(at("{\"n\": x}"), Some("the body does not fit at column 7".to_owned()));
        assert_eq!(at("{\n\"n\": x}"), Some("the body does not fit at column 8".to_owned()));
        assert_eq!(at(""), Some("the body does not fit at column 0".to_owned()));
    }

    /// Found by the fuzzer: `["unlock"]` opened as `{"action": "unlock"}` does.
    #[test]
    fn values_without_names_are_no_body() {
        for text in ["[1]", "[]", "[[1]]", "1", "null", "[{\"n\": 1}]"] {
            assert!(Secret::of(text.as_bytes()).json::<Known>("n").is_err(), "{text}");
        }
        assert!(Secret::of(b" {\"n\": 1} ").json::<Known>("n").is_ok());
    }
}
