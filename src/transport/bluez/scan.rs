//! Listening to advertisements.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bluer::{Adapter, AdapterEvent, DeviceEvent, DeviceProperty, Session};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_stream::StreamMap;

use super::errors::Stage;
use super::{Radio, Shared, limited, limits};
use crate::protocol::beacon::{Advertisement, Beacon, COMPANY_ID, parse_pairing};
use crate::protocol::gatt::Uuid;
use crate::transport::{Address, Sighting, TransportError, TransportErrorKind};

/// First half of every Nuki address.
const OUI: [u8; 3] = [0x54, 0xD2, 0x72];
/// How every Nuki name begins.
const NAME_PREFIX: &str = "Nuki_";

type Discovery = BoxStream<'static, AdapterEvent>;

pub(super) async fn start(shared: Arc<Shared>) -> Result<mpsc::Receiver<Sighting>, TransportError> {
    let mut radio = shared.radio().await?;
    let discovery = match discover(&radio.adapter).await {
        // A discovery whose start we gave up on may still be ours in BlueZ's
        // books, and can only be stopped by leaving the bus.
        Err(error) if error.kind == TransportErrorKind::Busy => {
            tracing::debug!(%error, "starting discovery on a new connection");
            shared.forget_radio().await;
            radio = shared.radio().await?;
            discover(&radio.adapter).await
        }
        other => other,
    };
    let discovery = match discovery {
        Ok(discovery) => discovery,
        Err(error) => {
            if shared.adapters.len() > 1 {
                shared.shun(radio.adapter.name());
                shared.forget_radio().await;
            }
            return Err(error);
        }
    };
    let (sender, receiver) = mpsc::channel(limits::SIGHTING_QUEUE);
    let silence = shared.silence.subscribe();
    let Radio { session, adapter } = radio;
    let scan = Scan { shared, session, adapter, table: Table::default(), streams: StreamMap::new() };
    tokio::spawn(scan.run(discovery, sender, silence));
    Ok(receiver)
}

/// Starts discovery, or joins one that runs; it stops when the last stream is dropped.
pub(super) async fn discover(adapter: &Adapter) -> Result<Discovery, TransportError> {
    let stream = limited(Stage::Adapter, "starting discovery", limits::START_SCAN, adapter.discover_devices()).await?;
    Ok(stream.boxed())
}

struct Scan {
    shared: Arc<Shared>,
    session: Session,
    adapter: Adapter,
    table: Table,
    streams: StreamMap<Address, BoxStream<'static, DeviceEvent>>,
}

impl Scan {
    async fn run(mut self, discovery: Discovery, sender: mpsc::Sender<Sighting>, mut silence: watch::Receiver<u32>) {
        let mut discovery = Some(discovery);
        let mut begun = Instant::now();
        let mut better_since = None;
        let mut check = interval_at(Instant::now() + limits::LIVENESS, limits::LIVENESS);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reason = loop {
            tokio::select! {
                () = sender.closed() => break "nobody listens",
                changed = silence.changed() => {
                    let wanted = *silence.borrow_and_update() > 0;
                    match (changed, wanted, discovery.is_some()) {
                        (Err(_), ..) => break "the transport is gone",
                        (_, true, _) => discovery = None,
                        (_, false, false) => {
                            begun = Instant::now();
                            if !begin_anew(&self.adapter, &mut discovery).await {
                                break "discovery did not resume";
                            }
                        }
                        (_, false, true) => {}
                    }
                }
                event = next(&mut discovery), if discovery.is_some() => match event {
                    Some(AdapterEvent::DeviceAdded(address)) => self.look_at(address.into()).await,
                    Some(AdapterEvent::DeviceRemoved(address)) => self.forget(address.into()),
                    Some(AdapterEvent::PropertyChanged(_)) => {}
                    None => break "BlueZ ended discovery",
                },
                Some((address, event)) = self.streams.next(), if !self.streams.is_empty() => {
                    self.table.event(address, event);
                }
                permit = sender.reserve(), if self.table.has_news() => {
                    let Ok(permit) = permit else { break "nobody listens" };
                    if let Some(sighting) = self.table.take() {
                        permit.send(sighting);
                    }
                }
                () = sleep_until(begun + limits::RENEW_SCAN), if discovery.is_some() => {
                    begun = Instant::now();
                    if !begin_anew(&self.adapter, &mut discovery).await {
                        break "discovery did not start again";
                    }
                }
                _ = check.tick(), if discovery.is_some() => {
                    if !self.shared.has_better(&self.session, self.adapter.name()).await {
                        better_since = None;
                    } else if better_since.get_or_insert_with(Instant::now).elapsed() >= limits::BETTER_FOR {
                        // Links that are up go on where they are; the next one is made on the other adapter.
                        self.shared.forget_radio().await;
                        break "a preferred adapter is back";
                    }
                    let answer = self.adapter.is_discovering();
                    match limited(Stage::Adapter, "checking discovery", limits::CALL, answer).await {
                        Ok(true) => {}
                        Ok(false) => break "discovery is off",
                        Err(error) => {
                            tracing::debug!(%error, "scan check");
                            break "BlueZ does not answer";
                        }
                    }
                }
            }
        };
        tracing::debug!(reason, "scan ended");
    }

    /// Follows a device that looks like Nuki, and reports what it said last.
    async fn look_at(&mut self, address: Address) {
        if self.streams.contains_key(&address) {
            return;
        }
        // Errors mean that the device is gone again, or that BlueZ is; the check of the scan finds that out.
        let Ok(device) = self.adapter.device(address.into()) else { return };
        let what = "looking at a device";
        let Ok(manufacturer) = limited(Stage::Adapter, what, limits::CALL, device.manufacturer_data()).await else {
            return;
        };
        let beacon = manufacturer.as_ref().and_then(parse_manufacturer);
        let Ok(service) = limited(Stage::Adapter, what, limits::CALL, device.service_data()).await else { return };
        let is_pairing = service.as_ref().and_then(parse_service).is_some();
        // The first packet of a lock may be one for HomeKit; hence address and name.
        let known = self.shared.is_known(address);
        let looks_right = known || beacon.is_some() || is_pairing || address.0.starts_with(&OUI) || {
            let name = limited(Stage::Adapter, what, limits::CALL, device.name()).await;
            name.is_ok_and(|name| name.is_some_and(|name| name.starts_with(NAME_PREFIX)))
        };
        if !looks_right {
            return;
        }
        let Ok(events) = limited(Stage::Adapter, what, limits::CALL, device.events()).await else { return };
        let Ok(rssi) = limited(Stage::Adapter, what, limits::CALL, device.rssi()).await else { return };
        if let Some(evicted) = self.table.insert(address, known) {
            self.streams.remove(&evicted);
        }
        self.streams.insert(address, events.boxed());
        self.table.rssi(address, rssi);
        if let Some(advertisement) = said_before(beacon, rssi) {
            self.table.news(address, advertisement);
        }
    }

    fn forget(&mut self, address: Address) {
        self.streams.remove(&address);
        self.table.remove(address);
    }
}

/// Starts discovery; false if it does not start. What ran is dropped first: bluer then stops it before.
async fn begin_anew(adapter: &Adapter, discovery: &mut Option<Discovery>) -> bool {
    drop(discovery.take());
    match discover(adapter).await {
        Ok(stream) => *discovery = Some(stream),
        Err(error) => tracing::debug!(%error, "discovery did not start"),
    }
    discovery.is_some()
}

async fn next(discovery: &mut Option<Discovery>) -> Option<AdapterEvent> {
    match discovery {
        Some(stream) => stream.next().await,
        None => None,
    }
}

/// What a device said before it was followed, as BlueZ keeps it. Without a signal strength that is from an earlier
/// discovery. Pairing mode is not believed at all: BlueZ keeps its data for as long as it knows the device, long after
/// the lock has left that mode and another one is held to be paired. The next packet tells.
fn said_before(beacon: Option<Advertisement>, rssi: Option<i16>) -> Option<Advertisement> {
    rssi.and(beacon)
}

fn parse_manufacturer(data: &HashMap<u16, Vec<u8>>) -> Option<Advertisement> {
    data.get(&COMPANY_ID).and_then(|data| Beacon::parse(data)).map(Advertisement::Beacon)
}

fn parse_service(data: &HashMap<bluer::Uuid, Vec<u8>>) -> Option<Advertisement> {
    data.iter()
        .find_map(|(uuid, data)| parse_pairing(Uuid(uuid.as_u128()), data))
        .map(|(mode, id)| Advertisement::Pairing(mode, id))
}

/// The devices that are followed, and what they said that nobody was told yet.
///
/// Bounded twice over: at most [`limits::TRACKED`] strangers, and at most one untold
/// sighting for each, the newest. A slow reader loses repetitions, never a
/// device; a flood of made-up locks pushes out made-up locks, because a real
/// one is heard again every second and known ones stay whatever happens.
#[derive(Default)]
struct Table {
    devices: HashMap<Address, Tracked>,
    /// Devices with something to tell, longest waiting first.
    waiting: VecDeque<Address>,
    clock: u64,
}

#[derive(Default)]
struct Tracked {
    known: bool,
    rssi: Option<i16>,
    heard: u64,
    news: Option<Advertisement>,
}

impl Table {
    /// Adds a device; the result is the one that had to go for it.
    fn insert(&mut self, address: Address, known: bool) -> Option<Address> {
        self.clock += 1;
        let strangers = self.devices.iter().filter(|(_, tracked)| !tracked.known);
        let evicted = if !known && !self.devices.contains_key(&address) && strangers.clone().count() >= limits::TRACKED
        {
            strangers.min_by_key(|(_, tracked)| tracked.heard).map(|(address, _)| *address)
        } else {
            None
        };
        if let Some(evicted) = evicted {
            self.remove(evicted);
        }
        // An older self may still wait to be told.
        self.remove(address);
        let heard = self.clock;
        self.devices.insert(address, Tracked { known, heard, ..Tracked::default() });
        evicted
    }

    fn remove(&mut self, address: Address) {
        self.devices.remove(&address);
        self.waiting.retain(|waiting| *waiting != address);
    }

    /// Takes in a change.
    fn event(&mut self, address: Address, DeviceEvent::PropertyChanged(property): DeviceEvent) {
        let advertisement = match property {
            DeviceProperty::Rssi(rssi) => {
                self.rssi(address, Some(rssi));
                None
            }
            DeviceProperty::ManufacturerData(data) => parse_manufacturer(&data),
            DeviceProperty::ServiceData(data) => parse_service(&data),
            _ => None,
        };
        if let Some(advertisement) = advertisement {
            self.news(address, advertisement);
        }
    }

    fn rssi(&mut self, address: Address, rssi: Option<i16>) {
        if let Some(tracked) = self.devices.get_mut(&address) {
            tracked.rssi = rssi;
        }
    }

    fn news(&mut self, address: Address, advertisement: Advertisement) {
        self.clock += 1;
        if let Some(tracked) = self.devices.get_mut(&address) {
            tracked.heard = self.clock;
            if tracked.news.replace(advertisement).is_none() {
                self.waiting.push_back(address);
            }
        }
    }

    fn has_news(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn take(&mut self) -> Option<Sighting> {
        let address = self.waiting.pop_front()?;
        let tracked = self.devices.get_mut(&address)?;
        Some(Sighting { address, rssi: tracked.rssi, advertisement: tracked.news.take()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::beacon::Family;

    fn address(number: u16) -> Address {
        let [high, low] = number.to_be_bytes();
        Address([0x54, 0xD2, 0x72, 0, high, low])
    }

    fn beacon(changed: bool) -> Beacon {
        let tx_power = if changed { -59 } else { -60 };
        Beacon { nuki_id: 0x1A2B_3C4D, family: Family::Lock, state_changed: changed, tx_power }
    }

    fn manufacturer(data: Vec<u8>) -> DeviceEvent {
        DeviceEvent::PropertyChanged(DeviceProperty::ManufacturerData(HashMap::from([(COMPANY_ID, data)])))
    }

    #[test]
    fn a_slow_reader_gets_the_newest_sighting_of_each_device() {
        let mut table = Table::default();
        table.insert(address(1), false);
        table.insert(address(2), false);
        table.event(address(1), manufacturer(beacon(false).to_bytes().to_vec()));
        table.event(address(2), manufacturer(beacon(false).to_bytes().to_vec()));
        table.event(address(1), manufacturer(beacon(true).to_bytes().to_vec()));
        table.event(address(1), DeviceEvent::PropertyChanged(DeviceProperty::Rssi(-71)));
        let newest = Advertisement::Beacon(beacon(true));
        assert_eq!(table.take(), Some(Sighting { address: address(1), rssi: Some(-71), advertisement: newest }));
        assert_eq!(table.take().map(|s| s.address), Some(address(2)));
        assert!(!table.has_news() && table.take().is_none());
    }

    #[test]
    fn foreign_data_are_no_news() {
        let mut table = Table::default();
        table.insert(address(1), false);
        // HomeKit, from the same lock
        table.event(address(1), manufacturer(vec![0x06, 0x31, 0x00, 0x9e]));
        table.event(address(1), DeviceEvent::PropertyChanged(DeviceProperty::Connected(true)));
        // Someone who is not followed
        table.event(address(9), manufacturer(beacon(true).to_bytes().to_vec()));
        assert!(!table.has_news());
    }

    #[test]
    fn a_flood_of_strangers_pushes_out_strangers_only() {
        let mut table = Table::default();
        table.insert(address(0), true);
        table.insert(address(1), false);
        for number in 2..5000 {
            let evicted = table.insert(address(number), false);
            assert_ne!(evicted, Some(address(0)));
            table.event(address(number), manufacturer(beacon(true).to_bytes().to_vec()));
            // A real lock that is not ours yet goes on advertising.
            table.event(address(1), manufacturer(beacon(false).to_bytes().to_vec()));
        }
        assert_eq!(table.devices.len(), limits::TRACKED + 1);
        assert!(table.waiting.len() <= limits::TRACKED + 1);
        assert!(table.devices.contains_key(&address(0)) && table.devices.contains_key(&address(1)));
    }

    #[test]
    fn a_beacon_that_was_heard_counts_at_once_and_pairing_mode_when_it_is_heard_again() {
        let beacon = Some(Advertisement::Beacon(beacon(true)));
        assert_eq!(said_before(beacon, Some(-70)), beacon);
        assert_eq!(said_before(beacon, None), None, "from an earlier discovery");
        let mut table = Table::default();
        table.insert(address(1), false);
        let uuid = bluer::Uuid::from_u128(crate::protocol::gatt::lock::PAIRING_SERVICE_5TH_GEN.0);
        let data = HashMap::from([(uuid, vec![0x1A, 0x2B, 0x3C, 0x4D])]);
        table.event(address(1), DeviceEvent::PropertyChanged(DeviceProperty::ServiceData(data)));
        assert!(table.take().is_some_and(|sighting| matches!(sighting.advertisement, Advertisement::Pairing(..))));
    }

    #[test]
    fn service_data_of_pairing_mode() {
        let uuid = bluer::Uuid::from_u128(crate::protocol::gatt::lock::PAIRING_SERVICE_5TH_GEN.0);
        let data = HashMap::from([(bluer::Uuid::from_u128(7), vec![1]), (uuid, vec![0x1A, 0x2B, 0x3C, 0x4D])]);
        let mode = crate::protocol::beacon::PairingMode::Lock5thGen;
        assert_eq!(parse_service(&data), Some(Advertisement::Pairing(mode, 0x1A2B_3C4D)));
    }
}
