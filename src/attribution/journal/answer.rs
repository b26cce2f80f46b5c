//! How a journal finds what made a change.

use std::time::Duration;

use super::super::draft::{Draft, Output};
use super::super::event::UnknownReason;
use super::super::explain::{Cause, Mark, Reading, Sight, Start, replay};
use super::super::step::{Step, is_leaving};
use super::super::trail::Trail;
use super::{Base, Journal};
use crate::protocol::LockState;

impl Journal {
    /// Nothing is open, the log is read to its end.
    pub(super) fn rest_at_end(&mut self, draft: &mut Draft, now: Duration) {
        let steps = self.trail.steps();
        let is_moving = self.config.states.is_some_and(|states| states.lock_state.is_transitional());
        if steps.is_empty() {
            self.base.in_step |= !is_moving;
            return self.store_held(draft);
        }
        // Nor was what may be missing at the end of the log, unless nothing is written at all.
        let is_open = steps.last().is_some_and(|step| step.act.is_none()) && !self.is_log_off();
        let is_seen = !is_open && self.rest.is_none_or(|rest| self.read(&steps).can_end_in(rest));
        if is_seen && !is_moving {
            self.store_held(draft);
            return self.forget();
        }
        // The bolt has moved or moves, and where it came to rest was not seen; the entry is stored with what it led to.
        self.store_idle(draft);
        if self.state_owed.is_none() {
            self.state_owed = Some(now);
            if !is_moving {
                self.outputs.push_back(Output::ReadState);
            }
        }
    }

    /// What was read explains nothing any more.
    pub(super) fn forget(&mut self) {
        let reading = self.read(&self.trail.steps());
        let leaving = match self.rest.and_then(|rest| reading.leaving_in(rest)) {
            Some(Cause::Step(step)) => self.trail.known(step).cloned(),
            Some(Cause::Start) => self.base.leaving.take(),
            _ => None,
        };
        self.base = Base { state: self.rest, time: self.base.time, leaving, under_way: false, in_step: true };
        self.state_owed = None;
        self.trail.forget_all();
        if self.is_log_off() {
            self.trail.hole();
        }
    }

    fn is_log_off(&self) -> bool {
        self.log_blocked == Some(UnknownReason::LoggingOff)
    }

    pub(super) fn read(&self, steps: &[Step]) -> Reading {
        let Some(state) = self.base.state else { return Reading::default() };
        let leaving = self
            .base
            .leaving
            .as_ref()
            .and_then(|known| Step::of(&known.entry, 0, known.era, self.config.is_opener)?.act);
        let leaving = leaving.filter(|act| is_leaving(act.action));
        let start = Start { state: self.base.in_step.then_some(state), leaving, under_way: self.base.under_way };
        let base = Sight::still(state, self.base.time, None);
        let sights: Vec<Sight<'_>> = core::iter::once(base).chain(self.questions.sights()).collect();
        replay(start, steps, &sights)
    }

    /// Answers open changes, oldest first, as far as that is possible.
    pub(super) fn answer(&mut self, draft: &mut Draft, ended: Duration) {
        let steps = self.trail.steps();
        let marks = self.read(&steps).marks;
        let mut at = 1;
        let mut answers: Vec<(Mark, Mark)> = self
            .questions
            .sight_counts()
            .filter_map(|count| {
                let pair = marks.get(at).zip(marks.get(at + count - 1));
                at += count;
                pair.map(|(answer, last)| (*answer, *last))
            })
            .collect();
        // What comes behind all that was seen has to show in the state, or it is not as it seems.
        let is_owed = answers.last().is_some_and(|(_, last)| last.cut < steps.len());
        if is_owed && self.is_resting() && !core::mem::replace(&mut self.rest_owed, true) {
            self.outputs.push_back(Output::ReadState);
        }
        if let Some((mark, _)) = answers.last_mut().filter(|_| is_owed) {
            mark.cause = Cause::Lost;
        }
        let is_answered = |at: usize, (mark, _): &(Mark, Mark)| match mark.cause {
            Cause::Nothing | Cause::Lost => false,
            _ if is_owed => false,
            Cause::Start => self.questions.is_settled(at, None, ended),
            Cause::Step(step) => self.questions.is_settled(at, steps.get(step), ended),
        };
        let last_answered = answers.iter().enumerate().rposition(|(at, answer)| is_answered(at, answer));
        let is_resting = self.is_resting();
        let is_off = self.is_log_off();
        let is_over = |at: usize| {
            // The log's order is that of the changes: in front of an answer there is nothing more to come.
            last_answered.is_some_and(|last| at <= last)
                || self.questions.is_late(at, &steps, is_resting, ended)
                || (is_off && self.questions.is_unstored(at))
        };
        let mut count = (0..answers.len()).take_while(|at| is_over(*at)).count();
        // One entry is stored with everything it explains: after a restart nobody would know it for the cause of the rest.
        let goes_on = |count: usize| {
            let (done, open) = answers.split_at(count);
            let last = done.last().map(|(mark, _)| mark.cause);
            matches!(last, Some(Cause::Step(_))) && open.iter().any(|(mark, _)| Some(mark.cause) == last)
        };
        while goes_on(count) {
            count -= 1;
        }
        let leaving = self.base.leaving.clone();
        for (at, (mark, last)) in answers.iter().enumerate().take(count) {
            let Some(question) = self.questions.pop() else { return };
            // The entry itself goes to the last change that it explains.
            let is_shared = answers.iter().take(count).skip(at + 1).any(|(later, _)| later.cause == mark.cause);
            let known = |trail: &Trail, cause| match cause {
                Cause::Nothing | Cause::Lost => None,
                Cause::Start => leaving.clone(),
                Cause::Step(step) => trail.known(step).cloned(),
            };
            let cause_entry = known(&self.trail, mark.cause);
            let under_way = matches!(mark.cause, Cause::Step(step) if step >= last.cut);
            // What may be over or not is kept.
            let cut = last.least;
            self.base = Base {
                state: Some(question.change.after),
                time: question.last_seen(),
                leaving: None,
                under_way,

                in_step: cut == last.cut,
            };
            let cause = if is_shared { Cause::Start } else { mark.cause };
            let is_left = !under_way && question.change.after == LockState::UnlockedLockNGo;
            self.resolve(question, cause, cause_entry.as_ref(), draft);
            self.base.leaving = last.leaving.filter(|_| is_left).and_then(|cause| known(&self.trail, cause));
            if at + 1 == count {
                self.trail.forget(cut);
            }
        }
    }
}
