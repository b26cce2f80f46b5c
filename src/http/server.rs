//! The server: accepts connections, within limits that no client can move.
//!
//! What a stranger can hold is bounded before anything of it is read: so many
//! connections altogether and from one address, so many bytes of a head, so
//! long for a handshake, a head and an answer. Bodies are not read here; the few
//! routes that take one bound it themselves (`v1/body.rs`).

mod expiry;
mod patience;
mod places;
mod tls;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures::future::join_all;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::gate::Peer;
use crate::pulse::{Pulse, Pulses};
use patience::Patient;
use places::Places;
pub use tls::{Certificates, TlsError, TlsFiles};

/// The longest silence between two requests, and the longest time for the head of one. Clients that keep their
/// connection ask every 30 s, so they never run into it.
const HEAD_WITHIN: Duration = Duration::from_secs(60);
/// The longest time for a TLS handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Whoever takes nothing of an answer for so long has gone.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// The head of a request: four times the longest URL, and more than any client sends.
const MAX_HEAD: usize = 16 * 1024;
/// Lines in a head.
const MAX_HEADERS: usize = 64;
/// Pause after the system could not give us a connection, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_secs(1);

/// Serves until `shutdown` is done, then lets running requests finish.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()> + Send) {
    let entrance = Entrance::plain(listener, Pulses::default().begin("http"));
    serve_all(vec![entrance], router, shutdown).await;
}

/// An address that is listened on.
pub struct Entrance {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    pulse: Pulse,
}

impl Entrance {
    /// HTTP as it is.
    #[must_use]
    pub const fn plain(listener: TcpListener, pulse: Pulse) -> Self {
        Self { listener, tls: None, pulse }
    }

    /// HTTP over TLS with these certificates.
    ///
    /// # Errors
    /// rustls', if its provider cannot do what it has to; none is known.
    pub fn tls(listener: TcpListener, certificates: &Certificates, pulse: Pulse) -> Result<Self, rustls::Error> {
        Ok(Self { listener, tls: Some(certificates.acceptor()?), pulse })
    }
}

/// Serves at every entrance until `shutdown` is done, then lets running requests finish.
pub async fn serve_all(entrances: Vec<Entrance>, router: Router, shutdown: impl Future<Output = ()> + Send) {
    let (stop, stopping) = watch::channel(());
    // Nothing is ever sent: that the last sender is gone says that the last connection is.
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    let hall = Hall { router, places: Places::default(), stopping, open };
    {
        let accepting = join_all(entrances.into_iter().map(|entrance| hall.clone().accept(entrance)));
        tokio::select! {
            _ = accepting => {}
            () = shutdown => {}
        }
    }
    drop(hall);
    drop(stop);
    all_closed.recv().await;
}

/// What every connection shares.
#[derive(Clone)]
struct Hall {
    router: Router,
    places: Places,
    /// Ends when the server stops.
    stopping: watch::Receiver<()>,
    open: mpsc::Sender<Infallible>,
}

impl Hall {
    async fn accept(self, entrance: Entrance) {
        loop {
            let (stream, address) = match entrance.pulse.while_waiting(entrance.listener.accept()).await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Of one connection that failed, nothing is said; the rest passes or is the owner's business.
                    if !is_the_clients(&error) {
                        tracing::warn!(%error, "no connection can be accepted");
                        tokio::time::sleep(PAUSE).await;
                    }
                    continue;
                }
            };
            let Some(place) = self.places.take(address.ip()) else {
                tracing::debug!(from = %address.ip(), "too many connections, so one more is refused");
                continue;
            };
            // Answers are one small write each; waiting to merge them only costs time.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
            let (hall, tls) = (self.clone(), entrance.tls.clone());
            tokio::spawn(async move {
                hall.talk(stream, address, tls).await;
                drop(place);
            });
        }
    }

    async fn talk(self, stream: TcpStream, address: SocketAddr, tls: Option<TlsAcceptor>) {
        // Linux takes no packet from outside that claims to come from here.
        let is_local = stream.local_addr().is_ok_and(|own| own.ip().to_canonical() == address.ip().to_canonical());
        let peer = Peer { address, is_local, is_encrypted: tls.is_some() };
        let Some(tls) = tls else { return self.converse(stream, peer).await };
        match timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.converse(stream, peer).await,
            Ok(Err(error)) => tracing::debug!(%error, from = %address.ip(), "no TLS came about"),
            Err(_) => tracing::debug!(from = %address.ip(), "no TLS came about in time"),
        }
    }

    async fn converse(self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer) {
        let Self { router, mut stopping, open: _open, .. } = self;
        let router = TowerToHyperService::new(router);
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            router.call(request.map(Body::new))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(Patient::new(stream, TAKEN_WITHIN)), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            _ = stopping.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, from = %peer.address.ip(), "a connection broke");
        }
    }
}

/// A connection that was gone before it was accepted.
fn is_the_clients(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
