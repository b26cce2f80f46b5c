//! `/list`.

use super::super::doors::Doors;
use super::super::json::{Object, array, tame};
use super::wire::{device_type, push_state, timestamp};
use crate::clock::UnixMillis;
use crate::gateway::LockSnapshot;

/// From memory; no radio is used.
pub(super) fn list(gateway: &dyn Doors, now: UnixMillis) -> String {
    array(gateway.locks().iter().map(|lock| item(lock, now)))
}

fn item(lock: &LockSnapshot, now: UnixMillis) -> Object {
    let head = Object::new()
        .int("deviceType", device_type(lock.device_type))
        .int("nukiId", lock.nuki_id)
        .text("name", &tame(&lock.name))
        // homebridge-nb skips a device without one.
        .text("firmwareVersion", lock.firmware_version.as_deref().unwrap_or("0.0.0"));
    match &lock.state {
        Some((states, read_at)) => {
            let state = push_state(Object::new(), lock, states, now);
            head.object("lastKnownState", state.text("timestamp", &timestamp(*read_at)))
        }
        None => head,
    }
}
