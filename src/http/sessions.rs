//! Browsers that have shown a token: what they show from then on, and for how long that counts (`docs/adr/0039`).
//!
//! Kept in memory alone, by digest, so that neither the disk nor a dump of this
//! map lets anybody in. Time is an argument; randomness comes with the number.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::auth::Authenticated;
use crate::access::{Access, Scope};
use crate::clock::UnixMillis;

/// A session that nobody uses ends after this. A page that is open uses it.
pub(super) const IDLE: Duration = Duration::from_secs(24 * 60 * 60);
/// Every session ends after this.
pub(super) const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Sessions of one token; with one more, that which was not used for the longest time ends. Each token pays for itself,
/// so that nobody ends the sessions of others.
const PER_TOKEN: usize = 16;

/// What the browser keeps: 256 random bits as text. It prints as nothing.
pub(super) struct SessionId(Zeroizing<String>);

impl SessionId {
    /// From fresh randomness.
    pub(super) fn new(random: &Zeroizing<[u8; 32]>) -> Self {
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(random.as_slice())))
    }

    /// Its text, for the cookie.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

/// A session. Live streams hold it too, and see that it is over.
#[derive(Debug)]
pub(super) struct Session {
    access: Access,
    /// By the time that nobody can set.
    began: Duration,
    /// Milliseconds of the same clock.
    used: AtomicU64,
    is_over: AtomicBool,
}

impl Session {
    fn new(access: Access, now: Duration) -> Self {
        Self { access, began: now, used: AtomicU64::new(millis(now)), is_over: AtomicBool::new(false) }
    }

    /// What it may do at most: what its token may, but for settings, which the page has none of.
    pub(super) const fn access(&self) -> &Access {
        &self.access
    }

    /// Whether it is neither ended nor too old.
    pub(super) fn lasts(&self, now: Duration) -> bool {
        let idle = millis(now).saturating_sub(self.used.load(Ordering::Relaxed));
        !self.is_over.load(Ordering::Relaxed) && idle < millis(IDLE) && now.saturating_sub(self.began) < LONGEST
    }

    /// How long it lasts if it goes on being used.
    pub(super) const fn left(&self, now: Duration) -> Duration {
        LONGEST.saturating_sub(now.saturating_sub(self.began))
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

type IdDigest = [u8; 32];

/// Every session that lasts.
#[derive(Debug, Default)]
pub(super) struct Sessions(BTreeMap<IdDigest, Authenticated>);

impl Sessions {
    /// Begins one for a client that has shown its token.
    pub(super) fn open(&mut self, id: &SessionId, who: &Authenticated, now: Duration) -> Authenticated {
        self.forget(|held| held.session().is_some_and(|session| session.lasts(now)));
        let used = |held: &Authenticated| held.session().map_or(0, |session| session.used.load(Ordering::Relaxed));
        let mine = self.0.iter().filter(|(_, held)| held.name() == who.name());
        let oldest = mine.clone().min_by_key(|(_, held)| used(held)).map(|(digest, _)| *digest);
        if let Some(oldest) = oldest.filter(|_| mine.count() >= PER_TOKEN) {
            self.remove(&oldest);
        }
        let session = Session::new(who.access().without(Scope::Admin), now);
        let begun = who.through(Arc::new(session));
        self.0.insert(Sha256::digest(id.expose()).into(), begun.clone());
        begun
    }

    /// Whose it is; from now on it counts as used now.
    ///
    /// Looked up by digest: how long that takes says nothing about a cookie that is nearly right.
    pub(super) fn find(&mut self, text: &[u8], now: UnixMillis, since_start: Duration) -> Option<Authenticated> {
        let digest = Sha256::digest(text).into();
        let held = self.0.get(&digest)?;
        // A token that is gone takes its sessions along.
        if !held.is_valid(now, since_start) {
            self.remove(&digest);
            return None;
        }
        let session = held.session()?;
        session.used.fetch_max(millis(since_start), Ordering::Relaxed);
        Some(held.clone())
    }

    /// Ends the one that a client asks by.
    pub(super) fn end(&mut self, who: &Authenticated) {
        if let Some(session) = who.session() {
            session.end();
            self.forget(|held| held.session().is_some_and(|kept| !Arc::ptr_eq(kept, session)));
        }
    }

    fn remove(&mut self, digest: &IdDigest) {
        if let Some(session) = self.0.remove(digest).as_ref().and_then(Authenticated::session) {
            session.end();
        }
    }

    /// Keeps those of which `stays` holds.
    fn forget(&mut self, stays: impl Fn(&Authenticated) -> bool) {
        self.0.retain(|_, held| stays(held));
    }
}
