//! Histories, all of them pages of one list: of everything, of a person, of a code, of what was refused.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::accept::Media;
use super::ask::{Ask, link, list};
use super::entry::Entry;
use super::filter::{AUTH_ID_HINT, CODE_ID_HINT, HistoryQuery, history as filter};
use super::problem::Problem;
use super::query::Query;
use super::schema;
use super::{AppState, PathText, path_number};
use super::{cursor, named};
use crate::store::HistoryFilter;

/// A page of events, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventPage {
    /// The events.
    events: Vec<Entry>,
    /// Cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// What happened, newest first.
#[utoipa::path(get, path = "/history", tag = "history", params(HistoryQuery), responses(
    (status = 200, description = "A page of events", content((EventPage = "application/json"), (String = "text/csv"))),
    (status = 304, description = "As If-None-Match says"),
    (status = 400, description = "A parameter is bad", body = Problem),
    (status = 406, description = "Neither JSON nor CSV is accepted", body = Problem),
))]
pub(super) async fn history(State(app): State<Arc<AppState>>, ask: Ask) -> Result<Response, Problem> {
    page(&app, &ask, |_, _| Ok(())).await
}

/// What was tried and did not succeed, newest first.
#[utoipa::path(get, path = "/refused", tag = "history", params(schema::Refused), responses(
    (status = 200, description = "A page of events", content((EventPage = "application/json"), (String = "text/csv"))),
    (status = 304, description = "As If-None-Match says"),
    (status = 400, description = "A parameter is bad", body = Problem),
    (status = 406, description = "Neither JSON nor CSV is accepted", body = Problem),
))]
pub(super) async fn refused(State(app): State<Arc<AppState>>, ask: Ask) -> Result<Response, Problem> {
    page(&app, &ask, |filter, query| {
        named(query, "refused", "this list holds only what was refused", "leave it out, or ask /v1/history")?;
        filter.refused = Some(true);
        Ok(())
    })
    .await
}

/// What an authorization did, newest first. Its number counts per lock: without nukiId those of every lock are given.
#[utoipa::path(get, path = "/users/{auth_id}/history", tag = "users",
    params(("auth_id" = u32, Path, maximum = 4294967295_f64, description = "Number of the authorization"), schema::OfUser), responses(
    (status = 200, description = "A page of events", content((EventPage = "application/json"), (String = "text/csv"))),
    (status = 304, description = "As If-None-Match says"),
    (status = 400, description = "A parameter is bad", body = Problem),
    (status = 406, description = "Neither JSON nor CSV is accepted", body = Problem),
))]
pub(super) async fn of_user(
    State(app): State<Arc<AppState>>,
    auth_id: PathText,
    ask: Ask,
) -> Result<Response, Problem> {
    let auth_id = path_number("auth_id in the path", auth_id, AUTH_ID_HINT)?;
    page(&app, &ask, |filter, query| {
        named(query, "authId", "it stands in the path already", "leave it out")?;
        filter.auth_id = Some(auth_id);
        Ok(())
    })
    .await
}

/// What was done with a keypad code, newest first. Its number counts per lock: without nukiId those of every lock are given.
#[utoipa::path(get, path = "/codes/{code_id}/history", tag = "users",
    params(("code_id" = u16, Path, maximum = 65535, description = "Number of the keypad code"), schema::OfCode), responses(
    (status = 200, description = "A page of events", content((EventPage = "application/json"), (String = "text/csv"))),
    (status = 304, description = "As If-None-Match says"),
    (status = 400, description = "A parameter is bad", body = Problem),
    (status = 406, description = "Neither JSON nor CSV is accepted", body = Problem),
))]
pub(super) async fn of_code(
    State(app): State<Arc<AppState>>,
    code_id: PathText,
    ask: Ask,
) -> Result<Response, Problem> {
    let code_id = path_number("code_id in the path", code_id, CODE_ID_HINT)?;
    page(&app, &ask, |filter, query| {
        named(query, "codeId", "it stands in the path already", "leave it out")?;
        filter.code_id = Some(code_id);
        Ok(())
    })
    .await
}

/// One page; `narrow` adds what the path says.
async fn page(
    app: &AppState,
    ask: &Ask,
    narrow: impl FnOnce(&mut HistoryFilter, &Query) -> Result<(), Problem>,
) -> Result<Response, Problem> {
    let media = ask.media(&[Media::Json, Media::Csv])?;
    let query = ask.query::<HistoryQuery>()?;
    let mut filter = filter(&query, &ask.doors(app), ask.who().access())?;
    narrow(&mut filter, &query)?;
    let wish = ask.wish(&query);
    filter.after = query.get("cursor").map(|text| cursor::decode(text, filter.order, &wish)).transpose()?;
    let edition = ask.edition(&app.store, &query, media).await?;
    if let Some(known) = edition.not_modified() {
        return Ok(known);
    }
    let page = app.store.page(&filter).await?;
    let next = page.next.map(|key| cursor::encode(filter.order, key, &wish));
    let next_page = next.as_deref().and_then(|cursor| ask.next_page(cursor));
    let body = EventPage { events: page.rows.into_iter().map(Entry::from).collect(), next };
    let response = list(media, &body, &body.events)?;
    Ok(edition.mark(link(response, next_page)))
}
