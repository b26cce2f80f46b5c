//! What a session does on a link: one exchange after the other, in order of their worth.

use std::time::Duration;

use super::action::Action;
use super::daily::Session;
use super::due::Read;
use super::exchange::{Exchange, Job, LOG_PAGE, List};
use super::timers::Timer;

/// The lock answers within a few connection intervals; peers allow 3 to 4 s.
pub(super) const REPLY_WITHIN: Duration = Duration::from_secs(4);
/// The state of one motion is asked for so often, then it is left alone.
const MOTOR_POLLS: u8 = 20;
/// A link without work is held so long, for what may follow at once.
const LINGER: Duration = Duration::from_secs(2);

impl Session {
    /// The next exchange, actions before all.
    pub(super) fn next_job(&mut self) -> Option<Job> {
        // What an action changed can only be told by who knows what was before it.
        if self.states.is_none() && self.due.take(Read::States) {
            return Some(Job::States);
        }
        let is_action_ready =
            self.action.as_ref().is_some_and(Action::is_waiting) && !self.timers.is_set(Timer::BusyAgain);
        if is_action_ready {
            return Some(Job::Action);
        }
        let is_motor_running = self.timers.is_set(Timer::Motor);
        if self.clock_wish.is_some() && self.pin.is_open() && !is_motor_running {
            return Some(Job::SetClock);
        }
        if let Some(wish) = self.code_wish.as_ref().filter(|_| self.pin.is_open() && !is_motor_running) {
            return Some(wish.command().map_or(Job::FindCode, |command| Job::ChangeCode(command.command())));
        }
        if is_motor_running {
            let next = if self.due.take(Read::States) { Some(Job::States) } else { None };
            return next.or_else(|| self.may_look_ahead().then_some(Job::Challenge));
        }
        let log_first = self.puts_log_first() && self.due.is_due(Read::Log);
        let read = Read::ALL
            .into_iter()
            .filter(|read| !log_first || *read != Read::States)
            .find(|read| self.due.take(*read))?;
        Some(match read {
            Read::States => Job::States,
            Read::Codes => Job::Codes(List::new()),
            Read::Users => Job::Users(List::new()),
            Read::Newest => Job::NewestLogIndex { newest: None, announced: None },
            Read::Log => {
                self.log_first = false;
                self.log_job()
            }
            Read::Config => Job::Config,
            Read::AdvancedConfig => Job::AdvancedConfig,
            Read::Battery => Job::Battery,
            Read::UserCount | Read::CodeCount => Job::Count { of: read, announced: None },
        })
    }

    pub(super) fn begin(&mut self, job: Job, now: Duration) {
        let (exchange, message) = Exchange::begin(job);
        let challenge = self.take_challenge(&exchange.job, exchange.stage);
        self.exchange = Some(exchange);
        self.timers.stop(Timer::Linger);
        match challenge {
            Some(nonce) => self.on_challenge(&nonce, now),
            None => {
                self.expect_reply(now);
                self.write(&message);
            }
        }
    }

    /// The lock owes something that belongs to the exchange; anything else does not make it pay.
    pub(super) fn expect_reply(&mut self, now: Duration) {
        self.timers.set(Timer::Reply, now.saturating_add(REPLY_WITHIN));
    }

    pub(super) fn end_exchange(&mut self) {
        if let Some(exchange) = self.exchange.take()
            && let Some(read) = exchange.job.read()
        {
            self.due.succeeded(read);
        }
        self.timers.stop(Timer::Reply);
    }

    /// Nothing to do on this link now.
    pub(super) fn rest(&mut self, now: Duration) {
        let busy = self.timers.is_set(Timer::Motor)
            || self.timers.is_set(Timer::LogAgain)
            || self.timers.is_set(Timer::BusyAgain);
        if busy {
            return;
        }
        // Only a link that brought everything it was made for is a success.
        self.backoff.reset();
        if !self.timers.is_set(Timer::Linger) {
            self.timers.set(Timer::Linger, now.saturating_add(LINGER));
        }
    }

    /// Whether the motor runs. A lock that shows a transitional state without end is left alone after a while.
    pub(super) fn is_moving(&self) -> bool {
        self.motor_polls < MOTOR_POLLS && self.states.is_some_and(|states| states.lock_state.is_transitional())
    }

    /// A list has ended: hand it on, or ask for its next page.
    pub(super) fn finish_list(&mut self, now: Duration) {
        let Some(exchange) = self.exchange.take() else { return };
        self.timers.stop(Timer::Reply);
        // Whether a list is whole is found below.
        if let Some(read) = exchange.job.read().filter(|read| !matches!(read, Read::Users | Read::Codes)) {
            self.due.succeeded(read);
        }
        match exchange.job {
            Job::NewestLogIndex { newest, announced } => self.on_newest(newest, announced),
            Job::LogBack { entries, top, page_start, announced, .. } => {
                self.on_log_back(entries, top, announced, page_start, now);
            }
            // Read again from the new cursor.
            Job::Log { is_void: true, .. } => self.want(Read::Log),
            Job::Log { entries, announced, has_anchor, handed_on, anchor, .. } => {
                if anchor.is_some() && entries.is_empty() && handed_on == 0 {
                    self.on_empty_log();
                }
                let came = handed_on + entries.len() + usize::from(has_anchor);
                self.compare_count(announced, came);
                if handed_on > 0 && entries.is_empty() {
                    return self.log_searched(now);
                }
                let wanted = usize::from(announced.unwrap_or(0)).min(usize::from(LOG_PAGE) + usize::from(has_anchor));
                self.on_log_page(entries, wanted.saturating_sub(came), now);
            }
            Job::Users(list) if list.has_more() => self.begin(Job::Users(list.next_page()), now),
            Job::Users(list) => self.on_users(list, now),
            Job::Codes(list) if list.has_more() => self.begin(Job::Codes(list.next_page()), now),
            Job::Codes(list) => self.on_codes(list, now),
            Job::Count { of, announced } => self.on_count(of, announced, now),
            Job::FindCode => self.on_codes_searched(),
            Job::States | Job::Config | Job::AdvancedConfig | Job::Battery => {}
            Job::SetClock | Job::ChangeCode(_) | Job::Action | Job::Challenge => {}
        }
    }
}
