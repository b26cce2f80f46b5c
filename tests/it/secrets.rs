//! The secret store: private, whole or not at all, and silent.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use keyturner::protocol::IdType;
use keyturner::protocol::crypto::{Pin, SharedKey};
use keyturner::protocol::gatt::Generation;
use keyturner::secrets::{FILE_NAME, LockSecret, Secrets, SecretsError, Token, WebhookSecret, WebhookUrl};
use tempfile::TempDir;

fn lock(nuki_id: u32) -> LockSecret {
    LockSecret {
        nuki_id,
        address: "54:D2:72:0A:0B:0C".parse().unwrap(),
        name: "Front \"door\" ü".to_owned(),
        auth_id: 7,
        shared_key: SharedKey::from_bytes([0xAB; 32]),
        uuid: [0xCD; 16],
        pin: Some(Pin::new(4711)),
        generation: Generation::Gen1To4,
        id_type: IdType::Bridge,
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

/// A store whose text went through `change`, and why it is refused.
fn refusal(change: impl Fn(&str) -> String) -> String {
    let dir = TempDir::new().unwrap();
    let mut secrets = Secrets::load_or_create(dir.path()).unwrap();
    secrets.put_lock(lock(1));
    secrets.save().unwrap();
    let path = dir.path().join(FILE_NAME);
    let before = change(&fs::read_to_string(&path).unwrap());
    fs::write(&path, &before).unwrap();
    let error = Secrets::load_or_create(dir.path()).unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), before, "a refused file is left alone");
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    assert_no_secret(&text, secrets.bridge.token.expose());
    text
}

fn assert_no_secret(text: &str, token: &str) {
    // Random ids may hold any digits; no PIN is so long.
    let is_id = |word: &&str| word.len() >= 7 && word.bytes().all(|b| b.is_ascii_digit());
    let words = text.split_inclusive(|c: char| !c.is_ascii_digit());
    let lower: String = words.filter(|word| !is_id(&word.trim_end_matches(|c: char| !c.is_ascii_digit()))).collect();
    let lower = lower.to_lowercase();
    for secret in [token.to_lowercase(), "abab".to_owned(), "4711".to_owned(), "cdcd".to_owned(), "171".to_owned()] {
        assert!(!lower.contains(&secret), "{secret} in {text}");
    }
}

#[test]
fn a_new_store_is_private_and_random() {
    let dir = TempDir::new().unwrap();
    let home = dir.path().join("a/b");
    let secrets = Secrets::load_or_create(&home).unwrap();
    assert_eq!(mode(&home.join(FILE_NAME)), 0o600);
    assert_eq!(mode(&home), 0o700);
    let token = secrets.bridge.token.expose();
    assert!(token.len() == 20 && token.bytes().all(|b| b.is_ascii_alphanumeric()), "{token}");
    for id in [secrets.bridge.hardware_id, secrets.bridge.server_id] {
        assert!((0x1000_0000..=0x7FFF_FFFF).contains(&id), "{id:x}");
    }
    let other = Secrets::load_or_create(dir.path().join("c")).unwrap();
    assert_ne!(other.bridge, secrets.bridge);
    assert_ne!(other.app_id, secrets.app_id);
    assert_eq!(Secrets::load_or_create(&home).unwrap().bridge, secrets.bridge);
    assert!(Secrets::load(dir.path().join("none")).unwrap().is_none());
}

#[test]
fn everything_survives_a_round_trip() {
    let dir = TempDir::new().unwrap();
    let mut secrets = Secrets::load_or_create(dir.path()).unwrap();
    let plain = LockSecret { pin: None, generation: Generation::Gen5, id_type: IdType::App, ..lock(u32::MAX) };
    let opener = LockSecret { generation: Generation::Opener, pin: Some(Pin::new(999_999)), ..lock(3) };
    for secret in [lock(1), lock(2), plain.clone(), opener.clone()] {
        secrets.put_lock(secret);
    }
    secrets.put_lock(LockSecret { auth_id: 8, ..lock(1) });
    assert_eq!(secrets.remove_lock(2), Some(lock(2)));
    assert_eq!(secrets.remove_lock(2), None);
    secrets.save().unwrap();
    secrets.save().unwrap();
    assert_eq!(mode(&secrets.path()), 0o600);

    let read = Secrets::load(dir.path()).unwrap().unwrap();
    assert_eq!(read.locks(), [LockSecret { auth_id: 8, ..lock(1) }, plain, opener]);
    assert_eq!(read.bridge, secrets.bridge);
    assert_eq!(read.app_id, secrets.app_id);
    assert_eq!(read.lock(3).map(|lock| lock.pin), Some(Some(Pin::new(999_999))));
    assert!(read.lock(2).is_none());
}

#[test]
fn nothing_secret_is_printed() {
    let dir = TempDir::new().unwrap();
    let mut secrets = Secrets::load_or_create(dir.path()).unwrap();
    secrets.put_lock(lock(1));
    let text = format!("{secrets:?} {secrets:#?} {:?}", secrets.bridge.token);
    assert!(text.contains("54:D2:72:0A:0B:0C"));
    assert_no_secret(&text, secrets.bridge.token.expose());
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    for bad in [0o644, 0o640, 0o604, 0o620, 0o601] {
        let dir = TempDir::new().unwrap();
        let path = Secrets::load_or_create(dir.path()).unwrap().path();
        fs::set_permissions(&path, fs::Permissions::from_mode(bad)).unwrap();
        let error = Secrets::load_or_create(dir.path()).unwrap_err();
        assert!(matches!(error, SecretsError::Readable { mode, .. } if mode == bad));
        let text = error.to_string();
        assert!(text.contains(&format!("chmod 600 {}", path.display())), "{text}");
        assert!(text.contains(&format!("{bad:04o}")), "{text}");
    }
}

#[test]
fn what_root_writes_into_a_services_directory_stays_the_services() {
    let dir = TempDir::new().unwrap();
    // Only root can give files away; for everybody else there is nothing to show.
    if std::os::unix::fs::chown(dir.path(), Some(12345), Some(12346)).is_err() {
        return;
    }
    let mut secrets = Secrets::load_or_create(dir.path()).unwrap();
    secrets.save().unwrap();
    let file = std::fs::metadata(secrets.path()).unwrap();
    assert_eq!((file.uid(), file.gid(), file.mode() & 0o777), (12345, 12346, 0o600));
    Secrets::load_or_create(dir.path()).unwrap();
}

#[test]
fn only_an_ordinary_file_will_do() {
    let dir = TempDir::new().unwrap();
    let target = Secrets::load_or_create(dir.path().join("real")).unwrap().path();
    symlink(&target, dir.path().join(FILE_NAME)).unwrap();
    let error = Secrets::load_or_create(dir.path()).unwrap_err();
    assert!(matches!(error, SecretsError::NotAFile { .. }), "{error}");

    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join(FILE_NAME)).unwrap();
    let error = Secrets::load_or_create(dir.path()).unwrap_err();
    assert!(matches!(error, SecretsError::NotAFile { .. }), "{error}");
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let dir = TempDir::new().unwrap();
    let mut secrets = Secrets::load_or_create(dir.path()).unwrap();
    let before = fs::read(secrets.path()).unwrap();
    // The new file cannot be made: its name is taken by a directory.
    let blocker = dir.path().join(format!(".{FILE_NAME}.new"));
    fs::create_dir(&blocker).unwrap();
    secrets.put_lock(lock(1));
    let error = secrets.save().unwrap_err();
    assert!(error.to_string().contains(blocker.to_str().unwrap()), "{error}");
    assert_eq!(fs::read(secrets.path()).unwrap(), before);

    // And what a crash in the middle leaves behind does no harm.
    fs::remove_dir(&blocker).unwrap();
    fs::write(&blocker, "half a fi").unwrap();
    fs::set_permissions(&blocker, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(Secrets::load(dir.path()).unwrap().unwrap().locks(), []);
    secrets.save().unwrap();
    assert!(!blocker.exists());
    assert_eq!(mode(&secrets.path()), 0o600);
    assert_eq!(Secrets::load(dir.path()).unwrap().unwrap().locks(), [lock(1)]);
}

#[test]
fn a_lock_that_another_process_added_is_not_lost() {
    let dir = TempDir::new().unwrap();
    let mut daemon = Secrets::load_or_create(dir.path()).unwrap();
    let mut pairing = Secrets::load_or_create(dir.path()).unwrap();
    pairing.put_lock(lock(1));
    pairing.save().unwrap();
    let error = daemon.save().unwrap_err();
    assert!(matches!(error, SecretsError::ChangedMeanwhile { .. }), "{error}");
    assert_eq!(Secrets::load(dir.path()).unwrap().unwrap().locks().len(), 1);
}

#[test]
fn hostile_content_is_explained_without_repeating_it() {
    let key = "ab".repeat(32);
    type Change = Box<dyn Fn(&str) -> String>;
    let cases: &[(&str, Change, &str)] = &[
        ("empty", Box::new(|_| String::new()), "line 1, column 0"),
        ("cut off", Box::new(|t| t[..t.len() / 2].to_owned()), "line "),
        ("not an object", Box::new(|_| "[\"4711\"]".to_owned()), "line 1"),
        ("deep", Box::new(|_| "[".repeat(100_000)), "line 1"),
        ("newer", Box::new(|t| t.replace("\"version\": 1", "\"version\": 4, \"more\": 4711")), "version 4"),
        (
            "unknown field",
            Box::new(|t| t.replace("\"app_id\"", "\"extra\": 4711, \"app_id\"")),
            "unknown field `extra`",
        ),
        ("missing field", Box::new(|t| t.replace("\"auth_id\": 7,", "")), "missing field `auth_id`"),
        ("twice", Box::new(|t| t.replace("\"auth_id\": 7,", "\"auth_id\": 7, \"auth_id\": 7,")), "duplicate field"),
        (
            "key too short",
            Box::new({
                let key = key.clone();
                move |t| t.replace(&key, &key[2..])
            }),
            "64 hex digits",
        ),
        (
            "key no hex",
            Box::new({
                let key = key.clone();
                move |t| t.replace(&key, &format!("xy{}", &key[2..]))
            }),
            "64 hex digits",
        ),
        ("key a number", Box::new(move |t| t.replace(&format!("\"{key}\""), "171171171")), "64 hex digits"),
        ("pin a string", Box::new(|t| t.replace("\"pin\": 4711", "\"pin\": \"4711\"")), "expected u32"),
        (
            "pin a sly string",
            Box::new(|t| t.replace("\"pin\": 4711", "\"pin\": \"4711, expected u32\"")),
            "expected u32",
        ),
        ("pin too long", Box::new(|t| t.replace("\"pin\": 4711", "\"pin\": 4711000")), "at most 6 digits"),
        ("pin negative", Box::new(|t| t.replace("\"pin\": 4711", "\"pin\": -4711")), "expected u32"),
        ("address", Box::new(|t| t.replace("54:D2:72:0A:0B:0C", "54:D2:72:0A:0B")), "a Bluetooth address"),
        ("generation", Box::new(|t| t.replace("gen1to4", "gen9")), "expected one of"),
        ("id type", Box::new(|t| t.replace("\"id_type\": \"bridge\"", "\"id_type\": \"fob\"")), "`app` or `bridge`"),
        ("not UTF-8-able", Box::new(|t| t.replace("Front", "\\ud800")), "line "),
    ];
    for (name, change, expected) in cases {
        let text = refusal(change);
        assert!(text.contains(expected), "{name}: {text}");
        assert!(text.contains("Correct it"), "{name}: {text}");
    }
    let text = refusal(|t| {
        let id = t.split("\"hardware_id\": ").nth(1).unwrap().split(',').next().unwrap().to_owned();
        t.replace(&id, "268435455")
    });
    assert!(text.contains("268435456 to 2147483647") && text.contains("line 5"), "{text}");
    let text = refusal(|t| t.replace("\"token\": \"", "\"token\": \"!"));
    assert!(text.contains("1 to 20 letters and digits") && text.contains("line 4"), "{text}");
    let text = refusal(|t| {
        let (start, entry) = t.split_once("\"locks\": [").unwrap();
        let entry = entry.rsplit_once(']').unwrap().0;
        format!("{start}\"locks\": [{entry},{entry}]}}")
    });
    assert!(text.contains("00000001 stands there twice"), "{text}");
    assert!(refusal(|_| "x".repeat(2 << 20)).contains("bytes"));
}

#[test]
fn tokens_that_clients_cannot_use_are_refused() {
    assert!(Token::new("a").is_some() && Token::new("ABCDEFGHIJabcdefghij").is_some());
    for bad in ["", "ABCDEFGHIJabcdefghijk", "with space", "ü", "a-b"] {
        assert!(Token::new(bad).is_none(), "{bad}");
    }
}

fn webhook(number: i64) -> WebhookSecret {
    WebhookSecret::new(number, WebhookUrl::parse("https://ha.example/api/webhook/4711cdcd").unwrap()).unwrap()
}

#[test]
fn webhooks_survive_a_round_trip_and_print_nothing() {
    let dir = TempDir::new().unwrap();
    let mut secrets = Secrets::load_or_create(dir.path()).unwrap();
    let (first, second) = (webhook(1), webhook(2));
    assert_ne!(first.secret, second.secret);
    for secret in [&first, &second] {
        secrets.put_webhook(secret.clone());
    }
    let replaced = webhook(1);
    secrets.put_webhook(replaced.clone());
    secrets.save().unwrap();
    let mut read = Secrets::load(dir.path()).unwrap().unwrap();
    assert_eq!(read.webhooks(), [second.clone(), replaced.clone()]);
    let text = format!("{read:?} {second:?} {:?}", second.url);
    assert_no_secret(&text, &second.secret);
    assert!(!text.contains("ha.example"), "{text}");

    assert!(!read.keep_webhooks(&[1, 2, 3]));
    assert!(read.keep_webhooks(&[1]));
    assert_eq!(read.webhooks(), [replaced]);
}

#[test]
fn a_file_is_newer_only_while_it_holds_webhooks() {
    let dir = TempDir::new().unwrap();
    let mut secrets = Secrets::load_or_create(dir.path()).unwrap();
    let text = |secrets: &Secrets| fs::read_to_string(secrets.path()).unwrap();
    assert!(text(&secrets).contains("\"version\": 1") && !text(&secrets).contains("webhooks"));
    secrets.put_webhook(webhook(1));
    secrets.save().unwrap();
    assert!(text(&secrets).contains("\"version\": 2"));
    secrets.keep_webhooks(&[]);
    secrets.save().unwrap();
    assert!(text(&secrets).contains("\"version\": 1") && !text(&secrets).contains("webhooks"));
}

#[test]
fn hostile_webhooks_are_explained_without_repeating_them() {
    let dir = TempDir::new().unwrap();
    let mut secrets = Secrets::load_or_create(dir.path()).unwrap();
    secrets.put_webhook(webhook(1));
    secrets.save().unwrap();
    let good = fs::read_to_string(secrets.path()).unwrap();
    let secret = secrets.webhooks()[0].secret.to_string();
    let entry = good.split_once("\"webhooks\": [").unwrap().1.rsplit_once(']').unwrap().0;
    for (bad, why) in [
        (good.replace("https://", "ftp://"), "a URL with https:// or http://"),
        (good.replace(&secret, &secret[..19]), "20 to 64 characters"),
        (good.replace(&secret, &format!("{secret} ")), "without spaces"),
        (good.replace(&secret, &secret.repeat(2)), "20 to 64 characters"),
        (good.replace(entry, &format!("{entry},{entry}")), "webhook 1 stands there twice"),
        (good.replace("\"number\"", "\"name\": 1, \"number\""), "unknown field `name`"),
    ] {
        assert_ne!(bad, good);
        fs::write(secrets.path(), &bad).unwrap();
        let text = Secrets::load(dir.path()).unwrap_err().to_string();
        assert!(text.contains(why), "{why}: {text}");
        assert!(!text.contains(&secret[..19]) && !text.contains("ha.example"), "{text}");
    }
}
