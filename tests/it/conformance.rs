//! The Bridge API, line by line: `tests/conformance/*.json` says what real bridges do and clients rely on, and each
//! line is asked of the real server. `tests/conformance/README.md` says how a case is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use keyturner::gateway::{ActionOutcome, GatewayError, LockSnapshot, NotDone, WaitFor};
use keyturner::http::bridge::wire::callback_body;
use keyturner::http::bridge::{BridgeSettings, Maintenance};
use keyturner::protocol::state::{AccessoryBattery, Battery};
use keyturner::protocol::{CompletionStatus, ErrorCode};
use serde::Deserialize;
use serde_json::Value;

use crate::bridge_devices::{device, heard};
use crate::http_support::{NOW, Reply, Server, TOKEN};

/// One file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chapter {
    chapter: String,
    /// The device that is paired, unless a case says otherwise.
    #[serde(default = "smart_lock_3")]
    device: String,
    cases: Vec<Case>,
}

fn smart_lock_3() -> String {
    "smart_lock_3".to_owned()
}

/// One line of the API.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    line: String,
    /// `O` the vendor's document, `R` real bridges, `C` sources of clients, `K` our own choice.
    source: String,
    /// Where we differ from it, and why.
    #[serde(default, rename = "differs")]
    _differs: Option<String>,
    #[serde(default)]
    given: Given,
    /// For each of these, `*` in a step stands for it.
    #[serde(default)]
    each: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Deserialize, Default, Clone)]
#[serde(deny_unknown_fields, default)]
struct Given {
    device: Option<String>,
    name: Option<String>,
    /// False: the configuration was never read.
    firmware_read: Option<bool>,
    /// False: no state was ever read.
    read: Option<bool>,
    state: Option<u8>,
    mode: Option<u8>,
    battery: Option<u8>,
    door: Option<u8>,
    accessory: Option<u8>,
    keypad: Option<bool>,
    knob: Option<bool>,
    rang_seconds_ago: Option<u64>,
    /// What reading the state live comes to, if not to what is known.
    live: Option<String>,
    /// What an action comes to.
    outcome: Option<String>,
    allow: BTreeSet<String>,
    heard: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// With the right token.
    get: Option<String>,
    /// With no credential but what stands there.
    get_openly: Option<String>,
    method: Option<String>,
    /// Bytes on the wire; `{token}` is the token.
    raw: Option<String>,
    /// The body of a callback about the device as it is.
    #[serde(default)]
    callback: bool,
    /// The owner opens the window for `/auth`.
    #[serde(default)]
    open_window: bool,
    #[serde(default)]
    expect: Expect,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    /// 200 if not said.
    status: Option<u16>,
    /// All of it.
    body: Option<String>,
    /// Parts of the text.
    text: Vec<String>,
    /// What is nowhere in the text.
    no_text: Vec<String>,
    /// Values by JSON pointer.
    has: BTreeMap<String, Value>,
    /// Pointers that lead nowhere.
    lacks: Vec<String>,
    headers: BTreeMap<String, String>,
    no_headers: Vec<String>,
    /// What the device was told by this step: number and what was waited for.
    told: Option<Vec<(u8, String)>>,
}

fn chapters() -> Vec<(String, Chapter)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut chapters: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let chapter = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path.file_name().unwrap().to_string_lossy().into_owned(), chapter)
        })
        .collect();
    chapters.sort_by(|a, b| a.0.cmp(&b.0));
    chapters
}

#[tokio::test(start_paused = true)]
async fn every_line_of_the_bridge_api_holds() {
    let (mut lines, mut wrong) = (0, Vec::new());
    let chapters = chapters();
    // Most lines leave a server as it was; making a new one for each of them takes a minute. Those that do not come
    // last, because they share the clock.
    let usual = Server::start().await;
    for traces in [false, true] {
        for (file, chapter) in &chapters {
            for case in chapter.cases.iter().filter(|case| case.leaves_traces() == traces) {
                let stand_ins = if case.each.is_empty() { vec![String::new()] } else { case.each.clone() };
                for stand_in in &stand_ins {
                    lines += 1;
                    let own = if traces { Some(case.server().await) } else { None };
                    if let Err(why) = hold(own.as_ref().unwrap_or(&usual), &chapter.device, case, stand_in).await {
                        wrong.push(format!("{file} ({}): {} [{stand_in}]: {why}", chapter.chapter, case.line));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {lines} do not hold:\n{}", wrong.len(), wrong.join("\n"));
    assert!(lines > 300, "only {lines} were found");
}

#[test]
fn every_line_says_where_it_is_from_and_stands_once() {
    let mut seen = BTreeSet::new();
    for (file, chapter) in chapters() {
        for case in chapter.cases {
            let sources = case.source.chars().all(|source| "ORCK".contains(source));
            assert!(sources && !case.source.is_empty(), "{file}: {}", case.line);
            assert!(!case.steps.is_empty(), "{file}: {}", case.line);
            assert!(seen.insert(case.line.clone()), "{file}: {} stands twice", case.line);
        }
    }
}

impl Case {
    /// Whether its requests change the bridge, or take time.
    fn leaves_traces(&self) -> bool {
        let targets = self.steps.iter().flat_map(|step| [&step.get, &step.get_openly, &step.raw]).flatten();
        let mut targets = targets.chain(&self.each).map(|target| target.to_ascii_lowercase());
        let changing = ["auth", "callback/add", "callback/remove", "log"];
        !self.given.allow.is_empty()
            || self.steps.iter().any(|step| step.open_window)
            || targets.any(|target| changing.iter().any(|word| target.contains(word)))
    }

    async fn server(&self) -> Server {
        Server::with(BridgeSettings { allow: allowed(&self.given), ..BridgeSettings::default() }).await
    }
}

async fn hold(server: &Server, usual: &str, case: &Case, stand_in: &str) -> Result<(), String> {
    let given = &case.given;
    let device = as_given(given, usual);
    {
        let mut script = server.doors.script();
        script.heard = if given.heard { heard(&device) } else { Vec::new() };
        script.state = match given.live.as_deref() {
            Some("unreachable") => Err(GatewayError::Unreachable("no advertisement".into())),
            Some("queue_full") => Err(GatewayError::QueueFull),
            Some(other) => panic!("there is no {other}"),
            None => device.state.map(|(states, _)| states).ok_or(GatewayError::Stopping),
        };
        script.outcome = given.outcome.as_deref().map_or(Ok(ActionOutcome::Done), outcome);
        script.acted.clear();
        script.locks = [(device.nuki_id, device.clone())].into();
    }
    for (number, step) in (1..).zip(&case.steps) {
        if step.open_window {
            server.post("/v1/bridge/auth").await;
            continue;
        }
        let reply = ask(server, &device, step, stand_in).await;
        check(server, &step.expect, &reply, stand_in).map_err(|why| format!("step {number}: {why}"))?;
    }
    Ok(())
}

async fn ask(server: &Server, device: &LockSnapshot, step: &Step, stand_in: &str) -> Reply {
    let fill = |text: &str| text.replace('*', stand_in);
    if step.callback {
        let (states, _) = device.state.unwrap();
        let body = callback_body(device, &states, None, NOW);
        return Reply { status: 200, headers: BTreeMap::new(), body };
    }
    if let Some(raw) = &step.raw {
        return server.raw(&fill(raw).replace("{token}", TOKEN)).await;
    }
    let method = step.method.as_deref().unwrap_or("GET");
    match (&step.get, &step.get_openly) {
        (Some(target), None) => {
            let target = fill(target);
            let separator = if target.contains('?') { '&' } else { '?' };
            server.request(method, &format!("{target}{separator}token={TOKEN}"), "").await
        }
        (None, Some(target)) => server.request(method, &fill(target).replace("{token}", TOKEN), "").await,
        _ => panic!("a step asks one thing"),
    }
}

fn check(server: &Server, expect: &Expect, reply: &Reply, stand_in: &str) -> Result<(), String> {
    let body = &reply.body;
    let fail = |what: String| Err(format!("{what}; it was {} {body}", reply.status));
    let status = expect.status.unwrap_or(200);
    if reply.status != status {
        return fail(format!("expected {status}"));
    }
    if expect.body.as_ref().is_some_and(|expected| expected != body) {
        return fail(format!("expected {:?}", expect.body));
    }
    for part in &expect.text {
        let part = part.replace('*', stand_in);
        if !body.contains(&part) {
            return fail(format!("{part:?} is missing"));
        }
    }
    for part in &expect.no_text {
        if body.contains(part) {
            return fail(format!("{part:?} is there"));
        }
    }
    let json: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    for (pointer, expected) in &expect.has {
        if json.pointer(pointer) != Some(expected) {
            return fail(format!("expected {pointer} to be {expected}"));
        }
    }
    for pointer in &expect.lacks {
        if json.is_null() || json.pointer(pointer).is_some() {
            return fail(format!("expected no {pointer}"));
        }
    }
    for (name, expected) in &expect.headers {
        if reply.headers.get(name) != Some(expected) {
            return fail(format!("expected {name}: {expected}, and there were {:?}", reply.headers));
        }
    }
    if let Some(name) = expect.no_headers.iter().find(|name| reply.headers.contains_key(*name)) {
        return fail(format!("expected no header {name}"));
    }
    let told = std::mem::take(&mut server.doors.script().acted);
    let told: Vec<_> = told
        .into_iter()
        .map(|(_, action, _, wait)| (action.code(), if wait == WaitFor::Accepted { "accepted" } else { "done" }))
        .map(|(code, wait)| (code, wait.to_owned()))
        .collect();
    match &expect.told {
        Some(expected) if *expected != told => fail(format!("expected it to be told {expected:?}, not {told:?}")),
        _ => Ok(()),
    }
}

fn as_given(given: &Given, usual: &str) -> LockSnapshot {
    let mut device = device(given.device.as_deref().unwrap_or(usual));
    if let Some((states, _)) = &mut device.state {
        states.lock_state = given.state.map_or(states.lock_state, Into::into);
        states.nuki_state = given.mode.map_or(states.nuki_state, Into::into);
        states.battery = given.battery.map_or(states.battery, Battery);
        states.door_sensor = given.door.map(Into::into).or(states.door_sensor);
        states.accessory_battery = given.accessory.map(AccessoryBattery).or(states.accessory_battery);
    }
    if given.read == Some(false) {
        device.state = None;
    }
    if let Some(seconds) = given.rang_seconds_ago {
        device.last_ring = Some(NOW.before(Duration::from_secs(seconds)));
    }
    if given.firmware_read == Some(false) {
        (device.firmware_version, device.auto_unlatch) = (None, None);
    }
    device.name = given.name.clone().unwrap_or(device.name);
    device.has_keypad = given.keypad.unwrap_or(device.has_keypad);
    device.auto_unlatch = given.knob.or(device.auto_unlatch);
    device
}

fn allowed(given: &Given) -> BTreeSet<Maintenance> {
    let allow = given.allow.iter().map(|name| serde_json::from_value(Value::String(name.clone())).unwrap());
    allow.collect()
}

fn outcome(name: &str) -> Result<ActionOutcome, GatewayError> {
    match name {
        "done" => Ok(ActionOutcome::Done),
        "accepted" => Ok(ActionOutcome::Accepted),
        "refused" => Ok(ActionOutcome::NotDone(NotDone::Refused(ErrorCode::MotorBlocked))),
        "failed" => Ok(ActionOutcome::NotDone(NotDone::Failed(CompletionStatus::MotorBlocked))),
        "not_moved" => Ok(ActionOutcome::NotDone(NotDone::ProvenByLog)),
        "not_sent" => Ok(ActionOutcome::NotDone(NotDone::NotSent)),
        "unknown" => Ok(ActionOutcome::Unknown),
        "unreachable" => Err(GatewayError::Unreachable("no advertisement".into())),
        "queue_full" => Err(GatewayError::QueueFull),
        "disk_full" => Err(GatewayError::Storage("disk full".into())),
        other => panic!("there is no {other}"),
    }
}
