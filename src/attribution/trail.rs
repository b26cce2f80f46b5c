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
