//! A lock's state to begin with.

use keyturner::protocol::state::{Battery, KeyturnerStates};
use keyturner::protocol::{LockState, NukiState, Trigger};

/// A lock at rest that says no more than the oldest firmware does: 15 bytes, and of the battery one bit. Its clock shows nothing.
pub(crate) fn oldest(lock_state: LockState) -> KeyturnerStates {
    KeyturnerStates {
        nuki_state: NukiState::Door,
        lock_state,
        trigger: Trigger::System,
        current_time: None,
        timezone_offset: 0,
        battery: Battery(0),
        config_update_count: 0,
        lock_n_go_timer: 0,
        last_action: None,
        door_sensor: None,
        night_mode: None,
        accessory_battery: None,
        network: None,
    }
}
