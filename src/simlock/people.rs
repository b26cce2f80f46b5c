//! Who can do what at the door.

use crate::protocol::frame::AuthId;
use crate::protocol::log::CodeId;
use crate::protocol::users::CodeDigits;
use crate::protocol::{DoorEvent, LockAction, Trigger};

/// Somebody does something at the door, without a Bluetooth link of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Person {
    /// Types a code; see [`Person::keypad`].
    KeypadCode {
        /// The digits, which print as nothing.
        digits: CodeDigits,
    },
    /// Types a code that nobody has.
    KeypadWrongCode,
    /// Lays a finger on the keypad.
    Finger {
        /// The number that the finger is stored under; `None` for one that nobody knows.
        code_id: Option<CodeId>,
    },
    /// Presses the keypad's arrow key: locks without a code.
    ArrowKey,
    /// Presses a fob.
    Fob {
        /// The fob's authorization.
        auth: AuthId,
    },
    /// Uses a phone with an authorization of its own.
    App {
        /// The phone's authorization.
        auth: AuthId,
        /// What it asks for.
        action: LockAction,
        /// It came near by itself.
        auto_unlock: bool,
    },
    /// Rings at the house door; only an Opener hears it.
    Ring,
    /// Presses the button: locks or unlocks, whichever is possible. An Opener's switches ring to open.
    Button,
    /// Nobody at the door: time control, `HomeKit`, MQTT.
    From {
        /// What sets it off.
        trigger: Trigger,
        /// What it asks for.
        action: LockAction,
    },
    /// Turns key or knob by hand.
    ManualTurn(Turn),
    /// The door sensor reports something that is no move of the door.
    Sensor(DoorEvent),
    /// Moves the door.
    Door(DoorMove),
}

impl Person {
    /// Types `digits`; what a keypad would never take as a code is a wrong one.
    #[must_use]
    pub fn keypad(digits: u32) -> Self {
        CodeDigits::new(digits).map_or(Self::KeypadWrongCode, |digits| Self::KeypadCode { digits })
    }
}

/// Which way the key is turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Bolt out.
    Lock,
    /// Bolt in.
    Unlock,
}

/// Which way the door is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoorMove {
    /// Open.
    Open,
    /// Closed.
    Close,
}

/// Why somebody at the door got nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The motor runs.
    #[error("the lock is moving")]
    Busy,
    /// The bolt or the latch holds the door.
    #[error("the door is locked")]
    Locked,
    /// Nobody has this authorization.
    #[error("there is no such authorization")]
    NoSuchUser,
    /// The authorization is disabled, out of its time, or no fob.
    #[error("this authorization may not do that now")]
    NotAllowed,
    /// No such code.
    #[error("wrong code")]
    WrongCode,
    /// No such finger.
    #[error("unknown finger")]
    WrongFinger,
    /// The code is disabled or out of its time.
    #[error("this code may not open now")]
    CodeNotAllowed,
    /// There is no keypad.
    #[error("there is no keypad")]
    NoKeypad,
    /// No motor can do this.
    #[error("there is no such action")]
    NoSuchAction,
    /// An action ran just before.
    #[error("auto unlock came too soon after another action")]
    TooRecent,
    /// It is so already.
    #[error("it is so already")]
    Already,
}
