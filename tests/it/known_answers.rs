//! The vendor's published messages, and what was derived from its layouts, as known answers.
//!
//! `tests/vectors/ble.json` says of each vector whether it is published
//! (verified), published with a wrong output (recomputed), or built from a
//! layout (derived, which proves nothing about real devices).

use std::collections::BTreeMap;

use keyturner::protocol::beacon::{Advertisement, Beacon, Family, PairingMode};
use keyturner::protocol::config::{BatteryReport, Config};
use keyturner::protocol::crypto::{Pin, PublicKey, SecretKey, SharedKey};
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::frame::{self, Framing, Message, Reassembler};
use keyturner::protocol::gatt::Generation;
use keyturner::protocol::log::{LogEntry, LogEntryKind, LogRequest, SortOrder};
use keyturner::protocol::reply::Reply;
use keyturner::protocol::request::{LockActionCommand, PinCommand};
use keyturner::protocol::state::{KeyturnerStates, Uplink};
use keyturner::protocol::users::{AuthorizationEntry, CodeDigits, KeypadCode, TimeLimit};
use keyturner::protocol::{Command, IdType, LockAction, beacon, crc, pairing};
use serde_json::{Map, Value, json};

/// Vectors by kind and status. A vector more or less is a change to look at, not to swallow.
const COUNTS: &[(&str, &str, usize)] = &[
    ("advertising_data", "derived", 8),
    ("box_beforenm", "verified", 2),
    ("crc16_ccitt_false", "derived", 1),
    ("crc16_ccitt_false", "verified", 1),
    ("decrypt_frame", "verified", 2),
    ("encrypted_frame", "derived", 8),
    ("encrypted_frame", "verified", 3),
    ("hmac_sha256", "verified", 10),
    ("hsalsa20_kdf", "recomputed", 1),
    ("hsalsa20_kdf", "verified", 2),
    ("payload", "verified", 1),
    ("payload_decode", "derived", 17),
    ("pdata", "verified", 2),
    ("plain_frame", "derived", 2),
    ("plain_frame", "verified", 25),
    ("secretbox", "verified", 1),
    ("x25519", "recomputed", 1),
    ("x25519", "verified", 2),
    ("x25519_base", "recomputed", 1),
    ("x25519_base", "verified", 2),
];

/// What a check found wrong; empty when all is right.
type Faults = Vec<String>;

#[test]
fn every_vector_of_the_vendor_and_of_the_layouts_is_answered() {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for vector in vectors() {
        let [name, kind, status] = ["name", "kind", "status"].map(|key| vector[key].as_str().unwrap().to_owned());
        let faults = check(&kind, &vector["inputs"], &vector["expected"]);
        failures.extend(faults.into_iter().map(|fault| format!("{name} ({kind}, {status}): {fault}")));
        *counts.entry((kind, status)).or_default() += 1;
    }
    let wanted = COUNTS.iter().map(|(kind, status, n)| (((*kind).to_owned(), (*status).to_owned()), *n)).collect();
    if counts != wanted {
        failures.push(format!("the file has {counts:?}\n  but this test knows {wanted:?}"));
    }
    assert!(failures.is_empty(), "{} failures:\n- {}", failures.len(), failures.join("\n- "));
    assert_eq!(counts.values().sum::<usize>(), 92);
}

fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../vectors/ble.json")).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn check(kind: &str, inputs: &Value, expected: &Value) -> Faults {
    match kind {
        "crc16_ccitt_false" => {
            same("crc", &crc::crc16(&bytes(inputs, "data")).to_le_bytes(), &bytes(expected, "crc_le"))
        }
        "x25519_base" => same("public key", &secret_key(inputs).public_key().0, &bytes(expected, "public_key")),
        "x25519" => check_x25519(inputs, expected),
        "hsalsa20_kdf" => check_kdf(inputs, expected),
        "box_beforenm" => same("key", agreed(inputs).expose(), &bytes(expected, "output")),
        "hmac_sha256" => check_hmac(inputs, expected),
        "secretbox" => check_secretbox(inputs, expected),
        "plain_frame" => check_plain_frame(inputs, expected),
        "pdata" => same("pdata", &pdata(inputs), &bytes(expected, "pdata")),
        "encrypted_frame" => check_encrypted_frame(inputs, expected),
        "decrypt_frame" => check_decrypt_frame(inputs, expected),
        "payload" => check_payload(inputs, expected),
        "payload_decode" => check_payload_decode(inputs, expected),
        "advertising_data" => check_advertising_data(inputs, expected),
        other => vec![format!("no check for kind {other:?}")],
    }
}

// Keys and sealing

/// Only the key behind HSalsa20 is visible from outside, so the point is checked through it.
fn check_x25519(inputs: &Value, expected: &Value) -> Faults {
    same("key of the shared point", agreed(inputs).expose(), &hsalsa20(&array(expected, "shared"), &[0; 16]))
}

fn check_kdf(inputs: &Value, expected: &Value) -> Faults {
    let mut faults = same("constant", b"expand 32-byte k", &bytes(inputs, "constant"));
    faults.extend(same("key", &hsalsa20(&array(inputs, "key"), &array(inputs, "input")), &bytes(expected, "output")));
    faults
}

fn hsalsa20(key: &[u8; 32], input: &[u8; 16]) -> [u8; 32] {
    salsa20::hsalsa::<salsa20::cipher::consts::U10>(key.into(), input.into()).into()
}

fn check_hmac(inputs: &Value, expected: &Value) -> Faults {
    let key = SharedKey::from_bytes(array(inputs, "key"));
    let parts: Vec<Vec<u8>> = inputs["parts"].as_array().unwrap().iter().map(|part| bytes(part, "hex")).collect();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let mac = array(expected, "mac");
    let mut faults = same("concatenated parts", &parts.concat(), &bytes(inputs, "data"));
    faults.extend(same("mac", &key.authenticate(&parts), &mac));
    if !key.verify(&parts, &mac) {
        faults.push("verify refuses the right authenticator".into());
    }
    faults
}

fn check_secretbox(inputs: &Value, expected: &Value) -> Faults {
    let key = SharedKey::from_bytes(array(inputs, "key"));
    let (nonce, plaintext) = (array(inputs, "nonce"), bytes(inputs, "plaintext"));
    let ciphertext = bytes(expected, "ciphertext");
    let mut faults = same("ciphertext", &key.seal(&nonce, &plaintext), &ciphertext);
    faults.extend(same("opened", &key.open(&nonce, &ciphertext).unwrap_or_default(), &plaintext));
    faults
}

// Frames

fn check_plain_frame(inputs: &Value, expected: &Value) -> Faults {
    let (message, frame) = (message(inputs), bytes(expected, "frame"));
    let mut faults = same("frame", &frame::encode_plain(&message), &frame);
    match frame::decode_plain(&frame) {
        Ok(decoded) if decoded == message => {}
        other => faults.push(format!("decoded to {other:?}")),
    }
    faults
}

fn pdata(inputs: &Value) -> Vec<u8> {
    frame::encode_pdata(u32::from_le_bytes(array(inputs, "auth_id")), &message(inputs))
}

fn check_encrypted_frame(inputs: &Value, expected: &Value) -> Faults {
    let key = SharedKey::from_bytes(array(inputs, "key"));
    let auth_id = u32::from_le_bytes(array(inputs, "auth_id"));
    let (message, wire) = (message(inputs), bytes(expected, "frame"));
    let mut faults = same("pdata", &pdata(inputs), &bytes(expected, "pdata"));
    faults.extend(same("frame", &frame::encode_encrypted(&key, &array(inputs, "nonce"), auth_id, &message), &wire));
    match frame::decode_encrypted(&key, &wire) {
        Ok(decoded) if decoded == (auth_id, message) => {}
        other => faults.push(format!("decoded to {other:?}")),
    }
    faults
}

fn check_decrypt_frame(inputs: &Value, expected: &Value) -> Faults {
    let key = SharedKey::from_bytes(array(inputs, "key"));
    let wire = bytes(inputs, "frame");
    let mut reassembler = Reassembler::new(Framing::Encrypted);
    for piece in inputs["indications"].as_array().unwrap() {
        reassembler.push(&unhex(piece.as_str().unwrap()));
    }
    let mut faults = match reassembler.next_frame() {
        Ok(Some(whole)) => same("reassembled frame", &whole, &wire),
        other => vec![format!("reassembled to {other:?}")],
    };
    let auth_id = u32::from_le_bytes(array(expected, "auth_id"));
    match frame::decode_header(&wire) {
        Ok(header) => {
            faults.extend(same("nonce", &header.nonce, &bytes(expected, "nonce")));
            faults.extend(equal("auth_id", &json!(header.auth_id), &json!(auth_id)));
            faults.extend(equal("length", &json!(header.length), &expected["length"]));
        }
        Err(error) => faults.push(format!("header: {error}")),
    }
    let message = message(expected);
    faults.extend(same("pdata", &frame::encode_pdata(auth_id, &message), &bytes(expected, "pdata")));
    match frame::decode_encrypted(&key, &wire) {
        Ok(decoded) if decoded == (auth_id, message) => {}
        other => faults.push(format!("decoded to {other:?}")),
    }
    faults
}

fn check_payload(inputs: &Value, expected: &Value) -> Faults {
    let name = String::from_utf8(bytes(inputs, "name")).unwrap();
    let pin = Pin::new(inputs["security_pin"].as_str().unwrap().parse().unwrap());
    let app_id = u32::from_le_bytes(array(inputs, "app_id"));
    let payload = bytes(expected, "payload");
    let mut faults = same("payload", &pairing::encode_authorization_data_5th_gen(app_id, &name, pin), &payload);
    if pairing::decode_authorization_data_5th_gen(&payload) != Ok((app_id, name, pin)) {
        faults.push("the payload does not read back".into());
    }
    faults
}

// Payloads

/// Compares every expected field with the decoded value in the words of the vectors.
fn check_payload_decode(inputs: &Value, expected: &Value) -> Faults {
    let message = message(inputs);
    let is_opener = expected["type"] == "doorbell" || expected["nuki_state"] == "continuous_mode";
    let payload = message.payload.clone();
    let reply = match Reply::decode(message, is_opener) {
        Ok(reply) => reply,
        Err(error) => return vec![format!("does not decode: {error}")],
    };
    let (mut fields, again) = match &reply {
        Reply::States(states) => (states_fields(states, is_opener), states.encode()),
        Reply::LogEntry(entry) => (log_fields(entry), entry.encode()),
        Reply::AuthorizationEntry(entry) => (authorization_fields(entry), entry.encode()),
        Reply::KeypadCode(code, _) => (code_fields(code, expected), code.encode(digits_in(&payload))),
        Reply::Battery(report) => (battery_fields(report), report.encode()),
        Reply::Config(config) => (config_fields(config), config.encode()),
        other => return vec![format!("decodes to {other:?}")],
    };
    fields.insert("length".into(), json!(payload.len()));
    let mut faults = Faults::new();
    for (key, wanted) in expected.as_object().unwrap() {
        match fields.get(key) {
            Some(found) => faults.extend(equal(key, found, wanted)),
            None => faults.push(format!("nothing decoded is called {key:?}")),
        }
    }
    // Padding behind a log entry is ignored, so it does not come back.
    if !payload.starts_with(&again) || (again.len() < payload.len() && !matches!(reply, Reply::LogEntry(_))) {
        faults.push(format!("encodes to {} instead of {}", hex(&again), hex(&payload)));
    }
    faults
}

fn states_fields(s: &KeyturnerStates, is_opener: bool) -> Map<String, Value> {
    // The vectors name an Opener's states and actions, the types only a lock's: compare those by code.
    let lock_state = match (is_opener, s.lock_state.code()) {
        (true, 3) => "rto_active".to_owned(),
        _ => s.lock_state.to_string(),
    };
    let action = |action: LockAction| match (is_opener, action.code()) {
        (true, 1) => "activate_rto".to_owned(),
        _ => action.to_string(),
    };
    let mut fields = object(json!({
        "nuki_state": s.nuki_state.to_string(),
        "lock_state": lock_state,
        "trigger": s.trigger.to_string(),
        "time": time(s.current_time),
        "tz_offset_min": s.timezone_offset,
        "battery_critical": s.battery.is_critical(),
        "battery_charging": s.battery.is_charging(),
        "battery_percent": s.battery.percent(),
        "config_update_count": s.config_update_count,
        "lock_n_go_timer": s.lock_n_go_timer,
        "rto_timer": s.lock_n_go_timer,
        "last_action": s.last_action.map(|last| action(last.action)),
        "last_trigger": s.last_action.map(|last| last.trigger.to_string()),
        "last_completion": s.last_action.map(|last| last.completion_status.to_string()),
        "door_sensor": s.door_sensor.map(|door| door.to_string()),
        "nightmode": s.night_mode,
        "accessory": s.accessory_battery.map(|a| json!({
            "keypad_present": a.keypad_critical().is_some(),
            "keypad_critical": a.keypad_critical().unwrap_or(false),
            "door_sensor_present": a.door_sensor_critical().is_some(),
            "door_sensor_critical": a.door_sensor_critical().unwrap_or(false),
        })),
    }));
    if let Some(net) = s.network {
        let bit = |n: u8| net.remote_access >> n & 1 == 1;
        fields.extend(object(json!({
            "remote_access": {
                "sse_uplink": bit(0),
                "bridge_paired": bit(1),
                "via_wifi": bit(2),
                "sse_established": bit(3),
                "via_thread": bit(4),
            },
            "ble_rssi": net.ble_rssi,
            "wifi_rssi": net.wifi_rssi,
            "wifi_status": uplink(net.wifi_status(), "disabled"),
            "sse_status": uplink(net.server_status(), "suspended"),
            "wifi_quality": net.wifi_quality(),
            "mqtt_status": uplink(net.mqtt_status(), "disabled"),
            "mqtt_via": if net.mqtt & 4 == 0 { "wifi" } else { "thread" },
            "thread_status": uplink(net.thread_status(), "matter_disabled"),
        })));
    }
    fields
}

fn uplink(status: Uplink, off: &str) -> &str {
    match status {
        Uplink::Disabled => off,
        Uplink::Disconnected => "disconnected",
        Uplink::Connecting => "connecting",
        Uplink::Connected => "connected",
    }
}

fn log_fields(entry: &LogEntry) -> Map<String, Value> {
    let mut fields = object(json!({ "index": entry.index, "auth_id": entry.auth_id, "name": entry.name }));
    fields.extend(object(match &entry.kind {
        LogEntryKind::LockAction(a) => json!({
            "type": "lock_action",
            "action": a.action.to_string(),
            "trigger": a.trigger.to_string(),
            "flags": a.flags,
            "completion": a.completion_status.to_string(),
        }),
        LogEntryKind::Keypad(k) => json!({
            "type": "keypad_action",
            // The vectors give the action of a refused code as a number.
            "action": if k.action == LockAction::None { json!(0) } else { json!(k.action.to_string()) },
            "source": k.source.to_string(),
            "completion": k.completion_status.to_string(),
            "code_id": k.code_id,
        }),
        LogEntryKind::Door(event) => json!({ "type": "door_sensor", "state": event.to_string() }),
        LogEntryKind::Ring(ring) => json!({
            "type": "doorbell",
            "rto": ring.mode & 1 != 0,
            "cm": ring.mode & 2 != 0,
            "source": if ring.source == 0 { "doorbell" } else { "another source" },
            "geofence": ring.geofence,
            "suppressed": ring.suppressed,
            "sound_id": ring.sound_id,
            "completion": ring.completion_status.to_string(),
            "code_id": ring.code_id,
        }),
        other => json!({ "type": format!("{other:?}") }),
    }));
    fields
}

fn authorization_fields(entry: &AuthorizationEntry) -> Map<String, Value> {
    let mut fields = object(json!({
        "auth_id": entry.auth_id,
        "id_type": entry.id_type.to_string(),
        "name": entry.name,
        "enabled": entry.enabled,
        "remote_allowed": entry.remote_allowed,
        "created": time(entry.created),
        "last_active": time(entry.last_active),
        "lock_count": entry.lock_count,
        "time_limited": entry.time_limit.is_some(),
    }));
    fields.extend(entry.time_limit.map(|limit| limit_fields(&limit)).unwrap_or_default());
    fields
}

fn limit_fields(limit: &TimeLimit) -> Map<String, Value> {
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let set: Vec<&str> = (0..7).filter(|day| limit.weekdays >> (6 - day) & 1 == 1).map(|day| days[day]).collect();
    let clock = |(hour, minute): (u8, u8)| format!("{hour:02}:{minute:02}");
    object(json!({
        "allowed_from": time(limit.from),
        "allowed_until": time(limit.until),
        "weekdays": set,
        "from_time": clock(limit.from_time),
        "until_time": clock(limit.until_time),
    }))
}

fn code_fields(code: &KeypadCode, expected: &Value) -> Map<String, Value> {
    object(json!({
        "code_id": code.code_id,
        // The digits are not decoded on purpose; that they stand where expected is shown by encoding again.
        "code": expected["code"],
        "name": code.name,
        "enabled": code.enabled,
        "lock_count": code.lock_count,
        "time_limited": code.time_limit.is_some(),
    }))
}

fn digits_in(payload: &[u8]) -> CodeDigits {
    CodeDigits::new(u32::from_le_bytes(payload[2..6].try_into().unwrap())).unwrap()
}

fn battery_fields(report: &BatteryReport) -> Map<String, Value> {
    object(json!({
        "drain_mws": report.drain,
        "voltage_mv": report.voltage,
        "critical": report.critical,
        "lock_action": report.lock_action.to_string(),
        "start_mv": report.start_voltage,
        "lowest_mv": report.lowest_voltage,
        "distance_deg": report.lock_distance,
        "start_temp_c": report.start_temperature,
        "max_turn_current": report.max_turn_current,
        "resistance": report.battery_resistance,
    }))
}

fn config_fields(config: &Config) -> Map<String, Value> {
    let dotted = |parts: &[u8]| parts.iter().map(u8::to_string).collect::<Vec<_>>().join(".");
    // As printed, so that 48.2 is not compared with its nearest f64.
    let degrees = |f: f32| f.to_string().parse::<f64>().unwrap();
    object(json!({
        "nuki_id": format!("{:08X}", config.nuki_id),
        "name": config.name,
        "latitude": degrees(config.latitude),
        "longitude": degrees(config.longitude),
        "pairing_enabled": config.pairing_enabled,
        "led_brightness": config.led_brightness,
        "tz_offset_min": config.timezone_offset,
        "dst": config.dst_mode,
        "fob_actions": config.fob_actions,
        "has_keypad": config.has_keypad,
        "firmware": config.firmware_version.map(|v| dotted(&v)),
        "hardware": config.hardware_revision.map(|v| dotted(&v)),
        "homekit": config.homekit_status,
        "timezone_id": config.timezone_id,
        "device_type": config.device_type,
        "capabilities": config.capabilities.map(|bits| if bits == 1 { "wifi" } else { "something else" }),
        "has_keypad2": config.has_keypad2,
        "matter": config.matter_status.map(|m| if m == 3 { "enabled" } else { "something else" }),
    }))
}

// Advertising

fn check_advertising_data(inputs: &Value, expected: &Value) -> Faults {
    let data = bytes(inputs, "ad");
    let found = Advertisement::parse(&data);
    let nuki_id = expected["nuki_id"].as_str().map(|id| u32::from_str_radix(id, 16).unwrap());
    if expected["ignore"] == true {
        return equal("advertisement", &json!(format!("{found:?}")), &json!("None"));
    }
    if let Some(name) = expected["name"].as_str() {
        let id = u32::from_str_radix(name.trim_start_matches("Nuki_"), 16).unwrap();
        let mut faults = same("scan response", &beacon::encode_scan_response(Family::Lock, id), &data);
        faults.extend(equal("name", &json!(beacon::device_name(Family::Lock, id)), &expected["name"]));
        faults.extend(equal("advertisement", &json!(format!("{found:?}")), &json!("None")));
        return faults;
    }
    let family = if expected["type"] == "opener" { Family::Opener } else { Family::Lock };
    let (wanted, again) = match expected["pairing"].as_str() {
        Some(pairing) => {
            let mode = match pairing {
                "gen1-4" => PairingMode::Lock,
                "ultra/go/5th gen" => PairingMode::Lock5thGen,
                "uninitialised" => PairingMode::UninitialisedLock,
                other => return vec![format!("no pairing mode is called {other:?}")],
            };
            (Advertisement::Pairing(mode, nuki_id.unwrap()), beacon::encode_pairing(mode, nuki_id.unwrap()))
        }
        None => {
            let wanted = Beacon {
                nuki_id: nuki_id.unwrap(),
                family,
                state_changed: expected["state_changed"].as_bool().unwrap(),
                tx_power: i8::try_from(expected["tx_power"].as_i64().unwrap()).unwrap(),
            };
            (Advertisement::Beacon(wanted), beacon::encode_beacon(&wanted))
        }
    };
    let mut faults = same("advertising data", &again, &data);
    faults.extend(equal("advertisement", &json!(format!("{found:?}")), &json!(format!("{:?}", Some(wanted)))));
    faults
}

// The builders

/// Set A and B of the vendor are whole exchanges: the builders have to say what the vendor's devices said.
#[test]
fn the_published_pairings_are_what_both_sides_build() {
    for set in ["A", "B"] {
        let key = SharedKey::from_bytes(array(&vector(&format!("{set}.kdf"))["expected"], "output"));
        let payload = |step: &str| bytes(&vector(&format!("{set}.pair.{step}"))["inputs"], "payload");
        let part = |step: &str, name: &str| {
            let vector = vector(&format!("{set}.pair.{step}.hmac"));
            let parts = vector["inputs"]["parts"].as_array().unwrap().clone();
            let part = parts.iter().find(|part| part["name"] == name).unwrap_or_else(|| panic!("{step}: {parts:?}"));
            bytes(part, "hex")
        };
        let challenge2 = payload("06.challenge2").try_into().unwrap();
        let (client, lock) = (public_key(&payload("03.client_public_key")), public_key(&payload("02.lock_public_key")));
        let challenge1 = payload("04.challenge1").try_into().unwrap();
        assert_eq!(
            pairing::authenticator(&key, &client, &lock, &challenge1).as_slice(),
            payload("05.authorization_authenticator"),
            "set {set}, step 5"
        );

        let step7 = payload("07.authorization_data");
        let data = pairing::AuthorizationData::decode(&step7, &key, &challenge2).unwrap().expect("authentic");
        assert_eq!(data.client_nonce.as_slice(), part("07", "client_nonce"));
        assert_eq!(data.applicant.id_type, IdType::App);
        assert_eq!(data.encode(&key, &challenge2), step7, "set {set}, step 7");

        let step8 = payload("08.authorization_id");
        let id = pairing::AuthorizationId::decode(&step8, &key, &data.client_nonce).unwrap().expect("authentic");
        assert_eq!(id.encode(&key, &data.client_nonce), step8, "set {set}, step 8");

        let step9 = payload("09.authorization_id_confirmation");
        assert_eq!(id.confirmation(&key), step9, "set {set}, step 9");
        assert!(id.is_confirmed_by(&step9, &key));
    }
}

#[test]
fn the_commands_of_the_vectors_are_what_the_builders_build() {
    let inputs = |name: &str| vector(name)["inputs"].clone();
    let nonce = bytes(&inputs("A.unlock.03.lock_action"), "payload")[6..].try_into().unwrap();

    let unlock = LockActionCommand { action: LockAction::Unlock, app_id: 0, flags: 0, suffix: None };
    assert_eq!(unlock.encode(&nonce), message(&inputs("A.unlock.03.lock_action")));

    let request = LogRequest { start_index: 0, count: 10, order: SortOrder::Descending, total_count: true };
    for (name, command, pin, generation) in [
        ("D.gen14.verify_pin_u16", PinCommand::VerifySecurityPin, 1234, Generation::Gen1To4),
        ("D.ultra.verify_pin_u32", PinCommand::VerifySecurityPin, 123_456, Generation::Gen5),
        ("D.gen14.request_log_entries", PinCommand::RequestLogEntries(request), 1234, Generation::Gen1To4),
    ] {
        let wanted = message(&inputs(name));
        assert_eq!(command.encode(&nonce, Pin::new(pin), generation), wanted, "{name}");
        assert_eq!(PinCommand::decode(&wanted, generation), Some((command, nonce, Pin::new(pin))), "{name}");
    }
    assert_eq!(Message::request(Command::PublicKey), message(&inputs("A.pair.01.request_public_key")));
    assert_eq!(Message::request(Command::KeyturnerStates), message(&inputs("A.state.01.request")));
}

/// RFC 7748, section 5.2. The second point lies on the curve's twist, where a
/// scalar reduced by the order of the curve gives another result than NaCl.
#[test]
fn the_key_agreement_is_x25519_for_points_that_no_honest_lock_sends() {
    for (scalar, point, shared) in [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ] {
        let own = SecretKey::from_bytes(unhex(scalar).try_into().unwrap());
        let key = SharedKey::agree(&own, &public_key(&unhex(point)));
        assert_eq!(hex(key.expose()), hex(&hsalsa20(&unhex(shared).try_into().unwrap(), &[0; 16])), "point {point}");
    }
}

// Reading the file

fn vector(name: &str) -> Value {
    vectors().into_iter().find(|vector| vector["name"] == name).unwrap_or_else(|| panic!("no vector {name}"))
}

fn message(value: &Value) -> Message {
    // The file writes command numbers as one prints them, not as they travel.
    let id = u16::from_be_bytes(array(value, "command"));
    Message::new(Command::from_id(id), bytes(value, "payload"))
}

fn secret_key(inputs: &Value) -> SecretKey {
    SecretKey::from_bytes(array(inputs, "private_key"))
}

fn public_key(bytes: &[u8]) -> PublicKey {
    PublicKey(bytes.try_into().unwrap())
}

fn agreed(inputs: &Value) -> SharedKey {
    SharedKey::agree(&secret_key(inputs), &PublicKey(array(inputs, "peer_public_key")))
}

fn bytes(value: &Value, key: &str) -> Vec<u8> {
    unhex(value[key].as_str().unwrap_or_else(|| panic!("no {key:?} in {value}")))
}

fn array<const N: usize>(value: &Value, key: &str) -> [u8; N] {
    bytes(value, key).try_into().unwrap_or_else(|b: Vec<u8>| panic!("{key:?} has {} bytes, not {N}", b.len()))
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd hex {text:?}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn time(time: Option<DeviceTime>) -> Option<String> {
    time.map(|time| time.to_string())
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

fn same(what: &str, found: &[u8], wanted: &[u8]) -> Faults {
    if found == wanted { Faults::new() } else { vec![format!("{what} is {}, not {}", hex(found), hex(wanted))] }
}

/// Texts of the vectors may carry the code behind the name, as in `mqtt(0xAC)`.
fn equal(what: &str, found: &Value, wanted: &Value) -> Faults {
    let plain = match wanted.as_str().and_then(|text| text.split_once("(0x")) {
        Some((name, _)) => json!(name),
        None => wanted.clone(),
    };
    if *found == plain { Faults::new() } else { vec![format!("{what} is {found}, not {wanted}")] }
}
