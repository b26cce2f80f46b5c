//! One request and the frame of its answer: form, edition, cache rules.

use axum::extract::FromRequestParts;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LINK, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use super::super::AppState;
use super::super::auth::Authenticated;
use super::super::edition;
use super::super::error::{answer, json};
use super::super::gate::Peer;
use super::super::peer;
use super::super::scoped::ScopedDoors;
use super::PREFIX;
use super::accept::{Media, choose};
use super::csv::{Row, table};
use super::problem::Problem;
use super::query::{Query, without};
use crate::protocol::beacon::NukiId;
use crate::store::Store;

/// What a handler reads of a request.
pub(super) struct Ask {
    path: String,
    raw: String,
    headers: HeaderMap,
    who: Authenticated,
    from: Peer,
}

impl<S: Sync> FromRequestParts<S> for Ask {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // The guard has put it there; without it nobody may ask.
        let who = parts.extensions.get().cloned().ok_or_else(Problem::unauthorized)?;
        let raw = parts.uri.query().unwrap_or_default().to_owned();
        // The router has taken the prefix off.
        Ok(Self {
            path: format!("{PREFIX}{}", parts.uri.path()),
            raw,
            headers: parts.headers.clone(),
            who,
            from: peer(&parts.extensions),
        })
    }
}

impl Ask {
    /// The parameters, by their documentation.
    pub(super) fn query<P: IntoParams>(&self) -> Result<Query, Problem> {
        Query::read::<P>(&self.raw)
    }

    /// Whose request it is.
    pub(super) const fn who(&self) -> &Authenticated {
        &self.who
    }

    /// Where the request comes from.
    pub(super) const fn peer(&self) -> Peer {
        self.from
    }

    /// The headers, without credentials.
    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The locks that the client may know of.
    pub(super) fn doors(&self, app: &AppState) -> ScopedDoors {
        app.within_reach_of(&self.who)
    }

    /// Whether the client may know of this lock.
    pub(super) fn reaches(&self, nuki_id: NukiId) -> bool {
        self.who.access().reaches(nuki_id)
    }

    /// A header's text.
    pub(super) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The form to answer in.
    pub(super) fn media(&self, offers: &[Media]) -> Result<Media, Problem> {
        choose(&self.headers, offers)
    }

    /// What the pages of one list have in common: path and filters, not place and length.
    pub(super) fn wish(&self, query: &Query) -> String {
        format!("{}?{}", self.path, query.canonical(&["cursor", "limit"]))
    }

    /// The answer's edition, and the answer 304 if the client has it already.
    ///
    /// It is known before the list is read, from what the list depends on: the
    /// wish, the edition of the stored truth, the form, this program's version.
    pub(super) async fn edition(&self, store: &Store, query: &Query, media: Media) -> Result<Edition, Problem> {
        let mut digest = Sha256::new();
        for part in [env!("CARGO_PKG_VERSION"), media.essence().1, &self.path, &query.canonical(&[])] {
            digest.update(part);
            digest.update([0]);
        }
        // Tokens that reach other locks get other answers.
        match self.who.access().locks() {
            Some(locks) => locks.iter().for_each(|lock| digest.update(lock.to_be_bytes())),
            None => digest.update([0]),
        }
        digest.update(store.edition().await?);
        // Weak: it promises the same content, not the same bytes.
        let tag = format!("W/{}", edition::tag(&digest.finalize()));
        let is_known = edition::is_known(&self.headers, &tag);
        Ok(Edition { tag, is_known })
    }

    /// A link to the page that begins at `cursor`; without credentials.
    pub(super) fn next_page(&self, cursor: &str) -> Option<HeaderValue> {
        let rest = without(&self.raw, "cursor");
        let separator = if rest.is_empty() { "" } else { "&" };
        let link = format!("<{}?{rest}{separator}cursor={cursor}>; rel=\"next\"", self.path);
        // A query that fits no header is still told by `next`.
        HeaderValue::from_str(&link).ok()
    }
}

/// The edition of an answer.
pub(super) struct Edition {
    tag: String,
    is_known: bool,
}

impl Edition {
    /// The answer for a client that has this edition.
    pub(super) fn not_modified(&self) -> Option<Response> {
        self.is_known.then(|| self.mark(StatusCode::NOT_MODIFIED.into_response()))
    }

    /// Names the edition; the answer may be kept by the client alone, and is asked for anew each time.
    pub(super) fn mark(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            headers.insert(ETAG, tag);
        }
        headers.insert(VARY, HeaderValue::from_static("Accept, Authorization, Cookie"));
        private(response)
    }
}

/// What is about people stays out of caches that people share.
pub(super) fn private(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// JSON.
///
/// # Errors
/// When it cannot be written; the log says why.
pub(super) fn object(body: &impl Serialize) -> Result<Response, Problem> {
    match serde_json::to_string(body) {
        Ok(body) => Ok(json(StatusCode::OK, body)),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            Err(Problem::internal())
        }
    }
}

/// A list in the form that was asked for: `whole` as JSON, its rows as CSV.
///
/// # Errors
/// When it cannot be written; the log says why.
pub(super) fn list<R: Row>(media: Media, whole: &impl Serialize, rows: &[R]) -> Result<Response, Problem> {
    if media != Media::Csv {
        return object(whole);
    }
    let mut response = answer(StatusCode::OK, "text/csv; charset=utf-8; header=present", table(rows)?);
    // Not even a browser that guesses shall run what a table holds.
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// Adds the link to the next page.
pub(super) fn link(mut response: Response, next: Option<HeaderValue>) -> Response {
    if let Some(next) = next {
        response.headers_mut().insert(LINK, next);
    }
    debug_assert!(response.headers().contains_key(CONTENT_TYPE), "a link belongs to a list");
    response
}
