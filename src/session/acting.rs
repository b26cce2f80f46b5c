//! A session's actions: which one is next, what its answers mean, when it is over.

use std::time::Duration;

use super::action::{Action, ActionRequest, BUSY_PAUSE, NotDone, Outcome, SEARCH_PAUSE, Verdict};
use super::daily::{LinkState, Session};
use super::due::Read;
use super::exchange::Job;
use super::io::{LogAccess, Output};
use super::timers::Timer;
use crate::protocol::gatt::Generation;
use crate::protocol::{CompletionStatus, ErrorCode};

/// A motor run ends within this time, unlatching with its hold time included.
const MOTOR_WITHIN: Duration = Duration::from_secs(30);
/// So many actions may wait behind one another.
const MAX_WAITING: usize = 16;

impl Session {
    pub(super) fn on_act(&mut self, request: ActionRequest) {
        let action = Action::new(request, self.generation == Generation::Opener);
        if self.has_stopped() || self.waiting.len() >= MAX_WAITING {
            self.tell_outcome(&action, Outcome::NotDone(NotDone::NotSent));
        } else {
            self.waiting.push_back(action);
        }
    }

    /// A link and a challenge move nothing, so they need not wait until the intent is on disk. What is expected and does not
    /// come leaves a link without work, which ends by itself.
    pub(super) fn expect_action(&mut self, now: Duration) {
        if self.has_stopped() || self.action.is_some() {
            return;
        }
        match self.link {
            LinkState::Down => {
                self.timers.stop(Timer::Reconnect);
                self.begin_link();
            }
            LinkState::Up if self.exchange.is_none() && self.states.is_some() => self.begin(Job::Challenge, now),
            LinkState::Up | LinkState::Connecting => {}
        }
    }

    /// Ends what has waited too long, takes the next one, sets the deadlines.
    pub(super) fn arrange_actions(&mut self, now: Duration) {
        if let Some(action) = self.action.as_ref().filter(|a| a.is_waiting() && now >= a.send_before()) {
            let outcome = action.cut_short();
            self.finish_action(outcome, now);
        }
        // They waited in the order in which they were asked, so the first ones are the late ones.
        while let Some(action) = self.waiting.pop_front_if(|action| now >= action.send_before()) {
            self.tell_outcome(&action, action.cut_short());
        }
        if self.action.is_none()
            && let Some(action) = self.waiting.pop_front()
        {
            // Somebody stands at the door: do not sit out a back-off.
            self.timers.stop(Timer::Reconnect);
            self.action = Some(action);
            self.take_over_challenge(now);
        }
        let unsent = self.action.iter().filter(|action| action.is_waiting()).chain(&self.waiting);
        match unsent.map(Action::send_before).min() {
            Some(at) => self.timers.set(Timer::SendDeadline, at),
            None => self.timers.stop(Timer::SendDeadline),
        }
        match self.action.as_ref().map(Action::answer_before) {
            Some(at) => self.timers.set(Timer::AnswerDeadline, at),
            None => self.timers.stop(Timer::AnswerDeadline),
        }
    }

    pub(super) fn on_answer_deadline(&mut self, now: Duration) {
        let Some(action) = &self.action else { return };
        let outcome = if self.shows_success() { Outcome::Done } else { action.cut_short() };
        self.finish_action(outcome, now);
    }

    pub(super) fn on_accepted(&mut self, now: Duration) {
        let is_acting = self.is_doing(|job| matches!(job, Job::Action));
        if let Some(action) = self.action.as_mut().filter(|_| is_acting)
            && action.accepted()
        {
            self.outputs.push_back(Output::ActionAccepted { intent_id: action.request.intent_id });
            self.timers.set(Timer::Reply, now.saturating_add(MOTOR_WITHIN));
        }
    }

    /// COMPLETE while an action waits for its answer.
    pub(super) fn on_action_complete(&mut self, now: Duration) {
        self.end_exchange();
        self.finish_action(Outcome::Done, now);
    }

    /// The lock's refusal of an action, or of the challenge for it.
    pub(super) fn on_action_refused(&mut self, code: ErrorCode, now: Duration) {
        let Some(action) = &mut self.action else { return };
        match action.refused(code) {
            Verdict::Ignored => {}
            Verdict::Again => {
                self.end_exchange();
                self.timers.set(Timer::BusyAgain, now.saturating_add(BUSY_PAUSE));
            }
            Verdict::Ends => {
                self.end_exchange();
                self.finish_action(Outcome::NotDone(NotDone::Refused(code)), now);
            }
        }
    }

    /// The command of an action leaves here and nowhere else.
    pub(super) fn send_action(&mut self, nonce: &[u8; 32], now: Duration) {
        let (app_id, states) = (self.app_id, self.states);
        let message = self.action.as_mut().and_then(|action| action.leave(app_id, nonce, states, now));
        match message {
            Some(message) => self.write(&message),
            // Too late; its deadline ends it.
            None => self.end_exchange(),
        }
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
    pub(super) fn log_searched(&mut self, now: Duration) {
        let states = self.states;
        let Some(action) = self.action.as_mut().filter(|action| action.is_searching()) else { return };
        if self.log_access == LogAccess::LoggingOff {
            self.finish_action(Outcome::Unknown, now);
        } else if let Some(outcome) = action.searched(states.as_ref()) {
            self.finish_action(outcome, now);
        } else {
            self.timers.set(Timer::LogAgain, now.saturating_add(SEARCH_PAUSE));
        }
    }

    /// Without a readable log nothing can prove whose action moved the bolt.
    pub(super) fn judge_without_log(&mut self, now: Duration) {
        let at_rest = self.states.is_some_and(|states| !states.lock_state.is_transitional());
        let searching = self.action.as_ref().is_some_and(Action::is_searching);
        if at_rest && searching && !self.log_access.has_pin() {
            self.finish_action(Outcome::Unknown, now);
        }
    }

    pub(super) fn finish_action(&mut self, outcome: Outcome, now: Duration) {
        let Some(action) = self.action.take() else { return };
        self.timers.stop(Timer::BusyAgain);
        if !action.is_waiting() {
            self.want(Read::States);
        }
        self.tell_outcome(&action, outcome);
        if self.is_doing(|job| matches!(job, Job::Action)) {
            // The lock still owes an answer, which must not be taken for the answer to something else.
            self.leave_link(now);
        }
    }

    /// Ends them all at once, because the lock refuses all of them with this code, or because the session ends. What has left is
    /// unknown, unless the lock has shown it.
    pub(super) fn finish_all_actions(&mut self, refusal: Option<ErrorCode>) {
        let succeeded = self.shows_success();
        for action in self.action.take().into_iter().chain(core::mem::take(&mut self.waiting)) {
            let outcome = match refusal {
                Some(code) if action.is_waiting() => Outcome::NotDone(NotDone::Refused(code)),
                _ if succeeded && !action.is_waiting() => Outcome::Done,
                _ => action.cut_short(),
            };
            self.tell_outcome(&action, outcome);
        }
    }

    fn tell_outcome(&mut self, action: &Action, outcome: Outcome) {
        self.outputs.push_back(Output::ActionFinished { intent_id: action.request.intent_id, outcome });
    }
}
