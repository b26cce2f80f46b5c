//! Which events a client wants: the parameters that histories share.

use utoipa::IntoParams;

use super::super::doors::Doors;
use super::super::query::nuki_id_readings;
use super::problem::Problem;
use super::query::{Query, one_of};
use super::schema;
use crate::access::Access;
use crate::attribution::{Attribution, EventKind, Method, UnknownReason};
use crate::protocol::beacon::NukiId;
use crate::store::{HistoryFilter, MAX_PAGE, Order};

/// From here on the Web API's `action` numbers stand for kinds of events that no lock calls an action.
const FIRST_KIND_NUMBER: u8 = 200;
const DEFAULT_LIMIT: u32 = 50;

pub(super) const AUTH_ID_HINT: &str = "take it from /v1/users";
pub(super) const CODE_ID_HINT: &str = "take it from /v1/codes; it is never the code itself";

pub(super) const ATTRIBUTIONS: [&str; 4] = [
    Attribution::Matched.name(),
    Attribution::Pending.name(),
    Attribution::Nobody.name(),
    Attribution::Unknown(UnknownReason::EntryMissing).name(),
];

/// Filters on what happened.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[allow(dead_code, reason = "documentation: it says which names there are and is read by `Query`")]
pub(super) struct Conditions {
    /// Of this lock: its number, decimal or as eight hex digits.
    #[param(schema_with = schema::lock_number, required = false)]
    nuki_id: (),
    /// Of this authorization. Its number counts per lock: give nukiId too if there are several.
    #[param(schema_with = schema::auth_id, required = false)]
    auth_id: Option<u32>,
    /// Of this keypad code; per lock as well.
    #[param(schema_with = schema::code_id, required = false)]
    code_id: Option<u16>,
    /// Of whoever had exactly this name when it happened. A name is no key: two people may have it.
    user: Option<String>,
    /// Of this kind, such as keypad_action; repeat it for several.
    #[param(schema_with = schema::kinds, required = false)]
    kind: Vec<String>,
    /// Done this way, such as code or app.
    #[param(schema_with = schema::method, required = false)]
    method: Option<String>,
    /// With this action: 1 unlock, 2 lock, 3 unlatch, 4 lock 'n' go, 5 the same with unlatch, 6 full lock.
    #[param(maximum = 199)]
    action: Option<u8>,
    /// true: only what did not succeed; false: only what did.
    refused: Option<bool>,
    /// Known so surely: matched, pending, nobody or unknown.
    #[param(schema_with = schema::attribution, required = false)]
    attribution: Option<String>,
}

/// Filters on time, and the page.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[allow(dead_code, reason = "documentation: it says which names there are and is read by `Query`")]
pub(super) struct Pages {
    /// Not before: RFC 3339, in UTC or with an offset. With from or to the order is by time, else by number.
    #[param(value_type = Option<String>, format = DateTime)]
    from: (),
    /// Before: RFC 3339, in UTC or with an offset.
    #[param(value_type = Option<String>, format = DateTime)]
    to: (),
    /// At most so many.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Everything that a history may be asked.
pub(super) struct HistoryQuery;

impl IntoParams for HistoryQuery {
    fn into_params(
        provider: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        let mut parameters = Conditions::into_params(&provider);
        parameters.extend(Pages::into_params(&provider));
        parameters
    }
}

/// Of one lock, or of all.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[allow(dead_code, reason = "documentation: it says which names there are and is read by `Query`")]
pub(super) struct LockQuery {
    /// Of this lock: its number, decimal or as eight hex digits.
    #[param(schema_with = schema::lock_number, required = false)]
    nuki_id: (),
}

/// The filter of [`Conditions`].
pub(super) fn conditions(query: &Query, doors: &dyn Doors, access: &Access) -> Result<HistoryFilter, Problem> {
    let kinds = query.all("kind").map(|kind| one_of("kind", kind, &EventKind::NAMES)).collect::<Result<_, _>>()?;
    Ok(HistoryFilter {
        nuki_id: nuki_id(query, doors)?,
        locks: access.locks().cloned(),
        auth_id: query.number("authId", AUTH_ID_HINT)?,
        code_id: query.number("codeId", CODE_ID_HINT)?,
        user_name: query.get("user").map(str::to_owned),
        action: action(query)?,
        kinds,
        method: query.word("method", &Method::NAMES)?,
        attribution: query.word("attribution", &ATTRIBUTIONS)?,
        refused: query.flag("refused")?,
        ..HistoryFilter::default()
    })
}

/// The filter of [`HistoryQuery`], at its first page.
pub(super) fn history(query: &Query, doors: &dyn Doors, access: &Access) -> Result<HistoryFilter, Problem> {
    let (from, to) = (query.date("from")?, query.date("to")?);
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err(Problem::parameter("to", "it is not after from", "from belongs to the range, to does not"));
    }
    let order = if from.is_some() || to.is_some() { Order::Time } else { Order::Number };
    Ok(HistoryFilter { from, to, order, limit: limit(query)?, ..conditions(query, doors, access)? })
}

/// `nukiId`, if it was given: the reading under which a lock is paired, else the first that is a number, for locks that are gone.
pub(super) fn nuki_id(query: &Query, doors: &dyn Doors) -> Result<Option<NukiId>, Problem> {
    query.get("nukiId").map(|text| lock_number(text, doors)).transpose()
}

/// A lock's number as a client writes it.
pub(super) fn lock_number(text: &str, doors: &dyn Doors) -> Result<NukiId, Problem> {
    let readings = nuki_id_readings(text).into_iter().flatten();
    let paired = readings.clone().find(|id| doors.lock(*id).is_some());
    paired.or_else(|| readings.clone().next()).ok_or_else(|| {
        Problem::parameter("nukiId", "it is neither a decimal number nor eight hex digits", "take it from /list")
    })
}

fn action(query: &Query) -> Result<Option<u8>, Problem> {
    let action = query.number("action", "1 unlock, 2 lock, 3 unlatch, 4 lock 'n' go, 5 lock 'n' go with unlatch")?;
    if action.is_some_and(|action| action >= FIRST_KIND_NUMBER) {
        return Err(Problem::parameter(
            "action",
            "entries that are no lock action cannot be looked for by number",
            "look for them by kind",
        ));
    }
    Ok(action)
}

fn limit(query: &Query) -> Result<u32, Problem> {
    let hint = "1 to 1000; for more, ask again with cursor set to next";
    match query.number("limit", hint)? {
        None => Ok(DEFAULT_LIMIT),
        Some(limit @ 1..=MAX_PAGE) => Ok(limit),
        Some(_) => Err(Problem::parameter("limit", "it is out of range", hint)),
    }
}
