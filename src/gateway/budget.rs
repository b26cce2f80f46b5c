//! What all beacons together may cause: anybody can send them, for every lock of the house.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::protocol::beacon::NukiId;

/// Beacons that tell nothing new may cause so many connections within [`WINDOW`], whichever locks they name. Where the log
/// has a new entry the room is given back: people are not limited, and whoever only sends beacons makes no entries.
const CONNECTIONS: usize = 6;
const WINDOW: Duration = Duration::from_secs(60);
/// So many of them are kept for doors that had none lately. One: a busy door must not wait for the sake of quiet ones.
const KEPT: usize = 1;

/// The house's budget. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct HouseBudget {
    /// How many locks share it.
    locks: usize,
    /// When, and for which lock.
    spent: Arc<Mutex<Spent>>,
}

#[derive(Debug, Default)]
struct Spent {
    next: u64,
    /// By a number of its own, oldest first.
    slots: BTreeMap<u64, (Duration, NukiId)>,
}

impl HouseBudget {
    pub(super) fn new(locks: usize) -> Self {
        Self { locks, spent: Arc::default() }
    }

    /// Room for one connection to this lock. The last one is kept for locks that had none lately, so that beacons forged
    /// for one door do not make the gateway late at another.
    pub(super) fn slot(&self, lock: NukiId, now: Duration) -> Option<Slot> {
        let mut spent = lock_spent(&self.spent);
        spent.slots.retain(|_, (at, _)| now.saturating_sub(*at) < WINDOW);
        let served: BTreeSet<NukiId> = spent.slots.values().map(|(_, lock)| *lock).collect();
        let is_for_another = served.contains(&lock) && served.len() < self.locks;
        let kept = if is_for_another { KEPT } else { 0 };
        if spent.slots.len() + kept >= CONNECTIONS {
            return None;
        }
        let number = spent.next;
        spent.next = spent.next.wrapping_add(1);
        spent.slots.insert(number, (now, lock));
        drop(spent);
        Some(Slot { spent: Arc::clone(&self.spent), number, is_spent: false })
    }
}

/// Room for one connection; given back unless it is spent.
#[derive(Debug)]
pub(super) struct Slot {
    spent: Arc<Mutex<Spent>>,
    number: u64,
    is_spent: bool,
}

impl Slot {
    pub(super) fn spend(mut self) {
        self.is_spent = true;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.is_spent {
            lock_spent(&self.spent).slots.remove(&self.number);
        }
    }
}

fn lock_spent(spent: &Mutex<Spent>) -> MutexGuard<'_, Spent> {
    // Only whole values are put in and taken out.
    spent.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend(budget: &HouseBudget, lock: NukiId, at: u64) -> bool {
        budget.slot(lock, Duration::from_secs(at)).map(Slot::spend).is_some()
    }

    #[test]
    fn six_a_minute_for_the_whole_house_and_the_last_one_for_a_door_that_had_none() {
        let budget = HouseBudget::new(4);
        let forged = (0..10).filter(|n| spend(&budget, 1, *n)).count();
        assert_eq!(forged, 5, "one is kept for another door");
        assert!(spend(&budget, 2, 10));
        assert!(!spend(&budget, 2, 11) && !spend(&budget, 3, 11));
        assert!(spend(&budget, 3, 60), "the first one is a minute ago");
    }

    #[test]
    fn in_a_house_with_more_doors_than_connections_each_gets_its_turn() {
        let budget = HouseBudget::new(20);
        let served: Vec<u32> = (0..20).filter(|n| spend(&budget, *n, 0)).collect();
        assert_eq!(served, [0, 1, 2, 3, 4, 5]);
        assert!(!spend(&budget, 0, 59));
        assert!(spend(&budget, 19, 60));
    }

    #[test]
    fn what_is_not_spent_is_given_back() {
        let budget = HouseBudget::new(1);
        for _ in 0..100 {
            assert!(budget.slot(1, Duration::ZERO).is_some());
        }
        let held: Vec<Slot> = (0..10).filter_map(|_| budget.slot(1, Duration::ZERO)).collect();
        assert_eq!(held.len(), 6);
    }
}
