//! Advanced configuration: what the owner sets once and rarely looks at again.

use super::wire::{Reader, TooShort, up_to_absent};

/// Advanced Config (0x0037) of a lock.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 2 | degrees found by calibration |
/// | 2, 4, 6, 8 | 2 each | offsets of four positions, degrees, i16 |
/// | 10 | 1 | lock 'n' go timeout, s |
/// | 11, 12 | 1 each | what one and two presses of the button do |
/// | 13, 14, 15 | 1 each | detached cylinder, battery type, its detection |
/// | 16 | 1 | unlatch duration, s |
/// | 17 | 2 | auto lock timeout, s |
/// | 19 | 1 | auto unlock disabled |
/// | 20 | 7 | night mode |
/// | 27 | 1 | lock when night mode begins |
/// | 28, 29, 30 | 1 each | auto lock, at once when the door closes, automatic updates |
/// | 31, 32 | 1 each | 5th generation: motor speed, slow at night |
///
/// Firmware ends after 11, 16, 17, 19, 27, 28, 31 or 33 bytes; what is missing is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdvancedConfig {
    /// Found by calibration, degrees.
    pub total_degrees: u16,
    /// Degrees.
    pub unlocked_position_offset: i16,
    /// Degrees.
    pub locked_position_offset: i16,
    /// Degrees.
    pub single_locked_position_offset: i16,
    /// Degrees.
    pub unlocked_to_locked_transition_offset: i16,
    /// Seconds.
    pub lock_n_go_timeout: u8,
    /// A button action.
    pub single_button_press: Option<u8>,
    /// A button action.
    pub double_button_press: Option<u8>,
    /// The knob outside does not turn with the key.
    pub detached_cylinder: Option<bool>,
    /// 0 alkali, 1 accumulators, 2 lithium.
    pub battery_type: Option<u8>,
    /// The lock finds that out by itself.
    pub automatic_battery_type: Option<bool>,
    /// Seconds.
    pub unlatch_duration: Option<u8>,
    /// Seconds; before `auto_lock_enabled` existed 0 was off.
    pub auto_lock_timeout: Option<u16>,
    /// Phones that come near do not unlock.
    pub auto_unlock_disabled: Option<bool>,
    /// Between two times of the day.
    pub night_mode: Option<NightMode>,
    /// Lock when night mode begins.
    pub night_mode_immediate_lock: Option<bool>,
    /// Lock by itself.
    pub auto_lock_enabled: Option<bool>,
    /// As soon as the door is closed; 255 is not supported.
    pub immediate_auto_lock: Option<u8>,
    /// Firmware is updated without asking.
    pub auto_update: Option<bool>,
    /// 5th generation: 0 standard, 1 insane, 2 gentle.
    pub motor_speed: Option<u8>,
    /// 5th generation.
    pub slow_speed_at_night: Option<bool>,
}

/// Night mode, 7 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NightMode {
    /// It is on.
    pub enabled: bool,
    /// Hour and minute.
    pub start: (u8, u8),
    /// Hour and minute.
    pub end: (u8, u8),
    /// Lock by itself meanwhile.
    pub auto_lock: bool,
    /// Phones that come near do not unlock meanwhile.
    pub auto_unlock_disabled: bool,
}

impl AdvancedConfig {
    /// The shortest form, of the oldest firmware.
    pub const MIN_LEN: usize = 11;

    /// Reads 11 bytes or more.
    ///
    /// # Errors
    /// [`TooShort`] below 11 bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, TooShort> {
        let mut r = Reader::at_least("Advanced Config", payload, Self::MIN_LEN)?;
        Self::read(&mut r).ok_or(TooShort { what: "Advanced Config", expected: Self::MIN_LEN, actual: payload.len() })
    }

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            total_degrees: r.u16()?,
            unlocked_position_offset: r.i16()?,
            locked_position_offset: r.i16()?,
            single_locked_position_offset: r.i16()?,
            unlocked_to_locked_transition_offset: r.i16()?,
            lock_n_go_timeout: r.u8()?,
            single_button_press: r.u8(),
            double_button_press: r.u8(),
            detached_cylinder: r.flag(),
            battery_type: r.u8(),
            automatic_battery_type: r.flag(),
            unlatch_duration: r.u8(),
            auto_lock_timeout: r.u16(),
            auto_unlock_disabled: r.flag(),
            night_mode: r.array::<7>().map(NightMode::from_bytes),
            night_mode_immediate_lock: r.flag(),
            auto_lock_enabled: r.flag(),
            immediate_auto_lock: r.u8(),
            auto_update: r.flag(),
            motor_speed: r.u8(),
            slow_speed_at_night: r.flag(),
        })
    }

    /// The payload, up to the first absent field.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.total_degrees.to_le_bytes().to_vec();
        let offsets = [
            self.unlocked_position_offset,
            self.locked_position_offset,
            self.single_locked_position_offset,
            self.unlocked_to_locked_transition_offset,
        ];
        out.extend(offsets.into_iter().flat_map(i16::to_le_bytes));
        out.push(self.lock_n_go_timeout);
        let flag = |flag: bool| vec![u8::from(flag)];
        let byte = |byte: u8| vec![byte];
        out.extend(up_to_absent([
            self.single_button_press.map(byte),
            self.double_button_press.map(byte),
            self.detached_cylinder.map(flag),
            self.battery_type.map(byte),
            self.automatic_battery_type.map(flag),
            self.unlatch_duration.map(byte),
            self.auto_lock_timeout.map(|seconds| seconds.to_le_bytes().to_vec()),
            self.auto_unlock_disabled.map(flag),
            self.night_mode.map(|mode| mode.to_bytes().to_vec()),
            self.night_mode_immediate_lock.map(flag),
            self.auto_lock_enabled.map(flag),
            self.immediate_auto_lock.map(byte),
            self.auto_update.map(flag),
            self.motor_speed.map(byte),
            self.slow_speed_at_night.map(flag),
        ]));
        out
    }
}

impl NightMode {
    const fn from_bytes(bytes: [u8; 7]) -> Self {
        let [enabled, start_hour, start_minute, end_hour, end_minute, auto_lock, auto_unlock_disabled] = bytes;
        Self {
            enabled: enabled != 0,
            start: (start_hour, start_minute),
            end: (end_hour, end_minute),
            auto_lock: auto_lock != 0,
            auto_unlock_disabled: auto_unlock_disabled != 0,
        }
    }

    fn to_bytes(self) -> [u8; 7] {
        let (start, end) = (self.start, self.end);
        let [enabled, auto_lock, auto_unlock] = [self.enabled, self.auto_lock, self.auto_unlock_disabled].map(u8::from);
        [enabled, start.0, start.1, end.0, end.1, auto_lock, auto_unlock]
    }
}
