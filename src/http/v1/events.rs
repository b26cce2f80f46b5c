//! One event, and all events as they come.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderName;
use axum::response::Response;
use utoipa::IntoParams;

use super::accept::Media;
use super::ask::{Ask, object, private};
use super::entry::Entry;
use super::filter::{Conditions, conditions};
use super::live::{Start, stream};
use super::problem::Problem;
use super::query::{Query, whole};
use super::{AppState, PathText, path_number};
use crate::store::HistoryFilter;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const LAST_EVENT_ID_HINT: &str = "take it from id of the last message; leave it out to begin now, 0 for everything";

/// What may be asked of the live stream beside its filters.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[allow(dead_code, reason = "documentation: it says which names there are and is read by `Query`")]
struct Place {
    /// Number of the last message, for clients that cannot send the header. The header counts more.
    #[param(value_type = Option<i64>, minimum = 0)]
    last_event_id: (),
}

/// Everything that the live stream may be asked.
pub(super) struct LiveQuery;

impl IntoParams for LiveQuery {
    fn into_params(
        provider: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        let mut parameters = Conditions::into_params(&provider);
        parameters.extend(Place::into_params(&provider));
        parameters
    }
}

/// One event. The number of a late answer gives the event that it answers.
#[utoipa::path(get, path = "/events/{id}", tag = "history",
    params(("id" = i64, Path, minimum = 0, description = "Number of the event")), responses(
    (status = 200, description = "The event", body = Entry),
    (status = 304, description = "As If-None-Match says"),
    (status = 400, description = "The number is none", body = Problem),
    (status = 404, description = "There is no such event", body = Problem),
    (status = 406, description = "JSON is not accepted", body = Problem),
))]
pub(super) async fn event(State(app): State<Arc<AppState>>, id: PathText, ask: Ask) -> Result<Response, Problem> {
    let media = ask.media(&[Media::Json])?;
    let id = path_number("id in the path", id, "take it from id of an entry of /v1/history")?;
    let query = ask.query::<NoQuery>()?;
    let edition = ask.edition(&app.store, &query, media).await?;
    if let Some(known) = edition.not_modified() {
        return Ok(known);
    }
    match app.store.entry(id).await?.filter(|row| ask.reaches(row.nuki_id)) {
        Some(row) => Ok(edition.mark(object(&Entry::from(row))?)),
        None => Err(Problem::not_found(
            "there is no event with this number",
            "it may have been removed by retention; /v1/history lists what there is",
        )),
    }
}

/// Every event as soon as it is stored, as server-sent events.
///
/// `id` is the number of the row, `event` the kind, `data` an event as in
/// `/v1/history`; a late answer is a message of its own, with `answers`. A
/// client that comes back with `Last-Event-ID` misses nothing and gets nothing
/// twice. If retention has removed some of it, a message `removed` says so.
#[utoipa::path(get, path = "/events", tag = "history",
    params(LiveQuery, ("Last-Event-ID" = Option<i64>, Header, minimum = 0, description = "Number of the last message; begins now if absent")),
    responses(
    (status = 200, description = "A stream that goes on until either side ends it", body = String, content_type = "text/event-stream"),
    (status = 400, description = "A parameter is bad, or no such message was ever sent", body = Problem),
    (status = 406, description = "Server-sent events are not accepted", body = Problem),
    (status = 503, description = "Too many streams are open", body = Problem),
))]
pub(super) async fn events(State(app): State<Arc<AppState>>, ask: Ask) -> Result<Response, Problem> {
    ask.media(&[Media::Events])?;
    let query = ask.query::<LiveQuery>()?;
    let filter: HistoryFilter = conditions(&query, &ask.doors(&app), ask.who().access())?;
    let last = last_event_id(&ask, &query)?;
    // Before the newest row is looked up: what is stored from now on wakes the stream.
    let listener = app.news.listen().ok_or_else(Problem::too_many_streams)?;
    let start = Start::new(last, app.store.row_numbers().await?).ok_or_else(|| {
        Problem::parameter(
            "Last-Event-ID",
            "no event with so high a number was ever stored; the database may be another one than before",
            LAST_EVENT_ID_HINT,
        )
    })?;
    let is_valid = {
        let (who, clock) = (ask.who().clone(), app.clock);
        move || who.is_valid(clock.wall(), clock.monotonic())
    };
    Ok(private(stream(app.store.clone(), filter, start, listener, is_valid)))
}

fn last_event_id(ask: &Ask, query: &Query) -> Result<Option<i64>, Problem> {
    match ask.header(&LAST_EVENT_ID) {
        // A browser sends an empty one if the last message had no number.
        Some("") => Ok(None),
        Some(text) => whole("Last-Event-ID", text, LAST_EVENT_ID_HINT).map(Some),
        None => query.number("lastEventId", LAST_EVENT_ID_HINT),
    }
}

/// No parameters.
#[derive(Debug, IntoParams)]
pub(super) struct NoQuery {}
