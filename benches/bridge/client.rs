//! A client that asks again as soon as it is answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long answers took.
pub(crate) struct Load {
    sorted: Vec<Duration>,
    took: Duration,
}

impl Load {
    pub(crate) fn new(mut times: Vec<Duration>, took: Duration) -> Self {
        times.sort_unstable();
        Self { sorted: times, took }
    }

    /// Several, one after the other, as one.
    pub(crate) fn joined(loads: Vec<Self>) -> Self {
        let took = loads.iter().map(|load| load.took).sum();
        Self::new(loads.into_iter().flat_map(|load| load.sorted).collect(), took)
    }

    pub(crate) fn per_second(&self) -> f64 {
        f64::from(u32::try_from(self.sorted.len()).unwrap()) / self.took.as_secs_f64()
    }

    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.sorted[((self.sorted.len() - 1) * percent) / 100]
    }
}

/// Asks over so many connections at once, for so long.
pub(crate) async fn load(address: SocketAddr, target: &str, connections: usize, within: Duration) -> Load {
    let began = Instant::now();
    let clients = (0..connections).map(|_| {
        let request = request(target);
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (mut buffer, mut times) = (Vec::new(), Vec::new());
            while began.elapsed() < within {
                let asked = Instant::now();
                exchange(&mut stream, &request, &mut buffer).await;
                times.push(asked.elapsed());
            }
            times
        })
    });
    let times = join_all(clients).await.into_iter().flat_map(Result::unwrap).collect();
    Load::new(times, began.elapsed())
}

/// The body of one answer.
pub(crate) async fn body(address: SocketAddr, target: &str) -> String {
    let (mut stream, mut buffer) = (TcpStream::connect(address).await.unwrap(), Vec::new());
    let head = exchange(&mut stream, &request(target), &mut buffer).await;
    String::from_utf8(buffer.split_off(head)).unwrap()
}

pub(crate) fn request(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// The same, named by a key.
pub(crate) fn keyed(target: &str, key: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: {key}\r\n\r\n").into_bytes()
}

/// Sends, reads one whole answer, which has to be 200, and gives the length of its head.
pub(crate) async fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> usize {
    buffer.clear();
    stream.write_all(request).await.unwrap();
    loop {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "the server hung up");
        let Some(at) = buffer.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..at]).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
        });
        let end = at + 4 + length.expect("a length");
        while buffer.len() < end {
            assert!(stream.read_buf(buffer).await.unwrap() > 0, "the server hung up");
        }
        return at + 4;
    }
}
