//! `/v1` against whoever means no good: no query, path or header is answered with 500, or stops the server.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::Runtime;

use crate::http_support::{Server, TOKEN};
use crate::store::{by_app, by_code, events};

const PATHS: [&str; 15] = [
    "/v1/history",
    "/v1/refused",
    "/v1/refused/counts",
    "/v1/users",
    "/v1/users/7",
    "/v1/users/7/history",
    "/v1/codes",
    "/v1/codes/1",
    "/v1/codes/1/history",
    "/v1/events/1",
    "/v1/health",
    "/v1/locks",
    "/v1/openapi.json",
    "/v1/users/%F0%9F%94%91/history",
    "/v1/events/9223372036854775807",
];

const NAMES: [&str; 19] = [
    "nukiId",
    "authId",
    "codeId",
    "user",
    "kind",
    "method",
    "action",
    "refused",
    "attribution",
    "from",
    "to",
    "limit",
    "cursor",
    "tz",
    "lastEventId",
    "CURSOR",
    "%6Cimit",
    "",
    "\u{1}",
];

const VALUES: [&str; 24] = [
    "",
    "0",
    "1",
    "7",
    "1000",
    "1001",
    "-1",
    "65536",
    "4294967295",
    "9223372036854775807",
    "99999999999999999999",
    "true",
    "door",
    "app",
    "matched",
    "-9999-01-02T01:59:59Z",
    "9999-12-30T22:00:00.999999999Z",
    "2026-11-23T14:05:09Z",
    "2026-11-23T14:05:09-25:59",
    "+14:00",
    "-14:00",
    "' or 1=1 --",
    "AQAAAAGiCLoqYAAAAAAAAAAnvkwd80hucXU",
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
];

fn target() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        3 => prop::sample::select(&VALUES[..]).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => "[A-Za-z0-9_-]{30,40}",
    ];
    let pair = (prop::sample::select(&NAMES[..]), text, any::<bool>()).prop_map(|(name, value, encoded)| {
        let kept = |byte: u8| byte.is_ascii_alphanumeric() || (!encoded && b"-_.~+:'*(),;=/?%!$@".contains(&byte));
        let escape = |byte: u8| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        format!("{name}={}", value.bytes().map(escape).collect::<String>()).replace('\u{1}', "%01")
    });
    (prop::sample::select(&PATHS[..]), prop::collection::vec(pair, 0..5))
        .prop_map(|(path, pairs)| format!("{path}?{}", pairs.join("&")))
}

fn accept() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("Accept: text/csv\r\n".to_owned()),
        "[ -~]{0,30}".prop_map(|text| format!("Accept: {text}\r\n")),
        "[ -~]{0,30}".prop_map(|text| format!("If-None-Match: {text}\r\n")),
        "[ -~]{0,30}".prop_map(|text| format!("Last-Event-ID: {text}\r\n")),
    ]
}

#[test]
fn nothing_that_is_asked_breaks_the_server() {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(async {
        let server = Server::start().await;
        server.commit(&events(1, vec![by_app(1), by_code(2), by_app(3)])).await;
        server
    });
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&(target(), accept()), |(target, header)| {
            let reply = runtime.block_on(server.get_with(&target, &header));
            let expected = [200, 304, 400, 404, 406, 414];
            prop_assert!(expected.contains(&reply.status), "{target} {header}: {} {}", reply.status, reply.body);
            if matches!(reply.status, 400 | 404 | 406) {
                let problem: serde_json::Value =
                    serde_json::from_str(&reply.body).map_err(|_| TestCaseError::fail("an error without JSON"))?;
                prop_assert!(problem["message"].is_string() && problem["hint"].is_string(), "{target}: {problem}");
            }
            prop_assert!(!reply.body.contains(TOKEN), "{target}");
            Ok(())
        })
        .unwrap();
}
