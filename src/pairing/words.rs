//! What an owner is told: what each refusal of pairing means and what to do.

use crate::gateway::pair::PairError;
use crate::protocol::ErrorCode;
use crate::protocol::beacon::PairingMode;
use crate::protocol::gatt::Generation;
use crate::session::pairing::PairingError;
use crate::transport::TransportError;

/// How a device gets into pairing mode.
pub const BUTTON: &str = "hold its button for 5 seconds until the ring lights up";
/// Where the PIN is found.
pub const PIN_PLACE: &str = "it was set in the Nuki app, in the phone that administers the lock";

/// An error of the radio with what to do, said once.
#[must_use]
pub fn with_advice(error: &TransportError) -> String {
    let advice = error.kind.advice();
    let text = error.to_string();
    if text.contains(advice) { text } else { format!("{text}; {advice}") }
}

/// What the device is, as far as its GATT table says.
#[must_use]
pub const fn kind(generation: Generation) -> &'static str {
    match generation {
        Generation::Gen1To4 => "Smart Lock of generation 1 to 4",
        Generation::Gen5 => "Smart Lock of the 5th generation",
        Generation::Opener => "Opener",
    }
}

/// What the device is, as far as its advertisement says.
#[must_use]
pub const fn device(mode: PairingMode) -> &'static str {
    match mode {
        PairingMode::Lock => kind(Generation::Gen1To4),
        PairingMode::Lock5thGen => kind(Generation::Gen5),
        PairingMode::Opener => kind(Generation::Opener),
        PairingMode::UninitialisedLock => "Smart Lock that was never set up",
        PairingMode::UninitialisedOpener => "Opener that was never set up",
    }
}

/// Why pairing failed, and what to do.
#[must_use]
pub fn advice(error: &PairError) -> String {
    let what_to_do = match error {
        PairError::Transport(error) => return format!("{}. Nothing was kept", with_advice(error)),
        PairError::Pairing(error) => pairing_advice(error),
        PairError::Unconfirmed { .. } => {
            "put the lock into pairing mode and run this again: pairing again replaces what it may have kept"
        }
        PairError::Deaf => {
            "was the adapter unplugged, or bluetoothd started again? `keyturner doctor` looks at each part"
        }
        PairError::NobodyThere => {
            "hold the lock's button for 5 seconds until the ring lights up, within reach of this computer; if that does \
             not help, `keyturner doctor` looks at adapter and BlueZ"
        }
        PairError::NobodyWaits(_) | PairError::NotInPairingMode(_) => {
            return format!("{error}; {BUTTON}; if it does not, pairing by the button is switched off in the Nuki app");
        }
        PairError::NotThere { .. } => {
            "compare the number, which is printed on the lock and shown in the Nuki app, and bring the lock within reach"
        }
    };
    format!("{error}; {what_to_do}")
}

const fn pairing_advice(error: &PairingError) -> &'static str {
    match error {
        PairingError::Refused(ErrorCode::NotPairing) => {
            "it has left pairing mode meanwhile, as it does by itself: hold its button for 5 seconds again, and run this \
             again at once"
        }
        PairingError::Refused(ErrorCode::BadPin) => {
            "the PIN is wrong and is not tried again: look it up in the Nuki app, since after some wrong ones the lock \
             takes none for a while"
        }
        PairingError::Refused(ErrorCode::TooManyPinAttempts) => {
            "after too many wrong PINs it takes none for a while, not even the right one: wait an hour, and let nobody \
             try meanwhile"
        }
        PairingError::Refused(ErrorCode::MaxUser) => {
            "it has no room for one more authorization: remove one in the Nuki app"
        }
        PairingError::PinNeeded => {
            "it was set in the Nuki app, in the phone that administers the lock, and if none is set, set one there first; \
             type it at a terminal, or give it with --pin-file"
        }
        PairingError::LinkLost | PairingError::Timeout => {
            "nothing was kept: bring the computer nearer to the lock, hold its button again, and run this again"
        }
        PairingError::Refused(_)
        | PairingError::Unexpected(_)
        | PairingError::BadAuthenticator
        | PairingError::Frame(_)
        | PairingError::Payload(_) => {
            "nothing was kept: hold its button again, and run this again; if it happens again, another device may be \
             posing as this lock"
        }
    }
}
