//! The numbered vocabularies of the keyturner protocol (`docs/protocol.md`, "Numbers").

use super::open_enum::open_enum;

open_enum! {
    /// Operating mode of the device, byte 0 of Keyturner States.
    pub enum NukiState {
        /// Never set up.
        Uninitialised = 0 => "uninitialised",
        /// Accepts a new authorization.
        Pairing = 1 => "pairing_mode",
        /// Normal operation.
        Door = 2 => "door_mode",
        /// Opener only: every ring opens.
        Continuous = 3 => "continuous_mode",
        /// Maintenance.
        Maintenance = 4 => "maintenance_mode",
    }
}

open_enum! {
    /// State of the bolt, byte 1 of Keyturner States of a lock.
    pub enum LockState {
        /// Not calibrated yet.
        Uncalibrated = 0x00 => "uncalibrated",
        /// Bolt out.
        Locked = 0x01 => "locked",
        /// Motor runs towards unlocked.
        Unlocking = 0x02 => "unlocking",
        /// Bolt in.
        Unlocked = 0x03 => "unlocked",
        /// Motor runs towards locked.
        Locking = 0x04 => "locking",
        /// Latch pulled: the door can be pushed open.
        Unlatched = 0x05 => "unlatched",
        /// Unlocked, and will lock by itself when the timer ends.
        UnlockedLockNGo = 0x06 => "unlocked_lock_n_go",
        /// Motor pulls the latch.
        Unlatching = 0x07 => "unlatching",
        /// Calibration runs.
        Calibration = 0xFC => "calibration",
        /// First run after a start.
        BootRun = 0xFD => "boot_run",
        /// Something holds the motor.
        MotorBlocked = 0xFE => "motor_blocked",
        /// The lock does not know.
        Undefined = 0xFF => "undefined",
    }
}

impl LockState {
    /// Whether another state follows by itself: the motor runs, or holds the latch for a moment.
    #[must_use]
    pub const fn is_transitional(self) -> bool {
        matches!(
            self,
            Self::Unlocking | Self::Locking | Self::Unlatching | Self::Unlatched | Self::Calibration | Self::BootRun
        )
    }
}

open_enum! {
    /// What set off a state change or an action.
    pub enum Trigger {
        /// A Bluetooth command: app, bridge, fob or keypad.
        System = 0 => "system",
        /// Key or knob turned by hand; on an Opener the bell.
        Manual = 1 => "manual",
        /// The button on the device.
        Button = 2 => "button",
        /// Time control.
        Automatic = 3 => "automatic",
        /// Auto lock.
        AutoLock = 6 => "auto_lock",
        /// HomeKit.
        HomeKit = 0xAB => "homekit",
        /// MQTT.
        Mqtt = 0xAC => "mqtt",
    }
}

open_enum! {
    /// An action of a lock.
    pub enum LockAction {
        /// None; only as "last action".
        None = 0x00 => "none",
        /// Pull the bolt in.
        Unlock = 0x01 => "unlock",
        /// Throw the bolt.
        Lock = 0x02 => "lock",
        /// Pull the latch: opens the door.
        Unlatch = 0x03 => "unlatch",
        /// Unlock now, lock after a while.
        LockNGo = 0x04 => "lock_n_go",
        /// Unlatch now, lock after a while.
        LockNGoUnlatch = 0x05 => "lock_n_go_unlatch",
        /// Lock with every turn the cylinder has.
        FullLock = 0x06 => "full_lock",
        /// Fob pressed with no action behind it; log only.
        FobNoAction = 0x50 => "fob_no_action",
        /// Button pressed with no action behind it; log only.
        ButtonNoAction = 0x5A => "button_no_action",
        /// First fob action.
        FobAction1 = 0x81 => "fob_action_1",
        /// Second fob action.
        FobAction2 = 0x82 => "fob_action_2",
        /// Third fob action.
        FobAction3 = 0x83 => "fob_action_3",
    }
}

open_enum! {
    /// How an action ended.
    pub enum CompletionStatus {
        /// Done.
        Success = 0x00 => "success",
        /// The motor met resistance.
        MotorBlocked = 0x01 => "motor_blocked",
        /// Stopped by the button.
        Canceled = 0x02 => "canceled",
        /// Another action ran just before.
        TooRecent = 0x03 => "too_recent",
        /// Another action was running.
        Busy = 0x04 => "busy",
        /// Battery too weak for the motor.
        LowMotorVoltage = 0x05 => "low_motor_voltage",
        /// Clutch failed.
        ClutchFailure = 0x06 => "clutch_failure",
        /// Motor got no power.
        MotorPowerFailure = 0x07 => "motor_power_failure",
        /// Ended half way.
        Incomplete = 0x08 => "incomplete",
        /// Refused, for a keypad code: known but not permitted now.
        Rejected = 0x09 => "rejected",
        /// Refused by night mode.
        RejectedNightMode = 0x0A => "rejected_night_mode",
        /// The handle was not lifted.
        HandleNotLifted = 0x0B => "handle_not_lifted",
        /// Keypad: no such code.
        InvalidCode = 0xE0 => "invalid_code",
        /// Keypad: no such finger.
        InvalidFingerprint = 0xE1 => "invalid_fingerprint",
        /// Another error.
        OtherError = 0xFE => "other_error",
        /// The lock does not know.
        UnknownError = 0xFF => "unknown_error",
    }
}

open_enum! {
    /// State of the door sensor, byte 18 of Keyturner States.
    pub enum DoorSensorState {
        /// No sensor.
        Unavailable = 0x00 => "unavailable",
        /// Switched off.
        Deactivated = 0x01 => "deactivated",
        /// Door closed.
        Closed = 0x02 => "closed",
        /// Door open.
        Opened = 0x03 => "opened",
        /// The sensor cannot tell.
        DoorStateUnknown = 0x04 => "door_state_unknown",
        /// Learning.
        Calibrating = 0x05 => "calibrating",
        /// Not learned yet.
        Uncalibrated = 0x10 => "uncalibrated",
        /// Taken off or manipulated.
        Tampered = 0xF0 => "tampered",
        /// Unknown.
        UnknownState = 0xFF => "unknown",
    }
}

impl DoorSensorState {
    /// Whether there is a sensor that reports something worth showing.
    #[must_use]
    pub const fn is_present(self) -> bool {
        !matches!(self, Self::Unavailable)
    }
}

open_enum! {
    /// What kind of key an authorization is.
    pub enum IdType {
        /// A phone, or a gateway that registered as one.
        App = 0 => "app",
        /// The bridge; a lock has one.
        Bridge = 1 => "bridge",
        /// A fob.
        Fob = 2 => "fob",
        /// A keypad.
        Keypad = 3 => "keypad",
        /// A door sensor (4th generation and later).
        DoorSensor = 4 => "door_sensor",
        /// A keypad with a fingerprint reader (4th generation and later).
        Keypad2 = 5 => "keypad_2",
    }
}

open_enum! {
    /// What was used at the keypad, byte 1 of a keypad log entry.
    pub enum KeypadSource {
        /// The arrow key, which needs no code.
        ArrowKey = 0 => "arrow_key",
        /// A typed code.
        Code = 1 => "code",
        /// A finger.
        Fingerprint = 2 => "fingerprint",
    }
}

open_enum! {
    /// What a door sensor log entry says.
    pub enum DoorEvent {
        /// The door was opened.
        Opened = 0 => "opened",
        /// The door was closed.
        Closed = 1 => "closed",
        /// The sensor is jammed.
        Jammed = 2 => "jammed",
        /// The sensor was manipulated.
        Tampered = 3 => "tampered",
    }
}

open_enum! {
    /// Payload of Status (0x000E).
    pub enum StatusCode {
        /// The command is done.
        Complete = 0x00 => "complete",
        /// The command is accepted; Complete or an error follows.
        Accepted = 0x01 => "accepted",
    }
}

open_enum! {
    /// First byte of an Error Report (0x0012).
    pub enum ErrorCode {
        /// CRC wrong.
        BadCrc = 0xFD => "ERROR_BAD_CRC",
        /// Payload length does not fit the command.
        BadLength = 0xFE => "ERROR_BAD_LENGTH",
        /// Anything else, also a message out of order.
        UnknownError = 0xFF => "ERROR_UNKNOWN",
        /// The lock is not in pairing mode.
        NotPairing = 0x10 => "P_ERROR_NOT_PAIRING",
        /// The authenticator does not match.
        BadAuthenticator = 0x11 => "P_ERROR_BAD_AUTHENTICATOR",
        /// A pairing parameter is out of range.
        PairingBadParameter = 0x12 => "P_ERROR_BAD_PARAMETER",
        /// The lock has no room for another user.
        MaxUser = 0x13 => "P_ERROR_MAX_USER",
        /// Unknown authorization, or the message could not be decrypted.
        NotAuthorized = 0x20 => "K_ERROR_NOT_AUTHORIZED",
        /// The security PIN is wrong.
        BadPin = 0x21 => "K_ERROR_BAD_PIN",
        /// The challenge nonce is wrong, old or used.
        BadNonce = 0x22 => "K_ERROR_BAD_NONCE",
        /// A parameter is out of range.
        BadParameter = 0x23 => "K_ERROR_BAD_PARAMETER",
        /// No such authorization.
        InvalidAuthId = 0x24 => "K_ERROR_INVALID_AUTH_ID",
        /// The own authorization is disabled.
        Disabled = 0x25 => "K_ERROR_DISABLED",
        /// Not allowed through a bridge.
        RemoteNotAllowed = 0x26 => "K_ERROR_REMOTE_NOT_ALLOWED",
        /// Outside the allowed time.
        TimeNotAllowed = 0x27 => "K_ERROR_TIME_NOT_ALLOWED",
        /// Too many wrong PINs: locked out for a while.
        TooManyPinAttempts = 0x28 => "K_ERROR_TOO_MANY_PIN_ATTEMPTS",
        /// A table is full.
        TooManyEntries = 0x29 => "K_ERROR_TOO_MANY_ENTRIES",
        /// The keypad code exists already.
        CodeAlreadyExists = 0x2A => "K_ERROR_CODE_ALREADY_EXISTS",
        /// The keypad code typed is wrong.
        CodeInvalid = 0x2B => "K_ERROR_CODE_INVALID",
        /// Wrong code, first lock-out.
        CodeInvalidTimeout1 = 0x2C => "K_ERROR_CODE_INVALID_TIMEOUT_1",
        /// Wrong code, second lock-out.
        CodeInvalidTimeout2 = 0x2D => "K_ERROR_CODE_INVALID_TIMEOUT_2",
        /// Wrong code, third lock-out.
        CodeInvalidTimeout3 = 0x2E => "K_ERROR_CODE_INVALID_TIMEOUT_3",
        /// Auto unlock right after another action.
        AutoUnlockTooRecent = 0x40 => "K_ERROR_AUTO_UNLOCK_TOO_RECENT",
        /// The lock does not know its position.
        PositionUnknown = 0x41 => "K_ERROR_POSITION_UNKNOWN",
        /// The motor met resistance.
        MotorBlocked = 0x42 => "K_ERROR_MOTOR_BLOCKED",
        /// Clutch failed.
        ClutchFailure = 0x43 => "K_ERROR_CLUTCH_FAILURE",
        /// The motor ran too long.
        MotorTimeout = 0x44 => "K_ERROR_MOTOR_TIMEOUT",
        /// Another action runs.
        Busy = 0x45 => "K_ERROR_BUSY",
        /// Somebody pressed the button meanwhile.
        Canceled = 0x46 => "K_ERROR_CANCELED",
        /// Not calibrated.
        NotCalibrated = 0x47 => "K_ERROR_NOT_CALIBRATED",
        /// Motor position limit reached.
        MotorPositionLimit = 0x48 => "K_ERROR_MOTOR_POSITION_LIMIT",
        /// Battery too weak for the motor.
        MotorLowVoltage = 0x49 => "K_ERROR_MOTOR_LOW_VOLTAGE",
        /// The motor draws no power.
        MotorPowerFailure = 0x4A => "K_ERROR_MOTOR_POWER_FAILURE",
        /// The clutch draws no power.
        ClutchPowerFailure = 0x4B => "K_ERROR_CLUTCH_POWER_FAILURE",
        /// Battery too weak to calibrate.
        VoltageTooLow = 0x4C => "K_ERROR_VOLTAGE_TOO_LOW",
        /// A firmware update is mandatory.
        FirmwareUpdateNeeded = 0x4D => "K_ERROR_FIRMWARE_UPDATE_NEEDED",
        /// Opener: operating mode unknown.
        OperatingModeUnknown = 0x50 => "K_ERROR_OPERATING_MODE_UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_sensor_is_not_shown() {
        let states = (0..=u8::MAX).map(DoorSensorState::from_code);
        let hidden: Vec<DoorSensorState> = states.filter(|state| !state.is_present()).collect();
        assert_eq!(hidden, [DoorSensorState::Unavailable]);
    }
}
