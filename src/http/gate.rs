//! The gate: whoever passes has a valid credential, and nothing is done for anybody else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;

use super::auth::{Authenticated, Authenticator, Denied, NotLetIn, Presented, Token};
use super::query::Params;
use crate::clock::UnixMillis;
use crate::store::UsedCredentials;

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
    /// It came over TLS.
    pub is_encrypted: bool,
}

impl Peer {
    /// Nobody on the way can read it.
    const fn is_private(self) -> bool {
        self.is_encrypted || self.address.ip().to_canonical().is_loopback()
    }
}

/// The credential as it stands in a request, with where it came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Knock<'a> {
    pub(super) params: &'a Params,
    pub(super) bearer: Option<&'a [u8]>,
    pub(super) is_v1: bool,
    pub(super) from: Peer,
}

/// Checks who asks. To be shared by the server and whoever changes the tokens.
#[derive(Debug)]
pub struct Gate {
    auth: Mutex<Authenticator>,
    plain: PlainTokens,
}

impl Gate {
    /// A gate with this check.
    #[must_use]
    pub const fn new(auth: Authenticator, plain: PlainTokens) -> Self {
        Self { auth: Mutex::new(auth), plain }
    }

    /// Whose request it is.
    pub(super) fn admit(&self, knock: Knock<'_>, now: UnixMillis) -> Result<Authenticated, Denied> {
        let presented = Presented {
            params: knock.params,
            bearer: knock.bearer,
            is_v1: knock.is_v1,
            plain_allowed: self.plain.allowed(knock.from),
        };
        self.lock().authenticate(&presented, now).map_err(|refused| note(&refused, knock.from))
    }

    /// From now on these tokens count and no other. Says whether one has lost its rights.
    pub fn set_tokens(&self, tokens: Vec<Token>) -> bool {
        self.lock().set_tokens(tokens)
    }

    /// When which token was used last, by name, as far as it was since the last call.
    pub fn take_uses(&self) -> BTreeMap<String, UnixMillis> {
        self.lock().take_uses()
    }

    /// Hands over what a later process has to know, and accepts no single-use credential any more.
    pub fn close(&self) -> UsedCredentials {
        self.lock().close()
    }

    fn lock(&self) -> MutexGuard<'_, Authenticator> {
        // A panic inside the check cannot leave it half done: it only ever adds to or drops from a set.
        self.auth.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the owner what only the owner can mend; guesses are not worth a line each.
fn note(refused: &NotLetIn, from: Peer) -> Denied {
    let NotLetIn { why: denied, whose } = refused;
    let (token, from) = (whose.as_ref().map(Authenticated::name), from.address.ip());
    match denied {
        // Wrong clocks are the top reason for 401 with a right token.
        Denied::OutsideWindow { .. } | Denied::TooOldToTell | Denied::Expired | Denied::Plain => {
            tracing::warn!(%denied, token, %from, "a request was refused");
        }
        _ => tracing::debug!(%denied, token, %from, "a request was refused"),
    }
    *denied
}
