//! Daily operation of one lock.

use std::collections::VecDeque;
use std::time::Duration;

use super::action::{Action, ActionRequest, BUSY_PAUSE, NotDone, Outcome, SEARCH_PAUSE};
use super::channel::{Channel, ChannelError};
use super::exchange::{Exchange, Job, LOG_PAGE, Stage};
use super::policy::{Backoff, BeaconPolicy};
use super::timers::{Timer, TimerTable};
use crate::protocol::beacon::Beacon;
use crate::protocol::config::Config;
use crate::protocol::crypto::{Pin, SharedKey};
use crate::protocol::frame::{AuthId, Message, decode_plain};
use crate::protocol::gatt::{Characteristic, Generation};
use crate::protocol::log::{LogEntry, LogIndex};
use crate::protocol::reply::{ErrorReport, Reply};
use crate::protocol::state::KeyturnerStates;
use crate::protocol::users::{AuthorizationEntry, KeypadCode};
use crate::protocol::{CompletionStatus, ErrorCode, StatusCode};

/// The lock answers within a few connection intervals; peers allow 3 to 4 s.
const REPLY_WITHIN: Duration = Duration::from_secs(4);
/// A motor run ends within this time, unlatching with its hold time included.
const MOTOR_WITHIN: Duration = Duration::from_secs(30);
/// While the motor runs the lock reports by itself; after this silence it is asked.
const MOTOR_SILENCE: Duration = Duration::from_millis(1_500);
/// The state of one motion is asked for so often, then it is left alone.
const MOTOR_POLLS: u8 = 20;
/// A link without work is held so long, for what may follow at once.
const LINGER: Duration = Duration::from_secs(2);
/// Without any beacon asking for it the state is read this often.
const SAFETY_NET: Duration = Duration::from_secs(30 * 60);
/// The log lags behind the state a little; pause before it is read again.
const LOG_PAUSE: Duration = Duration::from_millis(250);
/// After the lock said that it does not know us, only the safety net asks again.
const LOST_PAUSE: Duration = SAFETY_NET;

/// What a session needs to know of its lock.
#[derive(Debug)]
pub struct SessionConfig {
    /// Device family.
    pub generation: Generation,
    /// The authorization.
    pub auth_id: AuthId,
    /// Its key.
    pub key: SharedKey,
    /// The number given at pairing.
    pub app_id: u32,
    /// The administrator's PIN; without it the log cannot be read.
    pub pin: Option<Pin>,
    /// Index of the last log entry that is stored; 0 for none.
    pub cursor: LogIndex,
    /// Fresh randomness from the operating system; message nonces derive from it.
    pub seed: [u8; 32],
}

/// What happens to a session.
#[derive(Debug)]
pub enum Input {
    /// The lock was heard.
    Beacon(Beacon),
    /// A link is up and subscribed.
    Connected,
    /// A link could not be made.
    ConnectFailed,
    /// The lock indicated these bytes.
    Received(Characteristic, Vec<u8>),
    /// A write was not acknowledged; the link is of no more use.
    WriteFailed,
    /// The link is gone, by whoever's wish.
    Disconnected,
    /// Act, once at most.
    Act(ActionRequest),
    /// Read the state; the answer is an [`Output::Observed`].
    ReadState,
    /// The state has changed and the log has not said why: read it again.
    ReadLog,
    /// The log had no entry for a change: find out whether it was cleared.
    CheckLog,
    /// Read authorizations and keypad codes.
    ReadDirectory,
    /// What was read could not be stored: read the log from here again.
    Rewind(LogIndex),
}

/// What a session wants, or has learnt.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Make a link.
    Connect,
    /// End the link.
    Disconnect,
    /// Write this, as one message with response.
    Write(Characteristic, Vec<u8>),
    /// The lock's state, asked for or not.
    Observed(KeyturnerStates),
    /// Entries behind the cursor, ascending; `end` says that there are no more.
    Log {
        /// The entries.
        entries: Vec<LogEntry>,
        /// Whether the log was read to its end.
        end: bool,
    },
    /// The log's newest index is below the cursor: it was cleared. The cursor is 0 again.
    LogReset {
        /// Newest index there is, `None` for an empty log.
        newest: Option<LogIndex>,
    },
    /// Whether the log can be read has become known or has changed.
    LogAccess(LogAccess),
    /// The configuration.
    Config(Box<Config>),
    /// Every authorization.
    Users(Vec<AuthorizationEntry>),
    /// Every keypad code.
    Codes(Vec<KeypadCode>),
    /// The lock accepted the action.
    ActionAccepted {
        /// Which.
        intent_id: i64,
    },
    /// The action ended.
    ActionFinished {
        /// Which.
        intent_id: i64,
        /// How.
        outcome: Outcome,
    },
    /// The lock does not know our authorization any more: pair again.
    AuthorizationLost,
    /// The lock sent something that cannot be understood; the link is ended.
    Garbled(ChannelError),
    /// The lock refused a request.
    Refused(ErrorReport),
}

/// Whether the lock's log can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogAccess {
    /// As far as known.
    Readable,
    /// No PIN was given.
    PinMissing,
    /// The lock refused the PIN; it is not tried again.
    PinRefused,
    /// The lock does not write its log.
    LoggingOff,
}

impl LogAccess {
    /// Whether PIN commands make sense.
    #[must_use]
    pub const fn has_pin(self) -> bool {
        matches!(self, Self::Readable | Self::LoggingOff)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinkState {
    Down,
    Connecting,
    Up,
}

/// Reads that are due. They are served in the order of the fields, actions before all.
#[derive(Debug, Default, Clone, Copy)]
struct Due {
    states: bool,
    codes: bool,
    users: bool,
    newest: bool,
    log: bool,
    config: bool,
    /// Read the state once more at the end: only that clears the beacon's bit.
    clear_bit: bool,
}

impl Due {
    const fn any(self) -> bool {
        self.states || self.codes || self.users || self.newest || self.log || self.config
    }
}

/// One lock's state machine, over as many links as it takes.
///
/// Four kinds of methods, to be used in this order: give it one input with
/// [`handle`](Self::handle) or a due timer with
/// [`handle_timeout`](Self::handle_timeout); then drain
/// [`poll`](Self::poll) until it is empty and carry the outputs out in order;
/// then sleep until [`next_timeout`](Self::next_timeout) or the next input.
/// `now` is monotonic time since any fixed point and must not go back.
pub struct Session {
    generation: Generation,
    auth_id: AuthId,
    app_id: u32,
    pin: Pin,
    channel: Channel,
    link: LinkState,
    due: Due,
    exchange: Option<Exchange>,
    action: Option<Action>,
    waiting: VecDeque<Action>,
    cursor: LogIndex,
    log_access: LogAccess,
    states: Option<KeyturnerStates>,
    /// The lock said that something is new, so its log has something to say.
    log_follows: bool,
    config_count: Option<u8>,
    timers: TimerTable,
    beacons: BeaconPolicy,
    backoff: Backoff,
    outputs: VecDeque<Output>,
    /// The lock does not know us: beacons are no reason to ask again.
    lost: bool,
    /// How often the state was asked for during one motion.
    motor_polls: u8,
}

impl Session {
    /// A session for a paired lock. It wants everything read once: state, people, log, configuration.
    #[must_use]
    pub fn new(config: SessionConfig, now: Duration) -> Self {
        let log_access = if config.pin.is_some() { LogAccess::Readable } else { LogAccess::PinMissing };
        let is_opener = config.generation == Generation::Opener;
        let mut session = Self {
            generation: config.generation,
            auth_id: config.auth_id,
            app_id: config.app_id,
            pin: config.pin.unwrap_or(Pin::new(0)),
            channel: Channel::new(config.key, config.auth_id, is_opener, config.seed),
            link: LinkState::Down,
            due: Due { states: true, codes: true, users: true, newest: true, config: true, ..Due::default() },
            exchange: None,
            action: None,
            waiting: VecDeque::new(),
            cursor: config.cursor,
            log_access,
            states: None,
            log_follows: true,
            config_count: None,
            timers: TimerTable::default(),
            beacons: BeaconPolicy::default(),
            backoff: Backoff::default(),
            outputs: VecDeque::new(),
            lost: false,
            motor_polls: 0,
        };
        session.timers.set(Timer::SafetyNet, now.saturating_add(SAFETY_NET));
        session.outputs.push_back(Output::LogAccess(log_access));
        session
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// Whether the log can be read, as far as known.
    #[must_use]
    pub const fn log_access(&self) -> LogAccess {
        self.log_access
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Duration) {
        match input {
            Input::Beacon(beacon) => self.on_beacon(beacon, now),
            Input::Connected => self.on_connected(now),
            Input::ConnectFailed | Input::Disconnected => self.on_link_down(now),
            Input::Received(characteristic, bytes) => self.on_received(characteristic, &bytes, now),
            Input::WriteFailed => self.leave_link(now),
            Input::Act(request) => self.waiting.push_back(Action::new(request, now)),
            Input::ReadState => self.due.states = true,
            Input::ReadLog => self.timers.set(Timer::LogAgain, now.saturating_add(LOG_PAUSE)),
            Input::CheckLog => self.due.newest = self.log_access.has_pin(),
            Input::ReadDirectory => {
                self.due.users = self.log_access.has_pin();
                self.due.codes = self.log_access.has_pin();
            }
            Input::Rewind(cursor) => {
                self.cursor = cursor;
                self.due.log = self.log_access.has_pin();
            }
        }
        self.advance(now);
    }

    /// Handles every timer that is due.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some(timer) = self.timers.take_due(now) {
            self.on_timer(timer, now);
        }
        self.advance(now);
    }

    fn on_beacon(&mut self, beacon: Beacon, now: Duration) {
        if self.link != LinkState::Down || self.lost {
            return;
        }
        if self.beacons.should_connect(beacon.state_changed, now) {
            self.due.states = true;
            self.log_follows = true;
            // A lock that is heard and has news is worth a try before the back-off ends.
            self.timers.stop(Timer::Reconnect);
        }
    }

    fn on_connected(&mut self, now: Duration) {
        self.link = LinkState::Up;
        self.channel.reset();
        self.exchange = None;
        if self.action.as_ref().is_some_and(Action::is_searching) {
            self.due.states = true;
            self.log_follows = true;
        }
        self.timers.stop(Timer::Reconnect);
        self.timers.set(Timer::SafetyNet, now.saturating_add(SAFETY_NET));
    }

    fn on_link_down(&mut self, now: Duration) {
        self.link = LinkState::Down;
        if let Some(exchange) = self.exchange.take() {
            self.make_due(&exchange.job);
        }
        if let Some(action) = &mut self.action {
            action.link_lost();
        }
        for timer in [Timer::Reply, Timer::Motor, Timer::Linger] {
            self.timers.stop(timer);
        }
        if self.is_moving() {
            // Left in the middle of a motion: its end must be seen.
            self.due.states = true;
            self.log_follows = true;
        }
        if self.wants_link() && !self.timers.is_set(Timer::Reconnect) {
            let wait = self.backoff.next_wait();
            self.timers.set(Timer::Reconnect, now.saturating_add(wait));
        }
    }

    /// The answer did not come: the read is due again.
    fn make_due(&mut self, job: &Job) {
        match job {
            Job::States => self.due.states = true,
            Job::Config => self.due.config = true,
            Job::NewestLogIndex { .. } => self.due.newest = true,
            Job::Log { .. } => self.due.log = true,
            Job::Users { .. } => self.due.users = true,
            Job::Codes { .. } => self.due.codes = true,
            Job::Action => {}
        }
    }

    fn on_received(&mut self, characteristic: Characteristic, bytes: &[u8], now: Duration) {
        if self.link != LinkState::Up {
            return;
        }
        match characteristic {
            Characteristic::KeyturnerUsdio => match self.channel.receive(bytes) {
                Ok(replies) => replies.into_iter().for_each(|reply| self.on_reply(reply, now)),
                Err(error) => {
                    self.outputs.push_back(Output::Garbled(error));
                    self.leave_link(now);
                }
            },
            Characteristic::KeyturnerGdio => self.on_plain(bytes, now),
            Characteristic::PairingGdio => {}
        }
    }

    /// The plain characteristic carries one thing: that the lock cannot decrypt what we send.
    fn on_plain(&mut self, bytes: &[u8], now: Duration) {
        let Ok(message) = decode_plain(bytes) else { return };
        let Ok(Reply::Error(report)) = Reply::decode(message, false) else { return };
        if report.code == ErrorCode::NotAuthorized {
            self.outputs.push_back(Output::AuthorizationLost);
            self.lost = true;
            self.due = Due::default();
            self.finish_action(Outcome::NotDone(NotDone::Refused(report.code)), now);
            self.leave_link(now);
            self.timers.set(Timer::Reconnect, now.saturating_add(LOST_PAUSE));
        } else {
            self.outputs.push_back(Output::Refused(report));
        }
    }

    fn on_reply(&mut self, reply: Reply, now: Duration) {
        // The lock speaks our key: it is really there.
        self.backoff.reset();
        self.lost = false;
        if self.exchange.is_some() && self.timers.is_set(Timer::Reply) {
            let wait = if self.is_motor_awaited() { MOTOR_WITHIN } else { REPLY_WITHIN };
            self.timers.set(Timer::Reply, now.saturating_add(wait));
        }
        match reply {
            Reply::States(states) => self.on_states(states, now),
            Reply::Challenge(nonce) => self.on_challenge(&nonce, now),
            Reply::Status(StatusCode::Accepted) => self.on_accepted(now),
            Reply::Status(StatusCode::Complete) => self.on_complete(now),
            Reply::Status(StatusCode::Unknown(_)) | Reply::Battery(_) | Reply::Other(_) => {}
            Reply::Error(report) => self.on_error(report, now),
            Reply::Config(config) => {
                if self.is_doing(|job| matches!(job, Job::Config)) {
                    self.end_exchange();
                    self.outputs.push_back(Output::Config(config));
                }
            }
            Reply::LogEntryCount(count) => {
                let access = if count.logging_enabled { LogAccess::Readable } else { LogAccess::LoggingOff };
                self.set_log_access(access);
            }
            Reply::LogEntry(entry) => self.on_log_entry(entry, now),
            Reply::AuthorizationEntryCount(count) => {
                if let Some(Exchange { job: Job::Users { announced, .. }, .. }) = &mut self.exchange {
                    *announced = Some(count);
                }
            }
            Reply::AuthorizationEntry(entry) => {
                if let Some(Exchange { job: Job::Users { found, .. }, .. }) = &mut self.exchange {
                    found.push(entry);
                }
            }
            Reply::KeypadCodeCount(count) => {
                if let Some(Exchange { job: Job::Codes { announced, .. }, .. }) = &mut self.exchange {
                    *announced = Some(count);
                }
            }
            Reply::KeypadCode(code) => {
                if let Some(Exchange { job: Job::Codes { found, .. }, .. }) = &mut self.exchange {
                    found.push(code);
                }
            }
        }
    }

    fn on_states(&mut self, states: KeyturnerStates, now: Duration) {
        let requested = self.is_doing(|job| matches!(job, Job::States));
        if requested {
            self.end_exchange();
            self.beacons.state_read(now);
            self.due.clear_bit = false;
        } else {
            self.due.clear_bit = true;
        }
        let news = self.states.is_none_or(|known| {
            (known.lock_state, known.trigger, known.last_action, known.door_sensor)
                != (states.lock_state, states.trigger, states.last_action, states.door_sensor)
        });
        if self.config_count.replace(states.config_update_count).is_some_and(|n| n != states.config_update_count) {
            self.due.config = true;
            self.due.users = self.log_access.has_pin();
            self.due.codes = self.log_access.has_pin();
        }
        self.states = Some(states);
        self.log_follows |= news;
        if let Some(action) = &mut self.action {
            action.moved();
        }
        if !states.lock_state.is_transitional() {
            self.motor_polls = 0;
        }
        if self.is_moving() {
            self.timers.set(Timer::Motor, now.saturating_add(MOTOR_SILENCE));
        } else {
            self.timers.stop(Timer::Motor);
            self.due.log |= core::mem::take(&mut self.log_follows) && self.log_access.has_pin();
        }
        self.outputs.push_back(Output::Observed(states));
        self.judge_without_log(now);
    }

    fn on_challenge(&mut self, nonce: &[u8; 32], now: Duration) {
        let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.stage == Stage::Challenge) else {
            return;
        };
        exchange.stage = Stage::Answer;
        let message = match exchange.job {
            Job::Action => self.action.as_mut().and_then(|action| action.leave(self.app_id, nonce, now)),
            _ => exchange.command(nonce, self.pin, self.generation, self.cursor),
        };
        match message {
            Some(message) => self.write(&message),
            None => self.end_exchange(),
        }
    }

    fn on_accepted(&mut self, now: Duration) {
        if !self.is_doing(|job| matches!(job, Job::Action)) {
            return;
        }
        if let Some(action) = self.action.as_mut().filter(|action| !action.is_waiting())
            && action.accepted()
        {
            self.outputs.push_back(Output::ActionAccepted { intent_id: action.request.intent_id });
            self.timers.set(Timer::Reply, now.saturating_add(MOTOR_WITHIN));
        }
    }

    fn on_complete(&mut self, now: Duration) {
        let Some(Exchange { stage: Stage::Answer, job }) = &self.exchange else { return };
        match job {
            Job::Action => {
                self.end_exchange();
                if !self.action.as_ref().is_some_and(Action::has_moved) {
                    // Nothing had to move, so no state came by itself.
                    self.due.states = true;
                    self.log_follows = true;
                }
                self.finish_action(Outcome::Done, now);
            }
            Job::States | Job::Config => {}
            _ => self.finish_list(now),
        }
    }

    /// A list has ended: hand it on, or ask for its next page.
    fn finish_list(&mut self, now: Duration) {
        let Some(exchange) = self.exchange.take() else { return };
        self.timers.stop(Timer::Reply);
        match exchange.job {
            Job::NewestLogIndex { newest } => {
                if newest.unwrap_or(0) < self.cursor {
                    self.cursor = 0;
                    self.outputs.push_back(Output::LogReset { newest });
                }
                self.due.log |= newest.unwrap_or(0) > self.cursor;
                if !self.due.log {
                    self.outputs.push_back(Output::Log { entries: Vec::new(), end: true });
                }
            }
            Job::Log { entries } => {
                let end = entries.len() < usize::from(LOG_PAGE);
                self.due.log |= !end;
                self.outputs.push_back(Output::Log { entries, end });
                if end {
                    self.log_searched(now);
                }
            }
            Job::Users { found, announced } => {
                if found.len() < usize::from(announced.unwrap_or(0)) && !found.is_empty() {
                    self.begin(Job::Users { found, announced }, now);
                } else {
                    self.outputs.push_back(Output::Users(found));
                }
            }
            Job::Codes { found, announced } => {
                if found.len() < usize::from(announced.unwrap_or(0)) && !found.is_empty() {
                    self.begin(Job::Codes { found, announced }, now);
                } else {
                    self.outputs.push_back(Output::Codes(found));
                }
            }
            Job::States | Job::Config | Job::Action => {}
        }
    }

    fn on_log_entry(&mut self, entry: LogEntry, now: Duration) {
        match self.exchange.as_mut().map(|exchange| &mut exchange.job) {
            Some(Job::NewestLogIndex { newest }) => *newest = Some(entry.index.max(newest.unwrap_or(0))),
            // Ascending and behind the cursor is what was asked for; anything else would store an entry twice.
            Some(Job::Log { entries }) if entry.index > self.cursor => {
                self.cursor = entry.index;
                let verdict = self
                    .action
                    .as_ref()
                    .filter(|action| action.is_searching())
                    .and_then(|action| action.verdict(&entry, self.auth_id));
                entries.push(entry);
                if let Some(outcome) = verdict {
                    self.finish_action(outcome, now);
                }
            }
            _ => {}
        }
    }

    fn on_error(&mut self, report: ErrorReport, now: Duration) {
        let Some(exchange) = self.exchange.take() else {
            self.outputs.push_back(Output::Refused(report));
            return;
        };
        self.timers.stop(Timer::Reply);
        match (&exchange.job, report.code) {
            (Job::Action, code) => {
                if self.action.as_mut().is_some_and(|action| action.refused(code)) {
                    self.timers.set(Timer::BusyAgain, now.saturating_add(BUSY_PAUSE));
                } else {
                    self.due.states = true;
                    self.log_follows = true;
                    self.finish_action(Outcome::NotDone(NotDone::Refused(code)), now);
                }
            }
            (_, ErrorCode::BadPin | ErrorCode::TooManyPinAttempts) => {
                // Another try could lock the owner out: stop until the owner acts.
                self.set_log_access(LogAccess::PinRefused);
                self.judge_without_log(now);
            }
            (job, ErrorCode::BadNonce) => self.make_due(job),
            _ => self.outputs.push_back(Output::Refused(report)),
        }
    }

    fn set_log_access(&mut self, access: LogAccess) {
        if !access.has_pin() {
            self.due = Due { states: self.due.states, config: self.due.config, ..Due::default() };
        }
        if self.log_access != access {
            self.log_access = access;
            self.outputs.push_back(Output::LogAccess(access));
        }
    }

    fn on_timer(&mut self, timer: Timer, now: Duration) {
        match timer {
            Timer::Reply => {
                if self.exchange.as_ref().is_some_and(Exchange::is_list_complete) {
                    self.finish_list(now);
                } else {
                    self.leave_link(now);
                }
            }
            Timer::Motor => {
                self.motor_polls = self.motor_polls.saturating_add(1);
                self.due.states = true;
            }
            Timer::Linger => {
                if !self.due.any() && self.action.is_none() {
                    self.leave_link(now);
                }
            }
            Timer::LogAgain => self.due.log = self.log_access.has_pin(),
            Timer::SafetyNet => {
                self.due.states = true;
                self.log_follows = true;
                self.timers.set(Timer::SafetyNet, now.saturating_add(SAFETY_NET));
            }
            Timer::SendDeadline => {
                if let Some(outcome) = self.action.as_ref().and_then(Action::given_up) {
                    self.finish_action(outcome, now);
                }
            }
            Timer::AnswerDeadline => {
                let outcome = if self.shows_success() { Outcome::Done } else { Outcome::Unknown };
                self.finish_action(outcome, now);
            }
            Timer::Reconnect | Timer::BusyAgain => {}
        }
    }

    /// Does the next thing that can be done.
    fn advance(&mut self, now: Duration) {
        self.take_next_action();
        match self.link {
            LinkState::Connecting => {}
            LinkState::Down => {
                if self.wants_link() && !self.timers.is_set(Timer::Reconnect) {
                    self.link = LinkState::Connecting;
                    self.outputs.push_back(Output::Connect);
                }
            }
            LinkState::Up => {
                if self.exchange.is_none() {
                    match self.next_job() {
                        Some(job) => self.begin(job, now),
                        None => self.rest(now),
                    }
                }
            }
        }
    }

    fn take_next_action(&mut self) {
        if self.action.is_some() {
            return;
        }
        if let Some(action) = self.waiting.pop_front() {
            self.timers.set(Timer::SendDeadline, action.send_before);
            self.timers.set(Timer::AnswerDeadline, action.answer_before);
            // Somebody stands at the door: do not sit out a back-off.
            self.timers.stop(Timer::Reconnect);
            self.action = Some(action);
        }
    }

    fn wants_link(&self) -> bool {
        self.due.any() || self.action.is_some()
    }

    fn next_job(&mut self) -> Option<Job> {
        use core::mem::take;
        let action_ready =
            self.action.as_ref().is_some_and(Action::is_waiting) && !self.timers.is_set(Timer::BusyAgain);
        if action_ready {
            return Some(Job::Action);
        }
        if take(&mut self.due.states) {
            return Some(Job::States);
        }
        if self.timers.is_set(Timer::Motor) {
            return None;
        }
        let pin = self.log_access.has_pin();
        if take(&mut self.due.codes) && pin {
            Some(Job::Codes { found: Vec::new(), announced: None })
        } else if take(&mut self.due.users) && pin {
            Some(Job::Users { found: Vec::new(), announced: None })
        } else if take(&mut self.due.newest) && pin {
            Some(Job::NewestLogIndex { newest: None })
        } else if take(&mut self.due.log) && pin {
            Some(Job::Log { entries: Vec::new() })
        } else if take(&mut self.due.config) {
            Some(Job::Config)
        } else if take(&mut self.due.clear_bit) {
            Some(Job::States)
        } else {
            None
        }
    }

    fn begin(&mut self, job: Job, now: Duration) {
        let (exchange, message) = Exchange::begin(job);
        self.exchange = Some(exchange);
        self.timers.stop(Timer::Linger);
        self.timers.set(Timer::Reply, now.saturating_add(REPLY_WITHIN));
        self.write(&message);
    }

    /// Nothing to do on this link now.
    fn rest(&mut self, now: Duration) {
        let busy = self.timers.is_set(Timer::Motor)
            || self.timers.is_set(Timer::LogAgain)
            || self.timers.is_set(Timer::BusyAgain);
        if busy {
            return;
        }
        if !self.timers.is_set(Timer::Linger) {
            self.timers.set(Timer::Linger, now.saturating_add(LINGER));
        }
    }

    fn write(&mut self, message: &Message) {
        let frame = self.channel.seal(message);
        self.outputs.push_back(Output::Write(Characteristic::KeyturnerUsdio, frame));
    }

    /// Ends the link from our side.
    fn leave_link(&mut self, now: Duration) {
        if self.link == LinkState::Up {
            self.outputs.push_back(Output::Disconnect);
        }
        self.on_link_down(now);
    }

    fn end_exchange(&mut self) {
        self.exchange = None;
        self.timers.stop(Timer::Reply);
    }

    fn is_doing(&self, is: impl Fn(&Job) -> bool) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| is(&exchange.job))
    }

    fn is_motor_awaited(&self) -> bool {
        self.action.as_ref().is_some_and(Action::is_accepted)
    }

    /// Whether the motor runs. A lock that shows a transitional state without end is left alone after a while.
    fn is_moving(&self) -> bool {
        self.motor_polls < MOTOR_POLLS && self.states.is_some_and(|states| states.lock_state.is_transitional())
    }

    /// The lock accepted the action on this link, and its state says that it succeeded; only "complete" is missing.
    fn shows_success(&self) -> bool {
        let Some(action) = self.action.as_ref().filter(|action| action.is_accepted() && action.has_moved()) else {
            return false;
        };
        self.states
            .filter(|states| !states.lock_state.is_transitional())
            .and_then(|states| states.last_action)
            .is_some_and(|last| {
                last.action == action.request.action && last.completion_status == CompletionStatus::Success
            })
    }

    /// The log was read to its end while an action's entry was searched.
    fn log_searched(&mut self, now: Duration) {
        let Some(action) = self.action.as_mut().filter(|action| action.is_searching()) else { return };
        if self.log_access == LogAccess::LoggingOff {
            self.finish_action(Outcome::Unknown, now);
        } else if let Some(outcome) = action.searched() {
            self.finish_action(outcome, now);
        } else {
            self.timers.set(Timer::LogAgain, now.saturating_add(SEARCH_PAUSE));
        }
    }

    /// Without a readable log nothing can prove whose action moved the bolt.
    fn judge_without_log(&mut self, now: Duration) {
        let at_rest = self.states.is_some_and(|states| !states.lock_state.is_transitional());
        let searching = self.action.as_ref().is_some_and(Action::is_searching);
        if at_rest && searching && !self.log_access.has_pin() {
            self.finish_action(Outcome::Unknown, now);
        }
    }

    fn finish_action(&mut self, outcome: Outcome, now: Duration) {
        let Some(action) = self.action.take() else { return };
        for timer in [Timer::SendDeadline, Timer::AnswerDeadline, Timer::BusyAgain] {
            self.timers.stop(timer);
        }
        if self.is_doing(|job| matches!(job, Job::Action)) {
            self.end_exchange();
            self.due.states = true;
            self.log_follows = true;
        }
        self.outputs.push_back(Output::ActionFinished { intent_id: action.request.intent_id, outcome });
        self.take_next_action();
        if self.link == LinkState::Down && self.wants_link() && !self.timers.is_set(Timer::Reconnect) {
            self.timers.set(Timer::Reconnect, now);
        }
    }
}
