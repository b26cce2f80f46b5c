//! People and codes, now and formerly, and what each of them did.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::bridge::wire::auth_type;
use super::accept::Media;
use super::ask::{Ask, list, object};
use super::csv::Row;
use super::filter::{AUTH_ID_HINT, CODE_ID_HINT, LockQuery, nuki_id};
use super::problem::Problem;
use super::{AppState, PathText, path_number};
use crate::clock::UnixMillis;
use crate::protocol::IdType;
use crate::protocol::beacon::NukiId;
use crate::store::{ActionCount, Identity, UserKind, UserRow};

/// A person, key or code as it was for a while; the Web API's names where it has them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    /// The lock's number.
    nuki_id: u32,
    /// Number of the authorization, for that lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    auth_id: Option<u32>,
    /// Number of the keypad code, for that lock; never its digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code_id: Option<u16>,
    /// 0 app, 1 bridge, 2 fob, 3 keypad, 13 keypad code.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    auth_type: Option<u8>,
    /// Its name. From the air: for showing, no key.
    name: String,
    /// It may act.
    enabled: bool,
    /// Since when the lock is known to have it so.
    #[schema(format = DateTime)]
    valid_from: String,
    /// When it was gone or changed; absent for what is current.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    valid_until: Option<String>,
}

impl Row for User {
    const COLUMNS: &'static [&'static str] =
        &["nukiId", "authId", "codeId", "type", "name", "enabled", "validFrom", "validUntil"];
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        let (auth_id, id_type, code_id) = match row.kind {
            UserKind::Authorization { auth_id, id_type, .. } => (Some(auth_id), Some(id_type), None),
            UserKind::KeypadCode { code_id } => (None, None, Some(code_id)),
        };
        Self {
            nuki_id: row.nuki_id,
            auth_id,
            code_id,
            auth_type: auth_type(id_type.map(IdType::code), code_id.is_some()),
            name: row.name,
            enabled: row.enabled,
            valid_from: row.valid_from.rfc3339(),
            valid_until: row.valid_until.map(UnixMillis::rfc3339),
        }
    }
}

/// One person, key or code as `/v1/users` writes it, for whoever else lists them.
///
/// # Errors
/// JSON's; none is known.
pub fn user_json(row: UserRow) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::to_value(User::from(row))
}

/// People, keys and codes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserList {
    /// A row for each time span in which nothing about one changed: by lock, authorizations first, then by number and age.
    users: Vec<User>,
}

/// Keypad codes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CodeList {
    /// A row for each time span in which nothing about one changed: by lock, number and age.
    codes: Vec<User>,
}

/// How often something was done.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct Times {
    /// It succeeded, or nothing is known against it.
    done: i64,
    /// It did not succeed.
    refused: i64,
}

/// What one identity is and did at one lock.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    /// The lock's number.
    nuki_id: u32,
    /// What it was called, and when; empty if it was never in the lock's list while the gateway read it.
    intervals: Vec<User>,
    /// When the lock's log named it first for something that succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    first_seen: Option<String>,
    /// When it did so last. A refused attempt proves nobody's presence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    last_seen: Option<String>,
    /// How many of its events did not succeed.
    refused: i64,
    /// How often it did what; `none` is what is no action.
    actions: BTreeMap<String, Times>,
}

/// What one number means at each lock: numbers count per lock, so there may be several.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SummaryList {
    /// By lock.
    locks: Vec<Summary>,
}

/// People, keys and codes, now and formerly.
#[utoipa::path(get, path = "/users", tag = "users", params(LockQuery), responses(
    (status = 200, description = "Everybody", content((UserList = "application/json"), (String = "text/csv"))),
    (status = 304, description = "As If-None-Match says"),
    (status = 400, description = "A parameter is bad", body = Problem),
    (status = 406, description = "Neither JSON nor CSV is accepted", body = Problem),
))]
pub(super) async fn users(State(app): State<Arc<AppState>>, ask: Ask) -> Result<Response, Problem> {
    everybody(&app, &ask, |_| true, |users| UserList { users }, |list| &list.users).await
}

/// Keypad codes, now and formerly; never their digits.
#[utoipa::path(get, path = "/codes", tag = "users", params(LockQuery), responses(
    (status = 200, description = "Every code", content((CodeList = "application/json"), (String = "text/csv"))),
    (status = 304, description = "As If-None-Match says"),
    (status = 400, description = "A parameter is bad", body = Problem),
    (status = 406, description = "Neither JSON nor CSV is accepted", body = Problem),
))]
pub(super) async fn codes(State(app): State<Arc<AppState>>, ask: Ask) -> Result<Response, Problem> {
    let is_code = |row: &UserRow| matches!(row.kind, UserKind::KeypadCode { .. });
    everybody(&app, &ask, is_code, |codes| CodeList { codes }, |list| &list.codes).await
}

/// Who an authorization is and was, when it was seen, and how often it did what. Without nukiId for every lock.
#[utoipa::path(get, path = "/users/{auth_id}", tag = "users",
    params(("auth_id" = u32, Path, maximum = 4294967295_f64, description = "Number of the authorization"), LockQuery), responses(
    (status = 200, description = "It, at each lock", body = SummaryList),
    (status = 304, description = "As If-None-Match says"),
    (status = 400, description = "A parameter is bad", body = Problem),
    (status = 404, description = "No lock ever had it", body = Problem),
    (status = 406, description = "JSON is not accepted", body = Problem),
))]
pub(super) async fn user(State(app): State<Arc<AppState>>, auth_id: PathText, ask: Ask) -> Result<Response, Problem> {
    let auth_id = path_number("auth_id in the path", auth_id, AUTH_ID_HINT)?;
    let is_it = |row: &UserRow| matches!(row.kind, UserKind::Authorization { auth_id: id, .. } if id == auth_id);
    one(&app, &ask, Identity::Authorization(auth_id), is_it).await
}

/// What a keypad code is and was called, when it was used, and how often. Without nukiId for every lock.
#[utoipa::path(get, path = "/codes/{code_id}", tag = "users",
    params(("code_id" = u16, Path, maximum = 65535, description = "Number of the keypad code"), LockQuery), responses(
    (status = 200, description = "It, at each lock", body = SummaryList),
    (status = 304, description = "As If-None-Match says"),
    (status = 400, description = "A parameter is bad", body = Problem),
    (status = 404, description = "No lock ever had it", body = Problem),
    (status = 406, description = "JSON is not accepted", body = Problem),
))]
pub(super) async fn code(State(app): State<Arc<AppState>>, code_id: PathText, ask: Ask) -> Result<Response, Problem> {
    let code_id = path_number("code_id in the path", code_id, CODE_ID_HINT)?;
    let is_it = |row: &UserRow| matches!(row.kind, UserKind::KeypadCode { code_id: id } if id == code_id);
    one(&app, &ask, Identity::KeypadCode(code_id), is_it).await
}

async fn everybody<L: Serialize>(
    app: &AppState,
    ask: &Ask,
    wanted: impl Fn(&UserRow) -> bool,
    whole: impl FnOnce(Vec<User>) -> L,
    rows: impl FnOnce(&L) -> &Vec<User>,
) -> Result<Response, Problem> {
    let media = ask.media(&[Media::Json, Media::Csv])?;
    let query = ask.query::<LockQuery>()?;
    let nuki_id = nuki_id(&query, &ask.doors(app))?;
    let edition = ask.edition(&app.store, &query, media).await?;
    if let Some(known) = edition.not_modified() {
        return Ok(known);
    }
    let users = app.store.users(nuki_id).await?;
    let body =
        whole(users.into_iter().filter(|user| ask.reaches(user.nuki_id)).filter(wanted).map(User::from).collect());
    Ok(edition.mark(list(media, &body, rows(&body))?))
}

async fn one(
    app: &AppState,
    ask: &Ask,
    identity: Identity,
    is_it: impl Fn(&UserRow) -> bool,
) -> Result<Response, Problem> {
    let media = ask.media(&[Media::Json])?;
    let query = ask.query::<LockQuery>()?;
    let nuki_id = nuki_id(&query, &ask.doors(app))?;
    let edition = ask.edition(&app.store, &query, media).await?;
    if let Some(known) = edition.not_modified() {
        return Ok(known);
    }
    let rows = app.store.users(nuki_id).await?.into_iter().filter(|row| ask.reaches(row.nuki_id)).filter(is_it);
    let mut counts = app.store.action_counts(identity, nuki_id).await?;
    counts.retain(|count| ask.reaches(count.nuki_id));
    let locks = summaries(rows, &counts);
    if locks.is_empty() {
        return Err(Problem::not_found("no lock ever had this number", "take it from /v1/users or /v1/codes"));
    }
    Ok(edition.mark(object(&SummaryList { locks })?))
}

fn summaries(rows: impl Iterator<Item = UserRow>, counts: &[ActionCount]) -> Vec<Summary> {
    let mut locks: BTreeMap<NukiId, Summary> = BTreeMap::new();
    let mut seen: BTreeMap<NukiId, (UnixMillis, UnixMillis)> = BTreeMap::new();
    for row in rows {
        locks.entry(row.nuki_id).or_default().intervals.push(User::from(row));
    }
    for count in counts {
        let summary = locks.entry(count.nuki_id).or_default();
        let action = count.action.map_or_else(|| "none".to_owned(), |action| action.to_string());
        let times = summary.actions.entry(action).or_default();
        if count.refused {
            times.refused += count.times;
            summary.refused += count.times;
        } else {
            times.done += count.times;
        }
        if count.seen {
            let (first, last) = seen.entry(count.nuki_id).or_insert((count.first, count.last));
            *first = count.first.min(*first);
            *last = count.last.max(*last);
        }
    }
    let summary = |(nuki_id, summary)| {
        let seen = seen.get(&nuki_id);
        Summary {
            nuki_id,
            first_seen: seen.map(|(first, _)| first.rfc3339()),
            last_seen: seen.map(|(_, last)| last.rfc3339()),
            ..summary
        }
    };
    locks.into_iter().map(summary).collect()
}
