//! The command line in a whole house: paired, the gateway as a process of its own on a fake `org.bluez`, the simulated lock
//! behind it. What people type, from the door to the history and back.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::fake_bluez::{NUKI_ID, PIN, Rig, on_fake_bluez};
use crate::support::house_cli::LIMIT;

struct House {
    dir: TempDir,
    gateway: Child,
    listen: String,
}

impl House {
    fn start(rig: &Rig) -> Self {
        let dir = TempDir::new().unwrap();
        let pin = dir.path().join("pin");
        std::fs::write(&pin, PIN.to_string()).unwrap();
        rig.lock("pairing on");
        let paired = keyturner(dir.path(), &["pair", "--pin-file", pin.to_str().unwrap()]).output().unwrap();
        assert!(paired.status.success(), "{paired:?}");
        let log = dir.path().join("log");
        let gateway = keyturner(dir.path(), &["run", "--listen", "127.0.0.1:0"])
            .stdout(File::create(&log).unwrap())
            .stderr(File::options().append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        // It says where it listens.
        let listen = until(|| {
            let said = std::fs::read_to_string(&log).unwrap();
            let ready = said.lines().find(|line| line.contains("ready"))?;
            let port: String = ready.split("127.0.0.1:").nth(1)?.chars().take_while(char::is_ascii_digit).collect();
            Some(format!("127.0.0.1:{port}"))
        });
        Self { dir, gateway, listen }
    }

    fn says(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut command = keyturner(self.dir.path(), args);
        // Commands that ask nobody do not take it.
        if !["history", "users"].contains(&args[0]) {
            command.args(["--listen", &self.listen]);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), text)
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.says(&[args, &["--json"]].concat()).1).unwrap()
    }

    fn stop(&mut self) {
        self.gateway.kill().unwrap();
        self.gateway.wait().unwrap();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop();
    }
}

fn keyturner(data: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyturner"));
    command.args(args).env("STATE_DIRECTORY", data).env("TZ", "UTC").stdin(Stdio::null());
    command
}

#[track_caller]
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        if let Some(found) = look() {
            return found;
        }
        std::thread::yield_now();
    }
    panic!("it did not happen");
}

/// The entries of the lock's own log with this action.
fn done(rig: &Rig, action: &str) -> usize {
    let log = rig.lock("log");
    log["entries"].as_array().unwrap().iter().filter(|entry| entry["action"] == action).count()
}

#[test]
fn a_door_is_opened_by_name_once_and_the_history_says_who_it_was() {
    on_fake_bluez("cli_house::a_door_is_opened_by_name_once_and_the_history_says_who_it_was", async |rig| {
        let mut house = House::start(&rig);
        let lock = until(|| {
            let lock = house.json(&["status"])["locks"][0].take();
            lock.get("lastKnownState").is_some().then_some(lock)
        });
        assert_eq!((&lock["nukiId"], &lock["lastKnownState"]["stateName"]), (&json!(NUKI_ID), &json!("locked")));
        let name = lock["name"].as_str().unwrap().to_lowercase();
        let before = [done(&rig, "unlock"), done(&rig, "lock")];

        let (code, text) = house.says(&["unlock", &name]);
        assert!(code == Some(0) && text.contains(" was unlocked ("), "{code:?}: {text}");
        let answer = house.json(&["lock", &format!("{NUKI_ID:08X}")]);
        assert_eq!((&answer["outcome"], &answer["action"]), (&json!("done"), &json!("lock")), "{answer}");
        assert_eq!(
            [done(&rig, "unlock"), done(&rig, "lock")],
            before.map(|count| count + 1),
            "each once, by the lock's own log"
        );

        let events = until(|| {
            let events = house.json(&["history", "--lock", &name]);
            let events: Vec<Value> = events["events"].as_array().unwrap().clone();
            let ours = events.iter().filter(|event| event["client"] == "bridge" && event.get("eventId").is_some());
            (ours.count() == 2).then_some(events)
        });
        assert!(events.iter().all(|event| event["nukiId"] == NUKI_ID), "{events:?}");
        let last = until(|| {
            let (_, text) = house.says(&["status"]);
            text.contains("a client (bridge) locked the door").then_some(text)
        });
        assert!(last.contains("locked") && last.contains("hci0: listens"), "{last}");
        let users = house.json(&["users"]);
        assert!(users["users"].as_array().unwrap().iter().any(|user| user["name"] == "Keyturner"), "{users}");

        house.stop();
        let (code, text) = house.says(&["status"]);
        assert!(code == Some(4) && text.contains("a client (bridge) locked the door"), "{code:?}: {text}");
        let (code, text) = house.says(&["unlock", &name]);
        assert!(code == Some(4) && text.contains("no gateway answers"), "{code:?}: {text}");
        assert_eq!(done(&rig, "unlock"), before[0] + 1);
    });
}
