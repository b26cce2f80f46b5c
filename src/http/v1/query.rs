//! Query strings of `/v1`, read strictly: what is not understood is refused, never left out.

use std::str::FromStr;

use utoipa::IntoParams;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::Schema;

use super::super::query::percent_decode;
use super::problem::Problem;
use crate::clock::UnixMillis;

/// Parameters that are credentials; they were checked before.
pub(super) const CREDENTIALS: [&str; 7] = ["token", "ts", "rnr", "hash", "ctoken", "nonce", "nounce"];
/// So much of a name that a client made up is repeated to it.
const NAME_SHOWN: usize = 40;

/// The parameters of one request, under the names of its documentation.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a raw query string by the parameters that are documented for `P`. Names match in any case; only lists may be repeated.
    ///
    /// # Errors
    /// A name that is not known, a value that is no text, or a repetition.
    pub(super) fn read<P: IntoParams>(raw: &str) -> Result<Self, Problem> {
        let known = P::into_params(|| Some(ParameterIn::Query));
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in split(raw) {
            let name = String::from_utf8(percent_decode(name)).map_err(|_| unknown("", &known))?;
            if is_credential(&name) {
                continue;
            }
            let found = known.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(&name));
            let found = found.ok_or_else(|| unknown(&name, &known))?;
            let value = String::from_utf8(percent_decode(value)).map_err(|_| {
                Problem::parameter(found.name.clone(), "it is not UTF-8", "encode its UTF-8 bytes with percent signs")
            })?;
            if !is_list(found) && pairs.iter().any(|(earlier, _)| *earlier == found.name) {
                let message = "it is given more than once";
                return Err(Problem::parameter(found.name.clone(), message, "give it once"));
            }
            pairs.push((found.name.clone(), value));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter that may stand once.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter, in order.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A whole number in its type's range.
    pub(super) fn number<T: FromStr>(&self, name: &'static str, hint: &'static str) -> Result<Option<T>, Problem> {
        self.get(name).map(|text| whole(name, text, hint)).transpose()
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.get(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(Problem::parameter(name, "it is neither true nor false", "write true or false")),
        }
    }

    /// A moment.
    pub(super) fn date(&self, name: &'static str) -> Result<Option<UnixMillis>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let time = text.parse::<jiff::Timestamp>().map_err(|_| {
            Problem::parameter(
                name,
                "it is not an RFC 3339 date and time with an offset",
                "write it like 2026-11-23T14:05:09Z or 2026-11-23T15:05:09+01:00",
            )
        })?;
        Ok(Some(UnixMillis(time.as_millisecond())))
    }

    /// One of the words that it may be.
    pub(super) fn word(&self, name: &'static str, words: &[&'static str]) -> Result<Option<String>, Problem> {
        self.get(name).map(|text| one_of(name, text, words)).transpose()
    }

    /// Everything that was asked for in a form that is the same for the same wish, without the parameters named in `without`.
    pub(super) fn canonical(&self, without: &[&str]) -> String {
        let mut pairs: Vec<_> = self.0.iter().filter(|(name, _)| !without.contains(&name.as_str())).collect();
        pairs.sort();
        // A length before each part: no value can pass for a name.
        pairs.iter().map(|(name, value)| format!("{}:{name}{}:{value}", name.len(), value.len())).collect()
    }
}

/// The raw query without credentials and the named parameter, for a link to another page.
pub(super) fn without(raw: &str, parameter: &str) -> String {
    let keep = |name: &str| {
        let decoded = percent_decode(name);
        !is_credential(&String::from_utf8_lossy(&decoded)) && !decoded.eq_ignore_ascii_case(parameter.as_bytes())
    };
    let kept = raw.split('&').filter(|pair| !pair.is_empty() && keep(pair.split_once('=').map_or(*pair, |p| p.0)));
    kept.collect::<Vec<_>>().join("&")
}

/// A whole number, digits only.
pub(super) fn whole<T: FromStr>(name: &'static str, text: &str, hint: &'static str) -> Result<T, Problem> {
    let digits_only = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits_only);
    number.ok_or_else(|| Problem::parameter(name, "it is not a whole number in its range", hint))
}

/// One of some words.
pub(super) fn one_of(name: &'static str, text: &str, words: &[&'static str]) -> Result<String, Problem> {
    match words.iter().find(|word| **word == text) {
        Some(word) => Ok((*word).to_owned()),
        None => {
            let hint = format!("it is one of {}", words.join(", "));
            Err(Problem::parameter(name, "it is no word that is known here", hint))
        }
    }
}

fn split(raw: &str) -> impl Iterator<Item = (&str, &str)> {
    raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn is_credential(name: &str) -> bool {
    CREDENTIALS.iter().any(|credential| credential.eq_ignore_ascii_case(name))
}

fn is_list(parameter: &Parameter) -> bool {
    matches!(parameter.schema, Some(RefOr::T(Schema::Array(_))))
}

fn unknown(name: &str, known: &[Parameter]) -> Problem {
    let names = || known.iter().map(|parameter| parameter.name.as_str());
    let lower = name.to_ascii_lowercase();
    let nearest = names().min_by_key(|known| distance(&lower, &known.to_ascii_lowercase()));
    let hint = match nearest {
        // Half of it is right: a slip. Anything else is a guess.
        Some(nearest) if distance(&lower, &nearest.to_ascii_lowercase()) * 2 <= nearest.len() => {
            format!("did you mean {nearest}? There are {}", names().collect::<Vec<_>>().join(", "))
        }
        Some(_) => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
        None => "leave it out".to_owned(),
    };
    let shown: String = name.chars().take(NAME_SHOWN).collect();
    Problem::parameter(shown, "there is no such parameter here", hint)
}

/// How many letters must be changed, added or dropped to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    // A long name is far from each that is known, and not worth the table.
    let a: Vec<char> = a.chars().take(NAME_SHOWN).collect();
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (line, right) in b.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (cell, &letter) in row.iter_mut().skip(1).zip(&a) {
            let above = *cell;
            *cell = (diagonal + usize::from(letter != right)).min(above + 1).min(left + 1);
            diagonal = above;
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(IntoParams)]
    #[into_params(parameter_in = Query, rename_all = "camelCase")]
    #[allow(dead_code)]
    struct Known {
        code_id: Option<u16>,
        limit: Option<u32>,
        kind: Vec<String>,
    }

    fn refused(raw: &str) -> serde_json::Value {
        serde_json::to_value(Query::read::<Known>(raw).unwrap_err()).unwrap()
    }

    #[test]
    fn the_nearest_name_is_offered() {
        assert_eq!(refused("codeld=1")["hint"], "did you mean codeId? There are codeId, limit, kind");
        assert_eq!(refused("zzzzzz=1")["hint"], "there are codeId, limit, kind");
        assert_eq!(refused("limti=1")["parameter"], "limti");
    }

    #[test]
    fn only_lists_are_repeated_and_credentials_are_nobodys_business() {
        let query = Query::read::<Known>("KIND=a&token=x&kind=b&Hash=y&codeid=%31").unwrap();
        assert_eq!(query.all("kind").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(query.get("codeId"), Some("1"));
        assert_eq!(refused("limit=1&LIMIT=2")["parameter"], "limit");
        assert_eq!(refused("limit=%FF")["message"], "it is not UTF-8");
        assert!(refused("%FF=1")["message"].as_str().unwrap().contains("no such parameter"));
    }

    #[test]
    fn the_canonical_form_knows_no_order_and_cannot_be_confused() {
        let canonical = |raw| Query::read::<Known>(raw).unwrap().canonical(&["limit"]);
        assert_eq!(canonical("kind=a&codeId=1&limit=5"), canonical("codeid=1&kind=%61"));
        assert_ne!(canonical("kind=a&kind=b"), canonical("kind=a4:kind1:b"));
        assert_eq!(without("a=1&TOKEN=s&cursor=x&%74oken=s&b", "cursor"), "a=1&b");
    }

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (a, b, expected) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("limit", "limit", 0)] {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }
}
