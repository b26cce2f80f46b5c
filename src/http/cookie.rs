//! The cookie that holds a session, in RFC 6265's words.
//!
//! Over TLS its name begins with `__Host-`: then browsers take it only from this
//! host, only over TLS and only for the whole of it. Each name counts on its own
//! way alone, so that what was set in clear is never taken for the other.

use std::time::Duration;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use super::gate::Peer;
use super::sessions::SessionId;

/// The text of the session's cookie, if there is exactly one. Nobody can say which of several is whose.
pub(super) fn read(headers: &HeaderMap, from: Peer) -> Option<Vec<u8>> {
    let wanted = name(from).as_bytes();
    let lines = headers.get_all(COOKIE).iter();
    let mut found = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at_checked(at)?;
        (name.trim_ascii() == wanted).then(|| value.get(1..).unwrap_or_default().trim_ascii().to_vec())
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// `Set-Cookie` for a session that lasts so long at most.
pub(super) fn set(id: &SessionId, lasts: Duration, from: Peer) -> Option<HeaderValue> {
    line(id.expose(), lasts, from)
}

/// `Set-Cookie` that has the browser forget it.
pub(super) fn clear(from: Peer) -> Option<HeaderValue> {
    line("", Duration::ZERO, from)
}

fn line(value: &str, lasts: Duration, from: Peer) -> Option<HeaderValue> {
    let (name, secure) = (name(from), if from.is_encrypted { "; Secure" } else { "" });
    let text = format!("{name}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{secure}", lasts.as_secs());
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

const fn name(from: Peer) -> &'static str {
    if from.is_encrypted { "__Host-keyturner" } else { "keyturner" }
}
