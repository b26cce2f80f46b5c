//! `/log` and `/clearlog`: the bridge's own diagnostic log.

use super::super::AppState;
use super::super::error::Refusal;
use super::super::json::{Object, array};
use super::super::query::Params;
use super::wire::timestamp;
use crate::access::Access;
use crate::diagnostics::Line;

/// Lines that are answered if `count` is not given.
const DEFAULT_COUNT: usize = 100;

/// A part of the log, newest first. Lines about locks out of reach are not there.
pub(super) fn log(app: &AppState, params: &Params, access: &Access) -> Result<String, Refusal> {
    let number = |name, default| match params.filled(name) {
        None => Ok(default),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            // More than any number that fits is as much as there is.
            Ok(text.parse().unwrap_or(usize::MAX))
        }
        Some(_) => Err(Refusal::BadRequest),
    };
    let is_seen = |line: &Line| line.nuki_id.is_none_or(|nuki_id| access.reaches(nuki_id));
    let lines = app.diagnostics.newest(is_seen, number("offset", 0)?, number("count", DEFAULT_COUNT)?);
    Ok(array(&lines, push))
}

/// `nukiId` is text in eight hex digits here, and only here.
fn push(object: Object, line: &Line) -> Object {
    object
        .text("timestamp", &timestamp(line.at))
        .text("type", line.deed.name())
        .text_if("nukiId", line.nuki_id.map(|id| format!("{id:08X}")).as_deref())
        .text_if("action", line.action.as_deref())
}
