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
        ("/health", "/v1/health"),
    ];
    // Streams and what acts have tests of their own.
    let elsewhere = ["/events", "/locks/{nuki_id}/clock", "/bridge/auth"];
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
