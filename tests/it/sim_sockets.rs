//! The simulated lock served over sockets: a radio on one, people on the other.

use std::path::Path;
use std::time::Duration;

use keyturner::cli::sim::{SimOptions, serve};
use keyturner::protocol::IdType;
use keyturner::protocol::frame::{self, Framing, Reassembler};
use keyturner::simlock::LinkId;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::support::bench::PairingClient;

const GDIO: &str = "a92ee101-5501-11e4-916c-0800200c9a66";

struct Peer {
    lines: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
}

impl Peer {
    async fn connect(path: &Path) -> Self {
        for _ in 0..200 {
            if let Ok(stream) = UnixStream::connect(path).await {
                let (reader, writer) = stream.into_split();
                return Self { lines: BufReader::new(reader).lines(), writer };
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody listens on {}", path.display());
    }

    async fn say(&mut self, line: impl AsRef<[u8]>) {
        self.writer.write_all(line.as_ref()).await.unwrap();
        self.writer.write_all(b"\n").await.unwrap();
    }

    async fn hear(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(Duration::from_secs(10), self.lines.next_line()).await.expect("an answer");
        line.unwrap().map(|line| serde_json::from_str(&line).unwrap())
    }

    async fn ask(&mut self, line: &str) -> Value {
        self.say(line).await;
        self.hear().await.unwrap()
    }
}

struct Served {
    directory: tempfile::TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Served {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = SimOptions {
            seed: Some(1),
            ..SimOptions::new(directory.path().join("radio"), directory.path().join("control"))
        };
        let task = tokio::spawn(async move { serve(options).await.unwrap() });
        Self { directory, task }
    }

    async fn radio(&self) -> Peer {
        Peer::connect(&self.directory.path().join("radio")).await
    }

    async fn control(&self) -> Peer {
        Peer::connect(&self.directory.path().join("control")).await
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn a_radio_is_told_who_it_is_and_can_carry_a_pairing() {
    let served = Served::start();
    let mut radio = served.radio().await;
    let hello = radio.hear().await.unwrap();
    assert_eq!((&hello["type"], &hello["address"]), (&json!("hello"), &json!("54:D2:72:1B:2C:3D")));
    assert_eq!(hello["services"][1]["characteristics"][1]["uuid"], "a92ee202-5501-11e4-916c-0800200c9a66");
    assert_eq!(hello["services"][0]["characteristics"][0]["properties"], json!(["write", "indicate"]));
    let beacon = radio.hear().await.unwrap();
    assert_eq!(beacon["advertising_data"], "0201061aff4c000215a92ee200550111e4916c0800200c9a660a1b2c3dc8");
    let mut control = served.control().await;
    assert_eq!(control.ask("pairing on").await, json!({"ok": true}));
    let pairing = radio.hear().await.unwrap();
    assert_eq!(pairing["advertising_data"], "0201061521669a0c2000086c91e411015500e12ea90a1b2c3d");

    radio.say(json!({"type": "connected", "link": 1, "mtu": 23}).to_string()).await;
    let subscribed = json!({"type": "subscribed", "link": 1, "characteristic": GDIO, "indications": true});
    radio.say(subscribed.to_string()).await;
    let mut client = PairingClient::new(LinkId(1), IdType::Bridge, 7, "VM");
    let mut inbox = Reassembler::new(Framing::Plain);
    while let Some(message) = client.next() {
        let value = hex(&frame::encode_plain(&message));
        radio.say(json!({"type": "write", "link": 1, "characteristic": GDIO, "value": value}).to_string()).await;
        let answer = loop {
            if let Some(answer) = inbox.next_frame().unwrap() {
                break answer;
            }
            let line = radio.hear().await.unwrap();
            if line["type"] == "indicate" {
                assert_eq!((&line["link"], &line["characteristic"]), (&json!(1), &json!(GDIO)));
                inbox.push(&unhex(&line["value"]));
                radio.say(json!({"type": "confirmed", "link": 1}).to_string()).await;
            }
        };
        client.answered(&frame::decode_plain(&answer).unwrap());
    }
    let users = control.ask("users").await;
    assert_eq!(users["users"][3]["name"], "VM");
    assert_eq!(control.ask("drop").await, json!({"ok": true, "links": 1}));
    loop {
        let line = radio.hear().await.unwrap();
        if line["type"] == "disconnect" {
            assert_eq!(line["link"], 1);
            break;
        }
    }
}

#[tokio::test]
async fn one_radio_at_a_time_and_its_links_go_with_it() {
    let served = Served::start();
    let mut first = served.radio().await;
    first.hear().await.unwrap();
    let mut second = served.radio().await;
    assert_eq!(second.hear().await.unwrap()["error"], "another radio is connected");
    assert_eq!(second.hear().await, None, "and then it is closed");
    first.say(r#"{"type":"connected","link":5,"mtu":247}"#).await;
    let mut control = served.control().await;
    while control.ask("state").await["links"] != 1 {}
    drop(first);
    while control.ask("state").await["radio"] != false {}
    assert_eq!(control.ask("state").await["links"], 0);
    let mut third = served.radio().await;
    assert_eq!(third.hear().await.unwrap()["type"], "hello");
}

#[tokio::test]
async fn people_act_over_the_control_socket() {
    let served = Served::start();
    let mut control = served.control().await;
    let state = control.ask("state").await;
    assert_eq!(
        (&state["lock_state"], &state["door"], &state["nuki_state"], &state["beacon_bit"]),
        (&json!("locked"), &json!("closed"), &json!("door_mode"), &json!(false))
    );
    assert_eq!(control.ask("keypad 999999").await, json!({"ok": true, "refused": "wrong code"}));
    assert_eq!(control.ask("door open").await, json!({"ok": false, "error": "the door is locked"}));
    assert_eq!(control.ask("keypad 583921").await, json!({"ok": true}));
    assert_eq!(control.ask("state").await["lock_state"], "unlocking");
    while control.ask("state").await["lock_state"] != "unlocked" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for command in ["door open", "door close", "manual lock"] {
        assert_eq!(control.ask(command).await, json!({"ok": true}), "{command}");
    }
    assert_eq!(control.ask("app Dora's phone unlock").await, json!({"ok": true}));
    let log = control.ask("log").await;
    let entries = log["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 5);
    assert_eq!(entries[0]["completion_status"], "invalid_code");
    assert_eq!((&entries[1]["name"], &entries[1]["code_id"]), (&json!("Nuki Keypad"), &json!(1)));
    assert_eq!((&entries[4]["trigger"], &entries[4]["auth_id"]), (&json!("manual"), &json!(0)));
    assert_eq!(control.ask("state").await["beacon_bit"], true);
}

#[tokio::test]
async fn hostile_lines_get_an_error_and_do_no_harm() {
    let served = Served::start();
    let mut control = served.control().await;
    for line in [
        "",
        " ",
        "open sesame",
        "keypad",
        "fob",
        "fob x",
        "fob 99",
        "app",
        "app Dora unlock",
        "app x y",
        "fault",
        "\u{0}",
    ] {
        let answer = control.ask(line).await;
        assert_eq!(answer["ok"], false, "{line:?}: {answer}");
        assert!(answer["error"].is_string(), "{line:?}");
    }
    let mut radio = served.radio().await;
    radio.hear().await.unwrap();
    radio.hear().await.unwrap();
    for line in [
        "",
        "{",
        "[]",
        "null",
        r#"{"type":"dance"}"#,
        r#"{"type":"connected","link":-1,"mtu":23}"#,
        r#"{"type":"connected","link":1,"mtu":70000}"#,
        r#"{"type":"confirmed","link":9}"#,
        r#"{"type":"write","link":9,"characteristic":"x","value":"zz"}"#,
    ] {
        let answer = radio.ask(line).await;
        assert_eq!(answer["type"], "error", "{line:?}: {answer}");
    }
    radio.say(r#"{"type":"connected","link":1,"mtu":0}"#).await;
    for value in ["0", "xx", "é0"] {
        let write = json!({"type": "write", "link": 1, "characteristic": GDIO, "value": value});
        assert_eq!(radio.ask(&write.to_string()).await["type"], "error");
    }
    radio.say([0xFF, 0xFE, 0x80]).await;
    assert_eq!(radio.hear().await.unwrap()["type"], "error");
    radio.say(vec![b'x'; 100_000]).await;
    while radio.lines.next_line().await.is_ok_and(|line| line.is_some()) {}
    assert_eq!(control.ask("state").await["lock_state"], "locked");
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
    let served = Served::start();
    served.control().await;
    let path = |name: &str| served.directory.path().join(name);
    let error = serve(SimOptions::new(path("radio"), path("other"))).await.unwrap_err();
    assert!(error.to_string().contains("in use by another process"), "{error}");
    std::fs::write(path("file"), "mine").unwrap();
    let error = serve(SimOptions::new(path("file"), path("other"))).await.unwrap_err();
    assert!(error.to_string().contains("is no socket"), "{error}");
    assert_eq!(std::fs::read_to_string(path("file")).unwrap(), "mine");
    drop(std::os::unix::net::UnixListener::bind(path("stale")).unwrap());
    let task = tokio::spawn(serve(SimOptions::new(path("stale"), path("other"))));
    Peer::connect(&path("other")).await;
    task.abort();
    let _ = task.await;
    assert!(!path("stale").exists(), "the file goes with the server");
    served.task.abort();
}
