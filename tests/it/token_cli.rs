//! `keyturner token` as its owner uses it, and a running gateway that notices.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use keyturner::access::{Access, Scope};
use keyturner::clock::UnixMillis;
use keyturner::protocol::IdType;
use keyturner::protocol::crypto::SharedKey;
use keyturner::protocol::gatt::Generation;
use keyturner::secrets::ClientToken;
use keyturner::secrets::{ClientKey, FILE_NAME, LockSecret, MAX_TOKENS, NotAdded, Secrets};
use tempfile::TempDir;

use crate::store::{Fixture, LOCK};

struct Owner {
    f: Fixture,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

impl Owner {
    async fn new() -> Self {
        let f = Fixture::new().await;
        let mut secrets = Secrets::load_or_create(f.dir.path()).unwrap();
        secrets.put_lock(LockSecret {
            nuki_id: LOCK,
            address: "54:D2:72:0A:0B:0C".parse().unwrap(),
            name: "Front".to_owned(),
            auth_id: 7,
            shared_key: SharedKey::from_bytes([0xAB; 32]),
            uuid: [0xCD; 16],
            pin: None,
            generation: Generation::Gen1To4,
            id_type: IdType::Bridge,
        });
        secrets.save().unwrap();
        Self { f }
    }

    fn dir(&self) -> &Path {
        self.f.dir.path()
    }

    fn secrets(&self) -> Secrets {
        Secrets::load(self.dir()).unwrap().unwrap()
    }

    fn output(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_keyturner"))
            .arg("token")
            .args(args)
            .env("STATE_DIRECTORY", self.dir())
            .env("KEYTURNER_LOG", "trace")
            .env("TZ", "UTC")
            .current_dir(self.dir())
            .output()
            .unwrap()
    }

    fn run(&self, args: &[&str]) -> String {
        let output = self.output(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn fails(&self, args: &[&str]) -> String {
        let output = self.output(args);
        assert!(!output.status.success(), "{args:?}: {}", text(&output.stdout));
        text(&output.stderr)
    }

    fn database_holds(&self, needle: &str) -> bool {
        let files = fs::read_dir(self.dir()).unwrap().map(|entry| entry.unwrap().path());
        let databases = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("keyturner.db"));
        let mut contents = databases.map(|path| fs::read(path).unwrap());
        contents.any(|bytes| bytes.windows(needle.len()).any(|window| window == needle.as_bytes()))
    }
}

fn shown(printed: &str) -> String {
    printed.split("shown this once: ").nth(1).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_token_is_made_listed_and_revoked() {
    let owner = Owner::new().await;
    let lock = format!("{LOCK:08X}");
    let printed = owner.run(&["add", "--name", "doorbell", "--scope", "read,unlock", "--lock", &lock, "--days", "30"]);
    assert!(printed.starts_with(&format!("Added doorbell: read, unlock at {lock}.")), "{printed}");
    let token = shown(&printed);
    assert!(token.len() == 20 && token.bytes().all(|byte| byte.is_ascii_alphanumeric()), "clients take no more");
    let kept = owner.secrets().tokens().to_vec();
    let [ClientToken { name, key: ClientKey::Token(key), access, created, expires }] = kept.as_slice() else {
        panic!("{kept:?}")
    };
    assert_eq!((name.as_str(), key.expose()), ("doorbell", token.as_str()));
    assert_eq!(*access, Access::new([Scope::Read, Scope::Unlock], Some([LOCK].into())));
    assert_eq!(expires.unwrap().since(*created), Duration::from_hours(30 * 24));
    assert!(!owner.database_holds(&token));

    let listed = owner.run(&["list"]);
    let row = |name: &str| listed.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(listed.starts_with("NAME      MAY "), "{listed}");
    for words in ["  read, lock, unlock, history, admin  ", "  every lock  ", "  never"] {
        assert!(row("bridge").contains(words), "{words}: {listed}");
    }
    assert!(
        row("doorbell").contains("  read, unlock  ") && row("doorbell").contains(&format!("  {lock}    20")),
        "{listed}"
    );
    let json: serde_json::Value = serde_json::from_str(&owner.run(&["list", "--json"])).unwrap();
    let [bridge, doorbell] = json["tokens"].as_array().unwrap().as_slice() else { panic!("{json}") };
    assert_eq!((&bridge["nukiIds"], &bridge["lastUsed"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    assert_eq!(
        (&doorbell["scopes"], &doorbell["nukiIds"]),
        (&serde_json::json!(["read", "unlock"]), &serde_json::json!([LOCK]))
    );
    assert!(!listed.contains(&token) && !listed.contains(owner.secrets().bridge.token.expose()), "{listed}");

    assert!(owner.run(&["revoke", "doorbell"]).starts_with("Revoked doorbell."));
    assert!(owner.secrets().tokens().is_empty());
    assert!(owner.fails(&["revoke", "doorbell"]).contains("no token \"doorbell\""));
}

#[tokio::test]
async fn a_token_for_v1_alone_is_kept_as_a_digest_only() {
    let owner = Owner::new().await;
    owner.run(&["add", "--name", "script", "--scope", "history", "--v1", "--token-file", "token"]);
    let path = owner.dir().join("token");
    let token = fs::read_to_string(&path).unwrap().trim().to_owned();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(token.len(), 43, "256 bits");
    let file = fs::read_to_string(owner.dir().join(FILE_NAME)).unwrap();
    assert!(!file.contains(&token) && file.contains("\"sha256\""), "{}", file.len());
    assert!(owner.run(&["list"]).contains("script  history (/v1 only)  "));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_and_changes_nothing() {
    let owner = Owner::new().await;
    owner.run(&["add", "--name", "one", "--scope", "read"]);
    let before = fs::read(owner.dir().join(FILE_NAME)).unwrap();
    for (args, word) in [
        (&["add", "--name", "one", "--scope", "read"][..], "already"),
        (&["add", "--name", "bridge", "--scope", "read"], "already"),
        (&["add", "--name", "a b", "--scope", "read"], "letters, digits"),
        (&["add", "--name", "two", "--scope", "open"], "read, lock, unlock, history or admin"),
        (&["add", "--name", "two"], "--scope"),
        (&["add", "--name", "two", "--scope", "read", "--lock", "99999999"], "no lock 99999999 is paired"),
        (&["add", "--name", "two", "--scope", "read", "--days", "0"], "0"),
        (&["add", "--name", "two", "--scope", "read", "--token-file", FILE_NAME], "cannot write"),
    ] {
        let error = owner.fails(args);
        assert!(error.contains(word), "{args:?}: {error}");
    }
    assert_eq!(fs::read(owner.dir().join(FILE_NAME)).unwrap(), before);
}

#[tokio::test]
async fn the_first_token_stays_as_it_was_and_is_replaced_when_it_is_revoked() {
    let owner = Owner::new().await;
    let first = owner.run(&[]).trim().to_owned();
    assert_eq!(first, owner.secrets().bridge.token.expose());
    owner.run(&["add", "--name", "other", "--scope", "read"]);
    assert_eq!(owner.run(&["--data", owner.dir().to_str().unwrap()]).trim(), first);
    owner.run(&["revoke", "bridge"]);
    let next = owner.run(&[]).trim().to_owned();
    assert!(next != first && next.len() == 20, "{next}");
    assert_eq!(owner.secrets().tokens().len(), 1);
}

#[tokio::test]
async fn a_name_that_is_used_again_brings_no_past_with_it() {
    let owner = Owner::new().await;
    owner.run(&["add", "--name", "guest", "--scope", "read"]);
    let uses = [("guest".to_owned(), UnixMillis(1_712_383_381_000))].into();
    owner.f.store.note_token_uses(&uses).await.unwrap();
    assert!(owner.run(&["list"]).contains("  2024-04-06 06:03"));
    owner.run(&["revoke", "guest"]);
    owner.run(&["add", "--name", "guest", "--scope", "read"]);
    assert!(owner.run(&["list"]).contains("guest   read "));
    assert!(!owner.run(&["list"]).contains("2024-04-06"));
}

#[test]
fn tokens_have_an_end_and_their_file_is_read_back() {
    let dir = TempDir::new().unwrap();
    let mut secrets = Secrets::load_or_create(dir.path()).unwrap();
    let before = fs::read_to_string(secrets.path()).unwrap();
    assert!(before.contains("\"version\": 1"), "an older program still reads it");
    for number in 0..MAX_TOKENS {
        let locks = (number % 2 == 0).then(|| [LOCK, LOCK + 1].into());
        let access = Access::new(Scope::ALL, locks);
        let expires = (number % 3 == 0).then_some(UnixMillis(2_000_000_000_123));
        let make = if number % 5 == 0 { ClientToken::for_v1 } else { ClientToken::for_bridge };
        let (token, _) = make(format!("client-{number}"), access, UnixMillis(1_712_383_381_000), expires).unwrap();
        secrets.add_token(token).unwrap();
    }
    let one_more = ClientToken::for_v1("more".to_owned(), Access::full(), UnixMillis(0), None).unwrap().0;
    assert_eq!(secrets.add_token(one_more), Err(NotAdded::Full));
    secrets.save().unwrap();
    assert!(fs::read_to_string(secrets.path()).unwrap().contains("\"version\": 3"));
    let read = Secrets::load(dir.path()).unwrap().unwrap();
    assert_eq!(read.tokens(), secrets.tokens());
    assert_eq!(read.bridge, secrets.bridge);
}

#[test]
fn a_damaged_token_is_refused_with_its_place_and_without_its_text() {
    let dir = TempDir::new().unwrap();
    let mut secrets = Secrets::load_or_create(dir.path()).unwrap();
    let (token, secret) = ClientToken::for_bridge("guest".to_owned(), Access::full(), UnixMillis(0), None).unwrap();
    secrets.add_token(token).unwrap();
    secrets.save().unwrap();
    let good = fs::read_to_string(secrets.path()).unwrap();
    for (from, to, word) in [
        ("\"admin\"", "\"root\"", "expected read, lock, unlock, history or admin"),
        ("\"guest\"", "\"bridge\"", "twice"),
        ("\"guest\"", "\"a b\"", "expected a name"),
        ("1970-01-01T", "yesterday ", "expected a time"),
        ("\"token\": \"", "\"token\": \"-", "letters and digits"),
    ] {
        let at = good.find("\"tokens\"").unwrap();
        let bad = good[..at].to_owned() + &good[at..].replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        fs::write(secrets.path(), &bad).unwrap();
        let error = Secrets::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
        assert!(!error.contains(secret.as_str()), "{error}");
    }
}

#[tokio::test]
async fn a_closed_output_does_not_break_a_command_off() {
    let owner = Owner::new().await;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = Command::new(env!("CARGO_BIN_EXE_keyturner"))
        .args(["token", "add", "--name", "alarm", "--scope", "read"])
        .env("STATE_DIRECTORY", owner.dir())
        .stdout(writer)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert!(!text(&ended.stderr).contains("panicked"), "{ended:?}");
    assert!(owner.secrets().tokens().iter().any(|token| token.name == "alarm"), "it is kept");
}
