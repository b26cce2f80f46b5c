//! What the bridge asks of the process that it runs in.

use std::net::SocketAddr;
use std::sync::Arc;

use super::settings::BridgeSettings;
use super::window::AuthWindow;
use crate::live::Live;
use crate::protocol::beacon::NukiId;
use crate::secrets::{SecretsError, Token};

/// The process around the bridge, which owns the secrets and can start anew.
pub trait Host: Send + Sync + 'static {
    /// The token that `/auth` hands out.
    ///
    /// # Errors
    /// [`SecretsError`] when the secret store cannot be used.
    fn hand_out_token(&self) -> Result<Token, SecretsError>;

    /// Forgets the key of a lock for good.
    ///
    /// # Errors
    /// [`SecretsError`] when the secret store cannot be used; then it is kept.
    fn forget_key(&self, nuki_id: NukiId) -> Result<(), SecretsError>;

    /// Ends the gateway in order and starts it again; requests under way are answered first.
    fn restart(&self);
}

/// What the Bridge API works on beside locks and event log.
#[derive(Clone)]
pub struct Bridge {
    /// What the owner has set.
    pub settings: Live<BridgeSettings>,
    /// Whether `/auth` hands out the token.
    pub window: AuthWindow,
    /// The process around it.
    pub host: Arc<dyn Host>,
    /// Where it listens.
    pub listen: SocketAddr,
}
