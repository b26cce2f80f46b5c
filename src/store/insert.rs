//! Rows of events and observations, column by column.

use sqlx::{Sqlite, Transaction};

use crate::attribution::{Attribution, Event, EventKind};
use crate::clock::UnixMillis;
use crate::protocol::datetime::DeviceTime;
use crate::protocol::{CompletionStatus, DoorSensorState, IdType, LockAction, LockState, Trigger};

use super::events::{Answered, Batch, Observation};
use super::{StoreError, webhook_queue};

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
/// missed while the gateway was away may be older, but not from the future.
fn event_time(device_time: Option<DeviceTime>, observed_at: UnixMillis, backfilled: bool) -> i64 {
    let observed_at = observed_at.0;
    let Some(device) = device_time.and_then(DeviceTime::unix_seconds).map(|seconds| seconds * 1000) else {
        return observed_at;
    };
    let ahead = device - observed_at;
    let fits = ahead.abs() <= DAY_MILLIS || (backfilled && ahead < 0 && device >= FIRST_LOCK);
    if fits { device } else { observed_at }
}

/// The new row's number.
pub(super) async fn insert_event(
    tx: &mut Transaction<'static, Sqlite>,
    place: &Place<'_>,
    event: &Event,
) -> Result<i64, StoreError> {
    let Place { batch, epoch, answered } = place;
    let own_time = event_time(event.device_time, batch.observed_at, event.backfilled);
    let completion = event.completion_status.map(CompletionStatus::code);
    let result = completion.or_else(|| answered.and_then(|a| a.completion_code)).unwrap_or(0);
    let before = event.change.and_then(|c| c.before);
    let after = event.change.map(|c| c.after);
    let reason = match event.attribution {
        Attribution::Unknown(reason) => Some(reason.name()),
        Attribution::Matched | Attribution::Pending | Attribution::Nobody => None,
    };
    let id = sqlx::query_scalar(
        "insert into events (
             nuki_id, log_epoch, log_index, refers_to, kind, kind_code, at, observed_at, device_time,
             action, action_code, trigger, trigger_code, completion, completion_code,
             state_before, state_before_code, state_after, state_after_code,
             auth_id, auth_type, auth_type_code, auth_name, code_id, code_name, user_name,
             method, attribution, reason, auto_unlock, presses, backfilled, intent_id, detail, raw, refused,
             zone_offset, clock_skew)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?,  ?, ?, ?, ?, ?, ?,  ?, ?, ?, ?,  ?, ?, ?, ?, ?, ?, ?,
                 ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,  ?, ?)
         returning id",
    )
    .bind(batch.nuki_id)
    .bind(epoch)
    .bind(event.log_index)
    .bind(answered.map(|a| a.id))
    .bind(event.kind.name())
    .bind(event.kind.code())
    .bind(answered.map_or(own_time, |a| a.at))
    .bind(batch.observed_at.0)
    .bind(event.device_time.map(|t| t.to_string()))
    .bind(event.action.map(|a| a.to_string()))
    .bind(event.action.map(LockAction::code))
    .bind(event.trigger.map(|t| t.to_string()))
    .bind(event.trigger.map(Trigger::code))
    .bind(event.completion_status.map(|s| s.to_string()))
    .bind(completion)
    .bind(before.map(|s| s.to_string()))
    .bind(before.map(LockState::code))
    .bind(after.map(|s| s.to_string()))
    .bind(after.map(LockState::code))
    .bind(event.who.auth_id)
    .bind(event.who.auth_type.map(|t| t.to_string()))
    .bind(event.who.auth_type.map(IdType::code))
    .bind(&event.who.auth_name)
    .bind(event.who.code_id)
    .bind(&event.who.code_name)
    .bind(event.who.user_name())
    .bind(event.method.name())
    .bind(event.attribution.name())
    .bind(reason)
    .bind(event.auto_unlock)
    .bind(event.presses)
    .bind(event.backfilled)
    .bind(event.intent_id)
    .bind(&event.detail)
    .bind(&event.raw)
    .bind(result != 0 || event.kind == EventKind::IntentFailed)
    .bind(batch.clock.map(|clock| clock.zone_offset))
    .bind(batch.clock.map(|clock| clock.skew))
    .fetch_one(&mut **tx)
    .await?;
    webhook_queue::enqueue(tx, id, batch.observed_at).await?;
    Ok(id)
}

pub(super) async fn insert_observation(
    tx: &mut Transaction<'static, Sqlite>,
    batch: &Batch,
    observation: &Observation,
    payload: Vec<u8>,
) -> Result<(), StoreError> {
    let states = &observation.states;
    sqlx::query(
        "insert into observations (
             nuki_id, observed_at, device_time, state_before, state_before_code, state, state_code,
             trigger, trigger_code, door, door_code, battery_critical, battery_percent, payload, zone_offset, clock_skew)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(batch.nuki_id)
    .bind(batch.observed_at.0)
    .bind(states.current_time.map(|t| t.to_string()))
    .bind(observation.before.map(|s| s.to_string()))
    .bind(observation.before.map(LockState::code))
    .bind(states.lock_state.to_string())
    .bind(states.lock_state.code())
    .bind(states.trigger.to_string())
    .bind(states.trigger.code())
    .bind(states.door_sensor.map(|d| d.to_string()))
    .bind(states.door_sensor.map(DoorSensorState::code))
    .bind(states.battery.is_critical())
    .bind(states.battery.percent())
    .bind(payload)
    .bind(batch.clock.map(|clock| clock.zone_offset))
    .bind(batch.clock.map(|clock| clock.skew))
    .execute(&mut **tx)
    .await?;
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
