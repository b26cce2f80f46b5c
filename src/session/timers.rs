//! Timeouts as a table of named timers.

use std::time::Duration;

/// Why a session wakes up by itself. Each timer is set at most once at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// The lock owes an answer; every message of it restarts the wait.
    Reply,
    /// The motor runs and nothing was heard of it for a while: ask.
    Motor,
    /// Nothing is due any more: leave, the lock holds few links.
    Linger,
    /// Connect again after a failure.
    Reconnect,
    /// Another try of the log, which lags behind the state.
    LogAgain,
    /// Another try of an action that the lock was too busy for.
    BusyAgain,
    /// An action that has not left by now must not leave any more.
    SendDeadline,
    /// An action's asker gets an answer by now, whatever is known.
    AnswerDeadline,
    /// Read the state even though no beacon asked for it.
    SafetyNet,
    /// A refused PIN may be tried a second time.
    PinAgain,
    /// There is room in the budget for people and codes.
    Directory,
    /// Whoever wants the clock set gets an answer by now.
    ClockDeadline,
    /// Whoever wants a code changed gets an answer by now.
    CodeDeadline,
}

const COUNT: usize = 13;

/// Expiry per timer, in the session's monotonic time.
#[derive(Debug, Default)]
pub(super) struct TimerTable {
    expiries: [Option<Duration>; COUNT],
    is_over: bool,
}

impl TimerTable {
    const ALL: [Timer; COUNT] = [
        Timer::Reply,
        Timer::Motor,
        Timer::Linger,
        Timer::Reconnect,
        Timer::LogAgain,
        Timer::BusyAgain,
        Timer::SendDeadline,
        Timer::AnswerDeadline,
        Timer::SafetyNet,
        Timer::PinAgain,
        Timer::Directory,
        Timer::ClockDeadline,
        Timer::CodeDeadline,
    ];

    /// Does nothing once the session has ended.
    pub(super) fn set(&mut self, timer: Timer, at: Duration) {
        if !self.is_over {
            self.put(timer, Some(at));
        }
    }

    /// No timer fires any more, whatever the session is still told.
    pub(super) fn end(&mut self) {
        *self = Self { is_over: true, ..Self::default() };
    }

    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        self.put(timer, None);
    }

    fn put(&mut self, timer: Timer, at: Option<Duration>) {
        if let Some(slot) = self.expiries.get_mut(timer as usize) {
            *slot = at;
        }
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.expiry(timer).is_some()
    }

    pub(super) fn expiry(&self, timer: Timer) -> Option<Duration> {
        self.expiries.get(timer as usize).copied().flatten()
    }

    /// When the earliest timer fires.
    pub(super) fn next(&self) -> Option<Duration> {
        self.expiries.iter().flatten().min().copied()
    }

    /// Takes one timer that is due, the earliest first.
    pub(super) fn take_due(&mut self, now: Duration) -> Option<Timer> {
        let timer = Self::ALL
            .into_iter()
            .filter_map(|timer| Some((self.expiry(timer)?, timer)))
            .filter(|(at, _)| *at <= now)
            .min_by_key(|(at, _)| *at)
            .map(|(_, timer)| timer)?;
        self.stop(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_timers_come_earliest_first_and_once() {
        let mut table = TimerTable::default();
        table.set(Timer::Linger, Duration::from_secs(2));
        table.set(Timer::Reply, Duration::from_secs(1));
        table.set(Timer::SafetyNet, Duration::from_secs(9));
        assert_eq!(table.next(), Some(Duration::from_secs(1)));
        let now = Duration::from_secs(3);
        assert_eq!(table.take_due(now), Some(Timer::Reply));
        assert_eq!(table.take_due(now), Some(Timer::Linger));
        assert_eq!(table.take_due(now), None);
        assert_eq!(table.next(), Some(Duration::from_secs(9)));
    }
}
