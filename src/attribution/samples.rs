//! What the tests in this room begin with.

use crate::protocol::datetime::DeviceTime;
use crate::protocol::frame::AuthId;
use crate::protocol::log::{LogEntry, LogEntryKind, LoggedAction};
use crate::protocol::state::{Battery, KeyturnerStates, LastAction};
use crate::protocol::{CompletionStatus, LockAction, LockState, NukiState, Trigger};

/// Midnight of some day, Unix seconds; the seconds of a sample count from here.
pub(super) const MIDNIGHT: i64 = 1_795_392_000;

/// A lock at rest that says no more than the oldest do: no clock, no last action.
pub(super) fn states(lock_state: LockState) -> KeyturnerStates {
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

/// By a phone or another thing that speaks Bluetooth.
pub(super) const fn last_action(action: LockAction, completion_status: CompletionStatus) -> Option<LastAction> {
    Some(LastAction { action, trigger: Trigger::System, completion_status })
}

/// By a phone, first in its log, at this second.
pub(super) fn acted(
    auth_id: AuthId,
    action: LockAction,
    completion_status: CompletionStatus,
    second: impl Into<Option<i64>>,
) -> LogEntry {
    let trigger = Trigger::System;
    let kind = LogEntryKind::LockAction(LoggedAction { action, trigger, flags: 0, completion_status });
    let timestamp = second.into().and_then(|second| DeviceTime::from_unix_seconds(MIDNIGHT + second));
    LogEntry { index: 1, timestamp, auth_id, name: String::new(), kind }
}
