//! Entries of a lock's log as events. Benches are programs of their own, so each takes this file in.

use keyturner::attribution::{Attribution, Event, EventKind, Method, StateChange, Who};
use keyturner::clock::UnixMillis;
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::{CompletionStatus, IdType, LockAction, LockState, Trigger};
use keyturner::store::{Batch, LockClock, LockRow};

const LOCK: u32 = 0x2B1C_0D0E;
const START: i64 = 1_700_000_000;

pub(crate) fn lock() -> LockRow {
    LockRow {
        nuki_id: LOCK,
        name: "Front door".to_owned(),
        device_type: 4,
        firmware_version: None,
        has_keypad: true,
        paired_at: UnixMillis(START * 1000),
    }
}

/// One each minute, by one of eight people.
pub(crate) fn event(log_index: u32) -> Event {
    let person = log_index % 8;
    Event {
        log_index: Some(log_index),
        device_time: DeviceTime::from_unix_seconds(START + i64::from(log_index) * 60),
        action: Some(LockAction::Unlock),
        trigger: Some(Trigger::System),
        completion_status: Some(CompletionStatus::Success),
        change: Some(StateChange { before: Some(LockState::Locked), after: LockState::Unlocked }),
        who: Who {
            auth_id: Some(1000 + person),
            auth_type: Some(IdType::App),
            auth_name: Some(format!("Somebody of the house {person}")),
            ..Who::default()
        },
        method: Method::App,
        attribution: Attribution::Matched,
        // As long as a log entry.
        raw: log_index.to_le_bytes().repeat(13),
        ..Event::blank(EventKind::LockAction)
    }
}

/// These entries as the gateway stores them when they were read in one go.
pub(crate) fn batch(first: u32, last: u32) -> Batch {
    Batch {
        nuki_id: LOCK,
        observed_at: UnixMillis((START + i64::from(last) * 60) * 1000),
        clock: Some(LockClock { skew: 350, zone_offset: 60 }),
        observations: Vec::new(),
        events: (first..=last).map(event).collect(),
        cursor: Some(last),
        callback_bodies: Vec::new(),
    }
}
