//! Every response of the Bridge API, byte for byte, for a device of each kind. Only the header `date` is left out.

use std::fmt::Write as _;

use keyturner::attribution::{Event, StateChange};
use keyturner::gateway::{ActionOutcome, Cause, GatewayError, LockSnapshot, NotDone};
use keyturner::http::bridge::wire;
use keyturner::http::bridge::{BridgeSettings, Maintenance};
use keyturner::protocol::ErrorCode;
use keyturner::protocol::datetime::DeviceTime;

use crate::bridge_devices::{KINDS, device, heard};
use crate::callback_body;
use crate::http_support::{NOW, Server, TOKEN};
use crate::support::golden::golden;

/// Exchanges, one after the other, as the golden file shows them.
struct Album(String);

impl Album {
    fn new() -> Self {
        Self(String::new())
    }

    async fn ask(&mut self, server: &Server, target: &str) {
        let separator = if target.contains('?') { '&' } else { '?' };
        self.take(server, "GET", target, &format!("{target}{separator}token={TOKEN}")).await;
    }

    async fn ask_openly(&mut self, server: &Server, method: &str, target: &str) {
        self.take(server, method, target, target).await;
    }

    async fn take(&mut self, server: &Server, method: &str, shown: &str, sent: &str) {
        let request = format!("{method} {sent} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nConnection: close\r\n\r\n");
        let answer = server.exchange(&request).await;
        assert!(answer.contains("\r\n\r\n"), "{shown}: {answer}");
        // Everything is one answer, and only header lines end in CR LF.
        let lines = answer.split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("date: "));
        let answer = lines.collect::<Vec<_>>().join("\n");
        writeln!(self.0, "> {method} {shown}\n{answer}\n").unwrap();
    }

    fn note(&mut self, title: &str, body: &str) {
        writeln!(self.0, "> {title}\n{body}\n").unwrap();
    }

    fn compare(&self, name: &str) -> Result<(), String> {
        let golden = golden(&format!("bridge/{name}.txt"), &self.0);
        let at = self.0.lines().zip(golden.lines()).find(|(now, then)| now != then);
        if self.0 == golden {
            return Ok(());
        }
        Err(format!("{name}: {at:?}"))
    }
}

fn freeze(albums: &[(&str, Album)]) {
    let changed: Vec<_> = albums.iter().filter_map(|(name, album)| album.compare(name).err()).collect();
    assert!(changed.is_empty(), "look at it, then run with KEYTURNER_BLESS=1 to freeze it: {changed:#?}");
}

/// Somebody typed a code, and the device went where it is now.
fn by_code(device: &LockSnapshot) -> Event {
    let after = device.state.unwrap().0.lock_state;
    Event {
        device_time: Some(DeviceTime { year: 2024, month: 4, day: 6, hour: 6, minute: 3, second: 0 }),
        change: Some(StateChange { before: None, after }),
        ..callback_body::by_code()
    }
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_device_answers_as_frozen() {
    let mut albums = Vec::new();
    for kind in KINDS {
        let (server, device) = (Server::start().await, device(kind));
        let (states, _) = device.state.unwrap();
        {
            let mut script = server.doors.script();
            script.locks = [(device.nuki_id, device.clone())].into();
            script.heard = heard(&device);
            script.state = Ok(states);
        }
        let id = device.nuki_id;
        let mut album = Album::new();
        for path in ["/list".to_owned(), format!("/lockState?nukiId={id}&deviceType=0"), "/info".to_owned()] {
            album.ask(&server, &path).await;
        }
        for action in 1..=5 {
            album.ask(&server, &format!("/lockAction?nukiId={id}&deviceType=0&action={action}")).await;
        }
        album.ask(&server, &format!("/lockAction?nukiId={id}&action=1&nowait=1")).await;
        album.ask(&server, &format!("/lock?nukiId={id}")).await;
        album.ask(&server, &format!("/unlock?nukiId={id}")).await;
        let sent: Vec<_> = server.doors.script().acted.iter().map(|(_, action, ..)| action.code()).collect();
        album.note("what the device was told", &format!("{sent:?}"));
        album.ask(&server, "/log").await;
        album.note("POST to a callback, nobody known", &wire::callback_body(&device, &states, None, NOW));
        album.note(
            "POST to a callback, by a code",
            &wire::callback_body(&device, &states, Some(Cause { event: &by_code(&device), client: None }), NOW),
        );
        server.doors.script().locks.insert(id, LockSnapshot { state: None, firmware_version: None, ..device });
        album.ask(&server, "/list").await;
        albums.push((kind, album));
    }
    freeze(&albums);
}

#[tokio::test(start_paused = true)]
async fn the_bridge_itself_answers_as_frozen() {
    let allow = [Maintenance::Reboot, Maintenance::Unpair, Maintenance::FactoryReset].into();
    let server = Server::with(BridgeSettings { allow, ..BridgeSettings::default() }).await;
    let mut album = Album::new();
    album.ask_openly(&server, "GET", "/auth").await;
    for target in ["/configAuth?enable=0", "/configAuth?enable=1", "/configAuth?enable=2"] {
        album.ask(&server, target).await;
    }
    assert_eq!(server.post("/v1/bridge/auth").await.status, 200);
    album.ask_openly(&server, "GET", "/auth").await;
    for target in [
        "/callback/list",
        "/callback/add?url=http%3A%2F%2F192.168.1.2%3A8123%2Fapi%2Fwebhook%2F1",
        "/callback/add?url=http%3A%2F%2F192.168.1.2%3A8123%2Fapi%2Fwebhook%2F1",
        "/callback/add?url=http://a",
        "/callback/add?url=http://b",
        "/callback/add?url=http://c",
        "/callback/add?url=https://c",
        "/callback/list",
        "/callback/remove?id=1",
        "/callback/remove?id=1",
        "/callback/remove?id=x",
        "/fwupdate?scope=0",
        "/fwupdate?scope=3",
        "/reboot",
        "/unpair?nukiId=1015571181",
        "/unpair?nukiId=1015571181",
        "/list",
        "/log?count=2",
        "/clearlog",
        "/log",
        "/factoryReset",
        "/callback/list",
        "/log",
    ] {
        album.ask(&server, target).await;
    }
    freeze(&[("bridge", album)]);
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_is_answered_as_frozen() {
    let server = Server::start().await;
    let mut album = Album::new();
    for target in ["/", "/favicon.ico", "/list", "/lockAction?action=9&token=wrong", "/list?ts=x&rnr=1&hash=00"] {
        album.ask_openly(&server, "GET", target).await;
    }
    album.ask_openly(&server, "POST", &format!("/list?token={TOKEN}")).await;
    let long = format!("/list?{}", "y".repeat(2_048));
    album.take(&server, "GET", "/list?yyy... 2048 times", &long).await;
    for target in ["/lockState?nukiId=7", "/lockState?nukiId=front", "/lockAction?nukiId=1015571181&action=6"] {
        album.ask(&server, target).await;
    }
    server.doors.script().state = Err(GatewayError::Unreachable("no advertisement".into()));
    album.ask(&server, "/lockState?nukiId=1015571181").await;
    for outcome in [
        Ok(ActionOutcome::NotDone(NotDone::Refused(ErrorCode::MotorBlocked))),
        Ok(ActionOutcome::NotDone(NotDone::NotSent)),
        Ok(ActionOutcome::Unknown),
        Err(GatewayError::QueueFull),
    ] {
        server.doors.script().outcome.clone_from(&outcome);
        album.note("next", &format!("{outcome:?}"));
        album.ask(&server, "/lockAction?nukiId=1015571181&action=1").await;
    }
    for target in ["/reboot", "/unpair?nukiId=1015571181", "/factoryReset", "/unpair?nukiId=7"] {
        album.ask(&server, target).await;
    }
    freeze(&[("errors", album)]);
}
