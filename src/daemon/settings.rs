//! What can change while the daemon runs: all of it or nothing.

use std::sync::Arc;
use std::time::Duration;

use super::DaemonError;
use crate::config::ConfigStatus;
use crate::delivery::CallbackRules;
use crate::http::bridge::BridgeSettings;
use crate::http::{Certificates, Gate, PlainTokens, TlsFiles};
use crate::live::Live;
use crate::store::{RetentionRules, Store};

/// To change a running daemon's settings. To be cloned freely.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) gate: Arc<Gate>,
    pub(super) store: Store,
    pub(super) callbacks: Live<CallbackRules>,
    pub(super) retention: Live<RetentionRules>,
    pub(super) repeat_window: Live<Duration>,
    pub(super) bridge: Live<BridgeSettings>,
    pub(super) certificates: Option<Certificates>,
    pub(super) status: ConfigStatus,
}

/// Everything that counts from now on.
#[derive(Debug, Clone)]
pub struct Changes {
    /// Where a client may send its token as it is.
    pub plain_tokens: PlainTokens,
    /// Names of this machine under which browsers may ask for it.
    pub hosts: Vec<String>,
    /// What receivers of callbacks get.
    pub callbacks: CallbackRules,
    /// How long what is kept.
    pub retention: RetentionRules,
    /// For so long after its end, the same action asked for by the same client is its repetition.
    pub repeat_window: Duration,
    /// What clients of the Bridge API may expect.
    pub bridge: BridgeSettings,
    /// Certificate and key, if there is TLS.
    pub tls: Option<TlsFiles>,
}

impl Settings {
    /// Has all of it count.
    ///
    /// # Errors
    /// [`DaemonError`]; then nothing has changed.
    pub async fn apply(&self, changes: Changes) -> Result<(), DaemonError> {
        // What can fail comes first.
        let certificates = self.certificates.as_ref().zip(changes.tls);
        let certificates = certificates.map(|(old, files)| Ok::<_, DaemonError>((old, Certificates::load(files)?)));
        let certificates = certificates.transpose()?;
        self.store.set_bare_callbacks(|url| changes.callbacks.is_bare_url(url)).await?;
        if let Some((old, new)) = certificates {
            old.become_like(&new);
        }
        self.gate.set_rules(changes.plain_tokens, changes.hosts);
        self.callbacks.set(changes.callbacks);
        self.retention.set(changes.retention);
        self.repeat_window.set(changes.repeat_window);
        self.bridge.set(changes.bridge);
        Ok(())
    }

    /// Where it is written down what became of the configuration.
    #[must_use]
    pub const fn status(&self) -> &ConfigStatus {
        &self.status
    }
}
