//! `keyturner pair`, `locks`, `rekey` and `unpair` without a terminal, on a fake `org.bluez`: what each refusal says, what
//! stands on the disk afterwards, and that neither PIN nor key is in any output.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use keyturner::secrets::Secrets;
use keyturner::simlock::Device;
use keyturner::store::Store;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::fake_bluez::{NUKI_ID, PIN, Rig, on_fake_bluez, on_fake_bluez_with};

/// What a command said and how it ended.
struct Said {
    code: i32,
    text: String,
}

fn keyturner(data: &Path, args: &[&str]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_keyturner"))
        .args(args)
        .stdin(Stdio::null())
        .env("STATE_DIRECTORY", data)
        .env("KEYTURNER_LOG", "trace")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Said { code: output.status.code().unwrap(), text: text.into_owned() }
}

impl Said {
    #[track_caller]
    fn says(&self, code: i32, all: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{}", self.text);
        for words in all {
            assert!(self.text.contains(words), "{words:?} is not in {}", self.text);
        }
        self
    }
}

fn secrets(data: &Path) -> Secrets {
    Secrets::load(data).unwrap().unwrap()
}

fn pin_file(data: &Path, pin: u32) -> String {
    let path = data.join("pin");
    fs::write(&path, format!("{pin}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

fn pair(data: &Path, rig: &Rig) -> Said {
    rig.lock("pairing on");
    keyturner(data, &["pair", "--pin-file", &pin_file(data, PIN)])
}

fn users(rig: &Rig) -> Vec<String> {
    let users = rig.lock("users")["users"].clone();
    users.as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap().to_owned()).collect()
}

/// Neither a key of any lock nor this PIN stands in what was said.
#[track_caller]
fn holds_no_secret(said: &[&Said], data: &Path, pin: &str) {
    let document: Value = serde_json::from_slice(&fs::read(data.join("secrets.json")).unwrap()).unwrap();
    for said in said {
        for lock in document["locks"].as_array().unwrap() {
            let key = lock["shared_key"].as_str().unwrap();
            assert!(!said.text.to_lowercase().contains(&key.to_lowercase()), "a key is shown");
        }
        let digits_alone = |word: &str| word.trim_matches(|c: char| !c.is_ascii_digit()) == pin;
        assert!(!said.text.split_whitespace().any(digits_alone), "the PIN is shown: {}", said.text);
    }
}

#[test]
fn a_lock_is_paired_listed_paired_anew_and_let_go() {
    on_fake_bluez("pair_cli::a_lock_is_paired_listed_paired_anew_and_let_go", async |rig| {
        let dir = TempDir::new().unwrap();
        let data = dir.path();
        keyturner(data, &["locks"]).says(0, &["No lock is paired"]);
        let others = users(&rig);

        let paired = pair(data, &rig);
        paired.says(
            0,
            &["Found Nuki_0A1B2C3D at", "number 0A1B2C3D", "Smart Lock of generation 1 to 4", "dBm", "thrown out"],
        );
        paired.says(0, &["The PIN is right.", "as its bridge, and its log is on", "systemctl start keyturner"]);
        let first = secrets(data).lock(NUKI_ID).unwrap().clone();
        assert!(first.pin.is_some());

        let listed = keyturner(data, &["locks"]);
        listed.says(0, &["0A1B2C3D", "bridge", "yes", &first.address.to_string()]);
        let json = Command::new(env!("CARGO_BIN_EXE_keyturner"))
            .args(["locks", "--json"])
            .env("STATE_DIRECTORY", data)
            .output()
            .unwrap();
        let rows: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!((&rows[0]["nukiId"], &rows[0]["hasPin"]), (&json!(NUKI_ID), &json!(true)));
        assert!(rows[0]["pairedAt"].as_str().unwrap().ends_with('Z'), "{rows}");
        let name = rows[0]["name"].as_str().unwrap().to_owned();
        assert!(paired.text.contains(&name) && name != "Nuki_0A1B2C3D", "its owner's name: {name}");

        // Not in pairing mode: nothing happens.
        let refused = keyturner(data, &["rekey", &name, "--timeout", "2"]);
        refused.says(1, &["is not in pairing mode", "hold its button", "The key of before still counts"]);
        assert_eq!(secrets(data).lock(NUKI_ID).unwrap(), &first);
        rig.lock("pairing on");
        let anew = keyturner(data, &["rekey", "0A1B2C3D"]);
        anew.says(0, &["Paired, and the key is kept", "The PIN is right."]);
        let second = secrets(data).lock(NUKI_ID).unwrap().clone();
        assert!(second.shared_key != first.shared_key && second.auth_id != first.auth_id);
        assert!(second.pin == first.pin && second.uuid == first.uuid, "the PIN stays");
        assert_eq!(users(&rig).len(), others.len() + 1, "the one of before is gone");

        keyturner(data, &["unpair", "0A1B2C3D"]).says(1, &["give --yes"]);
        keyturner(data, &["unpair", "Nobody", "--yes"]).says(1, &["keyturner locks"]);
        let gone = keyturner(data, &["unpair", &name, "--yes"]);
        holds_no_secret(&[&paired, &listed, &refused, &anew, &gone], data, "1234");
        gone.says(0, &["The lock has forgotten this gateway", "stays in the event log"]);
        assert!(secrets(data).locks().is_empty());
        assert_eq!(users(&rig), others);
        let store = Store::open(&data.join("keyturner.db")).await.unwrap();
        assert_eq!(store.locks().await.unwrap().len(), 1, "history stays");
    });
}

#[test]
fn a_lock_that_cannot_be_asked_is_not_forgotten_unless_that_is_wanted() {
    on_fake_bluez("pair_cli::a_lock_that_cannot_be_asked_is_not_forgotten_unless_that_is_wanted", async |rig| {
        let dir = TempDir::new().unwrap();
        let data = dir.path();
        pair(data, &rig).says(0, &[]);
        rig.fail("Connect", "org.bluez.Error.Failed", "le-connection-abort-by-local", 6);
        let said = keyturner(data, &["unpair", "0A1B2C3D", "--yes"]);
        said.says(1, &["could not be asked", "within reach", "--local-only", "Nuki app", "Nothing was forgotten"]);
        assert_eq!(secrets(data).locks().len(), 1);
        let before = users(&rig);
        keyturner(data, &["unpair", "0A1B2C3D", "--yes", "--local-only"])
            .says(0, &["still knows this gateway", "Nuki app"]);
        assert!(secrets(data).locks().is_empty());
        assert_eq!(users(&rig), before, "the lock was left alone");

        // Without a PIN the lock lets nobody go.
        rig.lock("pairing on");
        keyturner(data, &["pair"]).says(0, &["nobody can be named"]);
        keyturner(data, &["unpair", "0A1B2C3D", "--yes"]).says(1, &["needs the security PIN", "keyturner pin"]);
        assert_eq!(secrets(data).locks().len(), 1);
    });
}

#[test]
fn a_wrong_pin_is_told_at_once_and_the_pairing_stands() {
    on_fake_bluez("pair_cli::a_wrong_pin_is_told_at_once_and_the_pairing_stands", async |rig| {
        let dir = TempDir::new().unwrap();
        let data = dir.path();
        rig.lock("pairing on");
        let said = keyturner(data, &["pair", "--pin-file", &pin_file(data, 4321)]);
        said.says(3, &["THE PIN IS WRONG", "keyturner pin", "Paired with"]);
        holds_no_secret(&[&said], data, "4321");
        assert_eq!(secrets(data).locks().len(), 1);
        let store = Store::open(&data.join("keyturner.db")).await.unwrap();
        assert_eq!(store.lock_health(NUKI_ID).await.unwrap().pin_tries.refused, 1);
        store.close().await;
        let parting = keyturner(data, &["unpair", "0A1B2C3D", "--yes"]);
        parting.says(1, &["refused the security PIN before", "keyturner pin"]);

        keyturner(data, &["pin", "--lock", "0A1B2C3D", "--pin-file", &pin_file(data, PIN)]).says(0, &[]);
        keyturner(data, &["unpair", "0A1B2C3D", "--yes"]).says(0, &["has forgotten this gateway"]);

        // Files that hold no PIN.
        for content in ["", "12345", "abcd", "123456\n"] {
            fs::write(data.join("pin"), content).unwrap();
            rig.lock("pairing on");
            let said = keyturner(data, &["pair", "--pin-file", data.join("pin").to_str().unwrap()]);
            said.says(1, &["4 digits"]);
            assert!(content.is_empty() || !said.text.contains(content.trim()), "{}", said.text);
            assert!(secrets(data).locks().is_empty());
        }
    });
}

#[test]
fn each_refusal_of_radio_and_lock_says_what_to_do() {
    on_fake_bluez("pair_cli::each_refusal_of_radio_and_lock_says_what_to_do", async |rig| {
        let dir = TempDir::new().unwrap();
        let data = dir.path();
        let pair = |args: &[&str]| keyturner(data, &[&["pair", "--timeout", "4"], args].concat());
        pair(&[]).says(1, &["no lock is in pairing mode", "heard: Nuki_0A1B2C3D", "switched off in the Nuki app"]);
        pair(&["--nuki-id", "0A1B2C3D"]).says(1, &["0A1B2C3D is heard, but it is not in pairing mode"]);
        rig.lock("pairing on");
        pair(&["--nuki-id", "0BADBEEF"])
            .says(1, &["0BADBEEF was not heard; in pairing mode: 0A1B2C3D", "printed on the lock"]);

        const FAILED: &str = "org.bluez.Error.Failed";
        const DENIED: &str = "org.freedesktop.DBus.Error.AccessDenied";
        const IN_PROGRESS: &str = "org.bluez.Error.InProgress";
        let table: [(&str, &str, &str, u32, &[&str]); 6] = [
            ("StartDiscovery", IN_PROGRESS, "Operation already in progress", 2, &["another program uses the adapter"]),
            ("StartDiscovery", "org.bluez.Error.NotAuthorized", "", 1, &["no permission", "group bluetooth"]),
            ("StartDiscovery", "org.bluez.Error.NotReady", "Resource Not Ready", 1, &["rfkill list bluetooth"]),
            // Three links, and each is dialled twice.
            ("Connect", FAILED, "le-connection-abort-by-local", 6, &["within reach"]),
            ("Set Trusted", DENIED, "Rejected", 1, &["no permission", "group bluetooth"]),
            ("WriteValue", FAILED, "Not connected", 3, &["the connection was lost", "nearer"]),
        ];
        for (member, error, text, times, words) in table {
            rig.lock("pairing on");
            rig.fail(member, error, text, times);
            pair(&[]).says(1, words);
            assert!(secrets(data).locks().is_empty(), "{member}: {error}");
        }
        rig.lock("pairing on");
        rig.lock("fault ignore_next_write");
        rig.bluez(&json!({"do": "power", "on": false}));
        rig.fail("Set Powered", "org.bluez.Error.Blocked", "Blocked through rfkill", 2);
        pair(&[]).says(1, &["Blocked through rfkill", "check `rfkill list bluetooth`"]);
        rig.bluez(&json!({"do": "power", "on": true}));
        rig.bluez(&json!({"do": "unplug"}));
        pair(&[]).says(1, &["no usable Bluetooth adapter", "plug in an adapter"]);
        rig.bluez(&json!({"do": "kill"}));
        pair(&[]).says(1, &["systemctl status bluetooth"]);
        assert!(secrets(data).locks().is_empty());
    });
}

#[test]
fn nothing_talks_to_a_lock_while_a_gateway_does() {
    on_fake_bluez("pair_cli::nothing_talks_to_a_lock_while_a_gateway_does", async |rig| {
        let dir = TempDir::new().unwrap();
        let data = dir.path();
        pair(data, &rig).says(0, &[]);
        // As `keyturner run` holds it.
        let claim = fs::File::create(data.join("keyturner.lock")).unwrap();
        claim.lock().unwrap();
        let before = (users(&rig), fs::read(data.join("secrets.json")).unwrap());
        for args in [&["pair"][..], &["rekey", "0A1B2C3D"], &["unpair", "0A1B2C3D", "--yes"]] {
            keyturner(data, args).says(1, &["a gateway runs", "systemctl stop keyturner"]);
        }
        keyturner(data, &["locks"]).says(0, &["0A1B2C3D"]);
        assert_eq!(before.0, users(&rig));
        drop(claim);
        keyturner(data, &["unpair", "0A1B2C3D", "--yes"]).says(0, &[]);
    });
}

#[test]
fn the_5th_generation_is_not_begun_without_its_pin() {
    let name = "pair_cli::the_5th_generation_is_not_begun_without_its_pin";
    on_fake_bluez_with(Device::Ultra, name, async |rig| {
        let dir = TempDir::new().unwrap();
        let data = dir.path();
        rig.lock("pairing on");
        keyturner(data, &["pair"])
            .says(1, &["only with its 6-digit security PIN", "set in the Nuki app", "--pin-file"]);
        assert_eq!(rig.calls("Connect"), 0, "it was not begun");
        keyturner(data, &["pair", "--pin-file", &pin_file(data, 1234)]).says(1, &["6 digits"]);
        let wrong = keyturner(data, &["pair", "--pin-file", &pin_file(data, 654_321)]);
        wrong.says(1, &["K_ERROR_BAD_PIN", "the PIN is wrong and is not tried again", "takes none for a while"]);
        for pin in [111_111, 222_222] {
            keyturner(data, &["pair", "--pin-file", &pin_file(data, pin)]).says(1, &["the PIN is wrong"]);
        }
        let banned = keyturner(data, &["pair", "--pin-file", &pin_file(data, 123_456)]);
        banned.says(1, &["K_ERROR_TOO_MANY_PIN_ATTEMPTS", "not even the right one"]);
        assert!(secrets(data).locks().is_empty());
        holds_no_secret(&[&wrong], data, "654321");
        holds_no_secret(&[&banned], data, "123456");
    });
}
