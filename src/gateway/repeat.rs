//! Which request is the repetition of another one (`docs/adr/0025`).

use std::time::Duration;

use crate::live::Live;
use crate::protocol::LockAction;
use crate::session::Outcome;

/// So many endings are remembered; a lock cannot do as much in any window.
const MAX_ENDED: usize = 64;

/// An action that was carried out, or may have been.
#[derive(Debug)]
struct Ended {
    requester: String,
    action: LockAction,
    outcome: Outcome,
    at: Duration,
}

/// What was just done at one lock, and for whom.
#[derive(Debug)]
pub(super) struct Lately {
    window: Live<Duration>,
    ended: Vec<Ended>,
}

impl Lately {
    /// Endings count for `window`.
    pub(super) fn new(window: Live<Duration>) -> Self {
        Self { window, ended: Vec::new() }
    }

    /// An action begins: after another one, the same once more is no repetition.
    pub(super) fn begins(&mut self, action: LockAction) {
        self.ended.retain(|ended| ended.action == action);
    }

    /// An action ended. What certainly was not done may be asked for again at once.
    pub(super) fn ends(&mut self, requester: &str, action: LockAction, outcome: Outcome, now: Duration) {
        self.forget(now);
        if matches!(outcome, Outcome::Done | Outcome::Unknown) {
            if self.ended.len() >= MAX_ENDED {
                self.ended.remove(0);
            }
            self.ended.push(Ended { requester: requester.to_owned(), action, outcome, at: now });
        }
    }

    /// How the same ended that the same client has just asked for.
    pub(super) fn find(&mut self, requester: &str, action: LockAction, now: Duration) -> Option<Outcome> {
        self.forget(now);
        let is_same = |ended: &&Ended| ended.requester == requester && ended.action == action;
        self.ended.iter().rev().find(is_same).map(|ended| ended.outcome)
    }

    fn forget(&mut self, now: Duration) {
        let window = *self.window.get();
        self.ended.retain(|ended| now.saturating_sub(ended.at) < window);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::NotDone;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn the_same_of_the_same_client_is_a_repetition_within_the_window_only() {
        let mut lately = Lately::new((2 * S).into());
        lately.ends("hall", LockAction::Unlatch, Outcome::Done, 10 * S);
        assert_eq!(lately.find("hall", LockAction::Unlatch, 11 * S), Some(Outcome::Done));
        assert_eq!(lately.find("desk", LockAction::Unlatch, 11 * S), None);
        assert_eq!(lately.find("hall", LockAction::Unlock, 11 * S), None);
        assert_eq!(lately.find("hall", LockAction::Unlatch, 12 * S), None);
        let mut never = Lately::new(Duration::ZERO.into());
        never.ends("hall", LockAction::Unlatch, Outcome::Done, 10 * S);
        assert_eq!(never.find("hall", LockAction::Unlatch, 10 * S), None);
    }

    #[test]
    fn another_action_in_between_and_an_action_not_done_end_it() {
        let mut lately = Lately::new((2 * S).into());
        lately.ends("hall", LockAction::Unlock, Outcome::Unknown, S);
        lately.begins(LockAction::Unlock);
        assert_eq!(lately.find("hall", LockAction::Unlock, S), Some(Outcome::Unknown));
        lately.begins(LockAction::Lock);
        assert_eq!(lately.find("hall", LockAction::Unlock, S), None);
        lately.ends("hall", LockAction::Unlock, Outcome::NotDone(NotDone::NotSent), S);
        assert_eq!(lately.find("hall", LockAction::Unlock, S), None);
    }
}
