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
    looks: u32,
}

impl LockNGo {
    /// How long after a link that ended in this state the next look is due, if one is.
    pub(super) fn next_look(&mut self, state: LockState) -> Option<Duration> {
        if state != LockState::UnlockedLockNGo {
            self.looks = 0;
            return None;
        }
        let wait = FIRST_LOOK.saturating_mul(2_u32.saturating_pow(self.looks)).min(LONGEST);
        self.looks = self.looks.saturating_add(1);
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_become_rare_and_begin_anew() {
        let mut lock_n_go = LockNGo::default();
        let mut next = |state| lock_n_go.next_look(state).map(|wait| wait.as_secs());
        let waits: Vec<_> = (0..7).map(|_| next(LockState::UnlockedLockNGo)).collect();
        assert_eq!(waits, [25, 50, 100, 200, 400, 800, 900].map(Some));
        assert_eq!(next(LockState::Locked), None);
        assert_eq!(next(LockState::UnlockedLockNGo), Some(25));
    }
}
