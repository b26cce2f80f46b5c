//! Locks in the hands of their owner: paired, paired anew, looked at, let go.
//!
//! Nothing here asks or tells anybody; the command line does. Nobody else may talk to the same lock meanwhile, so the
//! gateway must not run (docs/adr/0034).

mod enrol;
mod keep;
mod look;
mod part;
mod tries;
mod words;

use std::sync::Arc;

use crate::clock::Clock;
use crate::gateway::visit::OpenVisit;
use crate::secrets::LockSecret;
use crate::session::visit::{Question, VisitConfig, VisitError};
use crate::transport::{Transport, TransportError};

pub use enrol::Wish;
pub use keep::{forget, keep};
pub use look::{Look, PinCheck};
pub use part::Parting;
pub use tries::Tries;
pub use words::{BUTTON, PIN_PLACE, advice, device, kind, with_advice};

/// The radio in the hands of an owner.
#[derive(Clone)]
pub struct Owner {
    /// The radio.
    pub transport: Arc<dyn Transport>,
    /// What time it is.
    pub clock: Clock,
    /// Fresh randomness of the operating system, or a test's seeds.
    pub seed: Arc<dyn Fn() -> [u8; 32] + Send + Sync>,
}

/// Whether a lock knows an authorization of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It answered under its key.
    Yes,
    /// It says no.
    No,
    /// It could not be asked.
    Untold(String),
}

impl Owner {
    /// Whether the lock knows this authorization. Moves nothing and needs no PIN, so it is asked twice where the link
    /// breaks.
    pub async fn is_known(&self, lock: &LockSecret) -> Known {
        match self.ask_whether_known(lock).await {
            Known::Untold(_) => self.ask_whether_known(lock).await,
            told => told,
        }
    }

    async fn ask_whether_known(&self, lock: &LockSecret) -> Known {
        let mut visit = match self.visit(lock).await {
            Ok(visit) => visit,
            Err(error) => return Known::Untold(with_advice(&error)),
        };
        let answer = visit.ask(Question::States).await;
        visit.end().await;
        match answer {
            // A refusal under the key is an answer too.
            Ok(_) | Err(VisitError::Refused(_)) => Known::Yes,
            Err(VisitError::NotKnown) => Known::No,
            Err(error) => Known::Untold(error.to_string()),
        }
    }

    async fn visit(&self, lock: &LockSecret) -> Result<OpenVisit, TransportError> {
        let config = VisitConfig {
            generation: lock.generation,
            auth_id: lock.auth_id,
            key: lock.shared_key.clone(),
            pin: lock.pin,
            seed: (self.seed)(),
        };
        OpenVisit::open(&*self.transport, self.clock, lock.address, config).await
    }
}
