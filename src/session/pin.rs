//! The PIN: how often a lock may be bothered with one that it may refuse.
//!
//! Locks ban who guesses, and the vendor does not say after how many tries or
//! for how long. So a PIN is tried twice at most, the second time an hour
//! later, in case the first refusal had a reason that has passed; then nothing
//! is sent that needs it until the owner acts. "Too many attempts" ends it at
//! once. As long as a PIN was never accepted a try counts before it leaves:
//! its answer may be lost, and whoever starts again must know of it.

use std::time::Duration;

use super::daily::Session;
use super::directory::Why;
use super::due::Read;
use super::exchange::Stage;
use super::io::{LogAccess, Output};
use super::timers::Timer;
use crate::protocol::ErrorCode;
use crate::protocol::crypto::Pin;

/// After so many refusals only the owner can go on.
const MAX_REFUSALS: u8 = 2;
/// The second try waits so long.
const SECOND_TRY: Duration = Duration::from_secs(60 * 60);
/// Tries without an answer that cost no wait: a link may just have broken.
const LOST_FOR_FREE: u8 = 1;
/// The next try after two whose answers were lost waits so long.
const LOST_FIRST: Duration = Duration::from_secs(60 * 60);
/// And then each.
const LOST_LATER: Duration = Duration::from_secs(24 * 60 * 60);

/// What must be remembered of a PIN over restarts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct PinTries {
    /// How often the lock refused it since it accepted it or the owner set it.
    pub refused: u8,
    /// Tries that left while it was not known to be right, and whose answer nobody has seen.
    pub unanswered: u8,
    /// The lock has accepted it.
    pub is_proven: bool,
}

impl PinTries {
    /// Whether nothing may be sent until the owner acts.
    #[must_use]
    pub const fn is_over(self) -> bool {
        self.refused >= MAX_REFUSALS
    }

    /// Whether it may be sent at this moment by somebody who cannot wait.
    #[must_use]
    pub const fn may_leave(self) -> bool {
        !self.is_over() && self.wait().is_none()
    }

    /// A command with it leaves.
    #[must_use]
    pub const fn after_leaving(self) -> Self {
        if self.is_proven { self } else { Self { unanswered: self.unanswered.saturating_add(1), ..self } }
    }

    /// The lock took it.
    #[must_use]
    pub const fn after_acceptance(self) -> Self {
        Self { refused: 0, unanswered: 0, is_proven: true }
    }

    /// The lock answered without a word about it.
    #[must_use]
    pub const fn after_answer(self) -> Self {
        Self { unanswered: self.unanswered.saturating_sub(1), ..self }
    }

    /// The lock refused it; `for_good` if it said that there were too many attempts.
    #[must_use]
    pub const fn after_refusal(self, for_good: bool) -> Self {
        let refused = if for_good { MAX_REFUSALS } else { self.refused.saturating_add(1) };
        Self { refused, unanswered: 0, is_proven: false }
    }

    /// How long the next try must wait.
    const fn wait(self) -> Option<Duration> {
        match (self.refused, self.unanswered) {
            (1.., 0) => Some(SECOND_TRY),
            (1.., _) => Some(LOST_LATER),
            (0, 0..=LOST_FOR_FREE) => None,
            (0, 2) => Some(LOST_FIRST),
            (0, _) => Some(LOST_LATER),
        }
    }
}

/// Decides whether a command with the PIN may leave.
#[derive(Debug)]
pub(super) struct PinGate {
    pin: Option<Pin>,
    tries: PinTries,
    is_waiting: bool,
}

impl PinGate {
    pub(super) const fn new(pin: Option<Pin>, tries: PinTries) -> Self {
        Self { pin, tries, is_waiting: tries.wait().is_some() }
    }

    pub(super) const fn pin(&self) -> Option<Pin> {
        self.pin
    }

    pub(super) const fn tries(&self) -> PinTries {
        self.tries
    }

    pub(super) const fn is_open(&self) -> bool {
        self.pin.is_some() && !self.is_waiting && !self.tries.is_over()
    }

    /// When a closed gate opens by itself.
    pub(super) const fn opens_after(&self) -> Option<Duration> {
        if self.pin.is_some() && self.is_waiting && !self.tries.is_over() { self.tries.wait() } else { None }
    }

    /// It has waited long enough.
    pub(super) const fn open(&mut self) {
        self.is_waiting = false;
    }

    /// A command with it leaves. True if that has to be remembered first.
    pub(super) const fn leaves(&mut self) -> bool {
        self.tries = self.tries.after_leaving();
        !self.tries.is_proven
    }

    /// The lock took it. True if that is news.
    pub(super) fn accepted(&mut self) -> bool {
        let proven = self.tries.after_acceptance();
        core::mem::replace(&mut self.tries, proven) != proven
    }

    /// The lock answered without a word about the PIN.
    pub(super) const fn answered(&mut self) -> bool {
        let was_open = self.tries.unanswered > 0;
        self.tries = self.tries.after_answer();
        was_open
    }

    /// The lock refused it; `for_good` if it said that there were too many attempts.
    pub(super) const fn refused(&mut self, for_good: bool) {
        self.tries = self.tries.after_refusal(for_good);
        self.is_waiting = true;
    }

    /// The link ended before the answer came.
    pub(super) const fn lost(&mut self) {
        self.is_waiting |= self.tries.wait().is_some();
    }
}

impl Session {
    /// The lock owes the answer to a command with the PIN.
    pub(super) fn is_answering_pin(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.stage == Stage::Answer && exchange.job.has_pin())
    }

    /// What comes as the answer proves the PIN, unless it was refused a moment ago.
    pub(super) fn is_pin_believed(&mut self) -> bool {
        if !self.pin.is_open() {
            return false;
        }
        if self.pin.accepted() {
            self.outputs.push_back(Output::PinTries(self.pin.tries()));
        }
        if self.log_access == LogAccess::PinRefused {
            self.set_log_access(LogAccess::Readable);
        }
        true
    }

    pub(super) fn on_pin_refused(&mut self, code: ErrorCode, now: Duration) {
        let for_good = code == ErrorCode::TooManyPinAttempts;
        // Said twice of one try, it counts once.
        if self.pin.is_open() || (for_good && !self.pin.tries().is_over()) {
            self.pin.refused(for_good);
            self.outputs.push_back(Output::PinTries(self.pin.tries()));
        }
        self.set_log_access(LogAccess::PinRefused);
        self.await_pin(now);
    }

    pub(super) fn on_pin_answered(&mut self) {
        if self.pin.answered() {
            self.outputs.push_back(Output::PinTries(self.pin.tries()));
        }
    }

    /// While no PIN may be sent nothing is due that needs it.
    pub(super) fn await_pin(&mut self, now: Duration) {
        if self.pin.is_open() {
            return;
        }
        self.due.forget(Read::needs_pin);
        self.timers.stop(Timer::LogAgain);
        if let Some(wait) = self.pin.opens_after()
            && !self.timers.is_set(Timer::PinAgain)
        {
            self.timers.set(Timer::PinAgain, now.saturating_add(wait));
        }
    }

    pub(super) fn on_pin_again(&mut self, now: Duration) {
        self.pin.open();
        self.want_pin_reads(now);
    }

    pub(super) fn on_new_pin(&mut self, pin: Option<Pin>, tries: PinTries, now: Duration) {
        self.timers.stop(Timer::PinAgain);
        self.pin = PinGate::new(pin, tries);
        self.set_log_access(LogAccess::at_start(pin, tries));
        self.await_pin(now);
        if self.is_answering_pin() {
            // The answer that is owed is about the PIN before.
            self.leave_link(now);
        }
        self.want_pin_reads(now);
    }

    fn want_pin_reads(&mut self, now: Duration) {
        if self.pin.is_open() {
            self.want(Read::Newest);
            self.want(Read::Log);
            self.want_directory(Why::Start, now);
        }
    }

    pub(super) fn set_log_access(&mut self, access: LogAccess) {
        if self.log_access == access {
            return;
        }
        // What the lock did while it wrote no log, or while nobody could read it, may have been to clear it.
        self.doubts_log = true;
        self.log_access = access;
        self.outputs.push_back(Output::LogAccess(access));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(tries: PinTries) -> PinGate {
        PinGate::new(Some(Pin::new(1234)), tries)
    }

    #[test]
    fn two_refusals_close_it_until_the_owner_acts() {
        let mut gate = gate(PinTries::default());
        assert!(gate.is_open() && gate.leaves(), "the first try is remembered before it leaves");
        gate.refused(false);
        assert!(!gate.is_open());
        assert_eq!(gate.opens_after(), Some(SECOND_TRY));
        gate.open();
        assert!(gate.is_open());
        gate.leaves();
        gate.refused(false);
        gate.open();
        assert!(!gate.is_open() && gate.tries().is_over());
        assert_eq!(gate.opens_after(), None);
    }

    #[test]
    fn too_many_attempts_close_it_at_once() {
        let mut gate = gate(PinTries { is_proven: true, ..PinTries::default() });
        gate.refused(true);
        assert_eq!((gate.is_open(), gate.opens_after()), (false, None));
    }

    #[test]
    fn what_was_counted_before_a_restart_counts_after_it() {
        let tries = |refused, unanswered| PinTries { refused, unanswered, is_proven: false };
        let cases = [
            (tries(0, 0), true, None),
            (tries(0, 1), true, None),
            (tries(0, 2), false, Some(LOST_FIRST)),
            (tries(0, 9), false, Some(LOST_LATER)),
            (tries(1, 0), false, Some(SECOND_TRY)),
            (tries(2, 0), false, None),
        ];
        for (tries, is_open, opens_after) in cases {
            let gate = gate(tries);
            assert_eq!((gate.is_open(), gate.opens_after()), (is_open, opens_after), "{tries:?}");
            assert_eq!(tries.may_leave(), is_open, "{tries:?}: whoever asks without a session");
        }
    }

    #[test]
    fn a_pin_that_works_costs_nothing_to_remember() {
        let mut gate = gate(PinTries::default());
        gate.leaves();
        assert!(gate.accepted());
        assert!(!gate.leaves() && !gate.accepted());
    }

    #[test]
    fn without_a_pin_nothing_opens() {
        let gate = PinGate::new(None, PinTries::default());
        assert_eq!((gate.is_open(), gate.opens_after()), (false, None));
    }
}
