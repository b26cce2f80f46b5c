//! TLS: the right certificate, a new one without a restart, and nobody in clear.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use keyturner::http::{Certificates, Entrance, TlsFiles, serve_all};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::http_support::{Server, TOKEN};

struct House {
    _server: Server,
    certificates: Certificates,
    dir: TempDir,
    port: u16,
}

/// Writes a new certificate for `localhost` with its key; gives the certificate in PEM.
fn issue(dir: &TempDir) -> String {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    write(dir, "cert.pem", &certificate.pem(), 0o644);
    write(dir, "key.pem", &key.serialize_pem(), 0o600);
    certificate.pem()
}

/// As certificate programs do it: another file in the place of the old one.
fn write(dir: &TempDir, name: &str, content: &str, mode: u32) {
    let new = dir.path().join(format!("{name}.new"));
    fs::write(&new, content).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(mode)).unwrap();
    fs::rename(new, dir.path().join(name)).unwrap();
}

fn files(dir: &TempDir) -> TlsFiles {
    TlsFiles { certificate: dir.path().join("cert.pem"), key: dir.path().join("key.pem") }
}

impl House {
    /// With the certificate that it shows.
    async fn new() -> (Self, String) {
        let dir = TempDir::new().unwrap();
        let pem = issue(&dir);
        let server = Server::start().await;
        let certificates = Certificates::load(files(&dir)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let entrance =
            Entrance::tls(listener, &certificates, keyturner::pulse::Pulses::default().begin("https")).unwrap();
        tokio::spawn(serve_all(vec![entrance], server.router.clone(), std::future::pending()));
        (Self { _server: server, certificates, dir, port }, pem)
    }

    /// The answer to a client that trusts this certificate alone; `None` if it trusts the server not.
    async fn ask(&self, trusted: &str) -> Option<String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
        let request = format!("GET /list?token={TOKEN} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        Some(answer)
    }

    async fn is_served_with(&self, trusted: &str) -> bool {
        self.ask(trusted).await.is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }
}

#[tokio::test]
async fn the_api_is_served_over_tls_with_the_owners_certificate() {
    let (house, pem) = House::new().await;
    assert!(house.is_served_with(&pem).await);
    let stranger = issue(&TempDir::new().unwrap());
    assert!(!house.is_served_with(&stranger).await);
}

#[tokio::test]
async fn whoever_speaks_no_tls_there_learns_nothing_and_sends_no_token_to_anybody() {
    let (house, _) = House::new().await;
    let mut stream = TcpStream::connect(("127.0.0.1", house.port)).await.unwrap();
    stream.write_all(b"GET /list HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(start_paused = true)]
async fn whoever_never_shakes_hands_is_not_waited_for() {
    let (house, _) = House::new().await;
    let began = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", house.port)).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.is_empty());
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_new_certificate_is_taken_without_a_restart_and_half_of_one_is_not() {
    let (house, old) = House::new().await;
    tokio::spawn(house.certificates.clone().watch());
    let look = async || tokio::time::sleep(Duration::from_secs(21)).await;
    look().await;
    assert!(house.certificates.reload().is_ok());
    assert!(house.is_served_with(&old).await);

    // The certificate is there before its key is.
    let elsewhere = TempDir::new().unwrap();
    let new = issue(&elsewhere);
    write(&house.dir, "cert.pem", &new, 0o644);
    look().await;
    assert!(house.is_served_with(&old).await && !house.is_served_with(&new).await);
    let key = fs::read_to_string(elsewhere.path().join("key.pem")).unwrap();
    write(&house.dir, "key.pem", &key, 0o600);
    look().await;
    assert!(house.is_served_with(&new).await && !house.is_served_with(&old).await);

    fs::remove_file(house.dir.path().join("cert.pem")).unwrap();
    look().await;
    assert!(house.is_served_with(&new).await);
}

#[test]
fn files_that_cannot_be_meant_are_refused_with_what_to_do() {
    let dir = TempDir::new().unwrap();
    let refusal = || Certificates::load(files(&dir)).unwrap_err().to_string();
    assert!(refusal().contains("cert.pem: cannot be read"), "{}", refusal());
    issue(&dir);
    let (certificate, key) = (files(&dir).certificate, files(&dir).key);
    let (good, secret) = (fs::read_to_string(&certificate).unwrap(), fs::read_to_string(&key).unwrap());
    write(&dir, "key.pem", &secret, 0o644);
    assert!(refusal().contains("everybody may read this private key"), "{}", refusal());
    write(&dir, "key.pem", &secret, 0o640);
    assert!(Certificates::load(files(&dir)).is_ok(), "a group may read it");
    write(&dir, "key.pem", &good, 0o600);
    assert!(refusal().contains("key.pem: there is no private key in PEM"), "{}", refusal());
    write(&dir, "key.pem", &KeyPair::generate().unwrap().serialize_pem(), 0o600);
    assert!(refusal().contains("cannot be used with its key"), "{}", refusal());
    write(&dir, "cert.pem", "nonsense", 0o644);
    assert!(refusal().contains("cert.pem: there is no certificate in PEM"), "{}", refusal());
    let inner = secret.lines().nth(1).unwrap();
    assert!(!refusal().contains(inner));
}
