//! Having a lock forget an authorization of ours.

use super::tries::NoAnswer;
use super::{Known, Owner, Tries, with_advice};
use crate::protocol::ErrorCode;
use crate::secrets::LockSecret;
use crate::session::visit::{Question, VisitError};

/// What became of the authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parting {
    /// The lock has forgotten it.
    Forgotten,
    /// The lock did not know it any more.
    NotKnown,
    /// Nothing was sent that could have removed it, and why.
    NotAsked(String),
    /// The lock said no; the authorization stands.
    Refused(ErrorCode),
    /// It was sent, and the authorization stands all the same.
    NotDone,
    /// It was sent, and what became of it could not be found out.
    Uncertain(String),
}

impl Owner {
    /// Has the lock forget this authorization, and no other: it is sent under its own key, so that a number which
    /// belongs to somebody else by now cannot be meant. It leaves once; without an answer the lock is asked whether it
    /// still knows the key.
    pub async fn part(&self, lock: &LockSecret, tries: &mut Tries) -> Parting {
        let mut visit = match self.visit(lock).await {
            Ok(visit) => visit,
            Err(error) => return Parting::NotAsked(with_advice(&error)),
        };
        let answer = tries.ask(&mut visit, Question::Leave).await;
        visit.end().await;
        match answer {
            Ok(_) => Parting::Forgotten,
            Err(NoAnswer::Visit(VisitError::NotKnown)) => Parting::NotKnown,
            Err(NoAnswer::Visit(VisitError::Refused(ErrorCode::InvalidAuthId))) => Parting::NotKnown,
            Err(NoAnswer::Visit(VisitError::Refused(code))) => Parting::Refused(code),
            Err(error @ NoAnswer::Visit(VisitError::NoPin | VisitError::Silent { has_left: false })) => {
                Parting::NotAsked(error.to_string())
            }
            Err(error @ (NoAnswer::PinRests | NoAnswer::Store(_))) => Parting::NotAsked(error.to_string()),
            Err(NoAnswer::Visit(VisitError::Silent { has_left: true } | VisitError::Garbled(_))) => {
                match self.is_known(lock).await {
                    Known::No => Parting::Forgotten,
                    Known::Yes => Parting::NotDone,
                    Known::Untold(why) => Parting::Uncertain(why),
                }
            }
        }
    }

    /// The same without its PIN, so that nothing is sent which could remove it: only whether the lock knows it still. `why`
    /// says what stands in the way.
    pub async fn part_without_pin(&self, lock: &LockSecret, why: &str) -> Parting {
        match self.is_known(lock).await {
            Known::No => Parting::NotKnown,
            Known::Yes => Parting::NotAsked(why.to_owned()),
            Known::Untold(why) => Parting::NotAsked(why),
        }
    }
}
