//! `keyturner webhook` as its owner uses it, and where it leaves secrets.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use keyturner::attribution::EventKind;
use keyturner::secrets::{FILE_NAME, Secrets};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::Value;

use crate::store::{Fixture, NOW, by_app, events};

struct Owner {
    f: Fixture,
}

impl Owner {
    async fn new() -> Self {
        let f = Fixture::new().await;
        Secrets::load_or_create(f.dir.path()).unwrap();
        Self { f }
    }

    fn dir(&self) -> &Path {
        self.f.dir.path()
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn run_with(&self, args: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_keyturner"))
            .arg("webhook")
            .args(args)
            .env("STATE_DIRECTORY", self.dir())
            .env("KEYTURNER_LOG", "trace")
            .env("TZ", "UTC")
            .current_dir(self.dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What it printed; it has to succeed, and to print no URL.
    fn run(&self, args: &[&str]) -> String {
        let output = self.run_with(args, "");
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{args:?}: {out}{err}");
        assert!(!out.contains("t0ken") && !err.contains("t0ken"), "{out}{err}");
        out
    }

    /// Why it failed.
    fn fails(&self, args: &[&str]) -> String {
        let output = self.run_with(args, "");
        let err = text(&output.stderr);
        assert!(!output.status.success(), "{args:?}");
        assert!(!err.contains("t0ken"), "{err}");
        err
    }

    fn list(&self) -> Value {
        serde_json::from_str(&self.run(&["list", "--json"])).unwrap()
    }

    /// Whether a text stands anywhere in the database, its write-ahead log included.
    fn database_holds(&self, needle: &str) -> bool {
        let files = fs::read_dir(self.dir()).unwrap().map(|entry| entry.unwrap().path());
        let databases = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("keyturner.db"));
        let mut contents = databases.map(|path| fs::read(path).unwrap());
        contents.any(|bytes| bytes.windows(needle.len()).any(|window| window == needle.as_bytes()))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn url_and_secret_are_in_the_secret_store_and_nowhere_else() {
    let owner = Owner::new().await;
    owner.file("url", "https://receiver.example/hook?key=t0ken\n");
    let printed = owner.run(&["add", "--name", "alarm", "--url-file", "url", "--user", "7", "--refused-only"]);
    assert!(printed.contains("events refused only, by user 7"), "{printed}");
    let secret = printed.split("shown this once: ").nth(1).unwrap().trim().to_owned();
    assert!(secret.len() == 43 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{secret}");

    let printed = owner.run(&["add", "--name", "second", "--url-file", "url", "--secret-file", "secret"]);
    let second = fs::read_to_string(owner.dir().join("secret")).unwrap().trim().to_owned();
    assert_eq!(fs::metadata(owner.dir().join("secret")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!printed.contains(&second) && second != secret, "{printed}");

    let secrets = fs::read_to_string(owner.dir().join(FILE_NAME)).unwrap();
    for needle in ["receiver.example/hook?key=t0ken", &secret, &second] {
        assert!(secrets.contains(needle));
        assert!(!owner.database_holds(needle), "{needle}");
    }
    assert!(owner.database_holds("alarm"));
    let listed = owner.run(&["list"]) + &owner.run(&["list", "--json"]);
    assert!(!listed.contains(&secret) && !listed.contains("receiver.example"), "{listed}");

    owner.run(&["remove", "alarm"]);
    owner.run(&["remove", "second"]);
    let secrets = fs::read_to_string(owner.dir().join(FILE_NAME)).unwrap();
    assert!(!secrets.contains("t0ken") && secrets.contains("\"version\": 1"), "an older program reads it again");
    assert_eq!(owner.list(), serde_json::json!([]));
}

#[tokio::test]
async fn a_url_may_come_from_standard_input() {
    let owner = Owner::new().await;
    let output =
        owner.run_with(&["add", "--name", "a", "--url-file", "-"], "http://192.168.1.9:8123/api/webhook/t0ken");
    let printed = text(&output.stdout);
    assert!(output.status.success() && printed.contains("Prefer https://"), "{printed}{}", text(&output.stderr));
    let secrets = Secrets::load(owner.dir()).unwrap().unwrap();
    assert_eq!(secrets.webhooks()[0].url.expose(), "http://192.168.1.9:8123/api/webhook/t0ken");
    assert_eq!(owner.list()[0]["filter"]["nukiIds"], serde_json::json!([]));
}

#[tokio::test]
async fn what_cannot_be_is_refused_without_repeating_it_and_leaves_nothing_behind() {
    let owner = Owner::new().await;
    owner.file("url", "https://receiver.example/t0ken");
    for (content, why) in [
        ("ftp://receiver.example/t0ken", "neither with https:// nor with http://"),
        ("receiver.example/t0ken", "cannot be read"),
        ("https://receiver.example/t0ken\nhttps://other.example/", "spaces or control characters"),
        ("", "cannot be read"),
    ] {
        owner.file("bad", content);
        let error = owner.fails(&["add", "--name", "a", "--url-file", "bad"]);
        assert!(error.contains("bad must hold nothing but the receiver's URL") && error.contains(why), "{error}");
    }
    fn add<'a>(more: &[&'a str]) -> Vec<&'a str> {
        [&["add", "--name", "a", "--url-file", "url"], more].concat()
    }
    assert!(owner.fails(&add(&["--kind", "lock_actoin"])).contains("the kinds are lock_action, keypad_action"));
    assert!(owner.fails(&add(&["--lock", "xyz"])).contains("8 hex digits"));
    assert!(owner.fails(&add(&["--give-up-after", "0"])).contains("1..=720"));
    assert!(owner.fails(&["add", "--name", "a b", "--url-file", "url"]).contains("1 to 64 letters"));
    assert!(owner.fails(&["add", "--name", "a", "--url-file", "none"]).contains("cannot read the URL from none"));
    owner.file("no.pem", "hello");
    assert!(owner.fails(&add(&["--ca-file", "no.pem"])).contains("no.pem has no certificate"));
    // Its file is there already: another secret stands in it, perhaps.
    owner.file("taken", "x");
    assert!(owner.fails(&add(&["--secret-file", "taken"])).contains("cannot write taken"));
    assert_eq!(owner.list(), serde_json::json!([]));
    assert!(Secrets::load(owner.dir()).unwrap().unwrap().webhooks().is_empty());

    owner.run(&add(&[]));
    assert!(owner.fails(&add(&[])).contains("there is a webhook \"a\" already"));
    for command in ["remove", "test", "dead"] {
        assert!(owner.fails(&[command, "b"]).contains("there is no webhook \"b\""), "{command}");
    }
}

#[tokio::test]
async fn every_kind_of_event_can_be_asked_for() {
    let owner = Owner::new().await;
    owner.file("url", "https://receiver.example/t0ken");
    let kinds: Vec<&str> = EventKind::NAMES.into_iter().flat_map(|kind| ["--kind", kind]).collect();
    owner.run(&[&["add", "--name", "a", "--url-file", "url"], kinds.as_slice()].concat());
    assert_eq!(owner.list()[0]["filter"]["kinds"], serde_json::json!(EventKind::NAMES));
    owner.run(&["add", "--name", "b", "--url-file", "url", "--kind", "retention", "--kind", "erasure"]);
    assert_eq!(owner.list()[1]["filter"]["kinds"], serde_json::json!(["retention", "erasure"]));
}

#[tokio::test]
async fn of_a_ca_file_only_the_certificates_are_kept() {
    let owner = Owner::new().await;
    owner.file("url", "https://receiver.example/t0ken");
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap().pem();
    owner.file("ca.pem", &format!("a note\n{}{certificate}", key.serialize_pem()));
    owner.run(&["add", "--name", "a", "--url-file", "url", "--ca-file", "ca.pem"]);
    let kept = owner.f.store.webhooks().await.unwrap().remove(0).ca_pem.unwrap();
    let plain = |pem: &str| pem.replace("\r\n", "\n");
    assert_eq!(plain(&kept), plain(&certificate));
    assert!(!owner.database_holds("PRIVATE KEY"));
    owner.file("plain", "http://receiver.example/t0ken");
    let error = owner.fails(&["add", "--name", "b", "--url-file", "plain", "--ca-file", "ca.pem"]);
    assert!(error.contains("no certificate to check"), "{error}");
}

#[tokio::test]
async fn a_receiver_can_be_tried_out() {
    let owner = Owner::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    owner.file("url", &format!("http://{}/t0ken", listener.local_addr().unwrap()));
    owner.run(&["add", "--name", "a", "--url-file", "url"]);
    let receiver = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in ["200 OK", "503 Not now"] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = String::new();
            while !request.contains("\"test\":true}") {
                let mut bytes = [0; 4096];
                let length = stream.read(&mut bytes).unwrap();
                request.push_str(&text(&bytes[..length]));
            }
            write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").unwrap();
            requests.push(request);
        }
        requests
    });
    assert_eq!(owner.run(&["test", "a"]), "a took it.\n");
    assert!(owner.fails(&["test", "a"]).contains("a did not take it: answered with status 503"));
    let requests = receiver.join().unwrap();
    let key = |request: &str| request.to_lowercase().split("idempotency-key: ").nth(1).unwrap()[..37].to_owned();
    assert_ne!(key(&requests[0]), key(&requests[1]));
}

#[tokio::test]
async fn dead_letters_are_listed_and_put_back() {
    let owner = Owner::new().await;
    owner.file("url", "https://receiver.example/t0ken");
    owner.run(&["add", "--name", "a", "--url-file", "url", "--queue", "2"]);
    assert_eq!(owner.run(&["dead", "a"]), "a has no dead letters.\n");
    owner.f.store.commit(&events(1, (1..=5).map(by_app).collect())).await.unwrap();
    let letters: Value = serde_json::from_str(&owner.run(&["dead", "a", "--json"])).unwrap();
    let ids: Vec<i64> = letters.as_array().unwrap().iter().map(|letter| letter["id"].as_i64().unwrap()).collect();
    assert_eq!((ids.len(), &letters[0]["reason"]), (3, &"too many waited".into()));
    let lines = owner.run(&["dead", "a"]);
    assert!(lines.starts_with("NUMBER  ENDED ") && lines.contains("      1      0  too many waited\n"), "{lines}");
    let listed = owner.run(&["list"]);
    assert!(listed.contains("2 of at most 2 wait, since 2026-11-23 14:05:10"), "{listed}");
    assert!(listed.contains("3 dead letters; 3 ever because too many waited: `keyturner webhook dead a`"), "{listed}");

    // The newest two are told; there is room again.
    for _ in 0..2 {
        let delivery = owner.f.store.next_webhook_delivery(1).await.unwrap().unwrap();
        owner.f.store.webhook_told(&delivery, NOW).await.unwrap();
    }
    assert_eq!(owner.run(&["replay", "a", &ids[1].to_string()]), "1 dead letters of a wait again.\n");
    assert!(owner.fails(&["replay", "a", "4711"]).contains("none of its dead letters"));
    assert!(owner.fails(&["replay", "a"]).contains("<NUMBER>"));
    assert_eq!(owner.list()[0]["waiting"], 1);
    assert_eq!(owner.run(&["replay", "a", "--all"]), "2 dead letters of a wait again.\n");
    assert_eq!((&owner.list()[0]["waiting"], &owner.list()[0]["dead"]), (&2.into(), &1.into()), "within the bound");
}
