//! Wall clock and monotonic clock, real or virtual.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

impl From<i64> for UnixMillis {
    fn from(millis: i64) -> Self {
        Self(millis)
    }
}

impl UnixMillis {
    /// Whole seconds, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Later by `duration`.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Earlier by `duration`.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Time since `earlier`; zero if the clock went back.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `2026-11-23T14:05:09.123Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => format!("{timestamp:.3}"),
            Err(_) => self.0.to_string(),
        }
    }
}

/// Where the daemon gets its time from.
///
/// With [`Clock::virtual_from`] the wall clock follows tokio's clock, which a
/// test can pause and advance.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    virtual_wall: Option<(UnixMillis, Option<&'static AtomicI64>)>,
}

impl Clock {
    /// The system's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self { started: Instant::now(), virtual_wall: None }
    }

    /// A wall clock that stands at `wall` now and then moves with tokio's clock.
    #[must_use]
    pub fn virtual_from(wall: UnixMillis) -> Self {
        Self { started: Instant::now(), virtual_wall: Some((wall, None)) }
    }

    /// The same, and it is wrong by `jump` milliseconds, whatever that is at the time.
    #[must_use]
    pub fn virtual_with_jumps(wall: UnixMillis, jump: &'static AtomicI64) -> Self {
        Self { started: Instant::now(), virtual_wall: Some((wall, Some(jump))) }
    }

    /// Wall clock, UTC. It may jump.
    #[must_use]
    pub fn wall(&self) -> UnixMillis {
        match self.virtual_wall {
            Some((wall, jump)) => {
                let jump = jump.map_or(0, |jump| jump.load(Ordering::Relaxed));
                UnixMillis(wall.plus(self.monotonic()).0.saturating_add(jump))
            }
            None => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => UnixMillis(0).plus(since),
                // Before 1970 the clock was never set; nothing better can be said.
                Err(_) => UnixMillis(0),
            },
        }
    }

    /// Time since this clock was made; never goes back.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    /// The tokio instant at a point of [`monotonic`](Self::monotonic) time.
    #[must_use]
    pub fn instant(&self, at: Duration) -> Instant {
        self.started + at
    }
}
