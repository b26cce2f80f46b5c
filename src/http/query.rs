//! Query parameters as Bridge clients send them.

use std::collections::BTreeMap;
use std::fmt;

use crate::protocol::beacon::NukiId;

/// The parameters of one request, by lower-case name.
///
/// They hold credentials, so they never print themselves.
#[derive(Default)]
pub struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads a raw query string.
    ///
    /// Percent signs are decoded once; `+` stays `+`, because clients send it in
    /// raw URLs and nobody sends it for a blank. Of a repeated name the last
    /// value counts: `NukiBridge2Mqtt` appends a fresh credential on each retry.
    /// A last value that is not UTF-8 counts as missing.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let mut params = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Ok(name) = String::from_utf8(percent_decode(name)) else { continue };
            let name = name.to_ascii_lowercase();
            match String::from_utf8(percent_decode(value)) {
                Ok(value) => params.insert(name, value),
                Err(_) => params.remove(&name),
            };
        }
        Self(params)
    }

    /// A value, also an empty one. The name is given in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A value that is not empty.
    #[must_use]
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Params(..{} values)", self.0.len())
    }
}

/// A sign that begins no escape stays as it is, as browsers and Python do.
pub(super) fn percent_decode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match (first, after) {
            (b'%', [high, low, tail @ ..]) => hex_digit(*high).zip(hex_digit(*low)).map(|(h, l)| (h << 4 | l, tail)),
            _ => None,
        };
        let (byte, tail) = escaped.unwrap_or((first, after));
        out.push(byte);
        rest = tail;
    }
    out
}

const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Bytes from hex digits of either case; `None` for an odd count or anything else.
#[must_use]
pub(super) fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(hex_digit(*high)? << 4 | hex_digit(*low)?)).collect()
}

/// What a client may mean by a `nukiId`: the decimal reading first, then the hexadecimal one.
#[must_use]
pub(super) fn nuki_id_readings(text: &str) -> [Option<NukiId>; 2] {
    // `parse` and `from_str_radix` accept a sign, which is no digit of an id.
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return [None, None];
    }
    [text.parse().ok(), NukiId::from_str_radix(text, 16).ok()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_in_any_case_and_the_last_value_wins() {
        let params = Params::parse("noWait=1&NUKIID=5&nukiId=6&1&x=");
        assert_eq!(params.get("nowait"), Some("1"));
        assert_eq!(params.get("nukiid"), Some("6"));
        assert_eq!(params.get("1"), Some(""));
        assert_eq!((params.get("x"), params.filled("x")), (Some(""), None));
        assert_eq!(params.get("y"), None);
    }

    #[test]
    fn values_are_decoded_once_and_plus_stays_plus() {
        let params = Params::parse("url=http%3A//h%3A1/a%2520b+c%zz%4&n=%C3%BC&n=%FF");
        assert_eq!(params.get("url"), Some("http://h:1/a%20b+c%zz%4"));
        assert_eq!(params.get("n"), None, "a last value that is no text hides the earlier one");
    }

    #[test]
    fn a_debug_print_shows_no_value() {
        assert!(!format!("{:?}", Params::parse("token=123456")).contains("123456"));
    }

    #[test]
    fn ids_read_as_decimal_and_as_hex() {
        assert_eq!(nuki_id_readings("1015571181"), [Some(1_015_571_181), None]);
        assert_eq!(nuki_id_readings("3c8862ED"), [None, Some(1_015_571_181)]);
        assert_eq!(nuki_id_readings("12345678"), [Some(12_345_678), Some(0x1234_5678)]);
        assert_eq!(nuki_id_readings("+5"), [None, None]);
        assert_eq!(nuki_id_readings(""), [None, None]);
    }
}
