//! A visit: a few questions to one lock, on one link, outside daily operation. For what an owner does by hand.

use std::collections::VecDeque;
use std::time::Duration;

use super::channel::{Channel, ChannelError};
use super::exchange::{NONCE_TRIES, Stage};
use super::work::REPLY_WITHIN;
use crate::protocol::crypto::{Challenge, Pin, SharedKey};
use crate::protocol::frame::{AuthId, Message, decode_plain};
use crate::protocol::gatt::{Characteristic, Generation};
use crate::protocol::log::{LogRequest, SortOrder};
use crate::protocol::reply::{ErrorReport, Reply};
use crate::protocol::request::{PinCommand, config_request};
use crate::protocol::state::KeyturnerStates;
use crate::protocol::{Command, ErrorCode, StatusCode};

/// What a visit needs to know.
#[derive(Debug)]
pub struct VisitConfig {
    /// Device family.
    pub generation: Generation,
    /// The authorization.
    pub auth_id: AuthId,
    /// Its key.
    pub key: SharedKey,
    /// The administrator's PIN; some questions cannot be asked without it.
    pub pin: Option<Pin>,
    /// Fresh randomness from the operating system; message nonces derive from it.
    pub seed: [u8; 32],
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The state. Whoever gets an answer is known to the lock.
    States,
    /// What the lock is called.
    Name,
    /// Whether the PIN is right.
    Pin,
    /// Whether the lock writes its log. Needs the PIN.
    Logging,
    /// That the lock forgets this very authorization. Needs the PIN; leaves once.
    Leave,
}

impl Question {
    /// Whether its command carries the PIN.
    #[must_use]
    pub const fn has_pin(self) -> bool {
        matches!(self, Self::Pin | Self::Logging | Self::Leave)
    }

    const fn command(self) -> Command {
        match self {
            Self::States => Command::KeyturnerStates,
            Self::Name => Command::RequestConfig,
            Self::Pin => Command::VerifySecurityPin,
            Self::Logging => Command::RequestLogEntries,
            Self::Leave => Command::RemoveAuthorizationEntry,
        }
    }
}

/// What the lock answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Its state.
    States(KeyturnerStates),
    /// What it is called.
    Name(String),
    /// The PIN is right.
    PinIsRight,
    /// Whether it writes its log.
    Logging(bool),
    /// It has forgotten this authorization.
    Left,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VisitError {
    /// The lock does not know this authorization. Nobody signs this message.
    #[error("the lock does not know this gateway")]
    NotKnown,
    /// The lock refused.
    #[error("the lock refused: {0}")]
    Refused(ErrorCode),
    /// There is no PIN to ask with.
    #[error("there is no security PIN for this lock")]
    NoPin,
    /// No answer came in time, or the link broke. The link is of no more use.
    #[error("the lock did not answer")]
    Silent {
        /// Whether the command itself had left, so that it may have been carried out.
        has_left: bool,
    },
    /// It sent what cannot be understood. The link is of no more use.
    #[error("the lock's answer is not understood: {0}")]
    Garbled(ChannelError),
}

/// What a visit wants.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Write this, as one message with response.
    Write(Characteristic, Vec<u8>),
    /// The question is answered, or will not be.
    Finished(Result<Answer, VisitError>),
}

struct Asked {
    question: Question,
    stage: Stage,
    /// Challenges that may still be asked for: with a bad nonce the lock did nothing.
    tries: u8,
    /// What was heard before the end mark.
    heard: Option<Answer>,
}

/// One link's questions, one after the other. Same contract as [`Session`](super::Session).
pub struct Visit {
    generation: Generation,
    auth_id: AuthId,
    pin: Option<Pin>,
    channel: Channel,
    /// The lock has spoken our key on this link.
    has_spoken: bool,
    asked: Option<Asked>,
    deadline: Duration,
    outputs: VecDeque<Output>,
}

impl Visit {
    /// Begins on a link that is up and subscribed.
    #[must_use]
    pub fn new(config: VisitConfig) -> Self {
        let is_opener = config.generation == Generation::Opener;
        Self {
            generation: config.generation,
            auth_id: config.auth_id,
            pin: config.pin,
            channel: Channel::new(config.key, config.auth_id, is_opener, config.seed),
            has_spoken: false,
            asked: None,
            deadline: Duration::ZERO,
            outputs: VecDeque::new(),
        }
    }

    /// Asks; one question at a time.
    pub fn ask(&mut self, question: Question, now: Duration) {
        if question.has_pin() && self.pin.is_none() {
            return self.outputs.push_back(Output::Finished(Err(VisitError::NoPin)));
        }
        let stage = if question == Question::States { Stage::Answer } else { Stage::Challenge };
        self.asked = Some(Asked { question, stage, tries: NONCE_TRIES, heard: None });
        self.begin(now);
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        self.asked.is_some().then_some(self.deadline)
    }

    /// The lock indicated these bytes.
    pub fn handle_received(&mut self, characteristic: Characteristic, bytes: &[u8], now: Duration) {
        match characteristic {
            Characteristic::KeyturnerUsdio => match self.channel.receive(bytes) {
                Ok(replies) => replies.into_iter().for_each(|reply| self.on_reply(reply, now)),
                Err(error) => self.finish(Err(VisitError::Garbled(error))),
            },
            Characteristic::KeyturnerGdio => self.on_plain(bytes),
            Characteristic::PairingGdio => {}
        }
    }

    /// The link is gone.
    pub fn handle_link_lost(&mut self) {
        self.fall_silent();
    }

    /// The deadline has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        if now >= self.deadline {
            self.fall_silent();
        }
    }

    /// The first message of a question.
    fn begin(&mut self, now: Duration) {
        let Some(asked) = &self.asked else { return };
        let first = match asked.stage {
            Stage::Challenge => Command::Challenge,
            Stage::Answer => asked.question.command(),
        };
        self.deadline = now.saturating_add(REPLY_WITHIN);
        self.write(&Message::request(first));
    }

    fn on_reply(&mut self, reply: Reply, now: Duration) {
        self.has_spoken = true;
        let Some(asked) = &mut self.asked else { return };
        match (reply, asked.stage, asked.question) {
            (Reply::Challenge(nonce), Stage::Challenge, question) => {
                asked.stage = Stage::Answer;
                self.deadline = now.saturating_add(REPLY_WITHIN);
                let message = self.command(question, &nonce);
                self.write(&message);
            }
            (Reply::States(states), Stage::Answer, Question::States) => self.finish(Ok(Answer::States(states))),
            (Reply::Config(config), Stage::Answer, Question::Name) => self.finish(Ok(Answer::Name(config.name))),
            (Reply::OpenerConfig(config), Stage::Answer, Question::Name) => self.finish(Ok(Answer::Name(config.name))),
            (Reply::LogEntryCount(count), Stage::Answer, Question::Logging) => {
                asked.heard = Some(Answer::Logging(count.logging_enabled));
            }
            (Reply::Status(StatusCode::Complete), Stage::Answer, question) => {
                let answer = match question {
                    Question::Pin => Some(Answer::PinIsRight),
                    Question::Leave => Some(Answer::Left),
                    Question::Logging => asked.heard.take(),
                    Question::States | Question::Name => None,
                };
                if let Some(answer) = answer {
                    self.finish(Ok(answer));
                }
            }
            (Reply::Error(report), ..) => self.on_error(report, now),
            // What belongs to no question, such as a state that nobody asked for.
            _ => {}
        }
    }

    fn on_error(&mut self, report: ErrorReport, now: Duration) {
        let Some(asked) = &mut self.asked else { return };
        if report.code == ErrorCode::BadNonce && asked.stage == Stage::Answer && asked.tries > 1 {
            asked.tries -= 1;
            asked.stage = Stage::Challenge;
            return self.begin(now);
        }
        self.finish(Err(VisitError::Refused(report.code)));
    }

    /// The plain characteristic carries one thing: that the lock cannot decrypt what we send.
    fn on_plain(&mut self, bytes: &[u8]) {
        let Ok(message) = decode_plain(bytes) else { return };
        let Ok(Reply::Error(report)) = Reply::decode(message, false) else { return };
        if report.code == ErrorCode::NotAuthorized && !self.has_spoken {
            self.finish(Err(VisitError::NotKnown));
        } else {
            // It understood us a moment ago, or means no decryption: whether it did anything is not said.
            self.fall_silent();
        }
    }

    fn command(&self, question: Question, nonce: &Challenge) -> Message {
        let pin = self.pin.unwrap_or(Pin::new(0));
        let command = match question {
            Question::States | Question::Name => return config_request(question.command(), nonce),
            Question::Pin => PinCommand::VerifySecurityPin,
            Question::Leave => PinCommand::RemoveAuthorizationEntry(self.auth_id),
            Question::Logging => {
                let order = SortOrder::Descending;
                PinCommand::RequestLogEntries(LogRequest { start_index: 0, count: 1, order, total_count: true })
            }
        };
        command.encode(nonce, pin, self.generation)
    }

    fn write(&mut self, message: &Message) {
        let sealed = self.channel.seal(message);
        self.outputs.push_back(Output::Write(Characteristic::KeyturnerUsdio, sealed));
    }

    fn fall_silent(&mut self) {
        let has_left = self.asked.as_ref().is_some_and(|asked| asked.stage == Stage::Answer);
        self.finish(Err(VisitError::Silent { has_left }));
    }

    fn finish(&mut self, result: Result<Answer, VisitError>) {
        if self.asked.take().is_some() {
            self.outputs.push_back(Output::Finished(result));
        }
    }
}
