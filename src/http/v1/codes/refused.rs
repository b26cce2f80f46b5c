//! Why a code was not changed, in words.

use axum::http::StatusCode;

use super::super::problem::Problem;
use crate::gateway::GatewayError;
use crate::protocol::ErrorCode;

/// The answer for a change that the gateway did not make, or cannot say of whether it did.
pub(super) fn refused(error: GatewayError) -> Problem {
    let conflict =
        |word, message: &'static str, hint: &'static str| Problem::new(StatusCode::CONFLICT, word, message, hint);
    match error {
        GatewayError::NoSuchCode => Problem::new(
            StatusCode::NOT_FOUND,
            "no_such_code",
            "the lock has no keypad code with this number",
            "take it from the list of its codes",
        ),
        GatewayError::NoKeypad => conflict(
            "no_keypad",
            "no keypad is paired with this lock",
            "pair it in the Nuki app; the gateway notices when the lock says that its configuration changed",
        ),
        GatewayError::NoPin(message) => {
            conflict("no_pin", message, "set the lock's security PIN with `keyturner pin`, then ask again")
        }
        GatewayError::Refused(ErrorCode::CodeAlreadyExists) => {
            conflict("code_exists", "a code of this lock has these digits already", "choose other digits")
        }
        GatewayError::Refused(ErrorCode::TooManyEntries) => {
            conflict("list_full", "the lock has as many codes as it can", "remove one that is not used any more")
        }
        GatewayError::Refused(ErrorCode::CodeInvalid) => {
            conflict("digits_refused", "the lock does not take these digits", "choose other digits")
        }
        GatewayError::Refused(code) => Problem::new(
            StatusCode::CONFLICT,
            "refused",
            format!("the lock refused: {code}"),
            "nothing was changed; docs/protocol.md says what locks mean by this",
        ),
        GatewayError::Uncertain => Problem::new(
            StatusCode::GONE,
            "unknown_outcome",
            "it was sent, and the lock's answer was lost, so it may have been done or not",
            "look at the list of codes once its readAt is later than now, before asking again",
        ),
        GatewayError::KeyUsed => Problem::key_used(),
        GatewayError::TooManyCodeChanges(wait) => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_changes",
            "too many codes of this lock were changed within an hour",
            "wait as long as the header Retry-After says",
        )
        .after(wait),
        GatewayError::CodeBusy => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "another code of this lock is being changed, so nothing was done",
            "ask again in some seconds",
        ),
        error => error.into(),
    }
}
