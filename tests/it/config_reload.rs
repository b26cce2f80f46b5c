//! SIGHUP: what can be changed at once is, what cannot is said, and a wrong file changes nothing.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use keyturner::config::Config;
use keyturner::daemon::Changes;
use keyturner::http::{PlainTokens, TlsFiles};
use keyturner::secrets::Secrets;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::daemon::{TOKEN, Whole};

fn changes() -> Changes {
    let Config { plain_tokens, hosts, callbacks, retention, actions, bridge, .. } = Config::default();
    Changes { plain_tokens, hosts, callbacks, retention, repeat_window: actions.repeat_window, bridge, tls: None }
}

#[tokio::test(start_paused = true)]
async fn what_was_changed_counts_for_the_next_request() {
    let house = Whole::new().await;
    let settings = house.daemon.settings();
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let status = async |target: &str, headers: &str| house.get(target, headers).await[9..12].to_owned();
    assert_eq!(status("/v1/health", &bearer).await, "200");

    settings.apply(Changes { plain_tokens: PlainTokens::Never, ..changes() }).await.unwrap();
    assert_eq!(status("/v1/health", &bearer).await, "401");
    settings.apply(changes()).await.unwrap();
    assert_eq!(status("/v1/health", &bearer).await, "200");

    let reboot = format!("/reboot?token={TOKEN}");
    assert!(house.get(&reboot, "").await.contains("\"success\": false"));
    let bridge = toml_bridge("allow = [\"reboot\"]");
    settings.apply(Changes { bridge, ..changes() }).await.unwrap();
    assert!(house.get(&reboot, "").await.contains("\"success\": true"));
}

fn toml_bridge(text: &str) -> keyturner::http::bridge::BridgeSettings {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("k.toml");
    fs::write(&path, format!("[bridge]\n{text}\n")).unwrap();
    keyturner::config::Sources::new(Some(&path), []).load().unwrap().config.bridge
}

/// `keyturner run` with a file of its own, and somebody in systemd's place.
struct Running {
    child: Child,
    address: SocketAddr,
    token: String,
    systemd: UnixDatagram,
    dir: TempDir,
}

impl Running {
    fn start(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::load_or_create(dir.path()).unwrap();
        let token = secrets.bridge.token.expose().to_owned();
        fs::write(dir.path().join("k.toml"), config).unwrap();
        // Bound and let go: the gateway is told which port to take, so that the test can find it.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let systemd = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        systemd.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_keyturner"))
            .args(["run", "--listen", &address.to_string(), "--data"])
            .arg(dir.path())
            .env("KEYTURNER_CONFIG", dir.path().join("k.toml"))
            .env("NOTIFY_SOCKET", dir.path().join("notify"))
            .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let running = Self { child, address, token, systemd, dir };
        running.hear("READY=1");
        running
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("k.toml")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// What systemd is told next, how the gateway is left aside, must have this in it.
    fn hear(&self, word: &str) -> String {
        loop {
            let mut bytes = [0; 512];
            let length =
                self.systemd.recv(&mut bytes).unwrap_or_else(|error| panic!("{word}: {error}\n{}", self.log()));
            let told = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if told.contains(word) {
                return told;
            }
            assert!(told.lines().all(|line| line.starts_with("STATUS=")), "{told} instead of {word}");
        }
    }

    fn signal(&self, signal: &str) {
        let kill = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
    }

    /// SIGHUP with this file.
    fn reload(&self, config: &str) {
        fs::write(self.config(), config).unwrap();
        self.signal("-HUP");
        let told = self.hear("RELOADING=1");
        assert!(told.contains("MONOTONIC_USEC="), "{told}");
        self.hear("READY=1");
    }

    fn ask(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let bearer = format!("Authorization: Bearer {}\r\n", self.token);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{bearer}Connection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].to_owned(), body.to_owned())
    }

    fn health(&self) -> Value {
        serde_json::from_str(&self.ask("/v1/health").1).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn a_signal_to_a_running_process_has_the_file_count_or_changes_nothing() {
    let mut gateway = Running::start("plain_tokens = \"local\"\n");
    assert_eq!(gateway.ask("/v1/health").0, "200");
    assert!(gateway.health()["config"].get("problem").is_none());

    gateway.reload("plain_tokens = \"local\"\nadaptor = \"hci1\"\n");
    let config = gateway.health()["config"].clone();
    assert!(config["problem"].as_str().unwrap().contains("did you mean `adapter`?"), "{config}");
    assert!(gateway.log().contains("was not taken over"), "{}", gateway.log());
    let (_, metrics) = gateway.ask("/metrics");
    assert!(metrics.contains("keyturner_config_reload_failed 1"), "{metrics}");

    gateway.reload("adapter = \"hci7\"\nlisten = \"127.0.0.1:1\"\n");
    let config = gateway.health()["config"].clone();
    assert_eq!(config["needsRestart"], serde_json::json!(["adapter"]), "--listen counts more than the file: {config}");
    assert!(config.get("problem").is_none(), "{config}");
    assert!(gateway.log().contains("this key needs a restart to count"), "{}", gateway.log());

    gateway.reload("plain_tokens = \"never\"\n");
    assert_eq!(gateway.ask("/v1/health").0, "401");
    gateway.reload("plain_tokens = \"local\"\n");
    assert_eq!(gateway.ask("/v1/health").0, "200");

    gateway.signal("-TERM");
    gateway.hear("STOPPING=1");
    let begun = Instant::now();
    assert!(gateway.child.wait().unwrap().success(), "{}", gateway.log());
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert!(gateway.log().contains("stopped") && !gateway.log().contains(&gateway.token));
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_cannot_be_used_changes_nothing_at_all() {
    let house = Whole::with_tls().await;
    assert!(
        house
            .get("/v1/health", &format!("Authorization: Bearer {TOKEN}\r\n"))
            .await
            .contains("\"tls\":{\"expires\":\"")
    );
    let settings = house.daemon.settings();
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let nowhere = TlsFiles { certificate: "/nowhere/c.pem".into(), key: "/nowhere/k.pem".into() };
    let changes = Changes { plain_tokens: PlainTokens::Never, tls: Some(nowhere), ..changes() };
    let error = settings.apply(changes).await.unwrap_err().to_string();
    assert!(error.contains("/nowhere/c.pem"), "{error}");
    assert!(house.get("/v1/health", &bearer).await.starts_with("HTTP/1.1 200"), "the rest did not change either");
}
