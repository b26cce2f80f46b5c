//! The lock's clock beside ours: what it may have shown a moment ago, though it was set since.

use std::time::Duration;

use super::question::ON_THE_WAY;

/// A lock's clock goes wrong by one second in so many at most.
const DRIFT: u32 = 10_000;

/// The lock's clock at one moment, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    at: Duration,
    shown: i64,
    /// What it showed then, or would have if it had not been set lately.
    pub(super) earliest: i64,
    /// The same, if it was set back.
    pub(super) latest: i64,
}

impl Pace {
    /// It shows this now; before it showed something else.
    pub(super) fn seen(before: Option<Self>, shown: i64, now: Duration) -> Self {
        let fresh = Self { at: now, shown, earliest: shown, latest: shown };
        let Some(before) = before else { return fresh };
        let elapsed = now.saturating_sub(before.at);
        if elapsed >= ON_THE_WAY && before.goes_on_to(shown, elapsed) {
            return fresh;
        }
        let seconds = i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX);
        Self {
            earliest: shown.min(before.earliest.saturating_add(seconds)),
            latest: shown.max(before.latest.saturating_add(seconds).saturating_add(1)),
            ..fresh
        }
    }

    /// Whether nobody set it since.
    fn goes_on_to(self, shown: i64, elapsed: Duration) -> bool {
        let passed = u128::from(shown.abs_diff(self.shown)) * 1_000;
        let allowed = (Duration::from_secs(1) + elapsed / DRIFT).as_millis();
        shown >= self.shown && passed.abs_diff(elapsed.as_millis()) <= allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_clock_that_goes_on_shows_what_it_shows() {
        let first = Pace::seen(None, 100, at(0));
        let next = Pace::seen(Some(first), 110, at(10));
        assert_eq!((next.earliest, next.latest), (110, 110));
    }

    #[test]
    fn a_clock_that_was_set_may_have_been_right_until_just_now() {
        let first = Pace::seen(None, 100, at(0));
        let forward = Pace::seen(Some(first), 3_702, at(2));
        assert_eq!((forward.earliest, forward.latest), (102, 3_702));
        let soon = Pace::seen(Some(forward), 3_703, at(3));
        assert_eq!((soon.earliest, soon.latest), (103, 3_704), "it was set a second ago");
        let later = Pace::seen(Some(soon), 3_713, at(13));
        assert_eq!((later.earliest, later.latest), (3_713, 3_713));
        let back = Pace::seen(Some(later), 200, at(23));
        assert_eq!((back.earliest, back.latest), (200, 3_724));
    }
}
