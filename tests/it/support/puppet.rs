//! A session whose lock is played by the test, one message at a time.

use std::collections::VecDeque;
use std::time::Duration;

use keyturner::protocol::crypto::{Pin, SharedKey};
use keyturner::protocol::frame::{Message, decode_encrypted, encode_encrypted, encode_plain};
use keyturner::protocol::gatt::{Characteristic, Generation};
use keyturner::protocol::log::{LogEntry, LogEntryCount, LogEntryKind, LogIndex, LoggedAction};
use keyturner::protocol::reply::ErrorReport;
use keyturner::protocol::state::{KeyturnerStates, LastAction};
use keyturner::protocol::{Command, CompletionStatus, ErrorCode, LockAction, LockState, StatusCode, Trigger};
use keyturner::session::{ActionRequest, Input, Outcome, Output, PinTries, Session, SessionConfig};

use super::states::oldest;

pub(crate) const AUTH_ID: u32 = 7;

pub(crate) struct Puppet {
    pub(crate) session: Session,
    pub(crate) now: Duration,
    pub(crate) outputs: Vec<Output>,
    pub(crate) is_up: bool,
    key: SharedKey,
    sent: VecDeque<Message>,
    pub(crate) action_frames: u32,
    pub(crate) pin_frames: u32,
    pub(crate) connects: u32,
    /// Where each reading of the log began.
    pub(crate) log_starts: Vec<LogIndex>,
}

impl Puppet {
    pub(crate) fn new(generation: Generation) -> Self {
        Self::with(Self::config(generation))
    }

    /// What a session is made of whose lock a puppet plays.
    pub(crate) fn config(generation: Generation) -> SessionConfig {
        SessionConfig {
            generation,
            auth_id: AUTH_ID,
            key: SharedKey::from_bytes([9; 32]),
            app_id: 1,
            pin: Some(Pin::new(1234)),
            pin_tries: PinTries::default(),
            cursor: 0,
            anchor: None,
            seed: [1; 32],
        }
    }

    pub(crate) fn with(config: SessionConfig) -> Self {
        let key = config.key.clone();
        let now = Duration::from_secs(1);
        let session = Session::new(config, now);
        let outputs = Vec::new();
        let sent = VecDeque::new();
        let mut puppet = Self {
            session,
            now,
            outputs,
            is_up: false,
            key,
            sent,
            action_frames: 0,
            pin_frames: 0,
            connects: 0,
            log_starts: Vec::new(),
        };
        puppet.input(Input::ReadState);
        puppet
    }

    /// Linked, everything read, nothing to do.
    pub(crate) fn idle() -> Self {
        let mut puppet = Self::new(Generation::Gen1To4);
        puppet.connect();
        puppet.serve_reads(LockState::Locked);
        puppet.outputs.clear();
        puppet
    }

    /// Linked, the action's command has just left.
    pub(crate) fn with_action_sent(intent_id: i64) -> Self {
        let mut puppet = Self::idle();
        puppet.act(intent_id, LockAction::Unlock);
        puppet.send_action();
        puppet
    }

    /// Answers the challenge of the action that is due.
    pub(crate) fn send_action(&mut self) {
        assert_eq!(self.asked(), Some(Command::Challenge));
        self.say(&Message::new(Command::Challenge, [4; 32]));
        assert_eq!(self.next_sent().map(|message| message.command), Some(Command::LockAction));
    }

    /// Answers every read that the session makes until it makes none.
    pub(crate) fn serve_reads(&mut self, state: LockState) {
        for _ in 0..100 {
            let Some(message) = self.next_sent() else { return };
            match message.command {
                Command::RequestData if message.payload == Command::Challenge.id().to_le_bytes() => {
                    self.say(&Message::new(Command::Challenge, [4; 32]));
                }
                Command::RequestData if message.payload == Command::BatteryReport.id().to_le_bytes() => {
                    self.error(ErrorCode::UnknownError, Command::BatteryReport.id());
                }
                Command::RequestData => self.say(&states(state)),
                Command::RequestConfig | Command::RequestAdvancedConfig => {
                    self.error(ErrorCode::UnknownError, message.command.id());
                }
                Command::LockAction => panic!("an action left while only reads were expected"),
                Command::RequestLogEntries => {
                    self.say(&log_count(0));
                    self.status(StatusCode::Complete);
                }
                _ => self.status(StatusCode::Complete),
            }
        }
        panic!("reads without end");
    }

    pub(crate) fn act(&mut self, intent_id: i64, action: LockAction) {
        self.input(Input::Act(ActionRequest { intent_id, action, asked_at: self.now }));
    }

    pub(crate) fn connect(&mut self) {
        assert!(!self.is_up);
        self.is_up = true;
        self.input(Input::Connected);
    }

    /// Something in the lock's place says, unsigned, that it does not know us.
    pub(crate) fn disown(&mut self) {
        let mut frame = vec![0x12, 0x00, 0x20, 0x00, 0x00];
        // CRC-16/IBM-3740, bit by bit, so that the test does not borrow the code under test.
        let crc = frame.iter().fold(0xFFFF_u16, |crc, byte| {
            let step = |crc: u16| if crc & 0x8000 != 0 { crc << 1 ^ 0x1021 } else { crc << 1 };
            (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| step(crc))
        });
        frame.extend(crc.to_le_bytes());
        self.input(Input::Received(Characteristic::KeyturnerGdio, frame));
    }

    pub(crate) fn lose_link(&mut self) {
        self.is_up = false;
        self.sent.clear();
        self.input(Input::Disconnected);
    }

    pub(crate) fn say(&mut self, message: &Message) {
        self.say_in_one_piece(&[message]);
    }

    pub(crate) fn say_in_one_piece(&mut self, messages: &[&Message]) {
        let frame = |message: &&Message| encode_encrypted(&self.key, &[8; 24], AUTH_ID, message);
        let frames = messages.iter().flat_map(frame).collect();
        self.input(Input::Received(Characteristic::KeyturnerUsdio, frames));
    }

    /// What anybody near can say: unsigned.
    pub(crate) fn say_plain(&mut self, message: &Message) {
        self.input(Input::Received(Characteristic::KeyturnerGdio, encode_plain(message)));
    }

    /// Answers the challenge that is asked for; the command that follows.
    pub(crate) fn challenged(&mut self) -> Message {
        assert_eq!(self.asked(), Some(Command::Challenge));
        self.say(&Message::new(Command::Challenge, [4; 32]));
        self.next_sent().unwrap()
    }

    pub(crate) fn status(&mut self, status: StatusCode) {
        self.say(&Message::new(Command::Status, [status.code()]));
    }

    pub(crate) fn error(&mut self, code: ErrorCode, command: u16) {
        self.say(&ErrorReport { code, command }.encode());
    }

    /// Lets time pass, timer by timer.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..10_000 {
            match self.session.next_timeout().filter(|at| *at <= end) {
                Some(at) => {
                    self.now = at.max(self.now);
                    self.session.handle_timeout(self.now);
                    self.drain();
                }
                None => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("timers without end");
    }

    /// Time passes, and every timer of it is noticed at its end only.
    pub(crate) fn oversleep(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
        self.drain();
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.session.handle(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Connect => self.connects += 1,
                Output::Disconnect => {
                    self.is_up = false;
                    self.sent.clear();
                }
                Output::Write(_, frame) => {
                    assert!(self.is_up, "nothing is written without a link");
                    let (_, message) = decode_encrypted(&self.key, &frame).unwrap();
                    self.action_frames += u32::from(message.command == Command::LockAction);
                    let with_pin =
                        [Command::RequestLogEntries, Command::RequestAuthorizationEntries, Command::RequestKeypadCodes];
                    self.pin_frames += u32::from(with_pin.contains(&message.command));
                    if message.command == Command::RequestLogEntries {
                        self.log_starts.push(LogIndex::from_le_bytes(message.payload[..4].try_into().unwrap()));
                    }
                    self.sent.push_back(message);
                }
                other => self.outputs.push(other),
            }
        }
    }

    /// The next message that left.
    pub(crate) fn next_sent(&mut self) -> Option<Message> {
        self.sent.pop_front()
    }

    /// What the next message asks for, if it is a Request Data.
    pub(crate) fn asked(&mut self) -> Option<Command> {
        let message = self.next_sent()?;
        assert_eq!(message.command, Command::RequestData);
        let id = message.payload.as_slice().try_into().unwrap();
        Some(Command::from_id(u16::from_le_bytes(id)))
    }

    pub(crate) fn outcome(&self, wanted: i64) -> Option<Outcome> {
        self.outputs.iter().find_map(|output| match output {
            Output::ActionFinished { intent_id, outcome } if *intent_id == wanted => Some(*outcome),
            _ => None,
        })
    }

    pub(crate) fn log_indexes(&self) -> Vec<LogIndex> {
        let entries = self.outputs.iter().filter_map(|output| match output {
            Output::Log { entries, .. } => Some(entries.iter().map(|entry| entry.index)),
            _ => None,
        });
        entries.flatten().collect()
    }
}

pub(crate) fn states(lock_state: LockState) -> Message {
    states_after(lock_state, LockAction::Lock)
}

/// The state of a lock whose last action, which went well, was this one.
pub(crate) fn states_after(lock_state: LockState, action: LockAction) -> Message {
    let completion_status = CompletionStatus::Success;
    let last_action = Some(LastAction { action, trigger: Trigger::System, completion_status });
    let states = KeyturnerStates { last_action, ..oldest(lock_state) };
    Message::new(Command::KeyturnerStates, states.encode())
}

pub(crate) fn log_count(count: u16) -> Message {
    log_count_of(true, count)
}

pub(crate) fn log_count_of(logging_enabled: bool, count: u16) -> Message {
    let count = LogEntryCount { logging_enabled, count, door_sensor_enabled: None, door_sensor_logging_enabled: None };
    Message::new(Command::LogEntryCount, count.encode())
}

/// An entry of somebody else's action, or, with a suffix, of ours.
pub(crate) fn log_entry(index: LogIndex, suffix: Option<&str>) -> Message {
    let action = LoggedAction {
        action: LockAction::Unlock,
        trigger: Trigger::System,
        flags: 0,
        completion_status: CompletionStatus::Success,
    };
    let entry = LogEntry {
        index,
        timestamp: None,
        auth_id: if suffix.is_some() { AUTH_ID } else { 3 },
        name: suffix.map_or_else(|| "Dora".to_owned(), |suffix| format!("Keyturner{suffix}")),
        kind: LogEntryKind::LockAction(action),
    };
    Message::new(Command::LogEntry, entry.encode())
}
