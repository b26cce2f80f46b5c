//! Entries that were read: those not stored yet, and those that may still explain something.

use std::collections::VecDeque;
use std::time::Duration;

use super::event::Event;
use super::explain::is_after;
use super::pace::Span;
use super::question::SETTLED;
use super::step::{Step, seconds};
use crate::protocol::log::{LogEntry, LogIndex};

/// So many steps are kept for changes that are not explained.
const MAX_STEPS: usize = 1_000;

/// An entry that is read and not stored.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) serial: u64,
    pub(super) entry: LogEntry,
    /// It was written while nobody listened.
    pub(super) backfilled: bool,
}

/// An entry, and what it was stored as: names can change before it explains another change.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) serial: u64,
    pub(super) entry: LogEntry,
    /// See [`Names::era`](super::names::Names::era).
    pub(super) era: Option<u32>,
    pub(super) event: Option<Event>,
}

#[derive(Debug)]
struct Passed {
    step: Step,
    known: Option<Known>,
}

/// What was read, in the log's order.
#[derive(Debug)]
pub(super) struct Trail {
    held: VecDeque<Held>,
    passed: Vec<Passed>,
    /// Counts what was read; log indexes begin again when a log is cleared.
    serial: u64,
    /// When something was read lately, and how much there was before.
    lately: VecDeque<(Duration, u64)>,
    newest: LogIndex,
    is_opener: bool,
}

impl Trail {
    pub(super) const fn new(cursor: LogIndex, is_opener: bool) -> Self {
        Self {
            held: VecDeque::new(),
            passed: Vec::new(),
            serial: 0,
            lately: VecDeque::new(),
            newest: cursor,
            is_opener,
        }
    }

    pub(super) fn add(&mut self, entry: LogEntry, backfilled: bool, era: Option<u32>) {
        if self.newest != 0 && entry.index > self.newest.saturating_add(1) {
            self.hole();
        }
        self.newest = entry.index;
        self.serial += 1;
        if let Some(step) = Step::of(&entry, self.serial, era, self.is_opener) {
            let known = Known { serial: self.serial, entry: entry.clone(), era, event: None };
            self.passed.push(Passed { step, known: Some(known) });
        }
        self.held.push_back(Held { serial: self.serial, entry, backfilled });
        if self.passed.len() > MAX_STEPS {
            self.forget(MAX_STEPS / 2);
            let hole = Step { serial: 0, time: None, act: None };
            self.passed.insert(0, Passed { step: hole, known: None });
        }
    }

    /// Entries are or may be missing here.
    pub(super) fn hole(&mut self) {
        let hole = Step { serial: self.serial, time: None, act: None };
        self.passed.push(Passed { step: hole, known: None });
    }

    /// Numbers begin again.
    pub(super) fn reset(&mut self) {
        self.newest = 0;
        self.hole();
    }

    /// The lock's clock shows this, behind everything that was read: what is later than that was written before the clock
    /// was set back, and nothing tells any more what it led to. `true` if there is any.
    pub(super) fn clock_shows(&mut self, clock: Option<i64>) -> bool {
        let newest = self.passed.iter().rev().find_map(|passed| passed.step.time);
        let was_set_back = newest.zip(clock).is_some_and(|(logged, clock)| is_after(logged, clock));
        if was_set_back {
            for passed in &mut self.passed {
                passed.step = Step { time: None, act: None, ..passed.step };
            }
        }
        was_set_back
    }

    /// Something is going to be read now.
    pub(super) fn reads(&mut self, now: Duration) {
        self.lately.retain(|(at, _)| now.saturating_sub(*at) < SETTLED);
        self.lately.push_back((now, self.serial));
    }

    /// So much was read when an entry had last had the time to be followed by its state.
    pub(super) fn settled_serial(&self, now: Duration) -> u64 {
        let is_late = |(at, _): &&(Duration, u64)| now.saturating_sub(*at) < SETTLED;
        self.lately.iter().find(is_late).map_or(self.serial, |(_, before)| *before)
    }

    /// So much was read so far.
    pub(super) const fn serial(&self) -> u64 {
        self.serial
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        self.passed.iter().map(|passed| passed.step).collect()
    }

    pub(super) fn held(&self) -> impl Iterator<Item = &LogEntry> {
        self.held.iter().map(|held| &held.entry)
    }

    pub(super) fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// The next entry to store.
    pub(super) fn next_held(&mut self) -> Option<Held> {
        self.held.pop_front()
    }

    /// The next entry to store, if it is older than a state that was seen by the lock's clock, or too many wait.
    pub(super) fn next_past(&mut self, seen: Option<Span>) -> Option<Held> {
        let is_crowded = self.held.len() > MAX_STEPS;
        let is_past = |held: &Held| match (seconds(held.entry.timestamp), seen) {
            (Some(logged), Some(seen)) => seen.is_after(logged),
            _ => true,
        };
        self.held.pop_front_if(|held| is_crowded || is_past(held))
    }

    /// The next entry to store, if it stands before a step.
    pub(super) fn next_before(&mut self, step: usize) -> Option<Held> {
        let end = self.passed.get(step)?.step.serial;
        self.held.pop_front_if(|held| held.serial < end)
    }

    /// The next entry to store, if it stands before every step.
    pub(super) fn next_idle(&mut self) -> Option<Held> {
        if self.passed.is_empty() { self.next_held() } else { self.next_before(0) }
    }

    /// The entry of a step, if it is the next to store.
    pub(super) fn next_at(&mut self, step: usize) -> Option<Held> {
        let serial = self.passed.get(step)?.step.serial;
        self.held.pop_front_if(|held| held.serial == serial)
    }

    /// The entry of a step.
    pub(super) fn known(&self, step: usize) -> Option<&Known> {
        self.passed.get(step)?.known.as_ref()
    }

    /// An entry was stored as this event.
    pub(super) fn stored(&mut self, serial: u64, event: &Event) {
        let known = self.passed.iter_mut().filter_map(|passed| passed.known.as_mut());
        if let Some(known) = known.rev().find(|known| known.serial == serial) {
            known.event = Some(event.clone());
        }
    }

    /// The first steps explain nothing any more; but where entries are missing, there can be more than explained this.
    pub(super) fn forget(&mut self, steps: usize) {
        let last = steps.checked_sub(1).and_then(|last| self.passed.get(last));
        let ends_in_hole = last.is_some_and(|passed| passed.step.act.is_none());
        let steps = steps - usize::from(ends_in_hole);
        self.passed.drain(..steps.min(self.passed.len()));
    }

    pub(super) fn forget_all(&mut self) {
        self.passed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribution::directory::Directory;
    use crate::attribution::names::Names;
    use crate::attribution::samples::{MIDNIGHT, acted};
    use crate::protocol::log::LogEntryKind;
    use crate::protocol::{CompletionStatus, DoorEvent, LockAction};

    fn entry(index: LogIndex, second: Option<i64>) -> LogEntry {
        LogEntry { index, ..acted(3, LockAction::Unlock, CompletionStatus::Success, second) }
    }

    /// A door's entry, which moves no bolt.
    fn door(index: LogIndex) -> LogEntry {
        LogEntry { kind: LogEntryKind::Door(DoorEvent::Opened), ..entry(index, Some(0)) }
    }

    /// A log whose entries are a second apart, each as late as its number says.
    fn trail(cursor: LogIndex, indexes: impl IntoIterator<Item = LogIndex>) -> Trail {
        let mut trail = Trail::new(cursor, false);
        indexes.into_iter().for_each(|index| trail.add(entry(index, Some(i64::from(index))), false, None));
        trail
    }

    /// The serial number of each step; those of holes are negative.
    fn serials(trail: &Trail) -> Vec<i64> {
        let signed = |step: &Step| i64::try_from(step.serial).unwrap() * if step.act.is_some() { 1 } else { -1 };
        trail.steps().iter().map(signed).collect()
    }

    #[test]
    fn a_gap_in_the_numbers_is_a_hole() {
        assert_eq!(serials(&trail(0, [5, 6, 8])), [1, 2, -2, 3]);
        assert_eq!(serials(&trail(4, [5, 6])), [1, 2]);
        let before_the_first = trail(3, [5]);
        assert!(before_the_first.steps()[0].act.is_none() && before_the_first.steps().len() == 2);
        let mut begun_anew = trail(7, [8]);
        begun_anew.reset();
        begun_anew.add(entry(1, Some(9)), false, None);
        assert_eq!(serials(&begun_anew), [1, -1, 2], "but what the lock cleared is a hole too");
    }

    #[test]
    fn what_moves_no_bolt_is_held_and_is_no_step() {
        let mut trail = trail(0, [1]);
        trail.add(door(2), true, None);
        assert_eq!((trail.steps().len(), trail.held().count(), trail.serial()), (1, 2, 2));
        assert_eq!(trail.next_at(0).map(|held| (held.serial, held.backfilled)), Some((1, false)));
        assert!(trail.next_at(0).is_none(), "it was handed out");
        assert!(trail.next_before(0).is_none(), "the next one stands behind it");
        trail.forget_all();
        assert_eq!(trail.next_idle().map(|held| (held.serial, held.backfilled)), Some((2, true)));
        assert!(!trail.has_held());
    }

    #[test]
    fn what_stands_before_a_step_is_handed_out_before_it() {
        let mut trail = Trail::new(0, false);
        trail.add(door(1), false, None);
        trail.add(entry(2, Some(2)), false, None);
        assert!(trail.next_at(0).is_none(), "not the next one");
        assert_eq!(trail.next_idle().map(|held| held.serial), Some(1));
        assert!(trail.next_idle().is_none());
        assert!(trail.next_before(1).is_none(), "there is no such step");
    }

    #[test]
    fn only_what_is_certainly_older_than_a_state_is_past() {
        let next = |second, seen: Option<i64>| {
            let mut trail = Trail::new(0, false);
            trail.add(entry(1, second), false, None);
            trail.next_past(seen.map(|seen| Span::at(MIDNIGHT + seen))).is_some()
        };
        assert!(next(Some(10), Some(12)) && !next(Some(10), Some(11)) && !next(Some(10), Some(9)));
        assert!(next(None, Some(0)) && next(Some(10), None), "where nothing can be compared nothing waits");
        let mut crowded = trail(0, 1..=1_001);
        assert!(crowded.next_past(Some(Span::at(MIDNIGHT))).is_some());
        assert!(crowded.next_past(Some(Span::at(MIDNIGHT))).is_none(), "a thousand may wait");
    }

    #[test]
    fn the_oldest_steps_make_room_and_leave_a_hole() {
        let trail = trail(0, 1..=1_000);
        assert_eq!(trail.steps().len(), 1_000);
        let mut fuller = trail;
        fuller.add(entry(1_001, Some(1_001)), false, None);
        let steps = fuller.steps();
        assert_eq!((steps.len(), steps[0].act.is_none(), steps[0].time), (502, true, None));
        assert_eq!((steps[1].serial, fuller.held().count()), (501, 1_001), "what is not stored yet stays");
    }

    #[test]
    fn a_hole_that_explained_something_can_explain_more() {
        let mut trail = trail(0, [1, 3, 4]);
        trail.forget(2);
        assert_eq!(serials(&trail), [-1, 2, 3]);
        trail.forget(0);
        assert_eq!(serials(&trail), [-1, 2, 3]);
        trail.forget(2);
        assert_eq!(serials(&trail), [3]);
    }

    #[test]
    fn a_clock_behind_the_newest_entry_was_set_back() {
        let mut trail = trail(0, [10, 11]);
        trail.hole();
        assert!(!trail.clock_shows(None) && !trail.clock_shows(Some(MIDNIGHT + 10)), "a second is no set clock");
        assert!(trail.steps()[0].act.is_some());
        assert!(trail.clock_shows(Some(MIDNIGHT + 9)));
        assert!(trail.steps().iter().all(|step| step.act.is_none() && step.time.is_none()));
        assert!(!trail.clock_shows(Some(MIDNIGHT)), "nothing is left to compare with");
    }

    #[test]
    fn what_was_read_lately_may_still_be_followed_by_its_state() {
        let at = |millis| Duration::from_secs(100) + Duration::from_millis(millis);
        let mut trail = Trail::new(0, false);
        trail.reads(at(0));
        trail.add(entry(1, None), false, None);
        trail.reads(at(600));
        trail.add(entry(2, None), false, None);
        assert_eq!(trail.settled_serial(at(700)), 0);
        assert_eq!(trail.settled_serial(at(749)), 0);
        assert_eq!(trail.settled_serial(at(750)), 1);
        assert_eq!(trail.settled_serial(at(1_349)), 1);
        assert_eq!(trail.settled_serial(at(1_350)), 2);
        trail.reads(at(1_350));
        assert_eq!(trail.lately.len(), 1, "what is settled is forgotten");
    }

    #[test]
    fn the_newest_entry_of_a_serial_number_keeps_what_it_was_stored_as() {
        let mut trail = trail(0, [1, 2]);
        let names = Names::new(Directory::default(), 7);
        let event = names.event_of(&entry(2, Some(2)), 2);
        trail.stored(2, &event);
        trail.stored(9, &event);
        let event_of = |step| trail.known(step).and_then(|known| known.event.as_ref());
        assert_eq!((event_of(0), event_of(1)), (None, Some(&event)));
    }
}
