//! A visit over a real or simulated radio: the IO around [`Visit`](crate::session::visit::Visit).

use std::time::Duration;

use tokio::time::sleep;

use crate::clock::Clock;
use crate::session::visit::{Answer, Output, Question, Visit, VisitConfig, VisitError};
use crate::transport::{Address, Link, Purpose, Transport, TransportError, TransportErrorKind as Kind};

/// A lock that was just left may still hold the last link.
const ATTEMPTS: u32 = 3;
/// Pause between them.
const PAUSE: Duration = Duration::from_secs(1);

/// A link on which questions are asked. Nothing else may talk to the lock meanwhile.
pub struct OpenVisit {
    link: Link,
    visit: Visit,
    clock: Clock,
}

impl OpenVisit {
    /// Connects; more than once where that may help, since connecting moves nothing.
    ///
    /// # Errors
    /// [`TransportError`] of the last attempt.
    pub async fn open(
        transport: &dyn Transport,
        clock: Clock,
        address: Address,
        config: VisitConfig,
    ) -> Result<Self, TransportError> {
        let mut attempt = 1;
        loop {
            match transport.connect(address, Purpose::Daily).await {
                Ok(link) => return Ok(Self { link, visit: Visit::new(config), clock }),
                Err(error) if attempt < ATTEMPTS && is_passing(error.kind) => {
                    tracing::debug!(%error, "connecting once more");
                    attempt += 1;
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks one question. After any error but a refusal the link is of no more use.
    ///
    /// # Errors
    /// [`VisitError`].
    pub async fn ask(&mut self, question: Question) -> Result<Answer, VisitError> {
        self.visit.ask(question, self.clock.monotonic());
        loop {
            while let Some(output) = self.visit.poll() {
                match output {
                    Output::Write(characteristic, value) => {
                        if let Err(error) = self.link.writer.write(characteristic, value).await {
                            tracing::debug!(%error, "writing failed");
                            self.visit.handle_link_lost();
                        }
                    }
                    Output::Finished(result) => return result,
                }
            }
            let deadline = self.clock.instant(self.visit.next_timeout().unwrap_or_default());
            tokio::select! {
                indication = self.link.indications.recv() => match indication {
                    Some(indication) => {
                        let now = self.clock.monotonic();
                        self.visit.handle_received(indication.characteristic, &indication.value, now);
                    }
                    None => self.visit.handle_link_lost(),
                },
                () = tokio::time::sleep_until(deadline) => self.visit.handle_timeout(self.clock.monotonic()),
            }
        }
    }

    /// Ends the link.
    pub async fn end(self) {
        if let Err(error) = self.link.writer.disconnect().await {
            // The lock drops idle links by itself.
            tracing::debug!(%error, "disconnecting failed");
        }
    }
}

const fn is_passing(kind: Kind) -> bool {
    matches!(kind, Kind::Busy | Kind::Timeout | Kind::ConnectFailed | Kind::LinkLost)
}
