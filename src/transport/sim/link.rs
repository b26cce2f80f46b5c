//! One simulated link: connecting, and the way of every value through connection events.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::door::DropAt;
use super::place::{Opened, Piece, Place};
use crate::protocol::gatt::Characteristic;
use crate::simlock::{Input, LinkId};
use crate::transport::{Indication, Link, LinkWriter, Purpose, TransportError, TransportErrorKind};

/// The MTU before it is negotiated.
const FIRST_MTU: u16 = 23;
/// ATT header in front of a written value.
const WRITE_HEADER: u16 = 3;
/// ATT header in front of a part of a long value.
const PREPARE_HEADER: u16 = 5;
/// Indications that may wait for the gateway before the next one is confirmed.
const INDICATION_QUEUE: usize = 32;
/// An interval of zero would spin for ever on a lost packet.
const SHORTEST: Duration = Duration::from_micros(1);

/// Connects to a lock, or waits in vain for one that does not exist.
pub(super) async fn connect(
    place: Option<Arc<Place>>,
    limit: Duration,
    purpose: Purpose,
) -> Result<Link, TransportError> {
    let attempt = async {
        match place {
            Some(place) => open(place, purpose).await,
            None => std::future::pending().await,
        }
    };
    match tokio::time::timeout(limit, attempt).await {
        Ok(result) => result,
        Err(_) => Err(TransportError::new(TransportErrorKind::Timeout, format!("no connection within {limit:?}"))),
    }
}

async fn open(place: Arc<Place>, purpose: Purpose) -> Result<Link, TransportError> {
    // A connection is asked for right after an advertisement.
    let interval = place.air.settings().advertising_interval;
    tokio::time::sleep(place.air.random_part(interval)).await;
    while !place.gets_through() {
        tokio::time::sleep(interval.max(SHORTEST)).await;
    }
    tokio::time::sleep(place.air.settings().connection_interval).await;
    let Opened { link, pieces, is_closed } = place.open(FIRST_MTU);
    let mtu = place.air.settings().mtu.max(FIRST_MTU);
    let generation = place.inspect(|lock| lock.device().generation());
    let line = Line { place, link, is_closed };
    let (jobs, jobs_in) = mpsc::channel(1);
    // From here on the writer closes the link if this future is dropped.
    let writer = SimWriter { line: line.clone(), jobs };
    let (to_gateway, indications) = mpsc::channel(INDICATION_QUEUE);
    tokio::spawn(line.clone().carry_indications(pieces, to_gateway));
    line.set_up(mtu, purpose)
        .await
        .map_err(|_| TransportError::new(TransportErrorKind::ConnectFailed, "the link was lost while it was set up"))?;
    tokio::spawn(line.carry_writes(jobs_in, mtu));
    Ok(Link { generation, indications, writer: Box::new(writer) })
}

/// The link is gone.
#[derive(Debug)]
struct Gone;

impl From<Gone> for TransportError {
    fn from(_: Gone) -> Self {
        Self::new(TransportErrorKind::LinkLost, "connection timeout (0x08)")
    }
}

#[derive(Debug)]
struct WriteJob {
    characteristic: Characteristic,
    value: Vec<u8>,
    done: oneshot::Sender<()>,
}

/// One link and what is needed to send over it.
#[derive(Debug, Clone)]
struct Line {
    place: Arc<Place>,
    link: LinkId,
    is_closed: watch::Receiver<bool>,
}

impl Line {
    async fn set_up(&self, mtu: u16, purpose: Purpose) -> Result<(), Gone> {
        let link = self.link;
        self.travel().await?;
        self.place.feed(Input::MtuChanged { link, mtu });
        self.travel().await?;
        if !self.place.discover() {
            for _ in 0..self.place.air.settings().discovery_round_trips {
                self.travel().await?;
                self.travel().await?;
            }
        }
        let wanted: &[Characteristic] = match purpose {
            Purpose::Pairing => &[Characteristic::PairingGdio],
            Purpose::Daily => &[Characteristic::KeyturnerUsdio, Characteristic::KeyturnerGdio],
        };
        for characteristic in wanted {
            self.travel().await?;
            let subscribed = Input::Subscribed { link, characteristic: *characteristic, indications: true };
            self.place.feed(subscribed);
            self.travel().await?;
        }
        Ok(())
    }

    /// One packet, sent again at each connection event until it gets through.
    async fn travel(&self) -> Result<(), Gone> {
        let mut is_closed = self.is_closed.clone();
        let crossing = async {
            let began = Instant::now();
            loop {
                let settings = self.place.air.settings();
                tokio::time::sleep(settings.connection_interval.max(SHORTEST)).await;
                if self.place.gets_through() {
                    return Ok(());
                }
                if began.elapsed() >= settings.supervision_timeout {
                    self.close();
                    return Err(Gone);
                }
            }
        };
        tokio::select! {
            biased;
            _ = is_closed.wait_for(|closed| *closed) => Err(Gone),
            crossed = crossing => crossed,
        }
    }

    fn close(&self) {
        self.place.close(self.link);
    }

    async fn carry_indications(self, mut pieces: mpsc::Receiver<Piece>, to_gateway: mpsc::Sender<Indication>) {
        let link = self.link;
        while let Some((characteristic, value)) = pieces.recv().await {
            if self.travel().await.is_err() || to_gateway.send(Indication { characteristic, value }).await.is_err() {
                break;
            }
            if self.place.is_drop_due(DropAt::indications, DropAt::AfterIndications) {
                break;
            }
            if self.travel().await.is_err() {
                break;
            }
            self.place.feed(Input::Confirmed { link });
        }
        self.close();
    }

    async fn carry_writes(self, mut jobs: mpsc::Receiver<WriteJob>, mtu: u16) {
        while let Some(job) = jobs.recv().await {
            // A dropped answer tells the writer that the link is gone.
            if self.carry_write(job, mtu).await.is_err() {
                break;
            }
        }
        self.close();
    }

    async fn carry_write(&self, job: WriteJob, mtu: u16) -> Result<(), Gone> {
        let WriteJob { characteristic, value, done } = job;
        if value.len() > usize::from(mtu - WRITE_HEADER) {
            for _ in value.chunks(usize::from(mtu - PREPARE_HEADER)) {
                self.travel().await?;
                self.travel().await?;
            }
        }
        self.travel().await?;
        if self.place.is_drop_due(DropAt::writes_before, DropAt::BeforeWrite) {
            return Err(Gone);
        }
        let link = self.link;
        self.place.feed(Input::Write { link, characteristic, value });
        if self.place.is_drop_due(DropAt::writes_after, DropAt::AfterWrites) {
            return Err(Gone);
        }
        self.travel().await?;
        // Nobody waits any more if the gateway gave up; the value has arrived all the same.
        let _ = done.send(());
        Ok(())
    }
}

struct SimWriter {
    line: Line,
    jobs: mpsc::Sender<WriteJob>,
}

impl LinkWriter for SimWriter {
    fn write(&mut self, characteristic: Characteristic, value: Vec<u8>) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move {
            let (done, answer) = oneshot::channel();
            self.jobs.send(WriteJob { characteristic, value, done }).await.map_err(|_| Gone)?;
            answer.await.map_err(|_| Gone.into())
        })
    }

    fn disconnect(self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(async move {
            // A link that is gone already is disconnected too.
            let _ = self.line.travel().await;
            self.line.close();
            Ok(())
        })
    }
}

impl Drop for SimWriter {
    fn drop(&mut self) {
        self.line.close();
    }
}
