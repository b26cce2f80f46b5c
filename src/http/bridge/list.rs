//! `/list`.

use super::super::doors::Doors;
use super::super::json::{Object, array, tame};
use super::wire::{device_type, push_state, timestamp};
use crate::clock::UnixMillis;
use crate::gateway::LockSnapshot;

/// From memory; no radio is used.
pub(super) fn list(gateway: &dyn Doors, now: UnixMillis) -> String {
    array(gateway.locks(), |object, lock| push(object, &lock, now))
}

fn push(object: Object, lock: &LockSnapshot, now: UnixMillis) -> Object {
    let head = object
        .int("deviceType", device_type(lock.device_type))
        .int("nukiId", lock.nuki_id)
        .text("name", &tame(&lock.name))
        // homebridge-nb skips a device without one.
        .text("firmwareVersion", lock.firmware_version.as_deref().unwrap_or("0.0.0"));
    match &lock.state {
        Some((states, read_at)) => head.object("lastKnownState", |object| {
            push_state(object, lock, states, now).text("timestamp", &timestamp(*read_at))
        }),
        None => head,
    }
}
