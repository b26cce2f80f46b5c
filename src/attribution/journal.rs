//! Turns what a session learns into what is stored and told.

use std::collections::VecDeque;
use std::time::Duration;

use super::directory::Directory;
use super::draft::{Draft, JournalConfig, LogBlocked, Observation, Output};
use super::event::{Attribution, Event, EventKind, Method, StateChange, UnknownReason, Who};
use super::names::{Names, needs_names};
use super::pace::{Pace, Span};
use super::question::{GRACE, ON_THE_WAY, Question, Questions, Run, SETTLED, Unstored};
use super::step::seconds;
use super::trail::{Known, Trail};
use crate::protocol::datetime::DeviceTime;
use crate::protocol::log::{LogEntry, LogIndex};
use crate::protocol::state::KeyturnerStates;
use crate::protocol::{LockAction, LockState};

mod answer;
mod record;
#[cfg(test)]
mod tests;

use record::{observed, show};

/// Catching up after an absence may take this long before a change is stored without its log entry.
const CATCH_UP: Duration = Duration::from_secs(30);

/// What was written so long before the lock's clock as it was seen last is nothing that anybody waits to be told.
const LONG_AGO: i64 = 60;

/// Where the bolt was when everything seen before was explained or given up.
#[derive(Debug)]
struct Base {
    state: Option<LockState>,
    /// When it was last seen there.
    time: Option<Span>,
    /// The lock 'n' go that runs.
    leaving: Option<Known>,
    /// The act that comes next in the log had begun there.
    under_way: bool,
    /// The log was read up to there; else older entries are still to come.
    in_step: bool,
}

/// What a look at the lock's clock has shown.
#[derive(Debug, Clone, Copy)]
struct ClockMoves {
    /// It was not set since the look before, and there was one by this process.
    goes_on: bool,
    /// It was set back lately, or shows no time any more.
    was_set_back: bool,
}

/// Joins states and log entries of one lock. Same contract as a session: one
/// input, drain [`poll`](Self::poll), sleep until [`next_timeout`](Self::next_timeout).
///
/// Every commit is complete in itself: an entry and the cursor behind it, a
/// state and what is told of it, travel together.
///
/// A change is answered only when the log was read to its end after it was
/// seen: the first pages of a long log can hold an entry that fits, and the
/// last page the one that did it. Until then entries that can have moved the
/// bolt are held back, however long that takes: what is not stored is read
/// again after a restart, and what is stored says nothing of other changes any
/// more. Changes are told in their order, each at its own deadline at the
/// latest.
#[derive(Debug)]
pub struct Journal {
    config: JournalConfig,
    names: Names,
    trail: Trail,
    questions: Questions,
    base: Base,
    /// The bolt when it was last seen at rest.
    rest: Option<LockState>,
    /// The lock's clock when it was seen last.
    pace: Option<Pace>,
    /// The motor, if it was seen running since the bolt was at rest.
    moving: Option<Run>,
    /// When the log was read to its end, if that was after the last change was seen.
    ended: Option<Duration>,
    /// Until then an entry of something that is over can still be written.
    busy_until: Option<Duration>,
    /// Entries wait for names so long.
    names_until: Option<Duration>,
    /// Since when entries wait for the state that they led to.
    state_owed: Option<Duration>,
    /// The newest change waits to be seen once more, because the log goes on behind it.
    rest_owed: bool,
    /// When to look once more for an entry that is late.
    look_again: Option<Duration>,
    log_blocked: LogBlocked,
    /// The lock's clock when its state was read first; `None` until then. Whatever is older happened while we were away.
    arrival: Option<Option<DeviceTime>>,
    /// The log has been read to its end once: what comes now is new.
    caught_up: bool,
    outputs: VecDeque<Output>,
}

impl Journal {
    /// A journal that continues from what is stored.
    #[must_use]
    pub fn new(mut config: JournalConfig) -> Self {
        let names = Names::new(core::mem::take(&mut config.directory), config.own_auth_id);
        let clock = config.states.and_then(|states| states.current_time);
        let last = config.states.map(|states| states.lock_state);
        let oldest = config.pending.first().map(|pending| pending.change.before);
        let newest = config.pending.last().map(|pending| pending.change.after);
        let moving = config.states.as_ref().and_then(Run::stored);
        let mut trail = Trail::new(config.cursor, config.is_opener);
        if config.has_begun_anew {
            trail.hole();
        }
        Self {
            trail,
            questions: Questions::new(&config.pending, clock),
            base: Base {
                state: oldest.unwrap_or(last),
                // How long ago a motor ran, a clock that was set since does not say.
                time: seconds(clock)
                    .filter(|_| oldest.is_none() && !last.is_some_and(LockState::is_transitional))
                    .map(Span::at),
                leaving: None,
                under_way: false,
                in_step: config.cursor != 0 && !oldest.unwrap_or(last).is_some_and(LockState::is_transitional),
            },
            rest: match last {
                Some(state) if state.is_transitional() => newest.or(last),
                _ => last,
            },
            config,
            names,
            pace: None,
            moving,
            ended: None,
            busy_until: None,
            names_until: None,
            state_owed: None,
            rest_owed: false,
            look_again: None,
            log_blocked: None,
            arrival: None,
            caught_up: false,
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
        let waiting = self.questions.waiting().map(|unstored| unstored.deadline);
        [waiting, self.names_until, self.look_again].into_iter().flatten().min()
    }

    /// Index of the last log entry handed out for storage.
    #[must_use]
    pub const fn cursor(&self) -> LogIndex {
        self.config.cursor
    }

    /// Why the log cannot be read, or that it can.
    pub fn handle_log_access(&mut self, blocked: LogBlocked, now: Duration) {
        let was = core::mem::replace(&mut self.log_blocked, blocked);
        if was != blocked && [was, blocked].contains(&Some(UnknownReason::LoggingOff)) {
            // What happened meanwhile is nowhere.
            self.trail.hole();
        }
        self.settle(now);
    }

    /// The lock reported a state.
    pub fn handle_states(&mut self, states: KeyturnerStates, now: Duration) {
        let was_still = self.config.states.is_some() && self.is_still(now);
        let before = self.config.states.replace(states);
        let is_rest = !states.lock_state.is_transitional();
        let bolt_moved = before.is_some_and(|before| before.lock_state != states.lock_state);
        // The first state shows what happened while we were away; but a motor that runs, runs now.
        let live = self.arrival.is_some() || !is_rest;
        self.arrival.get_or_insert(states.current_time);
        let clock = self.follow_clock(states.current_time, now);
        // A motor that is seen running at once was begun by whoever was known at rest. If a number was given away meanwhile,
        // only the clock tells how long its new holder has had it.
        let is_same_count = before.is_some_and(|before| before.config_update_count == states.config_update_count);
        let began_as_known = was_still && (is_same_count || clock.goes_on);
        let is_still = if bolt_moved { began_as_known } else { self.is_still(now) };
        if self.names.shown(states.config_update_count, states.current_time, is_still, clock.goes_on) {
            self.outputs.push_back(Output::ReadDirectory);
            if self.trail.held().any(needs_names) {
                self.await_names(now);
            }
        } else if !self.names.are_outdated() {
            self.names_until = None;
        }
        let observation = Observation { states, before };
        let Some(known) = before else {
            // The very first state is no change, unless the motor runs.
            self.base = Base {
                state: Some(states.lock_state),
                time: self.seen(),
                leaving: None,
                under_way: false,
                in_step: self.base.in_step,
            };
            self.rest = Some(states.lock_state);
            let mut draft = Draft::default();
            show(&mut draft, observation, !is_rest, None);
            return self.commit(draft);
        };
        if bolt_moved {
            self.busy_until = Some(now.saturating_add(ON_THE_WAY));
        }
        if bolt_moved && is_rest {
            self.ask(observation, live, clock.was_set_back, now);
        } else {
            if bolt_moved || (known.nuki_state, known.door_sensor) != (states.nuki_state, states.door_sensor) {
                self.note(observation, live);
            }
            if is_rest {
                self.rest = Some(states.lock_state);
                self.moving = None;
                self.seen_again(states, now);
            } else {
                // What is read before a motor is seen running is of something else; afterwards its entry can be there before its state.
                let settled = self.trail.settled_serial(now);
                let begins = Run::begin(self.trail.serial(), self.pace, now);
                let known = self.moving.filter(|_| !bolt_moved);
                self.moving = Some(known.map_or(begins, |run| run.go_on(settled, self.pace, now)));
                self.questions.motor_runs(states.lock_state, now);
            }
        }
        self.settle(now);
    }

    /// Looks at the lock's clock beside ours, and doubts what cannot be compared with it any more.
    fn follow_clock(&mut self, time: Option<DeviceTime>, now: Duration) -> ClockMoves {
        let shown = seconds(time);
        let before = self.pace;
        self.pace = shown.map(|shown| Pace::seen(before, shown, now));
        let was_set = self.pace.as_ref().is_some_and(Pace::was_set);
        if let Some(before) = before.filter(|_| was_set) {
            self.questions.doubt_late(before.at);
        }
        let fell = self.questions.clock_fell(time) || self.pace.as_ref().is_some_and(Pace::was_set_back);
        let was_set_back = self.trail.clock_shows(shown) || fell;
        if was_set_back {
            self.doubt();
        }
        ClockMoves { goes_on: before.is_some() && shown.is_some() && !was_set, was_set_back }
    }

    /// When the state was seen last, by the lock's clock.
    fn seen(&self) -> Option<Span> {
        self.pace.as_ref().map(Pace::span)
    }

    /// The lock's clock was set back: what was seen cannot be compared with the log any more.
    fn doubt(&mut self) {
        self.questions.doubt();
        self.base.time = None;
    }

    /// The bolt came to rest: what did it?
    fn ask(&mut self, observation: Observation, live: bool, is_doubtful: bool, now: Duration) {
        let after = observation.states.lock_state;
        let change = StateChange { before: self.rest.replace(after), after };
        // Nobody waits for a telling of what happened while we were away.
        let deadline = now.saturating_add(if live { self.config.patience } else { CATCH_UP });
        if live {
            self.questions.hurry(deadline, false);
        }
        if self.questions.is_full() {
            self.drop_oldest();
        }
        let unstored = Unstored { deadline, live, observation, then: Vec::new() };
        let ran = self.moving.take().map(|run| run.end(self.seen()));
        self.questions.push(Question::new(change, now, self.seen(), ran, unstored));
        if is_doubtful {
            self.questions.doubt();
        }
        self.ended = None;
        self.state_owed = None;
        self.rest_owed = false;
    }

    /// Something else changed: it is told behind what waits.
    fn note(&mut self, observation: Observation, live: bool) {
        if let Some(unstored) = self.questions.newest_unstored() {
            return unstored.then.push((observation, live));
        }
        let mut draft = Draft::default();
        show(&mut draft, observation, live, None);
        self.commit(draft);
    }

    /// The bolt is where it was.
    fn seen_again(&mut self, states: KeyturnerStates, now: Duration) {
        if self.questions.still(states, self.seen()) {
            return;
        }
        self.base.time = self.seen();
        if self.state_owed.is_some_and(|since| now.saturating_sub(since) < SETTLED) {
            // The entry can be there a moment before the state.
            self.outputs.push_back(Output::ReadState);
        } else if self.ended.is_some() && (self.state_owed.is_some() || !self.trail.has_held()) {
            // Where the log's last entries led, it is not any more.
            self.forget();
        }
    }

    /// Log entries behind the cursor, ascending; `end` says that there are no more.
    pub fn handle_log(&mut self, entries: Vec<LogEntry>, end: bool, now: Duration) {
        self.trail.reads(now);
        for entry in entries {
            let backfilled = !self.caught_up && self.is_from_before(&entry);
            let era = self.names.era(&entry);
            self.trail.add(entry, backfilled, era);
        }
        if self.trail.clock_shows(self.pace.map(|pace| pace.at(now))) {
            self.doubt();
        }
        let mut misses = false;
        // All of them: whoever is asked for is remembered.
        for entry in self.trail.held() {
            misses |= self.names.misses(entry);
        }
        let is_outdated = self.names.are_outdated() && self.trail.held().any(needs_names);
        if misses || (is_outdated && self.names_until.is_none()) {
            self.outputs.push_back(Output::ReadDirectory);
            self.await_names(now);
        } else if self.names.need_state(self.trail.held()) {
            self.outputs.push_back(Output::ReadState);
            self.await_names(now);
        }
        self.ended = end.then_some(now);
        if end {
            if self.is_still(now) {
                self.names.log_ended(self.trail.serial());
            }
            self.caught_up = true;
            // What is not here now may only just have happened.
            self.questions.hurry(now.saturating_add(self.config.patience), true);
        }
        self.settle(now);
        if end && self.questions.waiting().is_some() {
            self.outputs.push_back(Output::ReadLog);
        }
    }

    /// From now on entries wait for names, or to hear that those we have still count. Over a slow link both lists take longer
    /// than anybody waits to be told of a door that opens; what happened long ago has that time.
    fn await_names(&mut self, now: Duration) {
        let shown = self.config.states.and_then(|states| seconds(states.current_time));
        let is_old = |entry: &LogEntry| {
            seconds(entry.timestamp).zip(shown).is_some_and(|(written, shown)| written.saturating_add(LONG_AGO) < shown)
        };
        let patience = if self.trail.held().all(is_old) { CATCH_UP } else { self.config.patience };
        let until = now.saturating_add(patience);
        self.names_until = Some(self.names_until.map_or(until, |before| before.min(until)));
    }

    /// People and codes as the lock knows them now.
    pub fn handle_directory(&mut self, directory: Directory, now: Duration) {
        self.busy_until = Some(now.saturating_add(ON_THE_WAY));
        self.names.read(directory);
        self.names_until = None;
        if self.names.need_state(self.trail.held()) {
            self.outputs.push_back(Output::ReadState);
            self.await_names(now);
        }
        self.settle(now);
    }

    /// The log was cleared, or the lock reset: its numbers begin again.
    pub fn handle_log_reset(&mut self, newest: Option<LogIndex>) {
        let mut draft = Draft::default();
        self.store_held(&mut draft);
        let newest = newest.map_or_else(|| "nothing".to_owned(), |index| index.to_string());
        let detail = format!("the log was at {} and is now at {newest}", self.config.cursor);
        self.config.cursor = 0;
        draft.events.push(Event { detail: Some(detail), ..observed(EventKind::Reset, Attribution::Nobody) });
        draft.cursor = Some(0);
        self.trail.reset();
        self.names.log_reset();
        self.ended = None;
        self.names_until = None;
        self.commit(draft);
    }

    /// An action that the gateway was asked for did not happen, or may not have.
    pub fn handle_intent_failed(&mut self, intent_id: i64, action: LockAction, detail: String) {
        let event = Event {
            action: Some(action),
            intent_id: Some(intent_id),
            method: Method::Bridge,
            detail: Some(detail),
            who: Who { auth_id: Some(self.config.own_auth_id), ..Who::default() },
            ..observed(EventKind::IntentFailed, Attribution::Matched)
        };
        self.commit(Draft { events: vec![event], ..Draft::default() });
    }

    /// Handles every deadline that has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        let is_due = |until: &mut Option<Duration>| until.take_if(|until| *until <= now).is_some();
        let is_told = self.questions.waiting().is_some_and(|unstored| unstored.deadline <= now);
        // The names did not come; numbers are better than silence.
        let is_nameless = is_due(&mut self.names_until) || (is_told && self.names_until.take().is_some());
        if is_nameless || is_told {
            self.settle(now);
        }
        if is_due(&mut self.look_again) {
            self.outputs.push_back(Output::CheckLog);
        }
        let mut gave_up = false;
        while self.questions.waiting().is_some_and(|unstored| unstored.deadline <= now) {
            self.give_up();
            gave_up = true;
        }
        if gave_up {
            self.outputs.push_back(Output::CheckLog);
            self.look_again = Some(now.saturating_add(GRACE));
            self.settle(now);
        }
    }

    /// Stores what can be stored, with every change that can be answered.
    fn settle(&mut self, now: Duration) {
        self.store_settled(now);
        if !self.trail.has_held() {
            self.names.all_stored();
        }
    }

    fn store_settled(&mut self, now: Duration) {
        if matches!(self.log_blocked, Some(UnknownReason::PinMissing | UnknownReason::PinRefused)) {
            return self.answer_nothing();
        }
        if self.names_until.is_some() {
            return;
        }
        let mut draft = Draft::default();
        let Some(ended) = self.ended else {
            if self.questions.is_empty() {
                self.store_past(&mut draft);
            }
            return self.commit(draft);
        };
        if !self.questions.is_empty() {
            self.answer(&mut draft, ended);
        }
        if self.questions.is_empty() {
            self.rest_at_end(&mut draft, now);
        } else {
            self.store_idle(&mut draft);
        }
        self.commit(draft);
    }

    /// Whether the log that was read now has everything that began before people and codes were read.
    fn is_still(&self, now: Duration) -> bool {
        self.is_resting() && self.busy_until.is_none_or(|until| until <= now)
    }

    /// Whether nothing moves or is going to move by itself.
    fn is_resting(&self) -> bool {
        let state = self.config.states.map(|states| states.lock_state);
        state.is_none_or(|state| !state.is_transitional() && state != LockState::UnlockedLockNGo)
    }

    /// Whether an entry is certainly or possibly older than our first look at the lock.
    fn is_from_before(&self, entry: &LogEntry) -> bool {
        match (entry.timestamp, self.arrival) {
            (Some(written), Some(Some(arrival))) => written < arrival,
            _ => true,
        }
    }
}
