//! JSON lines between a simulated lock and its radio.

use serde::{Deserialize, Serialize};

use crate::protocol::gatt::{Characteristic, Generation};

/// What the lock tells its radio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ToRadio {
    /// First line: the address to use and the GATT table.
    Hello { address: String, services: Vec<Service> },
    /// Put this on the air.
    Advertise { advertising_data: String, scan_response: String, interval_ms: u32 },
    /// Indicate; the next one on this link follows "confirmed".
    Indicate { link: u32, characteristic: String, value: String },
    /// Close a link.
    Disconnect { link: u32 },
    /// Your line was not understood, or you may not be the radio.
    Error { error: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Service {
    uuid: String,
    characteristics: Vec<TableEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct TableEntry {
    uuid: String,
    properties: Vec<&'static str>,
}

/// What a radio tells the lock.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromRadio {
    /// A central connected. The number is the radio's; it may use it again after "disconnected".
    Connected { link: u32, mtu: u16 },
    /// The MTU was negotiated.
    Mtu { link: u32, mtu: u16 },
    /// A central wrote a client configuration.
    Subscribed { link: u32, characteristic: String, indications: bool },
    /// A central wrote a whole value.
    Write { link: u32, characteristic: String, value: String },
    /// A central confirmed.
    Confirmed { link: u32 },
    /// A link is gone.
    Disconnected { link: u32 },
}

/// The GATT table of a device.
pub(super) fn services(generation: Generation) -> Vec<Service> {
    let service = |characteristics: &[Characteristic]| Service {
        uuid: characteristics.first().map_or_else(String::new, |c| generation.service(*c).to_string()),
        characteristics: characteristics
            .iter()
            .map(|c| TableEntry { uuid: uuid(generation, *c), properties: vec!["write", "indicate"] })
            .collect(),
    };
    vec![
        service(&[Characteristic::PairingGdio]),
        service(&[Characteristic::KeyturnerGdio, Characteristic::KeyturnerUsdio]),
    ]
}

pub(super) fn uuid(generation: Generation, characteristic: Characteristic) -> String {
    generation.uuid(characteristic).to_string()
}

/// The characteristic with this UUID.
pub(super) fn characteristic(generation: Generation, text: &str) -> Result<Characteristic, String> {
    [Characteristic::PairingGdio, Characteristic::KeyturnerGdio, Characteristic::KeyturnerUsdio]
        .into_iter()
        .find(|c| uuid(generation, *c).eq_ignore_ascii_case(text))
        .ok_or_else(|| "the lock has no such characteristic".to_owned())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or("the value is not hex")?;
    Ok(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_both_ways_and_refuses_the_rest() {
        assert_eq!(hex(&[0x00, 0xAB, 0x7F]), "00ab7f");
        assert_eq!(unhex("00aB7f"), Ok(vec![0x00, 0xAB, 0x7F]));
        for bad in ["0", "0g", "é0", "00 1"] {
            assert!(unhex(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_hello_has_the_three_characteristics() {
        let hello = ToRadio::Hello { address: "54:D2:72:0A:1B:2C".to_owned(), services: services(Generation::Gen1To4) };
        let json = serde_json::to_string(&hello).unwrap();
        for part in ["a92ee100-5501-11e4-916c-0800200c9a66", "a92ee101-", "a92ee200-", "a92ee201-", "a92ee202-"] {
            assert!(json.contains(part), "{json}");
        }
        assert!(json.starts_with(r#"{"type":"hello","address":"54:D2:72:0A:1B:2C","services":["#), "{json}");
    }

    #[test]
    fn each_generation_shows_its_own_table() {
        let table = |generation| serde_json::to_string(&services(generation)).unwrap();
        for part in ["a92ee300-", "a92ee301-", "a92ee200-", "a92ee202-"] {
            assert!(table(Generation::Gen5).contains(part), "{part}");
        }
        assert!(!table(Generation::Gen5).contains("a92ee101-"));
        for part in ["a92ae100-", "a92ae101-", "a92ae200-", "a92ae202-"] {
            assert!(table(Generation::Opener).contains(part), "{part}");
        }
        assert!(!table(Generation::Opener).contains("a92ee"));
        let opener = uuid(Generation::Opener, Characteristic::KeyturnerUsdio);
        assert_eq!(characteristic(Generation::Opener, &opener), Ok(Characteristic::KeyturnerUsdio));
        assert!(characteristic(Generation::Gen1To4, &opener).is_err());
    }
}
