//! Requests that a browser sends for somebody else's page.
//!
//! A page cannot know a token. What stands in for one in a browser, the cookie
//! of our own page, is sent by no other site's page (`SameSite`), under no other
//! name, counts on `/v1` alone, and changes nothing without what `v1/session.rs`
//! asks for. So neither a forged request nor a rebound name gets past the
//! credential. What is refused here is refused before it, for the sake of what
//! answers without one, and so that a page cannot guess from inside the house.
//!
//! Only browsers are asked for more. Clients of the Bridge API send whatever
//! they like as `Host`, and nothing of what marks a browser. What answers
//! without a credential asks everybody for a name of the house: a browser that
//! hides its marks would have something to gain there.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN, REFERER, USER_AGENT};
use axum::http::{HeaderMap, HeaderName};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Endings that no one outside can have registered: RFC 6762, RFC 8375, ICANN's `internal`, and what routers hand out.
const HOME: [&str; 8] =
    [".local", ".home.arpa", ".internal", ".localhost", ".lan", ".home", ".fritz.box", ".localdomain"];

/// Why a request is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// A page of another site asks.
    Site,
    /// A browser asks under a name that may be anybody's.
    Host,
}

/// Whether a request is the doing of somebody else's page. `own` are the names that the owner has given this machine.
pub(super) fn check(headers: &HeaderMap, own: &[String]) -> Result<(), Foreign> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(HOST).unwrap_or_default();
    if text(SEC_FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(Foreign::Site);
    }
    if let Some(origin) = text(ORIGIN) {
        // `null` is the origin of whoever hides it.
        let asked_by = origin.split_once("://").map_or("", |(_, authority)| authority);
        if asked_by.is_empty() || !asked_by.eq_ignore_ascii_case(host) {
            return Err(Foreign::Site);
        }
    }
    check_name(headers, own)
}

/// Whether a browser asks under a name of the house. Enough for what holds nothing of the house and shows in no frame:
/// a link on another page may lead to it.
pub(super) fn check_name(headers: &HeaderMap, own: &[String]) -> Result<(), Foreign> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_browser(headers) && !is_own(host, own) { Err(Foreign::Host) } else { Ok(()) }
}

/// Whether somebody opens a page, by a link or by its address, in a window of its own.
pub(super) fn is_opening(headers: &HeaderMap) -> bool {
    let is = |name, wanted: &str| headers.get(name).is_some_and(|value| value.as_bytes() == wanted.as_bytes());
    is(SEC_FETCH_MODE, "navigate") && is(SEC_FETCH_DEST, "document") && !headers.contains_key(ORIGIN)
}

/// Whether anything says that a browser asks.
fn is_browser(headers: &HeaderMap) -> bool {
    let is_mark = |name: &HeaderName| *name == ORIGIN || *name == REFERER || name.as_str().starts_with("sec-fetch-");
    let agent = headers.get(USER_AGENT).map(|agent| agent.as_bytes());
    headers.keys().any(is_mark) || agent.is_some_and(|agent| agent.starts_with(b"Mozilla/"))
}

/// Whether a name cannot be one that a stranger lets point here: an address, a name of the house, or one of `own`.
pub(super) fn is_own(host: &str, own: &[String]) -> bool {
    let name = name(host);
    if name.is_empty() {
        return false;
    }
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&name);
    address.parse::<IpAddr>().is_ok()
        || !name.contains('.')
        || HOME.iter().any(|ending| name.ends_with(ending))
        || own.iter().any(|own| own.eq_ignore_ascii_case(&name))
}

/// The name in a `Host`, in lower case.
pub(super) fn name(host: &str) -> String {
    without_port(host).trim_end_matches('.').to_ascii_lowercase()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_house_are_told_from_names_that_anybody_can_have() {
        let own = ["door.example.org".to_owned()];
        for host in [
            "192.168.1.20",
            "192.168.1.20:8080",
            "[fe80::1]:8080",
            "[::1]",
            "localhost:8080",
            "nas",
            "nas:8080",
            "keyturner.local",
            "Keyturner.Local.:8080",
            "nas.fritz.box",
            "door.example.org:8443",
            "DOOR.example.org",
        ] {
            assert!(is_own(host, &own), "{host}");
        }
        for host in [
            "",
            ":8080",
            "evil.example",
            "evil.example:8080",
            "local.evil.example",
            "192.168.1.20.evil.example",
            "door.example.org.evil.example",
            "evilfritz.box",
            "1.2.3.4.nip.io",
            "[::1].evil.example",
            "::1.evil.example",
        ] {
            assert!(!is_own(host, &own), "{host}");
        }
    }
}
