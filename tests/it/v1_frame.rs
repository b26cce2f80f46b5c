//! `/v1`: what every answer has in common: credentials, errors, editions, forms.

use serde_json::json;

use keyturner::attribution::{Event, Who};

use crate::http_support::{Server, TOKEN};
use crate::store::{by_app, by_code, events};

async fn with_two() -> Server {
    let server = Server::start().await;
    server.commit(&events(100, vec![by_app(1), by_code(2)])).await;
    server
}

#[tokio::test]
async fn without_a_credential_there_is_only_401_and_no_hint_about_anything_else() {
    let server = with_two().await;
    for (method, target) in [
        ("GET", "/v1/history?limit=x"),
        ("GET", "/v1/users/anna/history"),
        ("GET", "/v1/nothing"),
        ("GET", "/v1"),
        ("GET", "/v1/openapi.json"),
        ("GET", "/v1/health"),
        ("GET", "/v1/events"),
        ("DELETE", "/v1/history"),
        ("OPTIONS", "/v1/history"),
    ] {
        let reply = server.request(method, target, "").await;
        assert_eq!((reply.status, &reply.json()["error"]), (401, &json!("unauthorized")), "{method} {target}");
        assert_eq!(reply.headers["www-authenticate"], "Bearer realm=\"keyturner\"");
    }
}

#[tokio::test]
async fn a_bearer_token_is_a_credential_for_v1_and_counts_alone() {
    let server = with_two().await;
    for (header, query, status) in [
        (format!("Authorization: Bearer {TOKEN}\r\n"), "", 200),
        (format!("authorization: bearer  {TOKEN} \r\n"), "", 200),
        (format!("Authorization: Bearer {TOKEN}x\r\n"), "", 401),
        ("Authorization: Bearer wrong\r\n".to_owned(), "?token=s3cret", 401),
        ("Authorization: Bearer \r\n".to_owned(), "", 401),
        ("Authorization: Bearer\r\n".to_owned(), "", 401),
        (format!("Authorization: Basic {TOKEN}\r\n"), "", 401),
        ("Authorization: Basic eDp5\r\n".to_owned(), "?token=s3cret", 200),
        (String::new(), "?token=wrong", 401),
        (String::new(), "?TOKEN=s3cret", 200),
    ] {
        let reply = server.request("GET", &format!("/v1/history{query}"), &header).await;
        assert_eq!(reply.status, status, "{header}{query}");
    }
    let header = format!("Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(server.request("GET", "/list", &header).await.status, 401, "the bridge's clients send it in the query");
}

#[tokio::test]
async fn other_methods_and_paths_are_refused_in_words() {
    let server = with_two().await;
    let reply = server.request("DELETE", &format!("/v1/history?token={TOKEN}"), "").await;
    assert_eq!((reply.status, &reply.json()["error"]), (405, &json!("method_not_allowed")));
    assert_eq!(reply.headers["allow"], "GET,HEAD");
    for target in ["/v1/nothing", "/v1", "/v1/users/", "/v1/history/"] {
        let reply = server.get(target).await;
        assert_eq!((reply.status, &reply.json()["error"]), (404, &json!("not_found")), "{target}");
    }
    let head = server.request("HEAD", &format!("/v1/history?token={TOKEN}"), "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn a_bad_parameter_is_named_with_what_it_takes() {
    let server = with_two().await;
    for (target, parameter, hint) in [
        ("/v1/history?limit=0", "limit", "1 to 1000"),
        ("/v1/history?limit=1001", "limit", "1 to 1000"),
        ("/v1/history?LIMIT=x", "limit", "1 to 1000"),
        ("/v1/history?limit=", "limit", "1 to 1000"),
        ("/v1/history?limit=%2B5", "limit", "1 to 1000"),
        ("/v1/history?limit=5&limit=5", "limit", "once"),
        ("/v1/history?limti=5", "limti", "did you mean limit?"),
        ("/v1/history?fromDate=2024-04-06T06:03:01Z", "fromDate", "there are nukiId"),
        ("/v1/history?nukiId=front", "nukiId", "/list"),
        ("/v1/history?authId=4294967296", "authId", "/v1/users"),
        ("/v1/history?codeId=65536", "codeId", "/v1/codes"),
        ("/v1/history?user=%FF", "user", "percent"),
        ("/v1/history?kind=dor", "kind", "door"),
        ("/v1/history?method=phone", "method", "app"),
        ("/v1/history?attribution=sure", "attribution", "matched, pending, nobody, unknown"),
        ("/v1/history?refused=maybe", "refused", "true or false"),
        ("/v1/history?action=open", "action", "1 unlock"),
        ("/v1/history?action=240", "action", "kind"),
        ("/v1/history?from=yesterday", "from", "2026-11-23T14:05:09Z"),
        ("/v1/history?to=2024-04-06T06:03:01", "to", "2026-11-23T14:05:09Z"),
        ("/v1/history?to=99999-04-06T06:03:01Z", "to", "2026-11-23T14:05:09Z"),
        ("/v1/history?from=2024-04-06T06:03:01Z&to=2024-04-06T08:03:01%2B02:00", "to", "from belongs"),
        ("/v1/users/anna/history", "auth_id in the path", "/v1/users"),
        ("/v1/users/%FF", "auth_id in the path", "/v1/users"),
        ("/v1/users/7/history?authId=7", "authId", "leave it out"),
        ("/v1/codes/65536", "code_id in the path", "/v1/codes"),
        ("/v1/codes/1/history?codeId=1", "codeId", "leave it out"),
        ("/v1/refused?refused=true", "refused", "leave it out"),
        ("/v1/refused/counts?tz=Europe/Berlin", "tz", "+01:00"),
        ("/v1/refused/counts?from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "from", "a year"),
        ("/v1/refused/counts?from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "to", "from belongs"),
        ("/v1/users?nukiId=zz", "nukiId", "/list"),
        ("/v1/users?limit=5", "limit", "there are nukiId"),
        ("/v1/events/first", "id in the path", "/v1/history"),
        ("/v1/events/1?nukiId=5", "nukiId", "leave it out"),
        ("/v1/events?limit=5", "limit", "there are nukiId"),
        ("/v1/events?lastEventId=-1", "lastEventId", "0 for everything"),
        ("/v1/events?lastEventId=3", "Last-Event-ID", "0 for everything"),
        ("/v1/health?verbose=1", "verbose", "leave it out"),
    ] {
        let reply = server.get(target).await;
        assert_eq!((reply.status, reply.headers["content-type"].as_str()), (400, "application/json"), "{target}");
        let problem = reply.json();
        assert_eq!(
            (&problem["error"], &problem["parameter"]),
            (&json!("bad_parameter"), &json!(parameter)),
            "{target}"
        );
        assert!(!problem["message"].as_str().unwrap().is_empty(), "{target}");
        let said = problem["hint"].as_str().unwrap();
        assert!(said.contains(hint), "{target}: {said}");
    }
}

#[tokio::test]
async fn whoever_has_the_edition_gets_no_list_until_something_happens() {
    let server = with_two().await;
    for (index, target) in [
        "/v1/history?limit=1",
        "/v1/users",
        "/v1/users/7",
        "/v1/codes",
        "/v1/events/1",
        "/v1/refused/counts?from=2026-11-23T00:00:00Z&to=2026-11-24T00:00:00Z",
    ]
    .into_iter()
    .enumerate()
    {
        let reply = server.get(target).await;
        let tag = &reply.headers["etag"];
        assert_eq!(reply.headers["cache-control"], "private, no-cache");
        for (condition, status) in [
            (tag.clone(), 304),
            (tag.trim_start_matches("W/").to_owned(), 304),
            (format!("\"other\", {tag}"), 304),
            ("*".to_owned(), 304),
            ("\"other\"".to_owned(), 200),
        ] {
            let again = server.get_with(target, &format!("If-None-Match: {condition}\r\n")).await;
            assert_eq!(again.status, status, "{target} {condition}");
            assert_eq!((&again.headers["etag"], again.body.is_empty()), (tag, status == 304), "{target}");
        }
        let csv = server.get_with(target, &format!("Accept: text/csv, */*;q=0.1\r\nIf-None-Match: {tag}\r\n")).await;
        let is_table = csv.headers.get("content-type").is_some_and(|kind| kind.starts_with("text/csv"));
        assert_eq!(is_table, csv.status == 200, "another form is another edition: {target}");
        server.commit(&events(200, vec![by_app(100 + u32::try_from(index).unwrap())])).await;
        let after = server.get_with(target, &format!("If-None-Match: {tag}\r\n")).await;
        assert_eq!(after.status, 200, "{target}");
    }
}

#[tokio::test]
async fn a_list_is_a_table_for_whoever_asks_and_no_name_becomes_a_formula() {
    let server = Server::start().await;
    let name = "=cmd|' /C calc'!A0".to_owned();
    let bad = Event { who: Who { auth_name: Some(name.clone()), ..by_app(1).who }, ..by_app(1) };
    server.commit(&events(100, vec![bad, by_app(2), by_app(3)])).await;
    let reply = server.get_with("/v1/history?limit=3", "Accept: text/csv\r\n").await;
    assert_eq!(
        (reply.status, reply.headers["content-type"].as_str()),
        (200, "text/csv; charset=utf-8; header=present")
    );
    let mut lines = csv::Reader::from_reader(reply.body.as_bytes());
    let columns = lines.headers().unwrap().clone();
    let rows: Vec<_> = lines.records().map(Result::unwrap).collect();
    let place = |column: &str| columns.iter().position(|name| name == column).unwrap();
    assert_eq!(rows.iter().map(|row| &row[place("id")]).collect::<Vec<_>>(), ["3", "2", "1"]);
    assert_eq!((&rows[0][place("name")], &rows[2][place("name")]), ("Anna", format!("'{name}").as_str()));

    // Every key that JSON ever has is a column.
    let page = server.get("/v1/history").await.json();
    for key in page["events"][0].as_object().unwrap().keys() {
        assert!(columns.iter().any(|column| column == key), "{key} is no column");
    }
    assert_eq!(page["events"][2]["name"], name, "JSON needs no apostrophe");

    let linked = server.get_with("/v1/history?limit=2", "Accept: text/csv\r\n").await;
    assert!(linked.headers["link"].starts_with("</v1/history?limit=2&cursor="), "{:?}", linked.headers);
    assert!(!linked.headers["link"].contains(TOKEN));
}

#[tokio::test]
async fn a_form_that_nothing_has_is_406() {
    let server = with_two().await;
    for (target, accept, status) in [
        ("/v1/history", "text/html", 406),
        ("/v1/history", "text/html, */*;q=0.1", 200),
        ("/v1/users/7", "text/csv", 406),
        ("/v1/health", "text/csv", 406),
        ("/v1/events", "application/json", 406),
    ] {
        let reply = server.get_with(target, &format!("Accept: {accept}\r\n")).await;
        assert_eq!(reply.status, status, "{target} {accept}");
        if status == 406 {
            assert_eq!(reply.json()["parameter"], "Accept");
        }
    }
}

#[tokio::test]
async fn a_long_url_is_refused_before_anything_looks_at_it() {
    let server = with_two().await;
    assert_eq!(server.get(&format!("/v1/history?user={}", "x".repeat(2_100))).await.status, 414);
}
