//! What a lock says on the air: iBeacon in normal operation, service data in pairing mode.

use super::gatt::{self, Uuid};

/// Apple's company id, under which the iBeacon travels.
pub const COMPANY_ID: u16 = 0x004C;

/// Number of a device, printed on it as 8 hex digits.
pub type NukiId = u32;

/// Which half of the family sent an advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Smart locks of every generation (UUIDs `a92e...`).
    Lock,
    /// The Opener (UUIDs `a92a...`).
    Opener,
}

/// A beacon of normal operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beacon {
    /// Who.
    pub nuki_id: NukiId,
    /// Lock or Opener.
    pub family: Family,
    /// Bit 0 of the measured power: there is a change that no bridge has read yet.
    pub state_changed: bool,
    /// The measured power byte itself, dBm.
    pub tx_power: i8,
}

impl Beacon {
    /// Bytes of the manufacturer data after the company id.
    pub const LEN: usize = 23;

    /// Reads manufacturer data of company [`COMPANY_ID`]; `None` for anyone
    /// else's, such as the HomeKit advertisements of the very same lock.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        let rest = data.strip_prefix(&[0x02, 0x15])?;
        let (uuid, rest) = rest.split_first_chunk::<16>()?;
        let (id, power) = rest.split_first_chunk::<4>()?;
        let family = match Uuid::from_be_bytes(*uuid) {
            gatt::lock::KEYTURNER_SERVICE => Family::Lock,
            gatt::opener::KEYTURNER_SERVICE => Family::Opener,
            _ => return None,
        };
        let [power] = <[u8; 1]>::try_from(power).ok()?;
        Some(Self {
            nuki_id: u32::from_be_bytes(*id),
            family,
            state_changed: power & 1 == 1,
            tx_power: i8::from_le_bytes([power]),
        })
    }

    /// The manufacturer data of this beacon, without the company id.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let uuid = match self.family {
            Family::Lock => gatt::lock::KEYTURNER_SERVICE,
            Family::Opener => gatt::opener::KEYTURNER_SERVICE,
        };
        let mut data = [0; Self::LEN];
        let parts = [0x02, 0x15]
            .into_iter()
            .chain(uuid.to_be_bytes())
            .chain(self.nuki_id.to_be_bytes())
            .chain(self.tx_power.to_le_bytes());
        data.iter_mut().zip(parts).for_each(|(slot, byte)| *slot = byte);
        data
    }
}

/// How a device that waits for a new authorization advertises itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PairingMode {
    /// Smart Lock 1st to 4th generation.
    Lock,
    /// Smart Lock Ultra, Go, Pro: 5th generation.
    Lock5thGen,
    /// Opener.
    Opener,
    /// A lock that was never set up.
    UninitialisedLock,
    /// An Opener that was never set up.
    UninitialisedOpener,
}

/// Reads one service data element: service UUID and its bytes.
#[must_use]
pub fn parse_pairing(service: Uuid, data: &[u8]) -> Option<(PairingMode, NukiId)> {
    let mode = match service {
        gatt::lock::PAIRING_SERVICE => PairingMode::Lock,
        gatt::lock::PAIRING_SERVICE_5TH_GEN => PairingMode::Lock5thGen,
        gatt::opener::PAIRING_SERVICE => PairingMode::Opener,
        gatt::lock::INITIALISATION_SERVICE => PairingMode::UninitialisedLock,
        gatt::opener::INITIALISATION_SERVICE => PairingMode::UninitialisedOpener,
        _ => return None,
    };
    Some((mode, u32::from_be_bytes(*data.first_chunk::<4>()?)))
}

/// The name in the scan response.
#[must_use]
pub fn device_name(family: Family, nuki_id: NukiId) -> String {
    match family {
        Family::Lock => format!("Nuki_{nuki_id:08X}"),
        Family::Opener => format!("Nuki_Opener_{nuki_id:08X}"),
    }
}

/// What one advertising packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advertisement {
    /// Normal operation.
    Beacon(Beacon),
    /// Waiting to be paired.
    Pairing(PairingMode, NukiId),
}

impl Advertisement {
    /// Reads raw advertising data (a list of `length ‖ type ‖ data`); `None` if it is no Nuki device's.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        for element in elements(data) {
            let (kind, value) = element?;
            match kind {
                element::MANUFACTURER_DATA => {
                    if let Some(value) = value.strip_prefix(&COMPANY_ID.to_le_bytes())
                        && let Some(beacon) = Beacon::parse(value)
                    {
                        return Some(Self::Beacon(beacon));
                    }
                }
                element::SERVICE_DATA_128 => {
                    if let Some((uuid, value)) = value.split_first_chunk::<16>()
                        && let Some((mode, id)) = parse_pairing(Uuid::from_le_bytes(*uuid), value)
                    {
                        return Some(Self::Pairing(mode, id));
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// Types of elements in advertising data (Bluetooth Assigned Numbers, "Common Data Types").
pub mod element {
    /// One byte of bits; bit 1: generally discoverable.
    pub const FLAGS: u8 = 0x01;
    /// The whole name.
    pub const COMPLETE_LOCAL_NAME: u8 = 0x09;
    /// A service's UUID of 128 bits, then its data.
    pub const SERVICE_DATA_128: u8 = 0x21;
    /// A company id, then its data.
    pub const MANUFACTURER_DATA: u8 = 0xFF;
}

/// The elements of raw advertising data (a list of `length ‖ type ‖ data`), each with its type; `None` for one that is
/// cut off, and then nothing more.
pub fn elements(mut data: &[u8]) -> impl Iterator<Item = Option<(u8, &[u8])>> {
    std::iter::from_fn(move || {
        loop {
            let (&length, rest) = data.split_first()?;
            let Some((element, tail)) = rest.split_at_checked(usize::from(length)) else {
                data = &[];
                return Some(None);
            };
            data = tail;
            if let Some((&kind, value)) = element.split_first() {
                return Some(Some((kind, value)));
            }
        }
    })
}

/// Raw advertising data of a beacon: flags, then manufacturer data.
#[must_use]
pub fn encode_beacon(beacon: &Beacon) -> Vec<u8> {
    let mut data = vec![0x02, 0x01, 0x06, 0x1A, 0xFF];
    data.extend_from_slice(&COMPANY_ID.to_le_bytes());
    data.extend_from_slice(&beacon.to_bytes());
    data
}

/// Raw advertising data of pairing mode: flags, then service data.
#[must_use]
pub fn encode_pairing(mode: PairingMode, nuki_id: NukiId) -> Vec<u8> {
    let service = match mode {
        PairingMode::Lock => gatt::lock::PAIRING_SERVICE,
        PairingMode::Lock5thGen => gatt::lock::PAIRING_SERVICE_5TH_GEN,
        PairingMode::Opener => gatt::opener::PAIRING_SERVICE,
        PairingMode::UninitialisedLock => gatt::lock::INITIALISATION_SERVICE,
        PairingMode::UninitialisedOpener => gatt::opener::INITIALISATION_SERVICE,
    };
    let mut data = vec![0x02, 0x01, 0x06, 0x15, 0x21];
    data.extend_from_slice(&service.to_le_bytes());
    data.extend_from_slice(&nuki_id.to_be_bytes());
    data
}

/// Raw scan response: the complete local name.
#[must_use]
pub fn encode_scan_response(family: Family, nuki_id: NukiId) -> Vec<u8> {
    let name = device_name(family, nuki_id);
    let mut data = Vec::with_capacity(name.len() + 2);
    // The name has at most 20 bytes.
    data.push(u8::try_from(name.len() + 1).unwrap_or(u8::MAX));
    data.push(0x09);
    data.extend_from_slice(name.as_bytes());
    data
}
