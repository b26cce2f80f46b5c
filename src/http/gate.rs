//! The gate: whoever passes has a valid credential, and nothing is done for anybody else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::auth::{Authenticated, Authenticator, Denied, NotLetIn, Presented, Token};
use super::network::Network;
use super::query::Params;
use super::sessions::{SessionId, Sessions};
use super::throttle::{Culprit, Guess, Throttle};
use crate::clock::UnixMillis;
use crate::live::Live;
use crate::store::UsedCredentials;

/// How often the owner is told that a token came in clear.
const PLAIN_TOLD_EVERY: Duration = Duration::from_secs(60);

/// Where a client may send its token as it is, instead of a hash made with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlainTokens {
    /// Nowhere. TLS is no exception, `Authorization: Bearer` is none.
    Never,
    /// On this machine and over TLS, where nobody can read it on its way.
    #[default]
    Local,
    /// Everywhere. Whoever can listen in the network can open the door.
    Always,
}

impl PlainTokens {
    fn allowed(self, from: Peer) -> bool {
        match self {
            Self::Never => false,
            Self::Local => from.is_private(),
            Self::Always => true,
        }
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The address at the other end of the connection; a proxy's, if there is one between.
    pub address: SocketAddr,
    /// It was made on this machine, to one of its own addresses: nothing of it was ever on a wire.
    pub is_local: bool,
    /// It came over TLS.
    pub is_encrypted: bool,
}

impl Peer {
    /// Nobody on the way can read it.
    pub(super) const fn is_private(self) -> bool {
        self.is_encrypted || self.is_local || self.address.ip().to_canonical().is_loopback()
    }
}

/// The credential as it stands in a request, with where it came from.
#[derive(Debug, Clone, Copy)]
pub struct Knock<'a> {
    /// The query.
    pub params: &'a Params,
    /// The token of `Authorization: Bearer`.
    pub bearer: Option<&'a [u8]>,
    /// It is for `/v1`.
    pub is_v1: bool,
    /// From whom.
    pub from: Peer,
}

/// Checks who asks. To be shared by the server and whoever changes the tokens.
#[derive(Debug)]
pub struct Gate {
    inside: Mutex<Inside>,
    plain: Live<PlainTokens>,
    hosts: Live<Vec<String>>,
}

#[derive(Debug)]
struct Inside {
    auth: Authenticator,
    sessions: Sessions,
    throttle: Throttle,
    /// When the owner was last told of a token in clear, which any stranger can send.
    plain_told: Option<Duration>,
    /// How often nobody was let in, by why.
    refusals: BTreeMap<&'static str, u64>,
}

impl Gate {
    /// A gate with this check.
    #[must_use]
    pub fn new(auth: Authenticator, plain: PlainTokens) -> Self {
        Self {
            inside: Mutex::new(Inside {
                auth,
                sessions: Sessions::default(),
                throttle: Throttle::default(),
                plain_told: None,
                refusals: BTreeMap::new(),
            }),
            plain: plain.into(),
            hosts: Vec::new().into(),
        }
    }

    /// With names of this machine under which browsers may ask for it.
    #[must_use]
    pub fn with_hosts(self, hosts: Vec<String>) -> Self {
        Self { hosts: hosts.into(), ..self }
    }

    /// The names that the owner has given this machine.
    pub(super) fn hosts(&self) -> Arc<Vec<String>> {
        self.hosts.get()
    }

    /// From now on these rules count.
    pub fn set_rules(&self, plain: PlainTokens, hosts: Vec<String>) {
        self.plain.set(plain);
        self.hosts.set(hosts);
    }

    /// Whose request it is. `since_start` is the time that nobody can set.
    ///
    /// # Errors
    /// [`Denied`]; what a client may learn of it is 401 or 429.
    pub fn admit(&self, knock: Knock<'_>, now: UnixMillis, since_start: Duration) -> Result<Authenticated, Denied> {
        let presented = Presented {
            params: knock.params,
            bearer: knock.bearer,
            is_v1: knock.is_v1,
            plain_allowed: self.plain.get().allowed(knock.from),
        };
        let network = Network::of(knock.from.address.ip());
        let mut inside = self.lock();
        let result = inside.admit(&presented, network, now, since_start);
        let tells_plain = inside.plain_told.is_none_or(|told| since_start.saturating_sub(told) >= PLAIN_TOLD_EVERY);
        if let Err(refused) = &result {
            let count = inside.refusals.entry(refused.why.name()).or_default();
            *count = count.saturating_add(1);
        }
        if matches!(&result, Err(NotLetIn { why: Denied::Plain, .. })) && tells_plain {
            inside.plain_told = Some(since_start);
        }
        drop(inside);
        result.map_err(|refused| note(&refused, knock.from, tells_plain))
    }

    /// Whether a secret that is sent as it is, a token or a session's cookie, is taken from there.
    pub(super) fn takes_plain(&self, from: Peer) -> bool {
        self.plain.get().allowed(from)
    }

    /// Begins a session of a browser that has shown its token.
    pub(super) fn open_session(&self, id: &SessionId, who: &Authenticated, since_start: Duration) -> Authenticated {
        self.lock().sessions.open(id, who, since_start)
    }

    /// Whose session it is, by the text of its cookie. It is not guessed, so nobody waits because of a wrong one.
    ///
    /// # Errors
    /// [`Denied`]; what a client may learn of it is 401.
    pub(super) fn find_session(
        &self,
        cookie: &[u8],
        from: Peer,
        now: UnixMillis,
        since_start: Duration,
    ) -> Result<Authenticated, Denied> {
        if !self.takes_plain(from) {
            return Err(Denied::Plain);
        }
        let mut inside = self.lock();
        let who = inside.sessions.find(cookie, now, since_start).ok_or(Denied::SessionOver)?;
        inside.auth.note_use(&who, now);
        Ok(who)
    }

    /// Ends the session that a browser asks by.
    pub(super) fn end_session(&self, who: &Authenticated) {
        self.lock().sessions.end(who);
    }

    /// How often nobody was let in since the start, by why.
    pub fn refusals(&self) -> BTreeMap<&'static str, u64> {
        self.lock().refusals.clone()
    }

    /// From now on these tokens count and no other. Says whether one has lost its rights.
    pub fn set_tokens(&self, tokens: Vec<Token>) -> bool {
        self.lock().auth.set_tokens(tokens)
    }

    /// When which token was used last, by name, as far as it was since the last call.
    pub fn take_uses(&self) -> BTreeMap<String, UnixMillis> {
        self.lock().auth.take_uses()
    }

    /// Hands over what a later process has to know, and accepts no single-use credential any more.
    pub fn close(&self) -> UsedCredentials {
        self.lock().auth.close()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // A panic inside the check cannot leave it half done: it only ever adds to or drops from sets.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn admit(
        &mut self,
        presented: &Presented<'_>,
        network: Network,
        now: UnixMillis,
        since_start: Duration,
    ) -> Result<Authenticated, NotLetIn> {
        let stranger = Culprit::Stranger(network);
        // Looked at in any case: a client that lives there need not wait for a guesser beside it, and the time taken
        // says nothing of whether a guess was right.
        let found = self.auth.identify(presented);
        if let Some(wait) = self.throttle.wait(&stranger, since_start) {
            let is_known = found.as_ref().is_ok_and(|found| self.throttle.knows(network, found.who.name()));
            if !is_known {
                return Err(Denied::TooMany(wait).into());
            }
        }
        let found = match found {
            Ok(found) => found,
            Err(why) => {
                // Nothing was guessed by sending nothing, or a token that nobody looked at.
                if matches!(why, Denied::WrongToken | Denied::Malformed) {
                    self.throttle.failed(stranger, guess(presented), since_start);
                }
                return Err(why.into());
            }
        };
        let repeater = Culprit::Repeater(network, found.who.name().to_owned());
        if let Some(wait) = self.throttle.wait(&repeater, since_start) {
            return Err(NotLetIn { why: Denied::TooMany(wait), whose: Some(found.who) });
        }
        let result = self.auth.redeem(found, now);
        match &result {
            Ok(who) => self.throttle.passed(network, who.name(), since_start),
            Err(NotLetIn { why: Denied::Replayed, .. }) => self.throttle.failed(repeater, None, since_start),
            Err(_) => {}
        }
        result
    }
}

/// What was guessed, where the same guess can be told.
fn guess(presented: &Presented<'_>) -> Option<Guess> {
    let is_plain = presented.params.get("ctoken").is_none() && presented.params.get("hash").is_none();
    let token = presented.params.get("token").filter(|_| is_plain).map(str::as_bytes);
    let digest = Sha256::digest(presented.bearer.or(token)?);
    digest.first_chunk().copied()
}

/// Tells the owner what only the owner can mend; guesses are not worth a line each.
fn note(refused: &NotLetIn, from: Peer, tells_plain: bool) -> Denied {
    let NotLetIn { why: denied, whose } = refused;
    let (token, from) = (whose.as_ref().map(Authenticated::name), from.address.ip());
    match denied {
        // Wrong clocks are the top reason for 401 with a right token.
        Denied::OutsideWindow { .. } | Denied::TooOldToTell | Denied::Expired => {
            tracing::warn!(%denied, token, %from, "a request was refused");
        }
        Denied::Plain if tells_plain => tracing::warn!(%denied, %from, "a request was refused"),
        _ => tracing::debug!(%denied, token, %from, "a request was refused"),
    }
    *denied
}
