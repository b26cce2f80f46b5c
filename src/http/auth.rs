//! The three credentials of the Bridge API (plain, hashed, encrypted).
//!
//! Nothing here reads a clock, prints a secret or answers faster because a
//! guess was nearly right. Only accepted credentials are remembered: a forged
//! request must not use up a real one.

use std::fmt;
use std::time::Duration;

use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::query::{Params, hex_bytes};
use super::replay::{ReplayMemory, Used};
use crate::clock::UnixMillis;
use crate::protocol::crypto::{NONCE_LEN, TAG_LEN};
use crate::protocol::datetime::DeviceTime;

/// How far a timestamp may be from our clock, either way.
pub const DEFAULT_WINDOW: Duration = Duration::from_secs(60);

/// Accepted single-use credentials that are remembered: about 70 a second over two windows, in under 1 MiB.
const REPLAY_CAPACITY: usize = 8_192;

/// A token and the name of whoever uses it. It prints only the name.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Token {
    #[zeroize(skip)]
    name: String,
    secret: String,
    /// SHA-256 of the secret: key of the encrypted form, and what the plain form is compared with.
    digest: [u8; 32],
}

/// An empty token would let everybody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token is empty; choose 6 to 20 characters, or let Keyturner make one")]
pub struct EmptyToken;

impl Token {
    /// A token by its owner's name.
    ///
    /// # Errors
    /// [`EmptyToken`].
    pub fn new(name: impl Into<String>, secret: impl Into<String>) -> Result<Self, EmptyToken> {
        let secret = secret.into();
        if secret.is_empty() {
            return Err(EmptyToken);
        }
        let digest = Sha256::digest(secret.as_bytes()).into();
        Ok(Self { name: name.into(), secret, digest })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?}, ..)", self.name)
    }
}

/// Whoever sent a valid credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// Name of the token.
    pub name: String,
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
}

/// Checks credentials. It is asked under a mutex; a check takes microseconds.
#[derive(Debug)]
pub struct Authenticator {
    tokens: Vec<Token>,
    window: i64,
    replay: ReplayMemory,
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
        Self { tokens, window, replay: ReplayMemory::new(floor, REPLAY_CAPACITY) }
    }

    /// Whose request it is. Of several forms the strongest counts alone.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn check(&mut self, params: &Params, now: UnixMillis) -> Result<Authenticated, Denied> {
        let index = if params.get("ctoken").is_some() {
            self.check_encrypted(params, now)?
        } else if params.get("hash").is_some() {
            self.check_hashed(params, now)?
        } else {
            self.check_plain(params.get("token").ok_or(Denied::Missing)?.as_bytes())?
        };
        self.authenticated(index)
    }

    /// Whose token it is that stands in `Authorization: Bearer`.
    ///
    /// # Errors
    /// [`Denied::WrongToken`].
    pub fn check_bearer(&self, token: &[u8]) -> Result<Authenticated, Denied> {
        self.authenticated(self.check_plain(token)?)
    }

    fn authenticated(&self, index: usize) -> Result<Authenticated, Denied> {
        let token = self.tokens.get(index).ok_or(Denied::WrongToken)?;
        Ok(Authenticated { name: token.name.clone() })
    }

    fn check_plain(&self, token: &[u8]) -> Result<usize, Denied> {
        // Digests are compared, so that neither length nor content shows in the time taken.
        let digest: Zeroizing<[u8; 32]> = Zeroizing::new(Sha256::digest(token).into());
        self.find(|token| token.digest.ct_eq(&*digest).into())
    }

    fn check_hashed(&mut self, params: &Params, now: UnixMillis) -> Result<usize, Denied> {
        let part = |name| params.get(name).ok_or(Denied::Malformed);
        let (ts, rnr, hash) = (part("ts")?, part("rnr")?, part("hash")?);
        let stamp = Stamp::parse(ts, rnr).ok_or(Denied::Malformed)?;
        let hash: [u8; 32] = hex_bytes(hash).and_then(|h| h.try_into().ok()).ok_or(Denied::Malformed)?;
        let index = self.find(|token| {
            // Over the text as received: `0042` hashes differently from `42`.
            let mut expected = Sha256::new();
            for part in [ts, ",", rnr, ",", &token.secret] {
                expected.update(part.as_bytes());
            }
            expected.finalize().as_slice().ct_eq(&hash).into()
        })?;
        self.use_once(stamp.seconds, Used::Hashed { token: index, rnr: stamp.rnr }, now)?;
        Ok(index)
    }

    fn check_encrypted(&mut self, params: &Params, now: UnixMillis) -> Result<usize, Denied> {
        let bytes = |name| params.get(name).and_then(hex_bytes);
        // The vendor's sample URL misspells the name.
        let nonce = bytes("nonce").or_else(|| bytes("nounce")).ok_or(Denied::Malformed)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| Denied::Malformed)?;
        let sealed = bytes("ctoken").filter(|sealed| sealed.len() > TAG_LEN).ok_or(Denied::Malformed)?;
        let mut plain = None;
        let index = self.find(|token| {
            let cipher = XSalsa20Poly1305::new(Key::from_slice(&token.digest));
            let opened = cipher.decrypt(Nonce::from_slice(&nonce), sealed.as_slice());
            let fits = opened.is_ok();
            plain = plain.take().or(opened.ok());
            fits
        })?;
        let stamp = plain.as_deref().and_then(Stamp::parse_plaintext).ok_or(Denied::Malformed)?;
        let digest = Sha256::new().chain_update(nonce).chain_update(&sealed).finalize().into();
        self.use_once(stamp.seconds, Used::Encrypted(digest), now)?;
        Ok(index)
    }

    /// The first token that fits; every token is tried whatever came before.
    fn find(&self, mut fits: impl FnMut(&Token) -> bool) -> Result<usize, Denied> {
        let mut found = None;
        for (index, token) in self.tokens.iter().enumerate() {
            if fits(token) && found.is_none() {
                found = Some(index);
            }
        }
        found.ok_or(Denied::WrongToken)
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
