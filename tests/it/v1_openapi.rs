//! `/v1/openapi.json`: frozen, complete, and true of the answers.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::http_support::Server;
use crate::store::{by_app, by_code, events, without_entry};
use crate::support::golden::golden;
use keyturner::attribution::EventKind;
use keyturner::clock::UnixMillis;
use keyturner::protocol::CompletionStatus;
use keyturner::protocol::users::KeypadCode;
use keyturner::store::{NewWebhook, WebhookFilter};

use crate::store::{LOCK, NOW};

const GOLDEN: &str = "openapi.json";

async fn described(server: &Server) -> Value {
    let reply = server.get("/v1/openapi.json").await;
    assert_eq!((reply.status, reply.headers["content-type"].as_str()), (200, "application/json"));
    reply.json()
}

#[tokio::test]
async fn the_description_is_the_frozen_one() {
    let server = Server::start().await;
    let text = server.get("/v1/openapi.json").await.body + "\n";
    let golden = golden(GOLDEN, &text);
    assert!(
        text == golden,
        "the API changed; look at it, then run with KEYTURNER_BLESS=1 to freeze tests/golden/{GOLDEN}\n{text}"
    );
    assert!(golden.contains("\"openapi\": \"3.1"));
    let api: Value = serde_json::from_str(&golden).unwrap();
    let operations = api["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    for parameter in operations.flat_map(|operation| operation["parameters"].as_array().into_iter().flatten()) {
        assert!(parameter["in"] != "path" || parameter["required"] == true, "no path is whole without {parameter}");
    }
}

/// A house in which every path has something to say.
async fn house() -> Server {
    let server = Server::start().await;
    let code = KeypadCode {
        code_id: 1,
        name: "Cleaner".to_owned(),
        enabled: true,
        created: None,
        last_active: None,
        lock_count: 0,
        time_limit: None,
    };
    server.store.replace_keypad_codes(LOCK, &[code], NOW).await.unwrap();
    server.store.add_callback("http://h:1/x", UnixMillis(0)).await.unwrap();
    let webhook = NewWebhook {
        name: "alarm".to_owned(),
        filter: WebhookFilter::default(),
        ca_pem: None,
        queue_limit: 10,
        give_up_after: Duration::from_secs(86_400),
    };
    server.store.add_webhook(&webhook, NOW).await.unwrap();
    let mut blocked = by_app(3);
    blocked.completion_status = Some(CompletionStatus::MotorBlocked);
    let list = vec![by_app(1), by_code(2), blocked, without_entry(EventKind::Gap, Some(9))];
    server.commit(&events(100, list)).await;
    server
}

#[tokio::test]
async fn every_documented_path_answers_as_documented() {
    let server = house().await;
    // So that something wants attention.
    server.config.refused("line 3".to_owned());
    let api = described(&server).await;
    let exercised = [
        ("/history", "/v1/history?limit=2"),
        ("/refused", "/v1/refused"),
        ("/refused/counts", "/v1/refused/counts?from=2026-11-23T00:00:00Z&to=2026-11-24T00:00:00Z"),
        ("/users", "/v1/users"),
        ("/users/{auth_id}", "/v1/users/7"),
        ("/users/{auth_id}/history", "/v1/users/7/history"),
        ("/codes", "/v1/codes"),
        ("/codes/{code_id}", "/v1/codes/1"),
        ("/codes/{code_id}/history", "/v1/codes/1/history"),
        ("/events/{id}", "/v1/events/1"),
        ("/history/counts", "/v1/history/counts?from=2026-11-23T00:00:00Z&to=2026-11-24T00:00:00Z"),
        ("/locks", "/v1/locks"),
        ("/health", "/v1/health"),
        ("/locks", "/v1/locks"),
    ];
    // Streams and what acts have tests of their own.
    let elsewhere = [
        "/events",
        "/locks/{nuki_id}/actions",
        "/locks/{nuki_id}/clock",
        "/locks/{nuki_id}/codes",
        "/locks/{nuki_id}/codes/{code_id}",
        "/bridge/auth",
        "/locks/{nuki_id}/actions/{action}",
        "/session",
    ];
    let documented: BTreeSet<&str> = api["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let known = exercised.iter().map(|(path, _)| *path).chain(elsewhere);
    assert_eq!(documented.difference(&known.collect()).collect::<Vec<_>>(), [&""; 0], "documented and not tried");
    for (path, target) in exercised {
        let answers = &api["paths"][path]["get"]["responses"];
        let reply = server.get(target).await;
        assert_eq!(reply.status, 200, "{target}: {}", reply.body);
        let schema = &answers["200"]["content"]["application/json"]["schema"];
        let body = reply.json();
        check(&api, schema, &body, path);
        assert!(!body.as_object().unwrap().values().any(|value| *value == Value::Array(Vec::new())), "{path} is empty");

        let refused = server.get(&format!("{target}{}nonsense=1", if target.contains('?') { '&' } else { '?' })).await;
        assert_eq!(refused.status, 400, "{target}");
        check(&api, &answers["400"]["content"]["application/json"]["schema"], &refused.json(), path);

        let table = server.get_with(target, "Accept: text/csv\r\n").await;
        let has_table = answers["200"]["content"].get("text/csv").is_some();
        assert_eq!(table.status == 200, has_table, "{path}: {}", table.status);
    }
}

/// What a parameter's schema allows at its ends is taken, and what is just beyond them is refused.
#[tokio::test]
async fn parameters_are_described_as_exactly_as_they_are_read() {
    let server = house().await;
    let api = described(&server).await;
    let mut ends = 0;
    for (path, operations) in api["paths"].as_object().unwrap() {
        let Some(operation) = operations.get("get").filter(|_| path != "/events") else { continue };
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        for parameter in &parameters {
            let name = parameter["name"].as_str().unwrap();
            let (good, bad) = at_the_ends(&parameter["schema"]);
            for (text, is_good) in good.iter().map(|text| (text, true)).chain(bad.iter().map(|text| (text, false))) {
                let in_path = parameter["in"] == "path";
                let target = if in_path { path.replace(&format!("{{{name}}}"), text) } else { path.clone() };
                let target = target.replace("{auth_id}", "7").replace("{code_id}", "1").replace("{id}", "1");
                let query = if in_path { String::new() } else { format!("?{name}={}", text.replace('+', "%2B")) };
                let reply = server.get(&format!("/v1{target}{query}")).await;
                let is_taken = reply.status != 400;
                assert_eq!(is_taken, is_good, "{target}{query}: {} {}", reply.status, reply.body);
                ends += 1;
            }
        }
    }
    assert!(ends > 200, "{ends}");
    let named = |path: &str| -> Vec<String> {
        let parameters = api["paths"][path]["get"]["parameters"].as_array().unwrap();
        parameters.iter().map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect()
    };
    for (path, settled) in
        [("/refused", "refused"), ("/users/{auth_id}/history", "authId"), ("/codes/{code_id}/history", "codeId")]
    {
        assert!(!named(path).contains(&settled.to_owned()), "{path} does not take {settled}");
        assert!(named("/history").contains(&settled.to_owned()));
    }
}

/// Values that a schema allows, and values that it does not.
fn at_the_ends(schema: &Value) -> (Vec<String>, Vec<String>) {
    if let Some(any) = schema["anyOf"].as_array() {
        let (good, _): (Vec<_>, Vec<_>) = any.iter().map(at_the_ends).unzip();
        return (good.concat(), vec![String::new(), "-1".to_owned(), "4294967296".to_owned(), "xyz".to_owned()]);
    }
    if let Some(words) = schema["enum"].as_array() {
        let words = words.iter().map(|word| word.as_str().unwrap().to_owned()).collect();
        return (words, vec![String::new(), "nonsense".to_owned()]);
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match (kind, schema["pattern"].as_str()) {
        (Some("integer"), _) => {
            let (least, most) = (schema["minimum"].as_i64().unwrap(), schema["maximum"].as_i64());
            let good = [Some(least), most].into_iter().flatten().map(|number| number.to_string()).collect();
            let beyond = [Some(least - 1), most.map(|most| most + 1)].into_iter().flatten();
            (good, beyond.map(|number| number.to_string()).chain(["x".to_owned()]).collect())
        }
        (Some("array"), _) => at_the_ends(&schema["items"]),
        (Some("boolean"), _) => (vec!["true".to_owned(), "false".to_owned()], vec!["maybe".to_owned()]),
        (_, Some(pattern)) if pattern.contains("14:00") => {
            let texts = |texts: [&str; 4]| texts.map(str::to_owned).to_vec();
            (texts(["Z", "+00:00", "-03:30", "+14:00"]), texts(["", "+14:01", "+1:00", "-00:60"]))
        }
        (_, Some(pattern)) if pattern.contains("A-F") => (vec!["0A1B2C3D".to_owned(), "f".to_owned()], Vec::new()),
        (_, None) if schema["format"] == "date-time" => (Vec::new(), vec![String::new(), "yesterday".to_owned()]),
        // A person's name is any text; a cursor is taken from an answer.
        _ => (Vec::new(), Vec::new()),
    }
}

/// What is refused before anything knows that `/v1` is asked has another form, and the description says so.
#[tokio::test]
async fn what_is_refused_at_the_door_is_described_too() {
    let server = house().await;
    let api = described(&server).await;
    let long = server.get(&format!("/v1/history?user={}", "x".repeat(2_100))).await;
    let foreign = server.get_with("/v1/history", "Sec-Fetch-Site: cross-site\r\n").await;
    for (status, reply) in [("414", long), ("403", foreign)] {
        assert_eq!((reply.status.to_string().as_str(), reply.headers["content-type"].as_str()), (status, "text/plain"));
        for (path, operations) in api["paths"].as_object().unwrap() {
            for operation in operations.as_object().unwrap().values() {
                let answer = &operation["responses"][status]["content"]["text/plain"];
                assert_eq!(answer["schema"]["type"], "string", "{path} {status}");
            }
        }
    }
}

/// Checks a value against a schema as far as ours go: references, types, required keys, and no key that is not described.
fn check(api: &Value, schema: &Value, value: &Value, at: &str) {
    assert!(schema.is_object(), "{at} has no schema");
    if let Some(reference) = schema["$ref"].as_str() {
        let target =
            api.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference} leads nowhere"));
        return check(api, target, value, at);
    }
    if let Some(all) = schema["allOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        assert_eq!(all.len(), 1, "{at}: such a schema is not understood here");
        return check(api, &all[0], value, at);
    }
    match schema["type"].as_str().unwrap_or_else(|| panic!("{at} has no type: {schema}")) {
        "object" => {
            let object = value.as_object().unwrap_or_else(|| panic!("{at} is no object: {value}"));
            let none = Map::new();
            let properties = schema["properties"].as_object().unwrap_or(&none);
            for key in schema["required"].as_array().into_iter().flatten() {
                assert!(object.contains_key(key.as_str().unwrap()), "{at} lacks {key}: {value}");
            }
            for (key, value) in object {
                let schema = properties.get(key).or_else(|| schema.get("additionalProperties"));
                let schema = schema.unwrap_or_else(|| panic!("{at}.{key} is not described"));
                check(api, schema, value, &format!("{at}.{key}"));
            }
        }
        "array" => {
            let items = value.as_array().unwrap_or_else(|| panic!("{at} is no array: {value}"));
            items.iter().for_each(|item| check(api, &schema["items"], item, &format!("{at}[]")));
        }
        "string" => {
            let text = value.as_str().unwrap_or_else(|| panic!("{at} is no text: {value}"));
            if let Some(words) = schema["enum"].as_array() {
                assert!(words.contains(value), "{at}: {text} is none of {words:?}");
            }
        }
        "integer" => assert!(value.is_i64() || value.is_u64(), "{at} is no whole number: {value}"),
        "boolean" => assert!(value.is_boolean(), "{at} is no boolean: {value}"),
        other => panic!("{at}: type {other} is not understood here"),
    }
}
