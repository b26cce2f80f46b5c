//! Single-use credentials over a restart: none is taken twice, and after an orderly stop none is refused for being older.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use keyturner::clock::{Clock, UnixMillis};
use keyturner::daemon::{Daemon, Parts};
use keyturner::http::bridge::BridgeSettings;
use keyturner::http::{Authenticator, BridgeIdentity, DEFAULT_WINDOW, Denied, Params, PlainTokens, Token};
use keyturner::store::{RetentionRules, Store};
use keyturner::transport::sim::{SimRadio, SimSettings};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http_support::FakeHost;

/// 2024-04-06T06:02:00Z.
const START: UnixMillis = UnixMillis(1_712_383_320_000);

fn at(seconds: u64) -> UnixMillis {
    START.plus(Duration::from_secs(seconds))
}

/// A hashed credential that carries the second `at(seconds)`.
fn hashed(seconds: u64, rnr: u16) -> Params {
    Params::parse(&query(seconds, rnr))
}

fn query(seconds: u64, rnr: u16) -> String {
    let rfc3339 = at(seconds).rfc3339();
    let ts = format!("{}Z", rfc3339.split('.').next().unwrap());
    let hex: String = Sha256::digest(format!("{ts},{rnr},s3cret")).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("ts={ts}&rnr={rnr}&hash={hex}")
}

/// `123456`, 2024-04-06T06:02:15Z and 7, from the published vectors.
fn encrypted() -> Params {
    Params::parse(
        "nonce=0a78009591722cc84825ca95ee7ffa52428047ed12c90760\
         &ctoken=30918f3a4daa9077c59119ea8673e153735bae9c7c5aac2f99f2fb242cbb463c3b6286456e87",
    )
}

struct House {
    store: Store,
    _dir: TempDir,
}

impl House {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        Self { store: Store::open(&dir.path().join("keyturner.db")).await.unwrap(), _dir: dir }
    }

    /// A process that starts as the daemon does.
    async fn start(&self, now: UnixMillis) -> Authenticator {
        let tokens = vec![Token::new("hallway", "s3cret").unwrap(), Token::new("vector", "123456").unwrap()];
        let mut auth = Authenticator::new(tokens, DEFAULT_WINDOW, now);
        let kept = self.store.take_used_credentials().await.unwrap();
        auth.resume(kept.as_ref(), self.store.token_uses().await.unwrap().into_values().max());
        auth
    }

    /// An orderly stop.
    async fn stop(&self, mut auth: Authenticator) {
        self.store.note_token_uses(&auth.take_uses()).await.unwrap();
        self.store.keep_used_credentials(&auth.close()).await.unwrap();
    }
}

fn check(auth: &mut Authenticator, params: &Params, now: UnixMillis) -> Result<(), Denied> {
    auth.check(params, now).map(drop)
}

#[tokio::test]
async fn after_an_orderly_stop_a_slow_clock_is_not_locked_out_and_nothing_is_taken_twice() {
    let house = House::new().await;
    let mut first = house.start(at(0)).await;
    assert_eq!(check(&mut first, &hashed(10, 1), at(30)), Ok(()));
    assert_eq!(check(&mut first, &encrypted(), at(30)), Ok(()));
    house.stop(first).await;

    let mut second = house.start(at(40)).await;
    assert_eq!(check(&mut second, &hashed(10, 1), at(41)), Err(Denied::Replayed));
    assert_eq!(check(&mut second, &encrypted(), at(41)), Err(Denied::Replayed));
    assert_eq!(check(&mut second, &hashed(20, 1), at(41)), Ok(()), "21 s behind, dated before the start");
    assert_eq!(check(&mut second, &hashed(10, 2), at(41)), Ok(()), "the same second, another number");
    house.stop(second).await;
    let mut third = house.start(at(50)).await;
    for used in [hashed(10, 1), hashed(20, 1), hashed(10, 2), encrypted()] {
        assert_eq!(check(&mut third, &used, at(51)), Err(Denied::Replayed));
    }
}

#[tokio::test]
async fn after_a_crash_what_is_older_than_the_start_is_refused() {
    let house = House::new().await;
    house.stop(house.start(at(0)).await).await;
    let mut crashes = house.start(at(10)).await;
    assert_eq!(check(&mut crashes, &hashed(12, 1), at(12)), Ok(()));
    drop(crashes);
    let mut next = house.start(at(20)).await;
    assert_eq!(check(&mut next, &hashed(12, 1), at(21)), Err(Denied::TooOldToTell), "the memory of the first is gone");
    assert_eq!(check(&mut next, &hashed(20, 1), at(21)), Ok(()));
}

#[tokio::test]
async fn a_clock_that_comes_back_behind_makes_nothing_fresh_again() {
    let house = House::new().await;
    let mut first = house.start(at(0)).await;
    assert_eq!(check(&mut first, &hashed(3_600, 1), at(3_600)), Ok(()));
    // The use was noted, then the power failed, and the machine has no clock of its own.
    house.store.note_token_uses(&first.take_uses()).await.unwrap();
    drop(first);
    let mut second = house.start(at(3_000)).await;
    assert_eq!(check(&mut second, &hashed(3_600, 1), at(3_600)), Err(Denied::TooOldToTell));
    assert_eq!(check(&mut second, &hashed(3_650, 1), at(3_600)), Err(Denied::TooOldToTell), "it may have been used");
    assert_eq!(check(&mut second, &hashed(3_800, 1), at(3_800)), Ok(()), "the clock was set");
}

#[tokio::test]
async fn whoever_has_stopped_takes_nothing_more() {
    let house = House::new().await;
    let mut auth = house.start(at(0)).await;
    let kept = auth.close();
    assert_eq!(check(&mut auth, &hashed(5, 1), at(5)), Err(Denied::TooOldToTell));
    assert_eq!(check(&mut auth, &encrypted(), at(15)), Err(Denied::TooOldToTell));
    assert!(kept.used.is_empty());
}

#[tokio::test]
async fn a_memory_that_is_not_understood_counts_as_none() {
    let house = House::new().await;
    let mut first = house.start(at(0)).await;
    assert_eq!(check(&mut first, &hashed(10, 1), at(10)), Ok(()));
    let mut kept = first.close();
    kept.used.push((11, vec![9, 9]));
    house.store.keep_used_credentials(&kept).await.unwrap();
    let mut second = house.start(at(20)).await;
    assert_eq!(check(&mut second, &hashed(10, 1), at(20)), Err(Denied::TooOldToTell));
    assert_eq!(check(&mut second, &hashed(15, 1), at(20)), Err(Denied::TooOldToTell));
}

#[tokio::test]
async fn the_memory_on_disk_holds_nothing_that_a_token_could_be_guessed_from() {
    let house = House::new().await;
    let mut auth = house.start(at(0)).await;
    assert_eq!(check(&mut auth, &hashed(10, 515), at(10)), Ok(()));
    let kept = auth.close();
    let [(second, bytes)] = kept.used.as_slice() else { panic!("{kept:?}") };
    assert_eq!(*second, at(10).seconds());
    assert_eq!(bytes.as_slice(), [&[0, 2, 3][..], b"hallway"].concat(), "the name and the number, no digest of either");
    assert_eq!(auth.take_uses(), BTreeMap::from([("hallway".to_owned(), at(10))]));
}

/// The whole daemon, with a radio on which nobody is.
async fn daemon(store: &Store, now: UnixMillis) -> Daemon {
    let clock = Clock::virtual_from(now);
    Daemon::start(Parts {
        repeat_window: std::time::Duration::from_secs(2),
        callbacks: keyturner::delivery::CallbackRules::default(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: None,
        hosts: Vec::new(),
        locks: Vec::new(),
        transport: Arc::new(SimRadio::new(clock, SimSettings::default(), [7; 32])),
        store: store.clone(),
        webhook_secrets: Arc::new(|| Ok(Vec::new())),
        retention: RetentionRules::default(),
        tokens: vec![Token::new("hallway", "s3cret").unwrap()],
        plain_tokens: PlainTokens::default(),
        identity: BridgeIdentity::new(1, 2),
        bridge: BridgeSettings::default(),
        host: Arc::new(FakeHost::default()),
        clock,
        seed: Arc::new(|| [7; 32]),
    })
    .await
    .unwrap()
}

async fn status(daemon: &Daemon, query: &str) -> String {
    let mut stream = TcpStream::connect(daemon.address()).await.unwrap();
    let request = format!("GET /list?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_daemon_keeps_what_was_used_when_it_stops_and_forgets_it_once_it_has_started() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("keyturner.db")).await.unwrap().with_virtual_time();
    let first = daemon(&store, at(0)).await;
    assert_eq!(status(&first, &query(10, 1)).await, "200");
    first.run_until(std::future::ready(())).await.unwrap();
    let uses = store.token_uses().await.unwrap();
    assert_eq!(uses.into_keys().collect::<Vec<_>>(), ["hallway"]);

    let second = daemon(&store, at(50)).await;
    assert_eq!(store.take_used_credentials().await.unwrap(), None, "a crash from here on must not find it");
    assert_eq!(status(&second, &query(10, 1)).await, "401");
    assert_eq!(status(&second, &query(20, 1)).await, "200", "30 s behind, dated before the start");
    second.run_until(std::future::ready(())).await.unwrap();
    let third = daemon(&store, at(60)).await;
    for used in [query(10, 1), query(20, 1)] {
        assert_eq!(status(&third, &used).await, "401");
    }
    third.run_until(std::future::ready(())).await.unwrap();
}
