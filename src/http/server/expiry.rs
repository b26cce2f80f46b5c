//! Until when a certificate counts: the one thing of it that its owner must hear of in time.
//!
//! Six steps through DER, instead of a library that reads all of X.509.

use crate::clock::UnixMillis;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `notAfter` of a certificate in DER (RFC 5280, 4.1); `None` if it is not understood.
pub(super) fn not_after(certificate: &[u8]) -> Option<UnixMillis> {
    let (content, _) = of(SEQUENCE, certificate)?;
    let (signed, _) = of(SEQUENCE, content)?;
    let (tag, _, rest) = element(signed)?;
    let behind_version = if tag == VERSION { rest } else { signed };
    // Serial number, signature, issuer, then validity.
    let behind_issuer = (0..3).try_fold(behind_version, |bytes, _| element(bytes).map(|(_, _, rest)| rest))?;
    let (validity, _) = of(SEQUENCE, behind_issuer)?;
    let (_, _, end) = element(validity)?;
    let (tag, text, _) = element(end)?;
    moment(tag, core::str::from_utf8(text).ok()?)
}

/// Tag, content and what comes after of the element at the beginning.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn of(wanted: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    element(bytes).filter(|(tag, ..)| *tag == wanted).map(|(_, content, rest)| (content, rest))
}

/// `YYMMDDHHMMSSZ` until 2049, `YYYYMMDDHHMMSSZ` after.
fn moment(tag: u8, text: &str) -> Option<UnixMillis> {
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (year + if year < 50 { 2000 } else { 1900 }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let digits = rest.strip_suffix('Z').filter(|digits| digits.len() == 10 && digits.is_ascii())?;
    let part = |at: usize| digits.get(at..at + 2)?.parse::<i8>().ok();
    let date = jiff::civil::DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
    Some(UnixMillis(jiff::tz::TimeZone::UTC.to_timestamp(date).ok()?.as_millisecond()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn made(year: i32, month: u8, day: u8) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["door.lan".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, month, day);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_spellings() {
        for (year, month, day, at) in
            [(2027, 3, 9, "2027-03-09T00:00:00.000Z"), (2061, 12, 31, "2061-12-31T00:00:00.000Z")]
        {
            assert_eq!(not_after(&made(year, month, day)).unwrap().rfc3339(), at);
        }
    }

    #[test]
    fn no_part_of_a_certificate_and_no_changed_one_makes_it_panic() {
        let whole = made(2027, 3, 9);
        for length in 0..whole.len() {
            not_after(&whole[..length]);
            let mut changed = whole.clone();
            changed[length] ^= 0xFF;
            not_after(&changed);
        }
        assert_eq!(not_after(b"no certificate"), None);
        assert_eq!(moment(UTC_TIME, "270309240000Z"), None);
    }
}
