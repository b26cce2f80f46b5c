//! Received bytes are hostile: no decoder panics, nothing forged is believed, nothing secret is printed.

use std::collections::BTreeSet;
use std::fmt::Debug;

use keyturner::protocol::advanced_config::AdvancedConfig;
use keyturner::protocol::beacon::{self, Advertisement, Beacon, Family, PairingMode};
use keyturner::protocol::config::{BatteryReport, Config, OpenerConfig};
use keyturner::protocol::crypto::{Pin, SecretKey, SharedKey};
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::frame::{self, FrameError, Framing, Message, Reassembler};
use keyturner::protocol::gatt::{self, Generation, Uuid};
use keyturner::protocol::log::{
    KeypadEntry, LogEntry, LogEntryCount, LogEntryKind, LogRequest, LoggedAction, Ring, SortOrder,
};
use keyturner::protocol::pairing::{self, Applicant, AuthorizationData, AuthorizationId};
use keyturner::protocol::reply::Reply;
use keyturner::protocol::request::{LockActionCommand, PinCommand};
use keyturner::protocol::state::{AccessoryBattery, Battery, KeyturnerStates, LastAction, Network};
use keyturner::protocol::users::{AuthorizationEntry, CodeDigits, KeypadCode, TimeLimit};
use keyturner::protocol::{
    Command, CompletionStatus, DoorEvent, DoorSensorState, ErrorCode, IdType, KeypadSource, LockAction, LockState,
    NukiState, StatusCode, Trigger,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const KEY: SharedKey = SharedKey::from_bytes([0x42; 32]);
const NONCE: [u8; 24] = [0x17; 24];
/// Longer than any message of any generation.
const MAX_LEN: usize = 600;

const COMMANDS: &[Command] = &[
    Command::RequestData,
    Command::PublicKey,
    Command::Challenge,
    Command::AuthorizationAuthenticator,
    Command::AuthorizationData,
    Command::AuthorizationId,
    Command::AuthorizationEntry,
    Command::KeyturnerStates,
    Command::LockAction,
    Command::Status,
    Command::BatteryReport,
    Command::ErrorReport,
    Command::Config,
    Command::VerifySecurityPin,
    Command::RequestAuthorizationEntries,
    Command::AuthorizationEntryCount,
    Command::RequestLogEntries,
    Command::LogEntry,
    Command::LogEntryCount,
    Command::AddKeypadCode,
    Command::RequestKeypadCodes,
    Command::KeypadCodeCount,
    Command::KeypadCode,
    Command::UpdateKeypadCode,
    Command::KeypadAction,
    Command::AuthorizationInfo,
    Command::Unknown(0xBEEF),
];

// No panic

/// Runs every decoder, and everything that is computed from a decoded value.
fn decode_everything(data: &[u8]) {
    let challenge = [9; 32];
    let _ = frame::decode_plain(data);
    let _ = frame::decode_header(data);
    let _ = frame::decode_encrypted(&KEY, data);
    let _ = KEY.open(&NONCE, data);
    for framing in [Framing::Plain, Framing::Encrypted] {
        let mut reassembler = Reassembler::new(framing);
        reassembler.push(data);
        while let Ok(Some(frame)) = reassembler.next_frame() {
            let _ = frame::decode_plain(&frame);
        }
    }
    for command in COMMANDS {
        let message = Message::new(*command, data);
        for generation in [Generation::Gen1To4, Generation::Gen5, Generation::Opener] {
            let _ = PinCommand::decode(&message, generation);
        }
        for is_opener in [false, true] {
            if let Ok(reply) = Reply::decode(message.clone(), is_opener) {
                let _ = format!("{reply:?}");
            }
        }
    }
    if let Ok(states) = KeyturnerStates::decode(data) {
        let _ = (states.battery.percent(), states.encode(), states.lock_state.is_transitional());
        let _ = states.network.map(|n| (n.wifi_status(), n.server_status(), n.mqtt_status(), n.thread_status()));
    }
    if let Ok(Some(time)) = DeviceTime::decode(data) {
        let _ = (time.to_string(), time.unix_seconds());
    }
    let _ = LockActionCommand::decode(data);
    let _ = LogRequest::decode(data);
    let _ = AuthorizationData::decode(data, &KEY, &challenge);
    if let Ok(Some(_)) = AuthorizationId::decode(data, &KEY, &challenge) {
        panic!("an authenticator was forged");
    }
    let _ = pairing::decode_authorization_data_5th_gen(data);
    let _ = pairing::decode_authorization_id_5th_gen(data);
    let id = AuthorizationId { auth_id: 2, uuid: [1; 16], challenge };
    assert!(!id.is_confirmed_by(data, &KEY), "a confirmation was forged");
    let _ = Beacon::parse(data);
    let _ = Advertisement::parse(data);
    let _ = beacon::parse_pairing(gatt::lock::PAIRING_SERVICE, data);
}

#[test]
fn no_length_of_dull_bytes_makes_a_decoder_panic() {
    let mut noise = 0x9E37_79B9_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        noise.to_le_bytes()[0]
    })
    .take(MAX_LEN)
    .collect();
    let counting: Vec<u8> = (0..MAX_LEN).map(|i| i.to_le_bytes()[0]).collect();
    for filling in [vec![0x00; MAX_LEN], vec![0xFF; MAX_LEN], vec![0x01; MAX_LEN], vec![0x80; MAX_LEN], counting, noise]
    {
        for length in 0..=MAX_LEN {
            decode_everything(&filling[..length]);
        }
    }
}

#[test]
fn no_prefix_of_a_real_message_makes_a_decoder_panic() {
    let file: serde_json::Value = serde_json::from_str(include_str!("../vectors/ble.json")).unwrap();
    for vector in file["vectors"].as_array().unwrap() {
        for text in ["inputs", "expected"].iter().flat_map(|part| vector[part].as_object().unwrap().values()) {
            let Some(text) = text.as_str().filter(|text| text.len() % 2 == 0 && text.is_ascii()) else { continue };
            let hex = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
            let Ok(data) = hex.collect::<Result<Vec<u8>, _>>() else { continue };
            for length in 0..=data.len() {
                decode_everything(&data[..length]);
            }
        }
    }
}

/// A field that is cut in half must not be read as the field behind it.
#[test]
fn a_truncated_tail_is_absent_and_not_shifted() {
    let states = [2u8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0x0A, 3, 1, 5, 7, 8, 9, 10, 11, 12];
    let whole = KeyturnerStates::decode(&states).unwrap();
    for length in 15..=states.len() {
        let cut = KeyturnerStates::decode(&states[..length]).unwrap();
        assert_eq!(cut.last_action, whole.last_action.filter(|_| length >= 18), "{length} bytes");
        assert_eq!(cut.door_sensor, whole.door_sensor.filter(|_| length >= 19), "{length} bytes");
        assert_eq!(cut.night_mode, whole.night_mode.filter(|_| length >= 20), "{length} bytes");
        assert_eq!(cut.accessory_battery, whole.accessory_battery.filter(|_| length >= 21), "{length} bytes");
        assert_eq!(cut.network, whole.network.filter(|_| length >= 27), "{length} bytes");
    }

    let config: Vec<u8> = (1..=79).collect();
    let whole = Config::decode(&config).unwrap();
    for length in 63..=config.len() {
        let cut = Config::decode(&config[..length]).unwrap();
        assert_eq!(cut.single_lock, whole.single_lock.filter(|_| length >= 64), "{length} bytes");
        assert_eq!(cut.has_keypad, whole.has_keypad.filter(|_| length >= 66), "{length} bytes");
        assert_eq!(cut.firmware_version, whole.firmware_version.filter(|_| length >= 69), "{length} bytes");
        assert_eq!(cut.hardware_revision, whole.hardware_revision.filter(|_| length >= 71), "{length} bytes");
        assert_eq!(cut.homekit_status, whole.homekit_status.filter(|_| length >= 72), "{length} bytes");
        assert_eq!(cut.timezone_id, whole.timezone_id.filter(|_| length >= 74), "{length} bytes");
        assert_eq!(cut.device_type, whole.device_type.filter(|_| length >= 75), "{length} bytes");
        assert_eq!(cut.product_variant, whole.product_variant.filter(|_| length >= 79), "{length} bytes");
    }
}

#[test]
fn an_openers_configuration_is_not_read_with_a_locks_layout() {
    let config = Message::new(Command::Config, [1; 72]);
    assert!(matches!(Reply::decode(config.clone(), false), Ok(Reply::Config(_))));
    assert!(matches!(Reply::decode(config, true), Ok(Reply::OpenerConfig(_))));
    // About an Opener's advanced configuration the sources disagree.
    let advanced = Message::new(Command::AdvancedConfig, [1; 33]);
    assert!(matches!(Reply::decode(advanced.clone(), false), Ok(Reply::AdvancedConfig(_))));
    assert_eq!(Reply::decode(advanced.clone(), true), Ok(Reply::Other(advanced)));
}

#[test]
fn an_openers_configuration_grows_at_its_end() {
    let config: Vec<u8> = (1..=73).collect();
    let whole = OpenerConfig::decode(&config).unwrap();
    assert_eq!(whole.encode().len(), 73);
    for length in 65..=config.len() {
        let cut = OpenerConfig::decode(&config[..length]).unwrap();
        assert_eq!(cut.firmware_version, whole.firmware_version.filter(|_| length >= 68), "{length} bytes");
        assert_eq!(cut.hardware_revision, whole.hardware_revision.filter(|_| length >= 70), "{length} bytes");
        assert_eq!(cut.timezone_id, whole.timezone_id.filter(|_| length >= 72), "{length} bytes");
        assert_eq!(cut.has_keypad2, whole.has_keypad2.filter(|_| length >= 73), "{length} bytes");
    }
    assert!(OpenerConfig::decode(&config[..64]).is_err());
}

#[test]
fn an_advanced_configuration_of_every_age_is_read_as_far_as_it_goes() {
    let config: Vec<u8> = (0..33).map(|n| u8::from(n > 10)).collect();
    let whole = AdvancedConfig::decode(&config).unwrap();
    assert_eq!(whole.encode(), config);
    for length in [11, 16, 17, 19, 27, 28, 31, 33] {
        let cut = AdvancedConfig::decode(&config[..length]).unwrap();
        assert_eq!(cut.encode(), config[..length], "{length} bytes");
        assert_eq!(cut.automatic_battery_type.is_some(), length >= 16);
        assert_eq!(cut.unlatch_duration.is_some(), length >= 17);
        assert_eq!(cut.auto_lock_timeout.is_some(), length >= 19);
        assert_eq!(cut.night_mode.is_some(), length >= 27);
        assert_eq!(cut.auto_lock_enabled.is_some(), length >= 31);
        assert_eq!(cut.slow_speed_at_night.is_some(), length >= 33);
    }
    assert!(AdvancedConfig::decode(&config[..10]).is_err());
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(data in vec(any::<u8>(), 0..=MAX_LEN)) {
        decode_everything(&data);
    }

    /// What a lock sends is stored and told; writing it again must not change it.
    #[test]
    fn whatever_decodes_encodes_to_the_same_value(data in vec(any::<u8>(), 0..120), is_opener: bool) {
        if let Ok(x) = KeyturnerStates::decode(&data) {
            prop_assert_eq!(KeyturnerStates::decode(&x.encode()), Ok(x));
        }
        // A name in broken UTF-8 is repaired once, and may then be too long for its field.
        if let Ok(mut x) = LogEntry::decode(&data, is_opener) {
            x.name.clear();
            prop_assert_eq!(LogEntry::decode(&x.encode(), is_opener), Ok(x));
        }
        if let Ok(x) = AdvancedConfig::decode(&data) {
            prop_assert_eq!(AdvancedConfig::decode(&x.encode()), Ok(x));
        }
        if let Ok(x) = LogEntryCount::decode(&data) {
            prop_assert_eq!(LogEntryCount::decode(&x.encode()), Ok(x));
        }
        if let Ok(mut x) = AuthorizationEntry::decode(&data) {
            x.name.clear();
            prop_assert_eq!(AuthorizationEntry::decode(&x.encode()), Ok(x));
        }
        if let Ok(mut x) = KeypadCode::decode(&data) {
            x.name.clear();
            prop_assert_eq!(KeypadCode::decode(&x.encode(CodeDigits::new(583_921).unwrap())), Ok(x));
        }
        if let Ok(x) = BatteryReport::decode(&data) {
            prop_assert_eq!(BatteryReport::decode(&x.encode()), Ok(x));
        }
        if let Ok(mut x) = Config::decode(&data) {
            x.name.clear();
            // Bytes, since the position may be "not a number", which equals nothing.
            let again = Config::decode(&x.encode());
            prop_assert_eq!(again.map(|x| x.encode()), Ok(x.encode()));
        }
        if let Some(x) = Beacon::parse(&data) {
            prop_assert_eq!(Beacon::parse(&x.to_bytes()), Some(x));
        }
    }
}

// Round trips

/// Text as it comes back from a field of `N` bytes: no zero, no blanks at the end.
fn name<const N: usize>() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..=N).prop_map(|chars| {
        let mut name = String::new();
        for c in chars.into_iter().filter(|c| *c != '\0') {
            if name.len() + c.len_utf8() <= N {
                name.push(c);
            }
        }
        name.trim_end().to_owned()
    })
}

fn time() -> impl Strategy<Value = Option<DeviceTime>> {
    prop_oneof![any::<[u8; 7]>(), Just([0; 7])].prop_map(|bytes| DeviceTime::decode(&bytes).unwrap())
}

/// A known value or any code.
fn open<T: From<u8> + Debug>() -> impl Strategy<Value = T> {
    any::<u8>().prop_map(T::from)
}

fn states() -> impl Strategy<Value = KeyturnerStates> {
    let fixed = (open(), open(), open(), time(), any::<i16>(), any::<[u8; 3]>());
    let last = (open(), open(), open());
    let network = (any::<u8>(), any::<i8>(), any::<i8>(), any::<[u8; 3]>());
    // How many of the fields that firmware added over the years are there.
    (fixed, last, open(), any::<bool>(), any::<u8>(), network, 0..=5).prop_map(
        |(fixed, (action, trigger, completion_status), door, night, accessory, network, fields)| {
            let (nuki_state, lock_state, last_trigger, current_time, timezone_offset, [battery, updates, timer]) =
                fixed;
            let (remote_access, ble_rssi, wifi_rssi, [wifi, mqtt, thread]) = network;
            KeyturnerStates {
                nuki_state,
                lock_state,
                trigger: last_trigger,
                current_time,
                timezone_offset,
                battery: Battery(battery),
                config_update_count: updates,
                lock_n_go_timer: timer,
                last_action: (fields >= 1).then_some(LastAction { action, trigger, completion_status }),
                door_sensor: (fields >= 2).then_some(door),
                night_mode: (fields >= 3).then_some(night),
                accessory_battery: (fields >= 4).then_some(AccessoryBattery(accessory)),
                network: (fields >= 5).then_some(Network { remote_access, ble_rssi, wifi_rssi, wifi, mqtt, thread }),
            }
        },
    )
}

fn logged_action() -> impl Strategy<Value = LoggedAction> {
    (open(), open(), any::<u8>(), open()).prop_map(|(action, trigger, flags, completion_status)| LoggedAction {
        action,
        trigger,
        flags,
        completion_status,
    })
}

fn log_kind() -> impl Strategy<Value = (LogEntryKind, bool)> {
    let keypad = (open(), open(), open(), any::<u16>()).prop_map(|(action, source, completion_status, code_id)| {
        LogEntryKind::Keypad(KeypadEntry { action, source, completion_status, code_id })
    });
    let ring = (any::<u8>(), any::<u8>(), any::<[bool; 2]>(), any::<u8>(), open(), any::<u16>()).prop_map(
        |(mode, source, [geofence, suppressed], sound_id, completion_status, code_id)| {
            LogEntryKind::Ring(Ring { mode, source, geofence, suppressed, sound_id, completion_status, code_id })
        },
    );
    let unknown = (0x20u8.., vec(any::<u8>(), 0..10)).prop_map(|(code, data)| LogEntryKind::Unknown { code, data });
    let either = prop_oneof![
        any::<bool>().prop_map(LogEntryKind::Logging),
        logged_action().prop_map(LogEntryKind::LockAction),
        logged_action().prop_map(LogEntryKind::Calibration),
        logged_action().prop_map(LogEntryKind::Initialisation),
        keypad,
        any::<bool>().prop_map(LogEntryKind::DoorSensorLogging),
        any::<[u8; 3]>().prop_map(LogEntryKind::FirmwareUpdate),
        unknown,
    ];
    prop_oneof![
        8 => (either, any::<bool>()),
        1 => (open::<DoorEvent>().prop_map(LogEntryKind::Door), Just(false)),
        1 => (ring, Just(true)),
    ]
}

fn limit() -> impl Strategy<Value = TimeLimit> {
    (time(), time(), any::<u8>(), any::<(u8, u8)>(), any::<(u8, u8)>()).prop_map(
        |(from, until, weekdays, from_time, until_time)| TimeLimit { from, until, weekdays, from_time, until_time },
    )
}

fn digits() -> impl Strategy<Value = CodeDigits> {
    vec(1u32..=9, 6)
        .prop_map(|digits| CodeDigits::new(digits.into_iter().fold(0, |code, digit| code * 10 + digit)))
        .prop_filter_map("begins with 12", |code| code)
}

fn config() -> impl Strategy<Value = Config> {
    let place = (any::<u32>(), name::<32>(), any::<f32>(), any::<f32>());
    let basics = (any::<[bool; 5]>(), any::<u8>(), time(), any::<i16>(), any::<u8>(), any::<[u8; 3]>());
    let versions = (any::<[bool; 3]>(), any::<[u8; 3]>(), any::<[u8; 2]>(), any::<u16>(), any::<[u8; 6]>());
    (place, basics, versions, 0..=12).prop_map(|(place, basics, versions, fields)| {
        let (nuki_id, name, latitude, longitude) = place;
        let (flags, led_brightness, current_time, timezone_offset, dst_mode, fob_actions) = basics;
        let ([single, keypad, keypad2], firmware, hardware, zone, [mode, homekit, kind, bits, matter, variant]) =
            versions;
        let [auto_unlatch, pairing_enabled, button_enabled, led_flash, has_fob] = flags;
        Config {
            nuki_id,
            name,
            latitude,
            longitude,
            auto_unlatch,
            pairing_enabled,
            button_enabled,
            led_flash,
            led_brightness,
            current_time,
            timezone_offset,
            dst_mode,
            has_fob,
            fob_actions,
            single_lock: (fields >= 1).then_some(single),
            advertising_mode: (fields >= 2).then_some(mode),
            has_keypad: (fields >= 3).then_some(keypad),
            firmware_version: (fields >= 4).then_some(firmware),
            hardware_revision: (fields >= 5).then_some(hardware),
            homekit_status: (fields >= 6).then_some(homekit),
            timezone_id: (fields >= 7).then_some(zone),
            device_type: (fields >= 8).then_some(kind),
            capabilities: (fields >= 9).then_some(bits),
            has_keypad2: (fields >= 10).then_some(keypad2),
            matter_status: (fields >= 11).then_some(matter),
            product_variant: (fields >= 12).then_some(variant),
        }
    })
}

proptest! {
    #[test]
    fn states_of_every_firmware_survive_the_round_trip(x in states()) {
        prop_assert_eq!(KeyturnerStates::decode(&x.encode()), Ok(x));
    }

    #[test]
    fn log_entries_survive_the_round_trip(
        index: u32, timestamp in time(), auth_id: u32, name in name::<32>(), (kind, is_opener) in log_kind(),
        padding in vec(any::<u8>(), 0..5),
    ) {
        let x = LogEntry { index, timestamp, auth_id, name, kind };
        let mut payload = x.encode();
        prop_assert_eq!(LogEntry::decode(&payload, is_opener), Ok(x.clone()));
        if !matches!(x.kind, LogEntryKind::Unknown { .. }) {
            payload.extend(padding);
            prop_assert_eq!(LogEntry::decode(&payload, is_opener), Ok(x), "padding of the 3rd generation");
        }
    }

    #[test]
    fn log_requests_and_counts_survive_the_round_trip(
        start_index: u32, count: u16, descending: bool, total_count: bool, on: bool, sensor: Option<(bool, Option<bool>)>,
    ) {
        let order = if descending { SortOrder::Descending } else { SortOrder::Ascending };
        let x = LogRequest { start_index, count, order, total_count };
        prop_assert_eq!(LogRequest::decode(&x.encode()), Ok(x));
        let x = LogEntryCount {
            logging_enabled: on,
            count,
            door_sensor_enabled: sensor.map(|(enabled, _)| enabled),
            door_sensor_logging_enabled: sensor.and_then(|(_, logging)| logging),
        };
        prop_assert_eq!(LogEntryCount::decode(&x.encode()), Ok(x));
    }

    #[test]
    fn authorizations_survive_the_round_trip(
        auth_id: u32, id_type in open(), name in name::<32>(), enabled: bool, remote_allowed: bool,
        created in time(), last_active in time(), lock_count: u16, time_limit in option::of(limit()),
    ) {
        let x = AuthorizationEntry {
            auth_id, id_type, name, enabled, remote_allowed, created, last_active, lock_count, time_limit,
        };
        let payload = x.encode();
        prop_assert_eq!(payload.len(), if x.time_limit.is_some() { 75 } else { 56 });
        prop_assert_eq!(AuthorizationEntry::decode(&payload), Ok(x.clone()));
        // Some locks send the block of a time limit even when there is none.
        let padded = [payload.as_slice(), &[0; 19]].concat();
        prop_assert_eq!(AuthorizationEntry::decode(&padded), Ok(x));
    }

    #[test]
    fn keypad_codes_survive_the_round_trip(
        code_id: u16, name in name::<20>(), enabled: bool, created in time(), last_active in time(), lock_count: u16,
        time_limit in option::of(limit()), digits in digits(),
    ) {
        let x = KeypadCode { code_id, name, enabled, created, last_active, lock_count, time_limit };
        let payload = x.encode(digits);
        prop_assert_eq!(payload.len(), if x.time_limit.is_some() { 63 } else { 44 });
        prop_assert_eq!(KeypadCode::decode(&payload), Ok(x));
    }

    #[test]
    fn configurations_of_every_firmware_survive_the_round_trip(x in config()) {
        prop_assert_eq!(Config::decode(&x.encode()), Ok(x));
    }

    #[test]
    fn beacons_survive_the_round_trip_and_bit_0_is_the_change(nuki_id: u32, opener: bool, tx_power: i8) {
        let family = if opener { Family::Opener } else { Family::Lock };
        let x = Beacon { nuki_id, family, state_changed: tx_power.rem_euclid(2) == 1, tx_power };
        prop_assert_eq!(Beacon::parse(&x.to_bytes()), Some(x));
        let data = beacon::encode_beacon(&x);
        prop_assert!(data.len() <= 31, "legacy advertising has 31 bytes");
        prop_assert_eq!(Advertisement::parse(&data), Some(Advertisement::Beacon(x)));
        prop_assert!(beacon::encode_scan_response(family, nuki_id).len() <= 31);
    }

    #[test]
    fn pairing_advertisements_survive_the_round_trip(nuki_id: u32) {
        for mode in [
            PairingMode::Lock,
            PairingMode::Lock5thGen,
            PairingMode::Opener,
            PairingMode::UninitialisedLock,
            PairingMode::UninitialisedOpener,
        ] {
            let data = beacon::encode_pairing(mode, nuki_id);
            prop_assert!(data.len() <= 31);
            prop_assert_eq!(Advertisement::parse(&data), Some(Advertisement::Pairing(mode, nuki_id)));
        }
    }

    #[test]
    fn foreign_advertisements_are_nobodys(uuid: u128, data in vec(any::<u8>(), 0..40)) {
        let known = (0..=0xFFFF_u128).any(|short| {
            let at = |base: u128| base | short << 96;
            uuid == at(0xa92e_0000_5501_11e4_916c_0800_200c_9a66) || uuid == at(0xa92a_0000_5501_11e4_916c_0800_200c_9a66)
        });
        prop_assume!(!known);
        prop_assert_eq!(beacon::parse_pairing(Uuid(uuid), &data), None);
        let stranger = [&[0x02, 0x15], uuid.to_be_bytes().as_slice(), &[1, 2, 3, 4, 0xC9]].concat();
        prop_assert_eq!(Beacon::parse(&stranger), None);
    }

    #[test]
    fn commands_survive_the_round_trip(
        action in open(), app_id: u32, flags: u8, suffix: Option<[u8; 20]>, nonce: [u8; 32], pin: u32,
        offset: u16, count: u16,
    ) {
        let x = LockActionCommand { action, app_id, flags, suffix };
        let message = x.encode(&nonce);
        prop_assert_eq!(message.payload.len(), if suffix.is_some() { 58 } else { 38 });
        prop_assert_eq!(LockActionCommand::decode(&message.payload), Some((x, nonce)));
        for generation in [Generation::Gen1To4, Generation::Gen5, Generation::Opener] {
            let pin = if generation == Generation::Gen5 { Pin::new(pin) } else { Pin::new(pin & 0xFFFF) };
            for x in [
                PinCommand::VerifySecurityPin,
                PinCommand::RequestAuthorizationEntries(offset, count),
                PinCommand::RequestKeypadCodes(offset, count),
            ] {
                prop_assert_eq!(PinCommand::decode(&x.encode(&nonce, pin, generation), generation), Some((x, nonce, pin)));
            }
        }
    }

    #[test]
    fn names_too_long_for_their_field_are_cut_between_characters(long in vec(any::<char>(), 0..60)) {
        let long: String = long.into_iter().filter(|c| *c != '\0').collect();
        let stored = pairing::name_as_stored(&long);
        prop_assert!(stored.len() <= 32);
        prop_assert!(long.starts_with(&stored), "{stored:?}");
    }
}

// Nothing is lost

/// Every code survives, known names are distinct, and each value prints.
macro_rules! keeps_every_code {
    ($($name:ident),*) => {$({
        let mut names = BTreeSet::new();
        for code in 0..=u8::MAX {
            let value = $name::from_code(code);
            assert_eq!(value.code(), code, concat!(stringify!($name), " loses a code"));
            assert_eq!($name::from(code), value);
            assert!(names.insert(value.to_string()), "{value} stands for two codes");
            assert_eq!($name::KNOWN.contains(&value), value.known_name().is_some());
        }
    })*};
}

#[test]
fn open_enumerations_keep_all_256_codes() {
    keeps_every_code!(
        CompletionStatus,
        DoorEvent,
        DoorSensorState,
        ErrorCode,
        IdType,
        KeypadSource,
        LockAction,
        LockState,
        NukiState,
        StatusCode,
        Trigger
    );
}

#[test]
fn commands_keep_all_65536_numbers() {
    for id in 0..=u16::MAX {
        assert_eq!(Command::from_id(id).id(), id);
    }
}

// Nothing is printed

fn printed(x: &impl Debug) -> [String; 2] {
    [format!("{x:?}"), format!("{x:#?}")]
}

proptest! {
    /// The strongest form of "not in there": what is printed does not depend on it.
    #[test]
    fn keypad_digits_never_appear_in_anything_printed(
        code_id: u16, name in name::<20>(), lock_count: u16, one in digits(), other in digits(),
    ) {
        let code = KeypadCode {
            code_id, name, enabled: true, created: None, last_active: None, lock_count, time_limit: None,
        };
        prop_assert_eq!(printed(&one), printed(&other));
        let (one, other) = (code.encode(one), code.encode(other));
        for command in COMMANDS {
            let messages = [&one, &other].map(|payload| Message::new(*command, payload.clone()));
            let [a, b] = &messages;
            prop_assert_eq!(printed(a), printed(b), "{}", command);
            // Messages that have other fields where the digits stand must print those.
            if !matches!(
                Reply::decode(a.clone(), false),
                Ok(Reply::Challenge(_) | Reply::Error(_) | Reply::States(_) | Reply::Battery(_) | Reply::Status(_))
                    | Ok(Reply::LogEntryCount(_))
            ) {
                let [a, b] = messages.map(|message| printed(&Reply::decode(message, false).map_err(|e| e.to_string())));
                prop_assert_eq!(a, b, "{}", command);
            }
        }
    }

    #[test]
    fn keys_and_pins_never_appear_in_anything_printed(one: [u8; 32], other: [u8; 32], pins: [u32; 2], nonce: [u8; 32]) {
        prop_assert_eq!(printed(&SharedKey::from_bytes(one)), printed(&SharedKey::from_bytes(other)));
        prop_assert_eq!(printed(&SecretKey::from_bytes(one)), printed(&SecretKey::from_bytes(other)));
        let [a, b] = pins.map(Pin::new);
        prop_assert_eq!(printed(&a), printed(&b));
        for generation in [Generation::Gen1To4, Generation::Gen5] {
            let [a, b] = [a, b].map(|pin| PinCommand::VerifySecurityPin.encode(&nonce, pin, generation));
            prop_assert_eq!(printed(&a), printed(&b));
        }
        let [a, b] = [a, b].map(|pin| pairing::encode_authorization_data_5th_gen(7, "gateway", pin));
        let [a, b] = [a, b].map(|payload| Message::new(Command::AuthorizationData, payload));
        prop_assert_eq!(printed(&a), printed(&b));
        prop_assert_eq!(printed(&Reply::Other(a)), printed(&Reply::Other(b)));
    }
}

#[test]
fn a_message_that_is_wiped_holds_nothing_of_what_it_carried() {
    let mut message = Message::new(Command::VerifySecurityPin, [7; 34]);
    message.wipe();
    assert!(message.payload.is_empty());
}

// Nothing forged is believed

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn one_flipped_bit_anywhere_in_a_frame_is_refused(nonce: [u8; 24], auth_id: u32, payload in vec(any::<u8>(), 0..60)) {
        let message = Message::new(Command::LockAction, payload);
        let frame = frame::encode_encrypted(&KEY, &nonce, auth_id, &message);
        prop_assert_eq!(frame::decode_encrypted(&KEY, &frame), Ok((auth_id, message.clone())));
        for bit in 0..frame.len() * 8 {
            let mut forged = frame.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(frame::decode_encrypted(&KEY, &forged).is_err(), "bit {bit} does not matter");
        }
        let plain = frame::encode_plain(&message);
        for bit in 0..plain.len() * 8 {
            let mut forged = plain.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(frame::decode_plain(&forged).is_err(), "bit {bit} does not matter");
        }
    }
}

proptest! {
    #[test]
    fn another_tag_another_key_and_another_length_are_refused(
        payload in vec(any::<u8>(), 0..60), tag: [u8; 16], key: [u8; 32], surplus in vec(any::<u8>(), 1..30),
    ) {
        let frame = frame::encode_encrypted(&KEY, &NONCE, 2, &Message::new(Command::LogEntry, payload));
        let mut forged = frame.clone();
        forged[30..46].copy_from_slice(&tag);
        prop_assert_eq!(frame::decode_encrypted(&KEY, &forged), Err(FrameError::Undecryptable));
        prop_assert_eq!(frame::decode_encrypted(&SharedKey::from_bytes(key), &frame), Err(FrameError::Undecryptable));
        for length in 0..frame.len() {
            prop_assert!(frame::decode_encrypted(&KEY, &frame[..length]).is_err(), "{length} bytes are enough");
        }
        let longer = [frame.as_slice(), &surplus].concat();
        prop_assert!(frame::decode_encrypted(&KEY, &longer).is_err());
    }

    #[test]
    fn pairing_messages_with_one_flipped_bit_are_refused(app_id: u32, nonces: [[u8; 32]; 2], uuid: [u8; 16], bit: usize) {
        let [challenge, client_nonce] = nonces;
        let applicant = Applicant { id_type: IdType::Bridge, app_id, name: "gateway".into() };
        let data = AuthorizationData { applicant, client_nonce };
        let mut payload = data.encode(&KEY, &challenge);
        prop_assert_eq!(AuthorizationData::decode(&payload, &KEY, &challenge), Ok(Some(data)));
        payload[bit / 8 % AuthorizationData::LEN] ^= 1 << (bit % 8);
        prop_assert_eq!(AuthorizationData::decode(&payload, &KEY, &challenge), Ok(None));

        let id = AuthorizationId { auth_id: app_id, uuid, challenge };
        let mut payload = id.encode(&KEY, &client_nonce);
        prop_assert_eq!(AuthorizationId::decode(&payload, &KEY, &client_nonce), Ok(Some(id.clone())));
        payload[bit / 8 % AuthorizationId::LEN] ^= 1 << (bit % 8);
        prop_assert_eq!(AuthorizationId::decode(&payload, &KEY, &client_nonce), Ok(None));

        let mut payload = id.confirmation(&KEY);
        prop_assert!(id.is_confirmed_by(&payload, &KEY));
        payload[bit / 8 % 36] ^= 1 << (bit % 8);
        prop_assert!(!id.is_confirmed_by(&payload, &KEY));
    }

    #[test]
    fn both_sides_of_a_pairing_agree_on_one_key(one: [u8; 32], other: [u8; 32]) {
        let [one, other] = [one, other].map(SecretKey::from_bytes);
        prop_assert_eq!(
            SharedKey::agree(&one, &other.public_key()),
            SharedKey::agree(&other, &one.public_key())
        );
    }
}

#[test]
fn a_sealed_message_with_wrong_insides_is_refused() {
    let sealed = |pdata: &[u8]| {
        let body = KEY.seal(&NONCE, pdata);
        let length = u16::try_from(body.len()).unwrap().to_le_bytes();
        frame::decode_encrypted(&KEY, &[&NONCE[..], &2u32.to_le_bytes(), &length, &body].concat())
    };
    let status = Message::new(Command::Status, [0]);
    let good = frame::encode_pdata(2, &status);
    assert_eq!(sealed(&good), Ok((2, status.clone())));

    let elsewhere = frame::encode_pdata(3, &status);
    assert_eq!(sealed(&elsewhere), Err(FrameError::AuthIdMismatch { outside: 2, inside: 3 }));

    let mut wrong_crc = good;
    *wrong_crc.last_mut().unwrap() ^= 0x80;
    assert!(matches!(sealed(&wrong_crc), Err(FrameError::BadCrc { .. })));

    // The length field allows no plaintext below 8 bytes.
    assert!(matches!(sealed(&[2, 0, 0, 0, 0x0E, 0, 0]), Err(FrameError::BadLength { .. })));
}

#[test]
fn six_digits_from_1_to_9_not_beginning_with_12_are_a_code_and_nothing_else_is() {
    for digits in 0..=1_100_000u32 {
        let text = digits.to_string();
        let valid = text.len() == 6 && !text.contains('0') && !text.starts_with("12");
        assert_eq!(CodeDigits::new(digits).is_some(), valid, "{digits}");
    }
    assert!(CodeDigits::new(u32::MAX).is_none());
}
