//! A simulated lock on a bench in virtual time, and a client written from the protocol alone.

use std::collections::BTreeMap;
use std::time::Duration;

use keyturner::protocol::crypto::{Challenge, Pin, SecretKey, SharedKey};
use keyturner::protocol::frame::{self, AuthId, Framing, Message, Reassembler};
use keyturner::protocol::gatt::{Characteristic, Generation};
use keyturner::protocol::log::{LogEntry, LogRequest, SortOrder};
use keyturner::protocol::pairing::{self, Applicant, AuthorizationData, AuthorizationId};
use keyturner::protocol::reply::{ErrorReport, Reply};
use keyturner::protocol::request::{LockActionCommand, PinCommand, SUFFIX_LEN};
use keyturner::protocol::state::KeyturnerStates;
use keyturner::protocol::{Command, ErrorCode, IdType, LockAction, StatusCode};
use keyturner::simlock::{Advertising, Input, LinkId, Moment, Output, Person, SimLock, SimLockConfig};

pub(crate) const PIN: Pin = Pin::new(1234);
pub(crate) const NUKI_ID: u32 = 0x0A1B_2C3D;
const START: i64 = 1_795_442_400;

pub(crate) struct Bench {
    pub(crate) lock: SimLock,
    pub(crate) now: Moment,
    /// Whether indications are confirmed at once.
    pub(crate) confirms: bool,
    pub(crate) pieces: Vec<(LinkId, Characteristic, Vec<u8>)>,
    pub(crate) gone: Vec<LinkId>,
    pub(crate) advertising: Option<Advertising>,
    inbox: BTreeMap<(LinkId, u8), Reassembler>,
    next_link: u32,
    nonces: u32,
}

impl Bench {
    pub(crate) fn new(config: SimLockConfig) -> Self {
        let lock = SimLock::new(config, [7; 32]);
        let now = Moment { mono: Duration::ZERO, unix_seconds: START };
        let mut bench = Self {
            lock,
            now,
            confirms: true,
            pieces: Vec::new(),
            gone: Vec::new(),
            advertising: None,
            inbox: BTreeMap::new(),
            next_link: 1,
            nonces: 0,
        };
        bench.drain();
        bench
    }

    pub(crate) fn family() -> Self {
        Self::new(SimLockConfig::family(NUKI_ID))
    }

    pub(crate) fn feed(&mut self, input: Input) {
        self.lock.handle(input, self.now);
        self.drain();
    }

    pub(crate) fn person(&mut self, person: Person) {
        self.feed(Input::Person(person));
    }

    fn drain(&mut self) {
        while let Some(output) = self.lock.poll() {
            match output {
                Output::Indicate { link, characteristic, value } => {
                    let framing = match characteristic {
                        Characteristic::KeyturnerUsdio => Framing::Encrypted,
                        _ => Framing::Plain,
                    };
                    let box_ =
                        self.inbox.entry((link, number(characteristic))).or_insert_with(|| Reassembler::new(framing));
                    box_.push(&value);
                    self.pieces.push((link, characteristic, value));
                    if self.confirms {
                        self.lock.handle(Input::Confirmed { link }, self.now);
                    }
                }
                Output::Disconnect { link } => self.gone.push(link),
                Output::Advertise(advertising) => self.advertising = Some(advertising),
            }
        }
    }

    /// Lets time pass, stopping wherever the lock wants to do something.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now.mono + time;
        let start = self.now;
        for _ in 0..10_000 {
            let next = self.lock.next_timeout().filter(|at| *at <= end).unwrap_or(end);
            self.now.mono = next.max(self.now.mono);
            self.now.unix_seconds = start.unix_seconds + i64::try_from((self.now.mono - start.mono).as_secs()).unwrap();
            self.feed(Input::Tick);
            if self.now.mono >= end && self.lock.next_timeout().is_none_or(|at| at > end) {
                return;
            }
        }
        panic!("the lock never comes to rest");
    }

    pub(crate) fn connect(&mut self) -> LinkId {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        self.feed(Input::Connected { link, mtu: 247 });
        for characteristic in
            [Characteristic::PairingGdio, Characteristic::KeyturnerGdio, Characteristic::KeyturnerUsdio]
        {
            self.feed(Input::Subscribed { link, characteristic, indications: true });
        }
        link
    }

    pub(crate) fn disconnect(&mut self, link: LinkId) {
        self.feed(Input::Disconnected { link });
    }

    pub(crate) fn write(&mut self, link: LinkId, characteristic: Characteristic, value: Vec<u8>) {
        self.feed(Input::Write { link, characteristic, value });
    }

    /// Whole frames that came over one characteristic.
    pub(crate) fn frames(&mut self, link: LinkId, characteristic: Characteristic) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        if let Some(box_) = self.inbox.get_mut(&(link, number(characteristic))) {
            while let Some(frame) = box_.next_frame().unwrap() {
                frames.push(frame);
            }
        }
        frames
    }

    /// Plain messages that came.
    pub(crate) fn plain(&mut self, link: LinkId, characteristic: Characteristic) -> Vec<Message> {
        self.frames(link, characteristic).iter().map(|frame| frame::decode_plain(frame).unwrap()).collect()
    }

    pub(crate) fn plain_error(&mut self, link: LinkId, characteristic: Characteristic) -> Option<ErrorReport> {
        let message = self.plain(link, characteristic).pop()?;
        match Reply::decode(message, false).unwrap() {
            Reply::Error(error) => Some(error),
            other => panic!("{other:?} is no error"),
        }
    }

    pub(crate) fn nonce(&mut self) -> [u8; 24] {
        self.nonces += 1;
        let mut nonce = [0; 24];
        nonce[..4].copy_from_slice(&self.nonces.to_le_bytes());
        nonce
    }

    /// Pairs over a link of its own, in pairing mode.
    pub(crate) fn pair(&mut self, id_type: IdType, app_id: u32, name: &str) -> Client {
        self.feed(Input::PairingMode(true));
        let link = self.connect();
        let mut pairing = PairingClient::new(link, id_type, app_id, name);
        while let Some(message) = pairing.next() {
            self.write(link, Characteristic::PairingGdio, frame::encode_plain(&message));
            let answers = self.plain(link, Characteristic::PairingGdio);
            assert_eq!(answers.len(), 1, "{answers:?}");
            pairing.answered(&answers[0]);
        }
        self.disconnect(link);
        pairing.into_client()
    }

    /// A paired client with a link for daily work.
    pub(crate) fn client(&mut self, id_type: IdType) -> Client {
        let mut client = self.pair(id_type, 0x4B54_0001, "Keyturner");
        client.link = self.connect();
        client
    }

    pub(crate) fn send(&mut self, client: &Client, message: &Message) {
        let nonce = self.nonce();
        let frame = frame::encode_encrypted(&client.key, &nonce, client.auth_id, message);
        self.write(client.link, Characteristic::KeyturnerUsdio, frame);
    }

    pub(crate) fn replies(&mut self, client: &Client) -> Vec<Reply> {
        self.frames(client.link, Characteristic::KeyturnerUsdio)
            .iter()
            .map(|frame| {
                let (auth_id, message) = frame::decode_encrypted(&client.key, frame).unwrap();
                assert_eq!(auth_id, client.auth_id);
                Reply::decode(message, false).unwrap()
            })
            .collect()
    }

    pub(crate) fn ask(&mut self, client: &Client, message: &Message) -> Vec<Reply> {
        self.send(client, message);
        self.replies(client)
    }

    /// A fresh nonce; what came before is dropped.
    pub(crate) fn challenge(&mut self, client: &Client) -> Challenge {
        self.replies(client);
        match self.ask(client, &Message::request(Command::Challenge)).as_slice() {
            [Reply::Challenge(nonce)] => *nonce,
            other => panic!("{other:?} is no challenge"),
        }
    }

    /// The states as of now; what came before is dropped.
    pub(crate) fn states(&mut self, client: &Client) -> KeyturnerStates {
        self.replies(client);
        match self.ask(client, &Message::request(Command::KeyturnerStates)).as_slice() {
            [Reply::States(states)] => *states,
            other => panic!("{other:?} are no states"),
        }
    }

    pub(crate) fn pin_command(&mut self, client: &Client, command: PinCommand, pin: Pin) -> Vec<Reply> {
        let nonce = self.challenge(client);
        self.ask(client, &command.encode(&nonce, pin, Generation::Gen1To4))
    }

    /// Any command with nonce and PIN, from its own payload.
    pub(crate) fn pin_payload(&mut self, client: &Client, command: Command, body: &[u8]) -> Vec<Reply> {
        let nonce = self.challenge(client);
        let pin = u16::try_from(PIN.expose()).unwrap().to_le_bytes();
        self.ask(client, &Message::new(command, [body, &nonce, &pin].concat()))
    }

    pub(crate) fn lock_action(&mut self, client: &Client, action: LockAction, suffix: Option<&str>) -> Vec<Reply> {
        let nonce = self.challenge(client);
        let command = LockActionCommand { action, app_id: client.app_id, flags: 0, suffix: suffix.map(suffix_field) };
        self.ask(client, &command.encode(&nonce))
    }

    pub(crate) fn log(&mut self, client: &Client, start_index: u32, count: u16, order: SortOrder) -> Vec<LogEntry> {
        let request = LogRequest { start_index, count, order, total_count: false };
        let mut replies = self.pin_command(client, PinCommand::RequestLogEntries(request), PIN);
        assert_eq!(replies.pop(), Some(Reply::Status(StatusCode::Complete)));
        let entry = |reply| match reply {
            Reply::LogEntry(entry) => entry,
            other => panic!("{other:?} is no log entry"),
        };
        replies.into_iter().map(entry).collect()
    }

    pub(crate) fn bit(&self) -> bool {
        self.advertising.as_ref().unwrap().data[29] & 1 == 1
    }
}

fn number(characteristic: Characteristic) -> u8 {
    match characteristic {
        Characteristic::PairingGdio => 1,
        Characteristic::KeyturnerGdio => 2,
        Characteristic::KeyturnerUsdio => 3,
    }
}

pub(crate) fn suffix_field(text: &str) -> [u8; SUFFIX_LEN] {
    let mut field = [0; SUFFIX_LEN];
    field[..text.len()].copy_from_slice(text.as_bytes());
    field
}

pub(crate) fn errors(replies: &[Reply]) -> Vec<ErrorCode> {
    let error = |reply: &Reply| match reply {
        Reply::Error(error) => Some(error.code),
        _ => None,
    };
    replies.iter().filter_map(error).collect()
}

#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) link: LinkId,
    pub(crate) auth_id: AuthId,
    pub(crate) key: SharedKey,
    pub(crate) app_id: u32,
    pub(crate) uuid: [u8; 16],
}

/// The client's side of pairing, one message at a time.
pub(crate) struct PairingClient {
    link: LinkId,
    applicant: Applicant,
    own: SecretKey,
    lock: Option<pairing_keys::Keys>,
    outgoing: Option<Message>,
    id: Option<AuthorizationId>,
    client_nonce: Challenge,
}

mod pairing_keys {
    use keyturner::protocol::crypto::{PublicKey, SharedKey};

    pub(crate) struct Keys {
        pub(crate) lock: PublicKey,
        pub(crate) shared: SharedKey,
        pub(crate) challenges: u8,
    }
}

impl PairingClient {
    pub(crate) fn new(link: LinkId, id_type: IdType, app_id: u32, name: &str) -> Self {
        Self {
            link,
            applicant: Applicant { id_type, app_id, name: name.to_owned() },
            own: SecretKey::from_bytes([0x42; 32]),
            lock: None,
            outgoing: Some(Message::request(Command::PublicKey)),
            id: None,
            client_nonce: [0x24; 32],
        }
    }

    pub(crate) fn next(&mut self) -> Option<Message> {
        self.outgoing.take()
    }

    pub(crate) fn answered(&mut self, answer: &Message) {
        match answer.command {
            Command::PublicKey => {
                let lock = keyturner::protocol::crypto::PublicKey(answer.payload.as_slice().try_into().unwrap());
                let shared = SharedKey::agree(&self.own, &lock);
                self.lock = Some(pairing_keys::Keys { lock, shared, challenges: 0 });
                self.outgoing = Some(Message::new(Command::PublicKey, self.own.public_key().0));
            }
            Command::Challenge => {
                let keys = self.lock.as_mut().unwrap();
                let challenge: Challenge = answer.payload.as_slice().try_into().unwrap();
                keys.challenges += 1;
                self.outgoing = Some(if keys.challenges == 1 {
                    let proof = pairing::authenticator(&keys.shared, &self.own.public_key(), &keys.lock, &challenge);
                    Message::new(Command::AuthorizationAuthenticator, proof)
                } else {
                    let applicant = self.applicant.clone();
                    let data = AuthorizationData { applicant, client_nonce: self.client_nonce };
                    Message::new(Command::AuthorizationData, data.encode(&keys.shared, &challenge))
                });
            }
            Command::AuthorizationId => {
                let keys = self.lock.as_ref().unwrap();
                let id = AuthorizationId::decode(&answer.payload, &keys.shared, &self.client_nonce);
                let id = id.unwrap().expect("the lock's authenticator is right");
                self.outgoing = Some(Message::new(Command::AuthorizationIdConfirmation, id.confirmation(&keys.shared)));
                self.id = Some(id);
            }
            Command::Status => assert_eq!(answer.payload, [0], "pairing is complete"),
            other => panic!("{other} was not expected: {answer:?}"),
        }
    }

    /// What both have agreed on so far.
    pub(crate) fn key(&self) -> SharedKey {
        self.lock.as_ref().unwrap().shared.clone()
    }

    pub(crate) fn into_client(self) -> Client {
        let id = self.id.expect("pairing went to its end");
        let (key, app_id) = (self.lock.unwrap().shared, self.applicant.app_id);
        Client { link: self.link, auth_id: id.auth_id, key, app_id, uuid: id.uuid }
    }
}
