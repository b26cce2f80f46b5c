//! The process around a gateway, where a bench has none. Benches are programs of their own, so each takes this file in.

use keyturner::http::bridge::Host;
use keyturner::protocol::beacon::NukiId;
use keyturner::secrets::{SecretsError, Token as SecretToken};

/// What every request of a bench is allowed by.
pub(crate) const TOKEN: &str = "bench";

/// Nobody asks for a token here, and there is no process to start anew.
pub(crate) struct NoHost;

impl Host for NoHost {
    fn hand_out_token(&self) -> Result<SecretToken, SecretsError> {
        Ok(SecretToken::new(TOKEN).unwrap())
    }

    fn forget_key(&self, _: NukiId) -> Result<(), SecretsError> {
        Ok(())
    }

    fn restart(&self) {}
}
