//! Making a connection: the device, the call, the services, the subscriptions.

use std::sync::Arc;

use bluer::{Adapter, AdapterEvent, Device, DeviceEvent, DeviceProperty, ErrorKind};
use futures::StreamExt;
use futures::future::join_all;
use futures::stream::select_all;
use tokio::sync::{OwnedMutexGuard, oneshot, watch};
use tokio::time::timeout;

use super::errors::{self, Stage};
use super::link::{self, Values};
use super::table::{Found, Table};
use super::{Radio, Shared, filter, limited, limits, scan};
use crate::protocol::gatt::Generation;
use crate::transport::{Address, Indication, Link, Purpose, TransportError, TransportErrorKind as Kind};

/// Connects in a task of its own, so that a caller who gives up leaves nothing half open.
pub(super) async fn open(shared: Arc<Shared>, address: Address, purpose: Purpose) -> Result<Link, TransportError> {
    let (mut reply, answer) = oneshot::channel();
    tokio::spawn(async move {
        let result = tokio::select! {
            result = establish(&shared, address, purpose) => result,
            // What was begun is dropped, and its Hangup cancels it.
            () = reply.closed() => return,
        };
        // A link that nobody takes any more disconnects when it is dropped.
        let _ = reply.send(result);
    });
    answer.await.unwrap_or_else(|_| Err(TransportError::new(Kind::Other, "the connecting task ended early")))
}

async fn establish(shared: &Arc<Shared>, address: Address, purpose: Purpose) -> Result<Link, TransportError> {
    shared.add_known(address);
    let mut slot = shared.slot(address).await?;
    let mut last_chance = false;
    loop {
        let radio = shared.radio().await?;
        let device = present(&radio.adapter, address).await?;
        let mut hangup = Hangup::new(device.clone(), slot);
        let error = match attach(shared, &radio, &device, &mut hangup, purpose).await {
            Ok(attached) => return Ok(link::start(attached, hangup)),
            Err(error) => error,
        };
        slot = match hangup.finish().await {
            Ok(slot) => slot,
            Err(late) => {
                tracing::debug!(%address, %late, "disconnecting after a failed connection");
                return Err(error);
            }
        };
        if error.kind != Kind::MissingCharacteristic || last_chance {
            return Err(error);
        }
        // BlueZ keeps the table of services of the last connection, and a
        // firmware update changes it. Only forgetting the device forgets that.
        last_chance = true;
        shared.tables.forget(address);
        tracing::info!(%address, %error, "forgetting what BlueZ knows of the device, then trying once more");
        let removal = radio.adapter.remove_device(address.into());
        limited(Stage::Connect, "removing the device", limits::CALL, removal).await?;
    }
}

/// The device's object, which BlueZ has only of devices that it heard or was told to keep. It is trusted from here on:
/// that of an untrusted device is removed when an attempt fails, and with it everything that we are subscribed to.
async fn present(adapter: &Adapter, address: Address) -> Result<Device, TransportError> {
    let what = format!("looking for {address}");
    let device = adapter.device(address.into()).map_err(|error| errors::translate(Stage::Connect, &what, &error))?;
    match timeout(limits::CALL, device.set_trusted(true)).await {
        Ok(Ok(())) => return Ok(device),
        Ok(Err(error)) if errors::is_missing(&error) => {}
        Ok(Err(error)) => return Err(errors::translate(Stage::Connect, "trusting the device", &error)),
        // Nothing but bluetoothd is involved.
        Err(_) => return Err(errors::elapsed(Stage::Adapter, &what, limits::CALL)),
    }
    // Joins the discovery that runs anyway; if none does, runs one for as long as this takes.
    let mut heard = scan::discover(adapter).await?;
    let appeared = async {
        while let Some(event) = heard.next().await {
            if matches!(event, AdapterEvent::DeviceAdded(other) if Address::from(other) == address) {
                return true;
            }
        }
        false
    };
    if timeout(limits::FIRST_HEARD, appeared).await.unwrap_or(false) {
        limited(Stage::Connect, "trusting the device", limits::CALL, device.set_trusted(true)).await?;
        return Ok(device);
    }
    let seconds = limits::FIRST_HEARD.as_secs();
    Err(TransportError::new(Kind::ConnectFailed, format!("{address} was not heard within {seconds} s")))
}

/// An open connection, before it becomes a link.
pub(super) struct Attached {
    pub(super) device: Device,
    pub(super) generation: Generation,
    pub(super) characteristics: Vec<Found>,
    pub(super) events: link::Events,
    pub(super) values: Values,
    pub(super) silence: Silence,
}

async fn attach(
    shared: &Shared,
    radio: &Radio,
    device: &Device,
    hangup: &mut Hangup,
    purpose: Purpose,
) -> Result<Attached, TransportError> {
    let attempt = Arc::clone(&shared.attempt).lock_owned();
    let turn = timeout(limits::OTHER_ATTEMPT, attempt)
        .await
        .map_err(|_| TransportError::new(Kind::Busy, "another connection attempt does not end"))?;
    hangup.attempt = Some(turn);
    let silence = Silence::ask(shared, radio).await;
    dial(device).await?;
    hangup.attempt = None;

    // Events first, then the questions, so that nothing falls between them.
    let mut events = limited(Stage::Link, "watching the device", limits::CALL, device.events()).await?.boxed();
    resolved(device, &mut events).await?;
    let table = match shared.tables.known(device, purpose).await {
        Some(table) => table,
        None => shared.tables.find(device, purpose).await?,
    };
    let Table { generation, characteristics, .. } = table;

    // Before the first write: bluer listens for values only once StartNotify has answered.
    // All at once: bluer still sends the second when the first is answered, but does not wait for us in between.
    // Each is waited for, because one that is begun and forgotten could not be ended.
    let subscribed = characteristics
        .iter()
        .map(|(_, remote)| limited(Stage::Link, "subscribing", limits::SUBSCRIBE, remote.notify()));
    let streams: Vec<_> = join_all(subscribed).await.into_iter().collect::<Result<_, _>>()?;
    let values = select_all(characteristics.iter().zip(streams).map(|((characteristic, _), stream)| {
        let characteristic = *characteristic;
        stream.map(move |value| Indication { characteristic, value }).boxed()
    }));
    Ok(Attached { device: device.clone(), generation, characteristics, events, values, silence })
}

/// Waits until BlueZ knows the services of a device that it is connected to: it answers `Connect` before.
async fn resolved(device: &Device, events: &mut link::Events) -> Result<(), TransportError> {
    let lost = |when| TransportError::new(Kind::LinkLost, format!("lost {when}"));
    let (is_connected, is_resolved) = tokio::try_join!(
        limited(Stage::Link, "watching the device", limits::CALL, device.is_connected()),
        limited(Stage::Link, "watching the device", limits::CALL, device.is_services_resolved()),
    )?;
    if !is_connected {
        return Err(lost("right after connecting"));
    }
    if is_resolved {
        return Ok(());
    }
    let wait = async {
        loop {
            match events.next().await {
                Some(DeviceEvent::PropertyChanged(DeviceProperty::ServicesResolved(true))) => return Ok(()),
                Some(DeviceEvent::PropertyChanged(DeviceProperty::Connected(false))) | None => {
                    return Err(lost("during service discovery"));
                }
                Some(_) => {}
            }
        }
    };
    match timeout(limits::SERVICES, wait).await {
        Ok(result) => result,
        Err(_) => Err(errors::elapsed(Stage::Link, "service discovery", limits::SERVICES)),
    }
}

/// `Device1.Connect`, under our own time limit; the caller's [`Hangup`] cancels what is left of it.
///
/// A controller that is busy with something else, such as another program's
/// connection, shows as InProgress or as an abort by the local side: one more attempt, a moment later.
async fn dial(device: &Device) -> Result<(), TransportError> {
    let call = || async {
        match device.connect().await {
            Err(error) if error.kind == ErrorKind::AlreadyConnected => Ok(()),
            result => result,
        }
    };
    match timeout(limits::CONNECT, call()).await {
        Err(_) => Err(errors::elapsed(Stage::Connect, "connecting", limits::CONNECT)),
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if errors::is_transient(&error) => {
            tracing::debug!(%error, "connecting once more");
            tokio::time::sleep(limits::BEFORE_SECOND_ATTEMPT).await;
            limited(Stage::Connect, "connecting, second attempt", limits::CONNECT, call()).await
        }
        Ok(Err(error)) => Err(errors::translate(Stage::Connect, "connecting", &error)),
    }
}

/// Discovery is off as long as this lives, as far as it is ours.
///
/// BlueZ allows a connection while it discovers, but the kernel then does not
/// listen for the one device: it waits until discovery happens to report it,
/// and the controller reports each packet once per scan of 10.24 s. Measured on
/// BlueZ 5.82 and Linux 6.12, up to the subscriptions: 4.5 to 9 s during discovery, 0.5 to 0.8 s without.
///
/// It lasts until the link has said what somebody waits for at the door
/// ([`limits::SILENT_LINK`]): a discovery that begins takes the radio, and bluer reads all that BlueZ knows.
pub(super) struct Silence(watch::Sender<u32>);

impl Silence {
    async fn ask(shared: &Shared, radio: &Radio) -> Self {
        shared.silence.send_modify(|wanted| *wanted += 1);
        let silence = Self(shared.silence.clone());
        // The filter can be set only while no discovery of ours runs, and bluer
        // first waits for the answer to StopDiscovery: so this tells when it is over.
        let stopped = async {
            // First of all whoever scans has to hear of it; behind that one question is enough.
            tokio::task::yield_now().await;
            while radio.adapter.set_discovery_filter(filter()).await.is_err() {
                tokio::time::sleep(limits::SILENCE_CHECK).await;
            }
        };
        if timeout(limits::SILENCE, stopped).await.is_err() {
            tracing::debug!("discovery does not stop; connecting all the same");
        }
        silence
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.0.send_modify(|wanted| *wanted = wanted.saturating_sub(1));
    }
}

/// The duty to disconnect, and the right to use the device until that is done.
///
/// Dropping it disconnects in the background and only then lets the next link
/// to the device begin; `Disconnect` also cancels a `Connect` that is under way.
pub(super) struct Hangup {
    held: Option<(Device, OwnedMutexGuard<()>)>,
    /// The turn to connect, while an attempt is under way.
    attempt: Option<OwnedMutexGuard<()>>,
}

impl Hangup {
    fn new(device: Device, slot: OwnedMutexGuard<()>) -> Self {
        Self { held: Some((device, slot)), attempt: None }
    }

    /// Disconnects now, and hands the right to use the device back.
    pub(super) async fn finish(mut self) -> Result<OwnedMutexGuard<()>, TransportError> {
        let Some((device, slot)) = self.held.take() else {
            return Err(TransportError::new(Kind::Other, "disconnected twice"));
        };
        let attempt = self.attempt.take();
        // In a task, so that dropping this future does not break it off.
        let task = tokio::spawn(async move {
            let result = disconnect(&device).await;
            drop(attempt);
            result.map(|()| slot)
        });
        task.await.unwrap_or_else(|_| Err(TransportError::new(Kind::Other, "the disconnecting task ended early")))
    }

    /// The link is gone already: nothing to do.
    pub(super) fn done(mut self) {
        self.held = None;
    }
}

impl Drop for Hangup {
    fn drop(&mut self) {
        let attempt = self.attempt.take();
        if let Some((device, slot)) = self.held.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                if let Err(error) = disconnect(&device).await {
                    tracing::debug!(address = %device.address(), %error, "disconnecting in the background");
                }
                drop((slot, attempt));
            });
        }
    }
}

async fn disconnect(device: &Device) -> Result<(), TransportError> {
    let call = async {
        match device.disconnect().await {
            // "Not connected", or the object went with the link: there is nothing left to end.
            Err(error) if errors::is_missing(&error) || errors::is_not_connected(&error) => Ok(()),
            result => result,
        }
    };
    limited(Stage::Link, "disconnecting", limits::DISCONNECT, call).await
}
