//! The first look at a lock that was just paired. Nothing here can lose the pairing.

use super::tries::NoAnswer;
use super::{Owner, Tries, with_advice};
use crate::protocol::ErrorCode;
use crate::secrets::LockSecret;
use crate::session::visit::{Answer, Question, VisitError};

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What its owner calls it.
    pub name: Option<String>,
    /// What became of the PIN.
    pub pin: PinCheck,
    /// Whether the lock writes its log.
    pub is_logging: Option<bool>,
}

/// Whether the PIN is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinCheck {
    /// There is none.
    NotGiven,
    /// The lock took it.
    Right,
    /// The lock refused it.
    Wrong,
    /// The lock takes none at all for a while.
    Banned,
    /// It could not be asked, and why.
    Unchecked(String),
}

impl Owner {
    /// Asks for the lock's name, whether the PIN is right, and whether the lock writes its log: each once. Without
    /// `tries` the PIN is not sent.
    pub async fn look(&self, lock: &LockSecret, tries: Result<Tries, String>) -> Look {
        let mut look = Look { name: None, pin: PinCheck::NotGiven, is_logging: None };
        let mut visit = match self.visit(lock).await {
            Ok(visit) => visit,
            Err(error) => {
                if lock.pin.is_some() {
                    look.pin = PinCheck::Unchecked(with_advice(&error));
                }
                return look;
            }
        };
        if let Ok(Answer::Name(name)) = visit.ask(Question::Name).await {
            look.name = Some(name).filter(|name| !name.is_empty());
        }
        match tries {
            _ if lock.pin.is_none() => {}
            Err(why) => look.pin = PinCheck::Unchecked(why),
            Ok(mut tries) => {
                look.pin = match tries.ask(&mut visit, Question::Pin).await {
                    Ok(_) => PinCheck::Right,
                    Err(NoAnswer::Visit(VisitError::Refused(ErrorCode::BadPin))) => PinCheck::Wrong,
                    Err(NoAnswer::Visit(VisitError::Refused(ErrorCode::TooManyPinAttempts))) => PinCheck::Banned,
                    Err(error) => PinCheck::Unchecked(error.to_string()),
                };
                if look.pin == PinCheck::Right
                    && let Ok(Answer::Logging(is_logging)) = tries.ask(&mut visit, Question::Logging).await
                {
                    look.is_logging = Some(is_logging);
                }
            }
        }
        visit.end().await;
        look
    }
}
