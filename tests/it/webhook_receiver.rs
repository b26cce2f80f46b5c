//! The receiver in docs/webhooks.md, run as it stands: it checks signatures with code that is not ours.

use std::io::{BufRead, BufReader, ErrorKind, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use keyturner::clock::{Clock, UnixMillis};
use keyturner::delivery::Waker;
use keyturner::delivery::webhook::{Answer, HttpsPost, Message, Receiver, Tools, WebhookPost, start, test_message};
use keyturner::http::entry_json;
use keyturner::secrets::WebhookUrl;
use keyturner::store::{AddWebhook, Batch};

use crate::store::{Fixture, by_app, by_code, events};
use crate::support::webhooks::{SECRET, plain, secret};

const DOCS: &str = include_str!("../../docs/webhooks.md");

/// The program, ended with the test.
struct Python {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Python {
    /// `None` on a machine without Python.
    fn start(dir: &Path) -> Option<Self> {
        let program = DOCS.split_once("```python\n").unwrap().1.split_once("```").unwrap().0;
        std::fs::write(dir.join("receiver.py"), program).unwrap();
        std::fs::write(dir.join("secret"), format!("{SECRET}\n")).unwrap();
        let mut command = Command::new("python3");
        command.args(["receiver.py", "secret", "0"]).current_dir(dir).stdout(Stdio::piped());
        let mut child = match command.spawn() {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            spawned => spawned.unwrap(),
        };
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Some(Self { child, lines })
    }

    fn line(&mut self) -> String {
        tokio::task::block_in_place(|| self.lines.next()).unwrap().unwrap()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn status(code: u16) -> Answer {
    Answer::Status { code, retry_after: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_receiver_takes_what_is_genuine_once() {
    let f = Fixture::new().await;
    let Some(mut python) = Python::start(f.dir.path()) else { return };
    let port = python.line().strip_prefix("listening on port ").unwrap().to_owned();
    let url = format!("http://127.0.0.1:{port}/");
    let AddWebhook::Added(id) = f.store.add_webhook(&plain(), UnixMillis(0)).await.unwrap() else { panic!("added") };
    let secrets = vec![secret(id, &url)];
    let waker = Waker::new();
    let clock = Clock::system();
    let tools = Tools {
        store: f.store.clone(),
        clock,
        post: HttpsPost::default(),
        secrets: Arc::new(move || Ok(secrets.clone())),
        entry_json,
        seed: Arc::new(|| [1; 32]),
        look_every: Duration::from_hours(1),
        pulses: keyturner::pulse::Pulses::default(),
    };
    let workers = start(tools, &waker);
    let batch = Batch { observed_at: clock.wall(), ..events(0, vec![by_app(1), by_code(2)]) };
    f.store.commit(&batch).await.unwrap();
    waker.wake();
    let told = [python.line(), python.line()];
    assert!(told[0].ends_with(" lock_action Anna matched"), "{told:?}");
    assert!(told[1].ends_with(" keypad_action Cleaner matched"), "{told:?}");
    workers.stop().await;

    let url = WebhookUrl::parse(&url).unwrap();
    let send = async |message: &Message| HttpsPost::default().send(Receiver { url: &url, ca_pem: None }, message).await;
    let now = clock.wall();
    let genuine = test_message("house", SECRET, "one", now).unwrap();
    assert_eq!(send(&genuine).await, status(204));
    assert_eq!(send(&genuine).await, status(204));
    let forged = test_message("house", "another-secret-of-the-right-size", "two", now).unwrap();
    assert_eq!(send(&forged).await, status(401));
    let changed = Message { body: genuine.body.replace("one", "six"), ..genuine.clone() };
    assert_eq!(send(&changed).await, status(401));
    for minutes in [-6, 6] {
        let recorded = test_message("house", SECRET, "three", UnixMillis(now.0 + minutes * 60_000)).unwrap();
        assert_eq!(send(&recorded).await, status(401), "{minutes}");
    }
    let unsigned = Message { signature: "t=,v1=".to_owned(), ..genuine };
    assert_eq!(send(&unsigned).await, status(401));
}
