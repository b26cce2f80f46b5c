//! What the lock advertises, in BlueZ's words.

use std::time::Duration;

use bluer::adv::Advertisement;

use crate::protocol::beacon::{element, elements};
use crate::protocol::gatt::Uuid;
use crate::simlock::Advertising;

/// As often as the simulated lock at the socket. A BlueZ or kernel that takes no interval advertises every 1.28 s.
const INTERVAL: Duration = Duration::from_millis(300);
/// Bit of the flags: generally discoverable.
const DISCOVERABLE: u8 = 1 << 1;

/// The advertisement with this content. BlueZ takes elements, not bytes, and puts the name into the scan response.
///
/// `None` for an element that BlueZ cannot be told: the radio decides nothing, so it leaves nothing out either.
pub(super) fn advertisement(advertising: &Advertising) -> Option<Advertisement> {
    let mut wanted =
        Advertisement { min_interval: Some(INTERVAL), max_interval: Some(INTERVAL), ..Advertisement::default() };
    for found in elements(&advertising.data).chain(elements(&advertising.scan_response)) {
        let (kind, value) = found?;
        match kind {
            element::FLAGS => wanted.discoverable = Some(value.first()? & DISCOVERABLE != 0),
            element::MANUFACTURER_DATA => {
                let (company, data) = value.split_first_chunk()?;
                wanted.manufacturer_data.insert(u16::from_le_bytes(*company), data.to_vec());
            }
            element::SERVICE_DATA_128 => {
                let (uuid, data) = value.split_first_chunk()?;
                let uuid = bluer::Uuid::from_u128(Uuid::from_le_bytes(*uuid).0);
                wanted.service_data.insert(uuid, data.to_vec());
            }
            element::COMPLETE_LOCAL_NAME => wanted.local_name = Some(String::from_utf8(value.to_vec()).ok()?),
            _ => return None,
        }
    }
    Some(wanted)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::protocol::beacon::{
        Beacon, COMPANY_ID, Family, PairingMode, encode_beacon, encode_pairing, encode_scan_response,
    };
    use crate::protocol::gatt::opener;

    const NUKI_ID: u32 = 0x0A1B_2C3D;

    #[test]
    fn a_beacon_keeps_its_bytes_and_the_name() {
        let beacon = Beacon { nuki_id: NUKI_ID, family: Family::Lock, state_changed: true, tx_power: -59 };
        let scan_response = encode_scan_response(Family::Lock, NUKI_ID);
        let advertising = Advertising { data: encode_beacon(&beacon), scan_response };
        let told = advertisement(&advertising).unwrap();
        assert_eq!(told.manufacturer_data.get(&COMPANY_ID), Some(&beacon.to_bytes().to_vec()));
        assert_eq!(told.manufacturer_data.len(), 1);
        assert_eq!(told.local_name.as_deref(), Some("Nuki_0A1B2C3D"));
        assert_eq!(told.discoverable, Some(true));
        assert!(told.service_data.is_empty());
    }

    #[test]
    fn pairing_mode_is_service_data_with_the_devices_own_uuid() {
        let scan_response = encode_scan_response(Family::Opener, NUKI_ID);
        let advertising = Advertising { data: encode_pairing(PairingMode::Opener, NUKI_ID), scan_response };
        let told = advertisement(&advertising).unwrap();
        let uuid = bluer::Uuid::from_u128(opener::PAIRING_SERVICE.0);
        assert_eq!(told.service_data.get(&uuid), Some(&NUKI_ID.to_be_bytes().to_vec()));
        assert!(told.manufacturer_data.is_empty());
        assert_eq!(told.local_name.as_deref(), Some("Nuki_Opener_0A1B2C3D"));
    }

    #[test]
    fn what_bluez_cannot_be_told_is_not_left_out() {
        for data in [vec![0x02, 0x0A, 0x04], vec![0x05, 0xFF, 0x4C], vec![0x02, 0xFF, 0x4C]] {
            assert_eq!(advertisement(&Advertising { data, scan_response: Vec::new() }), None);
        }
    }
}
