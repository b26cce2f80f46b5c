//! Rows of events and observations, column by column.

use rusqlite::{Transaction, params};

use crate::attribution::{Attribution, Event, EventKind};
use crate::clock::UnixMillis;
use crate::protocol::datetime::DeviceTime;
use crate::protocol::{CompletionStatus, DoorSensorState, IdType, LockAction, LockState, Trigger};

use super::append::NewEvent;
use super::events::{Answered, Batch, Observation};
use super::writer::Statements as _;

/// Where an event belongs.
pub(super) struct Place<'a> {
    pub(super) batch: &'a Batch,
    pub(super) epoch: i64,
    pub(super) answered: Option<Answered>,
}

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;
/// 2014-01-01: no Nuki lock is older, so an earlier clock was never set.
const FIRST_LOCK: i64 = 1_388_534_400_000;

/// The time to show: the lock's if it can be right, else the host's.
///
/// A lock without time zone or with a drifted clock is within a day. What was
/// missed may be older, but not from the future.
fn event_time(device_time: Option<DeviceTime>, observed_at: UnixMillis, may_be_missed: bool) -> i64 {
    let observed_at = observed_at.0;
    let Some(device) = device_time.and_then(DeviceTime::unix_seconds).map(|seconds| seconds * 1000) else {
        return observed_at;
    };
    let ahead = device - observed_at;
    let fits = ahead.abs() <= DAY_MILLIS || (may_be_missed && ahead < 0 && device >= FIRST_LOCK);
    if fits { device } else { observed_at }
}

/// Whether an event can be one that was missed: while the gateway was away, or while it could not reach the lock, whose clock
/// is right now.
fn may_be_missed(batch: &Batch, event: &Event) -> bool {
    event.backfilled || batch.clock.is_some_and(|clock| clock.skew.unsigned_abs() <= DAY_MILLIS.unsigned_abs())
}

/// What the columns of an event are.
pub(super) fn event_row<'a>(place: &Place<'_>, event: &'a Event) -> NewEvent<'a> {
    let Place { batch, epoch, answered } = place;
    let own_time = event_time(event.device_time, batch.observed_at, may_be_missed(batch, event));
    let completion = event.completion_status.map(CompletionStatus::code);
    let result = completion.or_else(|| answered.and_then(|a| a.completion_code)).unwrap_or(0);
    let before = event.change.and_then(|c| c.before);
    let after = event.change.map(|c| c.after);
    let reason = match event.attribution {
        Attribution::Unknown(reason) => Some(reason.name()),
        Attribution::Matched | Attribution::Pending | Attribution::Nobody => None,
    };
    NewEvent {
        content: vec![
            ("nuki_id", batch.nuki_id.into()),
            ("log_epoch", (*epoch).into()),
            ("log_index", event.log_index.into()),
            ("refers_to", answered.map(|a| a.id).into()),
            ("kind", event.kind.name().into()),
            ("kind_code", event.kind.code().into()),
            ("at", answered.map_or(own_time, |a| a.at).into()),
            ("observed_at", batch.observed_at.0.into()),
            ("device_time", event.device_time.map(|t| t.to_string()).into()),
            ("action", event.action.map(LockAction::name).into()),
            ("action_code", event.action.map(LockAction::code).into()),
            ("trigger", event.trigger.map(Trigger::name).into()),
            ("trigger_code", event.trigger.map(Trigger::code).into()),
            ("completion", event.completion_status.map(CompletionStatus::name).into()),
            ("completion_code", completion.into()),
            ("state_before", before.map(LockState::name).into()),
            ("state_before_code", before.map(LockState::code).into()),
            ("state_after", after.map(LockState::name).into()),
            ("state_after_code", after.map(LockState::code).into()),
            ("auth_type", event.who.auth_type.map(IdType::name).into()),
            ("auth_type_code", event.who.auth_type.map(IdType::code).into()),
            ("method", event.method.name().into()),
            ("attribution", event.attribution.name().into()),
            ("reason", reason.into()),
            ("auto_unlock", event.auto_unlock.into()),
            ("presses", event.presses.into()),
            ("backfilled", event.backfilled.into()),
            ("intent_id", event.intent_id.into()),
            ("detail", event.detail.as_deref().into()),
            ("refused", (result != 0 || event.kind == EventKind::IntentFailed).into()),
            ("zone_offset", batch.clock.map(|clock| clock.zone_offset).into()),
            ("clock_skew", batch.clock.map(|clock| clock.skew).into()),
        ],
        person: vec![
            ("auth_id", event.who.auth_id.into()),
            ("auth_name", event.who.auth_name.as_deref().into()),
            ("code_id", event.who.code_id.into()),
            ("code_name", event.who.code_name.as_deref().into()),
            ("user_name", event.who.user_name().into()),
            ("raw", event.raw.as_slice().into()),
        ],
    }
}

pub(super) fn insert_observation(
    tx: &Transaction<'_>,
    batch: &Batch,
    observation: &Observation,
    payload: &[u8],
) -> rusqlite::Result<()> {
    let states = &observation.states;
    tx.run(
        "insert into observations (
             nuki_id, observed_at, device_time, state_before, state_before_code, state, state_code,
             trigger, trigger_code, door, door_code, battery_critical, battery_percent, payload, zone_offset, clock_skew)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            batch.nuki_id,
            batch.observed_at.0,
            states.current_time.map(|t| t.to_string()),
            observation.before.map(LockState::name),
            observation.before.map(LockState::code),
            states.lock_state.name(),
            states.lock_state.code(),
            states.trigger.name(),
            states.trigger.code(),
            states.door_sensor.map(DoorSensorState::name),
            states.door_sensor.map(DoorSensorState::code),
            states.battery.is_critical(),
            states.battery.percent(),
            payload,
            batch.clock.map(|clock| clock.zone_offset),
            batch.clock.map(|clock| clock.skew),
        ],
    )?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOON: i64 = 1_795_435_200_000;

    fn device(seconds: i64) -> Option<DeviceTime> {
        DeviceTime::from_unix_seconds(NOON / 1000 + seconds)
    }

    #[test]
    fn the_locks_clock_counts_while_it_is_within_a_day() {
        assert_eq!(event_time(device(-86_400), UnixMillis(NOON), false), NOON - DAY_MILLIS);
        assert_eq!(event_time(device(86_400), UnixMillis(NOON), false), NOON + DAY_MILLIS);
        assert_eq!(event_time(device(-86_401), UnixMillis(NOON), false), NOON);
        assert_eq!(event_time(None, UnixMillis(NOON), false), NOON);
        assert_eq!(event_time(DeviceTime::decode(&[0xFF; 7]).unwrap(), UnixMillis(NOON), true), NOON);
    }

    #[test]
    fn what_was_missed_keeps_its_day_unless_the_lock_had_none() {
        assert_eq!(event_time(device(-20 * 86_400), UnixMillis(NOON), true), NOON - 20 * DAY_MILLIS);
        assert_eq!(event_time(device(2 * 86_400), UnixMillis(NOON), true), NOON);
        assert_eq!(event_time(DeviceTime::from_unix_seconds(946_684_800), UnixMillis(NOON), true), NOON);
    }
}
