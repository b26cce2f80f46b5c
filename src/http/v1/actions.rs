//! Having a lock do something, once at most.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::accept::Media;
use super::ask::{Ask, object, private};
use super::body::Secret;
use super::events::NoQuery;
use super::locks::{LockPath, find};
use super::problem::Problem;
use super::schema;
use super::{AppState, PathText};
use crate::access::{Access, Scope};
use crate::gateway::{ActionOutcome, GatewayError, LockSnapshot, NotDone, WaitFor};
use crate::http::bridge::carry_out;
use crate::http::bridge::wire::OPENER;
use crate::http::doors::Doors as _;
use crate::http::idempotency::key_of;
use crate::protocol::beacon::NukiId;
use crate::protocol::{LockAction, OpenerAction};

/// What a lock can be asked to do.
pub(super) const LOCK_ACTIONS: [LockAction; 5] =
    [LockAction::Unlock, LockAction::Lock, LockAction::Unlatch, LockAction::LockNGo, LockAction::LockNGoUnlatch];
/// What an Opener can be asked to do.
pub(super) const OPENER_ACTIONS: [OpenerAction; 5] = [
    OpenerAction::ActivateRingToOpen,
    OpenerAction::DeactivateRingToOpen,
    OpenerAction::Open,
    OpenerAction::ActivateContinuousMode,
    OpenerAction::DeactivateContinuousMode,
];

const BODY: &str = "a JSON object with action, once, and nothing else: {\"action\": \"unlock\"}";
const OF_A_LOCK: &str = "a lock takes unlock, lock, unlatch, lock_n_go and lock_n_go_unlatch";
const OF_AN_OPENER: &str = "an Opener takes open, activate_ring_to_open, deactivate_ring_to_open, activate_continuous_mode \
                            and deactivate_continuous_mode";

/// What a lock shall do.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedAction<'a> {
    /// By its name.
    #[schema(schema_with = schema::action)]
    action: &'a str,
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// The lock has done it.
    Done,
    /// The lock has not done it, and will not.
    Refused,
    /// It was sent, and whether it was done cannot be told.
    Unknown,
}

/// What came of an action.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActionResult {
    /// The lock's number.
    nuki_id: u32,
    /// What was asked for.
    action: String,
    /// How it ended.
    outcome: Outcome,
    /// With what the lock ended it, where it began and did not succeed: the name as in the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    completion_status: Option<String>,
    /// Why it was not done or is not known, in plain words; absent if it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<String>,
}

/// How a client makes sure that this is done once, whatever gets lost.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "documentation")]
pub(super) struct NeededKey {
    /// The request's name, 1 to 255 ASCII characters, new for each thing that is wanted. The same request under the same key is answered as before for a day, and not done again.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255)]
    key: String,
}

/// Has a lock do something, once at most, and answers when it is done: within twenty seconds.
///
/// Needs the scope `unlock` for what opens, `lock` for what locks, both for
/// what does both. If no answer comes, ask again with the same key: nothing is
/// done twice. Whatever the lock made of it is 200, so that nothing between
/// repeats it; `outcome` says what it was.
#[utoipa::path(post, path = "/locks/{nuki_id}/actions", tag = "gateway", params(LockPath, NeededKey),
    request_body = WantedAction, responses(
    (status = 200, description = "What came of it", body = ActionResult),
    (status = 400, description = "The number, the key or the body is bad, or the device has no such action", body = Problem),
    (status = 403, description = "The token does not have the scopes that this action needs", body = Problem),
    (status = 404, description = "No such lock is paired", body = Problem),
    (status = 406, description = "JSON is not accepted", body = Problem),
    (status = 408, description = "The body did not come in time", body = Problem),
    (status = 413, description = "The body is too long", body = Problem),
    (status = 415, description = "The body is not application/json", body = Problem),
    (status = 422, description = "The key was used for something else", body = Problem),
    (status = 429, description = "Too many wrong credentials came from this address, or too many keys of this token are remembered; Retry-After says how long", body = Problem),
    (status = 503, description = "The lock cannot be reached, or too much waits for it; nothing was sent", body = Problem),
))]
pub(super) async fn act(
    State(app): State<Arc<AppState>>,
    nuki_id: PathText,
    ask: Ask,
    body: Body,
) -> Result<Response, Problem> {
    ask.media(&[Media::Json])?;
    ask.query::<NoQuery>()?;
    let key = key_of(ask.headers()).map_err(|_| Problem::bad_key())?.ok_or_else(Problem::key_needed)?;
    let doors = ask.doors(&app).with_key(Some(key));
    let nuki_id = find(&doors, nuki_id)?;
    let body = Secret::read(ask.headers(), body).await?;
    let WantedAction { action } = body.json(BODY)?;
    let lock = doors.lock(nuki_id).ok_or(GatewayError::UnknownLock(nuki_id))?;
    let (action, name) = named(&lock, action)?;
    let outcome = carry_out(&app, &doors, &lock, action, ask.who().name(), WaitFor::Completed).await;
    let outcome = outcome.map_err(|error| match error {
        GatewayError::NotAllowed => {
            let needed = Scope::needed(action, lock.device_type == OPENER).iter().copied();
            Problem::forbidden(&needed.filter(|scope| !ask.who().access().may(*scope)).take(1).collect::<Vec<_>>())
        }
        GatewayError::KeyUsed => Problem::key_used(),
        GatewayError::TooManyKeys(wait) => Problem::too_many_keys(wait),
        error => error.into(),
    })?;
    Ok(private(object(&ActionResult::of(nuki_id, name, outcome)?)?))
}

impl ActionResult {
    /// What never left is a problem that goes away: it may be asked for again under the same key.
    fn of(nuki_id: NukiId, name: &str, outcome: ActionOutcome) -> Result<Self, Problem> {
        let result = |outcome, message: &str| Self {
            nuki_id,
            action: name.to_owned(),
            outcome,
            completion_status: None,
            message: (!message.is_empty()).then(|| message.to_owned()),
        };
        Ok(match outcome {
            ActionOutcome::Accepted | ActionOutcome::Done => result(Outcome::Done, ""),
            ActionOutcome::NotDone(NotDone::NotSent) => {
                return Err(GatewayError::Unreachable("no link in time, so nothing was sent".to_owned()).into());
            }
            ActionOutcome::NotDone(NotDone::Refused(code)) => {
                result(Outcome::Refused, &format!("the lock refused: {code}"))
            }
            ActionOutcome::NotDone(NotDone::Failed(status)) => Self {
                completion_status: Some(status.to_string()),
                ..result(Outcome::Refused, &format!("the lock began, and ended with {status}"))
            },
            ActionOutcome::NotDone(NotDone::ProvenByLog) => {
                result(Outcome::Refused, "the link was lost, and the lock's state and log show that it was not done")
            }
            ActionOutcome::NotDoneBefore => {
                result(Outcome::Refused, "a request with this key was made before, and was not done")
            }
            ActionOutcome::Unknown => result(
                Outcome::Unknown,
                "it was sent, and whether it was done cannot be told: look at the door or the history before asking again",
            ),
        })
    }
}

/// The names of what this device can be asked to do, as far as this client may ask for it.
pub(super) fn offered(lock: &LockSnapshot, access: &Access) -> Vec<&'static str> {
    if lock.device_type == OPENER {
        let may = OPENER_ACTIONS.iter().filter(|action| access.may_act(action.command(), true));
        may.filter_map(|action| action.known_name()).collect()
    } else {
        let may = LOCK_ACTIONS.iter().filter(|action| access.may_act(**action, false));
        may.filter_map(|action| action.known_name()).collect()
    }
}

/// The action with this name at this device, and its name. An Opener's have the numbers of a lock's.
fn named(lock: &LockSnapshot, name: &str) -> Result<(LockAction, &'static str), Problem> {
    let (found, hint) = if lock.device_type == OPENER {
        let found = OPENER_ACTIONS.iter().find(|action| action.known_name() == Some(name));
        (found.map(|action| (action.command(), action.known_name())), OF_AN_OPENER)
    } else {
        let found = LOCK_ACTIONS.iter().find(|action| action.known_name() == Some(name));
        (found.map(|action| (*action, action.known_name())), OF_A_LOCK)
    };
    let found = found.and_then(|(action, name)| Some((action, name?)));
    found.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "no_such_action", "the device has no such action", hint))
}
