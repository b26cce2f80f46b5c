//! Configuration and battery report.

use super::beacon::NukiId;
use super::datetime::DeviceTime;
use super::types::LockAction;
use super::wire::{Reader, TooShort, fixed_text, up_to_absent};

/// Config (0x0015) of a lock.
///
/// Id u32, name 32, latitude f32, longitude f32, auto unlatch, pairing, button
/// and LED flags, LED brightness, clock 7, zone offset i16, DST mode, has fob,
/// fob actions 3, single lock, advertising mode, has keypad, firmware 3,
/// hardware 2, HomeKit, zone id u16; from the 3rd generation device type,
/// capabilities; then has keypad 2, Matter, product variant. Old firmware ends
/// after 62, 64 or 72 bytes; what is missing is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Number of the device.
    pub nuki_id: NukiId,
    /// Name given by the owner.
    pub name: String,
    /// Degrees north.
    pub latitude: f32,
    /// Degrees east.
    pub longitude: f32,
    /// Pull the latch on every unlock.
    pub auto_unlatch: bool,
    /// The button may start pairing mode.
    pub pairing_enabled: bool,
    /// The button acts.
    pub button_enabled: bool,
    /// LED blinks while unlocked.
    pub led_flash: bool,
    /// 0 to 5.
    pub led_brightness: u8,
    /// The lock's clock.
    pub current_time: Option<DeviceTime>,
    /// Minutes from UTC.
    pub timezone_offset: i16,
    /// 0 off, 1 European.
    pub dst_mode: u8,
    /// A fob is paired.
    pub has_fob: bool,
    /// What one, two and three presses of the fob do.
    pub fob_actions: [u8; 3],
    /// Turn the key once only.
    pub single_lock: Option<bool>,
    /// 0 automatic, 1 normal, 2 slow, 3 slowest.
    pub advertising_mode: Option<u8>,
    /// A keypad is paired.
    pub has_keypad: Option<bool>,
    /// Major, minor, patch.
    pub firmware_version: Option<[u8; 3]>,
    /// Major, minor.
    pub hardware_revision: Option<[u8; 2]>,
    /// 0 n/a, 1 disabled, 2 enabled, 3 enabled and paired.
    pub homekit_status: Option<u8>,
    /// Index into the vendor's list of zones; 0xFFFF none.
    pub timezone_id: Option<u16>,
    /// 4 Smart Lock 3.0 and 4th generation, 5 Ultra family; absent on the 1st and 2nd.
    pub device_type: Option<u8>,
    /// Bit 0 Wi-Fi, bit 1 Thread.
    pub capabilities: Option<u8>,
    /// A keypad with fingerprint reader is paired.
    pub has_keypad2: Option<bool>,
    /// 0 n/a, 1 disabled, 2 disabled with data, 3 enabled, 4 enabled and paired.
    pub matter_status: Option<u8>,
    /// Product variant.
    pub product_variant: Option<u8>,
}

impl Config {
    /// The shortest form, of the oldest firmware.
    pub const MIN_LEN: usize = 63;

    /// Reads 63 bytes or more.
    ///
    /// # Errors
    /// [`TooShort`] below 63 bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, TooShort> {
        let mut r = Reader::at_least("Config", payload, Self::MIN_LEN)?;
        Self::read(&mut r).ok_or(TooShort { what: "Config", expected: Self::MIN_LEN, actual: payload.len() })
    }

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            nuki_id: r.u32()?,
            name: r.text::<32>()?,
            latitude: r.f32()?,
            longitude: r.f32()?,
            auto_unlatch: r.flag()?,
            pairing_enabled: r.flag()?,
            button_enabled: r.flag()?,
            led_flash: r.flag()?,
            led_brightness: r.u8()?,
            current_time: DeviceTime::read(r)?,
            timezone_offset: r.i16()?,
            dst_mode: r.u8()?,
            has_fob: r.flag()?,
            fob_actions: r.array()?,
            single_lock: r.flag(),
            advertising_mode: r.u8(),
            has_keypad: r.flag(),
            firmware_version: r.array(),
            hardware_revision: r.array(),
            homekit_status: r.u8(),
            timezone_id: r.u16(),
            device_type: r.u8(),
            capabilities: r.u8(),
            has_keypad2: r.flag(),
            matter_status: r.u8(),
            product_variant: r.u8(),
        })
    }

    /// The payload, up to the first absent field.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(79);
        out.extend_from_slice(&self.nuki_id.to_le_bytes());
        out.extend_from_slice(&fixed_text::<32>(&self.name));
        out.extend_from_slice(&self.latitude.to_le_bytes());
        out.extend_from_slice(&self.longitude.to_le_bytes());
        let flags = [self.auto_unlatch, self.pairing_enabled, self.button_enabled, self.led_flash];
        out.extend(flags.map(u8::from));
        out.push(self.led_brightness);
        out.extend_from_slice(&self.current_time.map_or([0; 7], DeviceTime::to_bytes));
        out.extend_from_slice(&self.timezone_offset.to_le_bytes());
        out.extend_from_slice(&[self.dst_mode, u8::from(self.has_fob)]);
        out.extend_from_slice(&self.fob_actions);
        out.extend(up_to_absent([
            self.single_lock.map(|b| vec![u8::from(b)]),
            self.advertising_mode.map(|b| vec![b]),
            self.has_keypad.map(|b| vec![u8::from(b)]),
            self.firmware_version.map(|v| v.to_vec()),
            self.hardware_revision.map(|v| v.to_vec()),
            self.homekit_status.map(|b| vec![b]),
            self.timezone_id.map(|id| id.to_le_bytes().to_vec()),
            self.device_type.map(|b| vec![b]),
            self.capabilities.map(|b| vec![b]),
            self.has_keypad2.map(|b| vec![u8::from(b)]),
            self.matter_status.map(|b| vec![b]),
            self.product_variant.map(|b| vec![b]),
        ]));
        out
    }
}

/// Config (0x0015) of an Opener.
///
/// As a lock's up to the longitude; then capabilities, pairing, button and LED
/// flags, clock 7, zone offset i16, DST mode, has fob, fob actions 3, operating
/// mode, advertising mode, has keypad, firmware 3, hardware 2, zone id u16, has
/// keypad 2. What older firmware does not send is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenerConfig {
    /// Number of the device.
    pub nuki_id: NukiId,
    /// Name given by the owner.
    pub name: String,
    /// Degrees north.
    pub latitude: f32,
    /// Degrees east.
    pub longitude: f32,
    /// 0 opens only, 1 opens and has ring to open, 2 ring to open only.
    pub capabilities: u8,
    /// The button may start pairing mode.
    pub pairing_enabled: bool,
    /// The button acts.
    pub button_enabled: bool,
    /// LED blinks.
    pub led_flash: bool,
    /// The Opener's clock.
    pub current_time: Option<DeviceTime>,
    /// Minutes from UTC.
    pub timezone_offset: i16,
    /// 0 off, 1 European.
    pub dst_mode: u8,
    /// A fob is paired.
    pub has_fob: bool,
    /// What one, two and three presses of the fob do.
    pub fob_actions: [u8; 3],
    /// Which kind of intercom it works at (`docs/protocol.md`).
    pub operating_mode: u8,
    /// 0 automatic, 1 normal, 2 slow, 3 slowest.
    pub advertising_mode: u8,
    /// A keypad is paired.
    pub has_keypad: bool,
    /// Major, minor, patch.
    pub firmware_version: Option<[u8; 3]>,
    /// Major, minor.
    pub hardware_revision: Option<[u8; 2]>,
    /// Index into the vendor's list of zones; 0xFFFF none.
    pub timezone_id: Option<u16>,
    /// A keypad with fingerprint reader is paired.
    pub has_keypad2: Option<bool>,
}

impl OpenerConfig {
    /// Everything up to the keypad.
    pub const MIN_LEN: usize = 65;

    /// Reads 65 bytes or more.
    ///
    /// # Errors
    /// [`TooShort`] below 65 bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, TooShort> {
        let mut r = Reader::at_least("Opener Config", payload, Self::MIN_LEN)?;
        Self::read(&mut r).ok_or(TooShort { what: "Opener Config", expected: Self::MIN_LEN, actual: payload.len() })
    }

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            nuki_id: r.u32()?,
            name: r.text::<32>()?,
            latitude: r.f32()?,
            longitude: r.f32()?,
            capabilities: r.u8()?,
            pairing_enabled: r.flag()?,
            button_enabled: r.flag()?,
            led_flash: r.flag()?,
            current_time: DeviceTime::read(r)?,
            timezone_offset: r.i16()?,
            dst_mode: r.u8()?,
            has_fob: r.flag()?,
            fob_actions: r.array()?,
            operating_mode: r.u8()?,
            advertising_mode: r.u8()?,
            has_keypad: r.flag()?,
            firmware_version: r.array(),
            hardware_revision: r.array(),
            timezone_id: r.u16(),
            has_keypad2: r.flag(),
        })
    }

    /// The payload, up to the first absent field.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(73);
        out.extend_from_slice(&self.nuki_id.to_le_bytes());
        out.extend_from_slice(&fixed_text::<32>(&self.name));
        out.extend_from_slice(&self.latitude.to_le_bytes());
        out.extend_from_slice(&self.longitude.to_le_bytes());
        out.push(self.capabilities);
        out.extend([self.pairing_enabled, self.button_enabled, self.led_flash].map(u8::from));
        out.extend_from_slice(&self.current_time.map_or([0; 7], DeviceTime::to_bytes));
        out.extend_from_slice(&self.timezone_offset.to_le_bytes());
        out.extend_from_slice(&[self.dst_mode, u8::from(self.has_fob)]);
        out.extend_from_slice(&self.fob_actions);
        out.extend_from_slice(&[self.operating_mode, self.advertising_mode, u8::from(self.has_keypad)]);
        out.extend(up_to_absent([
            self.firmware_version.map(|v| v.to_vec()),
            self.hardware_revision.map(|v| v.to_vec()),
            self.timezone_id.map(|id| id.to_le_bytes().to_vec()),
            self.has_keypad2.map(|b| vec![u8::from(b)]),
        ]));
        out
    }
}

/// Battery Report (0x0011), 17 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatteryReport {
    /// Drain of the last action, mWs.
    pub drain: u16,
    /// Voltage, mV.
    pub voltage: u16,
    /// Bit 0: critical.
    pub critical: u8,
    /// The action the figures belong to.
    pub lock_action: LockAction,
    /// Voltage at its start, mV.
    pub start_voltage: u16,
    /// Lowest voltage during it, mV.
    pub lowest_voltage: u16,
    /// Way of the motor, degrees.
    pub lock_distance: u16,
    /// Die temperature at its start, °C.
    pub start_temperature: i8,
    /// Highest motor current; unit not stated by the vendor.
    pub max_turn_current: u16,
    /// Battery resistance; unit not stated by the vendor.
    pub battery_resistance: u16,
}

impl BatteryReport {
    /// Bytes on the wire.
    pub const LEN: usize = 17;

    /// Reads 17 bytes or more.
    ///
    /// # Errors
    /// [`TooShort`] below 17 bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, TooShort> {
        let mut r = Reader::new(payload);
        (|| {
            Some(Self {
                drain: r.u16()?,
                voltage: r.u16()?,
                critical: r.u8()?,
                lock_action: r.u8()?.into(),
                start_voltage: r.u16()?,
                lowest_voltage: r.u16()?,
                lock_distance: r.u16()?,
                start_temperature: r.i8()?,
                max_turn_current: r.u16()?,
                battery_resistance: r.u16()?,
            })
        })()
        .ok_or(TooShort { what: "Battery Report", expected: Self::LEN, actual: payload.len() })
    }

    /// The payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN);
        out.extend_from_slice(&self.drain.to_le_bytes());
        out.extend_from_slice(&self.voltage.to_le_bytes());
        out.extend_from_slice(&[self.critical, self.lock_action.code()]);
        out.extend_from_slice(&self.start_voltage.to_le_bytes());
        out.extend_from_slice(&self.lowest_voltage.to_le_bytes());
        out.extend_from_slice(&self.lock_distance.to_le_bytes());
        out.extend_from_slice(&self.start_temperature.to_le_bytes());
        out.extend_from_slice(&self.max_turn_current.to_le_bytes());
        out.extend_from_slice(&self.battery_resistance.to_le_bytes());
        out
    }
}
