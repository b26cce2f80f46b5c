//! The radio's messages as JSON lines, for a radio in another process.

use serde::{Deserialize, Serialize};

use super::radio::{FromRadio, ToRadio};
use crate::protocol::gatt::{Characteristic, Generation, Uuid};
use crate::transport::Address;

/// How often the radio shall advertise.
const INTERVAL_MS: u32 = 300;

/// The lock, as its lines show it: how its characteristics are called, and which address its radio shall use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire {
    pub(super) generation: Generation,
    pub(super) address: Address,
}

/// See [`ToRadio`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ToRadioLine {
    Hello { address: String, services: Vec<Service> },
    Advertise { advertising_data: String, scan_response: String, interval_ms: u32 },
    Indicate { link: u32, characteristic: String, value: String },
    Disconnect { link: u32 },
    Error { error: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Service {
    uuid: String,
    characteristics: Vec<TableEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct TableEntry {
    uuid: String,
    properties: [&'static str; 2],
}

/// See [`FromRadio`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FromRadioLine {
    Connected { link: u32, mtu: u16 },
    Mtu { link: u32, mtu: u16 },
    Subscribed { link: u32, characteristic: String, indications: bool },
    Write { link: u32, characteristic: String, value: String },
    Confirmed { link: u32 },
    Disconnected { link: u32 },
}

impl Wire {
    /// A message to the radio, without the line's end.
    pub(super) fn line(self, message: ToRadio) -> String {
        let line = match message {
            ToRadio::Hello => ToRadioLine::Hello { address: self.address.to_string(), services: self.services() },
            ToRadio::Advertise(advertising) => ToRadioLine::Advertise {
                advertising_data: hex(&advertising.data),
                scan_response: hex(&advertising.scan_response),
                interval_ms: INTERVAL_MS,
            },
            ToRadio::Indicate { link, characteristic, value } => {
                ToRadioLine::Indicate { link, characteristic: self.uuid(characteristic), value: hex(&value) }
            }
            ToRadio::Disconnect { link } => ToRadioLine::Disconnect { link },
            ToRadio::Error(error) => ToRadioLine::Error { error },
        };
        // Strings and numbers only: this cannot fail.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// A line of the radio, or what is wrong with it.
    pub(super) fn parse(self, line: &str) -> Result<FromRadio, String> {
        Ok(match serde_json::from_str(line).map_err(|error| error.to_string())? {
            FromRadioLine::Connected { link, mtu } => FromRadio::Connected { link, mtu },
            FromRadioLine::Mtu { link, mtu } => FromRadio::Mtu { link, mtu },
            FromRadioLine::Subscribed { link, characteristic, indications } => {
                FromRadio::Subscribed { link, characteristic: self.characteristic(&characteristic)?, indications }
            }
            FromRadioLine::Write { link, characteristic, value } => {
                FromRadio::Write { link, characteristic: self.characteristic(&characteristic)?, value: unhex(&value)? }
            }
            FromRadioLine::Confirmed { link } => FromRadio::Confirmed { link },
            FromRadioLine::Disconnected { link } => FromRadio::Disconnected { link },
        })
    }

    fn services(self) -> Vec<Service> {
        let entry = |c: &Characteristic| TableEntry { uuid: self.uuid(*c), properties: ["write", "indicate"] };
        let service = |(uuid, characteristics): (Uuid, Vec<Characteristic>)| Service {
            uuid: uuid.to_string(),
            characteristics: characteristics.iter().map(entry).collect(),
        };
        self.generation.table().into_iter().map(service).collect()
    }

    fn uuid(self, characteristic: Characteristic) -> String {
        self.generation.uuid(characteristic).to_string()
    }

    fn characteristic(self, text: &str) -> Result<Characteristic, String> {
        Characteristic::ALL
            .into_iter()
            .find(|c| self.uuid(*c).eq_ignore_ascii_case(text))
            .ok_or_else(|| "the lock has no such characteristic".to_owned())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or("the value is not hex")?;
    Ok(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(generation: Generation) -> Wire {
        Wire { generation, address: Address([0x54, 0xD2, 0x72, 0x0A, 0x1B, 0x2C]) }
    }

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
        let json = wire(Generation::Gen1To4).line(ToRadio::Hello);
        for part in ["a92ee100-5501-11e4-916c-0800200c9a66", "a92ee101-", "a92ee200-", "a92ee201-", "a92ee202-"] {
            assert!(json.contains(part), "{json}");
        }
        assert!(json.starts_with(r#"{"type":"hello","address":"54:D2:72:0A:1B:2C","services":["#), "{json}");
        assert!(json.contains(r#""properties":["write","indicate"]"#), "{json}");
    }

    #[test]
    fn each_generation_shows_its_own_table() {
        let table = |generation| wire(generation).line(ToRadio::Hello);
        for part in ["a92ee300-", "a92ee301-", "a92ee200-", "a92ee202-"] {
            assert!(table(Generation::Gen5).contains(part), "{part}");
        }
        assert!(!table(Generation::Gen5).contains("a92ee101-"));
        for part in ["a92ae100-", "a92ae101-", "a92ae200-", "a92ae202-"] {
            assert!(table(Generation::Opener).contains(part), "{part}");
        }
        assert!(!table(Generation::Opener).contains("a92ee"));
        let opener = wire(Generation::Opener).uuid(Characteristic::KeyturnerUsdio);
        let said = |generation| {
            wire(generation).parse(&format!(r#"{{"type":"write","link":1,"characteristic":"{opener}","value":"01"}}"#))
        };
        let write = FromRadio::Write { link: 1, characteristic: Characteristic::KeyturnerUsdio, value: vec![1] };
        assert_eq!(said(Generation::Opener), Ok(write));
        assert!(said(Generation::Gen1To4).is_err());
    }
}
