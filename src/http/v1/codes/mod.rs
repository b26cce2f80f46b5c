//! The keypad codes of one lock: listed, added, changed, removed. Their digits come in and never go out.

mod fields;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod refused;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::accept::Media;
use super::ask::{Ask, object, private};
use super::body::Secret;
use super::events::NoQuery;
use super::filter::CODE_ID_HINT;
use super::locks::{LockPath, at_lock, find};
use super::problem::Problem;
use super::schema;
use super::{AppState, PathText, path_number};
use crate::clock::UnixMillis;
use crate::gateway::{CodeChange, GatewayError};
use crate::http::doors::Doors as _;
use crate::http::idempotency::key_of;
use crate::http::scoped::ScopedDoors;
use crate::protocol::ErrorCode;
use crate::protocol::beacon::NukiId;
use crate::protocol::log::CodeId;
use crate::store::{IdempotencyKey, UserKind, UserRow};
use fields::{CodeUpdate, Limit, NewCode};
use refused::refused;

const NEW_CODE: &str = "a JSON object with name, digits (a text of six digits) and, if it is not always valid, timeLimit; \
                        each once, and nothing else: /v1/openapi.json describes it";
const CODE_UPDATE: &str = "a JSON object with what shall change: name, digits (a text of six digits), enabled, timeLimit; \
                           each once, and nothing else: /v1/openapi.json describes it";

/// A keypad code of a lock, as its list has it; the Web API's names.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LockCode {
    /// Its number, for this lock; never its digits.
    code_id: u16,
    /// Its name.
    name: String,
    /// It may open.
    enabled: bool,
    /// How often it was used.
    lock_count: u16,
    /// Made when, by the lock's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    creation_date: Option<String>,
    /// Used last when, by the lock's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_active_date: Option<String>,
    /// When it is valid; absent for always.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Limit, required = false)]
    time_limit: Option<Limit>,
}

impl LockCode {
    /// `None` for what is no code, or none any more.
    fn of(row: UserRow) -> Option<Self> {
        let UserKind::KeypadCode { code_id } = row.kind else { return None };
        row.valid_until.is_none().then(|| Self {
            code_id,
            name: row.name,
            enabled: row.enabled,
            lock_count: row.lock_count,
            creation_date: row.created.map(|time| time.to_string()),
            last_active_date: row.last_active.map(|time| time.to_string()),
            time_limit: row.time_limit.map(Limit::from),
        })
    }
}

/// The codes that a lock has now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LockCodes {
    /// The lock's number.
    nuki_id: u32,
    /// When its list was read last; absent if it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    read_at: Option<String>,
    /// By number.
    codes: Vec<LockCode>,
}

/// A code that was changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangedCode {
    /// The lock's number.
    nuki_id: u32,
    /// The code's number; absent if the lock has not said which it gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code_id: Option<u16>,
}

/// Which code of which lock.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "documentation")]
pub(super) struct CodePath {
    /// Number of the lock, decimal or as eight hex digits
    #[param(schema_with = schema::lock_number, required = true)]
    nuki_id: (),
    /// Number of the keypad code
    #[param(schema_with = schema::code_id, required = true)]
    code_id: (),
}

/// How a client makes sure that a request which it repeats is done once.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "documentation")]
pub(super) struct KeyHeader {
    /// The request's name, 1 to 255 ASCII characters. The same request under the same key is answered as before for a day, and not done again.
    #[param(
        rename = "Idempotency-Key",
        required = false,
        nullable = false,
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]([ -~]{0,253}[!-~])?$"
    )]
    key: Option<String>,
}

/// The keypad codes that a lock has now, as they were read last; never their digits. No radio is used.
#[utoipa::path(get, path = "/locks/{nuki_id}/codes", operation_id = "lock_codes", tag = "gateway", params(LockPath), responses(
    (status = 200, description = "Its codes", body = LockCodes),
    (status = 400, description = "The number is none", body = Problem),
    (status = 404, description = "No such lock is paired", body = Problem),
    (status = 406, description = "JSON is not accepted", body = Problem),
))]
pub(super) async fn list(State(app): State<Arc<AppState>>, nuki_id: PathText, ask: Ask) -> Result<Response, Problem> {
    let (doors, nuki_id) = at_lock(&app, &ask, nuki_id)?;
    let read_at = doors.health(nuki_id).and_then(|health| health.codes_read).map(UnixMillis::rfc3339);
    let codes = codes(&app, nuki_id).await?;
    Ok(private(object(&LockCodes { nuki_id, read_at, codes })?))
}

/// Adds a keypad code. It needs the security PIN and a link, so it takes some seconds.
///
/// The digits go to the lock and are kept nowhere. Over plain HTTP from another
/// machine this is refused.
#[utoipa::path(post, path = "/locks/{nuki_id}/codes", operation_id = "add_code", tag = "gateway", params(LockPath, KeyHeader),
    request_body = NewCode, responses(
    (status = 201, description = "The lock has it", body = ChangedCode),
    (status = 400, description = "A number, the key, the body or something in it is bad", body = Problem),
    (status = 403, description = "The token does not have the scope admin, or this came over plain HTTP from another machine", body = Problem),
    (status = 404, description = "No such lock is paired", body = Problem),
    (status = 406, description = "JSON is not accepted", body = Problem),
    (status = 408, description = "The body did not come in time", body = Problem),
    (status = 409, description = "The lock has no keypad, takes no PIN of ours, has these digits or as many codes as it can, or refuses", body = Problem),
    (status = 410, description = "It was sent, and whether it was done is not known", body = Problem),
    (status = 413, description = "The body is too long", body = Problem),
    (status = 415, description = "The body is not application/json", body = Problem),
    (status = 422, description = "The key was used for something else", body = Problem),
    (status = 429, description = "Too many wrong credentials came from this address, or too many codes of this lock were changed; Retry-After says how long", body = Problem),
    (status = 503, description = "The lock cannot be reached, or is busy; nothing was done", body = Problem),
))]
pub(super) async fn add(
    State(app): State<Arc<AppState>>,
    nuki_id: PathText,
    ask: Ask,
    body: Body,
) -> Result<Response, Problem> {
    let wanted = Wanted::new(&app, nuki_id, &ask)?;
    let change = {
        let body = wanted.body(&ask, body).await?;
        let NewCode { name, digits, time_limit } = body.json(NEW_CODE)?;
        let (name, time_limit) = (fields::name(name)?, fields::limit(time_limit.as_ref())?);
        CodeChange::Add { name, digits: fields::digits(digits)?, time_limit }
    };
    let mut answer = wanted.ask(&app, &ask, None, change).await?;
    *answer.status_mut() = StatusCode::CREATED;
    Ok(answer)
}

/// Changes a keypad code: its name, its digits, whether it may open, when it is valid. What is left out stays as it is.
///
/// It needs the security PIN and a link, so it takes some seconds. Over plain
/// HTTP from another machine this is refused.
#[utoipa::path(patch, path = "/locks/{nuki_id}/codes/{code_id}", operation_id = "update_code", tag = "gateway", params(CodePath, KeyHeader),
    request_body = CodeUpdate, responses(
    (status = 200, description = "The lock has it so", body = ChangedCode),
    (status = 400, description = "A number, the key, the body or something in it is bad", body = Problem),
    (status = 403, description = "The token does not have the scope admin, or this came over plain HTTP from another machine", body = Problem),
    (status = 404, description = "No such lock is paired, or it has no such code", body = Problem),
    (status = 406, description = "JSON is not accepted", body = Problem),
    (status = 408, description = "The body did not come in time", body = Problem),
    (status = 409, description = "The lock has no keypad, takes no PIN of ours, has these digits, or refuses", body = Problem),
    (status = 410, description = "It was sent, and whether it was done is not known", body = Problem),
    (status = 413, description = "The body is too long", body = Problem),
    (status = 415, description = "The body is not application/json", body = Problem),
    (status = 422, description = "The key was used for something else", body = Problem),
    (status = 429, description = "Too many wrong credentials came from this address, or too many codes of this lock were changed; Retry-After says how long", body = Problem),
    (status = 503, description = "The lock cannot be reached, or is busy; nothing was done", body = Problem),
))]
pub(super) async fn update(
    State(app): State<Arc<AppState>>,
    path: CodePathText,
    ask: Ask,
    body: Body,
) -> Result<Response, Problem> {
    let (wanted, code_id) = Wanted::of_code(&app, path, &ask)?;
    let change = {
        let body = wanted.body(&ask, body).await?;
        let update: CodeUpdate<'_> = body.json(CODE_UPDATE)?;
        if update.is_empty() {
            return Err(Problem::body("the body changes nothing", CODE_UPDATE));
        }
        CodeChange::Update {
            code_id,
            name: update.name.map(fields::name).transpose()?,
            digits: update.digits.map(fields::digits).transpose()?,
            enabled: update.enabled,
            time_limit: update.time_limit.map(|limit| fields::limit(limit.as_ref())).transpose()?,
        }
    };
    wanted.ask(&app, &ask, Some(code_id), change).await
}

/// Removes a keypad code. It needs the security PIN and a link, so it takes some seconds.
#[utoipa::path(delete, path = "/locks/{nuki_id}/codes/{code_id}", operation_id = "remove_code", tag = "gateway", params(CodePath, KeyHeader), responses(
    (status = 200, description = "The lock has it no longer", body = ChangedCode),
    (status = 400, description = "A number or the key is bad", body = Problem),
    (status = 404, description = "No such lock is paired, or it has no such code", body = Problem),
    (status = 406, description = "JSON is not accepted", body = Problem),
    (status = 409, description = "The lock has no keypad, takes no PIN of ours, or refuses", body = Problem),
    (status = 410, description = "It was sent, and whether it was done is not known", body = Problem),
    (status = 422, description = "The key was used for something else", body = Problem),
    (status = 429, description = "Too many wrong credentials came from this address, or too many codes of this lock were changed; Retry-After says how long", body = Problem),
    (status = 503, description = "The lock cannot be reached, or is busy; nothing was done", body = Problem),
))]
pub(super) async fn remove(
    State(app): State<Arc<AppState>>,
    path: CodePathText,
    ask: Ask,
) -> Result<Response, Problem> {
    let (wanted, code_id) = Wanted::of_code(&app, path, &ask)?;
    wanted.ask(&app, &ask, Some(code_id), CodeChange::Remove(code_id)).await
}

/// Both numbers of the path, as text.
type CodePathText = Result<Path<(String, String)>, PathRejection>;

/// A change that a client may ask of this lock.
struct Wanted {
    doors: ScopedDoors,
    nuki_id: NukiId,
}

impl Wanted {
    fn new(app: &AppState, nuki_id: PathText, ask: &Ask) -> Result<Self, Problem> {
        ask.media(&[Media::Json])?;
        ask.query::<NoQuery>()?;
        let key: Option<IdempotencyKey> = key_of(ask.headers()).map_err(|_| Problem::bad_key())?;
        let doors = ask.doors(app).with_key(key);
        let nuki_id = find(&doors, nuki_id)?;
        Ok(Self { doors, nuki_id })
    }

    /// The same of one of its codes.
    fn of_code(app: &AppState, path: CodePathText, ask: &Ask) -> Result<(Self, CodeId), Problem> {
        // Where one of them is no text, neither is a number.
        let (nuki_id, code_id) = path.map(|path| path.0).unwrap_or_default();
        let code_id = path_number("code_id in the path", Ok(Path(code_id)), CODE_ID_HINT)?;
        Ok((Self::new(app, Ok(Path(nuki_id)), ask)?, code_id))
    }

    /// The body: read last of all, after everything that needs none was asked.
    async fn body(&self, ask: &Ask, body: Body) -> Result<Secret, Problem> {
        if !ask.peer().is_private() {
            return Err(Problem::not_private());
        }
        Secret::read(ask.headers(), body).await
    }

    /// Has the lock do it; `code_id` is the code that there is already.
    async fn ask(
        self,
        app: &AppState,
        ask: &Ask,
        code_id: Option<CodeId>,
        change: CodeChange,
    ) -> Result<Response, Problem> {
        let nuki_id = self.nuki_id;
        let error = match self.doors.change_code(nuki_id, change, ask.who().name().into()).await {
            Ok(new) => return Ok(private(object(&ChangedCode { nuki_id, code_id: code_id.or(new) })?)),
            Err(error) => error,
        };
        // What a lock says of a number that it does not know is written nowhere. The list does know it.
        let is_gone = matches!(error, GatewayError::Refused(ErrorCode::BadParameter))
            && code_id.is_some()
            && codes(app, nuki_id).await?.iter().all(|code| Some(code.code_id) != code_id);
        Err(refused(if is_gone { GatewayError::NoSuchCode } else { error }))
    }
}

async fn codes(app: &AppState, nuki_id: NukiId) -> Result<Vec<LockCode>, Problem> {
    Ok(app.store.users(Some(nuki_id)).await?.into_iter().filter_map(LockCode::of).collect())
}
