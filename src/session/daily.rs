//! Daily operation of one lock: its state, its inputs, its timers.

use std::collections::VecDeque;
use std::time::Duration;

use super::action::Action;
use super::ahead::Ahead;
use super::channel::Channel;
use super::clock::ClockWish;
use super::codes::CodeWish;
use super::directory::{DirectoryPolicy, Why};
use super::due::{Due, Read};
use super::exchange::{Exchange, Job};
use super::io::{Anchor, ClockNotSet, Input, LogAccess, Output, SessionConfig, upkeep};
use super::lock_n_go::LockNGo;
use super::logs::Wrap;
use super::pin::PinGate;
use super::policy::{Backoff, BeaconPolicy};
use super::silence::Silence;
use super::timers::{Timer, TimerTable};
use crate::protocol::frame::AuthId;
use crate::protocol::gatt::Generation;
use crate::protocol::log::LogIndex;
use crate::protocol::state::KeyturnerStates;

/// The log lags behind the state a little; pause before it is read again.
const LOG_PAUSE: Duration = Duration::from_millis(250);

/// How often the battery is asked for its figures, at most.
const BATTERY_EVERY: Duration = Duration::from_secs(6 * 3600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkState {
    Down,
    Connecting,
    Up,
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
    pub(super) generation: Generation,
    pub(super) auth_id: AuthId,
    pub(super) app_id: u32,
    pub(super) pin: PinGate,
    pub(super) channel: Channel,
    pub(super) link: LinkState,
    /// The lock has spoken our key on this link.
    pub(super) has_spoken: bool,
    pub(super) due: Due,
    pub(super) exchange: Option<Exchange>,
    pub(super) action: Option<Action>,
    pub(super) waiting: VecDeque<Action>,
    /// Index of the last log entry that was handed on.
    pub(super) cursor: LogIndex,
    /// The entry at the cursor.
    pub(super) anchor: Option<Anchor>,
    /// The next read of the log must show the anchor.
    pub(super) doubts_log: bool,
    /// The newest index the log was heard to have.
    pub(super) newest: Option<LogIndex>,
    /// Whether its numbers have begun anew.
    pub(super) wrap: Wrap,
    /// Why people and codes are to be read when the budget allows.
    pub(super) directory_later: Option<Why>,
    /// When it was heard last.
    pub(super) last_heard: Option<Duration>,
    /// Since then it was not heard, or something was wanted of it and no link was made that brought it.
    pub(super) unreached_since: Option<Duration>,
    /// When people and codes may be read.
    pub(super) directory: DirectoryPolicy,
    /// Somebody wants the clock set.
    pub(super) clock_wish: Option<ClockWish>,
    /// Somebody wants a keypad code changed.
    pub(super) code_wish: Option<CodeWish>,
    pub(super) log_access: LogAccess,
    pub(super) states: Option<KeyturnerStates>,
    /// The log may have something to say as soon as the bolt is at rest.
    pub(super) log_follows: bool,
    pub(super) config_count: Option<u8>,
    pub(super) timers: TimerTable,
    pub(super) beacons: BeaconPolicy,
    pub(super) backoff: Backoff,
    pub(super) outputs: VecDeque<Output>,
    /// So often in a row something in the lock's place said, unsigned, that it does not know us; since the first time
    /// beacons are no reason to ask again.
    pub(super) refusals: u8,
    /// Whether the log is silent about what was seen.
    pub(super) silence: Silence,
    /// How often the state was asked for during one motion.
    pub(super) motor_polls: u8,
    /// When to look whether lock 'n' go has locked.
    pub(super) lock_n_go: LockNGo,
    /// Where a page of the log began that had fewer entries than announced, and how many it had.
    pub(super) short_page: Option<(LogIndex, usize)>,
    /// This lock announces more entries than it sends.
    pub(super) counts_too_many: bool,
    /// This lock has announced as many entries as it then sent up to its end mark, at least once and the last time.
    pub(super) counts_right: bool,
    /// A challenge that was fetched before it is needed.
    pub(super) ahead: Ahead,
    /// The log is read before the state.
    pub(super) log_first: bool,
    /// When the battery report was read last.
    pub(super) battery_read: Option<Duration>,
}

impl Session {
    /// A session for a paired lock. It wants everything read once: state, people, log, configuration.
    #[must_use]
    pub fn new(config: SessionConfig, now: Duration) -> Self {
        let log_access = LogAccess::at_start(config.pin, config.pin_tries);
        let is_opener = config.generation == Generation::Opener;
        let mut session = Self {
            generation: config.generation,
            auth_id: config.auth_id,
            app_id: config.app_id,
            pin: PinGate::new(config.pin, config.pin_tries),
            channel: Channel::new(config.key, config.auth_id, is_opener, config.seed),
            link: LinkState::Down,
            has_spoken: false,
            due: Due::default(),
            exchange: None,
            action: None,
            waiting: VecDeque::new(),
            cursor: config.cursor,
            anchor: config.anchor.filter(|anchor| anchor.index == config.cursor),
            doubts_log: true,
            newest: None,
            wrap: Wrap::No,
            directory_later: None,
            last_heard: None,
            unreached_since: None,
            directory: DirectoryPolicy::default(),
            clock_wish: None,
            code_wish: None,
            log_access,
            states: None,
            log_follows: true,
            config_count: None,
            timers: TimerTable::default(),
            beacons: BeaconPolicy::default(),
            backoff: Backoff::default(),
            outputs: VecDeque::new(),
            refusals: 0,
            silence: Silence::default(),
            motor_polls: 0,
            lock_n_go: LockNGo::default(),
            short_page: None,
            counts_too_many: false,
            counts_right: false,
            ahead: Ahead::default(),
            log_first: false,
            battery_read: None,
        };
        session.want_everything(now);
        session.await_pin(now);
        session.timers.set(Timer::SafetyNet, now.saturating_add(upkeep(config.generation)));
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
            Input::ExpectAction => self.expect_action(now),
            Input::Act(request) => self.on_act(request),
            Input::ReadState => self.want(Read::States),
            Input::ReadLog => self.timers.set(Timer::LogAgain, now.saturating_add(LOG_PAUSE)),
            Input::CheckLog => self.want(Read::Newest),
            Input::ReadDirectory => self.want_directory(Why::Stranger, now),
            Input::SetClock { at_zero } => self.on_set_clock(at_zero, now),
            Input::ChangeCode(change) => self.on_change_code(change, now),
            Input::NewPin { pin, tries } => self.on_new_pin(pin, tries, now),
            Input::Rewind(cursor) => self.rewind(cursor),
            Input::Stop => self.stop(now),
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

    /// Makes a read due, if it can be made at all.
    pub(super) fn want(&mut self, read: Read) {
        let is_possible = match read {
            // The sources disagree about its layout.
            Read::AdvancedConfig => self.generation != Generation::Opener,
            _ => self.pin.is_open() || !read.needs_pin(),
        };
        if is_possible && !self.has_stopped() {
            self.due.want(read);
        }
    }

    pub(super) fn want_everything(&mut self, now: Duration) {
        self.want(Read::States);
        self.want(Read::Newest);
        self.want(Read::Battery);
        self.want_directory(Why::Start, now);
    }

    /// People, codes, and the configuration that changes with them; later if the budget says so.
    pub(super) fn want_directory(&mut self, why: Why, now: Duration) {
        if self.due.is_due(Read::Users) && self.due.is_due(Read::Codes) {
            return;
        }
        if !self.pin.is_open() {
            // The configuration needs no PIN and costs no budget that names could use.
            if why != Why::Stranger {
                self.want_config();
            }
            return self.outputs.push_back(Output::DirectoryLater);
        }
        match self.directory.ask(why, now) {
            None => {
                self.timers.stop(Timer::Directory);
                self.directory_later = None;
                for read in [Read::Codes, Read::Users] {
                    self.want(read);
                }
                if why != Why::Stranger {
                    self.want_config();
                }
            }
            Some(at) => {
                // A stranger can wait for what is certain, not the other way round.
                if why != Why::Stranger || self.directory_later.is_none() {
                    self.directory_later = Some(why);
                    self.timers.set(Timer::Directory, at);
                }
                self.outputs.push_back(Output::DirectoryLater);
            }
        }
    }

    /// With the state that is read unasked, and no more often than every six hours.
    fn want_battery(&mut self, now: Duration) {
        if self.battery_read.is_none_or(|read| now.saturating_sub(read) >= BATTERY_EVERY) {
            self.want(Read::Battery);
        }
    }

    fn want_config(&mut self) {
        self.want(Read::Config);
        self.want(Read::AdvancedConfig);
    }

    fn rewind(&mut self, cursor: LogIndex) {
        self.cursor = cursor;
        self.anchor = None;
        if let Some(Exchange { job: Job::Log { is_void, .. }, .. }) = &mut self.exchange {
            *is_void = true;
        }
        self.want(Read::Log);
    }

    fn stop(&mut self, now: Duration) {
        self.timers.end();
        self.finish_all_actions(None);
        self.finish_clock(Err(ClockNotSet::Unreachable));
        self.on_code_deadline();
        self.leave_link(now);
        self.due = Due::default();
    }

    fn on_timer(&mut self, timer: Timer, now: Duration) {
        match timer {
            Timer::Reply => {
                if self.exchange.as_ref().is_some_and(Exchange::is_list_complete) {
                    self.finish_list(now);
                }
                // Whatever still comes on this link could be taken for the answer to something else.
                self.leave_link(now);
            }
            Timer::Motor => {
                self.motor_polls = self.motor_polls.saturating_add(1);
                self.want(Read::States);
            }
            Timer::Linger => {
                if !self.wants_link() {
                    self.leave_link(now);
                }
            }
            Timer::LogAgain => self.want(Read::Log),
            Timer::SafetyNet => {
                self.due.try_given_up_again();
                // Where no beacon tells, nothing else shows that the log was cleared between two visits.
                self.doubts_log = true;
                self.want(Read::States);
                self.want_battery(now);
                self.timers.set(Timer::SafetyNet, now.saturating_add(upkeep(self.generation)));
            }
            Timer::AnswerDeadline => self.on_answer_deadline(now),
            Timer::PinAgain => self.on_pin_again(now),
            Timer::Directory => {
                if let Some(why) = self.directory_later.take() {
                    self.want_directory(why, now);
                }
            }
            Timer::ClockDeadline => {
                self.finish_clock(Err(ClockNotSet::Unreachable));
                if self.is_doing(|job| matches!(job, Job::SetClock)) {
                    // The lock still owes an answer.
                    self.leave_link(now);
                }
            }
            Timer::CodeDeadline => {
                self.on_code_deadline();
                if self.is_doing(|job| matches!(job, Job::FindCode | Job::ChangeCode(_))) {
                    // The lock still owes an answer.
                    self.leave_link(now);
                }
            }
            Timer::Reconnect | Timer::BusyAgain | Timer::SendDeadline => {}
        }
    }

    /// Does the next thing that can be done.
    fn advance(&mut self, now: Duration) {
        self.arrange_actions(now);
        match self.link {
            LinkState::Connecting => {}
            LinkState::Down => {
                if self.wants_link() && !self.timers.is_set(Timer::Reconnect) {
                    self.begin_link();
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

    /// Nothing begins any more.
    pub(super) const fn has_stopped(&self) -> bool {
        self.timers.is_over()
    }

    pub(super) fn wants_link(&self) -> bool {
        !self.has_stopped()
            && (self.due.any() || self.action.is_some() || self.clock_wish.is_some() || self.code_wish.is_some())
    }

    pub(super) fn is_doing(&self, is: impl Fn(&Job) -> bool) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| is(&exchange.job))
    }
}
