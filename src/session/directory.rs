//! When people and codes are read again: often enough that names are those of the day, seldom enough that a lock
//! which never comes to rest, or a log full of numbers that nobody has, does not empty its battery.

use std::collections::VecDeque;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Both lists may be read so often, whatever the reason.
const PER_HOUR: usize = 4;
const PER_DAY: usize = 12;
/// For numbers that nobody has, so often: what stays unknown is unknown the next time too.
const STRANGERS_PER_HOUR: usize = 1;
const STRANGERS_PER_DAY: usize = 4;
/// The lengths of the lists are asked for on the first visit after this, at no extra connection.
const COUNT_EVERY: Duration = Duration::from_secs(20 * 60 * 60);

/// Why people and codes shall be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Nothing was read yet, or the lock had forgotten us.
    Start,
    /// The configuration counter moved.
    Configuration,
    /// A list has another length than when it was read.
    Count,
    /// A number that is in neither list was at the door.
    Stranger,
}

/// The budget of both lists, and what is known of their lengths.
#[derive(Debug, Default)]
pub(super) struct DirectoryPolicy {
    /// Reads of the last day, oldest first, and whether a stranger was the reason.
    spent: VecDeque<(Duration, bool)>,
    /// When the lengths were learnt last.
    counted_at: Option<Duration>,
    /// Length of each list when it was read whole.
    pub(super) users: Option<u16>,
    pub(super) codes: Option<u16>,
}

impl DirectoryPolicy {
    /// `None`: read now, it is paid for. Otherwise when to ask again.
    pub(super) fn ask(&mut self, why: Why, now: Duration) -> Option<Duration> {
        while self.spent.front().is_some_and(|(at, _)| now.saturating_sub(*at) >= DAY) {
            self.spent.pop_front();
        }
        let is_stranger = why == Why::Stranger;
        let mut until = [self.frees(|_| true, PER_HOUR, HOUR, now), self.frees(|_| true, PER_DAY, DAY, now)]
            .into_iter()
            .flatten()
            .max();
        if is_stranger {
            until = until.max(self.frees(|stranger| stranger, STRANGERS_PER_HOUR, HOUR, now));
            until = until.max(self.frees(|stranger| stranger, STRANGERS_PER_DAY, DAY, now));
        }
        if until.is_none() {
            self.spent.push_back((now, is_stranger));
        }
        until
    }

    /// When there is room for one more of those that count, if there is none now.
    fn frees(&self, counts: impl Fn(bool) -> bool, most: usize, window: Duration, now: Duration) -> Option<Duration> {
        let mut spent = self.spent.iter().rev().filter(|(_, stranger)| counts(*stranger)).map(|(at, _)| *at);
        let nth = spent.nth(most.checked_sub(1)?)?;
        Some(nth.saturating_add(window)).filter(|free| *free > now)
    }

    /// Whether the lengths should be asked for, now that there is a link.
    pub(super) fn is_count_due(&self, now: Duration) -> bool {
        self.counted_at.is_some_and(|at| now.saturating_sub(at) >= COUNT_EVERY)
    }

    pub(super) const fn counted(&mut self, now: Duration) {
        self.counted_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    #[test]
    fn each_reason_has_its_budget() {
        // (reasons, how often each minute of a day they ask) -> reads of the first hour, of the first day
        let cases: [(&[Why], usize, usize); 5] = [
            (&[Why::Configuration], PER_HOUR, PER_DAY),
            (&[Why::Count], PER_HOUR, PER_DAY),
            (&[Why::Stranger], STRANGERS_PER_HOUR, STRANGERS_PER_DAY),
            (&[Why::Start, Why::Configuration, Why::Count, Why::Stranger], PER_HOUR, PER_DAY),
            (&[], 0, 0),
        ];
        for (reasons, in_the_hour, in_the_day) in cases {
            let mut policy = DirectoryPolicy::default();
            let mut reads = Vec::new();
            for minute in 0..24 * 60 {
                for why in reasons {
                    if policy.ask(*why, minutes(minute)).is_none() {
                        reads.push(minute);
                    }
                }
            }
            assert_eq!(reads.iter().filter(|minute| **minute < 60).count(), in_the_hour, "{reasons:?}");
            assert_eq!(reads.len(), in_the_day, "{reasons:?}");
        }
    }

    #[test]
    fn strangers_leave_room_for_what_is_certain() {
        let mut policy = DirectoryPolicy::default();
        assert_eq!(policy.ask(Why::Stranger, minutes(0)), None);
        assert_eq!(policy.ask(Why::Stranger, minutes(1)), Some(minutes(60)));
        assert_eq!(policy.ask(Why::Configuration, minutes(2)), None);
    }

    #[test]
    fn who_has_to_wait_is_told_when_there_is_room() {
        let mut policy = DirectoryPolicy::default();
        for minute in [0, 5, 10, 15] {
            assert_eq!(policy.ask(Why::Configuration, minutes(minute)), None);
        }
        let free = policy.ask(Why::Configuration, minutes(20));
        assert_eq!(free, Some(minutes(60)));
        assert_eq!(policy.ask(Why::Configuration, minutes(60)), None);
        assert_eq!(policy.ask(Why::Configuration, minutes(60)), Some(minutes(65)));
    }

    #[test]
    fn lengths_are_asked_for_once_a_day() {
        let mut policy = DirectoryPolicy::default();
        assert!(!policy.is_count_due(DAY), "before the first read there is nothing to compare");
        policy.counted(minutes(0));
        let visits = (0..30 * 24).map(|hour| minutes(60 * hour));
        let asked = visits.filter(|now| {
            let due = policy.is_count_due(*now);
            if due {
                policy.counted(*now);
            }
            due
        });
        assert!((30..=36).contains(&asked.count()));
    }
}
