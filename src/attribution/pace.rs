//! The lock's clock beside ours: what it may have shown a moment ago, though it was set since.

use std::time::Duration;

use super::explain::is_after;
use super::question::ON_THE_WAY;

/// A lock's clock goes wrong by one second in so many at most.
const DRIFT: u32 = 10_000;
/// It shows whole seconds.
const SECOND: i64 = 1_000;

/// The lock's clock at one moment. The distance between it and ours goes on while nobody sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Our clock.
    pub(super) at: Duration,
    /// The lock's clock minus ours, milliseconds: now, and the least and the most of late.
    ahead: i64,
    least: i64,
    most: i64,
    /// When it was seen to have been set last, by our clock.
    set_at: Duration,
}

/// When something was seen, by the lock's clock in seconds: one moment, or two if that clock was set lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// What the clock shows.
    shown: i64,
    /// What the clock showed then, or would have shown if it had not been set forward lately.
    pub(super) earliest: i64,
    /// What it showed, or would have shown if it had not been set back lately.
    pub(super) latest: i64,
}

impl Span {
    pub(super) const fn at(seconds: i64) -> Self {
        Self { shown: seconds, earliest: seconds, latest: seconds }
    }

    /// Whether this is certainly later than an entry of that time.
    pub(super) const fn is_after(&self, logged: i64) -> bool {
        // A clock of before that was set forward never showed what is later than it would show now.
        let is_of_now = is_after(logged, self.earliest);
        is_after(if is_of_now { self.shown } else { self.earliest }, logged)
    }

    /// Whether this is certainly earlier than an entry of that time.
    pub(super) const fn is_before(&self, logged: i64) -> bool {
        is_after(logged, self.latest)
    }

    /// Earlier than both.
    pub(super) const fn or_earlier(self, other: Self) -> Self {
        if other.earliest < self.earliest { Self { earliest: other.earliest, ..self } } else { self }
    }
}

impl Pace {
    /// It shows so many seconds now; before it showed something else.
    pub(super) fn seen(before: Option<Self>, shown: i64, now: Duration) -> Self {
        let ahead = shown.saturating_mul(SECOND).saturating_sub(millis(now));
        let fresh = Self { at: now, ahead, least: ahead, most: ahead, set_at: now };
        let Some(before) = before else { return fresh };
        let goes_on = before.goes_on_to(&fresh);
        let set_at = if goes_on { before.set_at } else { now };
        if goes_on && (before.least == before.most || now.saturating_sub(set_at) >= ON_THE_WAY) {
            return fresh;
        }
        Self { least: before.least.min(ahead), most: before.most.max(ahead), set_at, ..fresh }
    }

    /// What it shows, and what it may have shown a moment ago.
    pub(super) fn span(&self) -> Span {
        Span { shown: self.shown_if(self.ahead), earliest: self.shown_if(self.least), latest: self.shown_if(self.most) }
    }

    /// What it shows a little later, if nobody sets it.
    pub(super) fn at(&self, now: Duration) -> i64 {
        millis(now).saturating_add(self.ahead).div_euclid(SECOND)
    }

    /// Whether it was set since it was seen before, forward or back.
    pub(super) fn was_set(&self) -> bool {
        self.least != self.most && self.set_at == self.at
    }

    /// Whether it was set back lately.
    pub(super) const fn was_set_back(&self) -> bool {
        self.most.saturating_sub(self.ahead) > SECOND
    }

    fn shown_if(&self, ahead: i64) -> i64 {
        millis(self.at).saturating_add(ahead).div_euclid(SECOND)
    }

    /// Whether nobody set it in between.
    fn goes_on_to(&self, next: &Self) -> bool {
        let drift = millis(next.at.saturating_sub(self.at) / DRIFT);
        i64::try_from(self.ahead.abs_diff(next.ahead)).is_ok_and(|apart| apart <= SECOND.saturating_add(drift))
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_clock_that_goes_on_shows_what_it_shows() {
        let mut pace = Pace::seen(None, 100, at(0));
        for second in (1..3).chain([40, 41, 90_000]) {
            pace = Pace::seen(Some(pace), 100 + second, at(second.unsigned_abs()));
            assert_eq!((pace.span(), pace.was_set()), (Span::at(100 + second), false));
        }
    }

    #[test]
    fn a_clock_that_was_set_may_have_been_right_until_just_now() {
        let span = |earliest, latest, shown| Span { shown, earliest, latest };
        let first = Pace::seen(None, 100, at(0));
        let forward = Pace::seen(Some(first), 3_702, at(2));
        assert_eq!(forward.span(), span(102, 3_702, 3_702));
        let soon = Pace::seen(Some(forward), 3_703, at(3));
        assert_eq!(soon.span(), span(103, 3_703, 3_703), "it was set a second ago");
        let mut later = soon;
        for second in 4..14 {
            later = Pace::seen(Some(later), 3_700 + second, at(second.unsigned_abs()));
        }
        assert_eq!(later.span(), Span::at(3_713), "however often it is seen");
        let back = Pace::seen(Some(later), 200, at(23));
        assert_eq!(back.span(), span(200, 3_723, 200));
        assert!(back.span().is_after(198) && !back.span().is_after(203), "written since it was set back");
        assert!(back.was_set_back() && !forward.was_set_back() && !later.was_set_back());
        assert!(forward.span().is_after(99) && forward.span().is_after(3_600), "long ago by either clock");
        assert!(!forward.span().is_after(101) && !forward.span().is_after(3_701) && !forward.span().is_before(103));
        assert!(back.was_set() && forward.was_set() && !soon.was_set() && !later.was_set());
    }
}
