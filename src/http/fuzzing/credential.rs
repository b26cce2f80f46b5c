//! Credentials in each of their forms.

use std::time::Duration;

use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use sha2::{Digest, Sha256};

use super::super::auth::{Authenticator, DEFAULT_WINDOW, Denied, Presented, Token};
use super::super::query::Params;
use super::escaped;
use crate::access::Access;
use crate::clock::UnixMillis;

/// The token of the vendor's own example, which the seeds know.
const KNOWN: &str = "123456";
/// 2024-04-06T06:02:15Z, around which the seeds' times are.
const NOW: UnixMillis = UnixMillis(1_712_383_335_000);

/// Bytes as a query or a header's token; or, as two lines, a time and a random number to make a credential of.
pub fn credential(data: &[u8]) {
    // Salted, since the digest of what is sent as a token is what a token of `/v1` is known by.
    let digest: [u8; 32] = Sha256::new().chain_update("salt").chain_update(data).finalize().into();
    let text = String::from_utf8_lossy(data);
    let params = Params::parse(&text);
    nobody_guesses(data, &params, digest);
    whoever_is_let_in_has_the_token_or_uses_it_up(&params);
    if let Some((ts, rnr)) = text.split_once('\n') {
        hashed(ts, rnr);
        encrypted(ts, rnr, digest);
    }
}

fn gate(token: Token) -> Authenticator {
    Authenticator::new(vec![token], DEFAULT_WINDOW, UnixMillis(0))
}

fn known() -> Option<Authenticator> {
    Some(gate(Token::new("known", KNOWN).ok()?))
}

/// A token that depends on what is sent is in none of it.
fn nobody_guesses(data: &[u8], params: &Params, digest: [u8; 32]) {
    let secret: String = digest.iter().take(10).map(|byte| format!("{byte:02x}")).collect();
    let tokens = [
        Token::limited("bridge", secret, Access::full(), None).ok(),
        Some(Token::digest("v1", digest, Access::full(), None)),
    ];
    for token in tokens.into_iter().flatten() {
        let mut gate = gate(token);
        for (bearer, is_v1, plain_allowed) in
            [(None, false, true), (None, true, true), (Some(data), true, true), (None, false, false)]
        {
            let presented = Presented { params, bearer, is_v1, plain_allowed };
            assert!(gate.authenticate(&presented, NOW).is_err(), "nobody has guessed the token");
        }
    }
}

fn whoever_is_let_in_has_the_token_or_uses_it_up(params: &Params) {
    let Some(mut gate) = known() else { return };
    let is_single_use = params.get("hash").is_some() || params.get("ctoken").is_some();
    // A gate for the moment that is claimed: what is refused for its time alone would hide everything behind it.
    let now = params.get("ts").and_then(moment).map_or(NOW, |seconds| UnixMillis(seconds.saturating_mul(1000)));
    if gate.check(params, now).is_err() {
        return;
    }
    if is_single_use {
        assert_eq!(gate.check(params, now).err(), Some(Denied::Replayed), "it works once");
    } else {
        assert_eq!(params.get("token"), Some(KNOWN), "the token was shown");
    }
    let in_clear = Presented { params, bearer: None, is_v1: false, plain_allowed: false };
    let Some(mut strict) = known() else { return };
    let admitted = strict.authenticate(&in_clear, now).is_ok();
    assert_eq!(admitted, is_single_use, "a token in clear counts only where it may");
}

/// Made with the right token, so that time and number alone decide.
fn hashed(ts: &str, rnr: &str) {
    let hash = |rnr: &str, token: &str| -> String {
        let digest = Sha256::digest([ts, ",", rnr, ",", token].concat());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let query = |rnr: &str, hash: &str| {
        Params::parse(&format!("ts={}&rnr={}&hash={}", escaped(ts), escaped(rnr), escaped(hash)))
    };
    let Some(mut gate) = known() else { return };
    let right = hash(rnr, KNOWN);
    let mut changed = right.clone().into_bytes();
    if let Some(first) = changed.first_mut() {
        *first = if *first == b'0' { b'1' } else { b'0' };
    }
    let wrong = query(rnr, &String::from_utf8_lossy(&changed));
    assert!(gate.check(&wrong, NOW).is_err(), "a hash with another digit is no hash");
    assert!(gate.check(&query(rnr, &hash(rnr, "654321")), NOW).is_err(), "a hash of another token is none of ours");
    let admitted = gate.check(&query(rnr, &right), NOW).is_ok();
    assert_eq!(admitted, is_acceptable(ts, rnr), "hashed {ts:?} {rnr:?}");
    if admitted {
        assert_eq!(gate.check(&query(rnr, &right), NOW).err(), Some(Denied::Replayed), "it works once");
        let padded = format!("0{rnr}");
        let same = query(&padded, &hash(&padded, KNOWN));
        assert_eq!(gate.check(&same, NOW).err(), Some(Denied::Replayed), "the number counts, not how it is written");
    }
}

/// The same, sealed.
fn encrypted(ts: &str, rnr: &str, digest: [u8; 32]) {
    let Some(nonce) = digest.first_chunk::<24>() else { return };
    let plain = [ts, ",", rnr].concat();
    let key = Sha256::digest(KNOWN);
    let Ok(mut sealed) =
        XSalsa20Poly1305::new(Key::from_slice(&key)).encrypt(Nonce::from_slice(nonce), plain.as_bytes())
    else {
        return;
    };
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02X}")).collect() };
    let query = |sealed: &[u8]| Params::parse(&format!("nonce={}&ctoken={}", hex(nonce), hex(sealed)));
    let right = query(&sealed);
    if let Some(last) = sealed.last_mut() {
        *last ^= 1;
    }
    let Some(mut gate) = known() else { return };
    assert!(gate.check(&query(&sealed), NOW).is_err(), "what was changed does not open");
    let expected = plain.split_once(',').is_some_and(|(ts, rnr)| is_acceptable(ts, rnr));
    let admitted = gate.check(&right, NOW).is_ok();
    assert_eq!(admitted, expected, "encrypted {plain:?}");
    assert!(!admitted || gate.check(&right, NOW).err() == Some(Denied::Replayed), "it works once");
}

/// The rule once more, by another library's calendar.
fn is_acceptable(ts: &str, rnr: &str) -> bool {
    let is_number = !rnr.is_empty() && rnr.bytes().all(|byte| byte.is_ascii_digit()) && rnr.parse::<u16>().is_ok();
    let is_near = |seconds: i64| Duration::from_secs(NOW.seconds().abs_diff(seconds)) <= DEFAULT_WINDOW;
    is_number && moment(ts).is_some_and(is_near)
}

/// Exactly `YYYY-MM-DDTHH:MM:SSZ`, without leap seconds.
fn moment(ts: &str) -> Option<i64> {
    let shape: String = ts.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let is_plain = shape == "0000-00-00T00:00:00Z" && !ts.ends_with(":60Z");
    is_plain.then(|| ts.parse::<jiff::Timestamp>().ok()).flatten().map(jiff::Timestamp::as_second)
}
