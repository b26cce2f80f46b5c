//! The three credentials of the Bridge API (plain, hashed, encrypted).
//!
//! Nothing here reads a clock, prints a secret or answers faster because a
//! guess was nearly right. Only accepted credentials are remembered: a forged
//! request must not use up a real one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::query::{Params, hex_bytes};
use super::replay::{ReplayMemory, Used};
use super::sessions::Session;
use crate::access::Access;
use crate::clock::UnixMillis;
use crate::protocol::crypto::{NONCE_LEN, TAG_LEN};
use crate::protocol::datetime::DeviceTime;
use crate::store::UsedCredentials;

/// How far a timestamp may be from our clock, either way.
pub const DEFAULT_WINDOW: Duration = Duration::from_secs(60);

/// How often it is noted which token was used when.
pub const USES_NOTED_EVERY: Duration = Duration::from_secs(60);

/// Accepted single-use credentials that are remembered: about 70 a second over two windows, in under 1 MiB.
const REPLAY_CAPACITY: usize = 8_192;

/// A token and what its client may do. It prints only the name.
pub struct Token {
    grant: Arc<Grant>,
    /// `None` for a token that is known by its digest alone.
    secret: Option<Zeroizing<String>>,
    /// SHA-256 of the secret: key of the encrypted form, and what the plain form is compared with.
    digest: Zeroizing<[u8; 32]>,
}

/// An empty token would let everybody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token is empty; choose 6 to 20 characters, or let Keyturner make one")]
pub struct EmptyToken;

impl Token {
    /// A token that may do everything, by its client's name.
    ///
    /// # Errors
    /// [`EmptyToken`].
    pub fn new(name: impl Into<String>, secret: impl Into<String>) -> Result<Self, EmptyToken> {
        Self::limited(name, secret, Access::full(), None)
    }

    /// A token for either API, valid before `expires`.
    ///
    /// # Errors
    /// [`EmptyToken`].
    pub fn limited(
        name: impl Into<String>,
        secret: impl Into<String>,
        access: Access,
        expires: Option<UnixMillis>,
    ) -> Result<Self, EmptyToken> {
        let secret = Zeroizing::new(secret.into());
        if secret.is_empty() {
            return Err(EmptyToken);
        }
        let digest = Zeroizing::new(Sha256::digest(secret.as_bytes()).into());
        Ok(Self { grant: Grant::new(name.into(), access, expires), secret: Some(secret), digest })
    }

    /// A token for `/v1` alone, of which only the SHA-256 is known.
    #[must_use]
    pub fn digest(name: impl Into<String>, digest: [u8; 32], access: Access, expires: Option<UnixMillis>) -> Self {
        Self { grant: Grant::new(name.into(), access, expires), secret: None, digest: Zeroizing::new(digest) }
    }

    fn is_same(&self, other: &Self) -> bool {
        let (a, b) = (&self.grant, &other.grant);
        (&a.name, &a.access, a.expires) == (&b.name, &b.access, b.expires)
            && self.secret.is_some() == other.secret.is_some()
            && bool::from(self.digest.ct_eq(&*other.digest))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?}, ..)", self.grant.name)
    }
}

#[derive(Debug)]
struct Grant {
    name: String,
    access: Access,
    expires: Option<UnixMillis>,
    is_revoked: AtomicBool,
}

impl Grant {
    fn new(name: String, access: Access, expires: Option<UnixMillis>) -> Arc<Self> {
        Arc::new(Self { name, access, expires, is_revoked: AtomicBool::new(false) })
    }
}

/// Whoever sent a valid credential.
#[derive(Debug, Clone)]
pub struct Authenticated {
    grant: Arc<Grant>,
    /// The browser's session, if that is what was shown instead of the token.
    session: Option<Arc<Session>>,
}

impl Authenticated {
    const fn by_token(grant: Arc<Grant>) -> Self {
        Self { grant, session: None }
    }

    /// The same client through a browser that has logged in.
    pub(super) fn through(&self, session: Arc<Session>) -> Self {
        Self { grant: Arc::clone(&self.grant), session: Some(session) }
    }

    /// Name of the token.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.grant.name
    }

    /// What it may do: what the token may, or less.
    #[must_use]
    pub fn access(&self) -> &Access {
        self.session.as_ref().map_or(&self.grant.access, |session| session.access())
    }

    /// The browser's session, if it asks by one.
    pub(super) const fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }

    /// Whether the token still counts, and the session with it; for what goes on after the request, such as a live
    /// stream. `since_start` is the time that nobody can set.
    #[must_use]
    pub fn is_valid(&self, now: UnixMillis, since_start: Duration) -> bool {
        !self.grant.is_revoked.load(Ordering::Relaxed)
            && self.grant.expires.is_none_or(|expires| now < expires)
            && self.session.as_ref().is_none_or(|session| session.lasts(since_start))
    }
}

/// What a request shows of whose it is.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// The query.
    pub params: &'a Params,
    /// The token of `Authorization: Bearer`, which counts alone.
    pub bearer: Option<&'a [u8]>,
    /// Only `/v1` knows tokens by their digest.
    pub is_v1: bool,
    /// The token itself may be sent, because nobody on the way can read it or the owner says so.
    pub plain_allowed: bool,
}

/// Why somebody is not let in, and whose token it was if it was anybody's.
#[derive(Debug, Clone)]
pub struct NotLetIn {
    /// Why.
    pub why: Denied,
    /// Whose.
    pub whose: Option<Authenticated>,
}

impl From<Denied> for NotLetIn {
    fn from(why: Denied) -> Self {
        Self { why, whose: None }
    }
}

/// Why a credential was refused. For the log; a client learns only 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// None was sent.
    #[error("no credential")]
    Missing,
    /// A part is missing or has the wrong form.
    #[error("an incomplete or malformed credential")]
    Malformed,
    /// Made with no token that we have.
    #[error("a wrong token")]
    WrongToken,
    /// Right, but its time is not ours.
    #[error(
        "a right token with a clock that differs by {ahead_seconds} s (positive: the client is ahead); set both clocks by NTP"
    )]
    OutsideWindow {
        /// Client's time minus ours.
        ahead_seconds: i64,
    },
    /// Right, but made before this process started, or before what it remembers.
    #[error("a right token from before the start or beyond the memory for used ones")]
    TooOldToTell,
    /// Right, but used already.
    #[error("a credential that was used already")]
    Replayed,
    /// Right, but its time is over.
    #[error("a token that has expired; `keyturner token add` makes another one")]
    Expired,
    /// The token itself, where everybody on the way could read it. Whether it is right was not looked at.
    #[error("a token sent in clear over the network; use the hashed form or TLS, or set plain_tokens = \"always\"")]
    Plain,
    /// Not looked at, because too many guesses came from there; or right, and repeated too often.
    #[error("too many wrong tries; {} s to wait", .0.as_secs())]
    TooMany(Duration),
    /// A browser shows a session that is over, or that never was.
    #[error("a session that is over")]
    SessionOver,
}

impl Denied {
    /// In one word, for counting.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::WrongToken => "wrong_token",
            Self::OutsideWindow { .. } => "outside_window",
            Self::TooOldToTell => "too_old_to_tell",
            Self::Replayed => "replayed",
            Self::Expired => "expired",
            Self::Plain => "plain",
            Self::TooMany(_) => "too_many",
            Self::SessionOver => "session_over",
        }
    }
}

/// A credential whose token is known, and which was not used yet.
pub(super) struct Found {
    pub(super) who: Authenticated,
    once: Option<(i64, Used)>,
}

/// Checks credentials. It is asked under a mutex; a check takes microseconds.
#[derive(Debug)]
pub struct Authenticator {
    tokens: Vec<Token>,
    window: i64,
    replay: ReplayMemory,
    /// When each token was used last, by name, since it was last asked for.
    uses: BTreeMap<String, UnixMillis>,
}

impl Authenticator {
    /// For these tokens. What carries a time before `started` is refused,
    /// because it is not known whether an earlier process accepted it; since
    /// timestamps have whole seconds, that includes the second of the start.
    #[must_use]
    pub fn new(tokens: Vec<Token>, window: Duration, started: UnixMillis) -> Self {
        let window = i64::try_from(window.as_secs()).unwrap_or(i64::MAX / 4);
        // A start on the full second leaves that second open.
        let floor = started.0.saturating_sub(1).div_euclid(1000);
        Self { tokens, window, replay: ReplayMemory::new(floor, REPLAY_CAPACITY), uses: BTreeMap::new() }
    }

    /// Goes on where an earlier process has stopped in good order.
    ///
    /// Without such a memory the start closes everything before it. If a token
    /// was used after what is now, the clock has gone back since: then what may
    /// have been accepted until then is refused too.
    pub fn resume(&mut self, kept: Option<&UsedCredentials>, last_use: Option<UnixMillis>) {
        if let Some(memory) = kept.and_then(|kept| ReplayMemory::resume(kept, REPLAY_CAPACITY)) {
            self.replay = memory;
            return;
        }
        let floor = self.replay.floor();
        if let Some(last_use) = last_use.map(UnixMillis::seconds).filter(|last| *last > floor) {
            // Uses are noted once a minute, and a credential may be dated ahead.
            let until = last_use.saturating_add(USES_NOTED_EVERY.as_secs().cast_signed()).saturating_add(self.window);
            self.replay = ReplayMemory::new(until, REPLAY_CAPACITY);
        }
    }

    /// Hands over what a later process has to know, and accepts no single-use credential any more.
    pub fn close(&mut self) -> UsedCredentials {
        self.replay.close()
    }

    /// From now on these tokens count and no other. Says whether one has lost its rights.
    pub fn set_tokens(&mut self, mut tokens: Vec<Token>) -> bool {
        let mut any_lost = false;
        for old in self.tokens.drain(..) {
            match tokens.iter_mut().find(|new| new.is_same(&old)) {
                // What goes on with it goes on.
                Some(new) => new.grant = old.grant,
                None => {
                    old.grant.is_revoked.store(true, Ordering::Relaxed);
                    any_lost = true;
                }
            }
        }
        self.uses.retain(|name, _| tokens.iter().any(|token| token.grant.name == *name));
        self.tokens = tokens;
        any_lost
    }

    /// When which token was used last, by name, as far as it was since the last call.
    pub fn take_uses(&mut self) -> BTreeMap<String, UnixMillis> {
        std::mem::take(&mut self.uses)
    }

    /// Whose request it is, for a request of the Bridge API on a private way.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn check(&mut self, params: &Params, now: UnixMillis) -> Result<Authenticated, Denied> {
        let presented = Presented { params, bearer: None, is_v1: false, plain_allowed: true };
        self.authenticate(&presented, now).map_err(|refused| refused.why)
    }

    /// Whose request it is. Of several forms the strongest counts alone.
    ///
    /// # Errors
    /// [`NotLetIn`].
    pub fn authenticate(&mut self, presented: &Presented<'_>, now: UnixMillis) -> Result<Authenticated, NotLetIn> {
        let found = self.identify(presented)?;
        self.redeem(found, now)
    }

    /// Whose credential it is, without using it. Nothing may be done on the strength of this alone.
    ///
    /// # Errors
    /// [`Denied`].
    pub(super) fn identify(&self, presented: &Presented<'_>) -> Result<Found, Denied> {
        let params = presented.params;
        let (index, once) = if let Some(token) = presented.bearer {
            (self.check_plain(token, presented)?, None)
        } else if params.get("ctoken").is_some() {
            let (index, seconds, used) = self.check_encrypted(params)?;
            (index, Some((seconds, used)))
        } else if params.get("hash").is_some() {
            let (index, seconds, used) = self.check_hashed(params)?;
            (index, Some((seconds, used)))
        } else {
            let token = params.get("token").ok_or(Denied::Missing)?.as_bytes();
            (self.check_plain(token, presented)?, None)
        };
        let token = self.tokens.get(index).ok_or(Denied::WrongToken)?;
        Ok(Found { who: Authenticated::by_token(Arc::clone(&token.grant)), once })
    }

    /// Uses a credential: if it may be used once, this was it.
    pub(super) fn redeem(&mut self, found: Found, now: UnixMillis) -> Result<Authenticated, NotLetIn> {
        let Found { who, once } = found;
        let refused = |why| NotLetIn { why, whose: Some(who.clone()) };
        // No session is shown here, so its time does not matter.
        if !who.is_valid(now, Duration::ZERO) {
            return Err(refused(Denied::Expired));
        }
        if let Some((seconds, used)) = once {
            self.use_once(seconds, used, now).map_err(refused)?;
        }
        self.note_use(&who, now);
        Ok(who)
    }

    /// This token was used, itself or through a browser's session.
    pub(super) fn note_use(&mut self, who: &Authenticated, now: UnixMillis) {
        match self.uses.get_mut(who.name()) {
            Some(last) => *last = now,
            None => drop(self.uses.insert(who.name().to_owned(), now)),
        }
    }

    fn check_plain(&self, token: &[u8], presented: &Presented<'_>) -> Result<usize, Denied> {
        if !presented.plain_allowed {
            return Err(Denied::Plain);
        }
        // Digests are compared, so that neither length nor content shows in the time taken.
        let digest: Zeroizing<[u8; 32]> = Zeroizing::new(Sha256::digest(token).into());
        self.find(|token| {
            token.digest.ct_eq(&*digest) & Choice::from(u8::from(presented.is_v1 || token.secret.is_some()))
        })
    }

    fn check_hashed(&self, params: &Params) -> Result<(usize, i64, Used), Denied> {
        let part = |name| params.get(name).ok_or(Denied::Malformed);
        let (ts, rnr, hash) = (part("ts")?, part("rnr")?, part("hash")?);
        let stamp = Stamp::parse(ts, rnr).ok_or(Denied::Malformed)?;
        let hash: [u8; 32] = hex_bytes(hash).and_then(|h| h.try_into().ok()).ok_or(Denied::Malformed)?;
        let index = self.find(|token| {
            let Some(secret) = &token.secret else { return Choice::from(0) };
            // Over the text as received: `0042` hashes differently from `42`.
            let mut expected = Sha256::new();
            for part in [ts, ",", rnr, ",", secret] {
                expected.update(part.as_bytes());
            }
            expected.finalize().as_slice().ct_eq(&hash)
        })?;
        let name = self.tokens.get(index).map(|token| token.grant.name.clone()).unwrap_or_default();
        Ok((index, stamp.seconds, Used::Hashed { token: name, rnr: stamp.rnr }))
    }

    fn check_encrypted(&self, params: &Params) -> Result<(usize, i64, Used), Denied> {
        let bytes = |name| params.get(name).and_then(hex_bytes);
        // The vendor's sample URL misspells the name.
        let nonce = bytes("nonce").or_else(|| bytes("nounce")).ok_or(Denied::Malformed)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| Denied::Malformed)?;
        let sealed = bytes("ctoken").filter(|sealed| sealed.len() > TAG_LEN).ok_or(Denied::Malformed)?;
        let mut plain = None;
        let index = self.find(|token| {
            if token.secret.is_none() {
                return Choice::from(0);
            }
            let cipher = XSalsa20Poly1305::new(Key::from_slice(&*token.digest));
            let opened = cipher.decrypt(Nonce::from_slice(&nonce), sealed.as_slice());
            let fits = Choice::from(u8::from(opened.is_ok()));
            plain = plain.take().or(opened.ok());
            fits
        })?;
        let stamp = plain.as_deref().and_then(Stamp::parse_plaintext).ok_or(Denied::Malformed)?;
        let digest = Sha256::new().chain_update(nonce).chain_update(&sealed).finalize().into();
        Ok((index, stamp.seconds, Used::Encrypted(digest)))
    }

    /// The first token that fits; every token is tried whatever came before, so that the time taken says nothing
    /// about which one it was.
    fn find(&self, mut fits: impl FnMut(&Token) -> Choice) -> Result<usize, Denied> {
        let mut found = u64::MAX;
        for (index, token) in (0_u64..).zip(&self.tokens) {
            let is_first = fits(token) & found.ct_eq(&u64::MAX);
            found.conditional_assign(&index, is_first);
        }
        usize::try_from(found).ok().filter(|index| *index < self.tokens.len()).ok_or(Denied::WrongToken)
    }

    fn use_once(&mut self, seconds: i64, used: Used, now: UnixMillis) -> Result<(), Denied> {
        let ahead_seconds = seconds.saturating_sub(now.seconds());
        if ahead_seconds.abs() > self.window {
            return Err(Denied::OutsideWindow { ahead_seconds });
        }
        if seconds <= self.replay.floor() {
            return Err(Denied::TooOldToTell);
        }
        self.replay.forget_before(now.seconds().saturating_sub(self.window.saturating_mul(2)));
        if self.replay.use_once(seconds, used) { Ok(()) } else { Err(Denied::Replayed) }
    }
}

/// `ts` and `rnr`.
struct Stamp {
    seconds: i64,
    rnr: u16,
}

impl Stamp {
    fn parse(ts: &str, rnr: &str) -> Option<Self> {
        let digits_only = !rnr.is_empty() && rnr.bytes().all(|byte| byte.is_ascii_digit());
        let rnr = rnr.parse().ok().filter(|_| digits_only)?;
        Some(Self { seconds: utc_seconds(ts)?, rnr })
    }

    fn parse_plaintext(plain: &[u8]) -> Option<Self> {
        let (ts, rnr) = core::str::from_utf8(plain).ok()?.split_once(',')?;
        Self::parse(ts, rnr)
    }
}

/// Exactly `YYYY-MM-DDTHH:MM:SSZ`.
fn utc_seconds(ts: &str) -> Option<i64> {
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', n0, n1, b':', s0, s1, b'Z'] = ts.as_bytes()
    else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u16, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u16::from(digit - b'0')))
    };
    let two = |high, low| number(&[high, low]).and_then(|n| u8::try_from(n).ok());
    DeviceTime {
        year: number(&[y0, y1, y2, y3])?,
        month: two(m0, m1)?,
        day: two(d0, d1)?,
        hour: two(h0, h1)?,
        minute: two(n0, n1)?,
        second: two(s0, s1)?,
    }
    .unix_seconds()
}
