//! The daemon as a service: it lives while its loops turn, hangs noticeably, and stops within five seconds with nothing half done.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use keyturner::clock::Clock;
use keyturner::daemon::{Daemon, Parts};
use keyturner::gateway::PairedLock;
use keyturner::http::bridge::BridgeSettings;
use keyturner::http::{BridgeIdentity, PlainTokens, Token};
use keyturner::protocol::crypto::Pin;
use keyturner::protocol::{IdType, LockState};
use keyturner::pulse::ALIVE_WITHIN;
use keyturner::simlock::SimLockConfig;
use keyturner::store::{RetentionRules, Store};
use keyturner::transport::sim::{SimDoor, SimRadio, SimSettings};
use keyturner::transport::{Address, Link, Purpose, Sighting, Transport, TransportError};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::http_support::{FakeHost, NOW};
use crate::support::house::{NUKI_ID, paired, until};

const STOPS_WITHIN: Duration = Duration::from_secs(5);

/// A radio that takes a call and never comes back from it, as a defect in a library would.
struct Stuck;

impl Transport for Stuck {
    fn scan(&self) -> BoxFuture<'_, Result<mpsc::Receiver<Sighting>, TransportError>> {
        Box::pin(std::future::pending())
    }

    fn connect(&self, _: Address, _: Purpose) -> BoxFuture<'_, Result<Link, TransportError>> {
        Box::pin(std::future::pending())
    }
}

struct Service {
    clock: Clock,
    radio: SimRadio,
    door: SimDoor,
    lock: PairedLock,
    store: Store,
    _files: TempDir,
}

impl Service {
    async fn new(config: SimLockConfig) -> Self {
        let clock = Clock::virtual_from(NOW);
        let radio = SimRadio::new(clock, SimSettings::default(), [7; 32]);
        let door = radio.add(config, [2; 32]);
        let lock = paired(&radio, clock, &door, IdType::Bridge, Some(Pin::new(1234))).await;
        let files = TempDir::new().unwrap();
        let store = Store::open(&files.path().join("keyturner.db")).await.unwrap().with_virtual_time();
        Self { clock, radio, door, lock, store, _files: files }
    }

    async fn start(&self) -> Daemon {
        self.start_with(Arc::new(self.radio.clone())).await
    }

    async fn start_with(&self, transport: Arc<dyn Transport>) -> Daemon {
        Daemon::start(Parts {
            repeat_window: Duration::from_secs(2),
            callbacks: keyturner::delivery::CallbackRules::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            hosts: Vec::new(),
            locks: vec![self.lock.clone()],
            transport,
            store: self.store.clone(),
            webhook_secrets: Arc::new(|| Ok(Vec::new())),
            retention: RetentionRules::default(),
            tokens: vec![Token::new("hallway", "s3cret").unwrap()],
            plain_tokens: PlainTokens::default(),
            identity: BridgeIdentity::new(1, 2),
            bridge: BridgeSettings::default(),
            host: Arc::new(FakeHost::default()),
            clock: self.clock,
            seed: Arc::new(|| [7; 32]),
        })
        .await
        .unwrap()
    }

    fn state(&self) -> LockState {
        self.door.inspect(|lock| lock.state().lock_state)
    }

    /// How often the lock was opened by us.
    fn executions(&self) -> usize {
        let own = self.lock.auth_id;
        self.door.inspect(|lock| lock.log().iter().filter(|entry| entry.auth_id == own).count())
    }
}

async fn ask(address: SocketAddr, path: String) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path}token=s3cret HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Asks to unlock once the lock is known.
async fn unlocking(daemon: &Daemon) -> JoinHandle<String> {
    until("the lock is known", || daemon.gateway().locks().iter().all(|lock| lock.state.is_some())).await;
    let path = format!("/lockAction?nukiId={NUKI_ID}&deviceType=4&action=1&");
    tokio::spawn(ask(daemon.address(), path))
}

async fn stops_in_time(daemon: Daemon) {
    let stopped = Instant::now();
    daemon.run_until(std::future::ready(())).await.unwrap();
    assert!(stopped.elapsed() <= STOPS_WITHIN, "{:?}", stopped.elapsed());
}

#[tokio::test(start_paused = true)]
async fn in_a_house_at_rest_every_loop_shows_that_it_lives() {
    let service = Service::new(SimLockConfig::family(NUKI_ID)).await;
    let daemon = service.start().await;
    let pulses = daemon.pulses();
    let time = async {
        for minute in 0..120 {
            sleep(Duration::from_mins(1)).await;
            assert_eq!(pulses.silent(), None, "after {minute} minutes");
        }
    };
    daemon.run_until(time).await.unwrap();
    sleep(ALIVE_WITHIN * 2).await;
    assert_eq!(pulses.silent(), None, "a loop that was ended in order is not missed");
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_hangs_is_named() {
    let service = Service::new(SimLockConfig::family(NUKI_ID)).await;
    let daemon = service.start_with(Arc::new(Stuck)).await;
    let pulses = daemon.pulses();
    sleep(ALIVE_WITHIN + Duration::from_secs(1)).await;
    assert_eq!(pulses.silent().map(|silent| silent.name).as_deref(), Some("radio"));
    // It can be stopped all the same.
    stops_in_time(daemon).await;
}

#[tokio::test(start_paused = true)]
async fn stopping_lets_an_action_finish_that_is_nearly_done() {
    let quick = SimLockConfig { motor_time: Duration::from_secs(2), ..SimLockConfig::family(NUKI_ID) };
    let service = Service::new(quick).await;
    let daemon = service.start().await;
    let answer = unlocking(&daemon).await;
    until("the motor runs", || service.state() == LockState::Unlocking).await;
    stops_in_time(daemon).await;
    let answer = answer.await.unwrap();
    assert!(answer.contains("\"success\": true"), "{answer}");
    assert_eq!((service.state(), service.executions()), (LockState::Unlocked, 1));
}

#[tokio::test(start_paused = true)]
async fn an_action_that_takes_too_long_is_answered_and_never_done_again() {
    let slow = SimLockConfig { motor_time: Duration::from_secs(15), ..SimLockConfig::family(NUKI_ID) };
    let service = Service::new(slow).await;
    let daemon = service.start().await;
    let answer = unlocking(&daemon).await;
    until("the motor runs", || service.state() == LockState::Unlocking).await;
    stops_in_time(daemon).await;
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "whoever waits is answered: {answer}");

    let daemon = service.start().await;
    daemon.run_until(sleep(Duration::from_mins(2))).await.unwrap();
    assert_eq!((service.state(), service.executions()), (LockState::Unlocked, 1));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_a_lock_out_of_reach_does_not_hold_up_the_stop() {
    let service = Service::new(SimLockConfig::family(NUKI_ID)).await;
    let daemon = service.start().await;
    until("the lock is known", || daemon.gateway().locks().iter().all(|lock| lock.state.is_some())).await;
    service.door.set_in_range(false);
    let answer = unlocking(&daemon).await;
    sleep(Duration::from_secs(1)).await;
    stops_in_time(daemon).await;
    assert!(answer.await.unwrap().starts_with("HTTP/1.1 "), "whoever waits is answered");
    assert_eq!(service.executions(), 0);
}
