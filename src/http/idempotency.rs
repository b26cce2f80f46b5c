//! `Idempotency-Key`: a client's name for one request, so that its repetition is known for certain.

use axum::http::HeaderMap;

use super::error::Refusal;
use crate::store::IdempotencyKey;

const NAME: &str = "idempotency-key";
/// Longest key.
const MAX_LEN: usize = 255;

/// The key of a request, if it has one. It is taken as it stands, quotes included.
///
/// # Errors
/// A key that two requests could share by mistake, or several, of which nobody knows the right one.
pub(super) fn key_of(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Refusal> {
    let mut keys = headers.get_all(NAME).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let text = key.as_bytes();
    let is_good = (1..=MAX_LEN).contains(&text.len()) && text.iter().all(|byte| (b' '..=b'~').contains(byte));
    if is_good && keys.next().is_none() { Ok(Some(IdempotencyKey::of(text))) } else { Err(Refusal::BadKey) }
}
