//! Scripted locks and a real store behind the real HTTP server, and a client that shows raw answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use futures::future::BoxFuture;
use keyturner::clock::{Clock, UnixMillis};
use keyturner::delivery::{CallbackRules, Waker};
use keyturner::diagnostics::Diagnostics;
use keyturner::gateway::{
    ActionOutcome, Asker, ClockHealth, CodeChange, DirectoryHealth, GatewayError, LockHealth, LockSnapshot, LogAccess,
    RadioHealth, ScanResult, WaitFor,
};
use keyturner::http::bridge::{AuthWindow, Bridge, BridgeSettings, Host};
use keyturner::http::{
    AppState, Authenticator, BridgeIdentity, DEFAULT_WINDOW, Doors, Entrance, Gate, News, Peer, PlainTokens, Token,
    router, serve, serve_all,
};
use keyturner::protocol::beacon::NukiId;
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::log::CodeId;
use keyturner::protocol::state::{AccessoryBattery, Battery, KeyturnerStates};
use keyturner::protocol::{DoorSensorState, LockAction, LockState};
use keyturner::pulse::Pulses;
use keyturner::secrets::{SecretsError, Token as SecretToken};
use keyturner::store::{Batch, IdempotencyKey, Store};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;

use crate::store::{LOCK, lock_row};
use crate::support::listener::listen;
use crate::support::states::oldest;

pub(crate) const FRONT: NukiId = 0x3C88_62ED;
pub(crate) const TOKEN: &str = "s3cret";
/// 2024-04-06T06:03:01Z.
pub(crate) const NOW: UnixMillis = UnixMillis(1_712_383_381_000);

pub(crate) fn states(lock_state: LockState) -> KeyturnerStates {
    KeyturnerStates {
        battery: Battery(48 << 2),
        door_sensor: Some(DoorSensorState::Closed),
        night_mode: Some(false),
        accessory_battery: Some(AccessoryBattery(0)),
        ..oldest(lock_state)
    }
}

pub(crate) fn front() -> LockSnapshot {
    LockSnapshot {
        nuki_id: FRONT,
        name: "Front".to_owned(),
        device_type: 4,
        firmware_version: Some("4.2.6".to_owned()),
        state: Some((states(LockState::Unlocked), UnixMillis(1_712_383_251_999))),
        has_keypad: false,
        auto_unlatch: Some(false),
        last_ring: None,
        rssi: Some(-61),
        last_seen: Some(NOW),
    }
}

/// Locks that do what the test wrote down.
pub(crate) struct Script {
    pub locks: BTreeMap<NukiId, LockSnapshot>,
    pub heard: Vec<ScanResult>,
    pub state: Result<KeyturnerStates, GatewayError>,
    pub outcome: Result<ActionOutcome, GatewayError>,
    pub acted: Vec<(NukiId, LockAction, String, WaitFor)>,
    /// The key of each of them.
    pub keys: Vec<Option<IdempotencyKey>>,
    pub health: Option<LockHealth>,
    pub radio: Option<RadioHealth>,
    pub clock: Result<ClockHealth, GatewayError>,
    pub clocks_set: Vec<NukiId>,
    /// How each change of a code ends.
    pub code_outcome: Result<Option<CodeId>, GatewayError>,
    /// What was asked for, by whom, under which key.
    pub codes_changed: Vec<(NukiId, CodeChange, String, Option<IdempotencyKey>)>,
    pub forgotten: Vec<NukiId>,
}

/// A lock that is known well.
pub(crate) fn known() -> LockHealth {
    LockHealth {
        nuki_id: FRONT,
        log_access: LogAccess::Readable,
        pin_refusals: 0,
        is_authorized: true,
        last_contact: Some(NOW),
        last_state_read: Some(NOW),
        cursor: 41,
        newest_index: Some(41),
        backfill: None,
        clock: Some(clock(0)),
        connections_today: 3,
        directory: Some(DirectoryHealth { read_at: NOW, users: 4, codes: 2 }),
        codes_read: Some(NOW),
        battery: None,
        timings: None,
    }
}

/// A lock's clock that is ahead by so many milliseconds.
pub(crate) fn clock(skew: i64) -> ClockHealth {
    let device_time = DeviceTime::from_unix_seconds(NOW.seconds() + skew / 1000).unwrap();
    let should_be_set = skew.abs() > 30_000;
    ClockHealth { read_at: NOW, device_time, skew, zone_offset: 60, is_local_time: false, should_be_set }
}

#[derive(Clone)]
pub(crate) struct FakeDoors(Arc<Mutex<Script>>);

impl FakeDoors {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Script {
            locks: BTreeMap::from([(FRONT, front())]),
            heard: Vec::new(),
            state: Ok(states(LockState::Locked)),
            outcome: Ok(ActionOutcome::Done),
            acted: Vec::new(),
            keys: Vec::new(),
            health: Some(known()),
            radio: Some(RadioHealth { since: NOW, problem: None, adapter: None }),
            clock: Ok(clock(0)),
            clocks_set: Vec::new(),
            code_outcome: Ok(None),
            codes_changed: Vec::new(),
            forgotten: Vec::new(),
        })))
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }
}

impl Doors for FakeDoors {
    fn locks(&self) -> Vec<Arc<LockSnapshot>> {
        self.script().locks.values().cloned().map(Arc::new).collect()
    }

    fn lock(&self, nuki_id: NukiId) -> Option<Arc<LockSnapshot>> {
        self.script().locks.get(&nuki_id).cloned().map(Arc::new)
    }

    fn health(&self, nuki_id: NukiId) -> Option<LockHealth> {
        self.script().health.clone().map(|health| LockHealth { nuki_id, ..health })
    }

    fn set_clock(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<ClockHealth, GatewayError>> {
        let mut script = self.script();
        script.clocks_set.push(nuki_id);
        let clock = script.clock.clone();
        Box::pin(async { clock })
    }

    fn change_code<'a>(
        &'a self,
        nuki_id: NukiId,
        change: CodeChange,
        asker: Asker<'a>,
    ) -> BoxFuture<'a, Result<Option<CodeId>, GatewayError>> {
        let mut script = self.script();
        script.codes_changed.push((nuki_id, change, asker.name.to_owned(), asker.key));
        let outcome = script.code_outcome.clone();
        Box::pin(async { outcome })
    }

    fn forget(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<(), GatewayError>> {
        let mut script = self.script();
        script.locks.remove(&nuki_id);
        script.forgotten.push(nuki_id);
        Box::pin(async { Ok(()) })
    }

    fn radio(&self) -> Option<RadioHealth> {
        self.script().radio.clone()
    }

    fn scan_results(&self) -> Vec<ScanResult> {
        self.script().heard.clone()
    }

    fn read_state(&self, _: NukiId) -> BoxFuture<'_, Result<KeyturnerStates, GatewayError>> {
        let state = self.script().state.clone();
        Box::pin(async { state })
    }

    fn act<'a>(
        &'a self,
        nuki_id: NukiId,
        action: LockAction,
        asker: Asker<'a>,
        wait: WaitFor,
    ) -> BoxFuture<'a, Result<ActionOutcome, GatewayError>> {
        let mut script = self.script();
        script.acted.push((nuki_id, action, asker.name.to_owned(), wait));
        script.keys.push(asker.key);
        let outcome = script.outcome.clone();
        Box::pin(async { outcome })
    }
}

fn database(dir: &TempDir) -> PathBuf {
    dir.path().join("keyturner.db")
}

/// The database of a house in which nothing has happened: making it takes ten times as long as copying it.
static NEW_HOUSE: OnceCell<Vec<u8>> = OnceCell::const_new();

async fn new_house() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = database(&dir);
    let store = Store::open(&path).await.unwrap().with_virtual_time();
    store.register_lock(&lock_row(LOCK, "Front door")).await.unwrap();
    store.close().await;
    std::fs::read(path).unwrap()
}

/// The process around a server that a test has started.
#[derive(Default)]
pub(crate) struct FakeHost {
    pub keys_forgotten: Mutex<Vec<NukiId>>,
    pub restarts: AtomicU32,
    /// Whether another program has just written the secret store.
    pub is_broken: AtomicBool,
}

impl FakeHost {
    fn works(&self) -> Result<(), SecretsError> {
        let path = PathBuf::from("secrets.json");
        if self.is_broken.load(Ordering::Relaxed) { Err(SecretsError::ChangedMeanwhile { path }) } else { Ok(()) }
    }
}

impl Host for FakeHost {
    fn hand_out_token(&self) -> Result<SecretToken, SecretsError> {
        self.works().map(|()| SecretToken::new(TOKEN).unwrap())
    }

    fn forget_key(&self, nuki_id: NukiId) -> Result<(), SecretsError> {
        self.works().map(|()| self.keys_forgotten.lock().unwrap().push(nuki_id))
    }

    fn restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }
}

/// Lets these clients in.
pub(crate) fn gate_for(tokens: Vec<Token>) -> Gate {
    Gate::new(Authenticator::new(tokens, DEFAULT_WINDOW, NOW), PlainTokens::Local)
}

/// The real server on loopback, in front of a script.
pub(crate) struct Server {
    pub doors: FakeDoors,
    pub host: Arc<FakeHost>,
    pub window: AuthWindow,
    pub store: Store,
    pub news: News,
    pub gate: Arc<Gate>,
    /// To be served at another entrance too.
    pub router: Router,
    pub address: SocketAddr,
    dir: TempDir,
    pub(crate) config: keyturner::config::ConfigStatus,
}

impl Server {
    /// With a store that knows the lock of the store's tests, and nothing has happened.
    pub(crate) async fn start() -> Self {
        Self::with(BridgeSettings::default()).await
    }

    /// The same, as its owner has set it.
    pub(crate) async fn with(settings: BridgeSettings) -> Self {
        Self::start_as(settings, gate_for(vec![Token::new("hallway", TOKEN).unwrap()])).await
    }

    /// The same for other clients.
    pub(crate) async fn start_with(tokens: Vec<Token>) -> Self {
        Self::start_behind(gate_for(tokens)).await
    }

    /// The same behind another gate.
    pub(crate) async fn start_behind(gate: Gate) -> Self {
        Self::start_as(BridgeSettings::default(), gate).await
    }

    /// The same with settings and behind another gate.
    pub(crate) async fn start_as(settings: BridgeSettings, gate: Gate) -> Self {
        Self::start_all(settings, gate, CallbackRules::default(), Clock::virtual_from(NOW)).await
    }

    /// The same on the system's clock, for programs that have no other.
    pub(crate) async fn start_today(tokens: Vec<Token>) -> Self {
        let clock = Clock::system();
        let started = clock.wall().before(Duration::from_secs(60));
        let gate = Gate::new(Authenticator::new(tokens, DEFAULT_WINDOW, started), PlainTokens::Local);
        Self::start_all(BridgeSettings::default(), gate, CallbackRules::default(), clock).await
    }

    /// The same with other rules for callbacks.
    pub(crate) async fn start_ruled(gate: Gate, callbacks: CallbackRules) -> Self {
        Self::start_all(BridgeSettings::default(), gate, callbacks, Clock::virtual_from(NOW)).await
    }

    async fn start_all(settings: BridgeSettings, gate: Gate, callbacks: CallbackRules, clock: Clock) -> Self {
        // Its token, and the codes that its tests send.
        listen([TOKEN, "968574", "475869"]);
        let (doors, news) = (FakeDoors::new(), News::new());
        let dir = tempfile::tempdir().unwrap();
        let path = database(&dir);
        std::fs::write(&path, NEW_HOUSE.get_or_init(new_house).await).unwrap();
        // Harmless on the real clock, and a paused one waits for the disk.
        let store = Store::open(&path).await.unwrap().with_virtual_time();
        let config = keyturner::config::ConfigStatus::default();
        let (gate, host) = (Arc::new(gate), Arc::new(FakeHost::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let window = AuthWindow::new(store.auth_enabled().await.unwrap());
        let bridge = Bridge { settings: settings.into(), window: window.clone(), host: host.clone(), listen: address };
        let app = AppState {
            gateway: Arc::new(doors.clone()),
            store: store.clone(),
            gate: Arc::clone(&gate),
            clock,
            identity: BridgeIdentity::new(1_013_065_235, 1_754_925_342),
            callbacks: callbacks.into(),
            delivery: Waker::new(),
            news: news.clone(),
            bridge,
            diagnostics: Diagnostics::default(),
            metrics: keyturner::metrics::Metrics::default(),
            config: config.clone(),
            certificates: None,
        };
        let router = router(app);
        tokio::spawn(serve(listener, router.clone(), std::future::pending()));
        Self { doors, host, window, store, news, gate, router, address, dir, config }
    }

    pub(crate) fn database(&self) -> PathBuf {
        database(&self.dir)
    }

    /// Stores a batch and says so, as the gateway does.
    pub(crate) async fn commit(&self, batch: &Batch) -> Vec<i64> {
        let ids = self.store.commit(batch).await.unwrap();
        self.news.tell();
        ids
    }

    /// GET with the right token.
    pub(crate) async fn get(&self, target: &str) -> Reply {
        self.get_with(target, "").await
    }

    /// GET with the right token and whole header lines.
    pub(crate) async fn get_with(&self, target: &str, headers: &str) -> Reply {
        let separator = if target.contains('?') { '&' } else { '?' };
        self.request("GET", &format!("{target}{separator}token={TOKEN}"), headers).await
    }

    /// GET with the token of another client.
    pub(crate) async fn get_as(&self, token: &str, target: &str) -> Reply {
        self.request("GET", target, &format!("Authorization: Bearer {token}\r\n")).await
    }

    /// GET of the Bridge API with the token of another client.
    pub(crate) async fn bridge_as(&self, token: &str, target: &str) -> Reply {
        let separator = if target.contains('?') { '&' } else { '?' };
        self.request("GET", &format!("{target}{separator}token={token}"), "").await
    }

    /// POST without a body, with the right token.
    pub(crate) async fn post(&self, target: &str) -> Reply {
        self.request("POST", target, &format!("Authorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n")).await
    }

    /// Any method, and no credential but what the target or the headers hold.
    pub(crate) async fn request(&self, method: &str, target: &str, headers: &str) -> Reply {
        self.raw(&format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n")).await
    }

    /// Any bytes; the answer up to the end of the connection.
    pub(crate) async fn raw(&self, request: &str) -> Reply {
        Reply::parse(&self.exchange(request).await)
    }

    /// The same, as if it came from there.
    pub(crate) async fn as_if_from(&self, peer: Peer, request: &str) -> Reply {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pretend = move |mut request: axum::extract::Request, next: axum::middleware::Next| async move {
            request.extensions_mut().insert(peer);
            next.run(request).await
        };
        let router = self.router.clone().layer(axum::middleware::from_fn(pretend));
        let entrance = Entrance::plain(listener, Pulses::default().begin("http"));
        let serving = tokio::spawn(serve_all(vec![entrance], router, std::future::pending()));
        let reply = Reply::parse(&exchange(address, request).await);
        serving.abort();
        reply
    }

    /// The same, as it came.
    pub(crate) async fn exchange(&self, request: &str) -> String {
        exchange(self.address, request).await
    }
}

/// Sends any bytes; gives the answer up to the end of the connection.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Reply {
    pub(crate) fn parse(answer: &str) -> Self {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Self { status, headers, body: body.to_owned() }
    }

    pub(crate) fn pair(&self) -> (u16, &str) {
        (self.status, &self.body)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}
