//! Headers: who asks under which name, and what of `/v1` stands in them.

use axum::http::header::{COOKIE, HOST, ORIGIN, REFERER};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::super::bridge::OpenEndpoint;
use super::super::gate::Peer;
use super::super::{cookie, origin, v1};

/// A name that the owner has given this machine.
const OWN: &str = "door.example.org";

/// Lines of `Name: value`, as far as they can be headers.
pub fn header(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    let own = [OWN.to_owned()];
    names(&headers, &own);
    pages(&headers, &own);
    cookies(&headers);
    v1::fuzzing::headers(&headers);
}

/// A cookie is read as it was set, on its own way alone, whatever stands around it, and of two neither is.
fn cookies(headers: &HeaderMap) {
    let way = |is_encrypted| Peer { address: ([127, 0, 0, 1], 1).into(), is_local: true, is_encrypted };
    for (from, name) in [(way(false), "keyturner"), (way(true), "__Host-keyturner")] {
        let found = cookie::read(headers, from);
        let lines: Vec<&HeaderValue> = headers.get_all(COOKIE).iter().collect();
        if let Some(found) = &found {
            let clean = !found.contains(&b';') && found.trim_ascii() == found;
            let stands = |line: &HeaderValue| line.as_bytes().windows(found.len().max(1)).any(|part| part == found);
            assert!(
                clean && (found.is_empty() || lines.iter().copied().any(stands)),
                "what is read is one value of a line"
            );
        }
        let mut more = headers.clone();
        more.append(COOKIE, HeaderValue::from_static("a=b; keyturner=c; __Host-keyturner=d ;e"));
        let alone = lines.iter().all(|line| !line.as_bytes().windows(name.len()).any(|part| part == name.as_bytes()));
        let expected = if name == "keyturner" { b"c" } else { b"d" };
        if alone {
            assert_eq!(cookie::read(&more, from).as_deref(), Some(expected.as_slice()), "{name} beside others");
        }
        assert!(found.is_none() || cookie::read(&more, from).is_none(), "of two nobody knows which is whose");
    }
}

/// No ending that a stranger can register makes a name one of the house.
fn names(headers: &HeaderMap, own: &[String]) {
    for host in headers.values().filter_map(|value| value.to_str().ok()) {
        let name = origin::name(host);
        assert_eq!(origin::is_own(host, own), OpenEndpoint::Auth.is_known_as(host, own), "one rule for names");
        for ending in ["evil.example", "door.example.org.evil.example", "com", "1.2.3.4.nip.io"] {
            assert!(!origin::is_own(&format!("{name}.{ending}"), own), "{name} under {ending}");
            assert!(!origin::is_own(&format!("{name}.{ending}.:8080"), own), "{name} under {ending}");
        }
        if origin::is_own(host, own) {
            let port = format!("{name}:8080");
            // An address of version 6 without brackets takes a port for a part of itself.
            assert!(name.contains(':') || origin::is_own(&port, own), "{name} has any port");
            assert!(origin::is_own(&host.to_ascii_uppercase(), own), "{host} in another case");
        }
    }
}

/// Whoever is let through is no page of another site.
fn pages(headers: &HeaderMap, own: &[String]) {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(&HOST).unwrap_or_default();
    let is_let_through = origin::check(headers, own).is_ok();
    let fetch_marks = headers.keys().filter(|name| name.as_str().starts_with("sec-fetch-")).count();
    let is_marked = headers.contains_key(ORIGIN) || headers.contains_key(REFERER) || fetch_marks > 0;
    if is_let_through && is_marked {
        assert!(origin::is_own(host, own), "a browser asks under a name of the house");
    }
    if is_let_through && let Some(origin) = text(&ORIGIN) {
        let same = [format!("http://{host}"), format!("https://{host}")];
        let is_same = same.iter().any(|same| same.eq_ignore_ascii_case(origin));
        // Other schemes are no browser's.
        let is_web = origin.starts_with("http://") || origin.starts_with("https://");
        assert!(is_same || !is_web, "a page of {origin} asks at {host}");
    }
    let mut foreign = headers.clone();
    foreign.insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
    assert!(origin::check(&foreign, own).is_err(), "what a browser marks as another site's is refused");
    let mut foreign = headers.clone();
    foreign.insert(ORIGIN, HeaderValue::from_static("null"));
    assert!(origin::check(&foreign, own).is_err(), "an origin that hides is refused");
    let mut rebound = headers.clone();
    rebound.insert(HOST, HeaderValue::from_static("evil.example"));
    rebound.insert(REFERER, HeaderValue::from_static("http://evil.example/"));
    assert!(origin::check(&rebound, own).is_err(), "a name that may be anybody's is refused to browsers");
}
