//! Which log entry explains a state change that was seen.
//!
//! The rule has to be right or silent, never likely. The log is replayed from
//! a known state along every way it can have gone past the states seen; a
//! change has an answer only if every such way gives the same one. Somebody
//! who unlocks an unlocked door is in the log, but moved nothing. Times are
//! compared only within the lock's own clock, and only to leave ways out,
//! never to prefer one.

use std::collections::BTreeSet;

use super::pace::Span;
use super::question::Run;
use super::step::{Act, Step, is_leaving};
use super::tenure::LOGGED_WITHIN;
use crate::protocol::LockState;
use crate::protocol::state::KeyturnerStates;

/// More ways than this through log and states: nobody can be named.
const MAX_WAYS: usize = 2_000;

/// Where a replay begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// The state in front of the first step, if that is known.
    pub(super) state: Option<LockState>,
    /// The lock 'n' go that runs there.
    pub(super) leaving: Option<Act>,
    /// The first step's act had begun there.
    pub(super) under_way: bool,
}

/// A state seen, in the order of seeing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight<'a> {
    /// The bolt's state.
    pub(super) state: LockState,
    /// When, by the lock's clock.
    pub(super) time: Option<Span>,
    /// All the lock said, if that is known and can be compared.
    pub(super) states: Option<&'a KeyturnerStates>,
    /// A change was seen that needs a cause.
    pub(super) is_change: bool,
    /// The motor that led here, if it was seen running: an entry says how that ended.
    pub(super) ran: Option<Run>,
    /// The motor went on to pull the latch, or may have, so the action's entry can be still to come.
    pub(super) unlatches: bool,
}

impl<'a> Sight<'a> {
    /// The bolt where it was, without a change.
    pub(super) const fn still(state: LockState, time: Option<Span>, states: Option<&'a KeyturnerStates>) -> Self {
        Self { state, time, states, is_change: false, ran: None, unlatches: false }
    }

    /// Whether the step was written when the motor that led here had ended.
    pub(super) fn is_ended_by(&self, step: &Step) -> bool {
        let Some(run) = self.ran else { return true };
        step.serial > run.behind && !step.time.zip(run.clock).is_some_and(|(logged, (_, until))| until.is_after(logged))
    }
}

/// What made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// Nothing yet.
    Nothing,
    /// Something that is not in the log.
    Lost,
    /// The lock 'n' go that already ran at the start.
    Start,
    /// The act of this step.
    Step(usize),
}

/// What is known of one sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    /// So many steps lie before it, if its cause is known.
    pub(super) cut: usize,
    /// So many lie before it at least, along every way.
    pub(super) least: usize,
    /// What made the change.
    pub(super) cause: Cause,
    /// The lock 'n' go that runs there.
    pub(super) leaving: Option<Cause>,
}

/// The outcome of a replay.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// One per sight; [`Cause::Lost`] where no answer is certain.
    pub(super) marks: Vec<Mark>,
    /// States that the lock can have after the last step, and the lock 'n' go that can run there.
    pub(super) ends: BTreeSet<(LockState, Option<Cause>)>,
}

impl Reading {
    pub(super) fn can_end_in(&self, state: LockState) -> bool {
        self.ends.iter().any(|end| end.0 == state)
    }

    /// The lock 'n' go that certainly runs when the lock is in this state after the last step.
    pub(super) fn leaving_in(&self, state: LockState) -> Option<Cause> {
        let mut running = self.ends.iter().filter(|end| end.0 == state).map(|end| end.1);
        let first = running.next()??;
        running.all(|other| other == Some(first)).then_some(first)
    }
}

/// One way the log can have gone past the sights.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    cut: usize,
    state: LockState,
    cause: Cause,
    leaving: Option<Cause>,
    /// The lock 'n' go locked by itself.
    by_itself: bool,
    /// Its entry may come next, now that it has ended.
    owes_entry: bool,
    /// The next step's act has begun.
    under_way: bool,
    lost: usize,
    /// Something that is not in the log came behind so many steps.
    lost_at: Option<usize>,
    marks: Vec<Mark>,
}

/// Whether an entry or state of this time is certainly about something later than one of that time: a lock writes and shows within a second.
pub(super) const fn is_after(time: i64, than: i64) -> bool {
    time - than > 1
}

/// Replays `steps` from `start` past `sights`.
pub(super) fn replay(start: Start, steps: &[Step], sights: &[Sight<'_>]) -> Reading {
    let replay = Replay { start, steps };
    if replay.clock_falls().next().is_some() {
        return replay.nothing(sights);
    }
    // Only if no way explains everything, some entry is missing or still to come.
    let ways = replay.ways(sights, false).or_else(|| replay.ways(sights, true)).unwrap_or_default();
    let fewest = ways.iter().map(|way| way.lost).min().unwrap_or(0);
    let ways: BTreeSet<Way> = ways.into_iter().filter(|way| way.lost == fewest).collect();
    // Of equal answers the latest: a lock that logs its own locking after a lock 'n' go is taken at its word.
    let Some(chosen) = ways.last() else { return replay.nothing(sights) };
    let marks = chosen.marks.iter().enumerate().map(|(at, mark)| {
        let others = || ways.iter().filter_map(|way| way.marks.get(at));
        let is_certain = others().all(|other| replay.is_same(mark.cause, other.cause))
            && !replay.is_one_of_several_leaving(mark.cause)
            && (fewest == 0 || replay.is_behind(mark.cause, at.checked_sub(1).and_then(|at| sights.get(at))));
        Mark {
            cause: if is_certain { mark.cause } else { Cause::Lost },
            cut: mark.cut,
            least: others().map(|other| other.cut).min().unwrap_or(mark.cut),
            leaving: mark.leaving.filter(|_| others().all(|other| replay.is_same_leaving(mark.leaving, other.leaving))),
        }
    });
    Reading { marks: marks.collect(), ends: replay.ends(&ways) }
}

struct Replay<'a> {
    start: Start,
    steps: &'a [Step],
}

impl Replay<'_> {
    fn ways(&self, sights: &[Sight<'_>], may_lose: bool) -> Option<BTreeSet<Way>> {
        let states = self.start.state.map_or(ANYWHERE.to_vec(), |state| vec![state]);
        let cause = if self.start.state.is_some() { Cause::Nothing } else { Cause::Lost };
        let at = |state| Way {
            leaving: self.start.leaving.map(|_| Cause::Start),
            under_way: self.start.under_way,
            ..Way::begin(0, state, cause)
        };
        let mut ways: BTreeSet<Way> = states.into_iter().map(at).collect();
        for (at, sight) in sights.iter().enumerate() {
            // Where it began is known; what contradicts that is a clock that was set unseen.
            let may_lose = may_lose && (at > 0 || self.start.state.is_none());
            ways = self.past(&ways, sight, may_lose);
            if ways.is_empty() || ways.len() > MAX_WAYS {
                return None;
            }
        }
        Some(ways)
    }

    /// Without a way that fits nothing is known of the sights. Where the bolt is in the end, the last steps say all the same.
    fn nothing(&self, sights: &[Sight<'_>]) -> Reading {
        let mark = Mark { cut: self.steps.len(), least: 0, cause: Cause::Lost, leaving: None };
        let from = self.clock_falls().last().unwrap_or(0);
        let ends = self.ends(&ANYWHERE.map(|state| Way::begin(from, state, Cause::Lost)).into());
        Reading { marks: vec![mark; sights.len()], ends: ends.into_iter().map(|(state, _)| (state, None)).collect() }
    }

    /// The log's order and its times contradict each other in front of these steps.
    fn clock_falls(&self) -> impl Iterator<Item = usize> {
        let mut newest = None;
        let timed = self.steps.iter().enumerate().filter_map(|(at, step)| Some((at, step.time?)));
        timed.filter_map(move |(at, time)| {
            newest.replace(time).is_some_and(|before| is_after(before, time)).then_some(at)
        })
    }

    /// First and last number of steps that can lie before a sight.
    fn window(&self, seen: Option<Span>) -> (usize, usize) {
        let Some(seen) = seen else { return (0, self.steps.len()) };
        let is_before = |step: &Step| step.time.is_some_and(|logged| seen.is_after(logged));
        let is_after = |step: &Step| step.time.is_some_and(|logged| seen.is_before(logged));
        let first = self.steps.iter().rposition(is_before).map_or(0, |at| at + 1);
        (first, self.steps.iter().position(is_after).unwrap_or(self.steps.len()))
    }

    fn past(&self, from: &BTreeSet<Way>, sight: &Sight<'_>, may_lose: bool) -> BTreeSet<Way> {
        let (first, last) = self.window(sight.time);
        let mut past = BTreeSet::new();
        let mut running = BTreeSet::new();
        // What contradicts the log can be a missing entry as well as a clock that was set unseen.
        let end = if may_lose { self.steps.len() } else { last };
        for cut in 0..=end {
            let is_outside = !(first..=last).contains(&cut);
            running.extend(from.iter().filter(|way| way.cut == cut).flat_map(|way| self.in_hole(way)));
            let by_itself: Vec<Way> = running.iter().filter_map(Way::leave).collect();
            running.extend(by_itself);
            if !is_outside || may_lose {
                let met = running.iter().flat_map(|way| {
                    [self.meets(way, cut, sight), self.meets_on_the_way(way, cut, sight)].into_iter().flatten()
                });
                past.extend(met.map(|way| Way { lost: way.lost + usize::from(is_outside), ..way }));
            }
            if let Some(step) = self.steps.get(cut) {
                running = running.iter().flat_map(|way| way.after(cut, step)).collect();
            }
            if running.len() > MAX_WAYS {
                return running;
            }
        }
        if may_lose {
            // A clock that was set leaves no room; then every place is possible.
            let places = if first <= last { first..=last } else { 0..=self.steps.len() };
            for way in from {
                // Nobody can have acted while another act was under way.
                let from = way.cut + usize::from(way.under_way);
                past.extend(places.clone().filter(|cut| *cut >= from).map(|cut| Way {
                    leaving: None,
                    under_way: false,
                    lost: way.lost + 1,
                    lost_at: Some(cut),
                    ..way.at(cut, sight.state, Cause::Lost)
                }));
            }
        }
        past
    }

    /// Where entries are missing, more than one can be.
    fn in_hole(&self, way: &Way) -> Vec<Way> {
        let before = way.cut.checked_sub(1).and_then(|at| Some((at, self.steps.get(at)?)));
        match before {
            Some((at, hole)) if hole.act.is_none() => way.after(at, hole),
            _ => vec![way.clone()],
        }
    }

    fn meets(&self, way: &Way, cut: usize, sight: &Sight<'_>) -> Option<Way> {
        // A running motor can have come from anywhere.
        if way.state != sight.state && !sight.state.is_transitional() {
            return None;
        }
        // ... and may as well be on the way to lock behind a lock 'n' go.
        let state = if sight.state.is_transitional() { way.state } else { sight.state };
        let act = self.act(way.cause);
        let last_act = self.last_act(way, cut);
        let agrees = |states| last_act.is_none_or(|act| act.action_agrees(states));
        let Some(states) = sight.states.filter(|_| sight.is_change) else {
            return sight.states.is_none_or(agrees).then(|| way.at(cut, state, Cause::Nothing));
        };
        // A lock that says "locked" as its last action did not lock by itself: its entry is missing.
        let has_locked_itself = last_act.is_some_and(|act| !is_leaving(act.action))
            || states.last_action.map_or(act.is_none(), |last| is_leaving(last.action));
        let is_possible = way.cause != Cause::Nothing
            && (way.by_itself || self.has_ended(way.cause, sight))
            && (!way.by_itself || has_locked_itself)
            && act.is_none_or(|act| act.trigger_agrees(states))
            && (act.is_none() || agrees(states));
        is_possible.then(|| {
            way.at(cut, way.state, if self.may_be_another(way.cause, sight) { Cause::Lost } else { way.cause })
        })
    }

    /// An act that failed ends anywhere, so where it is not known for its own motor run another may have led there.
    fn may_be_another(&self, cause: Cause, sight: &Sight<'_>) -> bool {
        let Cause::Step(at) = cause else { return false };
        let Some((step, act)) = self.steps.get(at).and_then(|step| Some((step, step.act?))) else { return false };
        let has_failed = !act.succeeded && !matches!(sight.state, LockState::MotorBlocked | LockState::Undefined);
        has_failed
            && sight
                .ran
                .and_then(|run| run.clock)
                .zip(step.time)
                .is_none_or(|((since, _), logged)| logged < since.latest)
    }

    /// The state is one that the next act shows before it ends and is logged.
    fn meets_on_the_way(&self, way: &Way, cut: usize, sight: &Sight<'_>) -> Option<Way> {
        let states = sight.states?;
        let step = self.steps.get(cut)?;
        let act = step.act?;
        let is_near = step
            .time
            .zip(sight.time)
            .is_some_and(|(logged, seen)| logged >= seen.earliest && logged - seen.latest <= LOGGED_WITHIN);
        let shows = match sight.state {
            LockState::UnlockedLockNGo => is_leaving(act.action),
            // Only a latch is pulled behind it.
            LockState::Unlocked => sight.unlatches && act.unlatches_on_the_way(),
            _ => false,
        };
        let is_it = shows
            && is_near
            && sight.is_ended_by(step)
            && act.succeeded
            && way.state != sight.state
            && act.trigger_agrees(states);
        is_it.then(|| Way { under_way: true, ..way.clone() }.at(cut, sight.state, Cause::Step(cut)))
    }

    fn has_ended(&self, cause: Cause, sight: &Sight<'_>) -> bool {
        let Cause::Step(at) = cause else { return true };
        self.steps.get(at).is_some_and(|step| sight.is_ended_by(step))
    }

    /// Whether somebody else left with lock 'n' go just before or after: when a lock writes that is not certain, nor whose
    /// runs then.
    fn is_one_of_several_leaving(&self, cause: Cause) -> bool {
        let Some(act) = self.act(cause).filter(|act| is_leaving(act.action)) else { return false };
        let (before, after) = match cause {
            Cause::Step(at) => self.steps.split_at_checked(at).unwrap_or_default(),
            _ => (&[][..], self.steps),
        };
        let leaving = |step: &Step| step.act.filter(|act| is_leaving(act.action));
        let since = before.iter().rev().map_while(leaving);
        // The one that ran at the start, if nothing else came in between.
        let start = self.start.leaving.filter(|_| before.iter().all(|step| leaving(step).is_some()));
        let until = after.iter().map_while(leaving);
        since.chain(start).chain(until).any(|other| !other.is_by_same(&act))
    }

    /// Whether it was certainly written behind a state that was seen: where something is missing, order proves less.
    fn is_behind(&self, cause: Cause, sight: Option<&Sight<'_>>) -> bool {
        let Cause::Step(at) = cause else { return true };
        let logged = self.steps.get(at).and_then(|step| step.time);
        logged.zip(sight.and_then(|sight| sight.time)).is_some_and(|(logged, seen)| seen.is_before(logged))
    }

    fn act(&self, cause: Cause) -> Option<Act> {
        match cause {
            Cause::Nothing | Cause::Lost => None,
            Cause::Start => self.start.leaving,
            Cause::Step(at) => self.steps.get(at).and_then(|step| step.act),
        }
    }

    /// What the lock did last, if that is in the log.
    fn last_act(&self, way: &Way, cut: usize) -> Option<Act> {
        match cut.checked_sub(1) {
            _ if way.lost_at == Some(cut) || way.under_way => None,
            Some(last) => self.steps.get(last).and_then(|step| step.act),
            None => self.start.leaving,
        }
    }

    /// Two causes that name the same person or thing are one answer.
    fn is_same(&self, a: Cause, b: Cause) -> bool {
        a == b || self.act(a).zip(self.act(b)).is_some_and(|(a, b)| a.is_by_same(&b))
    }

    fn is_same_leaving(&self, a: Option<Cause>, b: Option<Cause>) -> bool {
        a == b || a.zip(b).is_some_and(|(a, b)| self.is_same(a, b))
    }

    fn ends(&self, ways: &BTreeSet<Way>) -> BTreeSet<(LockState, Option<Cause>)> {
        let mut running: BTreeSet<Way> = BTreeSet::new();
        for cut in 0..=self.steps.len() {
            running.extend(ways.iter().filter(|way| way.cut == cut).map(Way::without_past));
            let by_itself: Vec<Way> = running.iter().filter_map(Way::leave).collect();
            running.extend(by_itself);
            if let Some(step) = self.steps.get(cut) {
                running = running.iter().flat_map(|way| way.after(cut, step)).map(|way| way.without_past()).collect();
            }
        }
        let ends: BTreeSet<_> = running.into_iter().map(|way| (way.state, way.leaving)).collect();
        // Whoever starts lock 'n' go twice is one person all the same.
        let latest = |cause| ends.iter().filter_map(|end| end.1).filter(|other| self.is_same(cause, *other)).max();
        ends.iter().map(|(state, leaving)| (*state, leaving.and_then(latest))).collect()
    }
}

/// Where a bolt can be at rest.
const ANYWHERE: [LockState; 6] = [
    LockState::Uncalibrated,
    LockState::Locked,
    LockState::Unlocked,
    LockState::UnlockedLockNGo,
    LockState::MotorBlocked,
    LockState::Undefined,
];

impl Way {
    /// A way that has this state in front of the step `cut`.
    const fn begin(cut: usize, state: LockState, cause: Cause) -> Self {
        Self {
            cut,
            state,
            cause,
            leaving: None,
            by_itself: false,
            owes_entry: false,
            under_way: false,
            lost: 0,
            lost_at: None,
            marks: Vec::new(),
        }
    }

    /// The same way, with a sight behind it.
    fn at(&self, cut: usize, state: LockState, cause: Cause) -> Self {
        let mut marks = self.marks.clone();
        // One that is under way runs already, though its entry comes next.
        let leaves = self.under_way && state == LockState::UnlockedLockNGo;
        marks.push(Mark {
            cut,
            least: cut,
            cause,
            leaving: if leaves { Some(Cause::Step(cut)) } else { self.leaving },
        });
        Self { cut, state, cause: Cause::Nothing, by_itself: false, marks, ..*self }
    }

    fn without_past(&self) -> Self {
        Self { cause: Cause::Nothing, marks: Vec::new(), lost: 0, lost_at: None, ..*self }
    }

    /// Lock 'n' go locks; some locks log that, some do not.
    fn leave(&self) -> Option<Self> {
        let cause = self.leaving.unwrap_or(Cause::Lost);
        // One that is under way locks when its own entry comes.
        (self.state == LockState::UnlockedLockNGo && !self.under_way).then(|| Self {
            state: LockState::Locked,
            cause,
            leaving: None,
            by_itself: true,
            // Whose it was, an entry said that is not here, or one will say that is still to come.
            owes_entry: self.leaving.is_none(),
            ..self.clone()
        })
    }

    /// Everything a step can lead to.
    fn after(&self, at: usize, step: &Step) -> Vec<Self> {
        let Some(act) = step.act else {
            let anywhere = ANYWHERE.iter().map(|state| Self {
                state: *state,
                cause: Cause::Lost,
                leaving: None,
                by_itself: false,
                owes_entry: false,
                under_way: false,
                ..self.clone()
            });
            return anywhere.chain([self.clone()]).collect();
        };
        let outcome = |(state, has_moved)| {
            let starts = act.succeeded
                && (is_leaving(act.action) || act.is_open_ended() && has_moved)
                && state == LockState::UnlockedLockNGo;
            Self {
                state,
                cause: if has_moved { Cause::Step(at) } else { self.cause },
                leaving: match self.leaving {
                    _ if starts => Some(Cause::Step(at)),
                    kept if !has_moved => kept,
                    _ => None,
                },
                by_itself: self.by_itself && !has_moved,
                owes_entry: false,
                under_way: false,
                ..self.clone()
            }
        };
        let mut ways: Vec<Self> = act.outcomes(self.state).into_iter().map(outcome).collect();
        if is_leaving(act.action) && self.state == LockState::UnlockedLockNGo && !self.under_way {
            // It runs already: whether the second one starts it anew is not known.
            ways.push(self.clone());
        }
        if self.owes_entry && is_leaving(act.action) && act.succeeded {
            let cause = if self.by_itself { Cause::Step(at) } else { self.cause };
            ways.push(Self { cause, owes_entry: false, ..self.clone() });
        }
        ways
    }
}

#[cfg(test)]
mod tests;
