//! What an Opener means by the numbers that it shares with a lock (`docs/protocol.md`, "Numbers").
//!
//! Opener States have the layout of Keyturner States, so they are decoded as
//! such; only some of their bytes say something else.

use super::open_enum::open_enum;
use super::state::KeyturnerStates;
use super::types::{LockAction, NukiState};

open_enum! {
    /// State of an Opener, byte 1 of Opener States.
    pub enum OpenerState {
        /// Has not learned its intercom yet.
        Untrained = 0x00 => "untrained",
        /// Idle.
        Online = 0x01 => "online",
        /// The next ring opens.
        RingToOpen = 0x03 => "ring_to_open",
        /// The strike is released.
        Open = 0x05 => "open",
        /// Releases the strike.
        Opening = 0x07 => "opening",
        /// First run after a start.
        BootRun = 0xFD => "boot_run",
        /// The Opener does not know.
        Undefined = 0xFF => "undefined",
    }
}

open_enum! {
    /// An action of an Opener.
    pub enum OpenerAction {
        /// None; only as "last action".
        None = 0x00 => "none",
        /// Let the next ring open.
        ActivateRingToOpen = 0x01 => "activate_ring_to_open",
        /// Let no ring open.
        DeactivateRingToOpen = 0x02 => "deactivate_ring_to_open",
        /// Release the electric strike: opens the door.
        Open = 0x03 => "open",
        /// Let every ring open.
        ActivateContinuousMode = 0x04 => "activate_continuous_mode",
        /// End continuous mode.
        DeactivateContinuousMode = 0x05 => "deactivate_continuous_mode",
    }
}

impl OpenerState {
    /// Byte 1 of a state, read as an Opener's.
    #[must_use]
    pub const fn of(states: &KeyturnerStates) -> Self {
        Self::from_code(states.lock_state.code())
    }
}

impl OpenerAction {
    /// The command with the same number on the wire.
    #[must_use]
    pub const fn command(self) -> LockAction {
        LockAction::from_code(self.code())
    }

    /// Ends whatever lets a ring open. Continuous mode and ring to open are ended by different numbers, and a device is
    /// told one.
    #[must_use]
    pub const fn silence(mode: NukiState) -> Self {
        match mode {
            NukiState::Continuous => Self::DeactivateContinuousMode,
            _ => Self::DeactivateRingToOpen,
        }
    }
}
