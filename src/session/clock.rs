//! The lock's clock beside the host's, and setting it.

use std::time::Duration;

use super::daily::Session;
use super::due::Read;
use super::exchange::NONCE_TRIES;
use super::io::{ClockNotSet, Output};
use super::timers::Timer;
use crate::protocol::ErrorCode;
use crate::protocol::datetime::DeviceTime;

/// A clock that is off by more than this should be set, milliseconds.
pub const CLOCK_LIMIT: i64 = 30_000;
/// A clock counts as running on local time if it is as near as this to its zone offset, milliseconds: offsets are
/// multiples of a quarter of an hour, and no lock drifts that far unnoticed.
const ZONE_LIMIT: i64 = 5 * 60_000;
/// Whoever wants the clock set gets an answer within this time.
const SET_WITHIN: Duration = Duration::from_secs(20);

/// What a lock's clock is found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockVerdict {
    /// It is off by its zone offset: it shows local time (`docs/protocol.md`, "Time").
    pub is_local_time: bool,
    /// It is off by more than [`CLOCK_LIMIT`], its zone offset left aside if it shows local time.
    pub should_be_set: bool,
}

/// How far a lock's clock is ahead of the host's, in milliseconds; `None` if it shows no moment.
///
/// The lock shows whole seconds. Half a second is added, so that a right clock is off by half a second at most in
/// either direction.
#[must_use]
pub fn clock_skew(shown: Option<DeviceTime>, host_millis: i64) -> Option<i64> {
    let seconds = shown?.unix_seconds()?;
    Some(seconds.saturating_mul(1000).saturating_add(500).saturating_sub(host_millis))
}

/// Judges a skew (milliseconds) of a lock with this zone offset (minutes).
#[must_use]
pub const fn clock_verdict(skew: i64, zone_offset: i16) -> ClockVerdict {
    let zone = zone_offset as i64 * 60_000;
    let is_local_time = zone != 0 && (skew - zone).abs() <= ZONE_LIMIT && skew.abs() > CLOCK_LIMIT;
    let off = if is_local_time { skew - zone } else { skew };
    ClockVerdict { is_local_time, should_be_set: off.abs() > CLOCK_LIMIT }
}

/// Somebody wants the clock set.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClockWish {
    at_zero: i64,
    tries: u8,
}

impl ClockWish {
    /// What the lock's clock should show at `now`; the nearest second.
    pub(super) fn time(self, now: Duration) -> Option<DeviceTime> {
        let millis = self.at_zero.saturating_add(i64::try_from(now.as_millis()).ok()?);
        DeviceTime::from_unix_seconds(millis.saturating_add(500).div_euclid(1000))
    }
}

impl Session {
    pub(super) fn on_set_clock(&mut self, at_zero: i64, now: Duration) {
        if self.has_stopped() {
            return self.outputs.push_back(Output::ClockSet(Err(ClockNotSet::Unreachable)));
        }
        if !self.pin.is_open() {
            return self.outputs.push_back(Output::ClockSet(Err(ClockNotSet::NoPin(self.log_access))));
        }
        self.clock_wish = Some(ClockWish { at_zero, tries: NONCE_TRIES });
        self.timers.set(Timer::ClockDeadline, now.saturating_add(SET_WITHIN));
        // Somebody waits.
        self.timers.stop(Timer::Reconnect);
    }

    pub(super) fn finish_clock(&mut self, result: Result<(), ClockNotSet>) {
        if self.clock_wish.take().is_none() {
            return;
        }
        self.timers.stop(Timer::ClockDeadline);
        if result.is_ok() {
            // What it shows now is the proof.
            self.want(Read::States);
        }
        self.outputs.push_back(Output::ClockSet(result));
    }

    /// The lock refused the time, or its nonce.
    pub(super) fn on_clock_refused(&mut self, code: ErrorCode) {
        if let Some(wish) = self.clock_wish.as_mut().filter(|wish| code == ErrorCode::BadNonce && wish.tries > 1) {
            // With a new challenge the same may go well; setting it twice does no harm.
            wish.tries -= 1;
            return;
        }
        let why = match code {
            ErrorCode::BadPin | ErrorCode::TooManyPinAttempts => ClockNotSet::NoPin(self.log_access),
            code => ClockNotSet::Refused(code),
        };
        self.finish_clock(Err(why));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_on_local_time_is_not_called_wrong() {
        let minute = 60_000;
        // (skew, zone offset) -> (local time, should be set)
        let cases = [
            ((0, 60), (false, false)),
            ((29_000, 60), (false, false)),
            ((-31_000, 60), (false, true)),
            ((60 * minute + 12_000, 60), (true, false)),
            ((62 * minute, 60), (true, true)),
            ((66 * minute, 60), (false, true)),
            ((-300 * minute, -300), (true, false)),
            ((60 * minute, 0), (false, true)),
            ((60 * minute, 120), (false, true)),
        ];
        for ((skew, zone), (is_local_time, should_be_set)) in cases {
            assert_eq!(clock_verdict(skew, zone), ClockVerdict { is_local_time, should_be_set }, "{skew} {zone}");
        }
    }

    #[test]
    fn whole_seconds_are_half_a_second_off_at_most() {
        let shown = DeviceTime::from_unix_seconds(1_795_442_400);
        assert_eq!(clock_skew(shown, 1_795_442_400_000), Some(500));
        assert_eq!(clock_skew(shown, 1_795_442_400_999), Some(-499));
        assert_eq!(clock_skew(None, 0), None);
        assert_eq!(clock_skew(DeviceTime::decode(&[0xFF; 7]).unwrap(), 0), None);
    }

    #[test]
    fn the_time_that_is_set_is_that_of_the_moment_it_leaves() {
        let wish = ClockWish { at_zero: 1_795_442_400_400, tries: 1 };
        let at = |now| wish.time(Duration::from_millis(now)).and_then(DeviceTime::unix_seconds);
        assert_eq!(at(0), Some(1_795_442_400));
        assert_eq!(at(100), Some(1_795_442_401));
        assert_eq!(at(5_000), Some(1_795_442_405));
    }
}
