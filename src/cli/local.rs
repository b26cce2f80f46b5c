//! Asking the running gateway, over its own HTTP API.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::config::ConfigArgs;
use super::exit::NoGateway;
use super::{DataArgs, fresh_seed};
use crate::clock::{Clock, UnixMillis};
use crate::secrets::{Secrets, Token};

/// The gateway answers within twenty seconds, whatever a lock does.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// A gateway refuses what is dated in the second of its start, which may be this one. Nothing was done for a 401.
const START_IS_OVER: Duration = Duration::from_secs(1);
const NOT_UNDERSTOOD: &str = "the gateway's answer is not understood";
/// Far more than an answer has.
const MAX_ANSWER: u64 = 1024 * 1024;

/// Where the running gateway is.
#[derive(Debug, Args)]
pub(super) struct LocalArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Address and port of the running gateway; overrides the configuration
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

/// The running gateway, and what it knows us by.
pub(super) struct Local {
    address: SocketAddr,
    token: Token,
}

impl Local {
    pub(super) const fn new(address: SocketAddr, token: Token) -> Self {
        Self { address, token }
    }

    /// The gateway of this configuration, with the token of this directory.
    pub(super) fn find(data: &DataArgs, args: &LocalArgs) -> anyhow::Result<Self> {
        let listen = match args.listen {
            Some(listen) => listen,
            None => args.config.load()?.config.listen,
        };
        let secrets = Secrets::load(data.place())?
            .with_context(|| format!("there are no secrets in {}; is --data right?", data.data.display()))?;
        Ok(Self::new(reachable(listen), secrets.bridge.token))
    }

    /// One request; the JSON of its answer. What the gateway says instead is the error.
    pub(super) async fn ask(&self, method: &str, path: &str) -> anyhow::Result<Value> {
        self.tell(&Wish { method, path, key: None, body: None, is_secret: false }).await.map_err(
            |failure| match failure {
                Failure::NotDone(error) | Failure::Unknown(error) => error,
            },
        )
    }

    /// One request that changes something; the same again, once, if its answer got lost and it has a key.
    pub(super) async fn tell(&self, wish: &Wish<'_>) -> Result<Value, Failure> {
        let mut answer = match self.attempt(wish).await {
            Err(Failure::Unknown(_)) if wish.key.is_some() => self.attempt(wish).await.map_err(Failure::or_unknown)?,
            answer => answer?,
        };
        if answer.0 == 401 {
            sleep(START_IS_OVER).await;
            answer = self.attempt(wish).await?;
        }
        let (status, body) = answer;
        if matches!(status, 200 | 201) {
            return Ok(body);
        }
        let text = |key| body.get(key).and_then(Value::as_str).unwrap_or("without a reason");
        let error = anyhow::anyhow!("{}; {}", text("message"), text("hint"));
        Err(if status == 410 { Failure::Unknown(error) } else { Failure::NotDone(error) })
    }

    async fn attempt(&self, wish: &Wish<'_>) -> Result<(u16, Value), Failure> {
        let stream = self.connect(wish).await.map_err(Failure::NotDone)?;
        let exchange = timeout(ANSWER_WITHIN, self.exchange(stream, wish));
        let answer = async {
            let answer = exchange.await.context("the gateway does not answer")??;
            let (status, body) = split(&answer).context(NOT_UNDERSTOOD)?;
            Ok((status, serde_json::from_slice(body).context(NOT_UNDERSTOOD)?))
        };
        answer.await.map_err(Failure::Unknown)
    }

    async fn connect(&self, wish: &Wish<'_>) -> anyhow::Result<TcpStream> {
        let address = self.address;
        let stream = TcpStream::connect(address).await.map_err(|source| NoGateway { address, source })?;
        let (there, here) = (stream.peer_addr()?.ip().to_canonical(), stream.local_addr()?.ip().to_canonical());
        if wish.is_secret && there != here && !there.is_loopback() {
            bail!(
                "{address} is another machine, and what is sent there in clear can be read on its way; run this on the gateway"
            );
        }
        Ok(stream)
    }

    async fn exchange(&self, mut stream: TcpStream, wish: &Wish<'_>) -> anyhow::Result<Vec<u8>> {
        let Self { address, token } = self;
        let Wish { method, path, key, body, .. } = wish;
        let separator = if path.contains('?') { '&' } else { '?' };
        let (body, json) = body.map_or((&[][..], ""), |body| (body, "Content-Type: application/json\r\n"));
        let key = key.map_or_else(String::new, |key| format!("Idempotency-Key: {key}\r\n"));
        let head = format!(
            "{method} {path}{separator}{} HTTP/1.1\r\nHost: {address}\r\n{json}{key}Content-Length: {}\r\n\
             Connection: close\r\n\r\n",
            credential(token, Clock::system().wall())?,
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

/// What the gateway is asked.
pub(super) struct Wish<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// By which the gateway knows a request that is sent again.
    pub(super) key: Option<&'a str>,
    /// JSON.
    pub(super) body: Option<&'a [u8]>,
    /// The body is for this machine alone.
    pub(super) is_secret: bool,
}

/// A name for one request that no other has; `command` is for whoever looks into the store.
pub(super) fn new_key(command: &str) -> anyhow::Result<String> {
    let number: String = fresh_seed()?.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("keyturner {command} {number}"))
}

/// Why there is no good answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing was done.
    NotDone(anyhow::Error),
    /// It may have been done.
    Unknown(anyhow::Error),
}

impl Failure {
    /// After an attempt of which nothing is known: that this one did not even begin changes nothing.
    fn or_unknown(self) -> Self {
        let (Self::NotDone(error) | Self::Unknown(error)) = self;
        Self::Unknown(error)
    }
}

/// A hashed credential: it counts wherever the gateway listens, and whoever reads it on its way has no use for it.
fn credential(token: &Token, now: UnixMillis) -> anyhow::Result<String> {
    let rfc3339 = now.rfc3339();
    let ts = rfc3339.get(..19).context("this computer's clock is beyond all reason")?;
    let [high, low, ..] = fresh_seed()?;
    let rnr = u16::from_be_bytes([high, low]);
    let mut hash = Sha256::new();
    for part in [ts, "Z,", &rnr.to_string(), ",", token.expose()] {
        hash.update(part);
    }
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("ts={ts}Z&rnr={rnr}&hash={hex}"))
}

/// Status and body of an answer that ends with its connection; the gateway sends its answers whole.
fn split(answer: &[u8]) -> Option<(u16, &[u8])> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = core::str::from_utf8(answer.get(..end)?).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    Some((status, answer.get(end + 4..)?))
}

/// Where a gateway is reached that listens everywhere.
const fn reachable(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listen.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), listen.port()),
        _ => listen,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::http::{self, Authenticator, DEFAULT_WINDOW, Params};

    #[test]
    fn a_gateway_that_listens_everywhere_is_asked_at_home() {
        let at = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(at("[::]:8080"), "[::1]:8080");
        assert_eq!(at("192.0.2.7:80"), "192.0.2.7:80");
    }

    /// Asks a gateway that answers with `answer`; gives what came of it, and what it was asked.
    async fn asked(answer: &'static str) -> (anyhow::Result<Value>, String) {
        let (result, requests) = asked_often(vec![answer]).await;
        (result, requests.concat())
    }

    /// The same with an answer for each request.
    async fn asked_often(answers: Vec<&'static str>) -> (anyhow::Result<Value>, Vec<String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = tokio::spawn(async move {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                stream.write_all(answer.as_bytes()).await.unwrap();
                requests.push(String::from_utf8(request).unwrap());
            }
            requests
        });
        let result = Local::new(address, Token::new("abc123").unwrap()).ask("POST", "/v1/x?seconds=5").await;
        (result, gateway.await.unwrap())
    }

    const NO: &str = "HTTP/1.1 401 X\r\n\r\n{\"message\":\"no valid credential\",\"hint\":\"compare the clocks\"}";

    #[tokio::test(start_paused = true)]
    async fn a_gateway_that_has_just_started_is_asked_again_once_with_another_credential() {
        let (answer, requests) = asked_often(vec![NO, "HTTP/1.1 200 OK\r\n\r\n{}"]).await;
        assert_eq!(answer.unwrap(), serde_json::json!({}));
        let [first, second] = requests.as_slice() else { panic!("{requests:?}") };
        assert_ne!(first, second, "a credential works once");
        let (answer, _) = asked_often(vec![NO, NO]).await;
        assert_eq!(answer.unwrap_err().to_string(), "no valid credential; compare the clocks");
    }

    #[test]
    fn the_credential_is_one_that_the_gateway_takes_once() {
        let (now, token) = (UnixMillis(1_712_383_381_999), Token::new("abc123").unwrap());
        let params = Params::parse(&credential(&token, now).unwrap());
        let known = http::Token::new("bridge", token.expose()).unwrap();
        let mut auth = Authenticator::new(vec![known], DEFAULT_WINDOW, UnixMillis(0));
        assert!(auth.check(&params, now).is_ok());
        assert!(auth.check(&params, now).is_err());
    }

    #[tokio::test]
    async fn the_running_gateway_is_asked_and_its_reason_is_told() {
        let (answer, request) = asked("HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"clockSkew\":-40}").await;
        assert_eq!(answer.unwrap()["clockSkew"], -40);
        assert!(request.starts_with("POST /v1/x?seconds=5&ts="), "{request}");
        assert!(!request.contains("abc123"), "a gateway in the network is asked without the token itself");

        let (no, _) = asked("HTTP/1.1 503 X\r\n\r\n{\"message\":\"no PIN\",\"hint\":\"set it\"}").await;
        assert_eq!(no.unwrap_err().to_string(), "no PIN; set it");

        for garbage in ["", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n<html>", "HTTP/1.1 2"] {
            let no = format!("{:#}", asked(garbage).await.0.unwrap_err());
            assert!(no.contains("not understood") && !no.contains("abc123"), "{no}");
        }
    }
}
