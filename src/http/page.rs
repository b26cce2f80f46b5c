//! The web page: a handful of files in the binary, the same for everybody. What it shows comes from `/v1`.
//!
//! Nothing of the house is in them, so they are answered without a credential.
//! The policy that goes with them leaves a hostile name nothing to run with: no
//! inline script or style, nothing from elsewhere, no text that becomes markup
//! (`docs/adr/0039`).

use std::fmt::Write as _;

use axum::http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::error::{Refusal, answer};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

/// Headers of every file. `no-referrer` keeps the house's address to itself where a link leads away.
const HEADERS: [(HeaderName, &str); 6] = [
    (HeaderName::from_static("content-security-policy"), POLICY),
    (HeaderName::from_static("x-content-type-options"), "nosniff"),
    (HeaderName::from_static("referrer-policy"), "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), bluetooth=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), \
         magnetometer=(), microphone=(), midi=(), payment=(), serial=(), usb=()",
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A file of the page.
#[derive(Debug)]
pub(super) struct File {
    path: &'static str,
    media_type: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Each file once; its path says where it is in the sources.
macro_rules! files {
    ($($path:literal $media_type:expr),+ $(,)?) => {
        [$(File { path: concat!("/page/", $path), media_type: $media_type, text: include_str!(concat!("page/", $path)) }),+]
    };
}

static INDEX: File = File { path: "/", media_type: HTML, text: include_str!("page/index.html") };
static FILES: [File; 13] = files![
    "page.css" "text/css; charset=utf-8",
    "icon.svg" "image/svg+xml",
    "main.js" SCRIPT,
    "api.js" SCRIPT,
    "login.js" SCRIPT,
    "live.js" SCRIPT,
    "locks.js" SCRIPT,
    "act.js" SCRIPT,
    "history.js" SCRIPT,
    "event.js" SCRIPT,
    "chart.js" SCRIPT,
    "text.js" SCRIPT,
    "dom.js" SCRIPT,
];

/// The file at a path. The root is the page's only to whoever asks for a page: a live bridge says 400 there.
pub(super) fn find(path: &str, headers: &HeaderMap) -> Option<&'static File> {
    let wants_page =
        || headers.get(ACCEPT).is_some_and(|types| types.as_bytes().windows(9).any(|at| at == b"text/html"));
    if path == INDEX.path {
        return wants_page().then_some(&INDEX);
    }
    FILES.iter().find(|file| file.path == path)
}

impl File {
    /// The file, or 304 for a browser that has it.
    pub(super) fn answer(&self, method: &Method, headers: &HeaderMap) -> Response {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut response = Refusal::MethodNotAllowed.into_response();
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let tag = self.tag();
        let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let is_known =
            known.flat_map(|value| value.split(',')).any(|known| known.trim().trim_start_matches("W/") == tag);
        let mut response = if is_known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            answer(StatusCode::OK, self.media_type, self.text)
        };
        let set = response.headers_mut();
        if is_known {
            set.remove(CONTENT_TYPE);
        }
        // Asked for anew each time, so that an update of the gateway is one of all its files.
        set.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        set.insert(VARY, HeaderValue::from_static("Accept"));
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            set.insert(ETAG, tag);
        }
        for (name, value) in &HEADERS {
            set.insert(name.clone(), HeaderValue::from_static(value));
        }
        response
    }

    fn tag(&self) -> String {
        let mut tag = String::from("\"");
        for byte in Sha256::digest(self.text).iter().take(12) {
            // Writing to a String cannot fail.
            let _ = write!(tag, "{byte:02x}");
        }
        tag.push('"');
        tag
    }
}
