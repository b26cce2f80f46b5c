//! `keyturner doctor` on a fake `org.bluez`: what it sees, and what it tells its owner to do.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::fake_bluez::{PIN, Rig, on_fake_bluez};

fn keyturner(data: &Path, args: &[&str]) -> (bool, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_keyturner")).args(args).env("STATE_DIRECTORY", data).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

/// What is amiss, part by part, with what to do.
fn amiss(data: &Path) -> Vec<(String, String)> {
    // Nobody listens at port 1, so no gateway runs.
    let (is_well, json) = keyturner(data, &["doctor", "--json", "--listen-for", "3", "--listen", "127.0.0.1:1"]);
    let findings: Vec<Value> = serde_json::from_str(&json).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let amiss: Vec<_> = findings
        .iter()
        .filter(|finding| finding["isWell"] == false)
        .map(|finding| (text(finding, "part"), format!("{}; {}", text(finding, "seen"), text(finding, "advice"))))
        // The fake has no bluetoothd to ask for its version, but this machine can have one.
        .filter(|(part, _)| part != "BlueZ")
        .collect();
    assert!(!is_well && !amiss.is_empty(), "without a gateway it is not well: {json}");
    amiss
}

fn says(found: &[(String, String)], part: &str, words: &str) {
    assert!(found.iter().any(|(p, text)| p.starts_with(part) && text.contains(words)), "{part}: {words} in {found:#?}");
}

fn pair(data: &Path, rig: &Rig, pin: Option<&Path>) {
    rig.lock("pairing on");
    let mut args = vec!["pair"];
    let file = pin.map(|file| file.to_str().unwrap().to_owned());
    args.extend(file.iter().flat_map(|file| ["--pin-file", file]));
    let (done, said) = keyturner(data, &args);
    assert!(done, "{said}");
}

#[test]
fn each_part_that_is_amiss_is_named_with_what_to_do() {
    on_fake_bluez("doctor::each_part_that_is_amiss_is_named_with_what_to_do", async |rig| {
        let dir = TempDir::new().unwrap();
        let data = dir.path();
        says(&amiss(data), "secrets", "keyturner pair");
        pair(data, &rig, None);
        let found = amiss(data);
        says(&found, "lock 0A1B2C3D", "keyturner pin");
        says(&found, "gateway", "is `keyturner run` up");
        assert_eq!(found.len(), 2, "the lock is heard, disk and adapter are well: {found:#?}");
        let file = data.join("pin");
        std::fs::write(&file, PIN.to_string()).unwrap();
        pair(data, &rig, Some(&file));
        assert_eq!(amiss(data).len(), 1, "all but the gateway");
        rig.bluez(&json!({"do": "unplug"}));
        let found = amiss(data);
        says(&found, "adapter", "plug in an adapter");
        says(&found, "listening", "plug in an adapter");
        rig.bluez(&json!({"do": "kill"}));
        says(&amiss(data), "adapter", "systemctl status bluetooth");
        let (_, text) = keyturner(data, &["doctor", "--listen-for", "1", "--listen", "127.0.0.1:1"]);
        assert!(text.contains("ok    disk: a sync takes") && text.contains("AMISS adapter: "), "{text}");
    });
}
