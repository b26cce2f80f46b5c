//! Challenges that are asked for before it is certain what they are for.
//!
//! The log cannot be asked for before the lock has handed out a challenge, and
//! that takes as long as the question itself. A lock remembers its last
//! challenge until a command uses it up, and while the motor runs there is
//! nothing else to do on the link. So the challenge is fetched then, and the
//! question leaves as soon as the lock says that the bolt rests.
//!
//! What was handed out and waits is for the log alone: a command that does
//! something gets a challenge of its own moment. A lock that hands out none
//! while its motor runs, or does not keep it so long, is left alone with this
//! from then on, and is asked as ever.
//!
//! An action's challenge is asked for while its intent is on the way to the
//! disk (`docs/adr/0060`); whichever comes later lets the command leave.

use std::time::Duration;

use super::action::Action;
use super::daily::Session;
use super::exchange::{Job, Stage};
use crate::protocol::crypto::Challenge;

/// A challenge that was fetched before it was needed.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Ahead {
    held: Option<Challenge>,
    /// The command that the lock owes an answer to was made with it.
    in_use: bool,
    /// This lock does not take part.
    is_refused: bool,
}

impl Ahead {
    /// Challenges do not outlive the link they came on.
    pub(super) const fn link_ended(&mut self) {
        self.held = None;
        self.in_use = false;
    }

    /// The lock does not hand out a challenge, or did not keep it.
    pub(super) const fn refused(&mut self) {
        self.is_refused = true;
        self.held = None;
    }

    /// Whether the command that the lock is about to judge was made with it.
    pub(super) const fn is_in_use(&self) -> bool {
        self.in_use
    }
}

impl Session {
    /// Whether to fetch one now, with nothing else to do.
    pub(super) fn may_look_ahead(&self) -> bool {
        let has_no_work = self.action.is_none() && self.clock_wish.is_none() && self.code_wish.is_none();
        self.log_follows
            && has_no_work
            && self.pin.is_open()
            && !self.has_stopped()
            && !self.ahead.is_refused
            && self.ahead.held.is_none()
    }

    /// The lock has handed out a challenge that nobody needs yet.
    pub(super) fn hold_challenge(&mut self, nonce: &Challenge) {
        self.ahead.held = Some(*nonce);
        self.end_exchange();
    }

    /// The challenge for a job that begins, if one is held for it.
    pub(super) const fn take_challenge(&mut self, job: &Job, stage: Stage) -> Option<Challenge> {
        if !matches!(stage, Stage::Challenge) {
            return None;
        }
        // Asking for another one voids it at the lock.
        let held = if matches!(job, Job::Log { .. }) { self.ahead.held } else { None };
        self.ahead = Ahead { held: None, in_use: held.is_some(), ..self.ahead };
        held
    }

    /// A challenge that is being fetched ahead becomes that of the action that has come.
    pub(super) fn take_over_challenge(&mut self, now: Duration) {
        if let Some(exchange) = self.exchange.as_mut().filter(|exchange| exchange.job == Job::Challenge) {
            exchange.job = Job::Action;
            self.expect_reply(now);
        }
    }

    /// Whether the log goes before the state: the lock has just said by itself that the bolt rests, and somebody waits to
    /// hear who it was. The state is read behind it, and then the log once more.
    pub(super) fn puts_log_first(&self) -> bool {
        self.log_first && self.action.is_none() && self.waiting.is_empty()
    }

    /// An unasked state says that the bolt rests.
    pub(super) fn came_to_rest(&mut self) {
        // An action's entry is searched behind a state that was asked for.
        self.log_first = !self.action.as_ref().is_some_and(Action::is_searching);
    }
}
