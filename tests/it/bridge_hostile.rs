//! The Bridge API against whoever means no good: no query and no bytes on the wire are answered with 500, stop the
//! server, or break what clients read.

use keyturner::http::Params;
use keyturner::http::bridge::{BridgeSettings, Maintenance};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::{Builder, Runtime};

use crate::bridge_devices::{KINDS, device, heard};
use crate::http_support::{Server, TOKEN};

const PATHS: [&str; 20] = [
    "/auth",
    "/configAuth",
    "/discover/bridges",
    "/info",
    "/list",
    "/lockState",
    "/lockAction",
    "/lock",
    "/unlock",
    "/unpair",
    "/callback/add",
    "/callback/list",
    "/callback/remove",
    "/log",
    "/clearlog",
    "/fwupdate",
    "/reboot",
    "/factoryReset",
    "/%6Cist",
    "/callback/%00",
];

const NAMES: [&str; 16] = [
    "nukiId",
    "NUKIID",
    "deviceType",
    "action",
    "nowait",
    "enable",
    "url",
    "id",
    "offset",
    "count",
    "scope",
    "ts",
    "%6EukiId",
    "%FF",
    "",
    "1",
];

const VALUES: [&str; 20] = [
    "",
    "0",
    "1",
    "2",
    "3",
    "5",
    "6",
    "255",
    "256",
    "-1",
    "+1",
    "1015571181",
    "3C8862ED",
    "FFFFFFFF",
    "99999999999999999999",
    "http://h:1/x",
    "https://h/",
    "http://[::1]:99999/",
    "%",
    "%C3%28",
];

/// A house with a device of each kind, whose owner allows everything; its time is virtual, because `/auth` takes some.
fn house() -> (Runtime, Server) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let server = runtime.block_on(async {
        let allow = [Maintenance::Reboot, Maintenance::Unpair, Maintenance::FactoryReset].into();
        let server = Server::with(BridgeSettings { allow, ..BridgeSettings::default() }).await;
        furnish(&server);
        server
    });
    (runtime, server)
}

fn furnish(server: &Server) {
    let mut script = server.doors.script();
    script.locks = KINDS.iter().map(|kind| device(kind)).map(|device| (device.nuki_id, device)).collect();
    script.heard = heard(&device("smart_lock_3"));
}

fn target() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        3 => prop::sample::select(&VALUES[..]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let pair = (prop::sample::select(&NAMES[..]), value, any::<bool>()).prop_map(|(name, value, encoded)| {
        let kept = |byte: u8| byte.is_ascii_alphanumeric() || (!encoded && b"-_.~+:'*(),;=/?%!$@".contains(&byte));
        let escape = |byte: u8| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        format!("{name}={}", value.bytes().map(escape).collect::<String>())
    });
    (prop::sample::select(&PATHS[..]), prop::collection::vec(pair, 0..5))
        .prop_map(|(path, pairs)| format!("{path}?{}", pairs.join("&")))
}

fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

#[test]
fn nothing_that_is_asked_breaks_the_bridge_or_what_clients_read() {
    let (runtime, server) = house();
    TestRunner::new(config(600))
        .run(&target(), |target| {
            let reply = runtime.block_on(server.get(&target));
            let expected = [200, 400, 403, 404, 414];
            prop_assert!(expected.contains(&reply.status), "{target}: {} {}", reply.status, reply.body);
            if reply.status == 200 {
                let is_line = !reply.body.contains(['\n', '\r']) && reply.body.is_ascii();
                prop_assert!(is_line && !reply.body.contains("null"), "{target}: {}", reply.body);
                serde_json::from_str::<serde_json::Value>(&reply.body)
                    .map_err(|error| TestCaseError::fail(format!("{target}: {error}: {}", reply.body)))?;
            }
            prop_assert!(!reply.body.contains(TOKEN), "{target}");
            furnish(&server);
            Ok(())
        })
        .unwrap();
}

#[test]
fn nobody_without_the_token_gets_anything_or_moves_anything() {
    let (runtime, server) = house();
    TestRunner::new(config(400))
        .run(&target(), |target| {
            let reply = runtime.block_on(server.request("GET", &target, ""));
            let is_open = target.starts_with("/auth") || target.starts_with("/discover");
            let expected: &[u16] = if is_open { &[200, 403, 414] } else { &[401, 404, 414] };
            prop_assert!(expected.contains(&reply.status), "{target}: {} {}", reply.status, reply.body);
            prop_assert!(!reply.body.contains(TOKEN) && !reply.body.contains("\"success\": true"), "{target}");
            let script = server.doors.script();
            prop_assert!(script.acted.is_empty() && script.forgotten.is_empty(), "{target}");
            Ok(())
        })
        .unwrap();
}

proptest! {
    #[test]
    fn a_query_is_read_whatever_it_is(query in any::<String>()) {
        let params = Params::parse(&query);
        for name in ["nukiid", "action", "token", ""] {
            let (value, filled) = (params.get(name), params.filled(name));
            prop_assert!(filled.is_none() || filled == value);
            prop_assert!(value.is_none_or(|value| value.len() <= query.len()));
        }
    }
}
