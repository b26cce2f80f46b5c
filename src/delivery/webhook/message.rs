//! What a receiver gets: the body, its idempotency key and its signature.

use std::fmt::Write;

use hmac::{Hmac, Mac};
use serde::Serialize;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::EntryJson;
use crate::clock::UnixMillis;
use crate::store::{LiveRow, WebhookDelivery};

/// Bytes of SHA-256's block, which no secret exceeds.
const BLOCK: usize = 64;

/// One POST to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The idempotency key: equal for each try of one delivery.
    pub key: String,
    /// JSON.
    pub body: String,
    /// `t=<seconds since 1970>,v1=<hex of HMAC-SHA-256 over "t.body">`.
    pub signature: String,
    /// When it was signed.
    pub at: UnixMillis,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    delivery_id: &'a str,
    webhook: &'a str,
    sequence: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<String>,
    event: serde_json::Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TestBody<'a> {
    delivery_id: &'a str,
    webhook: &'a str,
    test: bool,
}

/// The body of one event.
pub(super) fn body(
    webhook: &str,
    delivery: &WebhookDelivery,
    event: LiveRow,
    entry_json: EntryJson,
) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Body {
        delivery_id: &delivery.key,
        webhook,
        sequence: delivery.event_id,
        answers: event.answers.map(|id| id.to_string()),
        event: entry_json(event.entry)?,
    })
}

/// A message without an event, for the owner to see whether a receiver understands.
///
/// # Errors
/// JSON's; none is known.
pub fn test_message(webhook: &str, secret: &str, key: &str, at: UnixMillis) -> Result<Message, serde_json::Error> {
    let body = serde_json::to_string(&TestBody { delivery_id: key, webhook, test: true })?;
    Ok(Message::signed(key.to_owned(), body, secret, at))
}

impl Message {
    /// Signed at a moment; a later try has another signature.
    pub(super) fn signed(key: String, body: String, secret: &str, at: UnixMillis) -> Self {
        let seconds = at.seconds();
        let mut signature = format!("t={seconds},v1=");
        for byte in mac(secret, &[seconds.to_string().as_bytes(), b".", body.as_bytes()]) {
            // Writing to a string cannot fail.
            let _ = write!(signature, "{byte:02x}");
        }
        Self { key, body, signature, at }
    }
}

fn mac(secret: &str, parts: &[&[u8]]) -> [u8; 32] {
    // HMAC pads a key to the block with zeros, so this is the key itself.
    let mut block = Zeroizing::new([0_u8; BLOCK]);
    for (byte, from) in block.iter_mut().zip(secret.bytes()) {
        *byte = from;
    }
    let mut mac = <Hmac<Sha256> as Mac>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn the_mac_is_that_of_the_standard() {
        let hex: String =
            mac("Jefe", &[b"what do ya want ", b"for nothing?"]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
