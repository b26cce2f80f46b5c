//! A session and a simulated lock, and between them whoever the bytes make: one who loses, doubles, cuts and spoils
//! messages, and, past a certain command, one who has the key and seals whatever he likes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::bytes::Bytes;
use crate::protocol::beacon::{Beacon, Family};
use crate::protocol::crypto::{Pin, SharedKey};
use crate::protocol::frame::{AuthId, Framing, Message, Reassembler, decode_encrypted, encode_encrypted};
use crate::protocol::gatt::{Characteristic, Generation};
use crate::protocol::pairing::Applicant;
use crate::protocol::request::LockActionCommand;
use crate::protocol::users::CodeDigits;
use crate::protocol::{Command, ErrorCode, IdType, LockAction, OpenerAction};
use crate::session::pairing::{self, Pairing, PairingConfig};
use crate::session::{
    ActionRequest, CodeChange, Input, NotDone, Outcome, Output, PinTries, Session, SessionConfig, intent_suffix,
};
use crate::simlock::{self, Device, Fault, LinkId, Moment, Person, SimLock, SimLockConfig, Turn};

const NUKI_ID: u32 = 0x0A1B_2C3D;
const APP_ID: u32 = 0x4B54_0001;
/// 2026-11-23 14:00:00 UTC.
const START: i64 = 1_795_442_400;
const LINK: LinkId = LinkId(7);
/// So much may come of one input; more is a loop that feeds itself.
const MAX_AT_ONCE: u32 = 500;
/// So many commands; longer lives find nothing that shorter ones do not.
const MAX_STEPS: u32 = 400;
/// An action leaves and is answered within these times of the request (`docs/design.md`, "Acting").
const SEND_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_WITHIN: Duration = Duration::from_millis(14_500);

/// Bytes as a life of a session: the device, then commands with what they need.
pub fn session(data: &[u8]) {
    let mut bytes = Bytes(data);
    let Some(device) = bytes.pick(&Device::ALL) else { return };
    let Some(mut house) = House::new(device) else { return };
    for _ in 0..MAX_STEPS {
        let Some(command) = bytes.next() else { break };
        house.step(command, &mut bytes);
    }
    house.end();
}

/// What is known of an action that was asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    at: Duration,
    /// How often its command left.
    left: u32,
    /// A refusal reached the session since it left last.
    is_freed: bool,
    is_accepted: bool,
    outcome: Option<Outcome>,
}

struct House {
    session: Session,
    lock: SimLock,
    now: Duration,
    key: SharedKey,
    auth_id: AuthId,
    generation: Generation,
    is_linked: bool,
    wants_link: bool,
    is_stopped: bool,
    to_lock: VecDeque<(Characteristic, Vec<u8>)>,
    to_us: VecDeque<(Characteristic, Vec<u8>)>,
    /// What the session has been told, as somebody with the key reads it.
    heard: Reassembler,
    /// Nobody has sealed anything but session and lock.
    is_honest: bool,
    asked: BTreeMap<i64, Asked>,
    /// Index of the last entry that was told.
    cursor: u32,
}

impl House {
    fn new(device: Device) -> Option<Self> {
        let config = SimLockConfig::family_of(device, NUKI_ID);
        let generation = device.generation();
        let mut lock = SimLock::new(config, [7; 32]);
        let (auth_id, key) = paired(&mut lock, device.pin())?;
        while lock.poll().is_some() {}
        let now = Duration::from_secs(1);
        let config = SessionConfig {
            generation,
            auth_id,
            key: key.clone(),
            app_id: APP_ID,
            pin: Some(device.pin()),
            pin_tries: PinTries::default(),
            cursor: 0,
            anchor: None,
            seed: [9; 32],
        };
        let mut house = Self {
            session: Session::new(config, now),
            lock,
            now,
            key,
            auth_id,
            generation,
            is_linked: false,
            wants_link: false,
            is_stopped: false,
            to_lock: VecDeque::new(),
            to_us: VecDeque::new(),
            heard: Reassembler::new(Framing::Encrypted),
            is_honest: true,
            asked: BTreeMap::new(),
            cursor: 0,
        };
        house.input(Input::ReadState);
        Some(house)
    }

    fn step(&mut self, command: u8, bytes: &mut Bytes<'_>) {
        match command {
            // Mostly things go as they should, so that there is something to go wrong in the middle of.
            0x00..=0x3F => (0..=command).for_each(|_| self.flow()),
            0x40..=0x47 => self.pass(Duration::from_millis(30 << (command & 7))),
            0x48 => self.pass(Duration::from_secs(60)),
            0x49 => self.pass(Duration::from_secs(3_600)),
            0x4A..=0x4F => self.act(bytes),
            0x50 => drop(self.to_lock.pop_front()),
            0x51 => drop(self.to_us.pop_front()),
            0x52 => self.to_lock.extend(self.to_lock.front().cloned()),
            0x53 => self.to_us.extend(self.to_us.front().cloned()),
            0x54 => cut(self.to_lock.front_mut(), bytes),
            0x55 => cut(self.to_us.front_mut(), bytes),
            0x56 => spoil(self.to_lock.front_mut(), bytes),
            0x57 => spoil(self.to_us.front_mut(), bytes),
            0x58 => self.lose_link(),
            0x59 if self.wants_link => {
                self.wants_link = false;
                self.input(Input::ConnectFailed);
            }
            0x5A if self.is_linked => self.input(Input::WriteFailed),
            0x5B => self.raw(Characteristic::KeyturnerUsdio, bytes),
            0x5C => self.raw(Characteristic::KeyturnerGdio, bytes),
            0x5D => self.raw(Characteristic::PairingGdio, bytes),
            0x5E => self.input(Input::ExpectAction),
            0x60..=0x6F => self.ask(command, bytes),
            0x70..=0x7F => self.at_the_door(command, bytes),
            0x80..=0xBF => self.forge(command, bytes),
            0xC0..=0xFF => self.reseal(bytes),
            _ => {}
        }
    }

    /// The next thing that would happen if nobody interfered.
    fn flow(&mut self) {
        if self.wants_link {
            self.connect();
        } else if let Some((characteristic, value)) = self.to_lock.pop_front() {
            self.feed(simlock::Input::Write { link: LINK, characteristic, value });
        } else if let Some((characteristic, value)) = self.to_us.pop_front() {
            self.receive(characteristic, value);
            self.feed(simlock::Input::Confirmed { link: LINK });
        } else {
            let next = [self.session.next_timeout(), self.lock.next_timeout()].into_iter().flatten().min();
            let wait = next.map_or(Duration::ZERO, |next| next.saturating_sub(self.now));
            self.pass(wait.min(Duration::from_secs(1)));
        }
    }

    fn connect(&mut self) {
        self.wants_link = false;
        self.is_linked = true;
        self.heard.clear();
        self.feed(simlock::Input::Connected { link: LINK, mtu: 247 });
        for characteristic in [Characteristic::KeyturnerGdio, Characteristic::KeyturnerUsdio] {
            self.feed(simlock::Input::Subscribed { link: LINK, characteristic, indications: true });
        }
        // The lock may have ended it already, of which the session knows.
        if self.is_linked {
            self.input(Input::Connected);
        }
    }

    fn lose_link(&mut self) {
        if self.is_linked {
            self.unlink();
            self.feed(simlock::Input::Disconnected { link: LINK });
            self.input(Input::Disconnected);
        }
    }

    fn unlink(&mut self) {
        self.is_linked = false;
        self.to_lock.clear();
        self.to_us.clear();
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now.saturating_add(time);
        for _ in 0..100_000 {
            let due = [self.session.next_timeout(), self.lock.next_timeout()].into_iter().flatten().min();
            let next = due.map_or(end, |due| due.clamp(self.now, end));
            self.now = next;
            let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= next);
            if is_due(self.session.next_timeout()) {
                self.session.handle_timeout(self.now);
                self.carry_out();
            } else if is_due(self.lock.next_timeout()) {
                self.feed(simlock::Input::Tick);
            } else if next >= end {
                return;
            }
        }
        assert!(time > Duration::from_secs(60), "time stands still");
    }

    fn moment(&self) -> Moment {
        let seconds = i64::try_from(self.now.as_secs()).unwrap_or(0);
        Moment { mono: self.now, unix_seconds: START.saturating_add(seconds) }
    }

    fn feed(&mut self, input: simlock::Input) {
        self.lock.handle(input, self.moment());
        while let Some(output) = self.lock.poll() {
            match output {
                simlock::Output::Indicate { characteristic, value, .. } => {
                    self.to_us.push_back((characteristic, value))
                }
                simlock::Output::Disconnect { .. } if self.is_linked => {
                    self.unlink();
                    self.input(Input::Disconnected);
                }
                simlock::Output::Disconnect { .. } | simlock::Output::Advertise(_) => {}
            }
        }
    }

    fn input(&mut self, input: Input) {
        self.session.handle(input, self.now);
        self.carry_out();
    }

    /// Bytes reach the session. What refuses something in them may free actions to leave again.
    fn receive(&mut self, characteristic: Characteristic, value: Vec<u8>) {
        if !self.is_linked {
            return;
        }
        if characteristic == Characteristic::KeyturnerUsdio {
            self.heard.push(&value);
            while let Ok(Some(frame)) = self.heard.next_frame() {
                let is_refusal = decode_encrypted(&self.key, &frame)
                    .is_ok_and(|(_, message)| message.command == Command::ErrorReport);
                self.asked.values_mut().for_each(|asked| asked.is_freed |= is_refusal);
            }
        }
        self.input(Input::Received(characteristic, value));
    }

    fn act(&mut self, bytes: &mut Bytes<'_>) {
        let intent_id = 1 + i64::try_from(self.asked.len()).unwrap_or(0);
        let action = match self.generation {
            Generation::Opener => OpenerAction::from_code(1 + bytes.byte() % 5).command(),
            _ => LockAction::from_code(1 + bytes.byte() % 5),
        };
        let asked = Asked { at: self.now, left: 0, is_freed: false, is_accepted: false, outcome: None };
        self.asked.insert(intent_id, asked);
        // As the gateway does it; with time in between, or in vain, by a command of its own.
        self.input(Input::ExpectAction);
        self.input(Input::Act(ActionRequest { intent_id, action, asked_at: self.now }));
    }

    /// What else the gateway wants.
    fn ask(&mut self, command: u8, bytes: &mut Bytes<'_>) {
        let state_changed = bytes.0.first().is_some_and(|byte| byte & 1 == 1);
        let beacon = Beacon { nuki_id: NUKI_ID, family: Family::Lock, state_changed, tx_power: -60 };
        let digits = CodeDigits::new(968_574);
        match (command & 0x0F, digits) {
            (0..=3, _) => self.input(Input::Beacon(beacon)),
            (4, _) => self.input(Input::ReadState),
            (5, _) => self.input(Input::ReadLog),
            (6, _) => self.input(Input::CheckLog),
            (7, _) => self.input(Input::ReadDirectory),
            (8, _) => self.input(Input::SetClock { at_zero: START.saturating_mul(1_000) }),
            (9, Some(digits)) => self.input(Input::ChangeCode(CodeChange::Add {
                name: "Cleaner".to_owned(),
                digits: digits.into(),
                time_limit: None,
            })),
            (10, _) => self.input(Input::ChangeCode(CodeChange::Remove(u16::from(bytes.byte())))),
            (11, Some(digits)) => self.input(Input::ChangeCode(CodeChange::Update {
                code_id: u16::from(bytes.byte()),
                name: None,
                digits: Some(digits.into()),
                enabled: Some(state_changed),
                time_limit: None,
            })),
            (12, _) => {
                let cursor = u32::from(bytes.byte());
                self.cursor = cursor;
                self.input(Input::Rewind(cursor));
            }
            (13, _) => {
                let pin = Some(Pin::new(u32::from(bytes.byte())));
                self.input(Input::NewPin { pin, tries: PinTries::default() });
            }
            (14, _) => self.stop(),
            _ => {}
        }
    }

    fn at_the_door(&mut self, command: u8, bytes: &mut Bytes<'_>) {
        let input = match command & 0x0F {
            0 => simlock::Input::Person(Person::ManualTurn(Turn::Unlock)),
            1 => simlock::Input::Person(Person::ManualTurn(Turn::Lock)),
            2 => simlock::Input::Person(Person::keypad(583_921)),
            3 => simlock::Input::Person(Person::KeypadWrongCode),
            4 => simlock::Input::Person(Person::Button),
            5 => simlock::Input::Person(Person::Ring),
            6 => simlock::Input::ClearLog,
            7 => simlock::Input::SetClock(START.saturating_add(i64::from(bytes.byte()) * 600)),
            8 => simlock::Input::Fault(Fault::DropAfterAccepted),
            9 => simlock::Input::Fault(Fault::IgnoreNextWrite),
            10 => simlock::Input::Fault(Fault::MuteNextAnswer),
            11 => simlock::Input::Fault(Fault::DuplicateAccepted),
            12 => simlock::Input::Fault(Fault::CompleteWithoutAccepted),
            13 => simlock::Input::Fault(Fault::ShortList),
            14 => simlock::Input::Fault(Fault::RestlessCounter(bytes.byte() & 1 == 1)),
            _ => simlock::Input::Fault(Fault::MotorBlocked),
        };
        self.feed(input);
    }

    /// Bytes that no key has sealed.
    fn raw(&mut self, characteristic: Characteristic, bytes: &mut Bytes<'_>) {
        self.receive(characteristic, bytes.some().to_vec());
    }

    /// A message of anybody's making under the right key.
    fn forge(&mut self, command: u8, bytes: &mut Bytes<'_>) {
        self.is_honest = false;
        let id = u16::from(command & 0x3F);
        // The four that are not below 0x40.
        let id = [0x0100, 0x0012, 0x000E, 0x005F].get(usize::from(id).wrapping_sub(0x3C)).copied().unwrap_or(id);
        let frame = self.sealed(&Message::new(Command::from_id(id), bytes.some()));
        self.receive(Characteristic::KeyturnerUsdio, frame);
    }

    /// The message that is on its way, with some of its bytes turned.
    fn reseal(&mut self, bytes: &mut Bytes<'_>) {
        let Some((characteristic, frame)) = self.to_us.pop_front() else { return };
        let Ok((_, mut message)) = decode_encrypted(&self.key, &frame) else {
            return self.to_us.push_front((characteristic, frame));
        };
        self.is_honest = false;
        let turns = bytes.some();
        for turn in turns.chunks_exact(2) {
            let [at, with] = turn else { continue };
            if let Some(byte) = message.payload.get_mut(usize::from(*at)) {
                *byte ^= with;
            }
        }
        if let [.., last] = turns
            && turns.len() % 2 == 1
        {
            message.payload.truncate(usize::from(*last));
        }
        let frame = self.sealed(&message);
        self.to_us.push_front((characteristic, frame));
    }

    fn sealed(&self, message: &Message) -> Vec<u8> {
        encode_encrypted(&self.key, &[0x5A; 24], self.auth_id, message)
    }

    fn stop(&mut self) {
        self.is_stopped = true;
        self.input(Input::Stop);
    }

    fn carry_out(&mut self) {
        for _ in 0..MAX_AT_ONCE {
            let Some(output) = self.session.poll() else { return };
            match output {
                Output::Connect => {
                    assert!(!self.is_linked && !self.wants_link, "one link is enough");
                    assert!(!self.is_stopped, "nothing begins after the end");
                    self.wants_link = true;
                }
                Output::Disconnect if self.is_linked => {
                    self.unlink();
                    // The session knows, and hears no more of a link that it has left.
                    self.lock.handle(simlock::Input::Disconnected { link: LINK }, self.moment());
                }
                Output::Write(characteristic, value) => {
                    assert!(self.is_linked, "nothing is written without a link");
                    self.left(&value);
                    self.to_lock.push_back((characteristic, value));
                }
                Output::Log { entries, .. } => {
                    for entry in entries {
                        assert!(
                            entry.index > self.cursor,
                            "entry {} is told once, behind {}",
                            entry.index,
                            self.cursor
                        );
                        self.cursor = entry.index;
                    }
                }
                Output::LogReset { .. } => self.cursor = 0,
                Output::ActionAccepted { intent_id } => {
                    let asked = self.asked.get_mut(&intent_id);
                    assert!(asked.as_ref().is_some_and(|asked| asked.left > 0), "what is accepted has left");
                    let before = asked.map(|asked| core::mem::replace(&mut asked.is_accepted, true));
                    assert_eq!(before, Some(false), "it is accepted once");
                }
                Output::ActionFinished { intent_id, outcome } => self.finished(intent_id, outcome),
                _ => {}
            }
        }
        assert!(self.session.poll().is_none(), "outputs without end");
    }

    /// A message leaves: nothing that moves a bolt does so twice, late, or unasked.
    fn left(&mut self, frame: &[u8]) {
        assert!(!self.is_stopped, "nothing leaves after the end");
        let sealed = decode_encrypted(&self.key, frame);
        assert!(sealed.is_ok(), "what leaves is sealed");
        let Ok((_, message)) = sealed else { return };
        if message.command != Command::LockAction {
            return;
        }
        let suffix = LockActionCommand::decode(&message.payload).and_then(|(command, _)| command.suffix);
        let now = self.now;
        let asked = self
            .asked
            .iter_mut()
            .find(|(id, _)| suffix.is_some_and(|suffix| suffix.starts_with(intent_suffix(**id).as_bytes())));
        assert!(asked.is_some(), "nothing moves unasked");
        let Some((id, asked)) = asked else { return };
        assert!(asked.outcome.is_none(), "intent {id} leaves after its end");
        assert!(now < asked.at + SEND_WITHIN, "intent {id} leaves late");
        assert!(asked.left == 0 || asked.is_freed, "intent {id} leaves again though the lock has not refused it");
        asked.left += 1;
        asked.is_freed = false;
    }

    fn finished(&mut self, intent_id: i64, outcome: Outcome) {
        let asked = self.asked.get_mut(&intent_id);
        assert!(asked.is_some(), "only what was asked for has an end");
        let Some(asked) = asked else { return };
        assert_eq!(asked.outcome, None, "intent {intent_id} ends once");
        asked.outcome = Some(outcome);
        assert!(self.now <= asked.at + ANSWER_WITHIN, "intent {intent_id} is answered in time");
        let never_left = matches!(outcome, Outcome::NotDone(NotDone::NotSent));
        assert!(!never_left || asked.left == 0, "intent {intent_id} was sent");
        self.judge(intent_id, outcome);
    }

    /// Where nobody forges, the lock's own count decides.
    fn judge(&self, intent_id: i64, outcome: Outcome) {
        if !self.is_honest {
            return;
        }
        let is_accepted = self.asked.get(&intent_id).is_some_and(|asked| asked.is_accepted);
        let executions = self.lock.executions(APP_ID, &intent_suffix(intent_id));
        assert!(executions <= 1, "intent {intent_id} was carried out {executions} times");
        match outcome {
            Outcome::Done => assert_eq!(executions, 1, "intent {intent_id} was not done"),
            // It began: a motor that is blocked has run.
            Outcome::NotDone(NotDone::Failed(_) | NotDone::Refused(_)) if is_accepted => {}
            Outcome::NotDone(NotDone::Failed(_)) | Outcome::Unknown => {}
            // The motor itself says so, after it ran; that the lock had accepted may have been lost.
            Outcome::NotDone(NotDone::Refused(ErrorCode::MotorBlocked | ErrorCode::MotorLowVoltage)) => {}
            Outcome::NotDone(_) => assert_eq!(executions, 0, "intent {intent_id} was done: {outcome:?}"),
        }
    }

    fn end(mut self) {
        self.pass(ANSWER_WITHIN);
        assert!(self.asked.values().all(|asked| asked.outcome.is_some()), "everybody who asks is answered");
        for (id, asked) in &self.asked {
            if let Some(outcome) = asked.outcome {
                self.judge(*id, outcome);
            }
        }
        if !self.is_stopped {
            self.stop();
        }
        assert_eq!(self.session.next_timeout(), None, "an ended session waits for nothing");
    }
}

fn cut(message: Option<&mut (Characteristic, Vec<u8>)>, bytes: &mut Bytes<'_>) {
    let length = usize::from(bytes.byte());
    if let Some((_, value)) = message {
        value.truncate(length);
    }
}

fn spoil(message: Option<&mut (Characteristic, Vec<u8>)>, bytes: &mut Bytes<'_>) {
    let (at, with) = (usize::from(bytes.byte()), bytes.byte());
    if let Some(byte) = message.and_then(|(_, value)| value.get_mut(at)) {
        *byte ^= with;
    }
}

/// Pairs with the lock; `None` never comes, since both are ours.
pub(super) fn paired(lock: &mut SimLock, pin: Pin) -> Option<(AuthId, SharedKey)> {
    let now = Moment { mono: Duration::ZERO, unix_seconds: START };
    lock.handle(simlock::Input::PairingMode(true), now);
    lock.handle(simlock::Input::Connected { link: LINK, mtu: 247 }, now);
    let characteristic = Characteristic::PairingGdio;
    lock.handle(simlock::Input::Subscribed { link: LINK, characteristic, indications: true }, now);
    let applicant = Applicant { id_type: IdType::Bridge, app_id: APP_ID, name: "Keyturner".to_owned() };
    let config = PairingConfig { generation: lock.device().generation(), applicant, pin: Some(pin), seed: [3; 32] };
    let mut pairing = Pairing::new(config, now.mono);
    let mut arrived = VecDeque::new();
    loop {
        while let Some(output) = pairing.poll() {
            match output {
                pairing::Output::Write(characteristic, value) => {
                    lock.handle(simlock::Input::Write { link: LINK, characteristic, value }, now);
                }
                pairing::Output::Finished(result) => {
                    lock.handle(simlock::Input::Disconnected { link: LINK }, now);
                    return result.ok().map(|authorization| (authorization.auth_id, authorization.key));
                }
            }
        }
        while let Some(output) = lock.poll() {
            if let simlock::Output::Indicate { value, .. } = output {
                arrived.push_back(value);
                lock.handle(simlock::Input::Confirmed { link: LINK }, now);
            }
        }
        pairing.handle_received(&arrived.pop_front()?);
    }
}
