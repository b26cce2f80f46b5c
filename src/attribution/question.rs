//! State changes that still need a cause, and what was seen but is not stored yet.

use std::collections::VecDeque;
use std::time::Duration;

use super::draft::{Observation, Pending};
use super::event::StateChange;
use super::explain::{Sight, is_after};
use super::pace::{Pace, Span};
use super::step::{Step, seconds};
use crate::protocol::datetime::DeviceTime;
use crate::protocol::state::KeyturnerStates;
use crate::protocol::{LockAction, LockState};

/// An entry can follow its state by so much, over all a lock has to do.
pub(super) const GRACE: Duration = Duration::from_secs(10);
/// The lock writes an entry so long before or after the state it led to, at most.
pub(super) const SETTLED: Duration = Duration::from_millis(750);
/// A state on the way of an action lasts no longer.
pub(super) const ON_THE_WAY: Duration = Duration::from_secs(3);
/// So many unanswered changes are remembered.
const MAX_OPEN: usize = 64;

/// A motor that was seen running.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// What was certainly written before it was last seen running.
    pub(super) behind: u64,
    /// When it was last seen; `None` if that was before a restart.
    at: Option<Duration>,
    /// When it was seen first and last, by the lock's clock.
    pub(super) clock: Option<(Span, Span)>,
}

impl Run {
    pub(super) fn begin(behind: u64, pace: Option<Pace>, now: Duration) -> Self {
        Self { behind, at: Some(now), clock: pace.map(|pace| (pace.span(), pace.span())) }
    }

    /// One that was seen before a restart, in these states: what was read until then is not here any more, and tells itself
    /// from its own entry by its time alone. `None` if the motor did not run.
    pub(super) fn stored(states: &KeyturnerStates) -> Option<Self> {
        let seen = seconds(states.current_time).map(Span::at);
        states.lock_state.is_transitional().then(|| Self { behind: 0, at: None, clock: seen.zip(seen) })
    }

    /// A motor that looks the same is seen again; after a while it can be another one.
    pub(super) fn go_on(self, behind: u64, pace: Option<Pace>, now: Duration) -> Self {
        let again = Self::begin(self.behind.max(behind), pace, now);
        let is_same = self.at.is_some_and(|at| now.saturating_sub(at) <= ON_THE_WAY);
        let clock = self.clock.zip(again.clock).map(|((since, _), (_, until))| (since, until));
        Self { clock: if is_same { clock } else { again.clock }, ..again }
    }

    /// It has ended by the time that the bolt is seen at rest.
    pub(super) fn end(self, rest: Option<Span>) -> Self {
        let clock = self.clock.zip(rest).map(|((since, until), rest)| (since, until.or_earlier(rest)));
        Self { clock, ..self }
    }
}

/// A state change whose cause is not known yet.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) change: StateChange,
    pub(super) states: Option<KeyturnerStates>,
    /// When; `None` if that was before a restart.
    pub(super) asked: Option<Duration>,
    /// When the change was seen.
    seen: Option<Span>,
    /// The state when it was last seen unchanged, and when.
    still: Option<(KeyturnerStates, Option<Span>)>,
    /// The motor that led here, if it was seen running.
    ran: Option<Run>,
    /// The motor went on at once, or may have.
    goes_on: bool,
    /// It went on to pull the latch, or may have.
    unlatches: bool,
    /// What is known does not suffice to tell entries before it from entries after it.
    doubtful: bool,
    /// Why it waits unstored; `None` once it is stored as pending.
    pub(super) unstored: Option<Unstored>,
}

/// A change that is not stored yet, because its log entry is expected.
#[derive(Debug)]
pub(super) struct Unstored {
    pub(super) deadline: Duration,
    /// It happened before our eyes, so it is told.
    pub(super) live: bool,
    pub(super) observation: Observation,
    /// What was seen since and needs no cause.
    pub(super) then: Vec<(Observation, bool)>,
}

impl Question {
    pub(super) fn new(
        change: StateChange,
        now: Duration,
        seen: Option<Span>,
        ran: Option<Run>,
        unstored: Unstored,
    ) -> Self {
        Self {
            change,
            states: Some(unstored.observation.states),
            asked: Some(now),
            seen,
            still: None,
            ran,
            goes_on: false,
            unlatches: false,
            doubtful: seen.is_none(),
            unstored: Some(unstored),
        }
    }

    /// A stored one. Entries that were read before the restart are not here to be told from later ones but by their time.
    fn stored(pending: &Pending) -> Self {
        let seen = seconds(pending.states.and_then(|states| states.current_time)).map(Span::at);
        Self {
            change: pending.change,
            states: pending.states,
            asked: None,
            seen,
            still: None,
            ran: pending.before.as_ref().and_then(Run::stored).map(|run| run.end(seen)),
            // Nobody looked whether it did.
            goes_on: true,
            unlatches: true,
            doubtful: seen.is_none(),
            unstored: None,
        }
    }

    /// The lock's clock when the state was seen last.
    pub(super) fn last_seen(&self) -> Option<Span> {
        self.still.map_or(self.seen, |(_, seen)| seen).filter(|_| !self.doubtful)
    }

    fn sights(&self) -> impl Iterator<Item = Sight<'_>> {
        let state = self.change.after;
        let states = self.states.as_ref().filter(|_| !self.doubtful);
        let is_change = states.is_some();
        let time = self.seen.filter(|_| is_change);
        let seen = Sight { is_change, ran: self.ran, unlatches: self.unlatches, ..Sight::still(state, time, states) };
        let still = self.still.as_ref().map(|(states, seen)| Sight::still(state, *seen, Some(states)));
        [Some(seen), still].into_iter().flatten()
    }

    fn doubt(&mut self) {
        self.doubtful = true;
        self.still = None;
    }

    /// How many sights it makes.
    fn sight_count(&self) -> usize {
        1 + usize::from(self.still.is_some())
    }

    /// Whether the log that was read at `ended` had time to tell of this change.
    ///
    /// Somebody may have acted unseen just before whoever was seen, and be in
    /// the log already. An entry of this very second leaves no room for that,
    /// if it was written behind the motor's beginning or says which way it went.
    fn is_settled(&self, cause: Option<&Step>, is_running: bool, ended: Duration) -> bool {
        let act = cause.and_then(|step| step.act);
        let logged = cause.and_then(|step| step.time);
        let is_fresh = logged.zip(self.seen).is_some_and(|(logged, seen)| !is_after(seen.latest, logged));
        // A lock can log a lock 'n' go when it ends, so while one runs an older entry may be that of an earlier one.
        let can_be_logged_later = self.change.after == LockState::UnlockedLockNGo && is_running;
        let clock = self.ran.and_then(|run| run.clock);
        let is_of_this_run = logged.zip(clock).is_some_and(|(logged, (since, _))| since.is_before(logged));
        // Nobody can have moved it the same way just before; what ends where something else can have ended too says less.
        let is_plain =
            act.is_some_and(|act| act.succeeded && matches!(act.action, LockAction::Lock | LockAction::Unlock));
        // Where a motor came to rest that did not get there, its entry does not say; another one may be on its way through here.
        let has_failed = act.is_some_and(|act| !act.succeeded);
        let can_go_on = has_failed && self.goes_on && is_running;
        let wait = if has_failed { ON_THE_WAY } else { SETTLED };
        let had_time = self.asked.is_none_or(|asked| ended.saturating_sub(asked) >= wait);
        is_fresh && (is_of_this_run || is_plain) || (!can_be_logged_later && !can_go_on && had_time)
    }

    /// Whether an answer that is not in the log yet will not come any more.
    fn is_late(&self, steps: &[Step], is_resting: bool, had_time: bool) -> bool {
        let seen = self.seen;
        // The log's order is that of the changes, so it has gone past this one.
        let is_overtaken =
            steps.iter().any(|step| step.time.zip(seen).is_some_and(|(logged, seen)| seen.is_before(logged)));
        // One action can make several changes and be logged behind the last of them.
        let is_logged_later = self.goes_on || self.change.after == LockState::UnlockedLockNGo;
        self.doubtful || is_resting && (is_overtaken && !is_logged_later || had_time)
    }
}

/// The open questions, oldest first: stored ones, then unstored ones.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: VecDeque<Question>,
    /// The newest clock seen.
    clock: Option<DeviceTime>,
}

impl Questions {
    pub(super) fn new(pending: &[Pending], clock: Option<DeviceTime>) -> Self {
        Self { open: pending.iter().map(Question::stored).collect(), clock }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn pop(&mut self) -> Option<Question> {
        self.open.pop_front()
    }

    /// The oldest that is not stored.
    pub(super) fn waiting(&self) -> Option<&Unstored> {
        self.open.iter().find_map(|question| question.unstored.as_ref())
    }

    /// The same, to be changed.
    pub(super) fn waiting_mut(&mut self) -> Option<&mut Question> {
        self.open.iter_mut().find(|question| question.unstored.is_some())
    }

    pub(super) fn newest_unstored(&mut self) -> Option<&mut Unstored> {
        self.open.back_mut().and_then(|question| question.unstored.as_mut())
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= MAX_OPEN
    }

    pub(super) fn push(&mut self, question: Question) {
        self.open.push_back(question);
    }

    /// Nobody waits longer than until `deadline`, in front of something that just happened.
    pub(super) fn hurry(&mut self, deadline: Duration, only_missed: bool) {
        for unstored in self.open.iter_mut().filter_map(|question| question.unstored.as_mut()) {
            if !only_missed || !unstored.live {
                unstored.deadline = unstored.deadline.min(deadline);
            }
        }
    }

    /// Looks at the lock's clock; `true` if it was set back, so that older times cannot be compared any more.
    pub(super) fn clock_fell(&mut self, time: Option<DeviceTime>) -> bool {
        let fell = matches!((time, self.clock), (Some(now), Some(before)) if now < before)
            || (time.is_none() && self.clock.is_some());
        self.clock = time;
        fell
    }

    /// The clock was set back: what is open cannot be compared with the log any more.
    pub(super) fn doubt(&mut self) {
        self.open.iter_mut().for_each(Question::doubt);
    }

    /// The clock was set since it was seen at `before`, no matter where to: whose entry was still to come then, cannot be
    /// compared with it.
    pub(super) fn doubt_late(&mut self, before: Duration) {
        let is_late = |question: &&mut Question| {
            let is_fresh = question.asked.is_some_and(|asked| before.saturating_sub(asked) <= ON_THE_WAY);
            is_fresh || question.change.after == LockState::UnlockedLockNGo
        };
        self.open.iter_mut().filter(is_late).for_each(Question::doubt);
    }

    /// The state was seen again, unchanged since the newest question; `false` if there is none.
    pub(super) fn still(&mut self, states: KeyturnerStates, seen: Option<Span>) -> bool {
        let newest = self.open.back_mut();
        newest.map(|question| question.still = Some((states, seen))).is_some()
    }

    /// The motor runs again.
    pub(super) fn motor_runs(&mut self, state: LockState, now: Duration) {
        let unlatches = matches!(state, LockState::Unlatching | LockState::Unlatched);
        if let Some(question) = self.open.back_mut()
            && question.asked.is_some_and(|asked| now.saturating_sub(asked) <= ON_THE_WAY)
        {
            question.unlatches |= unlatches;
            question.goes_on |= unlatches || state == LockState::Locking;
        }
    }

    pub(super) fn sights(&self) -> impl Iterator<Item = Sight<'_>> {
        self.open.iter().flat_map(Question::sights)
    }

    /// How many sights each question makes.
    pub(super) fn sight_counts(&self) -> impl Iterator<Item = usize> {
        self.open.iter().map(Question::sight_count)
    }

    /// `ended`: when the log was read to its end.
    pub(super) fn is_late(&self, at: usize, steps: &[Step], is_resting: bool, ended: Duration) -> bool {
        let newest = self.open.back().and_then(|question| question.asked);
        let had_time = newest.is_none_or(|asked| ended.saturating_sub(asked) >= GRACE);
        let question = self.open.get(at).filter(|question| question.unstored.is_none());
        question.is_some_and(|question| question.is_late(steps, is_resting, had_time))
    }

    pub(super) fn is_settled(&self, at: usize, cause: Option<&Step>, ended: Duration) -> bool {
        // Until what came after it is settled too.
        let newest = self.open.back().and_then(|question| question.asked);
        let is_running = newest.is_some_and(|asked| ended.saturating_sub(asked) < SETTLED) || self.open.len() == at + 1;
        self.open.get(at).is_some_and(|question| question.is_settled(cause, is_running, ended))
    }

    pub(super) fn is_unstored(&self, at: usize) -> bool {
        self.open.get(at).is_some_and(|question| question.unstored.is_some())
    }
}

#[cfg(test)]
mod tests;
