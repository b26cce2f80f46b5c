//! `/v1/events`: everything once, in order, from the store.

use std::time::Duration;

use keyturner::attribution::Event;
use keyturner::store::{Keep, RetentionRules, Store};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http_support::{Server, TOKEN};
use crate::store::{NOW, by_app, by_code, device_time, events, pending};

/// A reader of one stream.
struct Stream {
    connection: TcpStream,
    buffer: String,
}

#[derive(Debug, PartialEq)]
struct Message {
    id: i64,
    event: String,
    data: Value,
}

impl Stream {
    async fn open(server: &Server, query: &str, headers: &str) -> Self {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        let request =
            format!("GET /v1/events?token={TOKEN}{query} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut stream = Self { connection, buffer: String::new() };
        let head = stream.until("\r\n\r\n").await.unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-type: text/event-stream"), "{head}");
        stream
    }

    /// Everything up to and with a text; `None` if the stream ends before.
    async fn until(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.find(end) {
                let rest = self.buffer.split_off(at + end.len());
                return Some(std::mem::replace(&mut self.buffer, rest));
            }
            let mut bytes = [0; 4096];
            match self.connection.read(&mut bytes).await.unwrap() {
                0 => return None,
                read => self.buffer.push_str(std::str::from_utf8(&bytes[..read]).unwrap()),
            }
        }
    }

    /// The next message; comments and the sizes of chunks are passed over.
    async fn next(&mut self) -> Option<Message> {
        loop {
            let block = self.until("\n\n").await?;
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let Some(data) = field("data:") else { continue };
            return Some(Message {
                id: field("id:").unwrap().parse().unwrap(),
                event: field("event:").unwrap().to_owned(),
                data: serde_json::from_str(data).unwrap(),
            });
        }
    }

    async fn ids(&mut self, count: usize) -> Vec<i64> {
        let mut ids = Vec::new();
        while ids.len() < count {
            ids.push(self.next().await.unwrap().id);
        }
        ids
    }
}

fn many(from: u32, to: u32) -> Vec<Event> {
    (from..=to).map(by_app).collect()
}

#[tokio::test]
async fn a_stream_begins_now_and_tells_what_is_stored_like_the_history() {
    let server = Server::start().await;
    server.commit(&events(1, vec![by_app(1)])).await;
    let mut stream = Stream::open(&server, "", "Accept: text/event-stream\r\n").await;
    server.commit(&events(2, vec![by_code(2)])).await;
    let message = stream.next().await.unwrap();
    assert_eq!((message.id, message.event.as_str()), (2, "keypad_action"));
    assert_eq!(message.data, server.get("/v1/history").await.json()["events"][0]);
}

#[tokio::test]
async fn a_late_answer_is_a_message_of_its_own() {
    let server = Server::start().await;
    let mut stream = Stream::open(&server, "", "").await;
    server.commit(&events(1, vec![pending()])).await;
    let question = stream.next().await.unwrap();
    assert_eq!((question.id, &question.data["attribution"]), (1, &"pending".into()));
    assert!(question.data.get("answers").is_none());
    server.commit(&events(2, vec![Event { answers_pending: true, ..by_app(2) }])).await;
    let answer = stream.next().await.unwrap();
    assert_eq!((answer.id, &answer.data["answers"], &answer.data["id"]), (2, &"1".into(), &"1".into()));
    assert_eq!(answer.data["name"], "Anna");
    // Whoever comes later is told the same again.
    let mut again = Stream::open(&server, "", "Last-Event-ID: 0\r\n").await;
    assert_eq!([again.next().await.unwrap(), again.next().await.unwrap()], [question, answer]);
}

#[tokio::test]
async fn whoever_comes_back_misses_nothing_and_gets_nothing_twice() {
    let server = Server::start().await;
    server.commit(&events(1, many(1, 250))).await;
    let mut stream = Stream::open(&server, "&lastEventId=99", "Last-Event-ID: 3\r\n").await;
    assert_eq!(stream.ids(60).await, (4..=63).collect::<Vec<_>>(), "the header counts more");
    drop(stream);
    server.commit(&events(2, many(251, 700))).await;
    let mut stream = Stream::open(&server, "&lastEventId=63", "").await;
    // Also while more is stored than a page holds.
    let writer = async {
        for block in 0..10 {
            server.commit(&events(3 + i64::from(block), many(701 + block * 50, 750 + block * 50))).await;
        }
    };
    let (ids, ()) = tokio::join!(stream.ids(1137), writer);
    assert_eq!(ids, (64..=1200).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_filter_holds_and_costs_no_place() {
    let server = Server::start().await;
    let mut stream = Stream::open(&server, "&kind=keypad_action&authId=9", "").await;
    server.commit(&events(1, many(1, 300))).await;
    server.commit(&events(2, vec![by_code(301), by_app(302), by_code(303)])).await;
    assert_eq!(stream.ids(2).await, [301, 303]);
    let mut again = Stream::open(&server, "&kind=keypad_action", "Last-Event-ID: 301\r\n").await;
    assert_eq!(again.ids(1).await, [303]);
}

#[tokio::test]
async fn a_number_that_was_never_given_is_refused() {
    let server = Server::start().await;
    server.commit(&events(1, many(1, 3))).await;
    for (header, status) in [("4", 400), ("-1", 400), ("x", 400), ("99999999999999999999", 400)] {
        let reply = server.get_with("/v1/events", &format!("Last-Event-ID: {header}\r\n")).await;
        assert_eq!((reply.status, &reply.json()["parameter"]), (status, &"Last-Event-ID".into()), "{header}");
    }
}

#[tokio::test]
async fn what_retention_removed_is_said_and_the_rest_follows() {
    let server = Server::start().await;
    const DAY: i64 = 86_400;
    server.commit(&events(0, many(1, 3))).await;
    server
        .commit(&events(10 * DAY, [4, 5].map(|n| Event { device_time: device_time(10 * DAY), ..by_app(n) }).into()))
        .await;
    let rules = RetentionRules { events: Keep::Days(5), ..RetentionRules::default() };
    let now = NOW.plus(Duration::from_secs(10 * DAY.unsigned_abs()));
    assert_eq!(server.store.remove_old(&rules, now).await.unwrap().events, 3);
    let mut stream = Stream::open(&server, "", "Last-Event-ID: 1\r\n").await;
    let removed = stream.next().await.unwrap();
    assert_eq!((removed.id, removed.event.as_str(), &removed.data["upTo"]), (3, "removed", &"3".into()));
    assert_eq!(stream.ids(2).await, [4, 5]);
    let mut stream = Stream::open(&server, "", "Last-Event-ID: 3\r\n").await;
    assert_eq!(stream.ids(1).await, [4], "nothing is missing behind the third");
}

#[tokio::test]
async fn there_is_a_last_place_and_it_is_given_back() {
    let server = Server::start().await;
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(Stream::open(&server, "", "").await);
    }
    let reply = server.get("/v1/events").await;
    assert_eq!((reply.status, &reply.json()["error"]), (503, &"too_many_streams".into()));
    assert_eq!(reply.headers["retry-after"], "30");
    streams.clear();
    // A closed connection is noticed when something is written to it.
    let mut index = 1;
    while server.get_with("/v1/events", "Accept: text/html\r\n").await.status == 406 {
        server.commit(&events(index, vec![by_app(index as u32)])).await;
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET /v1/events?token={TOKEN} HTTP/1.1\r\nHost: x\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        connection.read_exact(&mut status).await.unwrap();
        if status.ends_with(b"200") {
            return;
        }
        index += 1;
        assert!(index < 1000, "no place was given back");
    }
}

#[tokio::test]
async fn a_slow_reader_delays_nobody_and_loses_nothing() {
    let server = Server::start().await;
    let mut slow = Stream::open(&server, "", "").await;
    let mut quick = Stream::open(&server, "", "").await;
    // More than sockets hold, while the first one reads nothing.
    for block in 0..20 {
        server.commit(&events(1 + i64::from(block), many(1 + block * 500, 500 + block * 500))).await;
    }
    let all: Vec<i64> = (1..=10_000).collect();
    assert_eq!(quick.ids(10_000).await, all);
    assert_eq!(slow.ids(10_000).await, all);
}

#[tokio::test]
async fn streams_end_when_the_gateway_stops() {
    let server = Server::start().await;
    let mut stream = Stream::open(&server, "", "").await;
    server.news.end();
    assert_eq!(stream.next().await, None);
    let mut late = Stream::open(&server, "", "").await;
    assert_eq!(late.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_says_every_fifteen_seconds_that_it_lives() {
    let server = Server::start().await;
    let mut stream = Stream::open(&server, "", "").await;
    let begun = tokio::time::Instant::now();
    for beat in 1..=3 {
        let comment = stream.until("\n\n").await.unwrap();
        assert!(comment.contains(": nothing new"), "{comment}");
        assert_eq!(begun.elapsed().as_secs(), 15 * beat);
    }
    assert!(begun.elapsed() < Duration::from_secs(46));
}

#[tokio::test]
async fn a_stream_ends_if_the_store_fails() {
    let server = Server::start().await;
    let mut stream = Stream::open(&server, "", "").await;
    Store::close(&server.store).await;
    server.news.tell();
    assert_eq!(stream.next().await, None);
}
