//! Bytes from the radio: what decodes is written again as the same, and nothing is believed that no key has signed.
use crate::protocol::Command;
use crate::protocol::beacon::{self, Advertisement, Beacon, PairingMode};
use crate::protocol::config::{BatteryReport, Config};
use crate::protocol::crypto::SharedKey;
use crate::protocol::datetime::DeviceTime;
use crate::protocol::frame::{self, Framing, Message, Reassembler};
use crate::protocol::gatt::Generation;
use crate::protocol::log::{LogEntry, LogEntryCount, LogRequest};
use crate::protocol::pairing::{AuthorizationData, AuthorizationId};
use crate::protocol::reply::Reply;
use crate::protocol::request::PinCommand;
use crate::protocol::state::KeyturnerStates;
use crate::protocol::users::{AuthorizationEntry, CodeDigits, KeypadCode};

/// No seed was made with it.
const KEY: SharedKey = SharedKey::from_bytes([0x42; 32]);
const CHALLENGE: [u8; 32] = [9; 32];

/// Frames and pieces of them: nothing is believed that no key has signed, and where pieces are cut means nothing.
pub fn frame(data: &[u8]) {
    frames(data);
    assert!(frame::decode_encrypted(&KEY, data).is_err(), "a message was forged");
    assert!(!matches!(AuthorizationData::decode(data, &KEY, &CHALLENGE), Ok(Some(_))), "an applicant was forged");
    assert!(!matches!(AuthorizationId::decode(data, &KEY, &CHALLENGE), Ok(Some(_))), "an authorization was forged");
    let id = AuthorizationId { auth_id: 2, uuid: [1; 16], challenge: CHALLENGE };
    assert!(!id.is_confirmed_by(data, &KEY), "a confirmation was forged");
}

fn frames(data: &[u8]) {
    if let Ok(message) = frame::decode_plain(data) {
        assert_eq!(frame::encode_plain(&message), data, "a plain message has one form");
    }
    // The first byte says where the pieces are cut.
    if let Some((cut, bytes)) = data.split_first() {
        for framing in [Framing::Plain, Framing::Encrypted] {
            let whole = reassembled(framing, [bytes]);
            let at = usize::from(*cut).min(bytes.len());
            let (one, two) = bytes.split_at(at);
            let pieces = reassembled(framing, [one, two]);
            // Encrypted messages say how long they are: where they are cut means nothing.
            assert!(framing == Framing::Plain || whole == pieces, "pieces make another message than the whole");
        }
        sealed(*cut, bytes);
    }
}

/// The messages of a stream up to the first that cannot be one.
fn reassembled<const N: usize>(framing: Framing, pieces: [&[u8]; N]) -> Vec<Vec<u8>> {
    let mut reassembler = Reassembler::new(framing);
    let mut frames = Vec::new();
    for piece in pieces {
        reassembler.push(piece);
        loop {
            match reassembler.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return frames,
            }
        }
    }
    frames
}

/// A message that we seal ourselves comes back, and not once a bit of it was turned.
fn sealed(bit: u8, payload: &[u8]) {
    let message = Message::new(Command::LogEntry, payload.get(..payload.len().min(400)).unwrap_or_default());
    let mut wire = frame::encode_encrypted(&KEY, &[7; 24], 5, &message);
    assert_eq!(frame::decode_encrypted(&KEY, &wire), Ok((5, message)), "what is sealed opens");
    let at = usize::from(bit) % wire.len();
    if let Some(byte) = wire.get_mut(at) {
        *byte ^= 1;
    }
    assert!(frame::decode_encrypted(&KEY, &wire).is_err(), "what was changed opens");
}

/// A command in the first byte, then its payload: states, log entries, lists, configurations, errors.
pub fn message(data: &[u8]) {
    let Some((&selector, data)) = data.split_first() else { return };
    let command = Command::from_id(u16::from(selector));
    let message = Message::new(command, data);
    for generation in [Generation::Gen1To4, Generation::Gen5, Generation::Opener] {
        if let Some((command, nonce, pin)) = PinCommand::decode(&message, generation) {
            let again = command.encode(&nonce, pin, generation);
            assert_eq!(PinCommand::decode(&again, generation), Some((command, nonce, pin)));
        }
    }
    for is_opener in [false, true] {
        if let Ok(reply) = Reply::decode(message.clone(), is_opener) {
            assert!(!format!("{reply:?}").is_empty());
        }
        if let Ok(mut entry) = LogEntry::decode(data, is_opener) {
            // A name in broken UTF-8 is repaired once, and may then be too long for its field.
            entry.name.clear();
            assert_eq!(LogEntry::decode(&entry.encode(), is_opener), Ok(entry));
        }
    }
    if let Ok(states) = KeyturnerStates::decode(data) {
        assert_eq!(KeyturnerStates::decode(&states.encode()), Ok(states));
    }
    if let Ok(count) = LogEntryCount::decode(data) {
        assert_eq!(LogEntryCount::decode(&count.encode()), Ok(count));
    }
    if let Ok(request) = LogRequest::decode(data) {
        assert_eq!(LogRequest::decode(&request.encode()), Ok(request));
    }
    if let Ok(mut entry) = AuthorizationEntry::decode(data) {
        entry.name.clear();
        assert_eq!(AuthorizationEntry::decode(&entry.encode()), Ok(entry));
    }
    if let (Ok(mut code), Some(digits)) = (KeypadCode::decode(data), CodeDigits::new(583_921)) {
        code.name.clear();
        assert_eq!(KeypadCode::decode(&code.encode(digits)), Ok(code));
    }
    if let Ok(report) = BatteryReport::decode(data) {
        assert_eq!(BatteryReport::decode(&report.encode()), Ok(report));
    }
    if let Ok(mut config) = Config::decode(data) {
        config.name.clear();
        // Bytes, since the position may be "not a number", which equals nothing.
        assert_eq!(Config::decode(&config.encode()).map(|config| config.encode()), Ok(config.encode()));
    }
    if let Ok(Some(time)) = DeviceTime::decode(data) {
        assert!(data.starts_with(&time.to_bytes()), "a time has one form");
        if let Some(seconds) = time.unix_seconds() {
            assert_eq!(DeviceTime::from_unix_seconds(seconds), Some(time), "a moment has one time");
        }
    }
}

/// What anybody may send through the air.
pub fn beacon(data: &[u8]) {
    if let Some(beacon) = Beacon::parse(data) {
        assert_eq!(Beacon::parse(&beacon.to_bytes()), Some(beacon));
        let heard = Advertisement::parse(&beacon::encode_beacon(&beacon));
        assert_eq!(heard, Some(Advertisement::Beacon(beacon)), "our own beacon is heard");
    }
    for mode in [PairingMode::Lock, PairingMode::Lock5thGen, PairingMode::Opener] {
        let call = beacon::encode_pairing(mode, 0x0A1B_2C3D);
        let whole: Vec<u8> = data.iter().chain(&call).copied().collect();
        let heard = Advertisement::parse(&whole);
        // What stands before it may be another call, or a cut element that swallows it.
        let is_whole = beacon::elements(data).all(|element| element.is_some());
        let expected = Advertisement::parse(data).or(is_whole.then_some(Advertisement::Pairing(mode, 0x0A1B_2C3D)));
        assert!(!is_whole || heard == expected, "what stands before a call does not hide it");
    }
    let said: usize = beacon::elements(data).flatten().map(|(_, value)| value.len() + 2).sum();
    assert!(said <= data.len(), "no byte is read twice");
    match Advertisement::parse(data) {
        Some(Advertisement::Beacon(heard)) => {
            let part = heard.to_bytes();
            assert!(data.windows(part.len()).any(|window| window == part), "a beacon stands there as it is read");
        }
        Some(Advertisement::Pairing(mode, nuki_id)) => {
            assert!(data.windows(4).any(|window| window == nuki_id.to_be_bytes()), "so does a call");
            let again = Advertisement::parse(&beacon::encode_pairing(mode, nuki_id));
            assert_eq!(again, Some(Advertisement::Pairing(mode, nuki_id)), "our own call is heard");
        }
        None => {}
    }
}
