//! `/callback/*`, and POSTs to receivers that behave and that do not.

use std::time::{Duration, Instant};

use keyturner::delivery::{HttpPost, Limits, Post, Posted, Target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::http_support::Server;

const OK: &str = r#"{"success": true}"#;

#[tokio::test]
async fn urls_come_back_byte_for_byte_in_the_order_of_registration() {
    let server = Server::start().await;
    for url in ["http%3A%2F%2Fha%3A8123%2Fapi%2Fwebhook%2F1%3Fa%3Db%26c%3Dd", "http://H:80/A%2520b+c", "HTTP://x"] {
        assert_eq!(server.get(&format!("/callback/add?url={url}")).await.pair(), (200, OK), "{url}");
    }
    assert_eq!(
        server.get("/callback/list").await.body,
        r#"{"callbacks": [{"id": 0, "url": "http://ha:8123/api/webhook/1?a=b&c=d"}, {"id": 1, "url": "http://H:80/A%20b+c"}, {"id": 2, "url": "HTTP://x"}]}"#
    );
    assert_eq!(
        server.get("/callback/add?url=http://x/").await.body,
        r#"{"success": false, "message": "too many callbacks registered"}"#
    );
    assert_eq!(
        server.get("/callback/add?url=HTTP://x").await.body,
        r#"{"success": false, "message": "callback already added"}"#
    );
}

#[tokio::test]
async fn a_freed_slot_is_used_again() {
    let server = Server::start().await;
    for url in ["http://a", "http://b"] {
        server.get(&format!("/callback/add?url={url}")).await;
    }
    assert_eq!(server.get("/callback/remove?id=0").await.pair(), (200, OK));
    for free in ["0", "2", "999"] {
        let reply = server.get(&format!("/callback/remove?id={free}")).await;
        assert_eq!(reply.pair(), (200, r#"{"success": false, "message": "callback not found"}"#), "{free}");
    }
    server.get("/callback/add?url=http://c").await;
    assert_eq!(
        server.get("/callback/list").await.body,
        r#"{"callbacks": [{"id": 1, "url": "http://b"}, {"id": 0, "url": "http://c"}]}"#
    );
}

#[tokio::test]
async fn what_is_no_callback_is_400() {
    let server = Server::start().await;
    let long = format!("/callback/add?url=http://h/{}", "x".repeat(246));
    for target in [
        "/callback/add",
        "/callback/add?url=",
        "/callback/add?url=https://h/",
        "/callback/add?url=nonsense",
        "/callback/add?url=http://h/%0d%0aX:y",
        &long,
        "/callback/remove",
        "/callback/remove?id=",
        "/callback/remove?id=-1",
        "/callback/remove?id=%7B%27id%27%3A+0%7D",
    ] {
        assert_eq!(server.get(target).await.pair(), (400, "HTTP 400 Bad Request"), "{target}");
    }
}

/// How a receiver treats whoever connects.
#[derive(Clone, Copy)]
enum Manner {
    Good,
    /// Reads and says nothing.
    Mute,
    /// Does not even read.
    Asleep,
    /// Answers with bytes that are no HTTP, without end.
    Garbage,
    /// Closes at once.
    Rude,
    /// Sends everybody elsewhere.
    Redirecting(u16),
}

/// A receiver on loopback; every request it read comes out of the channel.
async fn receiver(manner: Manner) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(receive(stream, manner, tell.clone()));
        }
    });
    (port, told)
}

async fn receive(mut stream: TcpStream, manner: Manner, tell: mpsc::UnboundedSender<String>) {
    if matches!(manner, Manner::Asleep) {
        std::future::pending::<()>().await;
    }
    if matches!(manner, Manner::Rude) {
        return;
    }
    // A single read on purpose: Domoticz takes the first packet only.
    let mut packet = vec![0; 4096];
    let length = stream.read(&mut packet).await.unwrap();
    tell.send(String::from_utf8(packet[..length].to_vec()).unwrap()).unwrap();
    match manner {
        Manner::Good => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap(),
        Manner::Redirecting(port) => {
            let answer = format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        Manner::Garbage => while stream.write_all(&[0xAA; 4096]).await.is_ok() {},
        _ => {}
    }
    std::future::pending::<()>().await;
}

async fn post(port: u16) -> Posted {
    let limits = Limits { connect: Duration::from_mins(1), answer: Duration::from_millis(300) };
    let target = Target::parse(&format!("http://127.0.0.1:{port}/cb?callbackId=nuki")).unwrap();
    HttpPost { limits }.post(&target, r#"{"nukiId": 1}"#).await
}

#[tokio::test]
async fn headers_and_body_arrive_in_one_packet() {
    let (port, mut told) = receiver(Manner::Good).await;
    assert_eq!(post(port).await, Posted::Told);
    assert_eq!(
        told.recv().await.unwrap(),
        format!(
            "POST /cb?callbackId=nuki HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
             Content-Length: 13\r\nConnection: close\r\n\r\n{{\"nukiId\": 1}}"
        )
    );
}

#[tokio::test]
async fn a_receiver_that_answers_is_not_waited_for_any_longer() {
    let (port, _told) = receiver(Manner::Good).await;
    let target = Target::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    let limits = Limits { connect: Duration::from_mins(5), answer: Duration::from_mins(5) };
    let started = Instant::now();
    // It keeps the connection open; the end of its headers is enough.
    assert_eq!(HttpPost { limits }.post(&target, "{}").await, Posted::Told);
    assert!(started.elapsed() < Duration::from_mins(1));
}

#[tokio::test]
async fn receivers_without_manners_count_as_told_in_bounded_time() {
    for manner in [Manner::Mute, Manner::Asleep, Manner::Garbage, Manner::Rude] {
        let (port, _told) = receiver(manner).await;
        assert_eq!(post(port).await, Posted::Told);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (elsewhere, mut led_there) = receiver(Manner::Good).await;
    let (port, mut told) = receiver(Manner::Redirecting(elsewhere)).await;
    assert_eq!(post(port).await, Posted::Told);
    assert!(told.recv().await.is_some());
    assert!(led_there.try_recv().is_err());
}

#[tokio::test]
async fn a_dead_receiver_is_not_told() {
    // Bound and dropped: nobody listens there now.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert!(matches!(post(port).await, Posted::NotSent(reason) if reason.starts_with("cannot connect")));
}
