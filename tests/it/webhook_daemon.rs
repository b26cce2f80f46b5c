//! `keyturner run` tells webhooks what waits, and nobody their secrets.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use keyturner::clock::Clock;
use keyturner::secrets::{Secrets, WebhookSecret, WebhookUrl};
use keyturner::store::{AddWebhook, Batch, NewWebhook, WebhookStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use crate::store::{Fixture, NOW, by_app, events};
use crate::support::webhooks::plain;

/// Adds a receiver as `keyturner webhook add` does; its secret.
async fn add(f: &Fixture, name: &str, url: &str) -> String {
    let webhook = NewWebhook { name: name.to_owned(), ..plain() };
    let AddWebhook::Added(id) = f.store.add_webhook(&webhook, NOW).await.unwrap() else { panic!("not added") };
    let mut secrets = Secrets::load_or_create(f.dir.path()).unwrap();
    let secret = WebhookSecret::new(id, WebhookUrl::parse(url).unwrap()).unwrap();
    secrets.put_webhook(secret.clone());
    secrets.save().unwrap();
    secret.secret.to_string()
}

/// The daemon as a process of its own, as loud as it gets, on a machine without Bluetooth.
struct Daemon(Child);

impl Daemon {
    fn start(dir: &Path, log: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_keyturner"))
            .args(["run", "--listen", "127.0.0.1:0", "--data"])
            .arg(dir)
            .env("KEYTURNER_LOG", "trace")
            .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
            .stdout(File::create(log).unwrap())
            .stderr(File::options().append(true).open(log).unwrap())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Takes one request to its end.
async fn take(listener: TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"}}") {
        assert!(stream.read_buf(&mut request).await.unwrap() > 0);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    String::from_utf8(request).unwrap()
}

async fn tried(f: &Fixture) -> Vec<WebhookStatus> {
    loop {
        let status = f.store.webhook_status().await.unwrap();
        if status[0].last_told_at.is_some() && status[1].failures > 0 && status[2].failures > 0 {
            return status;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_waits_is_told_at_the_start_and_no_secret_reaches_log_or_database() {
    let f = Fixture::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Bound and never listening: it refuses, and nobody else gets the port.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let nobody = closed.local_addr().unwrap();
    let mut needles = vec!["t0ken".to_owned(), "us3r".to_owned(), "passw0rd".to_owned()];
    needles.push(add(&f, "good", &format!("http://us3r:passw0rd@{address}/t0ken?k=t0ken")).await);
    needles.push(add(&f, "down", &format!("http://us3r:passw0rd@{nobody}/t0ken")).await);
    needles.push(add(&f, "tls", &format!("https://{nobody}/t0ken")).await);
    let batch = Batch { observed_at: Clock::system().wall(), ..events(0, vec![by_app(1)]) };
    f.store.commit(&batch).await.unwrap();

    let log = f.dir.path().join("log");
    let daemon = Daemon::start(f.dir.path(), &log);
    let limit = Duration::from_mins(1);
    let request = tokio::time::timeout(limit, take(listener)).await.unwrap();
    assert!(request.contains("\"name\":\"Anna\""), "{request}");
    let status = tokio::time::timeout(limit, tried(&f)).await.unwrap();
    assert_eq!((status[0].waiting, status[1].waiting, status[2].waiting), (0, 1, 1));
    drop(daemon);

    let log = fs::read_to_string(log).unwrap();
    // The client library is as loud as we are.
    assert!(log.contains("a webhook is not reached") && log.contains("Http::connect"), "{log}");
    let files = fs::read_dir(f.dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let databases = files.filter(|path| path.to_string_lossy().contains("keyturner.db"));
    let database: Vec<u8> = databases.flat_map(|path| fs::read(path).unwrap()).collect();
    assert!(database.windows(4).any(|window| window == b"Anna"));
    for needle in needles {
        assert!(!log.contains(&needle), "{needle} in {log}");
        assert!(!database.windows(needle.len()).any(|window| window == needle.as_bytes()), "{needle} in the database");
    }
}
