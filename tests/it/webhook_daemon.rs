//! A whole daemon tells webhooks, and none of their secrets.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyturner::clock::Clock;
use keyturner::daemon::{Daemon, Parts};
use keyturner::http::{BridgeIdentity, Token};
use keyturner::secrets::{Secrets, WebhookSecret, WebhookUrl};
use keyturner::store::{AddWebhook, Batch, NewWebhook};
use keyturner::transport::sim::{SimRadio, SimSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tracing::level_filters::LevelFilter;

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

async fn start(f: &Fixture) -> Daemon {
    let dir = f.dir.path().to_owned();
    let clock = Clock::system();
    Daemon::start(Parts {
        listen: ([127, 0, 0, 1], 0).into(),
        locks: Vec::new(),
        transport: Arc::new(SimRadio::new(clock, SimSettings::default(), [1; 32])),
        store: f.store.clone(),
        webhook_secrets: Arc::new(move || Ok(Secrets::load(&dir)?.unwrap().webhooks().to_vec())),
        tokens: vec![Token::new("hallway", "s3cret").unwrap()],
        identity: BridgeIdentity::new(1, 2),
        clock,
        seed: Arc::new(|| [2; 32]),
    })
    .await
    .unwrap()
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Every byte of the database and its companions.
fn database(dir: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let databases = files.filter(|path| path.to_string_lossy().contains("keyturner.db"));
    databases.flat_map(|path| std::fs::read(path).unwrap()).collect()
}

#[tokio::test]
async fn what_waits_is_told_at_the_start_and_no_secret_reaches_log_or_database() {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let f = Fixture::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Bound and dropped: nobody listens there now.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut needles = vec!["t0ken".to_owned(), "us3r".to_owned(), "passw0rd".to_owned()];
    needles.push(add(&f, "good", &format!("http://us3r:passw0rd@{address}/t0ken?k=t0ken")).await);
    needles.push(add(&f, "down", &format!("http://us3r:passw0rd@{nobody}/t0ken")).await);
    needles.push(add(&f, "tls", &format!("https://{nobody}/t0ken")).await);
    let batch = Batch { observed_at: Clock::system().wall(), ..events(0, vec![by_app(1)]) };
    f.store.commit(&batch).await.unwrap();
    let daemon = start(&f).await;

    let accepted = tokio::time::timeout(Duration::from_mins(1), listener.accept()).await;
    let (mut stream, _) = accepted.unwrap().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"}}") {
        assert!(stream.read_buf(&mut request).await.unwrap() > 0);
    }
    assert!(String::from_utf8(request).unwrap().contains("\"name\":\"Anna\""));
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    drop(stream);
    let noted = async {
        loop {
            let status = f.store.webhook_status().await.unwrap();
            if status[0].last_told_at.is_some() && status[1].failures > 0 && status[2].failures > 0 {
                return status;
            }
            tokio::task::yield_now().await;
        }
    };
    let status = tokio::time::timeout(Duration::from_mins(1), noted).await.unwrap();
    assert_eq!((status[0].waiting, status[1].waiting, status[2].waiting), (0, 1, 1));
    daemon.run_until(async {}).await.unwrap();

    let log = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("a webhook is not reached") && log.contains("down"), "{log}");
    let database = database(f.dir.path());
    for needle in needles {
        assert!(!log.contains(&needle), "{needle} in {log}");
        assert!(!database.windows(needle.len()).any(|window| window == needle.as_bytes()), "{needle} in the database");
    }
}
