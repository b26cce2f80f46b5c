//! Making an authorization: the client's side of pairing (`docs/protocol.md`, "Pairing").

use std::collections::VecDeque;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::protocol::crypto::{Challenge, Pin, PublicKey, SecretKey, SharedKey};
use crate::protocol::frame::{
    AuthId, FrameError, Framing, Message, Reassembler, decode_encrypted, decode_plain, encode_encrypted, encode_plain,
};
use crate::protocol::gatt::{Characteristic, Generation};
use crate::protocol::pairing::{
    Applicant, AuthorizationData, AuthorizationId, LockUuid, UNASSIGNED_AUTH_ID, authenticator,
    decode_authorization_id_5th_gen, encode_authorization_data_5th_gen,
};
use crate::protocol::{Command, ErrorCode, IdType, TooShort};

/// Peers give the whole exchange 30 s; the lock leaves pairing mode by itself.
const WITHIN: Duration = Duration::from_secs(30);

/// What pairing needs to know.
#[derive(Debug)]
pub struct PairingConfig {
    /// From the GATT table.
    pub generation: Generation,
    /// Who wants to be authorized.
    pub applicant: Applicant,
    /// The security PIN; the 5th generation asks for it here.
    pub pin: Option<Pin>,
    /// Fresh randomness from the operating system, used once: the private key derives from it.
    pub seed: [u8; 32],
}

/// What pairing made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The number the lock chose.
    pub auth_id: AuthId,
    /// The key that opens the door together with it.
    pub key: SharedKey,
    /// Constant until the lock is reset.
    pub uuid: LockUuid,
    /// The role obtained; the 5th generation knows only app.
    pub id_type: IdType,
}

/// Why there is no authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairingError {
    /// The lock refused.
    #[error("the lock refused: {0}")]
    Refused(ErrorCode),
    /// It said something out of order.
    #[error("the lock sent {0} out of order")]
    Unexpected(Command),
    /// Its proof is wrong: it does not hold the key it showed.
    #[error("the lock's authenticator is wrong")]
    BadAuthenticator,
    /// Not a message.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A message without its fields.
    #[error(transparent)]
    Payload(#[from] TooShort),
    /// A 5th-generation lock without a PIN set, or none given to us.
    #[error("this lock pairs only with its 6-digit security PIN")]
    PinNeeded,
    /// The link broke.
    #[error("the link was lost during pairing")]
    LinkLost,
    /// Took too long.
    #[error("the lock did not answer in time")]
    Timeout,
}

/// What pairing wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Write this, as one message with response.
    Write(Characteristic, Vec<u8>),
    /// It is over.
    Finished(Result<Box<Authorization>, PairingError>),
}

enum Step {
    LockKey,
    FirstChallenge { lock: PublicKey },
    SecondChallenge,
    AuthorizationInfo,
    AuthorizationId { client_nonce: Challenge },
    AuthorizationId5thGen,
    Complete { authorization: Box<Authorization> },
    Over,
}

/// The client's side of one pairing on one link. Same contract as [`Session`](super::Session).
pub struct Pairing {
    config: PairingConfig,
    rng: ChaCha20Rng,
    secret: SecretKey,
    public: PublicKey,
    key: SharedKey,
    reassembler: Reassembler,
    step: Step,
    /// What the lock gave us, before it said that it is complete.
    given: Option<Box<Authorization>>,
    has_applied: bool,
    finished: bool,
    deadline: Duration,
    outputs: VecDeque<Output>,
}

impl Pairing {
    /// Begins on a link that is up and subscribed.
    #[must_use]
    pub fn new(config: PairingConfig, now: Duration) -> Self {
        let mut rng = ChaCha20Rng::from_seed(config.seed);
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        let secret = SecretKey::from_bytes(secret);
        let public = secret.public_key();
        let mut pairing = Self {
            config,
            rng,
            secret,
            public,
            // Replaced as soon as the lock has shown its public key.
            key: SharedKey::from_bytes([0; 32]),
            reassembler: Reassembler::new(Framing::Plain),
            step: Step::LockKey,
            given: None,
            has_applied: false,
            finished: false,
            deadline: now.saturating_add(WITHIN),
            outputs: VecDeque::new(),
        };
        pairing.write(&Message::request(Command::PublicKey));
        pairing
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        (!matches!(self.step, Step::Over)).then_some(self.deadline)
    }

    /// An authorization that the lock gave us before pairing failed. Whether it keeps one that is not complete is nowhere
    /// said; only asking with it tells.
    #[must_use]
    pub fn given(&self) -> Option<&Authorization> {
        self.given.as_deref()
    }

    /// Whether the lock was told who asks. Before that it has nothing that it could keep, throw out or count.
    #[must_use]
    pub const fn has_applied(&self) -> bool {
        self.has_applied
    }

    /// The lock indicated these bytes on the pairing characteristic.
    pub fn handle_received(&mut self, bytes: &[u8]) {
        self.reassembler.push(bytes);
        while !matches!(self.step, Step::Over) {
            let message = match self.next_message() {
                Ok(Some(message)) => message,
                Ok(None) => return,
                Err(error) => return self.finish(Err(error)),
            };
            if let Err(error) = self.on_message(&message) {
                self.finish(Err(error));
            }
        }
    }

    /// The link is gone.
    pub fn handle_link_lost(&mut self) {
        self.finish(Err(PairingError::LinkLost));
    }

    /// The deadline has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        if now >= self.deadline {
            self.finish(Err(PairingError::Timeout));
        }
    }

    fn next_message(&mut self) -> Result<Option<Message>, PairingError> {
        let Some(frame) = self.reassembler.next_frame()? else { return Ok(None) };
        // A refusal may be plain even where everything else is encrypted.
        if matches!(self.step, Step::AuthorizationId5thGen)
            && let Ok((_, message)) = decode_encrypted(&self.key, &frame)
        {
            return Ok(Some(message));
        }
        Ok(Some(decode_plain(&frame)?))
    }

    fn on_message(&mut self, message: &Message) -> Result<(), PairingError> {
        if message.command == Command::ErrorReport {
            let code = message.payload.first().copied().unwrap_or(ErrorCode::UnknownError.code());
            return Err(PairingError::Refused(code.into()));
        }
        let payload = message.payload.as_slice();
        let short = |what, expected| TooShort { what, expected, actual: payload.len() };
        self.step = match (core::mem::replace(&mut self.step, Step::Over), message.command) {
            (Step::LockKey, Command::PublicKey) => {
                let lock = PublicKey(*payload.first_chunk().ok_or(short("Public Key", 32))?);
                self.key = SharedKey::agree(&self.secret, &lock);
                self.write(&Message::new(Command::PublicKey, self.public.0));
                Step::FirstChallenge { lock }
            }
            (Step::FirstChallenge { lock }, Command::Challenge) => {
                let challenge = payload.first_chunk().ok_or(short("Challenge", 32))?;
                let proof = authenticator(&self.key, &self.public, &lock, challenge);
                self.write(&Message::new(Command::AuthorizationAuthenticator, proof));
                match self.config.generation {
                    Generation::Gen5 => Step::AuthorizationInfo,
                    Generation::Gen1To4 | Generation::Opener => Step::SecondChallenge,
                }
            }
            (Step::SecondChallenge, Command::Challenge) => {
                let challenge = payload.first_chunk().ok_or(short("Challenge", 32))?;
                let client_nonce = self.random();
                let data = AuthorizationData { applicant: self.config.applicant.clone(), client_nonce };
                self.has_applied = true;
                self.write(&Message::new(Command::AuthorizationData, data.encode(&self.key, challenge)));
                Step::AuthorizationId { client_nonce }
            }
            (Step::AuthorizationId { client_nonce }, Command::AuthorizationId) => {
                let id = AuthorizationId::decode(payload, &self.key, &client_nonce)?
                    .ok_or(PairingError::BadAuthenticator)?;
                self.write(&Message::new(Command::AuthorizationIdConfirmation, id.confirmation(&self.key)));
                let authorization = self.authorization(id.auth_id, id.uuid, self.config.applicant.id_type);
                self.given = Some(authorization.clone());
                Step::Complete { authorization }
            }
            (Step::Complete { authorization }, Command::Status) => {
                self.finish(Ok(authorization));
                Step::Over
            }
            (Step::AuthorizationInfo, Command::AuthorizationInfo) => self.on_authorization_info(payload)?,
            (Step::AuthorizationId5thGen, Command::AuthorizationId) => {
                let (auth_id, uuid) = decode_authorization_id_5th_gen(payload)?;
                self.finish(Ok(self.authorization(auth_id, uuid, IdType::App)));
                Step::Over
            }
            (_, command) => return Err(PairingError::Unexpected(command)),
        };
        Ok(())
    }

    fn on_authorization_info(&mut self, payload: &[u8]) -> Result<Step, PairingError> {
        let pin_is_set = payload.first().is_some_and(|flag| *flag != 0);
        let pin = self.config.pin.filter(|_| pin_is_set).ok_or(PairingError::PinNeeded)?;
        let applicant = &self.config.applicant;
        let data = encode_authorization_data_5th_gen(applicant.app_id, &applicant.name, pin);
        let nonce = self.random();
        let message = Message::new(Command::AuthorizationData, data);
        let frame = encode_encrypted(&self.key, &nonce, UNASSIGNED_AUTH_ID, &message);
        self.has_applied = true;
        self.outputs.push_back(Output::Write(Characteristic::PairingGdio, frame));
        self.reassembler = Reassembler::new(Framing::EncryptedOrError);
        Ok(Step::AuthorizationId5thGen)
    }

    fn authorization(&self, auth_id: AuthId, uuid: LockUuid, id_type: IdType) -> Box<Authorization> {
        Box::new(Authorization { auth_id, key: self.key.clone(), uuid, id_type })
    }

    fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    fn write(&mut self, message: &Message) {
        self.outputs.push_back(Output::Write(Characteristic::PairingGdio, encode_plain(message)));
    }

    fn finish(&mut self, result: Result<Box<Authorization>, PairingError>) {
        self.step = Step::Over;
        if !core::mem::replace(&mut self.finished, true) {
            self.outputs.push_back(Output::Finished(result));
        }
    }
}
