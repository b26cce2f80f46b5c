//! Webhooks over real sockets, to receivers that behave and that do not.

use std::sync::Arc;
use std::time::Duration;

use keyturner::clock::{Clock, UnixMillis};
use keyturner::delivery::Waker;
use keyturner::delivery::webhook::{
    Answer, HttpsPost, Message, Receiver, SendLimits, Tools, WebhookPost, start, test_message,
};
use keyturner::http::entry_json;
use keyturner::secrets::WebhookUrl;
use keyturner::store::{AddWebhook, NewWebhook, WebhookStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;

use crate::store::{Fixture, NOW, by_app, events};
use crate::support::webhooks::{SECRET, plain, secret};

/// How a receiver treats whoever connects.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    /// Takes it.
    Good,
    /// Reads and says nothing.
    Mute,
    /// Does not even read.
    Asleep,
    /// Answers with bytes that are no HTTP, without end.
    Garbage,
    /// One letter of the answer now and then.
    SlowLoris,
    /// Header after header, without end.
    EndlessHeaders,
    /// Says 200, and then talks without end.
    EndlessBody,
    /// Says 200, promises text, and dies.
    DiesInAnswer,
    /// Dies before it has read everything.
    DiesInRequest,
    /// Answers 500.
    Broken,
    /// Sends everybody elsewhere.
    Redirecting(u16),
}

/// A receiver on loopback; every request it read to its end comes out of the channel.
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

/// Up to the end of the body.
async fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            return text;
        }
    }
}

async fn receive(mut stream: TcpStream, manner: Manner, tell: mpsc::UnboundedSender<String>) {
    match manner {
        Manner::Asleep => std::future::pending().await,
        Manner::DiesInRequest => {
            let _ = stream.read(&mut [0; 16]).await;
            return;
        }
        _ => {}
    }
    tell.send(request(&mut stream).await).unwrap();
    match manner {
        Manner::Good => stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap(),
        Manner::Redirecting(port) => {
            let answer =
                format!("HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{port}/\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        Manner::Broken => {
            let answer = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n";
            stream.write_all(answer).await.unwrap();
        }
        Manner::Garbage => while stream.write_all(&[0xAA; 4096]).await.is_ok() {},
        Manner::EndlessHeaders => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
            while stream.write_all(b"X-Flood: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n").await.is_ok() {}
        }
        Manner::EndlessBody => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
            let chunk = format!("{:x}\r\n{}\r\n", 4096, "a".repeat(4096));
            while stream.write_all(chunk.as_bytes()).await.is_ok() {}
            // Says that the sender has hung up.
            let _ = tell.send("hung up".to_owned());
        }
        Manner::DiesInAnswer => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhal").await.unwrap();
            return;
        }
        Manner::SlowLoris => {
            for byte in b"HTTP/1.1 200 OK\r\n".iter().cycle() {
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Manner::Mute | Manner::Asleep | Manner::DiesInRequest => {}
    }
    std::future::pending::<()>().await;
}

fn limits(total: u64) -> SendLimits {
    SendLimits { connect: Duration::from_mins(1), total: Duration::from_millis(total) }
}

fn message() -> Message {
    test_message("house", SECRET, "a-key", NOW).unwrap()
}

/// With more time than anything takes that does not hang.
async fn send(port: u16) -> Answer {
    send_within(port, 60_000).await
}

async fn send_within(port: u16, total: u64) -> Answer {
    let url = WebhookUrl::parse(&format!("http://127.0.0.1:{port}/hook?t0ken=x")).unwrap();
    HttpsPost::with_limits(limits(total)).send(Receiver { url: &url, ca_pem: None }, &message()).await
}

#[tokio::test]
async fn one_request_with_key_and_signature_and_nothing_that_names_others() {
    let (port, mut told) = receiver(Manner::Good).await;
    assert_eq!(send(port).await, Answer::Status { code: 204, retry_after: None });
    let request = told.recv().await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /hook?t0ken=x HTTP/1.1"));
    let mut headers: Vec<String> = lines.map(str::to_lowercase).collect();
    headers.sort();
    let signature = message().signature.to_lowercase();
    assert_eq!(
        headers,
        [
            "accept: */*",
            &format!("content-length: {}", body.len()),
            "content-type: application/json",
            &format!("host: 127.0.0.1:{port}"),
            "idempotency-key: a-key",
            &format!("keyturner-signature: {signature}"),
            &format!("user-agent: keyturner/{}", env!("CARGO_PKG_VERSION")),
        ]
    );
    assert_eq!(body, r#"{"deliveryId":"a-key","webhook":"house","test":true}"#);
}

#[tokio::test]
async fn a_receiver_without_manners_gets_its_verdict_in_bounded_time() {
    let late = Answer::None("no answer in time".to_owned());
    for manner in [Manner::Mute, Manner::Asleep, Manner::SlowLoris] {
        let (port, _told) = receiver(manner).await;
        assert_eq!(send_within(port, 500).await, late, "{manner:?}");
    }
    for manner in [Manner::Garbage, Manner::EndlessHeaders, Manner::DiesInRequest] {
        let (port, _told) = receiver(manner).await;
        let answer = send(port).await;
        assert!(matches!(&answer, Answer::None(reason) if reason.starts_with("the connection broke")), "{answer:?}");
    }
    let (port, _told) = receiver(Manner::DiesInAnswer).await;
    assert_eq!(send(port).await, Answer::Status { code: 200, retry_after: None }, "it has said that it has it");
    let (port, _told) = receiver(Manner::Broken).await;
    assert_eq!(send(port).await, Answer::Status { code: 500, retry_after: Some(Duration::from_secs(7)) });
}

#[tokio::test]
async fn a_flood_is_not_read() {
    let (port, mut told) = receiver(Manner::EndlessBody).await;
    // Were it read to its end, this would last an hour.
    let answer = tokio::time::timeout(Duration::from_mins(1), send_within(port, 3_600_000)).await.unwrap();
    assert_eq!(answer, Answer::Status { code: 200, retry_after: None });
    told.recv().await.unwrap();
    assert_eq!(told.recv().await.unwrap(), "hung up");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (elsewhere, mut led_there) = receiver(Manner::Good).await;
    let (port, mut told) = receiver(Manner::Redirecting(elsewhere)).await;
    assert_eq!(send(port).await, Answer::Status { code: 307, retry_after: None });
    assert!(told.recv().await.is_some());
    assert!(led_there.try_recv().is_err());
}

#[tokio::test]
async fn a_dead_receiver_gives_a_reason_without_its_url() {
    // Bound and never listening: it refuses, and nobody else gets the port.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = closed.local_addr().unwrap().port();
    let Answer::None(reason) = send(port).await else { panic!("somebody answered") };
    assert!(reason.starts_with("cannot connect: ") && reason.contains("refused"), "{reason}");
    assert!(!reason.contains("t0ken"), "{reason}");
}

/// Seven receivers that misbehave beside one that does not, on one daemon's workers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_receiver_without_manners_hurts_only_itself() {
    let f = Fixture::new().await;
    let (elsewhere, _nobody) = receiver(Manner::Good).await;
    let manners = [
        Manner::Mute,
        Manner::Asleep,
        Manner::Garbage,
        Manner::SlowLoris,
        Manner::EndlessHeaders,
        Manner::DiesInRequest,
        Manner::Broken,
        Manner::Redirecting(elsewhere),
        Manner::Good,
    ];
    let (mut secrets, mut channels) = (Vec::new(), Vec::new());
    for (index, manner) in manners.into_iter().enumerate() {
        let (port, told) = receiver(manner).await;
        let webhook = NewWebhook { name: index.to_string(), ..plain() };
        let AddWebhook::Added(id) = f.store.add_webhook(&webhook, NOW).await.unwrap() else { panic!("not added") };
        secrets.push(secret(id, &format!("http://127.0.0.1:{port}/")));
        channels.push(told);
    }
    let waker = Waker::new();
    let tools = Tools {
        store: f.store.clone(),
        clock: Clock::virtual_from(NOW),
        post: HttpsPost::with_limits(limits(3_600_000)),
        secrets: Arc::new(move || Ok(secrets.clone())),
        entry_json,
        seed: Arc::new(|| [1; 32]),
        look_every: Duration::from_hours(1),
        pulses: keyturner::pulse::Pulses::default(),
    };
    let workers = start(tools, &waker);
    let mut good = channels.pop().unwrap();
    for index in 1..=20 {
        f.store.commit(&events(i64::from(index), vec![by_app(index)])).await.unwrap();
        waker.wake();
        // The mute ones could keep it waiting for an hour.
        let request = tokio::time::timeout(Duration::from_secs(20), good.recv()).await.unwrap().unwrap();
        assert!(request.contains(&format!("\"sequence\":{index},")), "{request}");
    }
    workers.stop().await;
    let status = f.store.webhook_status().await.unwrap();
    let waiting: Vec<u32> = status.iter().map(|status: &WebhookStatus| status.waiting).collect();
    assert_eq!(waiting[..8], [20; 8]);
    assert!(waiting[8] <= 1, "the last one may have been taken and not yet noted");
    assert_eq!(UnixMillis(status[8].added_at), NOW);
}
