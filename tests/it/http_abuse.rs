//! What an attacker would try at the door's credential: guessing and repeating.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use keyturner::clock::UnixMillis;
use keyturner::http::{Authenticator, DEFAULT_WINDOW, Denied, Gate, Knock, Params, Peer, PlainTokens, Token};
use sha2::{Digest, Sha256};

use crate::http_support::{FRONT, NOW, Server, TOKEN};

fn gate() -> Gate {
    let token = Token::new("hallway", TOKEN).unwrap();
    Gate::new(Authenticator::new(vec![token], DEFAULT_WINDOW, NOW), PlainTokens::Always)
}

fn from(address: u32) -> Peer {
    Peer { address: SocketAddr::new(IpAddr::from(address.to_be_bytes()), 40_000), is_local: false, is_encrypted: false }
}

fn knock(gate: &Gate, query: &str, from: Peer, since_start: Duration) -> Result<(), Denied> {
    let params = Params::parse(query);
    gate.admit(Knock { params: &params, bearer: None, is_v1: false, from }, NOW, since_start).map(drop)
}

fn hashed(rnr: u16) -> String {
    let ts = "2024-04-06T06:03:01Z";
    let hex: String = Sha256::digest(format!("{ts},{rnr},{TOKEN}")).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("ts={ts}&rnr={rnr}&hash={hex}")
}

#[test]
fn a_hundred_thousand_guesses_get_nobody_in_and_do_not_slow_the_owner() {
    const ATTACKER: u32 = 0xC000_0201;
    const OWNER: u32 = 0xC000_0202;
    let (gate, right) = (gate(), format!("token={TOKEN}"));
    // A client of the owner lives at the attacker's address, such as behind the same proxy, and another one elsewhere.
    assert_eq!(knock(&gate, &right, from(ATTACKER), Duration::ZERO), Ok(()));
    let (mut looked_at, mut put_off, mut owner_waited) = (0, 0, Duration::ZERO);
    for n in 0..100_000_u64 {
        let now = Duration::from_millis(n * 10);
        match knock(&gate, &format!("token=guess{n}"), from(ATTACKER), now) {
            Err(Denied::WrongToken) => looked_at += 1,
            Err(Denied::TooMany(wait)) => {
                assert!(wait <= Duration::from_secs(300));
                put_off += 1;
            }
            other => panic!("{other:?}"),
        }
        if n % 100 == 0 {
            let began = Instant::now();
            assert_eq!(knock(&gate, &right, from(ATTACKER), now), Ok(()), "beside the attacker, after {n}");
            assert_eq!(knock(&gate, &right, from(OWNER), now), Ok(()), "elsewhere, after {n}");
            let rnr = u16::try_from(n / 100).unwrap();
            assert_eq!(knock(&gate, &hashed(rnr), from(OWNER), now), Ok(()));
            owner_waited += began.elapsed();
        }
    }
    assert_eq!(looked_at + put_off, 100_000);
    // Twenty for nothing, nine while the delay doubles, then one every five minutes of the thousand seconds.
    assert!((25..35).contains(&looked_at), "{looked_at}");
    println!("3000 checks for the owner took {owner_waited:?}");
    assert!(owner_waited < Duration::from_secs(3), "a millisecond each would be slow: {owner_waited:?}");
}

#[test]
fn a_thousand_tokens_do_not_make_a_check_slow() {
    let tokens = (0..1_000).map(|n| Token::new(format!("client-{n}"), format!("token-{n}")).unwrap());
    let mut tokens: Vec<Token> = tokens.collect();
    tokens.push(Token::new("vector", "123456").unwrap());
    let gate = Gate::new(Authenticator::new(tokens, DEFAULT_WINDOW, UnixMillis(0)), PlainTokens::Always);
    let sealed = "nonce=0a78009591722cc84825ca95ee7ffa52428047ed12c90760\
                  &ctoken=30918f3a4daa9077c59119ea8673e153735bae9c7c5aac2f99f2fb242cbb463c3b6286456e87";
    for (what, query) in [
        ("plain, first", "token=token-0"),
        ("plain, last", "token=token-999"),
        ("plain, none", "token=nonsense"),
        ("encrypted, last", sealed),
    ] {
        let params = Params::parse(query);
        let began = Instant::now();
        let knock = Knock { params: &params, bearer: None, is_v1: false, from: from(1) };
        let result = gate.admit(knock, NOW, Duration::ZERO);
        let took = began.elapsed();
        println!("{what}: {took:?} {:?}", result.map(|who| who.name().to_owned()));
        assert!(took < Duration::from_millis(200), "{what}: {took:?}");
    }
}

#[test]
fn guesses_from_as_many_addresses_get_nobody_in_either() {
    let gate = gate();
    for n in 0..100_000_u32 {
        let now = Duration::from_millis(u64::from(n));
        assert_eq!(knock(&gate, &format!("token=guess{n}"), from(n), now), Err(Denied::WrongToken));
        if n % 1_000 == 0 {
            assert_eq!(knock(&gate, &format!("token={TOKEN}"), from(0xC000_0202), now), Ok(()));
        }
    }
}

#[test]
fn a_right_guess_from_a_stranger_who_has_to_wait_is_not_looked_at() {
    let gate = gate();
    for n in 0..21 {
        assert_eq!(knock(&gate, &format!("token=guess{n}"), from(1), Duration::ZERO), Err(Denied::WrongToken));
    }
    let second = Duration::from_secs(1);
    assert_eq!(knock(&gate, &format!("token={TOKEN}"), from(1), Duration::ZERO), Err(Denied::TooMany(second)));
    assert_eq!(knock(&gate, &hashed(1), from(1), Duration::ZERO), Err(Denied::TooMany(second)));
    assert_eq!(knock(&gate, &hashed(1), from(1), second), Ok(()), "what was not looked at was not used up");
}

#[test]
fn a_client_that_keeps_an_old_token_keeps_nobody_out() {
    let gate = gate();
    for n in 0..10_000 {
        let now = Duration::from_secs(n);
        assert_eq!(knock(&gate, "token=old", from(1), now), Err(Denied::WrongToken), "401 stays 401");
        assert_eq!(knock(&gate, "", from(1), now), Err(Denied::Missing));
    }
    assert_eq!(knock(&gate, &format!("token={TOKEN}"), from(1), Duration::from_secs(10_000)), Ok(()));
}

#[test]
fn whoever_repeats_a_captured_request_waits_and_its_owner_does_not() {
    let gate = gate();
    assert_eq!(knock(&gate, &hashed(1), from(1), Duration::ZERO), Ok(()));
    let mut refusals = Vec::new();
    for _ in 0..25 {
        refusals.push(knock(&gate, &hashed(1), from(2), Duration::ZERO).unwrap_err());
    }
    assert_eq!(refusals.iter().filter(|why| **why == Denied::Replayed).count(), 21);
    assert_eq!(refusals.last(), Some(&Denied::TooMany(Duration::from_secs(1))));
    assert_eq!(knock(&gate, &hashed(2), from(1), Duration::ZERO), Ok(()));
}

#[tokio::test]
async fn a_captured_request_opens_the_door_once_whatever_it_is_repeated_for() {
    let server = Server::start().await;
    let captured = hashed(7);
    let action = |what: &str| format!("/lockAction?nukiId={FRONT}&action={what}&{captured}");
    assert_eq!(server.request("GET", &action("1"), "").await.status, 200);
    for target in [action("1"), action("3"), format!("/list?{captured}"), format!("/v1/health?{captured}")] {
        assert_eq!(server.request("GET", &target, "").await.status, 401, "{target}");
    }
    assert_eq!(server.doors.script().acted.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn wrong_tokens_get_401_then_429_with_a_time_to_wait_and_nothing_is_done_for_them() {
    let server = Server::start().await;
    for n in 0..21 {
        let reply = server.bridge_as(&format!("guess{n}"), &format!("/lockAction?nukiId={FRONT}&action=1")).await;
        assert_eq!(reply.pair(), (401, "HTTP 401 Unauthorized"), "{n}");
        assert!(!reply.headers.contains_key("retry-after"));
    }
    let reply = server.bridge_as("guess", "/lockAction?nukiId=1&action=1").await;
    assert_eq!(reply.pair(), (429, "HTTP 429 Too Many Requests"));
    assert_eq!(reply.headers["retry-after"], "1");
    let reply = server.get_as("guess", "/v1/history").await;
    assert_eq!((reply.status, reply.headers["retry-after"].as_str()), (429, "1"));
    assert_eq!(reply.json()["error"], "too_many_requests");
    assert!(server.doors.script().acted.is_empty());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(server.get("/list").await.status, 200);
}
