//! When to connect: beacons, retries, and a budget that protects the lock's battery.

use std::collections::VecDeque;
use std::time::Duration;

/// Beacons that tell nothing new may cause so many connections in [`BUDGET_WINDOW`], however often they say "changed".
const BUDGET: usize = 6;
const BUDGET_WINDOW: Duration = Duration::from_secs(60);
/// And over a day so many at once, and one more each [`DAY_REFILL`]: 680 a day at most, whatever is sent. A busy house has
/// a hundred; a bit that stays set, as it does for an app and may for the 5th generation, takes 288.
const DAY_STOCK: u32 = 200;
const DAY_REFILL: Duration = Duration::from_secs(180);
/// A bit that is still set right after a read is either a new change or stuck: ask again after this, then less and less often.
const STUCK_FIRST: Duration = Duration::from_secs(2);
const STUCK_MAX: Duration = Duration::from_secs(300);
/// A failed connection is tried again after this, then after twice as long, up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Decides whether a beacon is worth a connection.
#[derive(Debug, Default)]
pub(super) struct BeaconPolicy {
    /// Connections that beacons caused, oldest first.
    spent: VecDeque<Duration>,
    /// When the stock of the day would be full again.
    stock_full: Duration,
    /// The newest of them may still turn out to have been right.
    is_open: bool,
    last_read: Option<Duration>,
    clear_since_read: bool,
    stuck_wait: Option<Duration>,
}

impl BeaconPolicy {
    /// Whether to connect for this beacon.
    pub(super) fn should_connect(&mut self, state_changed: bool, now: Duration) -> bool {
        if !state_changed {
            self.clear_since_read = true;
            self.stuck_wait = None;
            return false;
        }
        while self.spent.front().is_some_and(|at| now.saturating_sub(*at) >= BUDGET_WINDOW) {
            self.spent.pop_front();
        }
        let stock_full = self.stock_full.max(now).saturating_add(DAY_REFILL);
        if self.spent.len() >= BUDGET || stock_full.saturating_sub(now) > DAY_REFILL.saturating_mul(DAY_STOCK) {
            return false;
        }
        if let (Some(read), false) = (self.last_read, self.clear_since_read) {
            let wait = self.stuck_wait.unwrap_or(STUCK_FIRST);
            if now.saturating_sub(read) < wait {
                return false;
            }
            self.stuck_wait = Some((wait * 2).min(STUCK_MAX));
        }
        self.stock_full = stock_full;
        self.spent.push_back(now);
        self.is_open = true;
        true
    }

    /// The log had something new, so the beacon told the truth. Then its connection does not count: people at a door are not
    /// limited, and whoever only sends beacons makes no log entries.
    pub(super) fn was_right(&mut self) {
        if core::mem::take(&mut self.is_open) {
            self.spent.pop_back();
            self.stock_full = self.stock_full.saturating_sub(DAY_REFILL);
        }
    }

    /// A beacon asked for this connection, and the log has had nothing new on it yet.
    pub(super) const fn is_unproven(&self) -> bool {
        self.is_open
    }

    /// The connection is over.
    pub(super) fn link_ended(&mut self) {
        self.is_open = false;
    }

    /// What was read was new: where something happened, more may follow soon.
    pub(super) fn news(&mut self) {
        self.stuck_wait = None;
    }

    /// The state was read, which clears the bit for a bridge.
    pub(super) fn state_read(&mut self, now: Duration) {
        self.last_read = Some(now);
        self.clear_since_read = false;
    }
}

/// Growing waits between failed connections.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Connections that were not made since the last one that was. They say something about the way to the lock, and
    /// cost it nothing.
    unmade: u32,
    /// Links that were made and did not bring what they were for. They cost the lock's battery.
    broken: u32,
}

impl Backoff {
    /// A connection was not made, or one that was has ended: how long until the next one.
    pub(super) fn next_wait(&mut self, was_up: bool) -> Duration {
        let failures = self.unmade.saturating_add(self.broken);
        let wait = RETRY_FIRST.saturating_mul(2_u32.saturating_pow(failures)).min(RETRY_MAX);
        let counter = if was_up { &mut self.broken } else { &mut self.unmade };
        *counter = counter.saturating_add(1);
        wait
    }

    /// A connection is made.
    pub(super) fn connected(&mut self) {
        self.unmade = 0;
    }

    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_edge_connects_at_once_even_right_after_a_read() {
        let mut policy = BeaconPolicy::default();
        assert!(policy.should_connect(true, s(0)));
        policy.state_read(s(1));
        assert!(!policy.should_connect(false, s(1)));
        assert!(policy.should_connect(true, s(1)));
    }

    #[test]
    fn a_stuck_bit_is_asked_less_and_less_often() {
        let mut policy = BeaconPolicy::default();
        let mut reads = Vec::new();
        for t in 0..1_500 {
            if policy.should_connect(true, s(t)) {
                reads.push(t);
                policy.state_read(s(t));
            }
        }
        assert_eq!(reads, [0, 2, 6, 14, 30, 62, 126, 254, 510, 810, 1_110, 1_410]);
    }

    #[test]
    fn a_forged_blinking_beacon_gets_six_connections_a_minute() {
        let mut policy = BeaconPolicy::default();
        let mut connections = 0;
        for tenth in 0..6_000 {
            let now = Duration::from_millis(tenth * 100);
            if policy.should_connect(tenth % 2 == 0, now) {
                connections += 1;
                policy.state_read(now);
            }
        }
        assert_eq!(connections, 60, "ten minutes at six a minute");
    }

    #[test]
    fn people_at_the_door_are_not_limited() {
        let mut policy = BeaconPolicy::default();
        for t in (0..24 * 3600).step_by(5) {
            assert!(policy.should_connect(true, s(t)), "{t}");
            policy.state_read(s(t));
            policy.was_right();
            policy.was_right();
            policy.link_ended();
            assert!(!policy.should_connect(false, s(t + 1)));
        }
        let forged = (0..60).filter(|t| policy.should_connect(t % 2 == 0, s(24 * 3600 + t))).count();
        assert_eq!(forged, 6, "and neither is anybody else allowed more for it");
    }

    #[test]
    fn no_sender_of_beacons_gets_more_than_the_day_has() {
        for period in [2, 7, 40, 600] {
            let (mut policy, mut connections) = (BeaconPolicy::default(), 0);
            for t in 0..24 * 3600 {
                if policy.should_connect(t % period < period / 2 + 1, s(t)) {
                    connections += 1;
                    policy.state_read(s(t));
                    policy.news();
                }
            }
            assert!(connections <= 680, "{connections} connections, the bit changes every {period} s");
        }
    }

    #[test]
    fn retries_grow_to_a_minute() {
        for was_up in [false, true] {
            let mut backoff = Backoff::default();
            let waits: Vec<u64> = (0..8).map(|_| backoff.next_wait(was_up).as_secs()).collect();
            assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        }
    }

    #[test]
    fn a_connection_that_is_made_ends_the_waits_of_those_that_were_not_and_no_others() {
        let mut backoff = Backoff::default();
        for _ in 0..100 {
            let _ = backoff.next_wait(false);
        }
        let waits: Vec<u64> = (0..8)
            .map(|_| {
                backoff.connected();
                backoff.next_wait(true).as_secs()
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60], "a lock whose every link breaks is asked less and less often");
    }
}
