//! SIGHUP: the configuration is read again, and what can be changed at once is.

use std::net::SocketAddr;

use tracing::{info, warn};

use super::DataArgs;
use super::run::{RunArgs, tls_files};
use crate::clock::Clock;
use crate::config::{Config, Loaded};
use crate::daemon::{Changes, Settings};

/// What the gateway was started with and keeps until it is started again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fixed {
    listen: SocketAddr,
    adapter: Vec<String>,
    tls_listen: Option<SocketAddr>,
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            listen: config.listen,
            adapter: config.adapter.clone(),
            tls_listen: config.tls.as_ref().map(|tls| tls.listen),
        }
    }

    /// The keys that have another value there.
    fn differs(&self, config: &Config) -> Vec<String> {
        let other = Self::of(config);
        let keys = [
            ("listen", self.listen != other.listen),
            ("adapter", self.adapter != other.adapter),
            ("tls.listen", self.tls_listen != other.tls_listen),
        ];
        keys.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned()).collect()
    }
}

/// All of it or nothing; log and health say what came of it.
pub(super) async fn reload(args: &RunArgs, fixed: &Fixed, settings: &Settings) {
    let done = async {
        let loaded = args.load()?;
        let changes = changes(&args.data, &loaded.config)?;
        settings.apply(changes).await?;
        anyhow::Ok(loaded)
    };
    match done.await {
        Ok(Loaded { config, file, ignored, .. }) => {
            for line in ignored {
                warn!("{line}");
            }
            let needs_restart = fixed.differs(&config);
            for key in &needs_restart {
                warn!(key, "this key needs a restart to count: `systemctl restart keyturner`");
            }
            info!("the configuration was read again and counts");
            settings.status().loaded(file, Clock::system().wall(), needs_restart);
        }
        Err(error) => {
            let problem = format!("{error:#}");
            warn!(error = problem, "the configuration was not taken over, so what counted before counts on");
            settings.status().refused(problem);
        }
    }
}

fn changes(data: &DataArgs, config: &Config) -> anyhow::Result<Changes> {
    let Config { plain_tokens, hosts, callbacks, retention, actions, bridge, tls, .. } = config.clone();
    let tls = tls.map(|tls| tls_files(data, tls)).transpose()?;
    Ok(Changes { plain_tokens, hosts, callbacks, retention, repeat_window: actions.repeat_window, bridge, tls })
}
