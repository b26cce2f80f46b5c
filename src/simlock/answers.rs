//! What the lock answers: states, lists, configuration; and how it seals it.

use crate::protocol::config::{BatteryReport, Config};
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
        let has_fob = self.users.all().iter().any(|user| user.entry.id_type == IdType::Fob);
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
            has_fob,
            fob_actions: [4, 4, 4],
            single_lock: Some(false),
            advertising_mode: Some(0),
            has_keypad: Some(self.keypad_auth().is_some()),
            firmware_version: Some(self.config.firmware),
            hardware_revision: Some(self.config.hardware),
            homekit_status: Some(0),
            timezone_id: Some(37),
            device_type: Some(4),
            capabilities: Some(0),
            has_keypad2: Some(false),
            matter_status: Some(0),
            product_variant: None,
        };
        self.send(to, &Message::new(Command::Config, config.encode()));
        Ok(())
    }

    /// 31 bytes, as API 2.2 has them: offsets, timings and flags of which only three are alive here.
    pub(super) fn answer_advanced_config(&mut self, to: Sender) -> Result<(), ErrorCode> {
        let seconds = |time: std::time::Duration| u16::try_from(time.as_secs()).unwrap_or(u16::MAX);
        let [lock_n_go, _] = seconds(self.config.lock_n_go_timeout).to_le_bytes();
        let [unlatch, _] = seconds(self.config.unlatch_hold).to_le_bytes();
        let [auto0, auto1] = seconds(self.config.auto_lock.unwrap_or_default()).to_le_bytes();
        let is_auto = u8::from(self.config.auto_lock.is_some());
        let mut payload = vec![0xD0, 0x02, 0, 0, 0, 0, 0, 0, 0, 0];
        payload.extend_from_slice(&[lock_n_go, 1, 5, 0, 0, 1, unlatch, auto0, auto1]);
        payload.extend_from_slice(&[0, 0, 22, 0, 6, 0, 0, 0, 0, is_auto, 0, 1]);
        self.send(to, &Message::new(Command::AdvancedConfig, payload));
        Ok(())
    }

    pub(super) fn answer_log(&mut self, to: Sender, body: &[u8]) -> Result<(), ErrorCode> {
        let request = LogRequest::decode(body).map_err(|_| ErrorCode::BadLength)?;
        let is_padded = self.faults.log_padding;
        let (entries, available) = self.log.select(&request);
        let payloads: Vec<_> = entries.into_iter().map(|entry| ActivityLog::payload(entry, is_padded)).collect();
        if request.total_count {
            let count = LogEntryCount {
                logging_enabled: self.log.enabled,
                count: u16::try_from(available).unwrap_or(u16::MAX),
                door_sensor_enabled: Some(self.config.has_door_sensor),
                door_sensor_logging_enabled: Some(self.config.door_sensor_logging),
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

/// Offset and count in front of a list request.
fn window(body: &[u8]) -> Result<(usize, usize), ErrorCode> {
    let [o0, o1, c0, c1] = body.first_chunk().ok_or(ErrorCode::BadLength)?;
    Ok((usize::from(u16::from_le_bytes([*o0, *o1])), usize::from(u16::from_le_bytes([*c0, *c1]))))
}
