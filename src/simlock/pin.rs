//! The security PIN and its lock-out.

use std::time::Duration;

use crate::protocol::ErrorCode;
use crate::protocol::crypto::Pin;

#[derive(Debug)]
pub(super) struct PinGuard {
    pin: Pin,
    attempts: u8,
    lockout: Duration,
    wrong: u8,
    locked_until: Option<Duration>,
    refusals: u32,
}

impl PinGuard {
    pub(super) const fn new(pin: Pin, attempts: u8, lockout: Duration) -> Self {
        Self { pin, attempts, lockout, wrong: 0, locked_until: None, refusals: 0 }
    }

    /// How often it said no, during lock-outs too.
    pub(super) const fn refusals(&self) -> u32 {
        self.refusals
    }

    /// During a lock-out not even the right PIN helps.
    pub(super) fn check(&mut self, claimed: Pin, now: Duration) -> Result<(), ErrorCode> {
        let result = self.judge(claimed, now);
        self.refusals = self.refusals.saturating_add(u32::from(result.is_err()));
        result
    }

    fn judge(&mut self, claimed: Pin, now: Duration) -> Result<(), ErrorCode> {
        if self.locked_until.is_some_and(|until| now < until) {
            return Err(ErrorCode::TooManyPinAttempts);
        }
        self.locked_until = None;
        if claimed == self.pin {
            self.wrong = 0;
            return Ok(());
        }
        self.wrong = self.wrong.saturating_add(1);
        if self.wrong >= self.attempts {
            self.wrong = 0;
            self.locked_until = Some(now.saturating_add(self.lockout));
        }
        Err(ErrorCode::BadPin)
    }

    /// Whether the owner has set one; 0 stands for none.
    pub(super) fn is_set(&self) -> bool {
        self.pin != Pin::new(0)
    }

    pub(super) const fn set(&mut self, pin: Pin) {
        self.pin = pin;
    }
}
