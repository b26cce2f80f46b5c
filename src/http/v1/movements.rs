//! Comings and goings: how often doors were opened and locked, by hour.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::ask::Ask;
use super::csv::Row;
use super::problem::Problem;
use super::refused::{Counting, hour};
use super::schema;
use crate::store::{MovementCount, Movements};

/// Which movements to count.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[allow(dead_code, reason = "documentation: it says which names there are and is read by `Query`")]
pub(super) struct MovementsQuery {
    /// At this lock: its number, decimal or as eight hex digits.
    #[param(schema_with = schema::lock_number, required = false)]
    nuki_id: (),
    /// Of whoever had exactly this name when it happened. A name is no key: two people may have it.
    user: Option<String>,
    /// Not before: RFC 3339; seven days before to, if absent.
    #[param(value_type = Option<String>, format = DateTime)]
    from: (),
    /// Before: RFC 3339; now, if absent. At most 366 days after from.
    #[param(value_type = Option<String>, format = DateTime)]
    to: (),
    /// Offset from UTC of the clock whose hours are counted, such as +01:00; UTC if absent.
    #[param(schema_with = schema::offset, required = false)]
    tz: Option<String>,
}

/// What moved within one hour.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HourMovements)]
pub(super) struct Hour {
    /// When the hour began, in the offset that was asked for.
    #[schema(format = DateTime)]
    hour: String,
    /// How often a door was unlocked or its latch was pulled.
    opened: i64,
    /// How often one was locked.
    locked: i64,
}

impl Row for Hour {
    const COLUMNS: &'static [&'static str] = &["hour", "opened", "locked"];
}

/// What moved, by hour.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MovementCounts)]
pub(super) struct Hours {
    /// Where the range begins.
    #[schema(format = DateTime)]
    from: String,
    /// Where it ends.
    #[schema(format = DateTime)]
    to: String,
    /// By hour; hours without any are left out.
    counts: Vec<Hour>,
}

/// Counts how often doors were opened and locked, by hour. What was refused is not in it.
#[utoipa::path(get, path = "/history/counts", operation_id = "movements", tag = "history", params(MovementsQuery), responses(
    (status = 200, description = "The counts", content((Hours = "application/json"), (String = "text/csv"))),
    (status = 304, description = "As If-None-Match says"),
    (status = 400, description = "A parameter is bad", body = Problem),
    (status = 406, description = "Neither JSON nor CSV is accepted", body = Problem),
))]
pub(super) async fn counts(State(app): State<Arc<AppState>>, ask: Ask) -> Result<Response, Problem> {
    let counting = Counting::new::<MovementsQuery>(&app, &ask).await?;
    if let Some(known) = counting.not_modified() {
        return Ok(known);
    }
    let Counting { nuki_id, from, to, offset, .. } = counting;
    let (locks, user_name) = (ask.who().access().locks(), counting.query.get("user"));
    let rows = app.store.movement_counts(Movements { nuki_id, locks, user_name, from, to, offset }).await?;
    let count = |row: MovementCount| Hour { hour: hour(row.hour, offset), opened: row.opened, locked: row.locked };
    let body = Hours { from: from.rfc3339(), to: to.rfc3339(), counts: rows.into_iter().map(count).collect() };
    counting.answer(&body, &body.counts)
}
