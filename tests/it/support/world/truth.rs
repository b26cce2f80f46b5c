//! What is stored against the truth.

use std::collections::VecDeque;

use keyturner::attribution::{Attribution, Draft, Event, EventKind};
use keyturner::protocol::state::KeyturnerStates;

use super::keys::By;
use super::people::identity_of;
use super::{Check, START, Seen, Unanswered, World, Written};

/// As far as the store thinks that a lock's clock can be right, seconds.
const A_DAY: i64 = 24 * 60 * 60;

impl World {
    pub(super) fn commit(&mut self, draft: &Draft) -> Check {
        self.say(|| {
            let event = |e: &Event| {
                let change = e.change.map(|c| format!("{:?}->{}", c.before.map(|b| b.to_string()), c.after));
                let late = if e.answers_pending { " late" } else { "" };
                format!(
                    "[{} {:?} {:?} {} {change:?}{late}]",
                    e.kind.name(),
                    e.log_index,
                    identity_of(e),
                    e.attribution.name()
                )
            };
            let events: Vec<String> = draft.events.iter().map(event).collect();
            let told: Vec<String> =
                draft.tellings.iter().map(|t| format!("{}:{:?}", t.states.lock_state, t.event)).collect();
            format!("  commit cursor {:?} events {} told {}", draft.cursor, events.join(" "), told.join(" "))
        });
        let mut questions = VecDeque::new();
        let mut live = VecDeque::new();
        for observation in &draft.observations {
            let Some(seen) = self.expected.pop_front() else {
                return Err(format!("stored a state that was not seen: {observation:?}"));
            };
            ensure!(seen.states == observation.states, "states out of order: {seen:?} and {observation:?}");
            let before = self.states.replace(seen.states);
            if seen.live {
                live.push_back(seen.clone());
            }
            if seen.is_question {
                questions.push_back((seen, before));
            }
        }
        for event in &draft.events {
            self.check_entry(event)?;
            self.check_change(event, &mut questions)?;
        }
        ensure!(questions.is_empty(), "a change was stored without an event: {questions:?}");
        ensure!(
            draft.cursor.is_none_or(|cursor| cursor == self.cursor),
            "cursor {:?}, last entry {}",
            draft.cursor,
            self.cursor
        );
        ensure!(live.len() == draft.tellings.len(), "told {:?} for {live:?}", draft.tellings);
        for (telling, seen) in draft.tellings.iter().zip(live) {
            ensure!(telling.states == seen.states, "told out of order: {telling:?}");
            self.tally.told += 1;
            let Some(at) = telling.event else { continue };
            let event = draft.events.get(at).ok_or("a telling without its event")?;
            ensure!(event.change.is_some_and(|change| change.after == seen.states.lock_state), "told with {event:?}");
            self.check_person(event, seen.owner.as_ref())?;
            self.tally.told_named += 1;
        }
        Ok(())
    }

    fn check_entry(&mut self, event: &Event) -> Check {
        if event.kind == EventKind::Reset {
            self.committed_epoch += 1;
            self.cursor = 0;
        }
        let Some(index) = event.log_index.filter(|_| event.kind != EventKind::StateChange) else { return Ok(()) };
        ensure!(index > self.cursor, "entry {index} stored behind {}", self.cursor);
        self.cursor = index;
        let place = (self.committed_epoch, index);
        ensure!(!self.committed.contains(&place), "entry {place:?} stored twice");
        let written = self.written.iter().find(|written| (written.epoch, written.entry.index) == place);
        let written = written.ok_or_else(|| format!("entry {place:?} was never written"))?;
        ensure!(written.entry.encode() == event.raw, "entry {place:?} is not what was written");
        check_names(event, written)?;
        self.tally.coded += u64::from(event.who.code_id.is_some());
        self.tally.code_named += u64::from(event.who.code_name.is_some());
        self.committed.push(place);
        self.tally.entries += 1;
        let question = self.unanswered.front().filter(|_| event.answers_pending);
        self.read_up_to_time = Some(question.map_or_else(|| self.stored_at(event), |question| question.at));
        Ok(())
    }

    /// When it happened, as the store has it.
    fn stored_at(&self, event: &Event) -> i64 {
        let host = START + (self.now / 1000) as i64;
        let clock_is_right = self.clock.is_some_and(|clock| (clock - START).abs() <= A_DAY);
        let may_be_older = event.backfilled || clock_is_right;
        let fits = |shown: &i64| (shown - host).abs() <= A_DAY || (may_be_older && *shown < host);
        event.device_time.and_then(|time| time.unix_seconds()).filter(fits).unwrap_or(host)
    }

    fn check_change(&mut self, event: &Event, questions: &mut VecDeque<(Seen, Option<KeyturnerStates>)>) -> Check {
        let Some(change) = event.change else {
            ensure!(!event.answers_pending, "answers nothing: {event:?}");
            return Ok(());
        };
        ensure!(!event.is_refused(), "a refused attempt moved the bolt: {event:?}");
        let (owner, before) = if event.answers_pending {
            let question = self.unanswered.pop_front().ok_or("an answer without a question")?;
            // The store looks for the oldest with these states.
            ensure!(question.change == change, "answered {change:?} instead of {:?}", question.change);
            self.tally.late += 1;
            (question.owner, question.before)
        } else {
            let (seen, before) = questions.pop_front().ok_or("a change that was not seen")?;
            ensure!(seen.states.lock_state == change.after, "{change:?} for {seen:?}");
            self.tally.changes += 1;
            (seen.owner, before)
        };
        match event.attribution {
            Attribution::Pending => {
                self.unanswered.push_back(Unanswered {
                    change,
                    raw: event.raw.clone(),
                    at: self.stored_at(event),
                    before,
                    owner,
                });
                Ok(())
            }
            Attribution::Unknown(_) => {
                self.tally.unknown += 1;
                ensure!(event.who.auth_id.is_none() && event.who.code_id.is_none(), "unknown, yet named: {event:?}");
                Ok(())
            }
            Attribution::Matched | Attribution::Nobody => {
                self.tally.named += 1;
                self.check_person(event, owner.as_ref())
            }
        }
    }

    fn check_person(&self, event: &Event, owner: Option<&By>) -> Check {
        let named = identity_of(event);
        let is_right = owner.is_some_and(|by| by.who.identity() == named);
        ensure!(is_right, "WRONG PERSON: it was {owner:?}, and {named:?} is named in {event:?}");
        let Some(entry) = event.log_index.and_then(|_| self.written.iter().find(|w| w.entry.encode() == event.raw))
        else {
            return Ok(());
        };
        check_names(event, entry)?;
        // Of two entries of one number either will do, but not the name of somebody else who had it.
        let is_same = |(owner, by): (&By, &By)| owner.holder == by.holder || says_nothing_else(event, owner);
        ensure!(
            owner.zip(entry.by.as_ref()).is_none_or(is_same),
            "WRONG PERSON: it was {owner:?}, and not {entry:?}, {:?}",
            event.who
        );
        Ok(())
    }
}

/// Whether an event has the names that its entry's person had between acting and being logged, or none.
fn check_names(event: &Event, written: &Written) -> Check {
    let Some(by) = written.by.as_ref().filter(|by| by.who.auth_id() != 0) else { return Ok(()) };
    let is_right = [Some(by), written.then.as_ref()].into_iter().flatten().any(|by| says_nothing_else(event, by));
    ensure!(is_right, "WRONG NAME: {:?} for {written:?}", event.who);
    Ok(())
}

fn says_nothing_else(event: &Event, by: &By) -> bool {
    let who = &event.who;
    let code_name = who.code_name.as_ref().is_none_or(|name| by.code_name.as_ref() == Some(name));
    code_name
        && who.auth_name.as_ref().is_none_or(|name| *name == by.auth_name)
        && who.auth_type.is_none_or(|id_type| by.id_type == Some(id_type))
}
