//! What has to be true of bodies about keypad codes.

use super::super::body::Secret;
use super::super::fuzzing::repeats_nothing;
use super::fields::{CodeUpdate, Limit, NewCode, digits, limit, name};
use crate::protocol::users::{CodeDigits, TimeLimit};

/// A body, as what it may be.
pub(in crate::http) fn codes(data: &[u8], body: &Secret) {
    match body.json::<NewCode<'_>>("a code") {
        Ok(code) => {
            named(data, code.name);
            numbered(data, code.digits);
            limited(data, code.time_limit.as_ref());
        }
        Err(problem) => repeats_nothing(data, &problem),
    }
    match body.json::<CodeUpdate<'_>>("a change") {
        Ok(update) => {
            assert!(update.is_empty() || data.contains(&b':'), "a change is one that stands there");
            if let Some(name) = update.name {
                named(data, name);
            }
            if let Some(digits) = update.digits {
                numbered(data, digits);
            }
            limited(data, update.time_limit.flatten().as_ref());
        }
        Err(problem) => repeats_nothing(data, &problem),
    }
}

fn named(data: &[u8], text: String) {
    match name(text.clone()) {
        Ok(name) => {
            assert_eq!(name, text, "a name is taken as it stands");
            let is_clean = name.trim() == name && !name.chars().any(char::is_control);
            assert!(is_clean && (1..=20).contains(&name.len()), "the lock gives it back as it was sent");
        }
        Err(problem) => repeats_nothing(data, &problem),
    }
}

fn numbered(data: &[u8], text: &str) {
    let is_code =
        text.len() == 6 && text.bytes().all(|digit| (b'1'..=b'9').contains(&digit)) && !text.starts_with("12");
    let read = digits(text);
    assert_eq!(read.is_ok(), is_code, "six digits from 1 to 9, not beginning with 12");
    match read {
        Ok(sealed) => {
            assert!(Some(sealed.clone()) == CodeDigits::parse(text).map(Into::into), "they are those that were sent");
            assert!(!format!("{sealed:?}").contains(text), "they print as nothing");
        }
        Err(problem) => repeats_nothing(data, &problem),
    }
}

fn limited(data: &[u8], wanted: Option<&Limit>) {
    match limit(wanted) {
        Ok(None) => assert!(wanted.is_none(), "a limit is never overlooked"),
        Ok(Some(read)) => {
            assert_ne!(read, TimeLimit::default(), "a limit limits something");
            let again = limit(Some(&Limit::from(read)));
            assert!(again.is_ok_and(|again| again == Some(read)), "it comes back as it was sent");
            let is_range = read.from.zip(read.until).is_none_or(|(from, until)| from < until);
            assert!(is_range, "there is a moment in which the code is valid");
        }
        Err(problem) => repeats_nothing(data, &problem),
    }
}
