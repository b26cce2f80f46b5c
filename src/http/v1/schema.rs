//! Schemas of parameters, as exact as they are read: what one allows is taken, what it does not allow is refused.

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, ObjectBuilder, Schema, Type};

use super::doors::ACTIONS;
use super::filter::{ATTRIBUTIONS, HistoryQuery};
use crate::attribution::{EventKind, Method};
use crate::protocol::OpenerAction;

/// A lock's number: decimal, or in hex digits.
pub(super) fn lock_number() -> Schema {
    let decimal = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(u32::MAX));
    let hex = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9A-Fa-f]{1,8}$"));
    AnyOfBuilder::new().item(decimal).item(hex).build().into()
}

/// The number of an authorization.
pub(super) fn auth_id() -> Schema {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(u32::MAX)).build().into()
}

/// The number of a keypad code.
pub(super) fn code_id() -> Schema {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(u16::MAX)).build().into()
}

/// The name of a keypad code.
pub(super) fn code_name() -> Schema {
    let name = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(20));
    let words = "Its name: 20 bytes of UTF-8 at most, no control characters, no blanks at its ends.";
    name.description(Some(words)).build().into()
}

/// The digits of a keypad code, on their way in.
pub(super) fn digits() -> Schema {
    // Not beginning with 12.
    let digits = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^(1[13-9]|[2-9][1-9])[1-9]{4}$"));
    let words = "Six digits from 1 to 9, not beginning with 12. They go to the lock and nowhere else.";
    digits.write_only(true).description(Some(words)).build().into()
}

/// A moment of a lock's clock, without a zone.
pub(super) fn lock_time() -> Schema {
    let pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$";
    let words = "A date and time without a zone, compared with the lock's own clock: 2026-12-01T08:00:00.";
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).description(Some(words)).build().into()
}

/// What a lock or an Opener may be asked to do.
pub(super) fn lock_action() -> Schema {
    let of_lock = ACTIONS.iter().filter_map(|action| action.known_name());
    let of_opener = ACTIONS.iter().filter_map(|action| OpenerAction::from_code(action.code()).known_name());
    words(&of_lock.chain(of_opener).collect::<Vec<_>>()).into()
}

/// Kinds of events.
pub(super) fn kinds() -> Schema {
    ArrayBuilder::new().items(words(&EventKind::NAMES)).build().into()
}

/// How something was done.
pub(super) fn method() -> Schema {
    words(&Method::NAMES).into()
}

/// How surely it is known who did it.
pub(super) fn attribution() -> Schema {
    words(&ATTRIBUTIONS).into()
}

/// An offset from UTC.
pub(super) fn offset() -> Schema {
    let offset = ObjectBuilder::new().schema_type(Type::String).default(Some("+00:00".into()));
    offset.pattern(Some("^([Zz]|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))$")).build().into()
}

fn words(words: &[&'static str]) -> utoipa::openapi::schema::Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.iter().copied())).build()
}

/// A history of which a part is settled already, by the path: `authId`.
pub(super) struct OfUser;
/// The same: `codeId`.
pub(super) struct OfCode;
/// The same: `refused`.
pub(super) struct Refused;

impl IntoParams for OfUser {
    fn into_params(provider: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        history_without("authId", provider)
    }
}

impl IntoParams for OfCode {
    fn into_params(provider: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        history_without("codeId", provider)
    }
}

impl IntoParams for Refused {
    fn into_params(provider: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        history_without("refused", provider)
    }
}

fn history_without(name: &str, provider: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
    let mut parameters = HistoryQuery::into_params(provider);
    parameters.retain(|parameter| parameter.name != name);
    parameters
}
