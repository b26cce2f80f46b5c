//! How a journal writes down what it knows.

use super::super::draft::{Draft, LogBlocked, Observation, Output, Telling};
use super::super::event::{Attribution, Event, EventKind, Method, UnknownReason};
use super::super::explain::Cause;
use super::super::pace::Span;
use super::super::question::{Question, Unstored};
use super::super::step::seconds;
use super::super::trail::{Held, Known};
use super::{Base, Journal};
use crate::protocol::state::KeyturnerStates;

impl Journal {
    /// Stores a change with what is known of it: its own entry, if that is the next to be stored, or a row that refers to the entry.
    pub(super) fn resolve(&mut self, question: Question, cause: Cause, known: Option<&Known>, draft: &mut Draft) {
        let held = match cause {
            Cause::Step(step) => {
                while let Some(held) = self.trail.next_before(step) {
                    self.store(held, draft);
                }
                self.trail.next_at(step)
            }
            _ => None,
        };
        let event = match (held, known) {
            (Some(held), _) => self.event(&held, draft),
            (None, Some(known)) => self.referring(known),
            (None, None) => unanswered(self.log_blocked, question.states, question.unstored.is_some()),
        };
        let is_explained = known.is_some();
        let event = Event {
            change: Some(question.change),
            answers_pending: question.unstored.is_none(),
            backfilled: question.unstored.as_ref().map_or(event.backfilled, |unstored| !unstored.live),
            ..event
        };
        let at = draft.events.len();
        draft.events.push(event);
        if let Some(unstored) = question.unstored {
            show_all(draft, unstored, is_explained.then_some(at));
        }
    }

    /// A row for a change whose entry has a row of its own already: one lock 'n' go unlocks and locks.
    fn referring(&self, known: &Known) -> Event {
        let event = known.event.clone().unwrap_or_else(|| self.names.event_of(&known.entry, known.serial));
        Event { kind: EventKind::StateChange, ..event }
    }

    /// The event of the next entry; a gap in front of it gets a row of its own.
    fn event(&mut self, held: &Held, draft: &mut Draft) -> Event {
        let entry = &held.entry;
        let expected = self.config.cursor.saturating_add(1);
        let missing = entry.index.saturating_sub(expected);
        // Before the first sync nothing is expected: the lock has forgotten its oldest entries long ago.
        if self.config.cursor != 0 && missing > 0 {
            draft.events.push(Event {
                detail: Some(format!("{missing} log entries are missing, {expected} to {}", entry.index - 1)),
                ..observed(EventKind::Gap, Attribution::Unknown(UnknownReason::EntryMissing))
            });
        }
        self.config.cursor = entry.index;
        draft.cursor = Some(entry.index);
        let event = Event { backfilled: held.backfilled, ..self.names.event_of(entry, held.serial) };
        self.trail.stored(held.serial, &event);
        event
    }

    pub(super) fn store(&mut self, held: Held, draft: &mut Draft) {
        let event = self.event(&held, draft);
        draft.events.push(event);
    }

    /// Stores every entry that is held, as it is.
    pub(super) fn store_held(&mut self, draft: &mut Draft) {
        while let Some(held) = self.trail.next_held() {
            self.store(held, draft);
        }
    }

    /// Stores every entry whose state was seen long ago. What a newer one led to may still be to come, and after a restart
    /// nobody would know the entry for its cause any more.
    pub(super) fn store_past(&mut self, draft: &mut Draft) {
        let stored = || seconds(self.config.states.and_then(|states| states.current_time)).map(Span::at);
        let seen = self.seen().or_else(stored);
        while let Some(held) = self.trail.next_past(seen) {
            self.store(held, draft);
        }
    }

    /// Stores what stands in front of the first entry that may still explain a change.
    pub(super) fn store_idle(&mut self, draft: &mut Draft) {
        while let Some(held) = self.trail.next_idle() {
            self.store(held, draft);
        }
    }

    /// Stores the oldest waiting change without its log entry.
    pub(super) fn give_up(&mut self) {
        let Some(question) = self.questions.waiting_mut() else { return };
        let Some(unstored) = question.unstored.take() else { return };
        let pending = Event {
            change: Some(question.change),
            backfilled: !unstored.live,
            ..seen(unstored.observation.states, Attribution::Pending)
        };
        let mut draft = Draft { events: vec![pending], ..Draft::default() };
        show_all(&mut draft, unstored, None);
        self.commit(draft);
    }

    /// The log cannot be read: nothing that is open gets an answer.
    pub(super) fn answer_nothing(&mut self) {
        let mut draft = Draft::default();
        while let Some(question) = self.questions.pop() {
            self.resolve(question, Cause::Lost, None, &mut draft);
        }
        self.store_held(&mut draft);
        self.trail.forget_all();
        self.base = Base { state: self.rest, time: None, leaving: None, under_way: false, in_step: false };
        self.commit(draft);
    }

    /// Too many changes are open: the oldest will never be explained.
    pub(super) fn drop_oldest(&mut self) {
        let Some(question) = self.questions.pop() else { return };
        let mut draft = Draft::default();
        self.base =
            Base { state: Some(question.change.after), time: None, leaving: None, under_way: false, in_step: false };
        self.resolve(question, Cause::Lost, None, &mut draft);
        self.commit(draft);
    }

    pub(super) fn commit(&mut self, draft: Draft) {
        if !draft.is_empty() {
            self.outputs.push_back(Output::Commit(draft));
        }
    }
}

/// What stands in for a change that will never be explained.
fn unanswered(blocked: LogBlocked, states: Option<KeyturnerStates>, is_first: bool) -> Event {
    let attribution = Attribution::Unknown(blocked.unwrap_or(UnknownReason::EntryMissing));
    match states {
        // The row that it answers says already what was seen.
        Some(states) if is_first => seen(states, attribution),
        _ => observed(EventKind::StateChange, attribution),
    }
}

/// A change as the lock's state alone tells it.
fn seen(states: KeyturnerStates, attribution: Attribution) -> Event {
    Event {
        device_time: states.current_time,
        trigger: Some(states.trigger),
        action: states.last_action.map(|last| last.action),
        completion_status: states.last_action.map(|last| last.completion_status),
        raw: states.encode(),
        ..observed(EventKind::StateChange, attribution)
    }
}

/// An event that no log entry stands behind.
pub(super) fn observed(kind: EventKind, attribution: Attribution) -> Event {
    let method = if attribution == Attribution::Nobody { Method::Device } else { Method::Unknown };
    Event { method, attribution, ..Event::blank(kind) }
}

/// What waited, and what was seen behind it.
fn show_all(draft: &mut Draft, unstored: Unstored, event: Option<usize>) {
    show(draft, unstored.observation, unstored.live, event);
    for (observation, live) in unstored.then {
        show(draft, observation, live, None);
    }
}

pub(super) fn show(draft: &mut Draft, observation: Observation, live: bool, event: Option<usize>) {
    draft.observations.push(observation);
    if live {
        draft.tellings.push(Telling { states: observation.states, event });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribution::samples::{MIDNIGHT, last_action, states};
    use crate::protocol::datetime::DeviceTime;
    use crate::protocol::{CompletionStatus, LockAction, LockState, Trigger};

    #[test]
    fn a_change_without_an_entry_has_what_the_state_says_of_it() {
        let states = KeyturnerStates {
            trigger: Trigger::Manual,
            current_time: DeviceTime::from_unix_seconds(MIDNIGHT),
            last_action: last_action(LockAction::Unlatch, CompletionStatus::MotorBlocked),
            ..states(LockState::Unlocked)
        };
        let attribution = Attribution::Unknown(UnknownReason::PinMissing);
        let first = unanswered(Some(UnknownReason::PinMissing), Some(states), true);
        let wanted = Event {
            attribution,
            device_time: states.current_time,
            trigger: Some(Trigger::Manual),
            action: Some(LockAction::Unlatch),
            completion_status: Some(CompletionStatus::MotorBlocked),
            raw: states.encode(),
            method: Method::Unknown,
            ..Event::blank(EventKind::StateChange)
        };
        assert_eq!(first, wanted);
        let later = unanswered(None, Some(states), false);
        assert_eq!((later.attribution, later.raw.len()), (Attribution::Unknown(UnknownReason::EntryMissing), 0));
    }
}
