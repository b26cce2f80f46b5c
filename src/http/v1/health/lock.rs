//! How a lock is.

use serde::Serialize;
use utoipa::ToSchema;

use crate::attribution::UnknownReason;
use crate::clock::UnixMillis;
use crate::gateway::{ClockHealth, DirectoryHealth, LockHealth, LockSnapshot, LogAccess, Timings};
use crate::protocol::config::BatteryReport;

/// How a lock is, as far as the gateway knows; no radio is used.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LockState {
    /// The lock's number.
    nuki_id: u32,
    /// Its name. From the air: for showing, no key.
    name: String,
    /// What is wrong and what to do about it, in plain words; empty if all is well.
    attention: Vec<String>,
    /// Seconds since its state was read; absent until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    state_age_seconds: Option<u64>,
    /// When it was heard or read last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    last_contact: Option<String>,
    /// Signal strength, dBm.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    rssi: Option<i16>,
    /// Whether its log can be read: `readable`, `pin_missing`, `pin_refused` or `logging_off`. If not, nobody can be named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    log_access: Option<&'static str>,
    /// How often it refused the PIN; after the second time none is sent any more.
    pin_refusals: u8,
    /// The last entry of its log that is stored; 0 for none.
    log_index: u32,
    /// The newest entry that it was heard to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    newest_log_index: Option<u32>,
    /// While an absence is caught up with: entries read so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    backfill: Option<u32>,
    /// Links that were made since midnight, UTC.
    connections_today: u32,
    /// Its clock beside the host's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    clock: Option<Clock>,
    /// People and codes as they were read last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    directory: Option<Directory>,
    /// Its battery report.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    battery: Option<Battery>,
    /// How long it takes for what, as its owner has set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    timings: Option<LockTimings>,
}

/// The battery report of a lock. It is about the last action.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LockBattery)]
struct Battery {
    /// When it was read.
    #[schema(format = DateTime)]
    read_at: String,
    /// mV.
    voltage: u16,
    /// At the start of the action, mV.
    start_voltage: u16,
    /// Lowest during the action, mV.
    lowest_voltage: u16,
    /// Drained by the action, mWs.
    drain: u16,
    /// Of the electronics at the start of the action, °C.
    temperature: i8,
    /// New batteries are needed.
    critical: bool,
}

/// How long a lock takes for what. Seconds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LockTimings {
    /// It locks by itself so long after it was unlocked; absent if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    auto_lock: Option<u16>,
    /// Lock 'n' go locks after this.
    lock_n_go: u8,
    /// The latch is held so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    unlatch: Option<u8>,
}

/// A lock's clock beside the host's.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LockClock)]
pub(in super::super) struct Clock {
    /// When it was read, by the host's clock.
    #[schema(format = DateTime)]
    read_at: String,
    /// What it showed, without an offset.
    device_time: String,
    /// How far it was ahead of the host's, milliseconds; right to half a second.
    clock_skew: i64,
    /// Its zone offset, minutes.
    zone_offset: i16,
    /// It runs on local time, not on UTC: it is off by its zone offset.
    is_local_time: bool,
    /// It is off by more than 30 seconds, zone aside.
    should_be_set: bool,
}

/// When people and codes were read whole.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Directory {
    /// When.
    #[schema(format = DateTime)]
    read_at: String,
    /// Authorizations there were.
    users: u32,
    /// Keypad codes there were.
    codes: u32,
}

impl LockState {
    pub(super) fn new(health: Option<LockHealth>, lock: &LockSnapshot, now: UnixMillis) -> Self {
        let read_at = lock.state.map(|(_, at)| at);
        let contact = lock.last_seen.max(read_at).max(health.as_ref().and_then(|health| health.last_contact));
        Self {
            nuki_id: lock.nuki_id,
            attention: attention(health.as_ref(), contact),
            name: lock.name.clone(),
            state_age_seconds: read_at.map(|at| now.since(at).as_secs()),
            last_contact: contact.map(UnixMillis::rfc3339),
            rssi: lock.rssi,
            log_access: health.as_ref().map(|health| health.log_blocked().map_or("readable", UnknownReason::name)),
            pin_refusals: health.as_ref().map_or(0, |health| health.pin_refusals),
            log_index: health.as_ref().map_or(0, |health| health.cursor),
            newest_log_index: health.as_ref().and_then(|health| health.newest_index),
            backfill: health.as_ref().and_then(|health| health.backfill),
            connections_today: health.as_ref().map_or(0, |health| health.connections_today),
            clock: health.as_ref().and_then(|health| health.clock).map(Clock::from),
            battery: health.as_ref().and_then(|health| health.battery).map(|(report, at)| Battery::new(&report, at)),
            timings: health.as_ref().and_then(|health| health.timings).map(LockTimings::from),
            directory: health.and_then(|health| health.directory).map(Directory::from),
        }
    }

    /// What wants attention, with the lock's name before it.
    pub(super) fn attention(&self) -> impl Iterator<Item = String> {
        self.attention.iter().map(|words| format!("{}: {words}", self.name))
    }
}

impl Battery {
    fn new(report: &BatteryReport, read_at: UnixMillis) -> Self {
        Self {
            read_at: read_at.rfc3339(),
            voltage: report.voltage,
            start_voltage: report.start_voltage,
            lowest_voltage: report.lowest_voltage,
            drain: report.drain,
            temperature: report.start_temperature,
            critical: report.critical & 1 != 0,
        }
    }
}

impl From<Timings> for LockTimings {
    fn from(timings: Timings) -> Self {
        Self { auto_lock: timings.auto_lock, lock_n_go: timings.lock_n_go, unlatch: timings.unlatch }
    }
}

impl From<ClockHealth> for Clock {
    fn from(clock: ClockHealth) -> Self {
        Self {
            read_at: clock.read_at.rfc3339(),
            device_time: clock.device_time.to_string(),
            clock_skew: clock.skew,
            zone_offset: clock.zone_offset,
            is_local_time: clock.is_local_time,
            should_be_set: clock.should_be_set,
        }
    }
}

impl From<DirectoryHealth> for Directory {
    fn from(directory: DirectoryHealth) -> Self {
        Self { read_at: directory.read_at.rfc3339(), users: directory.users, codes: directory.codes }
    }
}

fn attention(health: Option<&LockHealth>, contact: Option<UnixMillis>) -> Vec<String> {
    let mut attention = Vec::new();
    if contact.is_none() {
        attention.push("not heard since the start: is it in reach, and has it power?".to_owned());
    }
    let Some(health) = health else { return attention };
    if !health.is_authorized {
        attention.push("it does not know this gateway any more: run `keyturner rekey`".to_owned());
    }
    match health.log_access {
        LogAccess::Readable if health.pin_refusals > 0 => attention.push(
            "it refused the security PIN once; if it does so again no PIN is sent until `keyturner pin` sets it"
                .to_owned(),
        ),
        LogAccess::Readable => {}
        LogAccess::PinMissing => {
            attention.push("no security PIN was given, so nobody can be named: set it with `keyturner pin`".to_owned())
        }
        LogAccess::PinRefused if health.pin_refusals > 1 => attention.push(
            "it refused the security PIN, so nobody can be named, and none is sent any more: set the right one with \
             `keyturner pin`"
                .to_owned(),
        ),
        LogAccess::PinRefused => attention.push(
            "it refused the security PIN, so nobody can be named; it is tried once more later, or set it with \
             `keyturner pin`"
                .to_owned(),
        ),
        LogAccess::LoggingOff => attention.push(
            "it does not write its log, so nobody can be named: switch the activity log on in the Nuki app".to_owned(),
        ),
    }
    if let Some(clock) = health.clock.filter(|clock| clock.should_be_set) {
        let seconds = clock.skew.unsigned_abs() / 1000;
        let way = if clock.skew < 0 { "behind" } else { "ahead" };
        attention.push(format!("its clock is {seconds} s {way}: `keyturner clock --set` corrects it"));
    }
    attention
}
