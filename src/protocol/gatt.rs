//! Services and characteristics (`docs/protocol.md`, "GATT").

/// A 128-bit UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uuid(pub u128);

impl Uuid {
    /// From the order in which UUIDs are printed, as in an iBeacon.
    #[must_use]
    pub const fn from_be_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// From the order of advertising data and GATT.
    #[must_use]
    pub const fn from_le_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }

    /// In the order in which UUIDs are printed.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// In the order of advertising data and GATT.
    #[must_use]
    pub const fn to_le_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }
}

impl core::fmt::Display for Uuid {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let hex = format!("{:032x}", self.0);
        let part = |range: core::ops::Range<usize>| hex.get(range).unwrap_or_default();
        write!(f, "{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
    }
}

const fn lock_uuid(short: u16) -> Uuid {
    Uuid(0xa92e_0000_5501_11e4_916c_0800_200c_9a66 | (short as u128) << 96)
}

const fn opener_uuid(short: u16) -> Uuid {
    Uuid(0xa92a_0000_5501_11e4_916c_0800_200c_9a66 | (short as u128) << 96)
}

/// UUIDs of smart locks.
pub mod lock {
    use super::{Uuid, lock_uuid};

    /// Advertised by a lock that was never set up.
    pub const INITIALISATION_SERVICE: Uuid = lock_uuid(0xe000);
    /// Pairing, 1st to 4th generation.
    pub const PAIRING_SERVICE: Uuid = lock_uuid(0xe100);
    /// Pairing messages, 1st to 4th generation.
    pub const PAIRING_GDIO: Uuid = lock_uuid(0xe101);
    /// Pairing, 5th generation.
    pub const PAIRING_SERVICE_5TH_GEN: Uuid = lock_uuid(0xe300);
    /// Pairing messages, 5th generation.
    pub const PAIRING_GDIO_5TH_GEN: Uuid = lock_uuid(0xe301);
    /// Daily operation.
    pub const KEYTURNER_SERVICE: Uuid = lock_uuid(0xe200);
    /// Plain messages of daily operation: only refusals come here.
    pub const KEYTURNER_GDIO: Uuid = lock_uuid(0xe201);
    /// Encrypted messages of daily operation.
    pub const KEYTURNER_USDIO: Uuid = lock_uuid(0xe202);
}

/// UUIDs of the Opener.
pub mod opener {
    use super::{Uuid, opener_uuid};

    /// Advertised by an Opener that was never set up.
    pub const INITIALISATION_SERVICE: Uuid = opener_uuid(0xe000);
    /// Pairing.
    pub const PAIRING_SERVICE: Uuid = opener_uuid(0xe100);
    /// Pairing messages.
    pub const PAIRING_GDIO: Uuid = opener_uuid(0xe101);
    /// Daily operation.
    pub const KEYTURNER_SERVICE: Uuid = opener_uuid(0xe200);
    /// Plain messages of daily operation.
    pub const KEYTURNER_GDIO: Uuid = opener_uuid(0xe201);
    /// Encrypted messages of daily operation.
    pub const KEYTURNER_USDIO: Uuid = opener_uuid(0xe202);
}

/// The three characteristics a central uses, whatever the generation calls them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Characteristic {
    /// Pairing messages.
    PairingGdio,
    /// Plain refusals in daily operation.
    KeyturnerGdio,
    /// Encrypted messages.
    KeyturnerUsdio,
}

impl Characteristic {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::PairingGdio, Self::KeyturnerGdio, Self::KeyturnerUsdio];
}

/// Device family, found from the GATT table or the pairing advertisement, never from the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Generation {
    /// Smart Lock 1.0 to 4th generation: 16-bit PIN, plain pairing, bridge role.
    Gen1To4,
    /// Smart Lock Ultra, Go, Pro: 32-bit PIN, last pairing messages encrypted, no bridge role.
    Gen5,
    /// Opener: own UUIDs, otherwise as 1st to 4th generation.
    Opener,
}

impl Generation {
    /// The generation whose pairing service this is.
    #[must_use]
    pub const fn from_pairing_service(uuid: Uuid) -> Option<Self> {
        match uuid {
            lock::PAIRING_SERVICE => Some(Self::Gen1To4),
            lock::PAIRING_SERVICE_5TH_GEN => Some(Self::Gen5),
            opener::PAIRING_SERVICE => Some(Self::Opener),
            _ => None,
        }
    }

    /// UUID of a characteristic on this generation.
    #[must_use]
    pub const fn uuid(self, characteristic: Characteristic) -> Uuid {
        match (self, characteristic) {
            (Self::Gen1To4, Characteristic::PairingGdio) => lock::PAIRING_GDIO,
            (Self::Gen5, Characteristic::PairingGdio) => lock::PAIRING_GDIO_5TH_GEN,
            (Self::Opener, Characteristic::PairingGdio) => opener::PAIRING_GDIO,
            (Self::Gen1To4 | Self::Gen5, Characteristic::KeyturnerGdio) => lock::KEYTURNER_GDIO,
            (Self::Gen1To4 | Self::Gen5, Characteristic::KeyturnerUsdio) => lock::KEYTURNER_USDIO,
            (Self::Opener, Characteristic::KeyturnerGdio) => opener::KEYTURNER_GDIO,
            (Self::Opener, Characteristic::KeyturnerUsdio) => opener::KEYTURNER_USDIO,
        }
    }

    /// UUID of the service that holds a characteristic.
    #[must_use]
    pub const fn service(self, characteristic: Characteristic) -> Uuid {
        match (self, characteristic) {
            (Self::Gen1To4, Characteristic::PairingGdio) => lock::PAIRING_SERVICE,
            (Self::Gen5, Characteristic::PairingGdio) => lock::PAIRING_SERVICE_5TH_GEN,
            (Self::Opener, Characteristic::PairingGdio) => opener::PAIRING_SERVICE,
            (Self::Opener, _) => opener::KEYTURNER_SERVICE,
            _ => lock::KEYTURNER_SERVICE,
        }
    }

    /// The characteristic with this UUID on this generation.
    #[must_use]
    pub fn characteristic(self, uuid: Uuid) -> Option<Characteristic> {
        Characteristic::ALL.into_iter().find(|c| self.uuid(*c) == uuid)
    }

    /// The GATT table of this generation: each service with what it holds. All of it can be written with response
    /// and indicates.
    #[must_use]
    pub fn table(self) -> Vec<(Uuid, Vec<Characteristic>)> {
        let mut table: Vec<(Uuid, Vec<Characteristic>)> = Vec::new();
        for characteristic in Characteristic::ALL {
            let service = self.service(characteristic);
            match table.iter_mut().find(|(uuid, _)| *uuid == service) {
                Some((_, held)) => held.push(characteristic),
                None => table.push((service, vec![characteristic])),
            }
        }
        table
    }

    /// Bytes of the security PIN in commands.
    #[must_use]
    pub const fn pin_len(self) -> usize {
        match self {
            Self::Gen5 => 4,
            Self::Gen1To4 | Self::Opener => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generation_knows_its_characteristics_by_their_numbers() {
        for generation in [Generation::Gen1To4, Generation::Gen5, Generation::Opener] {
            for characteristic in Characteristic::ALL {
                let uuid = generation.uuid(characteristic);
                assert_eq!(generation.characteristic(uuid), Some(characteristic), "{generation:?}");
            }
            assert_eq!(generation.characteristic(generation.service(Characteristic::PairingGdio)), None);
        }
    }
}
