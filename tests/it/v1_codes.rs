//! Keypad codes over `/v1`: what is asked of the lock, what is answered, and that hostile bodies ask nothing of it.

use std::time::Duration;

use keyturner::clock::UnixMillis;
use keyturner::gateway::{CodeChange, GatewayError};
use keyturner::http::Peer;
use keyturner::protocol::ErrorCode;
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::users::{CodeDigits, KeypadCode, TimeLimit};
use keyturner::store::IdempotencyKey;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::http_support::{FRONT, NOW, Reply, Server, TOKEN};
use crate::store::{LOCK, lock_row};

const DIGITS: &str = "968574";

fn codes_of(nuki_id: u32) -> String {
    format!("/v1/locks/{nuki_id}/codes")
}

impl Server {
    /// Any method with a JSON body, the right token and further header lines.
    pub(crate) async fn send(&self, method: &str, target: &str, headers: &str, body: &str) -> Reply {
        let length = body.len();
        self.raw(&format!(
            "{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n{headers}Connection: close\r\n\r\n{body}"
        ))
        .await
    }

    async fn add(&self, body: &str) -> Reply {
        self.send("POST", &codes_of(FRONT), "", body).await
    }

    /// What was asked of the lock since the last look.
    fn asked(&self) -> Vec<(u32, CodeChange, String, Option<IdempotencyKey>)> {
        self.doors.script().codes_changed.drain(..).collect()
    }
}

fn digits() -> keyturner::protocol::codes::SealedDigits {
    CodeDigits::new(DIGITS.parse().unwrap()).unwrap().into()
}

fn new_code() -> String {
    json!({"name": "Cleaner", "digits": DIGITS}).to_string()
}

#[tokio::test]
async fn a_code_is_added_with_exactly_what_was_sent() {
    let server = Server::start().await;
    server.doors.script().code_outcome = Ok(Some(3));
    let limit = json!({"allowedFromDate": "2026-12-01T08:00:00", "allowedUntilDate": "2026-12-24T12:00:00",
                       "allowedWeekDays": 64, "allowedFromTime": 480, "allowedUntilTime": 725});
    let body = json!({"name": "Zoë", "digits": DIGITS, "timeLimit": limit}).to_string();
    let reply = server.send("POST", &codes_of(FRONT), "Idempotency-Key: k1\r\n", &body).await;
    assert_eq!((reply.status, reply.json()), (201, json!({"nukiId": FRONT, "codeId": 3})), "{}", reply.body);
    assert_eq!(reply.headers["cache-control"], "private, no-cache");
    let at = |day, hour| Some(DeviceTime { year: 2026, month: 12, day, hour, minute: 0, second: 0 });
    let time_limit =
        TimeLimit { from: at(1, 8), until: at(24, 12), weekdays: 64, from_time: (8, 0), until_time: (12, 5) };
    let change = CodeChange::Add { name: "Zoë".to_owned(), digits: digits(), time_limit: Some(time_limit) };
    assert_eq!(server.asked(), [(FRONT, change, "hallway".to_owned(), Some(IdempotencyKey::of(b"k1")))]);

    for body in [new_code(), json!({"digits": DIGITS, "name": "Cleaner", "timeLimit": null}).to_string()] {
        assert_eq!(server.add(&body).await.status, 201);
        let change = CodeChange::Add { name: "Cleaner".to_owned(), digits: digits(), time_limit: None };
        assert_eq!(server.asked(), [(FRONT, change, "hallway".to_owned(), None)]);
    }
}

#[tokio::test]
async fn only_what_is_given_is_changed_and_null_is_not_nothing() {
    let server = Server::start().await;
    let target = format!("{}/7", codes_of(FRONT));
    let unchanged = CodeChange::Update { code_id: 7, name: None, digits: None, enabled: None, time_limit: None };
    let with = |edit: &dyn Fn(&mut CodeChange)| {
        let mut change = unchanged.clone();
        edit(&mut change);
        change
    };
    let cases: [(Value, CodeChange); 5] = [
        (
            json!({"name": "Anna"}),
            with(&|c| {
                if let CodeChange::Update { name, .. } = c {
                    *name = Some("Anna".into())
                }
            }),
        ),
        (
            json!({"enabled": false}),
            with(&|c| {
                if let CodeChange::Update { enabled, .. } = c {
                    *enabled = Some(false)
                }
            }),
        ),
        (
            json!({"digits": DIGITS}),
            with(&|c| {
                if let CodeChange::Update { digits: d, .. } = c {
                    *d = Some(digits())
                }
            }),
        ),
        (
            json!({"timeLimit": null}),
            with(&|c| {
                if let CodeChange::Update { time_limit, .. } = c {
                    *time_limit = Some(None)
                }
            }),
        ),
        (
            json!({"timeLimit": {"allowedWeekDays": 1}}),
            with(&|c| {
                if let CodeChange::Update { time_limit, .. } = c {
                    *time_limit = Some(Some(TimeLimit { weekdays: 1, ..TimeLimit::default() }));
                }
            }),
        ),
    ];
    for (body, change) in cases {
        let reply = server.send("PATCH", &target, "", &body.to_string()).await;
        assert_eq!((reply.status, reply.json()), (200, json!({"nukiId": FRONT, "codeId": 7})), "{body}");
        assert_eq!(server.asked(), [(FRONT, change, "hallway".to_owned(), None)], "{body}");
    }
    for body in ["{}", r#"{"name":null}"#, r#"{"digits":null}"#, r#"{"enabled":null}"#, r#"{"codeId":7}"#] {
        let reply = server.send("PATCH", &target, "", body).await;
        assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("bad_body")), "{body}: {}", reply.body);
    }
    assert_eq!(server.asked(), []);
}

#[tokio::test]
async fn a_code_is_removed_by_its_number_and_no_body_is_read() {
    let server = Server::start().await;
    let head = format!("Authorization: Bearer {TOKEN}\r\nContent-Length: 100000\r\nIdempotency-Key: k\r\n");
    let reply = server.request("DELETE", &format!("{}/7", codes_of(FRONT)), &head).await;
    assert_eq!((reply.status, reply.json()), (200, json!({"nukiId": FRONT, "codeId": 7})));
    let asked = server.asked();
    assert_eq!(asked, [(FRONT, CodeChange::Remove(7), "hallway".to_owned(), Some(IdempotencyKey::of(b"k")))]);
    for target in ["65536", "-1", "x", "%FF", ""] {
        let reply = server.send("DELETE", &format!("{}/{target}", codes_of(FRONT)), "", "").await;
        assert!(matches!(reply.status, 400 | 404), "{target}: {}", reply.body);
    }
    assert_eq!(server.asked(), []);
}

#[tokio::test]
async fn the_list_has_what_the_lock_has_now_and_says_when_it_was_read() {
    let server = Server::start().await;
    server.store.register_lock(&lock_row(FRONT, "Front")).await.unwrap();
    let code = |code_id, name: &str, time_limit| KeypadCode {
        code_id,
        name: name.to_owned(),
        enabled: code_id != 2,
        created: Some(DeviceTime { year: 2026, month: 1, day: 2, hour: 3, minute: 4, second: 5 }),
        last_active: None,
        lock_count: code_id,
        time_limit,
    };
    let limit = TimeLimit { weekdays: 0b110_0000, from_time: (8, 0), until_time: (12, 0), ..TimeLimit::default() };
    let all = [code(1, "Anna", None), code(2, "Ben", Some(limit)), code(3, "Gone", None)];
    server.store.replace_keypad_codes(FRONT, &all, NOW).await.unwrap();
    server.store.replace_keypad_codes(FRONT, &all[..2], UnixMillis(NOW.0 + 1)).await.unwrap();
    server.store.replace_keypad_codes(LOCK, &[code(9, "Elsewhere", None)], NOW).await.unwrap();
    let reply = server.get(&codes_of(FRONT)).await;
    let expected = json!({"nukiId": FRONT, "readAt": NOW.rfc3339(), "codes": [
        {"codeId": 1, "name": "Anna", "enabled": true, "lockCount": 1, "creationDate": "2026-01-02T03:04:05"},
        {"codeId": 2, "name": "Ben", "enabled": false, "lockCount": 2, "creationDate": "2026-01-02T03:04:05",
         "timeLimit": {"allowedWeekDays": 96, "allowedFromTime": 480, "allowedUntilTime": 720}},
    ]});
    assert_eq!((reply.status, reply.json()), (200, expected));
    assert_eq!(server.get(&format!("/v1/locks/{FRONT:08x}/codes")).await.status, 200, "in hex digits");
    assert_eq!(server.get(&codes_of(1)).await.status, 404);
    assert_eq!(server.get(&format!("{}?limit=1", codes_of(FRONT))).await.status, 400);
    assert_eq!(server.asked(), [], "nothing is asked of the lock");
}

#[tokio::test]
async fn whatever_goes_wrong_is_said_in_words_and_never_with_the_digits() {
    let server = Server::start().await;
    let wait = Duration::from_secs(90);
    let cases = [
        (GatewayError::NoKeypad, 409, "no_keypad", "Nuki app"),
        (GatewayError::NoPin("no PIN is known"), 409, "no_pin", "keyturner pin"),
        (GatewayError::NoPin("the lock refused the PIN"), 409, "no_pin", "keyturner pin"),
        (GatewayError::Refused(ErrorCode::CodeAlreadyExists), 409, "code_exists", "other digits"),
        (GatewayError::Refused(ErrorCode::TooManyEntries), 409, "list_full", "remove one"),
        (GatewayError::Refused(ErrorCode::CodeInvalid), 409, "digits_refused", "other digits"),
        (GatewayError::Refused(ErrorCode::Busy), 409, "refused", "K_ERROR_BUSY"),
        (GatewayError::NoSuchCode, 404, "no_such_code", "list"),
        (GatewayError::UnknownLock(FRONT), 404, "not_found", "/list"),
        (GatewayError::Uncertain, 410, "unknown_outcome", "before asking again"),
        (GatewayError::KeyUsed, 422, "key_used", "new one"),
        (GatewayError::TooManyCodeChanges(wait), 429, "too_many_changes", "Retry-After"),
        (GatewayError::CodeBusy, 503, "busy", "nothing was done"),
        (GatewayError::Unreachable("it did not take the change in time".to_owned()), 503, "unavailable", "in time"),
        (GatewayError::Storage("disk full".to_owned()), 503, "unavailable", "nothing was sent"),
        (GatewayError::Stopping, 503, "unavailable", "stopping"),
        (GatewayError::QueueFull, 503, "unavailable", "waiting"),
    ];
    for (error, status, word, words) in cases {
        server.doors.script().code_outcome = Err(error.clone());
        for (method, target) in [("POST", codes_of(FRONT)), ("PATCH", format!("{}/7", codes_of(FRONT)))] {
            let reply = server.send(method, &target, "", &new_code()).await;
            let problem = reply.json();
            assert_eq!((reply.status, &problem["error"]), (status, &json!(word)), "{error:?}: {problem}");
            assert!(reply.body.contains(words), "{error:?}: {problem}");
            assert!(problem["message"].is_string() && problem["hint"].is_string(), "{problem}");
            assert!(!reply.body.contains(DIGITS), "{problem}");
            let retry_after = reply.headers.get("retry-after").map(String::as_str);
            let expected = match status {
                429 => Some("90"),
                503 => Some("30"),
                _ => None,
            };
            assert_eq!(retry_after, expected, "{error:?}");
        }
    }
}

/// What a lock says of a number that it does not know is written nowhere; the list knows.
#[tokio::test]
async fn a_code_that_is_not_in_the_list_is_not_there() {
    let server = Server::start().await;
    server.doors.script().code_outcome = Err(GatewayError::Refused(ErrorCode::BadParameter));
    let reply = server.send("DELETE", &format!("{}/7", codes_of(FRONT)), "", "").await;
    assert_eq!((reply.status, &reply.json()["error"]), (404, &json!("no_such_code")));
    server.store.register_lock(&lock_row(FRONT, "Front")).await.unwrap();
    let code = KeypadCode {
        code_id: 7,
        name: "Anna".to_owned(),
        enabled: true,
        created: None,
        last_active: None,
        lock_count: 0,
        time_limit: None,
    };
    server.store.replace_keypad_codes(FRONT, &[code], NOW).await.unwrap();
    let reply = server.send("DELETE", &format!("{}/7", codes_of(FRONT)), "", "").await;
    assert_eq!((reply.status, &reply.json()["error"]), (409, &json!("refused")));
}

#[tokio::test]
async fn a_body_that_is_not_exactly_what_is_described_asks_nothing_of_the_lock() {
    let server = Server::start().await;
    let deep = format!("{{\"name\":{}", "[".repeat(900));
    let deep_unknown = format!("{{\"x\":{}{}}}", "[".repeat(400), "]".repeat(400));
    let bad_body = [
        "",
        "x",
        "null",
        "[]",
        "{",
        "\"968574\"",
        "{\"name\":\"A\",\"digits\":\"968574\"",
        "{\"name\":\"A\",\"digits\":\"968574\"}{}",
        "{\"name\":\"A\",\"digits\":\"968574\",}",
        "{\"name\":\"A\"}",
        "{\"digits\":\"968574\"}",
        "{\"name\":null,\"digits\":\"968574\"}",
        "{\"name\":1,\"digits\":\"968574\"}",
        "{\"name\":\"A\",\"digits\":968574}",
        "{\"name\":\"A\",\"digits\":968574.0}",
        "{\"name\":\"A\",\"digits\":[\"968574\"]}",
        "{\"name\":\"A\",\"digits\":\"\\u0039\\u0036\\u0038574\"}",
        "{\"name\":\"A\",\"digits\":\"968574\",\"digits\":\"475869\"}",
        "{\"name\":\"A\",\"name\":\"B\",\"digits\":\"968574\"}",
        "{\"name\":\"A\",\"digits\":\"968574\",\"enabled\":true}",
        "{\"name\":\"A\",\"digits\":\"968574\",\"968574\":1}",
        "{\"Name\":\"A\",\"digits\":\"968574\"}",
        "{\"name\":\"A\",\"digits\":\"968574\",\"timeLimit\":{\"x\":1}}",
        "{\"name\":\"A\",\"digits\":\"968574\",\"timeLimit\":{\"allowedWeekDays\":\"1\"}}",
        "{\"name\":\"A\",\"digits\":\"968574\",\"timeLimit\":{\"allowedWeekDays\":300}}",
        "{\"name\":\"A\",\"digits\":\"968574\",\"timeLimit\":[]}",
        "name=A&digits=968574",
        &deep,
        &deep_unknown,
    ];
    for body in bad_body {
        let reply = server.add(body).await;
        let problem = reply.json();
        assert_eq!((reply.status, &problem["error"]), (400, &json!("bad_body")), "{body}: {problem}");
        assert!(problem["message"].as_str().unwrap().contains("column"), "{problem}");
        assert!(!reply.body.contains(DIGITS) && !reply.body.contains("475869"), "{body}: {problem}");
    }
    let bad_parameter = [
        ("{\"name\":\"\",\"digits\":\"968574\"}", "name"),
        ("{\"name\":\"123456789012345678901\",\"digits\":\"968574\"}", "name"),
        ("{\"name\":\"a\\u0000b\",\"digits\":\"968574\"}", "name"),
        ("{\"name\":\"A\",\"digits\":\"12345\"}", "digits"),
        ("{\"name\":\"A\",\"digits\":\"123456\"}", "digits"),
        ("{\"name\":\"A\",\"digits\":\"968570\"}", "digits"),
        ("{\"name\":\"A\",\"digits\":\"+96857\"}", "digits"),
        ("{\"name\":\"A\",\"digits\":\"\"}", "digits"),
        ("{\"name\":\"A\",\"digits\":\"968574\",\"timeLimit\":{}}", "timeLimit"),
        (
            "{\"name\":\"A\",\"digits\":\"968574\",\"timeLimit\":{\"allowedFromDate\":\"soon\"}}",
            "timeLimit.allowedFromDate",
        ),
        ("{\"name\":\"A\",\"digits\":\"968574\",\"timeLimit\":{\"allowedFromTime\":5}}", "timeLimit.allowedUntilTime"),
    ];
    for (body, parameter) in bad_parameter {
        let reply = server.add(body).await;
        let problem = reply.json();
        let found = (reply.status, &problem["error"], &problem["parameter"]);
        assert_eq!(found, (400, &json!("bad_parameter"), &json!(parameter)), "{body}: {problem}");
        for digits in [DIGITS, "12345", "968570", "96857"] {
            assert!(!reply.body.contains(digits), "{body}: {problem}");
        }
    }
    assert_eq!(server.asked(), []);
}

#[tokio::test]
async fn a_body_that_is_too_long_or_of_another_type_is_refused_before_it_is_understood() {
    let server = Server::start().await;
    let long = format!("{{\"name\":\"{}\",\"digits\":\"{DIGITS}\"}}", "A".repeat(1_100));
    let reply = server.add(&long).await;
    assert_eq!((reply.status, &reply.json()["error"]), (413, &json!("body_too_large")));
    let head =
        |rest: &str| format!("POST {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n{rest}", codes_of(FRONT));
    // Announced, and not waited for.
    let announced = head("Content-Type: application/json\r\nContent-Length: 100000000000\r\n\r\n");
    assert!(first_line(&server, &announced).await.starts_with("HTTP/1.1 413 "));
    // Not announced.
    let chunk = format!("400\r\n{}\r\n", " ".repeat(0x400));
    let chunked = head(&format!("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}"));
    assert!(first_line(&server, &chunked).await.starts_with("HTTP/1.1 413 "));

    let body = new_code();
    for content_type in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n",
        "Content-Type: application/jsonx\r\n",
        "Content-Type: application/json\r\nContent-Type: text/plain\r\n",
    ] {
        let request = head(&format!("{content_type}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()));
        let reply = server.raw(&request).await;
        assert_eq!((reply.status, &reply.json()["error"]), (415, &json!("unsupported_media_type")), "{content_type}");
    }
    assert_eq!(server.asked(), []);
    let charset = head(&format!(
        "Content-Type: Application/JSON; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!(server.raw(&charset).await.status, 201);
    // In pieces, and as long as it may be.
    let padded = format!("{body}{}", " ".repeat(1024 - body.len()));
    let (a, b) = padded.split_at(20);
    let pieces = head(&format!(
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
         {:x}\r\n{a}\r\n{:x}\r\n{b}\r\n0\r\n\r\n",
        a.len(),
        b.len()
    ));
    assert_eq!(server.raw(&pieces).await.status, 201);
    assert_eq!(server.asked().len(), 2);
}

/// The first line of the answer, however the connection ends.
async fn first_line(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Bytes that were sent and never read make the end a reset.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap().lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = Server::start().await;
    for beginning in ["", "{\"name\":"] {
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
             Content-Length: 40\r\n\r\n{beginning}",
            codes_of(FRONT)
        );
        let began = Instant::now();
        assert!(first_line(&server, &head).await.starts_with("HTTP/1.1 408 "), "{beginning}");
        assert!((5..=6).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    }
    // One that trickles in is cut off too.
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
         Content-Length: 1000\r\n\r\n",
        codes_of(FRONT)
    );
    let began = Instant::now();
    stream.write_all(head.as_bytes()).await.unwrap();
    while stream.write_all(b" ").await.is_ok() && began.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(server.asked(), []);
}

#[tokio::test]
async fn no_body_is_read_before_the_credential_and_the_scope_were_checked() {
    let server = Server::start().await;
    let length = "Content-Type: application/json\r\nContent-Length: 100000000000";
    for (credential, status) in [("", 401), ("Authorization: Bearer wrong\r\n", 401)] {
        let head = format!("POST {} HTTP/1.1\r\nHost: x\r\n{credential}{length}\r\n\r\n", codes_of(FRONT));
        assert!(first_line(&server, &head).await.starts_with(&format!("HTTP/1.1 {status} ")), "{credential}");
    }
    // And not where it is refused anyway.
    let authorized = format!("Authorization: Bearer {TOKEN}\r\n{length}\r\n\r\n");
    for (target, status) in [(codes_of(1), 404), (format!("{}?x=1", codes_of(FRONT)), 400)] {
        let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\n{authorized}");
        assert!(first_line(&server, &head).await.starts_with(&format!("HTTP/1.1 {status} ")), "{target}");
    }
    let two_keys = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\n{authorized}",
        codes_of(FRONT)
    );
    assert!(first_line(&server, &two_keys).await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn over_plain_http_digits_are_taken_from_this_machine_alone() {
    let server = Server::start().await;
    server.doors.script().code_outcome = Ok(Some(3));
    let body = new_code();
    let request = |n: u32| {
        let ts = "2024-04-06T06:03:01Z";
        let hash = <sha2::Sha256 as sha2::Digest>::digest(format!("{ts},{n},{TOKEN}"));
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        format!(
            "POST {}?ts={ts}&rnr={n}&hash={hash} HTTP/1.1\r\nHost: 192.168.1.2\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            codes_of(FRONT),
            body.len()
        )
    };
    let peer =
        |address: &str, is_local, is_encrypted| Peer { address: address.parse().unwrap(), is_local, is_encrypted };
    let refused = server.as_if_from(peer("192.168.1.7:4000", false, false), &request(1)).await;
    assert_eq!((refused.status, &refused.json()["error"]), (403, &json!("not_private")), "{}", refused.body);
    assert!(refused.body.contains("other digits") && !refused.body.contains(DIGITS), "{}", refused.body);
    assert_eq!(server.asked(), []);
    for (n, from) in [
        (2, peer("192.168.1.7:4000", false, true)),
        (3, peer("192.168.1.2:4000", true, false)),
        (4, peer("127.0.0.1:4000", false, false)),
    ] {
        let reply = server.as_if_from(from, &request(n)).await;
        assert_eq!(reply.status, 201, "{from:?}: {}", reply.body);
    }
    assert_eq!(server.asked().len(), 3);
}
