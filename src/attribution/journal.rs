//! Turns what a session learns into what is stored and told.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::directory::Directory;
use super::entry::event_of;
use super::event::{Attribution, Event, EventKind, Method, StateChange, UnknownReason, Who};
use super::explain::{Question, explanation};
use crate::protocol::datetime::DeviceTime;
use crate::protocol::frame::AuthId;
use crate::protocol::log::{LogEntry, LogEntryKind, LogIndex};
use crate::protocol::state::KeyturnerStates;

/// Catching up after an absence may take this long before a change is stored without its log entry.
const CATCH_UP: Duration = Duration::from_secs(30);

/// A state that was seen and differs from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The state.
    pub states: KeyturnerStates,
    /// The one before, if any was known.
    pub before: Option<KeyturnerStates>,
}

/// A state change that Bridge callbacks must be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telling {
    /// The state.
    pub states: KeyturnerStates,
    /// Index into [`Draft::events`] of the event that explains it.
    pub event: Option<usize>,
}

/// What must become durable together, in one transaction.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Draft {
    /// States seen.
    pub observations: Vec<Observation>,
    /// What happened, in the log's order.
    pub events: Vec<Event>,
    /// The log is stored up to here.
    pub cursor: Option<LogIndex>,
    /// What to tell, in order.
    pub tellings: Vec<Telling>,
}

/// What a journal wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Store this, and tell.
    Commit(Draft),
    /// Read the log again: an entry is owed.
    ReadLog,
    /// Find out whether the log was cleared: an entry is owed and does not come.
    CheckLog,
    /// Read people and codes: somebody unknown was at the door.
    ReadDirectory,
}

/// Why the log cannot be read, if so.
pub type LogBlocked = Option<UnknownReason>;

/// What a journal starts from.
#[derive(Debug)]
pub struct JournalConfig {
    /// The gateway's own authorization.
    pub own_auth_id: AuthId,
    /// Index of the last stored log entry; 0 for none.
    pub cursor: LogIndex,
    /// The last stored state.
    pub states: Option<KeyturnerStates>,
    /// The newest stored event that is still without an answer, and its state.
    pub pending: Option<Pending>,
    /// People and codes as stored.
    pub directory: Directory,
    /// How long a telling waits for its log entry.
    pub patience: Duration,
}

/// A stored state change that waits for a late answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// The change.
    pub change: StateChange,
    /// What the lock said then; `None` when that was before a restart, and then only "cannot be known" is an answer.
    pub states: Option<KeyturnerStates>,
    /// The lock's clock when the state before was seen.
    pub not_before: Option<DeviceTime>,
}

/// A state change that is not stored yet, because its log entry is expected.
#[derive(Debug)]
struct Waiting {
    observation: Observation,
    not_before: Option<DeviceTime>,
    deadline: Duration,
    /// The entry that explains it is here; only names are missing.
    explained: bool,
    /// It happened before our eyes, so it is told.
    live: bool,
}

/// Joins states and log entries of one lock. Same contract as a session: one
/// input, drain [`poll`](Self::poll), sleep until [`next_timeout`](Self::next_timeout).
///
/// Every commit is complete in itself: an entry and the cursor behind it, a
/// state and what is told of it, travel together.
#[derive(Debug)]
pub struct Journal {
    config: JournalConfig,
    /// Entries read and not yet committed, because names are missing.
    held: Vec<LogEntry>,
    held_until: Option<Duration>,
    waiting: Option<Waiting>,
    log_blocked: LogBlocked,
    /// The lock's clock when the bolt was last seen at rest.
    rest_clock: Option<DeviceTime>,
    /// The lock's clock when its state was read first; `None` until then. Whatever is older happened while we were away.
    arrival: Option<Option<DeviceTime>>,
    /// The log has been read to its end once: what comes now is new.
    caught_up: bool,
    /// Numbers the directory was already asked for in vain.
    asked_users: BTreeSet<AuthId>,
    asked_codes: BTreeSet<u16>,
    outputs: VecDeque<Output>,
}

impl Waiting {
    fn question(&self) -> Question<'_> {
        Question {
            before: self.observation.before.map(|states| states.lock_state),
            states: &self.observation.states,
            not_before: self.not_before,
        }
    }
}

impl Journal {
    /// A journal that continues from what is stored.
    #[must_use]
    pub const fn new(config: JournalConfig) -> Self {
        Self {
            config,
            held: Vec::new(),
            held_until: None,
            waiting: None,
            log_blocked: None,
            rest_clock: None,
            arrival: None,
            caught_up: false,
            asked_users: BTreeSet::new(),
            asked_codes: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Duration> {
        let waiting = self.waiting.as_ref().map(|waiting| waiting.deadline);
        [waiting, self.held_until].into_iter().flatten().min()
    }

    /// Index of the last log entry handed out for storage.
    #[must_use]
    pub const fn cursor(&self) -> LogIndex {
        self.config.cursor
    }

    /// Why the log cannot be read, or that it can.
    pub fn handle_log_access(&mut self, blocked: LogBlocked, now: Duration) {
        self.log_blocked = blocked;
        if blocked.is_some() {
            self.give_up(now);
        }
    }

    /// The lock reported a state.
    pub fn handle_states(&mut self, states: KeyturnerStates, now: Duration) {
        self.take_states(states, now);
        if !states.lock_state.is_transitional() {
            self.rest_clock = states.current_time;
        }
        self.arrival.get_or_insert(states.current_time);
    }

    fn take_states(&mut self, states: KeyturnerStates, now: Duration) {
        let before = self.config.states.replace(states);
        let observation = Observation { states, before };
        let Some(known) = before else {
            // The very first state is no change.
            return self.commit(Draft { observations: vec![observation], ..Draft::default() });
        };
        let bolt_moved = known.lock_state != states.lock_state;
        // The first state shows what happened while we were away.
        let live = self.arrival.is_some();
        let rest_changed = (known.nuki_state, known.door_sensor) != (states.nuki_state, states.door_sensor);
        if !bolt_moved && !rest_changed {
            return;
        }
        if bolt_moved {
            // Somebody acts again before the last change was explained.
            self.give_up(now);
        }
        if !bolt_moved || states.lock_state.is_transitional() {
            let tellings = telling(live, states, None);
            return self.commit(Draft { observations: vec![observation], tellings, ..Draft::default() });
        }
        // Nobody waits for a telling of what happened while we were away.
        let patience = if live { self.config.patience } else { CATCH_UP };
        let deadline = now.saturating_add(patience);
        self.waiting = Some(Waiting { observation, not_before: self.rest_clock, deadline, explained: false, live });
        if self.log_blocked.is_some() {
            self.give_up(now);
        }
    }

    /// Log entries behind the cursor, ascending; `end` says that there are no more.
    pub fn handle_log(&mut self, entries: Vec<LogEntry>, end: bool, now: Duration) {
        self.held.extend(entries);
        if self.needs_directory() {
            self.outputs.push_back(Output::ReadDirectory);
            self.held_until.get_or_insert(now.saturating_add(self.config.patience));
            if let Some(waiting) = &mut self.waiting {
                waiting.explained = explanation(&self.held, waiting.question()).is_some();
            }
        } else if self.held_until.is_none() {
            self.release(now);
        }
        if end && self.held_until.is_none() {
            self.caught_up = true;
            if self.waiting.is_some() {
                self.outputs.push_back(Output::ReadLog);
            }
        }
    }

    /// People and codes as the lock knows them now.
    pub fn handle_directory(&mut self, directory: Directory, now: Duration) {
        self.config.directory = directory;
        if self.held_until.take().is_some() {
            self.release(now);
        }
    }

    /// The log was cleared, or the lock reset: its numbers begin again.
    pub fn handle_log_reset(&mut self, newest: Option<LogIndex>) {
        let detail = format!(
            "the log was at {} and is now at {}",
            self.config.cursor,
            newest.map_or_else(|| "nothing".to_owned(), |index| index.to_string())
        );
        self.config.cursor = 0;
        let event = Event { detail: Some(detail), ..self.observed(EventKind::Reset, Attribution::Nobody) };
        self.commit(Draft { events: vec![event], cursor: Some(0), ..Draft::default() });
    }

    /// An action that the gateway was asked for did not happen, or may not have.
    pub fn handle_intent_failed(&mut self, intent_id: i64, action: crate::protocol::LockAction, detail: String) {
        let event = Event {
            action: Some(action),
            intent_id: Some(intent_id),
            method: Method::Bridge,
            detail: Some(detail),
            ..self.observed(EventKind::IntentFailed, Attribution::Matched)
        };
        let who = Who { auth_id: Some(self.config.own_auth_id), ..Who::default() };
        self.commit(Draft { events: vec![Event { who, ..event }], ..Draft::default() });
    }

    /// Handles every deadline that has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.held_until.is_some_and(|until| until <= now) {
            // The names did not come; numbers are better than silence.
            self.held_until = None;
            self.release(now);
        }
        if self.waiting.as_ref().is_some_and(|waiting| waiting.deadline <= now) {
            self.give_up(now);
            self.outputs.push_back(Output::CheckLog);
        }
    }

    /// Whether somebody in the held entries has no name yet who might get one. Asks once per number.
    fn needs_directory(&mut self) -> bool {
        let mut needed = false;
        for entry in &self.held {
            let unknown_user = entry.auth_id != 0 && self.config.directory.user(entry.auth_id).is_none();
            needed |= unknown_user && self.asked_users.insert(entry.auth_id);
            if let LogEntryKind::Keypad(keypad) = &entry.kind {
                let unknown_code = keypad.code_id != 0 && self.config.directory.code_name(keypad.code_id).is_none();
                needed |= unknown_code && self.asked_codes.insert(keypad.code_id);
            }
        }
        needed
    }

    /// Commits what is held, with the state change it explains.
    fn release(&mut self, now: Duration) {
        let entries = core::mem::take(&mut self.held);
        let Some(last) = entries.last() else { return };
        let mut draft = Draft { cursor: Some(last.index), ..Draft::default() };
        let explains_waiting = self.waiting.as_ref().and_then(|waiting| explanation(&entries, waiting.question()));
        let explains_pending = self.explains_pending(&entries, explains_waiting);
        if explains_pending.is_none() && (explains_waiting.is_some() || self.pending_is_overtaken(&entries)) {
            draft.events.extend(self.close_pending());
        }
        for (at, entry) in entries.iter().enumerate() {
            if let Some(gap) = self.gap_before(entry) {
                draft.events.push(gap);
            }
            self.config.cursor = entry.index;
            let mut event = event_of(entry, &self.config.directory, self.config.own_auth_id);
            event.backfilled = !self.caught_up && self.is_from_before(entry);
            if explains_waiting == Some(at)
                && let Some(waiting) = self.waiting.take()
            {
                event.change = Some(change_of(&waiting.observation));
                event.backfilled = !waiting.live;
                draft.observations.push(waiting.observation);
                draft.tellings = telling(waiting.live, waiting.observation.states, Some(draft.events.len()));
            } else if explains_pending == Some(at)
                && let Some(pending) = self.config.pending.take()
            {
                event.change = Some(pending.change);
                event.answers_pending = true;
            }
            draft.events.push(event);
        }
        self.commit(draft);
        if self.waiting.as_ref().is_some_and(|waiting| waiting.deadline <= now) {
            self.give_up(now);
        }
    }

    fn explains_pending(&self, entries: &[LogEntry], taken: Option<usize>) -> Option<usize> {
        let pending = self.config.pending.as_ref()?;
        // Entries from the one that explains the newer change on are not about the older one.
        let candidates = entries.get(..taken.unwrap_or(entries.len()))?;
        let (before, not_before) = (pending.change.before, pending.not_before);
        explanation(candidates, Question { before, states: pending.states.as_ref()?, not_before })
    }

    /// The log has gone on past a pending change without an entry for it.
    fn pending_is_overtaken(&self, entries: &[LogEntry]) -> bool {
        self.config.pending.is_some() && entries.iter().any(|entry| super::entry::motion(entry).is_some())
    }

    /// The answer to a pending event that will never get a better one.
    fn close_pending(&mut self) -> Option<Event> {
        let pending = self.config.pending.take()?;
        Some(Event {
            change: Some(pending.change),
            answers_pending: true,
            ..self.observed(EventKind::StateChange, Attribution::Unknown(UnknownReason::EntryMissing))
        })
    }

    fn gap_before(&self, entry: &LogEntry) -> Option<Event> {
        let expected = self.config.cursor.saturating_add(1);
        let missing = entry.index.saturating_sub(expected);
        // Before the first sync nothing is expected: the lock has forgotten its oldest entries long ago.
        (self.config.cursor != 0 && missing > 0).then(|| Event {
            detail: Some(format!("{missing} log entries are missing, {expected} to {}", entry.index - 1)),
            ..self.observed(EventKind::Gap, Attribution::Unknown(UnknownReason::EntryMissing))
        })
    }

    /// Stores a waiting change without its log entry.
    fn give_up(&mut self, now: Duration) {
        let Some(waiting) = &self.waiting else { return };
        if waiting.explained && self.held_until.take().is_some() {
            // Only names were missing.
            return self.release(now);
        }
        let Some(waiting) = self.waiting.take() else { return };
        let mut events: Vec<Event> = self.close_pending().into_iter().collect();
        let change = change_of(&waiting.observation);
        let states = waiting.observation.states;
        let attribution = match self.log_blocked {
            Some(reason) => Attribution::Unknown(reason),
            None => {
                self.config.pending = Some(Pending { change, states: Some(states), not_before: waiting.not_before });
                Attribution::Pending
            }
        };
        events.push(Event {
            change: Some(change),
            device_time: states.current_time,
            trigger: Some(states.trigger),
            action: states.last_action.map(|last| last.action),
            completion_status: states.last_action.map(|last| last.completion_status),
            raw: states.encode(),
            backfilled: !waiting.live,
            ..self.observed(EventKind::StateChange, attribution)
        });
        let tellings = telling(waiting.live, states, None);
        self.commit(Draft { observations: vec![waiting.observation], events, cursor: None, tellings });
    }

    /// Whether an entry is certainly or possibly older than our first look at the lock.
    fn is_from_before(&self, entry: &LogEntry) -> bool {
        match (entry.timestamp, self.arrival) {
            (Some(written), Some(Some(arrival))) => written < arrival,
            _ => true,
        }
    }

    /// An event that no log entry stands behind.
    fn observed(&self, kind: EventKind, attribution: Attribution) -> Event {
        Event {
            kind,
            log_index: None,
            device_time: None,
            action: None,
            trigger: None,
            completion_status: None,
            change: None,
            who: Who::default(),
            method: if attribution == Attribution::Nobody { Method::Device } else { Method::Unknown },
            attribution,
            auto_unlock: false,
            presses: 0,
            backfilled: false,
            answers_pending: false,
            intent_id: None,
            detail: None,
            raw: Vec::new(),
        }
    }

    fn commit(&mut self, draft: Draft) {
        self.outputs.push_back(Output::Commit(draft));
    }
}

fn telling(live: bool, states: KeyturnerStates, event: Option<usize>) -> Vec<Telling> {
    if live { vec![Telling { states, event }] } else { Vec::new() }
}

const fn change_of(observation: &Observation) -> StateChange {
    StateChange {
        before: match observation.before {
            Some(states) => Some(states.lock_state),
            None => None,
        },
        after: observation.states.lock_state,
    }
}
