//! Certificates of receivers: only the right name, in its time, by an authority that is trusted.

use std::sync::Arc;
use std::time::Duration;

use keyturner::delivery::webhook::{Answer, HttpsPost, Receiver, SendLimits, WebhookPost, test_message};
use keyturner::secrets::WebhookUrl;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::store::NOW;
use crate::support::webhooks::SECRET;

/// An authority of somebody's own.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A receiver with a certificate for a name; it says whether a request came through.
    async fn receiver(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Hidden {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (tell, told) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut bytes = vec![0; 4096];
                let length = stream.read(&mut bytes).await.unwrap_or(0);
                if length > 0 {
                    tell.send(()).unwrap();
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
                }
            }
        });
        Hidden { port, told }
    }
}

struct Hidden {
    port: u16,
    told: tokio::sync::mpsc::UnboundedReceiver<()>,
}

impl Hidden {
    async fn send(&self, host: &str, ca_pem: Option<&str>) -> Answer {
        let url = WebhookUrl::parse(&format!("https://{host}:{}/t0ken", self.port)).unwrap();
        let limits = SendLimits { connect: Duration::from_secs(20), total: Duration::from_secs(20) };
        let message = test_message("house", SECRET, "key", NOW).unwrap();
        HttpsPost::with_limits(limits).send(Receiver { url: &url, ca_pem }, &message).await
    }

    /// The reason, without a byte of the message having left.
    async fn refusal(&mut self, host: &str, ca_pem: Option<&str>) -> String {
        let Answer::None(reason) = self.send(host, ca_pem).await else { panic!("it was told") };
        assert!(self.told.try_recv().is_err(), "something was sent");
        assert!(!reason.contains("t0ken"), "{reason}");
        reason
    }
}

#[tokio::test]
async fn an_own_authority_is_trusted_where_the_owner_says_so_and_nowhere_else() {
    let authority = Authority::new();
    let mut receiver = authority.receiver("localhost", |_| {}).await;
    assert_eq!(receiver.send("localhost", Some(&authority.pem)).await, Answer::Status { code: 200, retry_after: None });
    receiver.told.recv().await.unwrap();
    let stranger = receiver.refusal("localhost", Some(&Authority::new().pem)).await;
    assert!(stranger.contains("invalid peer certificate"), "{stranger}");
    // On a machine without any authorities there is nobody to ask, which is a refusal as well.
    let system = receiver.refusal("localhost", None).await;
    assert!(system.contains("invalid peer certificate") || system.starts_with("no TLS"), "{system}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let mut receiver = authority.receiver("elsewhere.example", |_| {}).await;
    let reason = receiver.refusal("localhost", Some(&authority.pem)).await;
    assert!(reason.contains("not valid for name"), "{reason}");
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_refused() {
    let authority = Authority::new();
    let mut expired = authority.receiver("localhost", |params| params.not_after = date_time_ymd(2020, 1, 1)).await;
    let reason = expired.refusal("localhost", Some(&authority.pem)).await;
    assert!(reason.contains("expired"), "{reason}");
    let mut early = authority.receiver("localhost", |params| params.not_before = date_time_ymd(2999, 1, 1)).await;
    let reason = early.refusal("localhost", Some(&authority.pem)).await;
    assert!(reason.contains("not valid yet"), "{reason}");
}

#[tokio::test]
async fn a_receiver_that_speaks_no_tls_gets_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = vec![0; 4096];
        let length = stream.read(&mut bytes).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        bytes[..length].to_vec()
    });
    let (_, told) = tokio::sync::mpsc::unbounded_channel();
    let reason = Hidden { port, told }.refusal("localhost", Some(&Authority::new().pem)).await;
    assert!(reason.starts_with("cannot connect"), "{reason}");
    let heard = heard.await.unwrap();
    assert!(!heard.windows(4).any(|word| word == b"POST"), "it was spoken to in clear");
}

#[tokio::test]
async fn a_receiver_that_never_shakes_hands_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = WebhookUrl::parse(&format!("https://localhost:{}/", listener.local_addr().unwrap().port())).unwrap();
    let limits = SendLimits { connect: Duration::from_millis(300), total: Duration::from_hours(1) };
    let (message, authority) = (test_message("house", SECRET, "key", NOW).unwrap(), Authority::new());
    let to = Receiver { url: &url, ca_pem: Some(&authority.pem) };
    let answer = HttpsPost::with_limits(limits).send(to, &message).await;
    assert_eq!(answer, Answer::None("cannot connect in time".to_owned()));
}
