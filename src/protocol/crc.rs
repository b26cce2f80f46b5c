//! CRC-16/CCITT-FALSE, appended little-endian to every message.

use crc::{CRC_16_IBM_3740, Crc};

const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_IBM_3740);

/// The checksum of `bytes`: polynomial 0x1021, initial value 0xFFFF, no reflection.
#[must_use]
pub fn crc16(bytes: &[u8]) -> u16 {
    CRC.checksum(bytes)
}
