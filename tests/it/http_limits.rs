//! What a stranger can hold of the server: so many connections, so long a head, for so long.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::http_support::Server;

/// What comes until the other end closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // Bytes that were sent and never read make the end a reset.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn ask(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

#[tokio::test(start_paused = true)]
async fn half_a_head_is_not_waited_for_and_neither_is_none() {
    let server = Server::start().await;
    for beginning in ["", "GET /list HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let began = Instant::now();
        let answer = ask(&server, beginning).await;
        assert!(!answer.contains("200"), "{answer}");
        assert!((59..=61).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    }
    assert_eq!(server.get("/list").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_is_cut_off_too() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let began = Instant::now();
    stream.write_all(b"GET /list HTTP/1.1\r\n").await.unwrap();
    while stream.write_all(b"X-More: 1\r\n").await.is_ok() && began.elapsed() < Duration::from_secs(600) {
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_head_that_is_too_long_or_has_too_many_lines_is_refused() {
    let server = Server::start().await;
    let long = format!("GET /list HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(40_000));
    assert!(ask(&server, &long).await.starts_with("HTTP/1.1 431 "), "one long line");
    let many = format!("GET /list HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: 1\r\n".repeat(200));
    assert!(ask(&server, &many).await.starts_with("HTTP/1.1 431 "), "many lines");
    let url = format!("GET /list?x={} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "x".repeat(3_000));
    assert!(ask(&server, &url).await.starts_with("HTTP/1.1 414 "), "a long URL");
}

#[tokio::test]
async fn a_body_is_neither_read_nor_waited_for() {
    let server = Server::start().await;
    for length in ["Content-Length: 100000000000", "Transfer-Encoding: chunked"] {
        for target in ["/list?token=s3cret", "/v1/health?token=s3cret", "/list"] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n");
            let answer = ask(&server, &request).await;
            let expected = if target == "/list" { "HTTP/1.1 401 " } else { "HTTP/1.1 200 " };
            assert!(answer.starts_with(expected), "{length} {target}: {answer}");
        }
    }
}

#[tokio::test]
async fn one_address_gets_so_many_connections_and_more_when_it_closes_some() {
    let server = Server::start().await;
    let mut open = Vec::new();
    let mut refused = false;
    for _ in 0..80 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = b"GET /list?token=s3cret HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut first = [0; 1];
        // One that is refused is closed without a word, maybe before the request is written.
        let answered = stream.write_all(request).await.is_ok() && stream.read(&mut first).await.is_ok_and(|n| n == 1);
        if answered {
            open.push(stream);
        } else {
            refused = true;
            break;
        }
    }
    assert!(refused);
    assert_eq!(open.len(), 64);
    open.pop();
    // The place is free as soon as the server has noticed.
    loop {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = b"GET /list?token=s3cret HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        if stream.write_all(request).await.is_ok() && rest(&mut stream).await.starts_with("HTTP/1.1 200") {
            break;
        }
    }
}
