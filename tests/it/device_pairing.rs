//! Pairing with each device: both sides agree on one key, whatever becomes of a message on the way.

use std::collections::VecDeque;
use std::time::Duration;

use keyturner::protocol::crypto::Pin;
use keyturner::protocol::frame::{Message, decode_encrypted, encode_encrypted};
use keyturner::protocol::gatt::{Characteristic, Generation};
use keyturner::protocol::pairing::Applicant;
use keyturner::protocol::{Command, ErrorCode, IdType};
use keyturner::session::pairing::{Authorization, Output, Pairing, PairingConfig, PairingError};
use keyturner::simlock::{self, Device, Fault, LinkId, Moment, SimLock, SimLockConfig};

use crate::support::pair::{NUKI_ID, Twist, Twisted};

const APP_ID: u32 = 0x4B54_0001;

struct Room {
    lock: SimLock,
    now: Moment,
    link: u32,
    twisted: Option<Twisted>,
    /// Writes and indications that were on their way.
    crossed: (u32, u32),
}

impl Room {
    fn new(device: Device) -> Self {
        let lock = SimLock::new(SimLockConfig::of(device, NUKI_ID), [7; 32]);
        let now = Moment { mono: Duration::from_secs(1), unix_seconds: 1_795_442_400 };
        let mut room = Self { lock, now, link: 0, twisted: None, crossed: (0, 0) };
        room.feed(simlock::Input::PairingMode(true));
        room
    }

    fn feed(&mut self, input: simlock::Input) {
        self.lock.handle(input, self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now.mono += time;
        self.now.unix_seconds += i64::try_from(time.as_secs()).unwrap();
        self.feed(simlock::Input::Tick);
    }

    fn twist_of(&mut self, is_write: bool) -> Option<Twist> {
        let count = if is_write { &mut self.crossed.0 } else { &mut self.crossed.1 };
        *count += 1;
        match (self.twisted, is_write) {
            (Some(Twisted::Write(n, twist)), true) | (Some(Twisted::Indication(n, twist)), false) if n == *count => {
                Some(twist)
            }
            _ => None,
        }
    }

    /// A link that is made, and everything that crosses it until pairing is over.
    fn pair(&mut self, pin: Option<Pin>) -> Result<Authorization, PairingError> {
        self.link += 1;
        self.crossed = (0, 0);
        let link = LinkId(self.link);
        let characteristic = Characteristic::PairingGdio;
        self.feed(simlock::Input::Connected { link, mtu: 23 });
        self.feed(simlock::Input::Subscribed { link, characteristic, indications: true });
        let applicant = Applicant { id_type: IdType::Bridge, app_id: APP_ID, name: "Keyturner".to_owned() };
        let generation = self.lock.device().generation();
        let seed = [u8::try_from(self.link).unwrap(); 32];
        let mut pairing = Pairing::new(PairingConfig { generation, applicant, pin, seed }, self.now.mono);
        let result = self.converse(&mut pairing, link);
        self.feed(simlock::Input::Disconnected { link });
        while self.lock.poll().is_some() {}
        result
    }

    fn converse(&mut self, pairing: &mut Pairing, link: LinkId) -> Result<Authorization, PairingError> {
        let mut arriving: VecDeque<Vec<u8>> = VecDeque::new();
        for _ in 0..500 {
            if let Some(output) = pairing.poll() {
                match output {
                    Output::Finished(result) => return result.map(|authorization| *authorization),
                    Output::Write(characteristic, value) => {
                        let twist = self.twist_of(true);
                        if let Some(Twist::Delay(late)) = twist {
                            self.pass(late);
                        }
                        for value in twist.map_or_else(|| vec![value.clone()], |twist| twist.apply(&value)) {
                            self.feed(simlock::Input::Write { link, characteristic, value });
                        }
                    }
                }
            } else if let Some(value) = arriving.pop_front() {
                let twist = self.twist_of(false);
                if let Some(Twist::Delay(late)) = twist {
                    self.pass(late);
                }
                for value in twist.map_or_else(|| vec![value.clone()], |twist| twist.apply(&value)) {
                    pairing.handle_received(&value);
                }
                self.feed(simlock::Input::Confirmed { link });
            } else if let Some(output) = self.lock.poll() {
                match output {
                    simlock::Output::Indicate { value, .. } => arriving.push_back(value),
                    simlock::Output::Disconnect { .. } => pairing.handle_link_lost(),
                    simlock::Output::Advertise(_) => {}
                }
            } else {
                // Nobody has anything to say: time passes for whoever loses patience first.
                let due = [pairing.next_timeout(), self.lock.next_timeout()].into_iter().flatten().min();
                let wait = due.unwrap_or(self.now.mono).saturating_sub(self.now.mono);
                self.pass(wait.max(Duration::from_millis(1)));
                pairing.handle_timeout(self.now.mono);
            }
        }
        panic!("pairing without end");
    }

    /// Whether the device understands this key.
    fn is_known(&mut self, authorization: &Authorization) -> bool {
        let link = LinkId(10_000 + self.link);
        let characteristic = Characteristic::KeyturnerUsdio;
        self.feed(simlock::Input::Connected { link, mtu: 247 });
        self.feed(simlock::Input::Subscribed { link, characteristic, indications: true });
        let (key, auth_id) = (&authorization.key, authorization.auth_id);
        let value = encode_encrypted(key, &[9; 24], auth_id, &Message::request(Command::KeyturnerStates));
        self.feed(simlock::Input::Write { link, characteristic, value });
        let mut answer = Vec::new();
        while let Some(output) = self.lock.poll() {
            if let simlock::Output::Indicate { value, .. } = output {
                answer.extend(value);
                self.feed(simlock::Input::Confirmed { link });
            }
        }
        self.feed(simlock::Input::Disconnected { link });
        decode_encrypted(key, &answer).is_ok_and(|(_, message)| message.command == Command::KeyturnerStates)
    }
}

/// A lock that says nothing is waited for to the deadline, and nothing that comes later changes how it ended.
#[test]
fn a_pairing_ends_once_and_at_its_deadline() {
    let applicant = Applicant { id_type: IdType::Bridge, app_id: APP_ID, name: "Keyturner".to_owned() };
    let config = PairingConfig { generation: Generation::Gen1To4, applicant, pin: None, seed: [1; 32] };
    let mut pairing = Pairing::new(config, Duration::from_secs(1));
    assert!(matches!(pairing.poll(), Some(Output::Write(Characteristic::PairingGdio, _))));
    let deadline = pairing.next_timeout().unwrap();
    pairing.handle_timeout(deadline - Duration::from_millis(1));
    assert_eq!(pairing.poll(), None);
    pairing.handle_timeout(deadline);
    assert_eq!(pairing.poll(), Some(Output::Finished(Err(PairingError::Timeout))));
    pairing.handle_link_lost();
    pairing.handle_timeout(deadline + Duration::from_secs(60));
    pairing.handle_received(&[0x12, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00]);
    assert_eq!((pairing.poll(), pairing.next_timeout()), (None, None));
}

#[test]
fn each_device_is_paired_and_then_understands_the_key() {
    for device in Device::ALL {
        let mut room = Room::new(device);
        let authorization = room.pair(Some(device.pin())).unwrap_or_else(|error| panic!("{device:?}: {error}"));
        assert_eq!(authorization.id_type, device.bridge_role(), "{device:?}");
        assert_eq!(authorization.uuid, room.lock.uuid(), "{device:?}");
        assert!(room.is_known(&authorization), "{device:?}");
        let [user] = room.lock.users() else { panic!("{device:?}: {:?}", room.lock.users()) };
        assert_eq!((user.entry.auth_id, user.entry.name.as_str()), (authorization.auth_id, "Keyturner"), "{device:?}");
        assert_eq!(user.entry.id_type, device.bridge_role(), "{device:?}");
    }
}

#[test]
fn no_device_pairs_outside_pairing_mode() {
    for device in Device::ALL {
        let mut room = Room::new(device);
        room.feed(simlock::Input::PairingMode(false));
        assert_eq!(room.pair(Some(device.pin())), Err(PairingError::Refused(ErrorCode::NotPairing)), "{device:?}");
        assert!(room.lock.users().is_empty(), "{device:?}");
    }
}

#[test]
fn pairing_again_replaces_the_authorization_of_the_same_client() {
    for device in Device::ALL {
        let mut room = Room::new(device);
        let first = room.pair(Some(device.pin())).unwrap();
        room.feed(simlock::Input::PairingMode(true));
        let second = room.pair(Some(device.pin())).unwrap();
        assert!(!room.is_known(&first) && room.is_known(&second), "{device:?}");
        assert_eq!(room.lock.users().len(), 1, "{device:?}");
    }
}

#[test]
fn the_5th_generation_wants_its_pin_and_says_no_without_it() {
    let mut room = Room::new(Device::Ultra);
    assert_eq!(room.pair(None), Err(PairingError::PinNeeded));
    assert_eq!(room.pair(Some(Pin::new(654_321))), Err(PairingError::Refused(ErrorCode::BadPin)));
    assert_eq!(room.lock.pin_refusals(), 1);
    assert!(room.lock.users().is_empty());
    assert!(room.pair(Some(Device::Ultra.pin())).is_ok(), "still in pairing mode");
    let mut room = Room::new(Device::Ultra);
    for _ in 0..3 {
        assert_eq!(room.pair(Some(Pin::new(1))), Err(PairingError::Refused(ErrorCode::BadPin)));
    }
    let locked_out = Err(PairingError::Refused(ErrorCode::TooManyPinAttempts));
    assert_eq!(room.pair(Some(Device::Ultra.pin())), locked_out, "not even with the right one");
}

#[test]
fn a_5th_generation_without_a_pin_is_not_paired() {
    let config = SimLockConfig { pin: Pin::new(0), ..SimLockConfig::of(Device::Ultra, NUKI_ID) };
    let mut room = Room { lock: SimLock::new(config, [7; 32]), ..Room::new(Device::Ultra) };
    room.feed(simlock::Input::PairingMode(true));
    assert_eq!(room.pair(Some(Device::Ultra.pin())), Err(PairingError::PinNeeded));
}

#[test]
fn a_refusal_in_plain_is_understood_where_everything_else_is_encrypted() {
    // The last write of the 5th generation is not understood, so the answer cannot be encrypted.
    let mut room = Room::new(Device::Ultra);
    room.twisted = Some(Twisted::Write(4, Twist::Truncate));
    let result = room.pair(Some(Device::Ultra.pin()));
    assert!(matches!(result, Err(PairingError::Refused(_))), "{result:?}");
    assert!(room.lock.users().is_empty());
}

#[test]
fn whatever_becomes_of_one_message_pairing_ends_and_works_the_next_time() {
    for device in Device::ALL {
        let mut undisturbed = Room::new(device);
        undisturbed.pair(Some(device.pin())).unwrap();
        let (writes, indications) = undisturbed.crossed;
        assert!(writes >= 4 && indications >= 4, "{device:?}: {writes} and {indications}");
        let all = (1..=writes).map(|n| (true, n)).chain((1..=indications).map(|n| (false, n)));
        for (is_write, n) in all {
            for twist in Twist::ALL {
                let twisted = if is_write { Twisted::Write(n, twist) } else { Twisted::Indication(n, twist) };
                let mut room = Room::new(device);
                room.twisted = Some(twisted);
                let began = room.now.mono;
                let result = room.pair(Some(device.pin()));
                let what = format!("{device:?}, {twisted:?}: {result:?}");
                assert!(room.now.mono - began <= Duration::from_secs(37), "{what}: it took too long");
                if let Ok(authorization) = &result {
                    assert!(room.is_known(authorization), "{what}: the device does not know it");
                }
                assert!(room.lock.users().len() <= 1, "{what}");
                room.twisted = None;
                room.feed(simlock::Input::PairingMode(true));
                let again = room.pair(Some(device.pin()));
                assert!(again.is_ok_and(|authorization| room.is_known(&authorization)), "{what}, then");
                assert_eq!(room.lock.users().len(), 1, "{what}: one client, one authorization");
            }
        }
    }
}

#[test]
fn a_device_that_falls_silent_does_not_hold_pairing_up_for_ever() {
    for device in Device::ALL {
        let mut room = Room::new(device);
        room.feed(simlock::Input::Fault(Fault::MuteNextAnswer));
        assert!(
            matches!(room.pair(Some(device.pin())), Err(PairingError::Timeout | PairingError::LinkLost)),
            "{device:?}"
        );
    }
}
