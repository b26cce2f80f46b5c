use super::*;
use crate::attribution::samples::{self, MIDNIGHT, acted};
use crate::protocol::CompletionStatus;
use LockState::{Locked, Locking, Unlatched, Unlatching, Unlocked, UnlockedLockNGo, Unlocking};

/// When whatever is asked is asked, by our clock and by the lock's.
const ASKED: u64 = 50;

const fn at(millis: u64) -> Duration {
    Duration::from_millis(ASKED * 1_000 + millis)
}

const fn span(second: i64) -> Span {
    Span::at(MIDNIGHT + second)
}

fn states(lock_state: LockState) -> KeyturnerStates {
    let current_time = DeviceTime::from_unix_seconds(MIDNIGHT + 50);
    KeyturnerStates { current_time, ..samples::states(lock_state) }
}

fn unstored(after: LockState, live: bool) -> Unstored {
    let observation = Observation { states: states(after), before: None };
    Unstored { deadline: at(8_000), live, observation, then: Vec::new() }
}

/// The bolt came to this rest at the 50th second.
fn question(after: LockState, ran: Option<Run>) -> Question {
    let change = StateChange { before: Some(Locked), after };
    Question::new(change, at(0), Some(span(50)), ran, unstored(after, true))
}

/// A stored one, of the 50th second.
fn stored(after: LockState) -> Pending {
    Pending { change: StateChange { before: Some(Locked), after }, states: Some(states(after)), before: None }
}

fn step(action: LockAction, completion_status: CompletionStatus, second: i64) -> Step {
    Step::of(&acted(3, action, completion_status, second), 1, None, false).unwrap()
}

fn unlock(second: i64) -> Step {
    step(LockAction::Unlock, CompletionStatus::Success, second)
}

fn unlatch(second: i64) -> Step {
    step(LockAction::Unlatch, CompletionStatus::Success, second)
}

fn blocked(second: i64) -> Step {
    step(LockAction::Unlock, CompletionStatus::MotorBlocked, second)
}

fn asked(questions: impl IntoIterator<Item = Question>) -> Questions {
    let mut asked = Questions::new(&[], None);
    questions.into_iter().for_each(|question| asked.push(question));
    asked
}

/// A motor seen running from one second to another.
fn ran(since: i64, until: i64) -> Run {
    let pace = |second: i64| Some(Pace::seen(None, MIDNIGHT + second, Duration::from_secs(second.unsigned_abs())));
    Run::begin(0, pace(since), Duration::from_secs(since.unsigned_abs())).end(Some(span(until)))
}

#[test]
fn a_motor_that_was_seen_before_a_restart_tells_its_entry_from_an_older_one() {
    let running = |state, second| KeyturnerStates {
        current_time: DeviceTime::from_unix_seconds(MIDNIGHT + second),
        ..samples::states(state)
    };
    let ended_by = |before: Option<KeyturnerStates>, second| {
        let questions = Questions::new(&[Pending { before, ..stored(Unlocked) }], None);
        let sight = questions.sights().next().unwrap();
        sight.is_ended_by(&unlatch(second))
    };
    let ran = Some(running(Unlatching, 49));
    assert!(ended_by(ran, 50) && ended_by(ran, 48), "a clock shows whole seconds");
    assert!(!ended_by(ran, 47), "the motor ran two seconds later");
    assert!(ended_by(None, 40), "when it ran is not known");
    assert!(ended_by(Some(running(Locked, 49)), 40), "the bolt rested");
    let set_back = Some(running(Unlatching, 3_600));
    assert!(ended_by(set_back, 49) && !ended_by(set_back, 48), "a clock that was set back hides no entry of the rest");
    let clockless = Some(samples::states(Unlatching));
    assert!(ended_by(clockless, 40));
}

#[test]
fn a_motor_seen_before_a_restart_is_not_the_one_that_runs_after_it() {
    let before = Run::stored(&states(Unlocking)).unwrap();
    let again = before.go_on(0, Some(Pace::seen(None, MIDNIGHT + 51, at(1_000))), at(1_000));
    assert_eq!(again.clock, Some((span(51), span(51))));
    assert!(Run::stored(&states(Unlocked)).is_none());
}

#[test]
fn an_entry_that_says_which_way_it_went_is_an_answer_at_once() {
    let is_settled = |cause: Step, ended| asked([question(Unlocked, None)]).is_settled(0, Some(&cause), ended);
    assert!(is_settled(unlock(50), at(1)) && is_settled(unlock(49), at(1)), "of this very second");
    assert!(!is_settled(unlock(48), at(1)), "somebody else may have been here just before");
    assert!(!is_settled(unlock(48), at(749)) && is_settled(unlock(48), at(750)));
    assert!(!is_settled(unlatch(50), at(1)) && is_settled(unlatch(50), at(750)), "which ends where others end too");
}

#[test]
fn an_entry_behind_the_beginning_of_its_motor_is_an_answer_at_once() {
    let is_settled =
        |cause: Step, since| asked([question(Unlocked, Some(ran(since, 50)))]).is_settled(0, Some(&cause), at(1));
    assert!(is_settled(unlatch(50), 48));
    assert!(!is_settled(unlatch(50), 49), "it may be older than the motor");
    assert!(!is_settled(unlatch(48), 40), "it is not of this second");
}

#[test]
fn a_motor_that_did_not_get_there_leaves_more_time() {
    let is_settled = |ended| asked([question(Locked, None)]).is_settled(0, Some(&blocked(50)), ended);
    assert!(!is_settled(at(750)) && !is_settled(at(2_999)) && is_settled(at(3_000)));
    let mut goes_on = asked([question(Locked, None)]);
    goes_on.motor_runs(Locking, at(500));
    assert!(!goes_on.is_settled(0, Some(&blocked(50)), at(3_000)), "the next one is on its way through here");
    goes_on.push(question(Unlocked, None));
    assert!(goes_on.is_settled(0, Some(&blocked(50)), at(3_000)), "what came after it is settled too");
    assert!(!goes_on.is_settled(0, Some(&blocked(50)), at(749)));
}

#[test]
fn while_a_lock_n_go_runs_its_entry_may_be_that_of_an_earlier_one() {
    let leaving = || question(UnlockedLockNGo, None);
    let lock_n_go = step(LockAction::LockNGo, CompletionStatus::Success, 40);
    assert!(!asked([leaving()]).is_settled(0, Some(&lock_n_go), at(60_000)));
    assert!(asked([leaving(), question(Locked, None)]).is_settled(0, Some(&lock_n_go), at(750)));
    assert!(asked([question(Locked, None)]).is_settled(0, None, at(750)), "that of the start has ended");
    assert!(!asked([leaving()]).is_settled(1, None, at(60_000)), "nobody asks that");
}

#[test]
fn a_stored_question_is_late_when_the_log_has_gone_past_it() {
    let is_late = |after, steps: &[Step], is_resting| {
        let mut questions = Questions::new(&[stored(after)], None);
        questions.push(Question { unstored: None, goes_on: false, ..question(after, None) });
        [0, 1].map(|at_question| questions.is_late(at_question, steps, is_resting, at(9_999)))
    };
    assert_eq!(is_late(Unlocked, &[unlock(51)], true), [false, false], "of the second behind it");
    assert_eq!(
        is_late(Unlocked, &[unlock(51), unlock(52)], true),
        [false, true],
        "of a stored one nobody saw what followed"
    );
    assert_eq!(is_late(Unlocked, &[unlock(52)], false), [false, false], "the motor runs");
    assert_eq!(is_late(UnlockedLockNGo, &[unlock(52)], true), [false, false], "which can be logged when it ends");
}

#[test]
fn a_question_is_late_when_its_entry_had_time_enough() {
    let mut questions = Questions::new(&[stored(Unlocked)], None);
    assert!(questions.is_late(0, &[], true, at(0)), "of one from before a restart everything is there");
    questions.push(question(Locked, None));
    assert!(!questions.is_late(0, &[], true, at(9_999)) && questions.is_late(0, &[], true, at(10_000)));
    assert!(!questions.is_late(0, &[], false, at(10_000)), "the motor runs");
    assert!(!questions.is_late(1, &[], true, at(60_000)), "it has its own deadline");
    assert!(questions.is_unstored(1) && !questions.is_unstored(0) && !questions.is_unstored(2));
    questions.doubt();
    assert!(questions.is_late(0, &[], false, at(0)), "nothing can be compared with it any more");
}

#[test]
fn what_cannot_be_compared_shows_no_state_and_no_time() {
    let mut questions = asked([question(Unlocked, None)]);
    assert!(questions.still(states(Unlocked), Some(span(55))));
    let times =
        |questions: &Questions| questions.sights().map(|sight| (sight.is_change, sight.time)).collect::<Vec<_>>();
    assert_eq!(times(&questions), [(true, Some(span(50))), (false, Some(span(55)))]);
    assert_eq!(questions.sight_counts().collect::<Vec<_>>(), [2]);
    questions.doubt();
    assert_eq!(times(&questions), [(false, None)]);
    assert_eq!(questions.sight_counts().collect::<Vec<_>>(), [1]);
    assert_eq!(questions.pop().unwrap().last_seen(), None);
    assert!(!questions.still(states(Unlocked), None), "nobody asks");
    let without_a_clock = StateChange { before: None, after: Unlocked };
    let mut questions = asked([Question::new(without_a_clock, at(0), None, None, unstored(Unlocked, true))]);
    assert_eq!(times(&questions), [(false, None)]);
    assert_eq!(questions.pop().unwrap().last_seen(), None);
}

#[test]
fn a_state_is_seen_last_when_it_is_seen_again() {
    let mut seen_again = question(Unlocked, None);
    assert_eq!(seen_again.last_seen(), Some(span(50)));
    seen_again.still = Some((states(Unlocked), Some(span(58))));
    assert_eq!(seen_again.last_seen(), Some(span(58)));
    let mut questions = Questions::new(&[stored(Unlocked), Pending { states: None, ..stored(Locked) }], None);
    let times = questions.sights().map(|sight| (sight.is_change, sight.time, sight.unlatches)).collect::<Vec<_>>();
    assert_eq!(times, [(true, Some(span(50)), true), (false, None, true)]);
    assert_eq!(questions.pop().map(|question| question.asked), Some(None));
}

#[test]
fn a_clock_that_was_set_doubts_what_was_asked_just_before() {
    let doubted = |after, before| {
        let mut questions = asked([question(after, None)]);
        questions.doubt_late(before);
        questions.sights().all(|sight| !sight.is_change)
    };
    assert!(doubted(Unlocked, at(0)) && doubted(Unlocked, at(3_000)));
    assert!(!doubted(Unlocked, at(3_001)), "its entry was there by then");
    assert!(doubted(UnlockedLockNGo, at(20_000)), "which can be logged when it ends");
    let mut questions = Questions::new(&[stored(Unlocked)], None);
    questions.doubt_late(at(0));
    assert!(questions.sights().all(|sight| sight.is_change), "what is from before a restart had its time");
}

#[test]
fn a_clock_falls_when_it_shows_less_or_nothing() {
    let clock = |second| DeviceTime::from_unix_seconds(MIDNIGHT + second);
    let mut questions = Questions::new(&[], clock(50));
    let falls: Vec<bool> = [clock(50), clock(49), clock(60), None, None, clock(10)]
        .into_iter()
        .map(|time| questions.clock_fell(time))
        .collect();
    assert_eq!(falls, [false, true, false, true, false, false]);
}

#[test]
fn nobody_waits_longer_than_what_happened_behind_it() {
    let mut questions = asked([
        question(Unlocked, None),
        Question { unstored: Some(unstored(Locked, false)), ..question(Locked, None) },
    ]);
    let deadlines = |questions: &Questions| {
        questions.open.iter().filter_map(|question| Some(question.unstored.as_ref()?.deadline)).collect::<Vec<_>>()
    };
    questions.hurry(at(9_000), false);
    assert_eq!(deadlines(&questions), [at(8_000), at(8_000)], "never longer");
    questions.hurry(at(5_000), true);
    assert_eq!(deadlines(&questions), [at(8_000), at(5_000)]);
    questions.hurry(at(4_000), false);
    assert_eq!(deadlines(&questions), [at(4_000), at(4_000)]);
}

#[test]
fn what_waits_is_the_oldest_that_is_not_stored() {
    let mut questions = Questions::new(&[stored(Unlocked)], None);
    assert!(questions.waiting().is_none() && questions.newest_unstored().is_none() && !questions.is_empty());
    questions.push(question(Locked, None));
    questions.push(Question {
        unstored: Some(Unstored { deadline: at(1), ..unstored(Locked, true) }),
        ..question(Locked, None)
    });
    assert_eq!(questions.waiting().map(|waiting| waiting.deadline), Some(at(8_000)));
    assert_eq!(questions.newest_unstored().map(|newest| newest.deadline), Some(at(1)));
    questions.waiting_mut().unwrap().unstored = None;
    assert_eq!(questions.waiting().map(|waiting| waiting.deadline), Some(at(1)));
}

#[test]
fn sixty_four_may_be_open() {
    let mut questions = asked((0..63).map(|_| question(Unlocked, None)));
    assert!(!questions.is_full());
    questions.push(question(Unlocked, None));
    assert!(questions.is_full());
}

#[test]
fn a_motor_that_goes_on_at_once_may_pull_the_latch() {
    let after = |state, now| {
        let mut questions = asked([question(Unlocked, None)]);
        questions.motor_runs(state, now);
        let question = questions.pop().unwrap();
        (question.goes_on, question.unlatches)
    };
    assert_eq!(after(Unlatching, at(0)), (true, true));
    assert_eq!(after(Unlatched, at(3_000)), (true, true));
    assert_eq!(after(Unlatching, at(3_001)), (false, false), "that is another one");
    assert_eq!(after(Locking, at(0)), (true, false));
    assert_eq!(after(Unlocking, at(0)), (false, false));
    let mut questions = Questions::new(&[], None);
    questions.motor_runs(Unlatching, at(0));
    assert!(questions.is_empty());
}

#[test]
fn a_motor_that_looks_the_same_later_is_another_one() {
    let pace =
        |second: u64| Some(Pace::seen(None, MIDNIGHT + i64::try_from(second).unwrap(), Duration::from_secs(second)));
    let go_on = |second: u64| {
        Run::begin(4, pace(10), Duration::from_secs(10)).go_on(2, pace(second), Duration::from_secs(second))
    };
    let clock = |run: Run| run.clock.map(|(since, until)| (since.latest - MIDNIGHT, until.latest - MIDNIGHT));
    assert_eq!((clock(go_on(13)), go_on(13).behind), (Some((10, 13)), 4));
    assert_eq!(clock(go_on(14)), Some((14, 14)));
    assert_eq!(Run::begin(4, None, at(0)).go_on(6, pace(50), at(0)).behind, 6);
    assert_eq!(clock(Run::begin(4, pace(10), at(0)).end(None)), None, "a clock that is gone compares nothing");
}
