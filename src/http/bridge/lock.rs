//! `/lockState`, `/lockAction`, `/lock`, `/unlock`.

use super::super::doors::Doors;
use super::super::error::Refusal;
use super::super::json::Object;
use super::super::query::{Params, nuki_id_readings};
use super::wire::{OPENER, push_state};
use crate::gateway::{ActionOutcome, LockSnapshot, NotDone, WaitFor};
use crate::protocol::LockAction;

/// `/lock` and `/unlock`, which leave the action to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Simple {
    Lock,
    Unlock,
}

impl Simple {
    /// A hardware bridge sends unlatch for `/unlock` to a lock with a knob
    /// outside; that setting is not known here yet, and a door that stays
    /// shut is the safer mistake, so it is unlock. An Opener has other actions
    /// under the same numbers: 2 ends ring-to-open, 3 opens.
    const fn action(self, device_type: u8) -> LockAction {
        match (self, device_type) {
            (Self::Lock, _) => LockAction::Lock,
            (Self::Unlock, OPENER) => LockAction::Unlatch,
            (Self::Unlock, _) => LockAction::Unlock,
        }
    }
}

/// Reads the state from the lock itself.
pub(super) async fn state(gateway: &dyn Doors, params: &Params) -> Result<String, Refusal> {
    let lock = find(gateway, params)?;
    let states = gateway.read_state(lock.nuki_id).await.map_err(|error| {
        tracing::info!(nuki_id = lock.nuki_id, %error, "a state could not be read");
        Refusal::from_query(&error)
    })?;
    Ok(push_state(Object::new(), &states, lock.device_type, lock.has_keypad).bool("success", true).finish())
}

/// `/lockAction`.
pub(super) async fn action(gateway: &dyn Doors, params: &Params, requester: &str) -> Result<String, Refusal> {
    let action = match params.get("action").and_then(|text| text.parse::<u8>().ok()) {
        // An Opener's actions have the same numbers; only their names differ.
        Some(code @ 1..=5) => LockAction::from_code(code),
        _ => return Err(Refusal::BadRequest),
    };
    let lock = find(gateway, params)?;
    act(gateway, &lock, action, params, requester).await
}

/// `/lock` and `/unlock`.
pub(super) async fn simple(
    gateway: &dyn Doors,
    what: Simple,
    params: &Params,
    requester: &str,
) -> Result<String, Refusal> {
    let lock = find(gateway, params)?;
    act(gateway, &lock, what.action(lock.device_type), params, requester).await
}

async fn act(
    gateway: &dyn Doors,
    lock: &LockSnapshot,
    action: LockAction,
    params: &Params,
    requester: &str,
) -> Result<String, Refusal> {
    let no_wait = matches!(params.get("nowait"), Some("1" | "true"));
    let wait = if no_wait { WaitFor::Accepted } else { WaitFor::Completed };
    let outcome = gateway.act(lock.nuki_id, action, requester.into(), wait).await;
    tracing::info!(nuki_id = lock.nuki_id, %action, requester, ?outcome, "an action was asked for");
    let success = match outcome.map_err(|error| Refusal::from_action(&error))? {
        ActionOutcome::Accepted | ActionOutcome::Done => true,
        // It never left, so repeating it is safe, and some clients do.
        ActionOutcome::NotDone(NotDone::NotSent) => return Err(Refusal::ActionUnavailable),
        ActionOutcome::NotDone(NotDone::Refused(_) | NotDone::Failed(_) | NotDone::ProvenByLog) => false,
        ActionOutcome::NotDoneBefore => false,
        ActionOutcome::Unknown => return Err(Refusal::Gone),
    };
    let now = gateway.lock(lock.nuki_id);
    let battery = now.as_ref().unwrap_or(lock).state.as_ref().map(|(states, _)| states.battery);
    let critical = battery.is_some_and(|battery| battery.is_critical());
    Ok(Object::new().bool("success", success).bool("batteryCritical", critical).finish())
}

/// By `nukiId` alone: `deviceType` is missing or wrong in too many clients.
fn find(gateway: &dyn Doors, params: &Params) -> Result<LockSnapshot, Refusal> {
    let readings = nuki_id_readings(params.get("nukiid").ok_or(Refusal::BadRequest)?);
    if readings == [None, None] {
        return Err(Refusal::BadRequest);
    }
    readings.into_iter().flatten().find_map(|id| gateway.lock(id)).ok_or(Refusal::NotFound)
}
