//! Where a token may be sent as it is.

use std::time::Duration;

use keyturner::http::{Authenticator, DEFAULT_WINDOW, Denied, Gate, Knock, Params, Peer, PlainTokens, Token};
use sha2::{Digest, Sha256};

use crate::http_support::{NOW, TOKEN};

#[derive(Clone, Copy)]
enum Way {
    Query,
    Bearer,
    Hashed,
}

fn knock(plain: PlainTokens, from: &str, is_encrypted: bool, way: Way) -> Result<(), Denied> {
    let from = Peer { address: from.parse().unwrap(), is_local: false, is_encrypted };
    knock_from(plain, from, way)
}

fn knock_from(plain: PlainTokens, from: Peer, way: Way) -> Result<(), Denied> {
    let gate = Gate::new(Authenticator::new(vec![Token::new("hallway", TOKEN).unwrap()], DEFAULT_WINDOW, NOW), plain);
    let ts = "2024-04-06T06:03:01Z";
    let hex: String = Sha256::digest(format!("{ts},1,{TOKEN}")).iter().map(|byte| format!("{byte:02x}")).collect();
    let params = match way {
        Way::Query => Params::parse(&format!("token={TOKEN}")),
        Way::Bearer => Params::default(),
        Way::Hashed => Params::parse(&format!("ts={ts}&rnr=1&hash={hex}")),
    };
    let bearer = matches!(way, Way::Bearer).then_some(TOKEN.as_bytes());
    gate.admit(Knock { params: &params, bearer, is_v1: true, from }, NOW, Duration::ZERO).map(drop)
}

#[test]
fn out_of_the_box_a_plain_token_counts_only_where_nobody_can_read_it() {
    let local = PlainTokens::default();
    for way in [Way::Query, Way::Bearer] {
        for home in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(knock(local, home, false, way), Ok(()), "{home}");
        }
        for network in ["192.168.1.5:1", "10.0.2.2:1", "[fe80::1]:1", "[::ffff:192.168.1.5]:1", "8.8.8.8:1"] {
            assert_eq!(knock(local, network, false, way), Err(Denied::Plain), "{network}");
            assert_eq!(knock(local, network, true, way), Ok(()), "{network} over TLS");
        }
    }
}

#[test]
fn this_machine_is_local_under_each_of_its_addresses() {
    let from = |is_local| Peer { address: "192.168.1.2:1".parse().unwrap(), is_local, is_encrypted: false };
    assert_eq!(knock_from(PlainTokens::Local, from(true), Way::Query), Ok(()));
    assert_eq!(knock_from(PlainTokens::Local, from(false), Way::Query), Err(Denied::Plain));
    assert_eq!(knock_from(PlainTokens::Never, from(true), Way::Query), Err(Denied::Plain));
}

#[test]
fn the_owner_can_have_it_everywhere_or_nowhere() {
    for way in [Way::Query, Way::Bearer] {
        assert_eq!(knock(PlainTokens::Always, "192.168.1.5:1", false, way), Ok(()));
        assert_eq!(knock(PlainTokens::Never, "127.0.0.1:1", false, way), Err(Denied::Plain));
        assert_eq!(knock(PlainTokens::Never, "192.168.1.5:1", true, way), Err(Denied::Plain));
    }
}

#[test]
fn a_hash_counts_everywhere() {
    for plain in [PlainTokens::Never, PlainTokens::Local, PlainTokens::Always] {
        assert_eq!(knock(plain, "192.168.1.5:1", false, Way::Hashed), Ok(()));
    }
}
