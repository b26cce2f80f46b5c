//! A simulated lock or Opener: a state machine seen from the device's side.
//!
//! Which one is a parameter, [`Device`]. It behaves as `docs/protocol.md` says a lock behaves, so that a gateway
//! cannot tell it from a real one. Pure, like `protocol`: time comes in as an
//! argument, randomness from a seed, bytes as values.

mod answers;
mod bolt;
mod commands;
mod config;
mod device;
mod fault;
mod io;
mod keypad;
mod limits;
mod link;
mod log;
mod motion;
mod opener;
mod owner;
mod pairing;
mod people;
mod people_act;
mod pin;
mod setters;
mod users;

pub use config::{CodeConfig, Pieces, SimLockConfig, UserConfig};
pub use device::Device;
pub use fault::{Fault, Faults};
pub use io::{Advertising, Input, LinkId, Moment, Output};
pub use keypad::KeypadRecord;
pub use owner::Owner;
pub use people::{DoorMove, Person, Refusal, Turn};
pub use users::UserRecord;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::protocol::beacon::{self, Beacon};
use crate::protocol::datetime::DeviceTime;
use crate::protocol::log::LogEntry;
use crate::protocol::pairing::LockUuid;
use crate::protocol::state::{AccessoryBattery, Battery, KeyturnerStates, LastAction, Network};
use crate::protocol::{DoorSensorState, LockState, NukiState, Trigger};

use bolt::Bolt;
use keypad::Keypad;
use link::Link;
use log::ActivityLog;
use opener::OpenerModes;
use pin::PinGuard;
use users::Users;

/// A simulated lock.
///
/// The contract, as in quinn and str0m:
///
/// * Inputs: [`handle`](Self::handle) with one [`Input`] and the moment. `now`
///   must not go backwards. [`Input::Tick`] does nothing but let time pass.
/// * Outputs: after every input call [`poll`](Self::poll) until it says `None`.
/// * Time: then ask [`next_timeout`](Self::next_timeout), and feed
///   [`Input::Tick`] when that point of `Moment::mono` has come, or any other
///   input before. Late ticks are fine: everything that fell due meanwhile
///   happens in order, each with its own time.
///
/// Everything else only looks. Nothing that comes in over a link can panic.
#[derive(Debug)]
pub struct SimLock {
    config: SimLockConfig,
    rng: ChaCha20Rng,
    uuid: LockUuid,
    /// The lock's clock minus the host's, seconds.
    clock_offset: i64,
    users: Users,
    keypad: Keypad,
    log: ActivityLog,
    bolt: Bolt,
    opener: OpenerModes,
    door_open: bool,
    pin: PinGuard,
    pairing_until: Option<Duration>,
    config_update_count: u8,
    /// Beacon bit 0.
    unread: bool,
    faults: Faults,
    /// Whether answers are swallowed while the current input is handled.
    is_mute: bool,
    links: BTreeMap<LinkId, Link>,
    outputs: VecDeque<Output>,
    advertised: Option<Advertising>,
    executions: BTreeMap<(u32, String), u32>,
    refusal: Option<Refusal>,
}

/// What a lock would tell about itself, without its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// Operating mode.
    pub nuki_state: NukiState,
    /// Bolt.
    pub lock_state: LockState,
    /// What set off the last change of the bolt.
    pub trigger: Trigger,
    /// Bytes 15 to 17 of Keyturner States.
    pub last_action: LastAction,
    /// Door sensor.
    pub door: DoorSensorState,
    /// Beacon bit 0.
    pub state_changed: bool,
    /// Counts accepted changes of the configuration.
    pub config_update_count: u8,
}

impl SimLock {
    /// A lock as it comes from the factory described by `config`; equal seeds give equal locks.
    #[must_use]
    pub fn new(config: SimLockConfig, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut uuid = [0; 16];
        rng.fill_bytes(&mut uuid);
        let users = Users::new(&config.users, &mut rng);
        let keypad = Keypad::new(&config.codes);
        let mut lock = Self {
            uuid,
            rng,
            clock_offset: 0,
            users,
            keypad,
            log: ActivityLog::new(config.log_capacity, config.log_start),
            bolt: Bolt::new(config.lock_state),
            opener: OpenerModes::default(),
            door_open: config.door_open,
            pin: PinGuard::new(config.pin, config.pin_attempts, config.pin_lockout),
            pairing_until: None,
            config_update_count: 0,
            unread: false,
            faults: config.faults.clone(),
            is_mute: false,
            links: BTreeMap::new(),
            outputs: VecDeque::new(),
            advertised: None,
            executions: BTreeMap::new(),
            refusal: None,
            config,
        };
        lock.advertise();
        lock
    }

    /// Takes one input. See the type for the contract.
    pub fn handle(&mut self, input: Input, now: Moment) {
        self.advance(now);
        match input {
            Input::Tick => {}
            Input::Connected { link, mtu } => self.connected(link, mtu, now),
            Input::MtuChanged { link, mtu } => {
                if let Some(port) = self.links.get_mut(&link) {
                    port.set_mtu(mtu);
                }
            }
            Input::Disconnected { link } => self.forget_link(link),
            Input::Subscribed { link, characteristic, indications } => {
                if let Some(port) = self.links.get_mut(&link) {
                    port.subscribe(characteristic, indications);
                    port.touch(now);
                }
            }
            Input::Write { link, characteristic, value } => self.written(link, characteristic, &value, now),
            Input::Confirmed { link } => {
                if let Some(port) = self.links.get_mut(&link) {
                    port.confirmed(now);
                }
            }
            Input::SetZone(minutes) => self.config.timezone_offset = minutes,
            Input::Person(person) => self.refusal = self.person(person, now).err(),
            Input::PairingMode(on) => self.set_pairing_mode(on, now),
            Input::SetClock(unix_seconds) => self.clock_offset = unix_seconds.saturating_sub(now.unix_seconds),
            Input::Owner(act) => self.owner(act, now),
            Input::ClearLog => self.log.clear(),
            Input::Fault(fault) => self.faults.apply(fault),
        }
        self.flush(now);
    }

    /// The next thing to do outside.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When time alone will change something, as a point of [`Moment::mono`].
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        self.next_timer().map(|(due, _)| due)
    }

    /// What it would tell about itself.
    #[must_use]
    pub fn state(&self) -> Snapshot {
        Snapshot {
            nuki_state: self.nuki_state(),
            lock_state: self.bolt.state,
            trigger: self.bolt.trigger,
            last_action: self.bolt.last_action,
            door: self.door_sensor(),
            state_changed: self.is_bit_set(),
            config_update_count: self.config_update_count,
        }
    }

    /// Its activity log, oldest first.
    #[must_use]
    pub fn log(&self) -> &VecDeque<LogEntry> {
        self.log.entries()
    }

    /// Whether it writes its log.
    #[must_use]
    pub fn is_logging(&self) -> bool {
        self.log.enabled
    }

    /// How often it refused a PIN.
    #[must_use]
    pub const fn pin_refusals(&self) -> u32 {
        self.pin.refusals()
    }

    /// Its clock minus the host's, seconds.
    #[must_use]
    pub const fn clock_offset(&self) -> i64 {
        self.clock_offset
    }

    /// Its authorizations, in order of their numbers.
    #[must_use]
    pub fn users(&self) -> &[UserRecord] {
        self.users.all()
    }

    /// Its keypad codes.
    #[must_use]
    pub fn keypad_codes(&self) -> &[KeypadRecord] {
        self.keypad.all()
    }

    /// How often an action of this client with this name suffix (empty for none) was carried out.
    #[must_use]
    pub fn executions(&self, app_id: u32, suffix: &str) -> u32 {
        self.executions.get(&(app_id, suffix.to_owned())).copied().unwrap_or(0)
    }

    /// How many lock actions were carried out over Bluetooth.
    #[must_use]
    pub fn executions_total(&self) -> u32 {
        self.executions.values().sum()
    }

    /// Why the last person at the door got nothing; `None` if they did.
    #[must_use]
    pub const fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// How many centrals are connected.
    #[must_use]
    pub fn link_count(&self) -> usize {
        self.links.len()
    }

    /// Its number.
    #[must_use]
    pub const fn nuki_id(&self) -> u32 {
        self.config.nuki_id
    }

    /// Which device it is.
    #[must_use]
    pub const fn device(&self) -> Device {
        self.config.device
    }

    /// Its uuid, which a client gets at pairing.
    #[must_use]
    pub const fn uuid(&self) -> LockUuid {
        self.uuid
    }

    /// Keyturner States as it would send them now.
    #[must_use]
    pub fn states(&self, now: Moment) -> KeyturnerStates {
        let length = self.config.states_len;
        let has_keypad = self.keypad_auth().is_some();
        let accessories = u8::from(has_keypad) | u8::from(self.config.has_door_sensor) << 2;
        // Of the network only "a bridge is paired" can be on: Wi-Fi and Thread are off where there are any.
        let network = Network {
            remote_access: u8::from(self.users.bridge().is_some()) << 1,
            ble_rssi: 1,
            wifi_rssi: 1,
            wifi: 0,
            mqtt: 0,
            thread: 0,
        };
        KeyturnerStates {
            nuki_state: self.nuki_state(),
            lock_state: self.bolt.state,
            trigger: self.bolt.trigger,
            current_time: self.device_time(now),
            timezone_offset: self.config.timezone_offset,
            // An Opener knows only whether its batteries are critical.
            battery: Battery(if self.config.device.is_opener() { 0 } else { (self.config.battery_percent / 2) << 2 }),
            config_update_count: self.config_update_count,
            lock_n_go_timer: self.bolt.lock_n_go_seconds(now.mono).max(self.opener.ring_to_open_left(now.mono)),
            last_action: (length >= 19).then_some(self.bolt.last_action),
            door_sensor: (length >= 19).then(|| self.door_sensor()),
            night_mode: (length >= 21).then_some(false),
            accessory_battery: (length >= 21).then_some(AccessoryBattery(accessories)),
            network: (length > 21).then_some(network),
        }
    }

    /// Keyturner States on the wire, cut where this firmware's end.
    fn states_payload(&mut self, now: Moment) -> Vec<u8> {
        if self.faults.restless_counter {
            self.config_update_count = self.config_update_count.wrapping_add(1);
        }
        let mut payload = self.states(now).encode();
        payload.truncate(self.config.states_len);
        payload
    }

    fn nuki_state(&self) -> NukiState {
        match self.pairing_until {
            Some(_) => NukiState::Pairing,
            None if self.opener.is_continuous => NukiState::Continuous,
            None => NukiState::Door,
        }
    }

    fn door_sensor(&self) -> DoorSensorState {
        match (self.config.has_door_sensor, self.door_open) {
            (false, _) => DoorSensorState::Unavailable,
            (true, true) => DoorSensorState::Opened,
            (true, false) => DoorSensorState::Closed,
        }
    }

    /// The lock's own clock.
    fn device_time(&self, now: Moment) -> Option<DeviceTime> {
        DeviceTime::from_unix_seconds(now.unix_seconds.saturating_add(self.clock_offset))
    }

    fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    fn is_bit_set(&self) -> bool {
        self.unread && self.config.device.beacon_tells() || self.faults.stuck_beacon
    }

    /// Puts an advertisement out if it differs from the one on the air.
    fn advertise(&mut self) {
        let SimLockConfig { nuki_id, device, .. } = self.config;
        let family = device.family();
        let data = if self.pairing_until.is_some() {
            beacon::encode_pairing(device.pairing_mode(), nuki_id)
        } else {
            let state_changed = self.is_bit_set();
            let tx_power = device.tx_power() | i8::from(state_changed);
            beacon::encode_beacon(&Beacon { nuki_id, family, state_changed, tx_power })
        };
        let wanted = Advertising { data, scan_response: beacon::encode_scan_response(family, nuki_id) };
        if self.advertised.as_ref() != Some(&wanted) {
            self.advertised = Some(wanted.clone());
            self.outputs.push_back(Output::Advertise(wanted));
        }
    }

    fn flush(&mut self, now: Moment) {
        for (id, port) in &mut self.links {
            if let Some((characteristic, value)) = port.next_piece(self.config.pieces, now) {
                self.outputs.push_back(Output::Indicate { link: *id, characteristic, value });
            }
        }
        let gone: Vec<LinkId> = self.links.iter().filter(|(_, port)| port.is_over()).map(|(id, _)| *id).collect();
        for link in gone {
            self.hang_up(link);
        }
        self.advertise();
    }

    fn hang_up(&mut self, link: LinkId) {
        self.forget_link(link);
        self.outputs.push_back(Output::Disconnect { link });
    }

    fn forget_link(&mut self, link: LinkId) {
        self.links.remove(&link);
        // Nonces do not outlive the link they were sent over.
        self.users.drop_nonces(link);
    }

    fn connected(&mut self, link: LinkId, mtu: u16, now: Moment) {
        if self.links.len() >= self.config.max_links && !self.links.contains_key(&link) {
            self.outputs.push_back(Output::Disconnect { link });
            return;
        }
        self.forget_link(link);
        self.links.insert(link, Link::new(mtu, now));
    }
}
