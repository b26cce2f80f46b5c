//! Query strings: of the Bridge API, of `/v1`, and the URLs and numbers in them.

use super::super::query::{Params, nuki_id_readings, percent_decode};
use super::super::v1;
use super::escaped;
use crate::delivery::Target;

/// A query string, as far as bytes are one.
pub fn query(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    assert_eq!(percent_decode(&escaped(text)), data, "what is escaped comes back");
    params(text);
    numbers(text);
    if Target::parse(text).is_ok() {
        // What goes into the head of a request must not end its line.
        assert!(!text.chars().any(char::is_control), "a callback URL has no control characters");
        assert!(text.chars().count() <= 254, "a callback URL fits its field");
    }
    v1::fuzzing::query(text);
}

/// Read by the `url` crate, which decodes alike but for `+`, each name has the last of its values.
fn params(text: &str) {
    let params = Params::parse(text);
    let plus_kept = text.replace('+', "%2B");
    let pairs: Vec<_> = url::form_urlencoded::parse(plus_kept.as_bytes()).collect();
    // The other parser puts this sign where there is no UTF-8, where ours leaves out the parameter.
    let is_lossy = pairs.iter().any(|(name, value)| name.contains('\u{FFFD}') || value.contains('\u{FFFD}'));
    if is_lossy {
        return;
    }
    for (name, _) in &pairs {
        let name = name.to_ascii_lowercase();
        let last = pairs.iter().rfind(|(other, _)| other.eq_ignore_ascii_case(&name)).map(|(_, value)| &**value);
        assert_eq!(params.get(&name), last, "the last value of a name counts");
        assert_eq!(params.filled(&name), last.filter(|value| !value.is_empty()), "an empty value is none");
    }
}

/// A number that is read is one that was written.
fn numbers(text: &str) {
    let [decimal, hex] = nuki_id_readings(text);
    if let Some(id) = decimal {
        assert_eq!(text.trim_start_matches('0'), id.to_string().trim_start_matches('0'), "a decimal number");
    }
    if let Some(id) = hex {
        let again = format!("{id:x}");
        let written = text.trim_start_matches('0').to_ascii_lowercase();
        assert_eq!(written, again.trim_start_matches('0'), "a number in hex digits");
    }
}
