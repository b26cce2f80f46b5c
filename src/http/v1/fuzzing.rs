//! What has to be true of `/v1`'s queries, headers and bodies; called by [`http::fuzzing`](crate::http::fuzzing).

use std::sync::Arc;

use axum::http::header::{ACCEPT, AUTHORIZATION, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue};
use futures::future::BoxFuture;
use utoipa::IntoParams;
use utoipa::openapi::path::ParameterIn;

use super::super::doors::Doors;
use super::super::edition::is_known;
use super::super::idempotency::key_of;
use super::super::query::Params;
use super::accept::{Media, choose};
use super::actions::WantedAction;
use super::bearer;
use super::body::Secret;
use super::cursor;
use super::events::{LiveQuery, NoQuery};
use super::filter::{HistoryQuery, LockQuery, conditions, history};
use super::problem::Problem;
use super::query::{CREDENTIALS, Query, whole, without};
use super::refused::CountsQuery;
use crate::access::Access;
use crate::clock::UnixMillis;
use crate::gateway::{
    ActionOutcome, Asker, ClockHealth, CodeChange, GatewayError, LockHealth, LockSnapshot, RadioHealth, ScanResult,
    WaitFor,
};
use crate::protocol::LockAction;
use crate::protocol::beacon::NukiId;
use crate::protocol::log::CodeId;
use crate::protocol::state::KeyturnerStates;
use crate::store::{MAX_PAGE, Order, PageKey};

/// A query string.
pub(in crate::http) fn query(raw: &str) {
    again::<HistoryQuery>(raw);
    again::<LiveQuery>(raw);
    again::<CountsQuery>(raw);
    again::<LockQuery>(raw);
    again::<NoQuery>(raw);
    filters(raw);
    cursors(raw);
    let link = Params::parse(&without(raw, "cursor"));
    for name in CREDENTIALS.iter().chain(&["cursor"]) {
        assert_eq!(link.get(name), None, "a link to another page holds no credential");
    }
    if let Ok(number) = whole::<i64>("id", raw, "") {
        assert!(number >= 0, "a number without a sign");
        assert_eq!(raw.trim_start_matches('0'), number.to_string().trim_start_matches('0'), "a number as it stands");
    }
}

/// What is read and written with every byte escaped is read as the same.
fn again<P: IntoParams>(raw: &str) -> Option<(Query, Query)> {
    let query = Query::read::<P>(raw).ok()?;
    let mut pairs = Vec::new();
    for parameter in P::into_params(|| Some(ParameterIn::Query)) {
        let values = query.all(&parameter.name);
        pairs.extend(values.map(|value| format!("{}={}", parameter.name, crate::http::fuzzing::escaped(value))));
    }
    let written = pairs.join("&");
    let again = Query::read::<P>(&written);
    assert!(again.is_ok(), "{written} was read once already");
    let again = again.ok()?;
    assert_eq!(query.canonical(&[]), again.canonical(&[]), "one form for one wish");
    Some((query, again))
}

fn filters(raw: &str) {
    let access = Access::full();
    if let Some((query, again)) = again::<HistoryQuery>(raw) {
        let filter = history(&query, &NoDoors, &access);
        assert_eq!(filter, history(&again, &NoDoors, &access), "one filter for one wish");
        if let Ok(filter) = filter {
            assert!((1..=MAX_PAGE).contains(&filter.limit), "a page has an end");
            let is_range = filter.from.zip(filter.to).is_none_or(|(from, to)| from < to);
            assert!(is_range, "a range begins before it ends");
            assert!(filter.locks.is_none(), "a query does not decide which locks are in reach");
        }
    }
    if let Some((query, again)) = again::<LiveQuery>(raw) {
        let filter = conditions(&query, &NoDoors, &access);
        assert_eq!(filter, conditions(&again, &NoDoors, &access), "one filter for one wish");
    }
}

fn cursors(raw: &str) {
    for order in [Order::Number, Order::Time] {
        if let Ok(key) = cursor::decode(raw, order, "wish") {
            assert_eq!(cursor::encode(order, key, "wish"), raw, "a cursor has one spelling");
        }
    }
    // None is found by chance; so one that is made of what was given.
    let mut numbers = raw.as_bytes().chunks_exact(8).filter_map(|bytes| bytes.first_chunk().copied());
    let (Some(at), Some(id)) = (numbers.next(), numbers.next()) else { return };
    let key = PageKey { at: UnixMillis(i64::from_be_bytes(at)), id: i64::from_be_bytes(id) };
    let text = cursor::encode(Order::Time, key, raw);
    assert_eq!(cursor::decode(&text, Order::Time, raw), Ok(key), "a cursor comes back");
    assert!(cursor::decode(&text, Order::Number, raw).is_err(), "in its own order alone");
    assert!(cursor::decode(&text, Order::Time, "another wish").is_err(), "for its own wish alone");
}

/// The headers of a request.
pub(in crate::http) fn headers(headers: &HeaderMap) {
    let table = [Media::Json, Media::Csv];
    let chosen = choose(headers, &table);
    let mut one_by_one = HeaderMap::new();
    for value in headers.get_all(ACCEPT) {
        // A value that is no text asks for nothing, its readable parts included.
        for part in value.to_str().unwrap_or_default().split(',') {
            one_by_one.extend(HeaderValue::from_str(part).ok().map(|part| (ACCEPT, part)));
        }
    }
    assert_eq!(choose(&one_by_one, &table), chosen, "a list may stand in several lines");
    if let Ok(media) = chosen {
        assert_eq!(choose(headers, &[media]), Ok(media), "what is taken among others is taken alone");
    } else {
        assert!(table.iter().all(|media| choose(headers, &[*media]).is_err()), "what is refused is taken in no form");
    }
    for value in headers.get_all(AUTHORIZATION) {
        if let Some(token) = bearer(value.as_bytes()) {
            assert_eq!(token, token.trim_ascii(), "blanks around a token are none of it");
            assert_eq!(bearer(&[b"bEARER  ", token].concat()), Some(token), "a token comes back");
        }
    }
    keys(headers);
    let tag = "W/\"0123456789abcdef01234567\"";
    let any = |text: &str| {
        headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .any(|value| value.as_bytes().windows(text.len()).any(|w| w == text.as_bytes()))
    };
    if is_known(headers, tag) {
        assert!(any("*") || any(tag.trim_start_matches("W/")), "an edition is known to whoever names it");
    }
    let mut known = headers.clone();
    known.append(IF_NONE_MATCH, HeaderValue::from_static("\"x\", \"0123456789abcdef01234567\""));
    assert!(is_known(&known, tag), "an edition is known in a list, strong or weak");
}

/// One key names one request; of two nobody knows which.
fn keys(headers: &HeaderMap) {
    const NAME: &str = "idempotency-key";
    let one = headers.get(NAME).map(HeaderValue::as_bytes);
    match key_of(headers) {
        Ok(Some(key)) => {
            assert!(one.is_some_and(|text| text.is_ascii() && (1..=255).contains(&text.len())), "a key can be seen");
            let mut other = headers.clone();
            other.insert(NAME, HeaderValue::from_static("another-one"));
            let is_other = one.is_some_and(|text| text != b"another-one");
            assert!(!is_other || key_of(&other).ok().flatten() != Some(key), "two keys are two");
            other.append(NAME, HeaderValue::from_static("a-second-one"));
            assert!(key_of(&other).is_err(), "of two nobody knows which");
        }
        Ok(None) => assert!(one.is_none(), "a key is never overlooked"),
        Err(_) => assert!(one.is_some(), "what was not sent is not wrong"),
    }
}

/// The body of a request: for an action, a new code, or a change of one.
pub fn body(data: &[u8]) {
    let body = Secret::of(data);
    if let Err(problem) = body.json::<WantedAction<'_>>("an action") {
        repeats_nothing(data, &problem);
    }
    super::codes::fuzzing::codes(data, &body);
}

/// What stands in a body may be a code's digits, so no answer has any of it.
pub(super) fn repeats_nothing(body: &[u8], problem: &Problem) {
    let said = serde_json::to_string(problem).unwrap_or_default();
    // The words around it have numbers of their own, and only shorter ones: the longest is a date's year.
    for digits in body.split(|byte| !byte.is_ascii_digit()).filter(|run| run.len() >= 6) {
        let digits = String::from_utf8_lossy(digits);
        assert!(!said.contains(&*digits), "an answer repeats digits of the body: {said}");
    }
}

/// No lock at all.
struct NoDoors;

impl Doors for NoDoors {
    fn locks(&self) -> Vec<Arc<LockSnapshot>> {
        Vec::new()
    }

    fn lock(&self, _: NukiId) -> Option<Arc<LockSnapshot>> {
        None
    }

    fn health(&self, _: NukiId) -> Option<LockHealth> {
        None
    }

    fn radio(&self) -> Option<RadioHealth> {
        None
    }

    fn scan_results(&self) -> Vec<ScanResult> {
        Vec::new()
    }

    fn read_state(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<KeyturnerStates, GatewayError>> {
        Box::pin(async move { Err(GatewayError::UnknownLock(nuki_id)) })
    }

    fn act<'a>(
        &'a self,
        nuki_id: NukiId,
        _: LockAction,
        _: Asker<'a>,
        _: WaitFor,
    ) -> BoxFuture<'a, Result<ActionOutcome, GatewayError>> {
        Box::pin(async move { Err(GatewayError::UnknownLock(nuki_id)) })
    }

    fn set_clock(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<ClockHealth, GatewayError>> {
        Box::pin(async move { Err(GatewayError::UnknownLock(nuki_id)) })
    }

    fn change_code<'a>(
        &'a self,
        nuki_id: NukiId,
        _: CodeChange,
        _: Asker<'a>,
    ) -> BoxFuture<'a, Result<Option<CodeId>, GatewayError>> {
        Box::pin(async move { Err(GatewayError::UnknownLock(nuki_id)) })
    }

    fn forget(&self, nuki_id: NukiId) -> BoxFuture<'_, Result<(), GatewayError>> {
        Box::pin(async move { Err(GatewayError::UnknownLock(nuki_id)) })
    }
}
