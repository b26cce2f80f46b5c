//! An open connection: values in, messages out, and its end.

use bluer::gatt::WriteOp;
use bluer::gatt::remote::CharacteristicWriteRequest;
use bluer::{Device, DeviceEvent, DeviceProperty};
use futures::future::BoxFuture;
use futures::stream::{BoxStream, SelectAll};
use futures::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use super::connect::{Attached, Hangup, Silence};
use super::errors::{self, Stage};
use super::table::Found;
use super::{limited, limits};
use crate::protocol::gatt::Characteristic;
use crate::transport::{Indication, Link, LinkWriter, TransportError, TransportErrorKind as Kind};

/// What happens to the device.
pub(super) type Events = BoxStream<'static, DeviceEvent>;
/// What the device indicates; in order for each characteristic.
pub(super) type Values = SelectAll<BoxStream<'static, Indication>>;

/// Turns an open connection into a link, watched by a task of its own.
pub(super) fn start(attached: Attached, hangup: Hangup) -> Link {
    let Attached { device, generation, characteristics, events, values, silence } = attached;
    let (sender, indications) = mpsc::channel(limits::INDICATION_QUEUE);
    let (stop, stopped) = oneshot::channel();
    let watch = Watch { device, events, values, sender, stopped, silence: Some(silence) };
    let task = tokio::spawn(watch.run(hangup));
    Link { generation, indications, writer: Box::new(Writer { characteristics, stop: Some(stop), task }) }
}

struct Watch {
    device: Device,
    events: Events,
    values: Values,
    sender: mpsc::Sender<Indication>,
    /// Ends, without a value, when the writer is dropped or wants to disconnect.
    stopped: oneshot::Receiver<()>,
    /// Until what is most urgent has been said.
    silence: Option<Silence>,
}

enum End {
    /// By us.
    Wanted,
    /// BlueZ says that it is gone.
    Lost,
    /// Something is wrong; the connection may still be there.
    Broken,
}

impl Watch {
    async fn run(mut self, hangup: Hangup) -> Result<(), TransportError> {
        let end = self.forward().await;
        if let End::Lost = end {
            // The last words: a lock may say "complete" and leave at once.
            while let Some(Some(value)) = self.values.next().now_or_never() {
                if self.sender.try_send(value).is_err() {
                    break;
                }
            }
        }
        // The reader learns of the end before the disconnect, which takes 2 s.
        drop((self.sender, self.stopped, self.silence));
        let result = match end {
            End::Lost => {
                hangup.done();
                Ok(())
            }
            End::Wanted | End::Broken => hangup.finish().await.map(drop),
        };
        // Not earlier: while we are connected, the end of a subscription is written
        // to the lock, which forgets it anyway at the disconnect.
        drop(self.values);
        result
    }

    async fn forward(&mut self) -> End {
        let mut check = interval_at(Instant::now() + limits::LIVENESS, limits::LIVENESS);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let silent_until = Instant::now() + limits::SILENT_LINK;
        loop {
            tokio::select! {
                // In order of appearance: values that came before the end are passed on before it.
                biased;
                _ = &mut self.stopped => return End::Wanted,
                value = self.values.next() => {
                    let Some(value) = value else { return End::Lost };
                    tokio::select! {
                        _ = &mut self.stopped => return End::Wanted,
                        sent = timeout(limits::STALLED_READER, self.sender.send(value)) => match sent {
                            Ok(Ok(())) => {}
                            Ok(Err(_)) => return End::Wanted,
                            Err(_) => {
                                tracing::warn!(address = %self.device.address(), "indications are not read; disconnecting");
                                return End::Broken;
                            }
                        },
                    }
                }
                event = self.events.next() => match event {
                    Some(DeviceEvent::PropertyChanged(DeviceProperty::Connected(false))) | None => return End::Lost,
                    Some(_) => {}
                },
                () = self.sender.closed() => return End::Wanted,
                () = sleep_until(silent_until), if self.silence.is_some() => self.silence = None,
                _ = check.tick() => {
                    let answer = self.device.is_connected();
                    match limited(Stage::Link, "checking the link", limits::CALL, answer).await {
                        Ok(true) => {}
                        Ok(false) => return End::Lost,
                        Err(error) => {
                            tracing::debug!(address = %self.device.address(), %error, "link check");
                            return End::Broken;
                        }
                    }
                }
            }
        }
    }
}

struct Writer {
    characteristics: Vec<Found>,
    /// Dropping it ends the link.
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), TransportError>>,
}

impl Writer {
    async fn write_value(&mut self, characteristic: Characteristic, value: &[u8]) -> Result<(), TransportError> {
        if self.stop.as_ref().is_none_or(oneshot::Sender::is_closed) {
            return Err(TransportError::new(Kind::LinkLost, "the link has ended"));
        }
        let Some((_, remote)) = self.characteristics.iter().find(|(other, _)| *other == characteristic) else {
            let detail = format!("this link has no {characteristic:?}");
            return Err(TransportError::new(Kind::MissingCharacteristic, detail));
        };
        // With response, which a lock insists on; BlueZ makes a long write of it where the MTU is small.
        let request = CharacteristicWriteRequest { op_type: WriteOp::Request, ..CharacteristicWriteRequest::default() };
        match timeout(limits::WRITE, remote.write_ext(value, &request)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(errors::translate(Stage::Link, "writing", &error)),
            Err(_) => {
                // The device takes one request at a time, so nothing more can be
                // written; and whether this one arrived, nobody knows.
                self.stop = None;
                Err(errors::elapsed(Stage::Link, "writing", limits::WRITE))
            }
        }
    }
}

impl LinkWriter for Writer {
    fn write(&mut self, characteristic: Characteristic, value: Vec<u8>) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move { self.write_value(characteristic, &value).await })
    }

    fn disconnect(mut self: Box<Self>) -> BoxFuture<'static, Result<(), TransportError>> {
        Box::pin(async move {
            self.stop = None;
            // The task keeps its own limits; none of its waits is without one.
            self.task.await.unwrap_or_else(|_| Err(TransportError::new(Kind::Other, "the link's task ended early")))
        })
    }
}
