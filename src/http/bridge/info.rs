//! `/info`.

use std::time::Duration;

use super::super::AppState;
use super::super::doors::Doors;
use super::super::json::Object;
use super::wire::{OPENER, device_type, timestamp};
use crate::gateway::ScanResult;
use crate::protocol::beacon::{Family, device_name};

/// What clients compare for features; homebridge-nb recommends exactly this one.
const FIRMWARE: &str = "2.18.0";
const WIFI_FIRMWARE: &str = "2.4.0";
/// A lock that is not paired does not say its model; most clients skip what is not 0, 2, 3 or 4.
const UNKNOWN_LOCK: u8 = 4;

/// A device that was silent for longer is not there any more. A lock that somebody is connected to is silent, too.
const HEARD_WITHIN: Duration = Duration::from_secs(120);

/// From memory. `bridgeType` 1, because clients ask a software bridge for other credentials and want a `hardwareId`.
pub(super) fn info(app: &AppState, doors: &dyn Doors) -> String {
    let ids =
        |object: Object| object.int("hardwareId", app.identity.hardware_id()).int("serverId", app.identity.server_id());
    let versions = |object: Object| object.text("firmwareVersion", FIRMWARE).text("wifiFirmwareVersion", WIFI_FIRMWARE);
    let uptime = i64::try_from(app.clock.monotonic().as_secs()).unwrap_or(i64::MAX);
    let now = app.clock.wall();
    let heard = doors.scan_results().into_iter().filter(|heard| now.since(heard.last_seen) < HEARD_WITHIN);
    let result = |object: Object, heard: ScanResult| {
        let paired = doors.lock(heard.nuki_id);
        let device_type = match (&paired, heard.family) {
            (Some(lock), _) => device_type(lock.device_type),
            (None, Family::Opener) => OPENER,
            (None, Family::Lock) => UNKNOWN_LOCK,
        };
        object
            .int("deviceType", device_type)
            .int("nukiId", heard.nuki_id)
            .text("name", &device_name(heard.family, heard.nuki_id))
            .int_if("rssi", heard.rssi)
            .bool("paired", paired.is_some())
    };
    Object::new()
        .int("bridgeType", 1)
        .object("ids", ids)
        .object("versions", versions)
        .int("uptime", uptime)
        .text("currentTime", &timestamp(now))
        .bool("wlanConnected", true)
        .bool("serverConnected", false)
        // FHEM cuts here: it stays the last key.
        .array("scanResults", heard, result)
        .finish()
}
