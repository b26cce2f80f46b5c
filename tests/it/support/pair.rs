//! A session and a simulated lock in pure virtual time: no runtime, no sleeping, every step is counted.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use keyturner::protocol::beacon::Advertisement;
use keyturner::protocol::crypto::{Pin, SharedKey};
use keyturner::protocol::frame::{AuthId, Message, decode_encrypted, encode_encrypted};
use keyturner::protocol::gatt::{Characteristic, Generation};
use keyturner::protocol::log::{LogEntry, LogIndex};
use keyturner::protocol::pairing::Applicant;
use keyturner::protocol::request::LockActionCommand;
use keyturner::protocol::state::KeyturnerStates;
use keyturner::protocol::{Command, IdType, LockAction, LockState};
use keyturner::session::pairing::{self, Pairing, PairingConfig};
use keyturner::session::{
    ActionRequest, Anchor, Input, Outcome, Output, PinTries, Session, SessionConfig, intent_suffix,
};
use keyturner::simlock::{self, Device, Fault, LinkId, Moment, Person, SimLock, SimLockConfig};

pub(crate) const NUKI_ID: u32 = 0x0A1B_2C3D;
pub(crate) const APP_ID: u32 = 0x4B54_0001;
pub(crate) const ANNA: u32 = 583_921;
/// 2026-11-23 14:00:00 UTC.
const START: i64 = 1_795_442_400;
/// One way over the air.
const FLIGHT: Duration = Duration::from_millis(15);
const CONNECT_TIME: Duration = Duration::from_millis(300);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const SUPERVISION: Duration = Duration::from_secs(6);
const BEACON_EVERY: Duration = Duration::from_secs(1);
/// So much may happen at one point in time; more is a loop that feeds itself.
const MAX_AT_ONCE: u32 = 500;

/// Where the link breaks, counted from when it is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The n-th write does not arrive.
    BeforeWrite(u32),
    /// The n-th write arrives; nothing comes back.
    AfterWrite(u32),
    /// The n-th indication arrives, its confirmation does not.
    AfterIndication(u32),
}

/// What becomes of one message on its way. The link stays up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twist {
    /// It does not arrive.
    Drop,
    /// It arrives so late.
    Delay(Duration),
    /// It arrives twice.
    Duplicate,
    /// Its last bytes are missing.
    Truncate,
    /// It arrives in two halves.
    Split,
}

impl Twist {
    pub(crate) const ALL: [Self; 6] = [
        Self::Drop,
        Self::Delay(Duration::from_millis(600)),
        Self::Delay(Duration::from_secs(6)),
        Self::Duplicate,
        Self::Truncate,
        Self::Split,
    ];

    /// What arrives of a value.
    pub(crate) fn apply(self, value: &[u8]) -> Vec<Vec<u8>> {
        match self {
            Self::Drop => Vec::new(),
            Self::Delay(_) => vec![value.to_vec()],
            Self::Duplicate => vec![value.to_vec(), value.to_vec()],
            Self::Truncate => vec![value[..value.len() - value.len().min(5)].to_vec()],
            Self::Split => {
                let (front, back) = value.split_at(value.len() / 2);
                vec![front.to_vec(), back.to_vec()]
            }
        }
    }
}

/// Which message is twisted, counted from when it is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twisted {
    /// The n-th write.
    Write(u32, Twist),
    /// The n-th indication.
    Indication(u32, Twist),
}

#[derive(Debug)]
enum Event {
    Connected,
    ConnectFailed,
    ToLock(LinkId, Characteristic, Vec<u8>),
    ToUs(LinkId, Characteristic, Vec<u8>),
    Confirm(LinkId),
    Supervision(LinkId),
}

/// What the session has told.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) outcomes: Vec<(i64, Outcome, Duration)>,
    pub(crate) accepted: Vec<i64>,
    pub(crate) entries: Vec<LogEntry>,
    /// How often the log was read to its end.
    pub(crate) ends: u32,
    pub(crate) states: Vec<LockState>,
    /// The same, whole.
    pub(crate) observed: Vec<KeyturnerStates>,
    pub(crate) connects: Vec<Duration>,
    /// Every other output, as text.
    pub(crate) other: Vec<String>,
    /// Every other output.
    pub(crate) told: Vec<Output>,
    /// Commands that left, in order.
    pub(crate) sent: Vec<Command>,
    /// Frames of lock actions that left, by name suffix.
    pub(crate) action_frames: BTreeMap<String, u32>,
}

pub(crate) struct Pair {
    pub(crate) session: Session,
    pub(crate) lock: SimLock,
    pub(crate) now: Duration,
    pub(crate) seen: Seen,
    pub(crate) in_range: bool,
    pub(crate) mtu: u16,
    /// How long a write or an indication is on its way.
    pub(crate) flight: Duration,
    /// Whether the lock's advertisements are heard.
    pub(crate) hears_beacons: bool,
    pub(crate) auth_id: AuthId,
    key: SharedKey,
    generation: Generation,
    pub(crate) pin: Option<Pin>,
    /// What is stored of tries with the PIN.
    pub(crate) pin_tries: PinTries,
    /// What is stored of the log.
    anchors: BTreeMap<LogIndex, Anchor>,
    link: Option<LinkId>,
    next_link: u32,
    queue: BTreeMap<(Duration, u64), Event>,
    seq: u64,
    next_beacon: Duration,
    /// How often the lock advertises.
    pub(crate) beacon_every: Duration,
    advertising: Vec<u8>,
    cut: Option<Cut>,
    twisted: Option<Twisted>,
    /// Writes and indications that were on their way.
    pub(crate) crossed: (u32, u32),
    at_once: u32,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with(SimLockConfig::family(NUKI_ID), Some(Pin::new(1234)))
    }

    pub(crate) fn with(config: SimLockConfig, pin: Option<Pin>) -> Self {
        Self::paired_as(config, pin, IdType::Bridge)
    }

    /// A paired device that took us for an app.
    pub(crate) fn as_app(device: Device) -> Self {
        let config = SimLockConfig::family_of(device, NUKI_ID);
        let mut pair = Self::paired_as(config, Some(device.pin()), IdType::App);
        pair.settle();
        pair
    }

    fn paired_as(config: SimLockConfig, pin: Option<Pin>, id_type: IdType) -> Self {
        let generation = config.device.generation();
        let mut lock = SimLock::new(config, [7; 32]);
        let (auth_id, key) = pair(&mut lock, id_type);
        let mut advertising = Vec::new();
        while let Some(output) = lock.poll() {
            if let simlock::Output::Advertise(new) = output {
                advertising = new.data;
            }
        }
        let now = Duration::from_secs(1);
        let mut pair = Self {
            session: session((generation, &key, auth_id), pin, (PinTries::default(), 0, None), now),
            lock,
            now,
            seen: Seen::default(),
            in_range: true,
            flight: FLIGHT,
            mtu: 247,
            hears_beacons: true,
            auth_id,
            key,
            generation,
            pin,
            pin_tries: PinTries::default(),
            anchors: BTreeMap::new(),
            link: None,
            next_link: 100,
            queue: BTreeMap::new(),
            seq: 0,
            next_beacon: now + BEACON_EVERY,
            beacon_every: BEACON_EVERY,
            advertising,
            cut: None,
            twisted: None,
            crossed: (0, 0),
            at_once: 0,
        };
        pair.input(Input::ReadState);
        pair
    }

    /// A paired device with its small house whose session has read everything once.
    pub(crate) fn of(device: Device) -> Self {
        let mut pair = Self::with(SimLockConfig::family_of(device, NUKI_ID), Some(device.pin()));
        pair.settle();
        pair
    }

    /// A paired device with its small house of which nothing was read yet.
    pub(crate) fn unread(device: Device) -> Self {
        Self::with(SimLockConfig::family_of(device, NUKI_ID), Some(device.pin()))
    }

    /// Lets everything be read once that was not read yet. A beacon whose bit stays set does not hold that up.
    pub(crate) fn settle(&mut self) {
        self.drive_bounded(Duration::from_secs(60), "everything is read once", |pair| {
            pair.seen.ends > 0
                && pair.link.is_none()
                && !pair.queue.values().any(|event| matches!(event, Event::Connected))
        });
        self.pass(Duration::from_secs(1));
    }

    /// A paired lock whose session has read everything once.
    pub(crate) fn settled() -> Self {
        let mut pair = Self::new();
        pair.rest();
        pair.forget();
        pair
    }

    pub(crate) fn forget(&mut self) {
        self.seen = Seen::default();
    }

    /// The gateway dies and comes back: all it knows is what was stored.
    pub(crate) fn restart(&mut self, cursor: LogIndex) {
        self.drop_link_of_lock();
        self.queue.clear();
        let stored = (self.pin_tries, cursor, self.anchors.get(&cursor).copied());
        self.session = session((self.generation, &self.key, self.auth_id), self.pin, stored, self.now);
        self.input(Input::ReadState);
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.session.handle(input, self.now);
        self.carry_out();
    }

    /// As the gateway asks for it.
    pub(crate) fn act(&mut self, intent_id: i64, action: LockAction) {
        self.input(Input::ExpectAction);
        self.input(Input::Act(ActionRequest { intent_id, action, asked_at: self.now }));
    }

    pub(crate) fn person(&mut self, person: Person) {
        self.feed_lock(simlock::Input::Person(person));
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.feed_lock(simlock::Input::Fault(fault));
    }

    pub(crate) fn cut_at(&mut self, cut: Cut) {
        self.cut = Some(cut);
    }

    pub(crate) fn twist(&mut self, twisted: Twisted) {
        self.twisted = Some(twisted);
    }

    /// What becomes of the write or indication that is on its way now.
    fn take_twist(&mut self, is_write: bool) -> Option<Twist> {
        let left = match (&mut self.twisted, is_write) {
            (Some(Twisted::Write(n, twist)), true) | (Some(Twisted::Indication(n, twist)), false) => {
                *n -= 1;
                (*n == 0).then_some(*twist)
            }
            _ => None,
        };
        if left.is_some() {
            self.twisted = None;
        }
        left
    }

    pub(crate) fn set_in_range(&mut self, in_range: bool) {
        self.in_range = in_range;
        if let (false, Some(link)) = (in_range, self.link) {
            self.after(SUPERVISION, Event::Supervision(link));
        }
    }

    pub(crate) fn is_linked(&self) -> bool {
        self.link.is_some()
    }

    /// The lock's own count of what it carried out for an intent.
    pub(crate) fn executions(&self, intent_id: i64) -> u32 {
        self.lock.executions(APP_ID, &intent_suffix(intent_id))
    }

    pub(crate) fn outcome(&self, intent_id: i64) -> Option<Outcome> {
        self.seen.outcomes.iter().find(|(id, ..)| *id == intent_id).map(|(_, outcome, _)| *outcome)
    }

    /// The lock says something that nobody expects, over the link that is up.
    pub(crate) fn say(&mut self, message: &Message) {
        let frame = self.seal(message);
        self.input(Input::Received(Characteristic::KeyturnerUsdio, frame));
    }

    pub(crate) fn seal(&self, message: &Message) -> Vec<u8> {
        encode_encrypted(&self.key, &[0x5A; 24], self.auth_id, message)
    }

    fn moment(&self) -> Moment {
        let seconds = i64::try_from(self.now.as_secs()).unwrap();
        Moment { mono: self.now, unix_seconds: START + seconds }
    }

    fn after(&mut self, wait: Duration, event: Event) {
        self.seq += 1;
        self.queue.insert((self.now + wait, self.seq), event);
    }

    /// One jump to whatever happens next.
    pub(crate) fn step(&mut self) {
        let queued = self.queue.keys().next().map(|(at, _)| *at);
        let beacon = Some(self.next_beacon);
        let next = [queued, beacon, self.session.next_timeout(), self.lock.next_timeout()];
        let next = next.into_iter().flatten().min().unwrap().max(self.now);
        self.at_once = if next > self.now { 0 } else { self.at_once + 1 };
        assert!(self.at_once < MAX_AT_ONCE, "time stands still at {next:?}: {:?}", self.seen.other);
        self.now = next;
        if self.session.next_timeout().is_some_and(|at| at <= self.now) {
            self.session.handle_timeout(self.now);
            self.carry_out();
        }
        if self.lock.next_timeout().is_some_and(|at| at <= self.now) {
            self.feed_lock(simlock::Input::Tick);
        }
        if self.next_beacon <= self.now {
            self.next_beacon = self.now + self.beacon_every;
            self.beacon();
        }
        while let Some(((at, seq), event)) = self.queue.pop_first() {
            if at > self.now {
                self.queue.insert((at, seq), event);
                break;
            }
            self.happen(event);
        }
    }

    fn beacon(&mut self) {
        if self.in_range
            && self.hears_beacons
            && let Some(Advertisement::Beacon(beacon)) = Advertisement::parse(&self.advertising)
        {
            self.input(Input::Beacon(beacon));
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    /// Steps until `done`; fails if that takes longer than `limit` of virtual time.
    pub(crate) fn drive_bounded(&mut self, limit: Duration, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let end = self.now + limit;
        while !done(self) {
            assert!(self.now < end, "it never came to this: {what}; seen {:?}", self.seen);
            self.step();
        }
    }

    /// Until no link is up, none is wanted, and the beacon's bit is clear.
    pub(crate) fn rest(&mut self) {
        self.drive_bounded(Duration::from_secs(900), "rest", |pair| {
            let busy = pair.link.is_some() || pair.queue.values().any(|event| matches!(event, Event::Connected));
            !busy && !pair.lock.state().state_changed
        });
        self.pass(Duration::from_secs(1));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Connected if !self.in_range => self.after(CONNECT_LIMIT - CONNECT_TIME, Event::ConnectFailed),
            Event::Connected => {
                let link = LinkId(self.next_link);
                self.next_link += 1;
                self.link = Some(link);
                let mtu = self.mtu;
                self.feed_lock(simlock::Input::Connected { link, mtu });
                for characteristic in [Characteristic::KeyturnerGdio, Characteristic::KeyturnerUsdio] {
                    self.feed_lock(simlock::Input::Subscribed { link, characteristic, indications: true });
                }
                self.input(Input::Connected);
            }
            Event::ConnectFailed => self.input(Input::ConnectFailed),
            Event::Supervision(link) if self.link == Some(link) && !self.in_range => self.lose_link(),
            Event::Supervision(_) => {}
            Event::ToLock(link, ..) | Event::ToUs(link, ..) | Event::Confirm(link) if self.link != Some(link) => {}
            // Sent again at each connection event, until the supervision time is over.
            event @ (Event::ToLock(..) | Event::ToUs(..) | Event::Confirm(..)) if !self.in_range => {
                self.after(Duration::from_millis(100), event);
            }
            Event::ToLock(link, characteristic, value) => {
                if self.is_cut(|cut| if let Cut::BeforeWrite(n) = cut { Some((n, Cut::BeforeWrite)) } else { None }) {
                    return self.lose_link();
                }
                self.crossed.0 += 1;
                match self.take_twist(true) {
                    None => self.feed_lock(simlock::Input::Write { link, characteristic, value }),
                    Some(Twist::Delay(late)) => self.after(late, Event::ToLock(link, characteristic, value)),
                    Some(twist) => {
                        for value in twist.apply(&value) {
                            self.feed_lock(simlock::Input::Write { link, characteristic, value });
                        }
                    }
                }
                if self.is_cut(|cut| if let Cut::AfterWrite(n) = cut { Some((n, Cut::AfterWrite)) } else { None }) {
                    self.lose_link();
                }
            }
            Event::ToUs(link, characteristic, value) => {
                self.crossed.1 += 1;
                match self.take_twist(false) {
                    None => self.input(Input::Received(characteristic, value)),
                    // It is confirmed when it has arrived, so nothing overtakes it.
                    Some(Twist::Delay(late)) => return self.after(late, Event::ToUs(link, characteristic, value)),
                    Some(twist) => {
                        for value in twist.apply(&value) {
                            self.input(Input::Received(characteristic, value));
                        }
                    }
                }
                let counts = |cut| {
                    if let Cut::AfterIndication(n) = cut {
                        Some((n, Cut::AfterIndication as fn(u32) -> Cut))
                    } else {
                        None
                    }
                };
                if self.is_cut(counts) {
                    self.lose_link();
                } else {
                    self.after(self.flight, Event::Confirm(link));
                }
            }
            Event::Confirm(link) => self.feed_lock(simlock::Input::Confirmed { link }),
        }
    }

    fn is_cut<F: Fn(u32) -> Cut>(&mut self, counts: impl Fn(Cut) -> Option<(u32, F)>) -> bool {
        let Some((n, again)) = self.cut.and_then(counts) else { return false };
        self.cut = (n > 1).then(|| again(n - 1));
        n <= 1
    }

    pub(crate) fn lose_link(&mut self) {
        if self.drop_link_of_lock() {
            self.input(Input::Disconnected);
        }
    }

    /// The gateway is not there for a while; it comes back with [`restart`](Self::restart).
    pub(crate) fn drop_and_wait(&mut self, time: Duration) {
        self.drop_link_of_lock();
        self.queue.clear();
        self.now += time;
        self.feed_lock(simlock::Input::Tick);
        self.next_beacon = self.now + self.beacon_every;
    }

    fn drop_link_of_lock(&mut self) -> bool {
        let Some(link) = self.link.take() else { return false };
        self.feed_lock(simlock::Input::Disconnected { link });
        true
    }

    pub(crate) fn feed_lock(&mut self, input: simlock::Input) {
        self.lock.handle(input, self.moment());
        while let Some(output) = self.lock.poll() {
            match output {
                simlock::Output::Indicate { link, characteristic, value } => {
                    self.after(self.flight, Event::ToUs(link, characteristic, value));
                }
                simlock::Output::Disconnect { link } => {
                    if self.link == Some(link) {
                        self.link = None;
                        self.input(Input::Disconnected);
                    }
                }
                simlock::Output::Advertise(advertising) => self.advertising = advertising.data,
            }
        }
    }

    fn carry_out(&mut self) {
        for _ in 0..MAX_AT_ONCE {
            let Some(output) = self.session.poll() else { return };
            match output {
                Output::Connect => {
                    self.seen.connects.push(self.now);
                    self.after(CONNECT_TIME, Event::Connected);
                }
                Output::Disconnect => {
                    self.drop_link_of_lock();
                }
                Output::Write(characteristic, value) => {
                    self.note_sent(&value);
                    let link = self.link.expect("nothing is written without a link");
                    self.after(self.flight, Event::ToLock(link, characteristic, value));
                }
                Output::Observed(states) => {
                    self.seen.states.push(states.lock_state);
                    self.seen.observed.push(states);
                }
                Output::Log { entries, end } => {
                    self.anchors.extend(entries.iter().map(|entry| (entry.index, Anchor::from(entry))));
                    self.seen.entries.extend(entries);
                    self.seen.ends += u32::from(end);
                }
                Output::PinTries(tries) => self.pin_tries = tries,
                Output::ActionAccepted { intent_id } => self.seen.accepted.push(intent_id),
                Output::ActionFinished { intent_id, outcome } => {
                    self.seen.outcomes.push((intent_id, outcome, self.now));
                }
                other => {
                    self.seen.other.push(format!("{other:?}"));
                    self.seen.told.push(other);
                }
            }
        }
        panic!("outputs without end: {:?}", self.seen.other.last());
    }

    fn note_sent(&mut self, frame: &[u8]) {
        let (auth_id, message) = decode_encrypted(&self.key, frame).unwrap();
        assert_eq!(auth_id, self.auth_id);
        self.seen.sent.push(message.command);
        if message.command == Command::LockAction {
            let (command, _) = LockActionCommand::decode(&message.payload).unwrap();
            let suffix = command.suffix.unwrap();
            let suffix = String::from_utf8(suffix.into_iter().take_while(|byte| *byte != 0).collect()).unwrap();
            *self.seen.action_frames.entry(suffix).or_default() += 1;
        }
    }
}

fn session(
    (generation, key, auth_id): (Generation, &SharedKey, AuthId),
    pin: Option<Pin>,
    (pin_tries, cursor, anchor): (PinTries, LogIndex, Option<Anchor>),
    now: Duration,
) -> Session {
    let config = SessionConfig {
        generation,
        auth_id,
        key: key.clone(),
        app_id: APP_ID,
        pin,
        pin_tries,
        cursor,
        anchor,
        seed: [now.subsec_nanos().to_le_bytes()[0]; 32],
    };
    Session::new(config, now)
}

fn pair(lock: &mut SimLock, id_type: IdType) -> (AuthId, SharedKey) {
    let now = Moment { mono: Duration::ZERO, unix_seconds: START };
    let link = LinkId(1);
    lock.handle(simlock::Input::PairingMode(true), now);
    lock.handle(simlock::Input::Connected { link, mtu: 247 }, now);
    let characteristic = Characteristic::PairingGdio;
    lock.handle(simlock::Input::Subscribed { link, characteristic, indications: true }, now);
    let applicant = Applicant { id_type, app_id: APP_ID, name: "Keyturner".to_owned() };
    let config = PairingConfig {
        generation: lock.device().generation(),
        applicant,
        pin: Some(lock.device().pin()),
        seed: [3; 32],
    };
    let mut pairing = Pairing::new(config, now.mono);
    let mut arrived = VecDeque::new();
    loop {
        while let Some(output) = pairing.poll() {
            match output {
                pairing::Output::Write(characteristic, value) => {
                    lock.handle(simlock::Input::Write { link, characteristic, value }, now);
                }
                pairing::Output::Finished(result) => {
                    let authorization = result.unwrap();
                    lock.handle(simlock::Input::Disconnected { link }, now);
                    return (authorization.auth_id, authorization.key);
                }
            }
        }
        while let Some(output) = lock.poll() {
            if let simlock::Output::Indicate { value, .. } = output {
                arrived.push_back(value);
                lock.handle(simlock::Input::Confirmed { link }, now);
            }
        }
        pairing.handle_received(&arrived.pop_front().expect("an answer"));
    }
}
