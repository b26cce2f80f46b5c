//! How a simulated lock is built and set up.

use std::time::Duration;

use crate::protocol::crypto::Pin;
use crate::protocol::log::LogIndex;
use crate::protocol::users::{CodeDigits, TimeLimit};
use crate::protocol::{IdType, LockAction, LockState, OpenerAction};

use super::device::Device;
use super::fault::Faults;

/// How the lock cuts its messages into indications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pieces {
    /// At most 20 bytes whatever the MTU, as old firmware does.
    Twenty,
    /// As many as the MTU allows.
    Mtu,
}

/// An authorization that exists from the start.
#[derive(Debug, Clone)]
pub struct UserConfig {
    /// Its name.
    pub name: String,
    /// Phone, bridge, fob, keypad.
    pub id_type: IdType,
    /// May act.
    pub enabled: bool,
    /// Valid when; `None` for always.
    pub time_limit: Option<TimeLimit>,
}

impl UserConfig {
    /// An enabled authorization without a time limit.
    #[must_use]
    pub fn new(name: impl Into<String>, id_type: IdType) -> Self {
        Self { name: name.into(), id_type, enabled: true, time_limit: None }
    }
}

/// A keypad code that exists from the start.
#[derive(Debug, Clone)]
pub struct CodeConfig {
    /// Its name.
    pub name: String,
    /// Its digits.
    pub digits: CodeDigits,
    /// May open.
    pub enabled: bool,
    /// Valid when; `None` for always.
    pub time_limit: Option<TimeLimit>,
}

impl CodeConfig {
    /// An enabled code without a time limit; `None` if a keypad would not take these digits.
    #[must_use]
    pub fn new(name: impl Into<String>, digits: u32) -> Option<Self> {
        Some(Self { name: name.into(), digits: CodeDigits::new(digits)?, enabled: true, time_limit: None })
    }
}

/// Everything that is set before a simulated lock starts.
#[derive(Debug, Clone)]
pub struct SimLockConfig {
    /// Which device it is.
    pub device: Device,
    /// Its number; the top bit must be 0 for the vendor's app.
    pub nuki_id: u32,
    /// Name given by the owner.
    pub name: String,
    /// Security PIN.
    pub pin: Pin,
    /// Wrong PINs until the lock-out.
    pub pin_attempts: u8,
    /// How long the lock-out lasts.
    pub pin_lockout: Duration,
    /// Firmware version.
    pub firmware: [u8; 3],
    /// Hardware revision.
    pub hardware: [u8; 2],
    /// Authorizations, numbered from 1.
    pub users: Vec<UserConfig>,
    /// At most so many authorizations.
    pub max_users: usize,
    /// Keypad codes, numbered from 1. The keypad itself is the first user of type keypad.
    pub codes: Vec<CodeConfig>,
    /// What a keypad code does.
    pub keypad_action: LockAction,
    /// Bolt at the start.
    pub lock_state: LockState,
    /// How long the motor runs for one movement of the bolt or the latch; on an Opener, until the strike is released.
    pub motor_time: Duration,
    /// How long the latch is held, or an Opener's strike released.
    pub unlatch_hold: Duration,
    /// How long lock 'n' go waits before it locks.
    pub lock_n_go_timeout: Duration,
    /// Ring to open ends by itself after this.
    pub ring_to_open_time: Duration,
    /// Locks by itself so long after it was unlocked.
    pub auto_lock: Option<Duration>,
    /// Auto unlock is refused so long after an action.
    pub auto_unlock_pause: Duration,
    /// A door sensor is paired.
    pub has_door_sensor: bool,
    /// Its events are logged.
    pub door_sensor_logging: bool,
    /// The door stands open at the start.
    pub door_open: bool,
    /// Pairing mode ends by itself after this.
    pub pairing_time: Duration,
    /// A link without traffic is dropped after this.
    pub idle_time: Duration,
    /// Centrals at the same time.
    pub max_links: usize,
    /// How messages are cut.
    pub pieces: Pieces,
    /// Bytes of Keyturner States: 15, 19, 21 or 27 by age of the firmware; some sends 26, some Openers 18.
    pub states_len: usize,
    /// Offset of the lock's zone from UTC, minutes.
    pub timezone_offset: i16,
    /// Battery charge.
    pub battery_percent: u8,
    /// Log entries kept.
    pub log_capacity: usize,
    /// Number of the first log entry; behind the highest number comes 1 again.
    pub log_start: LogIndex,
    /// What goes wrong from the start.
    pub faults: Faults,
}

impl SimLockConfig {
    /// A locked Smart Lock 3 behind a closed door, PIN 1234, with nobody authorized.
    #[must_use]
    pub fn new(nuki_id: u32) -> Self {
        Self::of(Device::SmartLock3, nuki_id)
    }

    /// A locked lock or an idle Opener with the [`Device::pin`] and nobody authorized.
    #[must_use]
    pub fn of(device: Device, nuki_id: u32) -> Self {
        let is_lock = !device.is_opener();
        Self {
            device,
            nuki_id,
            name: "Front door".to_owned(),
            pin: device.pin(),
            pin_attempts: 3,
            pin_lockout: Duration::from_secs(300),
            firmware: device.firmware(),
            hardware: [3, 1],
            users: Vec::new(),
            max_users: device.max_users(),
            codes: Vec::new(),
            keypad_action: if is_lock { LockAction::Unlock } else { OpenerAction::Open.command() },
            lock_state: LockState::Locked,
            motor_time: Duration::from_millis(1500),
            unlatch_hold: Duration::from_secs(3),
            lock_n_go_timeout: Duration::from_secs(20),
            ring_to_open_time: Duration::from_secs(20 * 60),
            auto_lock: None,
            auto_unlock_pause: Duration::from_secs(5),
            has_door_sensor: is_lock,
            door_sensor_logging: is_lock,
            door_open: false,
            pairing_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(20),
            max_links: device.max_links(),
            pieces: device.pieces(),
            states_len: device.states_len(),
            timezone_offset: 0,
            battery_percent: 84,
            log_capacity: 1000,
            log_start: 1,
            faults: Faults::default(),
        }
    }

    /// A Smart Lock 3 with a small house: see [`family_of`](Self::family_of).
    #[must_use]
    pub fn family(nuki_id: u32) -> Self {
        Self::family_of(Device::SmartLock3, nuki_id)
    }

    /// A device with a small house: keypad codes of Anna (1, 583921) and Ben (2, 746352), and the
    /// authorizations "Nuki Keypad" (1), "Clara's fob" (2) and "Dora's phone" (3).
    #[must_use]
    pub fn family_of(device: Device, nuki_id: u32) -> Self {
        let codes = [("Anna", 583_921), ("Ben", 746_352)];
        Self {
            users: vec![
                UserConfig::new("Nuki Keypad", IdType::Keypad),
                UserConfig::new("Clara's fob", IdType::Fob),
                UserConfig::new("Dora's phone", IdType::App),
            ],
            codes: codes.into_iter().filter_map(|(name, digits)| CodeConfig::new(name, digits)).collect(),
            ..Self::of(device, nuki_id)
        }
    }
}
