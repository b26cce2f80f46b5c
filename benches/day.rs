//! A day at full chatter, in virtual time: does the memory of the whole daemon grow?
//!
//! Two doors at which somebody does something every ten seconds, a client that asks every five, a live stream, a callback
//! receiver that is dead and one that answers. Prints the resident memory of each hour; exit code 1 if the last hours
//! have more than those after the first ones. `cargo bench --bench day`, some minutes.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/host.rs"]
mod host;
#[path = "support/pairing.rs"]
mod pairing;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use keyturner::clock::{Clock, UnixMillis};
use keyturner::daemon::{Daemon, Parts};
use keyturner::delivery::CallbackRules;
use keyturner::http::bridge::BridgeSettings;
use keyturner::http::{BridgeIdentity, PlainTokens, Token};
use keyturner::protocol::LockState;
use keyturner::simlock::{Person, SimLockConfig, Turn};
use keyturner::store::{HistoryFilter, RetentionRules, Store};
use keyturner::transport::sim::{SimDoor, SimRadio, SimSettings};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use host::{NoHost, TOKEN};
use pairing::paired;

const FIRST_LOCK: u32 = 0x0A1B_2C30;
const ANNA: u32 = 583_921;
const HOURS: usize = 24;
/// Until then caches fill.
const WARM_AFTER: usize = 6;
/// So much more in the end is growth. A page cache of SQLite that was not full yet is less.
const GROWTH_KIB: u64 = 1024;

/// Resident memory of this process.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Somebody at the door, something else each time.
fn somebody(door: &SimDoor, turn: u32) {
    let is_locked = door.inspect(|lock| lock.state().lock_state) == LockState::Locked;
    let person = match turn % 5 {
        0 | 1 if is_locked => Person::keypad(ANNA),
        2 if is_locked => Person::ManualTurn(Turn::Unlock),
        3 => Person::KeypadWrongCode,
        _ => Person::ManualTurn(Turn::Lock),
    };
    // A door at which something moves refuses.
    door.person(person).ok();
}

async fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path}token={TOKEN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Answers every POST, and forgets it.
async fn receive(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut request = [0; 4096];
            let Ok(1..) = stream.read(&mut request).await else { return };
            // Whoever does not take the answer is asked for nothing.
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.ok();
        });
    }
}

async fn day() -> Vec<u64> {
    let clock = Clock::virtual_from(UnixMillis(1_795_442_709_000));
    let radio = SimRadio::new(clock, SimSettings::default(), [1; 32]);
    let doors = [0, 1].map(|n| radio.add(SimLockConfig::family(FIRST_LOCK + n), [2; 32]));
    let mut locks = Vec::new();
    for door in &doors {
        locks.push(paired(&radio, clock, door).await);
    }
    let files = TempDir::new().unwrap();
    let store = Store::open(&files.path().join("keyturner.db")).await.unwrap().with_virtual_time();
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let live_url = format!("http://{}/door", receiver.local_addr().unwrap());
    for url in [live_url.as_str(), "http://127.0.0.1:9/dead"] {
        store.add_callback(url, clock.wall()).await.unwrap();
    }
    tokio::spawn(receive(receiver));
    let seed = AtomicU8::new(10);
    let daemon = Daemon::start(Parts {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: None,
        hosts: Vec::new(),
        locks,
        transport: Arc::new(radio),
        store: store.clone(),
        webhook_secrets: Arc::new(|| Ok(Vec::new())),
        bridge: BridgeSettings::default(),
        host: Arc::new(NoHost),
        repeat_window: Duration::from_secs(2),
        callbacks: CallbackRules::default(),
        retention: RetentionRules::default(),
        tokens: vec![Token::new("bench", TOKEN).unwrap()],
        plain_tokens: PlainTokens::default(),
        identity: BridgeIdentity::new(1, 2),
        clock,
        seed: Arc::new(move || [seed.fetch_add(1, Ordering::Relaxed); 32]),
    })
    .await
    .unwrap();
    let address = daemon.address();
    let stream = tokio::spawn(async move {
        let mut stream = ask(address, "/v1/events?").await;
        let mut lines = [0; 4096];
        while stream.read(&mut lines).await.unwrap() > 0 {}
    });
    let mut measured = Vec::new();
    let hours = async {
        let mut turn = 0;
        for hour in 1..=HOURS {
            let began = Instant::now();
            for _ in 0..720 {
                for (door, n) in doors.iter().zip(0..) {
                    if turn % 2 == n {
                        somebody(door, turn / 2);
                    }
                }
                turn += 1;
                let mut answer = Vec::new();
                ask(address, "/list?").await.read_to_end(&mut answer).await.unwrap();
                assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
                sleep(Duration::from_secs(5)).await;
            }
            let newest = HistoryFilter { limit: 1, ..HistoryFilter::default() };
            let events = store.history(&newest).await.unwrap().first().map_or(0, |event| event.id);
            assert!(events >= i64::try_from(hour).unwrap() * 300, "nobody was at the doors: {events} events");
            measured.push(resident_kib());
            println!(
                "hour {hour:2}: {:6} KiB resident, {events} events, {:.1} s",
                resident_kib(),
                began.elapsed().as_secs_f32()
            );
        }
    };
    daemon.run_until(hours).await.unwrap();
    stream.abort();
    measured
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let measured = runtime.block_on(day());
    let (warm, end) = (measured[WARM_AFTER - 1], measured[HOURS - 1]);
    println!("{warm} KiB after hour {WARM_AFTER}, {end} KiB after hour {HOURS}");
    if end > warm + GROWTH_KIB {
        println!("the memory grows");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
