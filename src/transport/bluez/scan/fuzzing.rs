//! What BlueZ says of devices, as anybody on the air makes it say; called by [`fuzzing`](crate::fuzzing).

use std::collections::{BTreeMap, HashMap};

use bluer::{DeviceEvent, DeviceProperty};

use super::{Table, limits, parse_manufacturer, parse_service};
use crate::protocol::beacon::{Advertisement, Beacon, COMPANY_ID, parse_pairing};
use crate::protocol::gatt::{self, Uuid};
use crate::transport::Address;

/// Devices that are said to be known, by the last byte of their address.
const KNOWN: u8 = 3;

/// Bytes as what a scan is told: for each thing a command, a device, and as many bytes of data as it says.
pub fn bluez(data: &[u8]) {
    let mut rest = data;
    let mut table = Table::default();
    // What each device that is followed has said last and nobody was told.
    let mut untold: BTreeMap<Address, Advertisement> = BTreeMap::new();
    let mut followed: BTreeMap<Address, bool> = BTreeMap::new();
    while let [command, device, length, tail @ ..] = rest {
        let (data, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        let address = Address([0x54, 0xD2, 0x72, 0, 0, *device]);
        let said = match command % 8 {
            0 => {
                let is_known = *device < KNOWN;
                let evicted = table.insert(address, is_known);
                untold.remove(&address);
                followed.insert(address, is_known);
                if let Some(evicted) = evicted {
                    assert_eq!(followed.remove(&evicted), Some(false), "a device of ours is never pushed out");
                    untold.remove(&evicted);
                }
                None
            }
            1 => {
                table.remove(address);
                followed.remove(&address);
                untold.remove(&address);
                None
            }
            2 => {
                take(&mut table, &mut untold);
                None
            }
            3 => {
                let rssi = data.first_chunk().map(|bytes| i16::from_le_bytes(*bytes)).unwrap_or_default();
                table.event(address, DeviceEvent::PropertyChanged(DeviceProperty::Rssi(rssi)));
                None
            }
            4 => {
                let data = HashMap::from([(COMPANY_ID, data.to_vec()), (COMPANY_ID ^ 1, vec![2])]);
                let said = parse_manufacturer(&data);
                let expected = data.get(&COMPANY_ID).and_then(|data| Beacon::parse(data)).map(Advertisement::Beacon);
                assert_eq!(said, expected, "a beacon is Apple's data and nobody else's");
                table.event(address, DeviceEvent::PropertyChanged(DeviceProperty::ManufacturerData(data)));
                said
            }
            5 => {
                let data = HashMap::from([(u16::from(*device), data.to_vec())]);
                table.event(address, DeviceEvent::PropertyChanged(DeviceProperty::ManufacturerData(data.clone())));
                parse_manufacturer(&data)
            }
            kind => {
                let (uuid, data) = data.split_at_checked(16).unwrap_or_default();
                let uuid = uuid.first_chunk().map_or(gatt::lock::PAIRING_SERVICE, |uuid| Uuid::from_be_bytes(*uuid));
                let uuid = if kind == 6 { uuid } else { gatt::opener::PAIRING_SERVICE };
                let data = HashMap::from([(bluer::Uuid::from_u128(uuid.0), data.to_vec())]);
                let said = parse_service(&data);
                let expected = data.values().next().and_then(|data| parse_pairing(uuid, data));
                assert_eq!(said, expected.map(|(mode, id)| Advertisement::Pairing(mode, id)));
                table.event(address, DeviceEvent::PropertyChanged(DeviceProperty::ServiceData(data)));
                said
            }
        };
        if let Some(said) = said.filter(|_| followed.contains_key(&address)) {
            untold.insert(address, said);
        }
        let strangers = followed.values().filter(|is_known| !**is_known).count();
        assert!(strangers <= limits::TRACKED, "a flood is bounded");
        assert!(table.waiting.len() <= table.devices.len(), "one thing is told of each");
        assert_eq!(table.has_news(), !untold.is_empty(), "what was said is told, and nothing else");
    }
    while take(&mut table, &mut untold) {}
    assert!(untold.is_empty(), "everything is told in the end");
}

/// The next thing that is told is the newest that this device has said.
fn take(table: &mut Table, untold: &mut BTreeMap<Address, Advertisement>) -> bool {
    let Some(sighting) = table.take() else { return false };
    assert_eq!(untold.remove(&sighting.address), Some(sighting.advertisement), "the newest is told, once");
    true
}
