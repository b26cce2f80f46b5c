//! Credentials: every published vector, and what an attacker would try.

use std::time::Duration;

use keyturner::clock::UnixMillis;
use keyturner::http::{Authenticator, DEFAULT_WINDOW, Denied, Params, Token};
use proptest::prelude::{prop_assert_eq, proptest};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn vectors(section: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../vectors/bridge-auth.json")).unwrap();
    file[section].as_array().unwrap().clone()
}

fn text<'a>(vector: &'a Value, key: &str) -> &'a str {
    vector[key].as_str().unwrap()
}

fn time(text: &str) -> UnixMillis {
    UnixMillis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn authenticator(secret: &str) -> Authenticator {
    let token = Token::new("owner", secret).unwrap();
    Authenticator::new(vec![token], DEFAULT_WINDOW, time("2019-01-01T00:00:00Z"))
}

fn status(auth: &mut Authenticator, query: &str, now: &str) -> u64 {
    if auth.check(&Params::parse(query), time(now)).is_ok() { 200 } else { 401 }
}

fn hashed(secret: &str, ts: &str, rnr: &str) -> String {
    let digest = Sha256::digest(format!("{ts},{rnr},{secret}"));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("ts={ts}&rnr={rnr}&hash={hex}")
}

#[test]
fn every_single_request_of_the_vectors_gets_its_verdict() {
    let requests = vectors("single_requests");
    assert_eq!(requests.len(), 35);
    for v in requests {
        let mut auth = authenticator(text(&v, "token"));
        assert_eq!(status(&mut auth, text(&v, "query"), text(&v, "now")), v["expect_status"], "{}", v["name"]);
    }
}

#[test]
fn every_sequence_of_the_vectors_gets_its_verdicts() {
    let sequences = vectors("sequences");
    assert_eq!(sequences.len(), 4);
    for v in sequences {
        let mut auth = authenticator(text(&v, "token"));
        for step in v["steps"].as_array().unwrap() {
            let got = status(&mut auth, text(step, "query"), text(step, "now"));
            assert_eq!(got, step["expect_status"], "{}: {step}", v["name"]);
        }
    }
}

#[test]
fn every_hash_and_ctoken_vector_opens_with_its_token_only() {
    for v in vectors("hash_vectors").into_iter().chain(vectors("ctoken_vectors")) {
        let (query, ts) = (text(&v, "query"), text(&v, "ts"));
        assert_eq!(status(&mut authenticator(text(&v, "token")), query, ts), 200, "{}", v["name"]);
        assert_eq!(status(&mut authenticator("other"), query, ts), 401, "{}", v["name"]);
    }
}

#[test]
fn the_window_reaches_a_minute_either_way_and_says_how_far_the_clock_is_off() {
    let query = hashed("123456", "2024-04-06T06:02:15Z", "1");
    for (now, expected) in [
        ("2024-04-06T06:01:15Z", Ok(())),
        ("2024-04-06T06:03:15.999Z", Ok(())),
        ("2024-04-06T06:01:14Z", Err(Denied::OutsideWindow { ahead_seconds: 61 })),
        ("2024-04-06T06:03:16Z", Err(Denied::OutsideWindow { ahead_seconds: -61 })),
    ] {
        let checked = authenticator("123456").check(&Params::parse(&query), time(now));
        assert_eq!(checked.map(drop), expected, "{now}");
    }
}

#[test]
fn what_an_earlier_process_may_have_accepted_is_refused() {
    let token = || vec![Token::new("owner", "123456").unwrap()];
    let now = time("2024-04-06T06:02:20Z");
    let check = |ts: &str, started: &str| {
        let mut auth = Authenticator::new(token(), DEFAULT_WINDOW, time(started));
        auth.check(&Params::parse(&hashed("123456", ts, "1")), now).map(drop)
    };
    assert_eq!(check("2024-04-06T06:02:15Z", "2024-04-06T06:02:16Z"), Err(Denied::TooOldToTell));
    assert_eq!(check("2024-04-06T06:02:15Z", "2024-04-06T06:02:15.001Z"), Err(Denied::TooOldToTell));
    assert_eq!(check("2024-04-06T06:02:15Z", "2024-04-06T06:02:15Z"), Ok(()));
    assert_eq!(check("2024-04-06T06:02:16Z", "2024-04-06T06:02:15.001Z"), Ok(()));
}

#[test]
fn a_clock_that_is_set_back_revives_no_used_credential() {
    let mut auth = authenticator("123456");
    let first = hashed("123456", "2024-04-06T06:02:15Z", "1");
    assert_eq!(status(&mut auth, &first, "2024-04-06T06:02:15Z"), 200);
    let later = hashed("123456", "2024-04-06T07:00:00Z", "1");
    assert_eq!(status(&mut auth, &later, "2024-04-06T07:00:00Z"), 200);
    assert_eq!(status(&mut auth, &first, "2024-04-06T06:02:15Z"), 401);
}

#[test]
fn a_flood_of_accepted_requests_leaves_no_replay_behind() {
    let mut auth = authenticator("123456");
    let query = |n: u32| hashed("123456", &format!("2024-04-06T06:02:{:02}Z", n / 1_000), &(n % 1_000).to_string());
    let now = "2024-04-06T06:02:30Z";
    for n in 0..20_000 {
        assert_eq!(status(&mut auth, &query(n), now), 200);
    }
    for n in 0..20_000 {
        assert_eq!(status(&mut auth, &query(n), now), 401);
    }
}

#[test]
fn a_stronger_form_is_never_passed_by_for_a_weaker_one() {
    let mut auth = authenticator("123456");
    let now = "2024-04-06T06:02:20Z";
    assert_eq!(status(&mut auth, "token=123456&ctoken=00", now), 401);
    assert_eq!(status(&mut auth, "token=123456&hash=00", now), 401);
    let hash = hashed("123456", "2024-04-06T06:02:15Z", "1");
    assert_eq!(status(&mut auth, &format!("{hash}&token=wrong"), now), 200);
    assert_eq!(status(&mut auth, &format!("{hash}&token=123456"), now), 401, "used");
}

#[test]
fn each_of_several_tokens_is_known_by_its_name_and_uses_its_own_numbers() {
    let tokens = vec![Token::new("anna", "aaaaaa").unwrap(), Token::new("bert", "bbbbbb").unwrap()];
    let mut auth = Authenticator::new(tokens, Duration::from_secs(60), time("2024-01-01T00:00:00Z"));
    let mut name =
        |query: &str| auth.check(&Params::parse(query), time("2024-04-06T06:02:20Z")).map(|who| who.name().to_owned());
    assert_eq!(name("token=bbbbbb").as_deref(), Ok("bert"));
    for (secret, expected) in [("aaaaaa", "anna"), ("bbbbbb", "bert")] {
        assert_eq!(name(&hashed(secret, "2024-04-06T06:02:15Z", "1")).as_deref(), Ok(expected));
    }
    assert_eq!(name("token=cccccc"), Err(Denied::WrongToken));
    assert_eq!(name(""), Err(Denied::Missing));
}

#[test]
fn an_empty_token_cannot_be_made_and_a_token_shows_only_its_name() {
    assert!(Token::new("x", "").is_err());
    let auth = authenticator("t0psecret");
    assert!(!format!("{auth:?}").contains("t0psecret"), "{auth:?}");
}

#[test]
fn a_random_number_that_is_none_is_refused_even_with_a_right_digest() {
    for rnr in ["", "-1", "+1", "65536", "1,2", "x"] {
        let query = hashed("123456", "2024-04-06T06:02:15Z", rnr);
        assert_eq!(status(&mut authenticator("123456"), &query, "2024-04-06T06:02:15Z"), 401, "{rnr}");
    }
}

proptest! {
    #[test]
    fn no_query_breaks_the_check_or_gets_in_by_chance(query in "(token|ctoken|nonce|hash|ts|rnr|[a-z%]{1,3}|[=&%0-9A-Fa-f,:TZ-]|\\PC){0,60}") {
        prop_assert_eq!(status(&mut authenticator("a token nobody guesses"), &query, "2024-04-06T06:02:15Z"), 401);
    }

    #[test]
    fn what_is_percent_encoded_comes_back_as_it_was(value in "\\PC{0,60}") {
        let encoded: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let params = Params::parse(&format!("URL={encoded}"));
        prop_assert_eq!(params.get("url"), Some(value.as_str()));
    }
}
