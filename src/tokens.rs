//! The tokens in the hands of their owner: a running gateway that notices a new, changed or revoked one.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use crate::daemon::Keys;
use crate::http::{EmptyToken, Token};
use crate::secrets::{ClientKey, ClientToken, FIRST_TOKEN, Place, Secrets, SecretsError, Version};

/// How soon a running gateway notices.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why the tokens cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The secret store cannot be used.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// One of them is none.
    #[error(transparent)]
    Empty(#[from] EmptyToken),
    /// Somebody has removed the secret store.
    #[error("there is no secret store in {0} any more")]
    Gone(PathBuf),
}

/// Every token in the secret store, as the server needs it.
///
/// # Errors
/// [`EmptyToken`].
pub fn of(secrets: &Secrets) -> Result<Vec<Token>, EmptyToken> {
    let first = Token::new(FIRST_TOKEN, secrets.bridge.token.expose());
    let others = secrets.tokens().iter().map(|ClientToken { name, key, access, expires, .. }| match key {
        ClientKey::Token(token) => Token::limited(name, token.expose(), access.clone(), *expires),
        ClientKey::Digest(digest) => Ok(Token::digest(name, *digest, access.clone(), *expires)),
    });
    std::iter::once(first).chain(others).collect()
}

/// Hands the tokens over whenever the secret store changes, as long as it is polled. `seen` is the version of the
/// store that was read at the start, or one before it.
pub async fn watch(place: impl Into<Place>, keys: Keys, mut seen: Version) {
    let place = place.into();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut complaint = String::new();
    loop {
        ticks.tick().await;
        // The version first: what is written meanwhile is another one at the next look.
        let taken = Secrets::version(place.clone()).map_err(TokensError::from).and_then(|version| {
            if version != seen {
                keys.set_tokens(read(&place)?);
                info!("the secret store has changed, so its tokens were read again");
            }
            Ok(version)
        });
        match taken {
            Ok(version) => {
                seen = version;
                complaint.clear();
            }
            // The tokens that were read last count on. The next look tries again.
            Err(error) => {
                let text = error.to_string();
                if text != complaint {
                    warn!(error = text, "tokens cannot be read, so those from before count on");
                    complaint = text;
                }
            }
        }
    }
}

fn read(place: &Place) -> Result<Vec<Token>, TokensError> {
    let secrets = Secrets::load(place.clone())?.ok_or_else(|| TokensError::Gone(place.dir().to_owned()))?;
    Ok(of(&secrets)?)
}
