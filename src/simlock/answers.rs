//! What the lock answers: states, lists, configuration; and how it seals it.

use std::time::Duration;

use crate::protocol::advanced_config::{AdvancedConfig, NightMode};
use crate::protocol::config::{BatteryReport, Config, OpenerConfig};
use crate::protocol::crypto::Challenge;
use crate::protocol::frame::{self, AuthId, Message};
use crate::protocol::gatt::Characteristic;
use crate::protocol::log::{LogEntryCount, LogRequest};
use crate::protocol::reply::ErrorReport;
use crate::protocol::{Command, ErrorCode, IdType, StatusCode};

use super::SimLock;
use super::commands::Sender;
use super::fault::take;
use super::io::{LinkId, Moment};
use super::log::ActivityLog;

impl SimLock {
    pub(super) fn answer_request(&mut self, to: Sender, body: &[u8], now: Moment) -> Result<(), ErrorCode> {
        let wanted = body.first_chunk().ok_or(ErrorCode::BadLength)?;
        match Command::from_id(u16::from_le_bytes(*wanted)) {
            Command::Challenge => {
                let challenge: Challenge = self.random();
                if let Some(user) = self.users.get_mut(to.auth_id) {
                    user.nonce = Some((to.link, challenge));
                }
                self.send(to, &Message::new(Command::Challenge, challenge));
            }
            Command::KeyturnerStates => {
                let states = self.states_payload(now);
                self.send(to, &Message::new(Command::KeyturnerStates, states));
                // Only the bridge's reading counts as read.
                self.unread &= !to.is_bridge;
            }
            Command::BatteryReport => {
                let report = BatteryReport {
                    drain: 4200,
                    voltage: 5600,
                    critical: 0,
                    lock_action: self.bolt.last_action.action,
                    start_voltage: 5650,
                    lowest_voltage: 5300,
                    lock_distance: 480,
                    start_temperature: 21,
                    max_turn_current: 260,
                    battery_resistance: 310,
                };
                self.send(to, &Message::new(Command::BatteryReport, report.encode()));
            }
            _ => return Err(ErrorCode::UnknownError),
        }
        Ok(())
    }

    pub(super) fn answer_config(&mut self, to: Sender, now: Moment) -> Result<(), ErrorCode> {
        let payload = if self.config.device.is_opener() { self.opener_config(now) } else { self.lock_config(now) };
        self.send(to, &Message::new(Command::Config, payload));
        Ok(())
    }

    fn has_fob(&self) -> bool {
        self.users.all().iter().any(|user| user.entry.id_type == IdType::Fob)
    }

    /// As much of it as this device's firmware sends.
    fn lock_config(&self, now: Moment) -> Vec<u8> {
        let device = self.config.device;
        let config = Config {
            nuki_id: self.config.nuki_id,
            name: self.config.name.clone(),
            latitude: 47.070_7,
            longitude: 15.439_5,
            auto_unlatch: false,
            pairing_enabled: true,
            button_enabled: true,
            led_flash: true,
            led_brightness: 3,
            current_time: self.device_time(now),
            timezone_offset: self.config.timezone_offset,
            dst_mode: 1,
            has_fob: self.has_fob(),
            fob_actions: [4, 4, 4],
            single_lock: Some(false),
            advertising_mode: Some(0),
            has_keypad: Some(self.keypad_auth().is_some()),
            firmware_version: Some(self.config.firmware),
            hardware_revision: Some(self.config.hardware),
            homekit_status: Some(0),
            timezone_id: Some(37),
            // Kept in front of fields that are cut off again.
            device_type: Some(device.device_type().unwrap_or(0)),
            capabilities: Some(0),
            has_keypad2: Some(false),
            matter_status: Some(0),
            product_variant: Some(0),
        };
        let mut payload = config.encode();
        payload.truncate(device.config_len());
        payload
    }

    fn opener_config(&self, now: Moment) -> Vec<u8> {
        let config = OpenerConfig {
            nuki_id: self.config.nuki_id,
            name: self.config.name.clone(),
            latitude: 47.070_7,
            longitude: 15.439_5,
            // Opens and listens for the bell.
            capabilities: 1,
            pairing_enabled: true,
            button_enabled: true,
            led_flash: true,
            current_time: self.device_time(now),
            timezone_offset: self.config.timezone_offset,
            dst_mode: 1,
            has_fob: self.has_fob(),
            fob_actions: [7, 7, 7],
            // Analogue intercom.
            operating_mode: 1,
            advertising_mode: 0,
            has_keypad: self.keypad_auth().is_some(),
            firmware_version: Some(self.config.firmware),
            hardware_revision: Some(self.config.hardware),
            timezone_id: Some(37),
            has_keypad2: Some(false),
        };
        config.encode()
    }

    /// As much of it as this device's firmware sends; only timings are alive here.
    pub(super) fn answer_advanced_config(&mut self, to: Sender) -> Result<(), ErrorCode> {
        let device = self.config.device;
        let mut payload = if device.is_opener() { self.opener_advanced_config() } else { self.lock_advanced_config() };
        payload.truncate(device.advanced_config_len());
        self.send(to, &Message::new(Command::AdvancedConfig, payload));
        Ok(())
    }

    fn lock_advanced_config(&self) -> Vec<u8> {
        let auto_lock = self.config.auto_lock;
        let config = AdvancedConfig {
            total_degrees: 720,
            unlocked_position_offset: 0,
            locked_position_offset: 0,
            single_locked_position_offset: 0,
            unlocked_to_locked_transition_offset: 0,
            lock_n_go_timeout: short(self.config.lock_n_go_timeout),
            single_button_press: Some(1),
            double_button_press: Some(5),
            detached_cylinder: Some(false),
            battery_type: Some(0),
            automatic_battery_type: Some(true),
            unlatch_duration: Some(short(self.config.unlatch_hold)),
            auto_lock_timeout: Some(seconds(auto_lock.unwrap_or_default())),
            auto_unlock_disabled: Some(false),
            night_mode: Some(NightMode {
                enabled: false,
                start: (22, 0),
                end: (6, 0),
                auto_lock: false,
                auto_unlock_disabled: false,
            }),
            night_mode_immediate_lock: Some(false),
            auto_lock_enabled: Some(auto_lock.is_some()),
            immediate_auto_lock: Some(0),
            auto_update: Some(true),
            motor_speed: Some(0),
            slow_speed_at_night: Some(false),
        };
        config.encode()
    }

    fn opener_advanced_config(&self) -> Vec<u8> {
        let [strike0, strike1] = milliseconds(self.config.unlatch_hold).to_le_bytes();
        let [minutes, _] = (seconds(self.config.ring_to_open_time) / 60).to_le_bytes();
        // Intercom 1, no bus switch, short circuit 400 ms, no delays, ring to open off after a ring, and so on.
        vec![
            1, 0, 0, 0x90, 0x01, 0, 0, 0, strike0, strike1, 1, minutes, 0, 0, 0xF4, 0x01, 1, 1, 1, 1, 0, 128, 1, 4, 0,
            1, 1,
        ]
    }

    pub(super) fn answer_log(&mut self, to: Sender, body: &[u8]) -> Result<(), ErrorCode> {
        let request = LogRequest::decode(body).map_err(|_| ErrorCode::BadLength)?;
        let is_padded = self.faults.log_padding;
        let (entries, available) = self.log.select(&request);
        let mut payloads: Vec<_> = entries.into_iter().map(|entry| ActivityLog::payload(entry, is_padded)).collect();
        if let Some(first) = payloads.first().cloned()
            && take(&mut self.faults.repeat_entry)
        {
            payloads.insert(0, first);
        }
        if request.total_count {
            let has_sensor_bytes = !self.config.device.is_opener();
            let count = LogEntryCount {
                logging_enabled: self.log.enabled,
                count: u16::try_from(available).unwrap_or(u16::MAX),
                door_sensor_enabled: has_sensor_bytes.then_some(self.config.has_door_sensor),
                door_sensor_logging_enabled: has_sensor_bytes.then_some(self.config.door_sensor_logging),
            };
            self.send(to, &Message::new(Command::LogEntryCount, count.encode()));
        }
        self.send_list(to, Command::LogEntry, payloads);
        Ok(())
    }

    /// The caller's own authorization comes first.
    pub(super) fn answer_users(&mut self, to: Sender, body: &[u8]) -> Result<(), ErrorCode> {
        let (offset, count) = window(body)?;
        let filter = body.get(4).copied().map(IdType::from_code);
        let (own, others): (Vec<_>, Vec<_>) =
            self.users.all().iter().map(|user| &user.entry).partition(|entry| entry.auth_id == to.auth_id);
        let wanted = own.into_iter().chain(others).filter(|entry| filter.is_none_or(|f| entry.id_type == f));
        let all: Vec<Vec<u8>> = wanted.map(|entry| entry.encode()).collect();
        self.send_count(to, Command::AuthorizationEntryCount, all.len());
        let page = self.page(all, offset, count);
        self.send_list(to, Command::AuthorizationEntry, page);
        Ok(())
    }

    pub(super) fn answer_codes(&mut self, to: Sender, body: &[u8]) -> Result<(), ErrorCode> {
        let (offset, count) = window(body)?;
        let all: Vec<Vec<u8>> = self.keypad.all().iter().map(|code| code.entry.encode(code.digits)).collect();
        self.send_count(to, Command::KeypadCodeCount, all.len());
        let page = self.page(all, offset, count);
        self.send_list(to, Command::KeypadCode, page);
        Ok(())
    }

    fn page(&mut self, all: Vec<Vec<u8>>, offset: usize, count: usize) -> Vec<Vec<u8>> {
        let mut page: Vec<_> = all.into_iter().skip(offset).take(count).collect();
        if page.len() > 1 && take(&mut self.faults.short_list) {
            page.remove(0);
        }
        page
    }

    fn send_count(&mut self, to: Sender, command: Command, count: usize) {
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        self.send(to, &Message::new(command, count.to_le_bytes()));
    }

    fn send_list(&mut self, to: Sender, command: Command, payloads: impl IntoIterator<Item = Vec<u8>>) {
        for payload in payloads {
            self.send(to, &Message::new(command, payload));
        }
        self.send_status(to.link, to.auth_id, StatusCode::Complete);
    }

    /// States for every link whose user is known and listens.
    pub(super) fn push_states(&mut self, now: Moment) {
        let message = Message::new(Command::KeyturnerStates, self.states_payload(now));
        let listeners: Vec<_> =
            self.links.iter().filter_map(|(link, port)| port.auth.map(|auth_id| (*link, auth_id))).collect();
        for (link, auth_id) in listeners {
            self.send_encrypted(link, auth_id, &message);
        }
    }

    pub(super) fn send_status(&mut self, link: LinkId, auth_id: AuthId, status: StatusCode) {
        self.send_encrypted(link, auth_id, &Message::new(Command::Status, [status.code()]));
    }

    pub(super) fn send_error(&mut self, link: LinkId, auth_id: AuthId, code: ErrorCode, command: Command) {
        self.send_encrypted(link, auth_id, &ErrorReport { code, command: command.id() }.encode());
    }

    pub(super) fn send(&mut self, to: Sender, message: &Message) {
        self.send_encrypted(to.link, to.auth_id, message);
    }

    fn send_encrypted(&mut self, link: LinkId, auth_id: AuthId, message: &Message) {
        if self.is_mute {
            return;
        }
        let nonce = self.random();
        let (Some(user), Some(port)) = (self.users.get(auth_id), self.links.get_mut(&link)) else { return };
        if port.is_subscribed(Characteristic::KeyturnerUsdio) {
            let sealed = frame::encode_encrypted(&user.key, &nonce, auth_id, message);
            port.send(Characteristic::KeyturnerUsdio, sealed);
        }
    }
}

fn seconds(time: Duration) -> u16 {
    u16::try_from(time.as_secs()).unwrap_or(u16::MAX)
}

fn short(time: Duration) -> u8 {
    u8::try_from(time.as_secs()).unwrap_or(u8::MAX)
}

fn milliseconds(time: Duration) -> u16 {
    u16::try_from(time.as_millis()).unwrap_or(u16::MAX)
}

/// Offset and count in front of a list request.
fn window(body: &[u8]) -> Result<(usize, usize), ErrorCode> {
    let [o0, o1, c0, c1] = body.first_chunk().ok_or(ErrorCode::BadLength)?;
    Ok((usize::from(u16::from_le_bytes([*o0, *o1])), usize::from(u16::from_le_bytes([*c0, *c1]))))
}
