//! `/lockState`, `/lockAction`, `/lock`, `/unlock`.

use std::time::Duration;

use super::super::AppState;
use super::super::doors::Doors;
use super::super::error::Refusal;
use super::super::json::Object;
use super::super::query::Params;
use super::wire::{OPENER, push_state};
use super::{find, note};
use crate::clock::UnixMillis;
use crate::diagnostics::Deed;
use crate::gateway::{ActionOutcome, GatewayError, LockSnapshot, NotDone, WaitFor};
use crate::protocol::state::KeyturnerStates;
use crate::protocol::{LockAction, NukiState, OpenerAction};

/// `/lock` and `/unlock`, which leave the action to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Simple {
    Lock,
    Unlock,
}

impl Simple {
    /// A lock whose owner has it pull the latch when it unlocks has a knob outside, and is of no use unlocked. As long
    /// as that is not known it is unlocked only: a door that stays shut is the safer mistake.
    const fn action(self, device: &LockSnapshot) -> LockAction {
        match (self, device.device_type, device.auto_unlatch) {
            (Self::Lock, OPENER, _) => {
                let mode = match &device.state {
                    Some((states, _)) => states.nuki_state,
                    None => NukiState::Door,
                };
                OpenerAction::silence(mode).command()
            }
            (Self::Unlock, OPENER, _) => OpenerAction::Open.command(),
            (Self::Lock, ..) => LockAction::Lock,
            (Self::Unlock, _, Some(true)) => LockAction::Unlatch,
            (Self::Unlock, ..) => LockAction::Unlock,
        }
    }
}

/// Reads the state from the lock itself, unless the owner is content with a fresh one.
pub(super) async fn state(app: &AppState, doors: &dyn Doors, params: &Params) -> Result<String, Refusal> {
    let lock = find(doors, params)?;
    let nuki_id = lock.nuki_id;
    note(app, Deed::LockState, Some(nuki_id), None);
    let states = match fresh(&lock, app.bridge.settings.get().lock_state_max_age.duration(), app.clock.wall()) {
        Some(states) => states,
        None => doors.read_state(nuki_id).await.map_err(|error| {
            tracing::info!(nuki_id, %error, "a state could not be read");
            Refusal::from_query(&error)
        })?,
    };
    let lock = doors.lock(nuki_id).unwrap_or(lock);
    Ok(push_state(Object::new(), &lock, &states, app.clock.wall()).bool("success", true).finish())
}

/// What is known, if it is younger than `max_age` and nothing moves. A state of the future is of no known age.
fn fresh(lock: &LockSnapshot, max_age: Duration, now: UnixMillis) -> Option<KeyturnerStates> {
    let (states, read_at) = lock.state?;
    let is_fresh = read_at <= now && now.since(read_at) < max_age;
    (is_fresh && !states.lock_state.is_transitional()).then_some(states)
}

/// `/lockAction`.
pub(super) async fn action(
    app: &AppState,
    doors: &dyn Doors,
    params: &Params,
    requester: &str,
) -> Result<String, Refusal> {
    let action = match params.get("action").and_then(|text| text.parse::<u8>().ok()) {
        // An Opener's actions have the same numbers; only their names differ.
        Some(code @ 1..=5) => LockAction::from_code(code),
        _ => return Err(Refusal::BadRequest),
    };
    let lock = find(doors, params)?;
    act(app, doors, &lock, action, params, requester).await
}

/// `/lock` and `/unlock`.
pub(super) async fn simple(
    app: &AppState,
    doors: &dyn Doors,
    what: Simple,
    params: &Params,
    requester: &str,
) -> Result<String, Refusal> {
    let lock = find(doors, params)?;
    act(app, doors, &lock, what.action(&lock), params, requester).await
}

async fn act(
    app: &AppState,
    doors: &dyn Doors,
    lock: &LockSnapshot,
    action: LockAction,
    params: &Params,
    requester: &str,
) -> Result<String, Refusal> {
    let no_wait = matches!(params.get("nowait"), Some("1" | "true"));
    let wait = if no_wait { WaitFor::Accepted } else { WaitFor::Completed };
    let outcome = carry_out(app, doors, lock, action, requester, wait).await;
    let success = match outcome.map_err(|error| Refusal::from_action(&error))? {
        ActionOutcome::Accepted | ActionOutcome::Done => true,
        // It never left, so repeating it is safe, and some clients do.
        ActionOutcome::NotDone(NotDone::NotSent) => return Err(Refusal::ActionUnavailable),
        ActionOutcome::NotDone(NotDone::Refused(_) | NotDone::Failed(_) | NotDone::ProvenByLog) => false,
        ActionOutcome::NotDoneBefore => false,
        ActionOutcome::Unknown => return Err(Refusal::Gone),
    };
    let now = doors.lock(lock.nuki_id);
    let battery = now.as_deref().unwrap_or(lock).state.as_ref().map(|(states, _)| states.battery);
    let critical = battery.is_some_and(|battery| battery.is_critical());
    Ok(Object::new().bool("success", success).bool("batteryCritical", critical).finish())
}

/// Has a lock do something for a client of either API, and writes it down.
pub(in crate::http) async fn carry_out(
    app: &AppState,
    doors: &dyn Doors,
    lock: &LockSnapshot,
    action: LockAction,
    requester: &str,
    wait: WaitFor,
) -> Result<ActionOutcome, GatewayError> {
    let name = action_name(lock, action);
    note(app, Deed::ActionStart, Some(lock.nuki_id), Some(name.clone()));
    let outcome = doors.act(lock.nuki_id, action, requester.into(), wait).await;
    tracing::debug!(nuki_id = lock.nuki_id, action = name, requester, ?outcome, "an action was asked for");
    if matches!(outcome, Ok(ActionOutcome::Accepted | ActionOutcome::Done)) {
        note(app, Deed::ActionSuccess, Some(lock.nuki_id), Some(name));
    }
    outcome
}

/// What the number means to this device.
fn action_name(lock: &LockSnapshot, action: LockAction) -> String {
    match lock.device_type {
        OPENER => OpenerAction::from_code(action.code()).to_string(),
        _ => action.to_string(),
    }
}
