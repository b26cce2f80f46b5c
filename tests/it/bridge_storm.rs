//! Fifty clients at four locks for a minute: nobody is sent away, nothing is done twice, everybody gets a true answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use futures::future::join_all;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use keyturner::clock::Clock;
use keyturner::delivery::Waker;
use keyturner::diagnostics::Diagnostics;
use keyturner::gateway::{Gateway, Tools};
use keyturner::http::bridge::wire::callback_body;
use keyturner::http::bridge::{AuthWindow, Bridge, BridgeSettings};
use keyturner::http::{
    AppState, Authenticator, BridgeIdentity, DEFAULT_WINDOW, Gate, News, PlainTokens, Token, router,
};
use keyturner::protocol::IdType;
use keyturner::protocol::crypto::Pin;
use keyturner::simlock::SimLockConfig;
use keyturner::store::Store;
use keyturner::transport::sim::{SimDoor, SimRadio, SimSettings};
use serde_json::Value;
use tempfile::TempDir;

use crate::http_support::{FakeHost, NOW};
use crate::support::house::paired;

const LOCKS: u32 = 4;
/// Programs with a token each, and the connections that each of them has.
const TOKENS: u32 = 10;
const CONNECTIONS: u32 = 5;
const FIRST_LOCK: u32 = 0x0A1B_2C30;
const MINUTE: Duration = Duration::from_secs(60);
/// Clients give up after this.
const PATIENCE: Duration = Duration::from_secs(15);

/// Four locks, their gateway, and the API in front of it.
struct Town {
    doors: Vec<SimDoor>,
    router: Router,
    clock: Clock,
    store: Store,
    _gateway: Gateway,
    _files: TempDir,
}

impl Town {
    async fn new() -> Self {
        let clock = Clock::virtual_from(NOW);
        let radio = SimRadio::new(clock, SimSettings::default(), [1; 32]);
        let (mut doors, mut locks) = (Vec::new(), Vec::new());
        for n in 0..LOCKS {
            let door = radio.add(SimLockConfig::family(FIRST_LOCK + n), [2 + u8::try_from(n).unwrap(); 32]);
            locks.push(paired(&radio, clock, &door, IdType::Bridge, Some(Pin::new(1234))).await);
            doors.push(door);
        }
        let files = TempDir::new().unwrap();
        let store = Store::open(&files.path().join("keyturner.db")).await.unwrap().with_virtual_time();
        let seed = std::sync::atomic::AtomicU8::new(10);
        let tools = Tools {
            store: store.clone(),
            clock,
            seed: Arc::new(move || [seed.fetch_add(1, std::sync::atomic::Ordering::Relaxed); 32]),
            callback_body,
            repeat_window: Duration::from_secs(2).into(),
            committed: Arc::new(|| {}),
            diagnostics: Diagnostics::default(),
            pulses: keyturner::pulse::Pulses::default(),
            metrics: keyturner::metrics::Metrics::default(),
        };
        let gateway = Gateway::start(locks, Arc::new(radio), tools).await.unwrap();
        let tokens = (0..TOKENS).map(|n| Token::new(format!("program {n}"), format!("token-{n}")).unwrap()).collect();
        let auth = Authenticator::new(tokens, DEFAULT_WINDOW, NOW);
        let router = router(AppState {
            gateway: Arc::new(gateway.handle.clone()),
            store: store.clone(),
            gate: Arc::new(Gate::new(auth, PlainTokens::Always)),
            clock,
            identity: BridgeIdentity::new(1, 2),
            callbacks: keyturner::delivery::CallbackRules::default().into(),
            delivery: Waker::new(),
            news: News::new(),
            bridge: Bridge {
                settings: BridgeSettings::default().into(),
                window: AuthWindow::new(false),
                host: Arc::new(FakeHost::default()),
                listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            },
            diagnostics: Diagnostics::default(),
            metrics: keyturner::metrics::Metrics::default(),
            config: keyturner::config::ConfigStatus::default(),
            certificates: None,
        });
        Self { doors, router, clock, store, _gateway: gateway, _files: files }
    }

    fn client(&self, token: u32) -> Client {
        Client { service: TowerToHyperService::new(self.router.clone()), clock: self.clock, token }
    }
}

#[derive(Clone)]
struct Client {
    service: TowerToHyperService<Router>,
    clock: Clock,
    token: u32,
}

impl Client {
    /// GET; the answer comes in time, and it is 200 and says success if it says anything of it.
    async fn get(&self, target: &str, key: Option<&str>) -> Value {
        let separator = if target.contains('?') { '&' } else { '?' };
        let mut request = Request::get(format!("{target}{separator}token=token-{}", self.token));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let began = self.clock.monotonic();
        let answer = self.service.call(request.body(Body::empty()).unwrap()).await.unwrap();
        let took = self.clock.monotonic() - began;
        let status = answer.status();
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        assert_eq!(status, 200, "{target} after {took:?}: {text}");
        assert!(took <= PATIENCE, "{target}: {took:?}");
        let body: Value = serde_json::from_str(text).unwrap();
        assert!(body.get("success").is_none_or(|success| success == true), "{target} after {took:?}: {text}");
        body
    }

    /// Asks for the list and for states, in turn, at a pace of its own.
    async fn look(self, connection: u32) -> u32 {
        let pace = Duration::from_millis(700 + u64::from(self.token * 37 + connection * 11));
        let mut looks = 0;
        while self.clock.monotonic() < MINUTE {
            tokio::time::sleep(pace).await;
            if looks % 2 == 0 {
                let list = self.get("/list", None).await;
                assert_eq!(list.as_array().unwrap().len(), LOCKS as usize);
            } else {
                let lock = FIRST_LOCK + (looks / 2 + connection) % LOCKS;
                self.get(&format!("/lockState?nukiId={lock}&deviceType=4"), None).await;
            }
            looks += 1;
        }
        looks
    }

    /// Moves the lock of its program, again and again; every connection of a program asks for the same.
    async fn act(self, connection: u32) -> Vec<(u32, u32)> {
        let (lock, place) = (self.token % LOCKS, self.token / LOCKS);
        let mut rounds = Vec::new();
        let mut at = Duration::from_secs(3 + 5 * u64::from(place));
        while at < MINUTE {
            // A client that did not wait for its answer asks again a little later.
            let late = Duration::from_millis(u64::from(connection) * 150);
            tokio::time::sleep_until(self.clock.instant(at + late)).await;
            let round = u32::try_from(rounds.len()).unwrap();
            let (action, key) = (1 + (self.token + round) % 3, format!("round {round}"));
            let no_wait = if connection == 1 { "&nowait=1" } else { "" };
            let target = format!("/lockAction?nukiId={}&action={action}{no_wait}", FIRST_LOCK + lock);
            self.get(&target, self.token.is_multiple_of(2).then_some(&*key)).await;
            rounds.push((self.token, round));
            at += Duration::from_secs(15);
        }
        rounds
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_clients_at_four_locks_are_all_answered_and_nothing_is_done_twice() {
    let town = Town::new().await;
    let each = || (0..TOKENS).flat_map(|token| (0..CONNECTIONS).map(move |connection| (token, connection)));
    let looks: Vec<_> = each().map(|(token, n)| tokio::spawn(town.client(token).look(n))).collect();
    let acts: Vec<_> = each().map(|(token, n)| tokio::spawn(town.client(token).act(n))).collect();
    let looks: u32 = join_all(looks).await.into_iter().map(Result::unwrap).sum();
    let mut asked: Vec<_> = join_all(acts).await.into_iter().flat_map(Result::unwrap).collect();
    let requests = asked.len();
    asked.sort_unstable();
    asked.dedup();
    let done: u32 = town.doors.iter().map(|door| door.inspect(|lock| lock.executions_total())).sum();
    assert_eq!(done as usize, asked.len(), "as often as it was meant");
    assert_eq!(requests, asked.len() * CONNECTIONS as usize);
    assert!(town.store.expire_open_intents(town.clock.wall()).await.unwrap().is_empty(), "every one has ended");
    assert!(looks > 1_000 && asked.len() >= 40, "{looks} queries, {requests} requests for {} actions", asked.len());
    println!("{looks} queries, {requests} requests for {} actions, none refused, none done twice", asked.len());
}
