//! One POST over HTTPS: nothing is followed, nobody is trusted, nothing lasts longer than it may.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Certificate, Client, redirect, retry};

use super::Message;
use crate::clock::UnixMillis;
use crate::secrets::WebhookUrl;

/// So much of an answer is read, and nothing of it kept: a receiver should not be cut off while it answers.
const MAX_ANSWER: usize = 64 * 1024;
/// Longest reason that is kept.
const MAX_REASON: usize = 200;

/// Where a message goes.
#[derive(Debug, Clone, Copy)]
pub struct Receiver<'a> {
    /// Its URL.
    pub url: &'a WebhookUrl,
    /// Certificate authorities in PEM that alone may vouch for it; `None` for the system's.
    pub ca_pem: Option<&'a str>,
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The receiver answered.
    Status {
        /// With this status.
        code: u16,
        /// And wants to be left alone for so long.
        retry_after: Option<Duration>,
    },
    /// It did not answer, and why; without anything secret.
    None(String),
}

/// Sends a message to a receiver.
pub trait WebhookPost: Clone + Send + Sync + 'static {
    /// Once, in bounded time.
    fn send(&self, to: Receiver<'_>, message: &Message) -> impl Future<Output = Answer> + Send;
}

/// How long a receiver may take.
#[derive(Debug, Clone, Copy)]
pub struct SendLimits {
    /// To accept a connection, name resolution and TLS included.
    pub connect: Duration,
    /// For everything: connection, request and answer.
    pub total: Duration,
}

impl Default for SendLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(10) }
    }
}

/// Who may vouch for a receiver.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Trust {
    /// It travels in clear, there is nobody to vouch.
    Nobody,
    /// The system's certificate authorities.
    System,
    /// These alone.
    Own(String),
}

/// Over the network. Each try is a connection of its own, so that certificates are checked and names resolved anew.
#[derive(Debug, Clone, Default)]
pub struct HttpsPost {
    limits: SendLimits,
    /// Reading the system's authorities takes a while, so it is done once.
    clients: Arc<Mutex<BTreeMap<Trust, Client>>>,
}

impl HttpsPost {
    /// With other limits.
    #[must_use]
    pub fn with_limits(limits: SendLimits) -> Self {
        Self { limits, clients: Arc::default() }
    }

    async fn client(&self, trust: Trust) -> Result<Client, String> {
        let known = self.clients.lock().unwrap_or_else(PoisonError::into_inner).get(&trust).cloned();
        if let Some(client) = known {
            return Ok(client);
        }
        let hint = match trust {
            Trust::System => "; install ca-certificates, or add the receiver anew with --ca-file",
            Trust::Nobody | Trust::Own(_) => "",
        };
        let (limits, for_whom) = (self.limits, trust.clone());
        // Files are read and certificates parsed: not on the threads that serve the radio.
        let built = tokio::task::spawn_blocking(move || build(limits, &for_whom)).await;
        let client = built
            .map_err(|error| error.to_string())
            .and_then(|client| client.map_err(|error| format!("no TLS: {}{hint}", root_cause(&error))))?;
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).insert(trust, client.clone());
        Ok(client)
    }
}

fn build(limits: SendLimits, trust: &Trust) -> reqwest::Result<Client> {
    // Fails only if there is one already, which does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .referer(false)
        .http1_only()
        .pool_max_idle_per_host(0)
        .connect_timeout(limits.connect)
        .timeout(limits.total)
        .user_agent(concat!("keyturner/", env!("CARGO_PKG_VERSION")));
    match trust {
        Trust::Nobody => builder.tls_certs_only([]),
        Trust::System => builder,
        Trust::Own(pem) => builder.tls_certs_only(Certificate::from_pem_bundle(pem.as_bytes())?),
    }
    .build()
}

impl WebhookPost for HttpsPost {
    async fn send(&self, to: Receiver<'_>, message: &Message) -> Answer {
        let trust = match to.ca_pem {
            _ if to.url.is_plain() => Trust::Nobody,
            Some(pem) => Trust::Own(pem.to_owned()),
            None => Trust::System,
        };
        let client = match self.client(trust).await {
            Ok(client) => client,
            Err(reason) => return Answer::None(tame(&reason)),
        };
        let request = client
            .post(to.url.expose())
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", &message.key)
            .header("Keyturner-Signature", &message.signature)
            .body(message.body.clone());
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Answer::None(explain(&error.without_url())),
        };
        let answer = Answer::Status {
            code: response.status().as_u16(),
            retry_after: retry_after(response.headers(), message.at),
        };
        let mut read = 0;
        // The status has been said; how its text ends does not matter.
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > MAX_ANSWER {
                break;
            }
        }
        answer
    }
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, now: UnixMillis) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(UnixMillis(date.timestamp().as_millisecond()).since(now))
}

fn explain(error: &reqwest::Error) -> String {
    let cause = root_cause(error);
    tame(&if error.is_connect() && !error.is_timeout() {
        format!("cannot connect: {cause}")
    } else if error.is_connect() {
        "cannot connect in time".to_owned()
    } else if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        format!("the connection broke: {cause}")
    })
}

/// The innermost reason says most.
fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// A hostile receiver's certificate may be quoted in it.
fn tame(reason: &str) -> String {
    reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_may_say_when_to_come_back() {
        let asked = |text: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, UnixMillis(784_111_777_000)).map(|wait| wait.as_secs())
        };
        assert_eq!(asked("120"), Some(120));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        for nonsense in ["soon", "-5", "1e9", "", "99999999999999999999999"] {
            assert_eq!(asked(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_reason_is_short_and_steers_no_terminal() {
        let reason = tame(&format!("bad\u{1b}[2J\n{}", "x".repeat(500)));
        assert!(reason.starts_with("bad [2J x") && reason.len() == MAX_REASON, "{reason}");
    }
}
