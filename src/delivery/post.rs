//! One POST to a callback URL, over a connection of its own.
//!
//! A small client instead of a big one, because receivers are peculiar: some
//! read a single packet, so headers and body leave in one write; some never
//! answer, so an answer is waited for and not needed. Nothing is followed, and
//! the answer's content does not matter.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::{Host, Url};

/// Longest callback URL, in characters.
const MAX_CHARS: usize = 254;
/// More of an answer is never read.
const MAX_ANSWER: usize = 8 * 1024;

/// Where a callback goes.
///
/// Any host, loopback included: receivers stand in the local network. User
/// name and password in the URL are ignored, as is a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    host: Host<String>,
    port: u16,
    path: String,
}

/// Why a URL is no callback. It does not repeat the URL, which may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Over 254 characters.
    #[error("the URL is longer than 254 characters")]
    TooLong,
    /// https or something else.
    #[error("the URL does not begin with http://")]
    NotHttp,
    /// No URL at all.
    #[error("the URL cannot be read: {0}")]
    Unreadable(url::ParseError),
    /// Line breaks and the like.
    #[error("the URL has control characters")]
    Control,
}

impl Target {
    /// Reads a callback URL.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        if url.chars().count() > MAX_CHARS {
            return Err(BadUrl::TooLong);
        }
        // `Url` would drop them silently, and clients get back what they sent.
        if url.chars().any(char::is_control) {
            return Err(BadUrl::Control);
        }
        // `Url` also takes `http:host`.
        if !url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://")) {
            return Err(BadUrl::NotHttp);
        }
        let url = Url::parse(url).map_err(BadUrl::Unreadable)?;
        let host = url.host().ok_or(BadUrl::Unreadable(url::ParseError::EmptyHost))?.to_owned();
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self { host, port: url.port().unwrap_or(80), path })
    }

    pub(super) const fn host(&self) -> &Host<String> {
        &self.host
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    fn request(&self, body: &str) -> String {
        let Self { host, port, path } = self;
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    }

    /// Names are resolved here, so at each attempt.
    async fn connect(&self) -> std::io::Result<TcpStream> {
        match &self.host {
            Host::Domain(name) => TcpStream::connect((name.as_str(), self.port)).await,
            Host::Ipv4(address) => TcpStream::connect((*address, self.port)).await,
            Host::Ipv6(address) => TcpStream::connect((*address, self.port)).await,
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// It left; what the receiver made of it is its own affair.
    Told,
    /// Nothing left, and why.
    NotSent(String),
}

/// Sends a body to a target.
pub trait Post: Send + Sync + 'static {
    /// Once.
    fn post(&self, target: &Target, body: &str) -> impl Future<Output = Posted> + Send;
}

/// How long a receiver may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// To accept a connection, name resolution included.
    pub connect: Duration,
    /// To take the request and answer.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), answer: Duration::from_secs(2) }
    }
}

/// Over TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpPost {
    /// How long to wait.
    pub limits: Limits,
}

impl Post for HttpPost {
    async fn post(&self, target: &Target, body: &str) -> Posted {
        let mut stream = match timeout(self.limits.connect, target.connect()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Posted::NotSent(format!("cannot connect: {error}")),
            Err(_) => return Posted::NotSent("cannot connect in time".to_owned()),
        };
        match timeout(self.limits.answer, exchange(&mut stream, target.request(body).as_bytes())).await {
            Ok(posted) => posted,
            // Mute receivers are common; they read all the same.
            Err(_) => Posted::Told,
        }
    }
}

async fn exchange(stream: &mut TcpStream, request: &[u8]) -> Posted {
    match stream.write(request).await {
        Ok(first) => {
            // One write takes it whole unless the kernel is short of memory. From
            // here on something has left, so the attempt is not repeated.
            let rest = request.get(first..).unwrap_or_default();
            if stream.write_all(rest).await.is_ok() {
                read_answer(stream).await;
            }
            Posted::Told
        }
        Err(error) => Posted::NotSent(format!("the connection broke before anything was sent: {error}")),
    }
}

/// Up to the end of the headers, so that the receiver is not cut off while it answers.
async fn read_answer(stream: &mut TcpStream) {
    let mut answer = Vec::with_capacity(512);
    while answer.len() < MAX_ANSWER && !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read_buf(&mut answer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_http_urls_are_targets() {
        for url in
            ["https://h/", "ftp://h/", "http:h", "h:80", "", "http://", "http://:80/", "/path", "http://h\r\nX: y/"]
        {
            assert!(Target::parse(url).is_err(), "{url}");
        }
        assert!(Target::parse(&format!("http://h/{}", "ü".repeat(245))).is_ok());
        assert_eq!(Target::parse(&format!("http://h/{}", "x".repeat(246))), Err(BadUrl::TooLong));
    }

    #[test]
    fn the_request_has_the_headers_receivers_need_and_no_credentials() {
        let request = |url| Target::parse(url).unwrap().request("{}");
        assert_eq!(
            request("HTTP://user:pw@Example.org/a b?callbackId=x#frag"),
            "POST /a%20b?callbackId=x HTTP/1.1\r\nHost: example.org:80\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\nConnection: close\r\n\r\n{}"
        );
        assert!(request("http://[::1]:8123").starts_with("POST / HTTP/1.1\r\nHost: [::1]:8123\r\n"));
    }
}
