//! The tokens of clients: as many as the owner wants, each with a name and with what it may do.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Secrets, SecretsError, Token, random_text};
use crate::access::Access;
use crate::clock::UnixMillis;

/// Name of the token that every installation has; it may do everything, and `keyturner token` prints it.
pub const FIRST_TOKEN: &str = "bridge";

/// Tokens beside the first one. Each request is checked against all of them.
pub const MAX_TOKENS: usize = 1000;

/// Characters of a token for `/v1` alone: as many as 256 bits need.
const V1_TOKEN_LEN: usize = 43;

/// Whether a text can name a client: 1 to 64 letters, digits, `-`, `_` and `.`, which need no care anywhere.
#[must_use]
pub fn is_client_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

/// A client's token.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientToken {
    /// Name of the client, which stands in the event log beside what it asked for.
    pub name: String,
    /// What is kept of the token.
    pub key: ClientKey,
    /// What it may do.
    pub access: Access,
    /// When it was made, by the host's clock.
    pub created: UnixMillis,
    /// From when on it counts no more; `None` for never.
    pub expires: Option<UnixMillis>,
}

/// What is kept of a token.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientKey {
    /// The token itself: the hashed and the encrypted credential can be checked in no other way.
    Token(Token),
    /// The SHA-256 of a token of 256 bits, which `/v1` alone takes.
    Digest([u8; 32]),
}

impl fmt::Debug for ClientToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientToken")
            .field("name", &self.name)
            .field("access", &self.access)
            .field("created", &self.created)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl ClientToken {
    /// A random token for both APIs, and its text.
    ///
    /// # Errors
    /// [`SecretsError::Random`].
    pub fn for_bridge(
        name: String,
        access: Access,
        created: UnixMillis,
        expires: Option<UnixMillis>,
    ) -> Result<(Self, Zeroizing<String>), SecretsError> {
        let token = Token::random()?;
        let text = Zeroizing::new(token.expose().to_owned());
        Ok((Self { name, key: ClientKey::Token(token), access, created, expires }, text))
    }

    /// A random token for `/v1` alone, and its text, of which only the digest is kept.
    ///
    /// # Errors
    /// [`SecretsError::Random`].
    pub fn for_v1(
        name: String,
        access: Access,
        created: UnixMillis,
        expires: Option<UnixMillis>,
    ) -> Result<(Self, Zeroizing<String>), SecretsError> {
        let text = random_text(V1_TOKEN_LEN)?;
        let key = ClientKey::Digest(Sha256::digest(text.as_bytes()).into());
        Ok((Self { name, key, access, created, expires }, text))
    }
}

/// Why a token is not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAdded {
    /// There is one of that name.
    #[error("there is a token of this name already; choose another name, or revoke it first")]
    NameTaken,
    /// There are as many as can be.
    #[error("there are {MAX_TOKENS} tokens already; revoke one")]
    Full,
}

impl Secrets {
    /// Every token but the first one, in the order in which they were added.
    #[must_use]
    pub fn tokens(&self) -> &[ClientToken] {
        &self.tokens
    }

    /// Adds a token. Not stored before [`save`](Self::save).
    ///
    /// # Errors
    /// [`NotAdded`].
    pub fn add_token(&mut self, token: ClientToken) -> Result<(), NotAdded> {
        if token.name == FIRST_TOKEN || self.tokens.iter().any(|other| other.name == token.name) {
            return Err(NotAdded::NameTaken);
        }
        if self.tokens.len() >= MAX_TOKENS {
            return Err(NotAdded::Full);
        }
        self.tokens.push(token);
        Ok(())
    }

    /// Forgets a token; `false` if there is none of that name. Not stored before [`save`](Self::save).
    pub fn revoke_token(&mut self, name: &str) -> bool {
        let before = self.tokens.len();
        self.tokens.retain(|token| token.name != name);
        self.tokens.len() < before
    }

    /// Puts another random token in the place of the first one. Not stored before [`save`](Self::save).
    ///
    /// # Errors
    /// [`SecretsError::Random`].
    pub fn renew_first_token(&mut self) -> Result<(), SecretsError> {
        self.bridge.token = Token::random()?;
        Ok(())
    }
}
