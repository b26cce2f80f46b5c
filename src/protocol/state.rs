//! Keyturner States (0x000C).

use super::datetime::DeviceTime;
use super::types::{CompletionStatus, DoorSensorState, LockAction, LockState, NukiState, Trigger};
use super::wire::{Reader, TooShort};

/// State of a lock as it reports it.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 1 | nuki state |
/// | 1 | 1 | lock state |
/// | 2 | 1 | trigger of the last state change |
/// | 3 | 7 | clock |
/// | 10 | 2 | zone offset, minutes |
/// | 12 | 1 | battery |
/// | 13 | 1 | config update count |
/// | 14 | 1 | lock 'n' go timer |
/// | 15 | 3 | last action, its trigger, its completion status |
/// | 18 | 1 | door sensor |
/// | 19 | 1 | night mode |
/// | 20 | 1 | accessory battery |
/// | 21 | 6 | remote access, signal strengths, Wi-Fi, MQTT, Thread |
///
/// Firmware grew this from 15 to 27 bytes; what an older one does not send is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyturnerStates {
    /// Operating mode.
    pub nuki_state: NukiState,
    /// Bolt.
    pub lock_state: LockState,
    /// What set off the last change of `lock_state`.
    pub trigger: Trigger,
    /// The lock's clock; `None` if it was never set.
    pub current_time: Option<DeviceTime>,
    /// Offset of the lock's zone from UTC, minutes.
    pub timezone_offset: i16,
    /// Battery byte.
    pub battery: Battery,
    /// Changes with every change of the configuration.
    pub config_update_count: u8,
    /// Remaining lock 'n' go time; 0 when it does not run.
    pub lock_n_go_timer: u8,
    /// The last action and how it ended (19 bytes and more).
    pub last_action: Option<LastAction>,
    /// Door sensor (19 bytes and more).
    pub door_sensor: Option<DoorSensorState>,
    /// Night mode runs (21 bytes and more).
    pub night_mode: Option<bool>,
    /// Batteries of keypad and door sensor (21 bytes and more).
    pub accessory_battery: Option<AccessoryBattery>,
    /// Remote access and radio figures (27 bytes).
    pub network: Option<Network>,
}

/// The last action, bytes 15 to 17.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastAction {
    /// What was done.
    pub action: LockAction,
    /// By what.
    pub trigger: Trigger,
    /// With which result.
    pub completion_status: CompletionStatus,
}

/// Byte 12: bit 0 critical, bit 1 charging, bits 2 to 7 half the percentage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Battery(pub u8);

impl Battery {
    /// Needs new batteries.
    #[must_use]
    pub const fn is_critical(self) -> bool {
        self.0 & 1 != 0
    }

    /// Being charged.
    #[must_use]
    pub const fn is_charging(self) -> bool {
        self.0 & 2 != 0
    }

    /// Charge in percent, in steps of 2; `None` for old firmware, which sends 0 or 1 only.
    #[must_use]
    pub const fn percent(self) -> Option<u8> {
        match self.0 >> 2 {
            0 => None,
            half if half > 50 => Some(100),
            half => Some(half * 2),
        }
    }
}

/// Byte 20: bit 0 keypad there, 1 its battery critical, 2 door sensor there, 3 its battery critical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessoryBattery(pub u8);

impl AccessoryBattery {
    /// Battery of the keypad is critical; `None` without keypad.
    #[must_use]
    pub const fn keypad_critical(self) -> Option<bool> {
        if self.0 & 1 != 0 { Some(self.0 & 2 != 0) } else { None }
    }

    /// Battery of the door sensor is critical; `None` without sensor.
    #[must_use]
    pub const fn door_sensor_critical(self) -> Option<bool> {
        if self.0 & 4 != 0 { Some(self.0 & 8 != 0) } else { None }
    }
}

/// Bytes 21 to 26, as they come; the accessors decode them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Bit 0 server link available, 1 bridge paired, 2 via Wi-Fi, 3 established, 4 via Thread, 5 Thread enabled, 6 NAT64.
    pub remote_access: u8,
    /// Signal between lock and bridge; 0 invalid, 1 not supported, negative dBm.
    pub ble_rssi: i8,
    /// Wi-Fi signal, coded alike.
    pub wifi_rssi: i8,
    /// Bits 0-1 Wi-Fi, 2-3 server link, 4-7 quality.
    pub wifi: u8,
    /// Bits 0-1 MQTT, bit 2 set: over Thread.
    pub mqtt: u8,
    /// Bits 0-1 Thread, 2-3 server link, 4 Matter commissioning open, 5 Wi-Fi suspended.
    pub thread: u8,
}

/// A connection of the lock itself (Wi-Fi, MQTT, Thread), two bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uplink {
    /// Switched off.
    Disabled,
    /// On, not connected.
    Disconnected,
    /// Connecting.
    Connecting,
    /// Connected.
    Connected,
}

impl Uplink {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Disabled,
            1 => Self::Disconnected,
            2 => Self::Connecting,
            _ => Self::Connected,
        }
    }
}

impl Network {
    /// Wi-Fi.
    #[must_use]
    pub const fn wifi_status(self) -> Uplink {
        Uplink::from_bits(self.wifi)
    }

    /// The vendor's server, over Wi-Fi; 0 means suspended, 1 not reachable.
    #[must_use]
    pub const fn server_status(self) -> Uplink {
        Uplink::from_bits(self.wifi >> 2)
    }

    /// Wi-Fi quality, 0 to 15.
    #[must_use]
    pub const fn wifi_quality(self) -> u8 {
        self.wifi >> 4
    }

    /// MQTT.
    #[must_use]
    pub const fn mqtt_status(self) -> Uplink {
        Uplink::from_bits(self.mqtt)
    }

    /// Thread; 0 means Matter is off.
    #[must_use]
    pub const fn thread_status(self) -> Uplink {
        Uplink::from_bits(self.thread)
    }
}

impl KeyturnerStates {
    /// Reads 15 bytes or more.
    ///
    /// # Errors
    /// [`TooShort`] below 15 bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, TooShort> {
        let reader = Reader::at_least("Keyturner States", payload, 15)?;
        Self::read(reader).ok_or(TooShort { what: "Keyturner States", expected: 15, actual: payload.len() })
    }

    /// The same, as far as an Opener means it: behind byte 17 the sources disagree about what it sends.
    #[must_use]
    pub const fn of_opener(self) -> Self {
        Self { door_sensor: None, night_mode: None, accessory_battery: None, network: None, ..self }
    }

    fn read(mut r: Reader<'_>) -> Option<Self> {
        Some(Self {
            nuki_state: r.u8()?.into(),
            lock_state: r.u8()?.into(),
            trigger: r.u8()?.into(),
            current_time: DeviceTime::read(&mut r)?,
            timezone_offset: r.i16()?,
            battery: Battery(r.u8()?),
            config_update_count: r.u8()?,
            lock_n_go_timer: r.u8()?,
            last_action: r.array::<3>().map(|[action, trigger, completion]| LastAction {
                action: action.into(),
                trigger: trigger.into(),
                completion_status: completion.into(),
            }),
            door_sensor: r.u8().map(Into::into),
            night_mode: r.flag(),
            accessory_battery: r.u8().map(AccessoryBattery),
            network: r.array::<6>().map(|[remote_access, ble, wifi_rssi, wifi, mqtt, thread]| Network {
                remote_access,
                ble_rssi: i8::from_le_bytes([ble]),
                wifi_rssi: i8::from_le_bytes([wifi_rssi]),
                wifi,
                mqtt,
                thread,
            }),
        })
    }

    /// The payload, as long as the first absent field allows.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.nuki_state.code(), self.lock_state.code(), self.trigger.code()];
        out.extend_from_slice(&self.current_time.map_or([0; 7], DeviceTime::to_bytes));
        out.extend_from_slice(&self.timezone_offset.to_le_bytes());
        out.extend_from_slice(&[self.battery.0, self.config_update_count, self.lock_n_go_timer]);
        let Some(last) = self.last_action else { return out };
        out.extend_from_slice(&[last.action.code(), last.trigger.code(), last.completion_status.code()]);
        let Some(door) = self.door_sensor else { return out };
        out.push(door.code());
        let Some(night_mode) = self.night_mode else { return out };
        out.push(u8::from(night_mode));
        let Some(accessory) = self.accessory_battery else { return out };
        out.push(accessory.0);
        let Some(net) = self.network else { return out };
        let [ble] = net.ble_rssi.to_le_bytes();
        let [wifi] = net.wifi_rssi.to_le_bytes();
        out.extend_from_slice(&[net.remote_access, ble, wifi, net.wifi, net.mqtt, net.thread]);
        out
    }
}
