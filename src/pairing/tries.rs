//! Tries with a PIN outside the gateway: they count as the gateway's do (docs/adr/0012), in the same place.

use crate::gateway::visit::OpenVisit;
use crate::protocol::ErrorCode;
use crate::protocol::beacon::NukiId;
use crate::session::PinTries;
use crate::session::visit::{Answer, Question, VisitError};
use crate::store::{Store, StoreError};

/// What is remembered of tries with a lock's PIN.
#[derive(Debug)]
pub struct Tries {
    store: Store,
    nuki_id: NukiId,
    now: PinTries,
}

/// Why a question with the PIN has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// The PIN may not be sent again at this moment.
    #[error(
        "the lock refused the security PIN before, or did not answer to it; set the right one with `keyturner pin`"
    )]
    PinRests,
    /// A try could not be written down, so it was not made.
    #[error("{0}; so the security PIN was not sent, because its tries have to be counted")]
    Store(#[from] StoreError),
    /// The lock.
    #[error(transparent)]
    Visit(#[from] VisitError),
}

impl Tries {
    /// As they are remembered.
    ///
    /// # Errors
    /// [`StoreError`] when the event log cannot be read.
    pub async fn read(store: &Store, nuki_id: NukiId) -> Result<Self, StoreError> {
        let now = store.lock_health(nuki_id).await?.pin_tries;
        Ok(Self { store: store.clone(), nuki_id, now })
    }

    /// The PIN was set a moment ago: they begin anew.
    ///
    /// # Errors
    /// [`StoreError`] when the event log cannot be written.
    pub async fn begin_anew(store: &Store, nuki_id: NukiId) -> Result<Self, StoreError> {
        store.forget_pin_tries(nuki_id).await?;
        Self::read(store, nuki_id).await
    }

    /// The lock took the PIN in another way.
    ///
    /// # Errors
    /// [`StoreError`] when the event log cannot be written.
    pub async fn accepted(&mut self) -> Result<(), StoreError> {
        self.become_(self.now.after_acceptance()).await
    }

    /// Asks what needs the PIN. The try is on disk before it leaves.
    pub(super) async fn ask(&mut self, visit: &mut OpenVisit, question: Question) -> Result<Answer, NoAnswer> {
        if !self.now.may_leave() {
            return Err(NoAnswer::PinRests);
        }
        self.become_(self.now.after_leaving()).await?;
        let answer = visit.ask(question).await;
        let after = match &answer {
            Ok(_) => self.now.after_acceptance(),
            Err(VisitError::Refused(ErrorCode::BadPin)) => self.now.after_refusal(false),
            Err(VisitError::Refused(ErrorCode::TooManyPinAttempts)) => self.now.after_refusal(true),
            // Without an answer to the challenge the PIN has not left.
            Err(
                VisitError::Refused(_)
                | VisitError::NoPin
                | VisitError::NotKnown
                | VisitError::Silent { has_left: false },
            ) => self.now.after_answer(),
            Err(VisitError::Silent { has_left: true } | VisitError::Garbled(_)) => self.now,
        };
        self.become_(after).await?;
        Ok(answer?)
    }

    async fn become_(&mut self, tries: PinTries) -> Result<(), StoreError> {
        if tries != self.now {
            self.store.set_pin_tries(self.nuki_id, tries).await?;
            self.now = tries;
        }
        Ok(())
    }
}
