//! Certificate and key of the server: read at the start, and again whenever their files change.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};
use zeroize::Zeroizing;

use super::expiry::not_after;
use crate::clock::UnixMillis;
use crate::live::Live;

/// How soon a new certificate is noticed. Old ones count for days when the new one comes.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// More than any chain of certificates.
const MAX_FILE: u64 = 256 * 1024;

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TlsFiles {
    /// The certificate and those that vouch for it, in PEM, the server's own first.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
}

/// Why there is no TLS. No variant holds anything of a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}; the user of the gateway has to be allowed to", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Everybody on this machine can be this server.
    #[error("{}: everybody may read this private key; run `chmod o= {0}` and get another one", path.display())]
    Public {
        /// Which.
        path: PathBuf,
    },
    /// It is not what it should be.
    #[error("{}: there is no {what} in PEM in it", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What should be there.
        what: &'static str,
    },
    /// They cannot be used together.
    #[error("the certificate {} cannot be used with its key: {source}", path.display())]
    Unfit {
        /// The certificate.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// What the server shows to clients. To be cloned freely.
#[derive(Debug, Clone)]
pub struct Certificates(Arc<Shown>);

#[derive(Debug)]
struct Shown {
    files: Live<TlsFiles>,
    key: RwLock<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let key = RwLock::new(Arc::new(read(&files)?));
        Ok(Self(Arc::new(Shown { files: files.into(), key })))
    }

    /// Until when the certificate that is shown counts; `None` if it does not say so intelligibly.
    #[must_use]
    pub fn expires(&self) -> Option<UnixMillis> {
        let key = self.0.key.read().unwrap_or_else(PoisonError::into_inner);
        not_after(key.cert.first()?)
    }

    /// From now on these show the others' certificate and look after the others' files.
    pub fn become_like(&self, other: &Self) {
        let key = Arc::clone(&other.0.key.read().unwrap_or_else(PoisonError::into_inner));
        self.0.files.set(TlsFiles::clone(&other.0.files.get()));
        *self.0.key.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// Reads both again; new connections see what is new, and those that are open stay.
    ///
    /// # Errors
    /// [`TlsError`]; then the old ones stay.
    pub fn reload(&self) -> Result<(), TlsError> {
        let key = Arc::new(read(&self.0.files.get())?);
        // Only whole values are put there, so a panic elsewhere has left nothing half done.
        *self.0.key.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(())
    }

    /// Reads both again whenever one of the files has changed, as long as it is polled.
    pub async fn watch(self) {
        let mut seen = self.version();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // Before they are read: what is written meanwhile is another version at the next look.
            let now = self.version();
            if now == seen {
                continue;
            }
            seen = now;
            match self.reload() {
                Ok(()) => info!(file = %self.0.files.get().certificate.display(), "the new certificate is in use"),
                // Certificate and key are two files: the second may not be there yet. The next change is looked at again.
                Err(error) => warn!(%error, "the new certificate cannot be used, so the old one stays"),
            }
        }
    }

    fn version(&self) -> [Option<Version>; 2] {
        let files = self.0.files.get();
        [version(&files.certificate), version(&files.key)]
    }

    pub(super) fn acceptor(&self) -> Result<TlsAcceptor, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.key.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// The provider that event webhooks use.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

type Version = (u64, i64, i64, u64);

fn version(path: &Path) -> Option<Version> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
}

fn read(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let missing = |path: &Path, what| TlsError::Content { path: path.to_owned(), what };
    let pem = contents(&files.certificate, false)?;
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().unwrap_or_default();
    if chain.is_empty() {
        return Err(missing(&files.certificate, "certificate"));
    }
    let pem = contents(&files.key, true)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| missing(&files.key, "private key"))?;
    CertifiedKey::from_der(chain, key, &provider())
        .map_err(|source| TlsError::Unfit { path: files.certificate.clone(), source })
}

fn contents(path: &Path, is_secret: bool) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    // A group may read it: distributions give keys to one.
    if is_secret && metadata.mode() & 0o007 != 0 {
        return Err(TlsError::Public { path: path.to_owned() });
    }
    // Room for all of it from the start: a vector that grows leaves copies behind.
    let room = usize::try_from(metadata.len().min(MAX_FILE)).unwrap_or(0).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}
