//! One device of each kind that the Bridge API knows, as the gateway knows them from memory.

use std::time::Duration;

use keyturner::gateway::{LockSnapshot, ScanResult};
use keyturner::protocol::beacon::Family;
use keyturner::protocol::state::{AccessoryBattery, Battery, LastAction, Network};
use keyturner::protocol::{CompletionStatus, DoorSensorState, LockAction, LockState, Trigger};

use crate::http_support::{FRONT, NOW, front, states};
use crate::support::states::oldest;

/// The kinds, by the name of their golden file.
pub(crate) const KINDS: [&str; 6] =
    ["smart_lock_1", "smart_lock_3", "smart_lock_4", "smart_lock_ultra", "smart_door", "opener"];

/// A device of this kind.
pub(crate) fn device(kind: &str) -> LockSnapshot {
    let read_at = NOW.before(Duration::from_secs(130));
    let known = |nuki_id, device_type, name: &str, firmware: &str, states| LockSnapshot {
        nuki_id,
        device_type,
        name: name.to_owned(),
        firmware_version: Some(firmware.to_owned()),
        state: Some((states, read_at)),
        ..front()
    };
    match kind {
        "smart_lock_1" => known(0x1E5F_E23A, 0, "Cellar", "1.12.2", oldest(LockState::Locked)),
        "smart_lock_3" => {
            let mut states = states(LockState::Unlocked);
            states.accessory_battery = Some(AccessoryBattery(0b0001));
            let auto_unlatch = Some(true);
            LockSnapshot { has_keypad: true, auto_unlatch, ..known(FRONT, 4, "Haust\u{fc}r", "3.9.5", states) }
        }
        "smart_lock_4" => {
            let mut states = states(LockState::UnlockedLockNGo);
            (states.battery, states.door_sensor) = (Battery(50 << 2 | 2), Some(DoorSensorState::Opened));
            (states.lock_n_go_timer, states.network) = (20, Some(wifi()));
            known(0x2B00_0004, 4, "Office", "4.2.6", states)
        }
        "smart_lock_ultra" => {
            let mut states = states(LockState::Unlatched);
            (states.battery, states.door_sensor) = (Battery(7 << 2 | 1), Some(DoorSensorState::Uncalibrated));
            (states.accessory_battery, states.network) = (Some(AccessoryBattery(0b1111)), Some(wifi()));
            LockSnapshot { has_keypad: true, ..known(0x2C00_0005, 5, "Studio", "5.1.3", states) }
        }
        "smart_door" => {
            let mut states = states(LockState::Locked);
            (states.battery, states.door_sensor) = (Battery(50 << 2), Some(DoorSensorState::Unavailable));
            known(0x2A00_0003, 3, "Flat", "2.9.1", states)
        }
        "opener" => {
            let mut states = oldest(LockState::Unlocked);
            (states.trigger, states.lock_n_go_timer) = (Trigger::Button, 20);
            states.last_action = Some(LastAction {
                action: LockAction::Unlock,
                trigger: Trigger::Button,
                completion_status: CompletionStatus::Success,
            });
            let last_ring = Some(NOW.before(Duration::from_secs(29)));
            LockSnapshot { auto_unlatch: None, last_ring, ..known(0x377D_EC12, 2, "Street", "1.10.1", states) }
        }
        other => panic!("there is no {other}"),
    }
}

const fn wifi() -> Network {
    Network { remote_access: 0b1101, ble_rssi: 0, wifi_rssi: -60, wifi: 0xAF, mqtt: 3, thread: 0 }
}

/// What the adapter hears: an Opener that is a stranger, this device, and one that is silent for two minutes.
pub(crate) fn heard(device: &LockSnapshot) -> Vec<ScanResult> {
    let family = if device.device_type == 2 { Family::Opener } else { Family::Lock };
    let heard = |nuki_id, family, rssi, seconds| ScanResult {
        nuki_id,
        family,
        rssi: Some(rssi),
        last_seen: NOW.before(Duration::from_secs(seconds)),
    };
    vec![
        heard(0x3000_0001, Family::Opener, -71, 119),
        heard(0x3000_0002, Family::Lock, -88, 0),
        heard(device.nuki_id, family, -61, 3),
        heard(0x3000_0003, Family::Lock, -90, 120),
    ]
}
