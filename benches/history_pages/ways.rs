//! The real HTTP server with a client on loopback, and a running `sqlite3`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use futures::future::BoxFuture;
use keyturner::clock::Clock;
use keyturner::delivery::Waker;
use keyturner::diagnostics::Diagnostics;
use keyturner::gateway::{
    ActionOutcome, Asker, ClockHealth, CodeChange, GatewayError, LockHealth, LockSnapshot, RadioHealth, ScanResult,
    WaitFor,
};
use keyturner::http::bridge::{AuthWindow, Bridge, BridgeSettings};
use keyturner::http::{
    self, AppState, Authenticator, BridgeIdentity, DEFAULT_WINDOW, Doors, Gate, News, PlainTokens, Token,
};
use keyturner::protocol::LockAction;
use keyturner::protocol::beacon::NukiId;
use keyturner::protocol::log::CodeId;
use keyturner::protocol::state::KeyturnerStates;
use keyturner::store::{PageKey, Store};
use serde_json::Value;

use crate::host::{NoHost, TOKEN};

const END: &str = "-- end --";

/// No lock is paired; the log alone is asked.
struct NoDoors;

impl Doors for NoDoors {
    fn locks(&self) -> Vec<LockSnapshot> {
        Vec::new()
    }

    fn lock(&self, _: NukiId) -> Option<LockSnapshot> {
        None
    }

    fn radio(&self) -> Option<RadioHealth> {
        None
    }

    fn scan_results(&self) -> Vec<ScanResult> {
        Vec::new()
    }

    fn health(&self, _: NukiId) -> Option<LockHealth> {
        None
    }

    fn set_clock(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<ClockHealth, GatewayError>> {
        Box::pin(async move { Err(GatewayError::UnknownLock(nuki_id)) })
    }

    fn change_code<'a>(
        &'a self,
        nuki_id: NukiId,
        _: CodeChange,
        _: Asker<'a>,
    ) -> BoxFuture<'a, Result<Option<CodeId>, GatewayError>> {
        Box::pin(async move { Err(GatewayError::UnknownLock(nuki_id)) })
    }

    fn forget(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<(), GatewayError>> {
        Box::pin(async move { Err(GatewayError::UnknownLock(nuki_id)) })
    }

    fn read_state(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<KeyturnerStates, GatewayError>> {
        Box::pin(async move { Err(GatewayError::UnknownLock(nuki_id)) })
    }

    fn act<'a>(
        &'a self,
        nuki_id: NukiId,
        _: LockAction,
        _: Asker<'a>,
        _: WaitFor,
    ) -> BoxFuture<'a, Result<ActionOutcome, GatewayError>> {
        Box::pin(async move { Err(GatewayError::UnknownLock(nuki_id)) })
    }
}

pub(crate) async fn serve(store: Store) -> SocketAddr {
    let clock = Clock::system();
    let token = Token::new("bench", TOKEN).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = AppState {
        gateway: Arc::new(NoDoors),
        store,
        gate: Arc::new(Gate::new(Authenticator::new(vec![token], DEFAULT_WINDOW, clock.wall()), PlainTokens::Local)),
        clock,
        identity: BridgeIdentity::new(1, 2),
        callbacks: keyturner::delivery::CallbackRules::default().into(),
        delivery: Waker::new(),
        news: News::new(),
        bridge: Bridge {
            settings: BridgeSettings::default().into(),
            window: AuthWindow::new(false),
            host: Arc::new(NoHost),
            listen: address,
        },
        diagnostics: Diagnostics::default(),
        metrics: keyturner::metrics::Metrics::default(),
        config: keyturner::config::ConfigStatus::default(),
        certificates: None,
    };
    tokio::spawn(http::serve(listener, http::router(app), std::future::pending()));
    address
}

/// One connection that stays open.
pub(crate) struct Http(BufReader<TcpStream>);

impl Http {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// The page as it came.
    pub(crate) fn get(&mut self, target: &str) -> Vec<u8> {
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        for line in 0.. {
            let mut text = String::new();
            self.0.read_line(&mut text).unwrap();
            assert!(line > 0 || text.contains(" 200 "), "{target}: {text}");
            if let Some(value) = text.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if text.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        body
    }

    /// Cursor and place of the page behind this one.
    pub(crate) fn next(&mut self, target: &str) -> (String, PageKey) {
        let page: Value = serde_json::from_slice(&self.get(target)).unwrap();
        (page["next"].as_str().unwrap().to_owned(), super::key(&page))
    }
}

/// A running `sqlite3`.
pub(crate) struct Sqlite {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Self {
        let mut child = Command::new("sqlite3")
            .arg("-readonly")
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sqlite3 must be installed");
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    pub(crate) fn version(&mut self) -> String {
        self.answer("select sqlite_version();").remove(0)
    }

    /// How many rows a query prints.
    pub(crate) fn lines(&mut self, sql: &str) -> usize {
        self.answer(sql).len()
    }

    fn answer(&mut self, sql: &str) -> Vec<String> {
        self.to.write_all(format!("{sql}\n.print '{END}'\n").as_bytes()).unwrap();
        let lines = self.from.by_ref().lines().map(Result::unwrap);
        lines.take_while(|line| line != END).collect()
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // It is killed below if it has not ended by itself.
        self.to.write_all(b".quit\n").ok();
        if self.child.wait().is_err() {
            self.child.kill().ok();
        }
    }
}
