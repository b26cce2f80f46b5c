//! Command numbers.

macro_rules! commands {
    ($($(#[$meta:meta])* $variant:ident = $id:literal,)*) => {
        /// The number in front of every payload (uint16, little-endian).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Command {
            $($(#[$meta])* $variant,)*
            /// A number this version does not know.
            Unknown(u16),
        }

        impl Command {
            /// The command with this number; never fails.
            #[must_use]
            pub const fn from_id(id: u16) -> Self {
                match id {
                    $($id => Self::$variant,)*
                    other => Self::Unknown(other),
                }
            }

            /// The number.
            #[must_use]
            pub const fn id(self) -> u16 {
                match self {
                    $(Self::$variant => $id,)*
                    Self::Unknown(id) => id,
                }
            }
        }
    };
}

commands! {
    /// Ask for the message with the number in the payload.
    RequestData = 0x0001,
    /// A public key, either way.
    PublicKey = 0x0003,
    /// 32 random bytes of the lock.
    Challenge = 0x0004,
    /// Proof of the client's key in pairing.
    AuthorizationAuthenticator = 0x0005,
    /// Who wants to be authorized.
    AuthorizationData = 0x0006,
    /// The new authorization's number.
    AuthorizationId = 0x0007,
    /// Delete an authorization.
    RemoveAuthorizationEntry = 0x0008,
    /// List the authorizations.
    RequestAuthorizationEntries = 0x0009,
    /// One authorization.
    AuthorizationEntry = 0x000A,
    /// Create an authorization for somebody else.
    AuthorizationDataInvite = 0x000B,
    /// State of the device.
    KeyturnerStates = 0x000C,
    /// Move.
    LockAction = 0x000D,
    /// Accepted or complete.
    Status = 0x000E,
    /// Battery figures.
    BatteryReport = 0x0011,
    /// Refusal or failure.
    ErrorReport = 0x0012,
    /// Write the configuration.
    SetConfig = 0x0013,
    /// Ask for the configuration.
    RequestConfig = 0x0014,
    /// The configuration.
    Config = 0x0015,
    /// Change the security PIN.
    SetSecurityPin = 0x0019,
    /// Start a calibration.
    RequestCalibration = 0x001A,
    /// Restart the device.
    RequestReboot = 0x001D,
    /// The client confirms its authorization id.
    AuthorizationIdConfirmation = 0x001E,
    /// The invited authorization's number.
    AuthorizationIdInvite = 0x001F,
    /// Check the security PIN.
    VerifySecurityPin = 0x0020,
    /// Set the clock.
    UpdateTime = 0x0021,
    /// Change an authorization.
    UpdateAuthorizationEntry = 0x0025,
    /// How many authorizations there are.
    AuthorizationEntryCount = 0x0027,
    /// Read the activity log.
    RequestLogEntries = 0x0031,
    /// One log entry.
    LogEntry = 0x0032,
    /// How many log entries there are, and whether the log is on.
    LogEntryCount = 0x0033,
    /// Switch the log on or off.
    EnableLogging = 0x0034,
    /// Write the advanced configuration.
    SetAdvancedConfig = 0x0035,
    /// Ask for the advanced configuration.
    RequestAdvancedConfig = 0x0036,
    /// The advanced configuration.
    AdvancedConfig = 0x0037,
    /// Add a keypad code.
    AddKeypadCode = 0x0041,
    /// The new keypad code's number.
    KeypadCodeId = 0x0042,
    /// List the keypad codes.
    RequestKeypadCodes = 0x0043,
    /// How many keypad codes there are.
    KeypadCodeCount = 0x0044,
    /// One keypad code.
    KeypadCode = 0x0045,
    /// Change a keypad code.
    UpdateKeypadCode = 0x0046,
    /// Delete a keypad code.
    RemoveKeypadCode = 0x0047,
    /// What a keypad sends to its lock.
    KeypadAction = 0x0048,
    /// 5th generation: whether a security PIN is set.
    AuthorizationInfo = 0x004C,
    /// Opener: switch continuous mode, with the PIN.
    ContinuousModeAction = 0x0057,
    /// Move, without an app id.
    SimpleLockAction = 0x0100,
}

impl core::fmt::Display for Command {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unknown(id) => write!(f, "0x{id:04X}"),
            known => write!(f, "{known:?} (0x{:04X})", known.id()),
        }
    }
}
