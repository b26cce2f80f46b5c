//! A real adapter as the lock's radio: BlueZ serves its GATT table and advertises for it.
//!
//! As any radio it decides nothing. Two things are different from a lock's own: the address is the adapter's, and
//! BlueZ does not advertise by itself only while no central is connected, so that is done here.

mod advertisement;
mod central;
mod table;

use std::convert::Infallible;

use bluer::adv::{Advertisement, AdvertisementHandle};
use bluer::gatt::local::{Application, ApplicationHandle};
use bluer::{Adapter, AdapterEvent, DeviceEvent, DeviceProperty, ErrorKind, InternalErrorKind};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_stream::StreamMap;

use super::radio::ToRadio;
use super::{Event, RADIO_QUEUE};
use crate::protocol::gatt::Generation;
use crate::transport::bluez::{Stage, elapsed, explain, is_missing, limited, limits, switched_on, translate};
use crate::transport::{Address, TransportError, TransportErrorKind as Kind};

use advertisement::advertisement;
use central::Seat;
use table::{Request, application};

/// Said of calls about a device.
const LOOKING: &str = "looking at a device";
/// Requests of centrals that may wait; each central waits for the answer to its write.
const REQUEST_QUEUE: usize = 16;

/// Serves on this adapter, again and again when it was gone.
///
/// # Errors
/// When it cannot be served on for the first time, with what to do about it.
pub(super) async fn keep(
    adapter: &str,
    generation: Generation,
    events: mpsc::Sender<Event>,
) -> Result<Infallible, TransportError> {
    let mut air = Air::open(adapter, generation).await?;
    let mut id = 0;
    loop {
        id += 1;
        let (sender, to_radio) = mpsc::channel(RADIO_QUEUE);
        let error = match events.send(Event::RadioCame(id, sender)).await {
            Ok(()) => air.run(id, to_radio, &events).await,
            Err(_) => return std::future::pending().await,
        };
        if id == 1 && !air.was_on_air {
            return Err(error);
        }
        // If nobody listens, the whole task is about to be dropped.
        let _ = events.send(Event::RadioGone(id)).await;
        if air.was_on_air {
            tracing::warn!(adapter, %error, "off the air, until the adapter can be used again");
        } else {
            tracing::debug!(adapter, %error, "still off the air");
        }
        // What is left of it would be in the way of the next one.
        drop(air);
        air = again(adapter, generation).await;
    }
}

/// The adapter, as soon as it can be served on. Said once already that it cannot.
async fn again(adapter: &str, generation: Generation) -> Air {
    loop {
        tokio::time::sleep(limits::LIVENESS).await;
        match Air::open(adapter, generation).await {
            Ok(air) => return air,
            Err(error) => tracing::debug!(adapter, %error, "still off the air"),
        }
    }
}

struct Air {
    adapter: Adapter,
    address: Address,
    /// What is served, as long as the table is held.
    services: Vec<bluer::Uuid>,
    _table: ApplicationHandle,
    requests: mpsc::Receiver<Request>,
    changes: BoxStream<'static, AdapterEvent>,
    devices: StreamMap<Address, BoxStream<'static, DeviceEvent>>,
    wanted: Option<Advertisement>,
    on_air: Option<(Advertisement, AdvertisementHandle)>,
    was_on_air: bool,
    seat: Seat,
}

impl Air {
    async fn open(name: &str, generation: Generation) -> Result<Self, TransportError> {
        let adapter = switched_on(name).await?;
        let address = limited(Stage::Adapter, name, limits::CALL, adapter.address()).await?.into();
        let changes = limited(Stage::Adapter, name, limits::CALL, adapter.events()).await?.boxed();
        let (sender, requests) = mpsc::channel(REQUEST_QUEUE);
        let table = application(generation, &sender);
        let services = table.services.iter().map(|service| service.uuid).collect();
        let table = serve_table(&adapter, table).await?;
        check_advertising(&adapter).await?;
        let mut air = Self {
            adapter,
            address,
            services,
            _table: table,
            requests,
            changes,
            devices: StreamMap::new(),
            wanted: None,
            on_air: None,
            was_on_air: false,
            seat: Seat::default(),
        };
        // Whoever is connected already came for something else: a keyboard, perhaps.
        let known = limited(Stage::Adapter, name, limits::CALL, air.adapter.device_addresses()).await?;
        for address in known {
            air.follow(address.into()).await;
        }
        Ok(air)
    }

    /// Until the adapter is gone; the result says how that showed.
    async fn run(
        &mut self,
        id: u64,
        mut to_radio: mpsc::Receiver<ToRadio>,
        events: &mpsc::Sender<Event>,
    ) -> TransportError {
        let mut check = interval_at(Instant::now() + limits::LIVENESS, limits::LIVENESS);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let result = tokio::select! {
                message = to_radio.recv() => match message {
                    Some(message) => self.obey(message),
                    None => Err(TransportError::new(Kind::Other, "BlueZ did not keep up with the lock")),
                },
                Some(request) = self.requests.recv() => {
                    self.asked(request);
                    Ok(())
                }
                change = self.changes.next() => match change {
                    Some(change) => {
                        self.changed(change).await;
                        Ok(())
                    }
                    None => Err(explain(Kind::NoAdapter, format!("{} was removed", self.adapter.name()))),
                },
                Some((address, event)) = self.devices.next(), if !self.devices.is_empty() => {
                    match event {
                        DeviceEvent::PropertyChanged(DeviceProperty::Connected(true)) => self.connected(address).await,
                        DeviceEvent::PropertyChanged(DeviceProperty::Connected(false)) => self.seat.leave(address),
                        DeviceEvent::PropertyChanged(_) => {}
                    }
                    Ok(())
                }
                () = self.seat.progress() => Ok(()),
                _ = check.tick() => self.check().await,
            };
            // First the lock hears of it; then there is a new advertisement, or none any more.
            while let Some(message) = self.seat.said() {
                if events.send(Event::Radio(id, Ok(message))).await.is_err() {
                    return TransportError::new(Kind::Other, "the lock is gone");
                }
            }
            let result = match result {
                Ok(()) => self.advertise().await,
                Err(error) => Err(error),
            };
            if let Err(error) = result {
                return error;
            }
        }
    }

    fn obey(&mut self, message: ToRadio) -> Result<(), TransportError> {
        match message {
            ToRadio::Hello => Ok(()),
            ToRadio::Advertise(advertising) => {
                let wanted = advertisement(&advertising);
                let unknown = || TransportError::new(Kind::Other, "BlueZ cannot advertise what the lock does");
                self.wanted = Some(wanted.ok_or_else(unknown)?);
                Ok(())
            }
            ToRadio::Indicate { link, characteristic, value } => {
                self.seat.indicate(link, characteristic, value);
                Ok(())
            }
            ToRadio::Disconnect { link } => {
                if let Some(address) = self.seat.close(link) {
                    self.hang_up(address);
                }
                Ok(())
            }
            ToRadio::Error(error) => {
                // Mostly something that crossed with the end of its link.
                tracing::debug!(error, "the lock did not understand its radio");
                Ok(())
            }
        }
    }

    /// Puts on the air what is wanted there: nothing while a central is connected.
    async fn advertise(&mut self) -> Result<(), TransportError> {
        let Some(wanted) = self.wanted.as_ref().filter(|_| !self.seat.is_taken()) else {
            self.on_air = None;
            return Ok(());
        };
        if self.on_air.as_ref().is_some_and(|(advertisement, _)| advertisement == wanted) {
            return Ok(());
        }
        // The new one first: bluer cannot change what is registered, and dropping the old one does not wait.
        let call = self.adapter.advertise(wanted.clone());
        let handle = match tokio::time::timeout(limits::CALL, call).await {
            Ok(Ok(handle)) => handle,
            Ok(Err(error)) if error.kind == ErrorKind::NotPermitted => {
                let detail = format!("{} has no room left to advertise: {error}", self.adapter.name());
                return Err(TransportError::new(Kind::Busy, detail));
            }
            Ok(Err(error)) => return Err(translate(Stage::Adapter, "advertising", &error)),
            Err(_) => return Err(elapsed(Stage::Adapter, "advertising", limits::CALL)),
        };
        self.on_air = Some((wanted.clone(), handle));
        if !std::mem::replace(&mut self.was_on_air, true) {
            tracing::info!(adapter = self.adapter.name(), address = %self.address, "on the air");
        }
        Ok(())
    }

    fn asked(&mut self, request: Request) {
        match request {
            Request::Subscribe(characteristic, session) => self.seat.subscribe(characteristic, session),
            Request::Write(written) => {
                // Whoever writes is a central, also if the news of its link is still on its way.
                self.arrived(written.central);
                self.seat.write(written);
            }
        }
    }

    async fn changed(&mut self, change: AdapterEvent) {
        match change {
            AdapterEvent::DeviceAdded(address) => {
                self.follow(address.into()).await;
                let Ok(device) = self.adapter.device(address) else { return };
                let is_connected = limited(Stage::Adapter, LOOKING, limits::CALL, device.is_connected()).await;
                if is_connected.is_ok_and(|is_connected| is_connected) {
                    self.connected(address.into()).await;
                }
            }
            AdapterEvent::DeviceRemoved(address) => {
                self.devices.remove(&address.into());
                self.seat.leave(address.into());
            }
            AdapterEvent::PropertyChanged(_) => {}
        }
    }

    /// Watches a device from now on.
    async fn follow(&mut self, address: Address) {
        // Errors mean that the device is gone again, or that BlueZ is; the check finds that out. So everywhere here.
        let Ok(device) = self.adapter.device(address.into()) else { return };
        if let Ok(events) = limited(Stage::Adapter, LOOKING, limits::CALL, device.events()).await {
            self.devices.insert(address, events.boxed());
        }
    }

    async fn connected(&mut self, address: Address) {
        let Ok(device) = self.adapter.device(address.into()) else { return };
        // What is paired is a keyboard or the like: nobody who comes to a lock pairs with its adapter.
        let is_paired = limited(Stage::Adapter, LOOKING, limits::CALL, device.is_paired()).await;
        if is_paired.is_ok_and(|is_paired| !is_paired) {
            self.arrived(address);
        }
    }

    fn arrived(&mut self, address: Address) {
        if !self.seat.arrive(address) {
            tracing::debug!(%address, "a second central is sent away");
            self.hang_up(address);
        }
    }

    /// Ends a link, in the background.
    fn hang_up(&self, address: Address) {
        let adapter = self.adapter.clone();
        tokio::spawn(async move {
            let Ok(device) = adapter.device(address.into()) else { return };
            if let Err(error) = limited(Stage::Link, "disconnecting", limits::DISCONNECT, device.disconnect()).await {
                tracing::debug!(%address, %error, "hanging up");
            }
        });
    }

    /// Whether BlueZ still serves us. One that was killed says no goodbye, and one that was started again knows
    /// nothing of us; among the adapter's UUIDs are those of the services it serves.
    async fn check(&mut self) -> Result<(), TransportError> {
        let name = self.adapter.name();
        if !limited(Stage::Adapter, name, limits::CALL, self.adapter.is_powered()).await? {
            return Err(explain(Kind::NoAdapter, format!("{name} is switched off")));
        }
        let served = limited(Stage::Adapter, name, limits::CALL, self.adapter.uuids()).await?.unwrap_or_default();
        if self.services.iter().all(|service| served.contains(service)) {
            return Ok(());
        }
        Err(explain(Kind::ServiceUnavailable, format!("BlueZ no longer serves the lock on {name}")))
    }
}

/// Registers the GATT table.
async fn serve_table(adapter: &Adapter, table: Application) -> Result<ApplicationHandle, TransportError> {
    match tokio::time::timeout(limits::CALL, adapter.serve_gatt_application(table)).await {
        Ok(Ok(handle)) => Ok(handle),
        Ok(Err(error)) if is_missing(&error) => {
            let detail = "bluetoothd offers no GattManager1, so it is too old; 5.66 and 5.82 are known to work";
            Err(TransportError::new(Kind::Other, detail))
        }
        Ok(Err(error)) => Err(translate(Stage::Adapter, "serving the GATT table", &error)),
        Err(_) => Err(elapsed(Stage::Adapter, "serving the GATT table", limits::CALL)),
    }
}

/// Whether the adapter can be a peripheral.
async fn check_advertising(adapter: &Adapter) -> Result<(), TransportError> {
    let name = adapter.name();
    let free = match tokio::time::timeout(limits::CALL, adapter.supported_advertising_instances()).await {
        Ok(Ok(free)) => Some(free),
        Ok(Err(error)) if is_no_interface(&error) => None,
        Ok(Err(error)) => return Err(translate(Stage::Adapter, name, &error)),
        Err(_) => return Err(elapsed(Stage::Adapter, name, limits::CALL)),
    };
    // None is free and none is used where the controller has no such role.
    let active = limited(Stage::Adapter, name, limits::CALL, adapter.active_advertising_instances());
    if free.is_some_and(|free| free > 0) || free.is_some() && active.await? > 0 {
        return Ok(());
    }
    let detail =
        format!("{name} cannot advertise, so it cannot play a lock; that takes Bluetooth 4.0 and its peripheral role");
    Err(explain(Kind::NoAdapter, detail))
}

/// Whether a property was refused because its object has no such interface.
fn is_no_interface(error: &bluer::Error) -> bool {
    let invalid = "org.freedesktop.DBus.Error.InvalidArgs".to_owned();
    is_missing(error) || error.kind == ErrorKind::Internal(InternalErrorKind::DBus(invalid))
}
