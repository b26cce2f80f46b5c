//! A lock that is about to lock by itself, and will not say so.

use std::time::Duration;

use crate::protocol::LockState;

/// Lock 'n' go waits for 20 seconds unless its owner has set something else; the motor runs for some more.
const FIRST_LOOK: Duration = Duration::from_secs(25);
/// It may have been interrupted without a trace: then looks become rare.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// When to look whether lock 'n' go has locked.
///
/// What a bridge's own action changes sets no bit in the lock's beacon, and that it locks at last belongs to the action.
#[derive(Debug, Default)]
pub(super) struct LockNGo {
    /// The next look, and how long after it the one behind it is due.
    next: Option<(Duration, Duration)>,
}

impl LockNGo {
    /// The bolt was seen in this state. When it is to be looked at again, if it is.
    pub(super) fn seen(&mut self, state: LockState, now: Duration) -> Option<Duration> {
        if state != LockState::UnlockedLockNGo {
            self.next = None;
            return None;
        }
        let (at, wait) = *self.next.get_or_insert((now.saturating_add(FIRST_LOOK), FIRST_LOOK));
        if now >= at {
            let wait = wait.saturating_mul(2).min(LONGEST);
            self.next = Some((now.saturating_add(wait), wait));
        }
        self.next.map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_become_rare_and_begin_anew_whatever_is_seen_in_between() {
        let mut lock_n_go = LockNGo::default();
        let mut next = |state, now| lock_n_go.seen(state, Duration::from_secs(now)).map(|at| at.as_secs());
        let running = LockState::UnlockedLockNGo;
        assert_eq!([0, 9, 24].map(|now| next(running, now)), [Some(25); 3]);
        assert_eq!([26, 70, 76].map(|now| next(running, now)), [Some(76), Some(76), Some(176)]);
        assert_eq!([10_000, 20_000, 30_000].map(|now| next(running, now)), [10_200, 20_400, 30_800].map(Some));
        assert_eq!(next(running, 40_000), Some(40_900), "and not rarer than that");
        assert_eq!(next(LockState::Locked, 50_000), None);
        assert_eq!(next(running, 60_000), Some(60_025));
    }
}
