//! The whole daemon in virtual time, with one simulated lock at its door.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use keyturner::clock::{Clock, UnixMillis};
use keyturner::daemon::{Daemon, Parts};
use keyturner::delivery::CallbackRules;
use keyturner::http::bridge::BridgeSettings;
use keyturner::http::{BridgeIdentity, PlainTokens, TlsFiles, Token};
use keyturner::protocol::IdType;
use keyturner::protocol::crypto::Pin;
use keyturner::simlock::{Person, SimLockConfig};
use keyturner::store::{RetentionRules, Store};
use keyturner::transport::sim::{SimDoor, SimRadio, SimSettings};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::house::{NUKI_ID, paired, until};
use super::listener::listen;
use crate::http_support::FakeHost;

/// 2026-11-23 14:00:00 UTC.
const START: UnixMillis = UnixMillis(1_795_442_400_000);
pub(crate) const TOKEN: &str = "v3rys3cret";
pub(crate) const PIN: u32 = 1234;

pub(crate) struct Whole {
    pub(crate) daemon: Daemon,
    pub(crate) door: SimDoor,
    pub(crate) store: Store,
    files: TempDir,
}

impl Whole {
    /// Pairs, starts everything, waits until the lock was read once.
    pub(crate) async fn new() -> Self {
        Self::start(None).await
    }

    /// The same, with a certificate of its own.
    pub(crate) async fn with_tls() -> Self {
        let dir = TempDir::new().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["door.lan".to_owned()]).unwrap();
        let files = TlsFiles { certificate: dir.path().join("c.pem"), key: dir.path().join("k.pem") };
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        std::fs::set_permissions(&files.key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        Self::start(Some((SocketAddr::from(([127, 0, 0, 1], 0)), files))).await
    }

    async fn start(tls: Option<(SocketAddr, TlsFiles)>) -> Self {
        listen([TOKEN]);
        let clock = Clock::virtual_from(START);
        let radio = SimRadio::new(clock, SimSettings::default(), [1; 32]);
        let door = radio.add(SimLockConfig::family(NUKI_ID), [2; 32]);
        let lock = paired(&radio, clock, &door, IdType::Bridge, Some(Pin::new(PIN))).await;
        let files = TempDir::new().unwrap();
        let store = Store::open(&files.path().join("keyturner.db")).await.unwrap().with_virtual_time();
        let count = AtomicU8::new(10);
        let parts = Parts {
            repeat_window: Duration::from_secs(2),
            callbacks: CallbackRules::default(),
            retention: RetentionRules::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls,
            hosts: Vec::new(),
            locks: vec![lock],
            transport: Arc::new(radio),
            store: store.clone(),
            webhook_secrets: Arc::new(|| Ok(Vec::new())),
            tokens: vec![Token::new("hallway", TOKEN).unwrap()],
            plain_tokens: PlainTokens::default(),
            identity: BridgeIdentity::new(1, 2),
            bridge: BridgeSettings::default(),
            host: Arc::new(FakeHost::default()),
            clock,
            seed: Arc::new(move || [count.fetch_add(1, Ordering::Relaxed); 32]),
        };
        let daemon = Daemon::start(parts).await.unwrap();
        let whole = Self { daemon, door, store, files };
        whole
            .until("everything was read once", || {
                whole.daemon.gateway().locks().iter().all(|lock| lock.firmware_version.is_some())
            })
            .await;
        whole.quiet().await;
        whole
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.files.path().join("keyturner.db")
    }

    pub(crate) fn person(&self, person: Person) {
        self.door.person(person).unwrap();
    }

    /// Lets virtual time pass until `done`, at most two minutes of it.
    pub(crate) async fn until(&self, what: &str, done: impl FnMut() -> bool) {
        until(what, done).await;
    }

    /// Lets virtual time pass until nothing has happened at the door for a second.
    pub(crate) async fn quiet(&self) {
        let mut calm = 0;
        self.until("the house comes to rest", || {
            let busy = self.door.inspect(|lock| lock.link_count() > 0 || lock.state().state_changed);
            calm = if busy { 0 } else { calm + 1 };
            calm > 100
        })
        .await;
    }

    /// GET with these header lines: the whole answer.
    pub(crate) async fn get(&self, target: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(self.daemon.address()).await.unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}
