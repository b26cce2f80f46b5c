//! Small logs past few sights, each with the one answer that it may have.

use core::time::Duration;

use super::*;
use crate::attribution::pace::Pace;
use crate::attribution::samples::{MIDNIGHT, acted, last_action, states};
use crate::protocol::{CompletionStatus, LockAction as A, Trigger};
use LockState::{Locked, MotorBlocked, Unlocked, UnlockedLockNGo, Unlocking};

const SUCCESS: CompletionStatus = CompletionStatus::Success;
const BLOCKED: CompletionStatus = CompletionStatus::MotorBlocked;

/// A log in which everybody acts by phone, in the order of their serial numbers from 1.
fn log(acts: &[(u32, A, i64)]) -> Vec<Step> {
    let step = |(auth_id, action, second): &(u32, A, i64)| {
        Step::of(&acted(*auth_id, *action, SUCCESS, *second), 0, Some(1), false)
    };
    numbered(acts.iter().filter_map(step).collect())
}

fn numbered(mut steps: Vec<Step>) -> Vec<Step> {
    for (serial, step) in (1..).zip(&mut steps) {
        step.serial = serial;
    }
    steps
}

/// Entries are or may be missing.
fn hole(second: i64) -> Step {
    Step { serial: 0, time: Some(MIDNIGHT + second), act: None }
}

fn ended_badly(auth_id: u32, action: A, second: i64) -> Step {
    Step::of(&acted(auth_id, action, BLOCKED, second), 1, Some(1), false).unwrap()
}

/// One that says what it did last.
fn states_after(lock_state: LockState, action: A) -> KeyturnerStates {
    KeyturnerStates { last_action: last_action(action, SUCCESS), ..states(lock_state) }
}

const fn span(second: i64) -> Span {
    Span::at(MIDNIGHT + second)
}

/// The bolt came to rest, seen at this second.
const fn change(states: &KeyturnerStates, second: i64) -> Sight<'_> {
    let sight = Sight::still(states.lock_state, Some(span(second)), Some(states));
    Sight { is_change: true, ..sight }
}

const fn from(state: LockState) -> Start {
    Start { state: Some(state), leaving: None, under_way: false }
}

/// Somebody's lock 'n' go runs at the start.
fn from_leaving(auth_id: u32) -> Start {
    let leaving = log(&[(auth_id, A::LockNGo, 0)]).pop().and_then(|step| step.act);
    Start { leaving, ..from(UnlockedLockNGo) }
}

fn causes(reading: &Reading) -> Vec<Cause> {
    reading.marks.iter().map(|mark| mark.cause).collect()
}

fn end_states(reading: &Reading) -> Vec<LockState> {
    ANYWHERE.into_iter().filter(|state| reading.can_end_in(*state)).collect()
}

#[test]
fn one_entry_explains_one_change() {
    let unlocked = states(Unlocked);
    let steps = log(&[(3, A::Unlock, 10)]);
    let reading = replay(from(Locked), &steps, &[change(&unlocked, 10)]);
    let mark = Mark { cut: 1, least: 1, cause: Cause::Step(0), leaving: None };
    assert_eq!(reading.marks, [mark]);
    assert_eq!(end_states(&reading), [Unlocked]);
}

#[test]
fn without_an_entry_nobody_did_it() {
    let unlocked = states(Unlocked);
    let reading = replay(from(Locked), &[], &[change(&unlocked, 10)]);
    assert_eq!(reading.marks, [Mark { cut: 0, least: 0, cause: Cause::Lost, leaving: None }]);
    assert_eq!(end_states(&reading), ANYWHERE, "what contradicts a known beginning is a clock that was set");
    let elsewhere = log(&[(3, A::Lock, 10)]);
    let reading = replay(from(Locked), &elsewhere, &[change(&unlocked, 10)]);
    assert_eq!(causes(&reading), [Cause::Lost], "whoever locks does not unlock");
}

#[test]
fn who_unlocks_an_unlocked_door_moved_nothing() {
    let unlocked = states(Unlocked);
    let steps = log(&[(3, A::Unlock, 10), (4, A::Unlock, 11)]);
    let reading = replay(from(Locked), &steps, &[change(&unlocked, 11)]);
    let mark = reading.marks[0];
    assert_eq!((mark.cause, mark.least), (Cause::Step(0), 1), "the first one did it, and the second may be behind it");
}

#[test]
fn of_two_who_can_have_locked_last_nobody_is_named() {
    let locked = states(Locked);
    let last_of = |steps: &[Step], second| causes(&replay(from(Unlocked), steps, &[change(&locked, second)]));
    let two = log(&[(3, A::Lock, 10), (4, A::Unlock, 11), (5, A::Lock, 12)]);
    assert_eq!(last_of(&two, 11), [Cause::Lost], "either can be what was seen");
    let same = log(&[(3, A::Lock, 10), (4, A::Unlock, 11), (3, A::Lock, 12)]);
    assert_eq!(last_of(&same, 11), [Cause::Step(2)], "both are the same person");
    let far = log(&[(3, A::Lock, 10), (4, A::Unlock, 21), (5, A::Lock, 32)]);
    assert_eq!(last_of(&far, 10), [Cause::Step(0)], "the others are written behind what was seen");
    assert_eq!(last_of(&far, 32), [Cause::Step(2)], "the others are written before what was seen");
    assert_eq!(last_of(&far, 12), [Cause::Step(0)]);
    assert_eq!(
        last_of(&far, 30),
        [Cause::Lost],
        "when the door had been unlocked long ago, and was not yet locked again"
    );
}

#[test]
fn a_number_that_may_have_changed_hands_is_not_one_person() {
    let locked = states(Locked);
    let by =
        |era| move |(action, second): (A, i64)| Step::of(&acted(3, action, SUCCESS, second), 0, era, false).unwrap();
    for (eras, cause) in
        [([Some(1), Some(1)], Cause::Step(2)), ([Some(1), Some(2)], Cause::Lost), ([None, None], Cause::Lost)]
    {
        let steps = vec![by(eras[0])((A::Lock, 10)), by(eras[0])((A::Unlock, 10)), by(eras[1])((A::Lock, 11))];
        let reading = replay(from(Unlocked), &numbered(steps), &[change(&locked, 11)]);
        assert_eq!(causes(&reading), [cause], "{eras:?}");
    }
}

#[test]
fn a_log_whose_clock_falls_says_nothing_of_what_was_seen() {
    let unlocked = states(Unlocked);
    let steps = log(&[(3, A::Unlock, 100), (4, A::Lock, 99), (5, A::Unlock, 100)]);
    let read = |steps: &[Step]| replay(from(Locked), steps, &[change(&unlocked, 100)]);
    assert_eq!(causes(&read(&steps[..1])), [Cause::Step(0)]);
    assert_eq!(causes(&read(&steps)), [Cause::Lost], "two can have, and one second is no fall");
    let fallen = log(&[(3, A::Unlock, 100), (4, A::Lock, 90)]);
    let reading = read(&fallen);
    assert_eq!(reading.marks, [Mark { cut: 2, least: 0, cause: Cause::Lost, leaving: None }]);
    assert_eq!(end_states(&reading), [Locked], "where the bolt is in the end, the last entry says");
}

#[test]
fn the_way_behind_a_fall_of_the_clock_begins_anywhere() {
    let unlocked = states(Unlocked);
    let steps = log(&[(3, A::Unlock, 100), (4, A::LockNGo, 90), (5, A::Unlock, 91), (5, A::FobAction1, 92)]);
    let reading = replay(from(Locked), &steps, &[change(&unlocked, 100)]);
    assert_eq!(end_states(&reading), [Locked, Unlocked, UnlockedLockNGo]);
    assert!(reading.ends.iter().all(|end| end.1.is_none()), "nobody is known to leave: {:?}", reading.ends);
}

#[test]
fn where_entries_are_missing_order_proves_less() {
    let (unlocked, locked) = (states(Unlocked), states(Locked));
    let steps = numbered([vec![hole(5)], log(&[(3, A::Unlock, 10)])].concat());
    let reading = replay(from(Locked), &steps, &[change(&unlocked, 10)]);
    assert_eq!(causes(&reading), [Cause::Lost], "whoever is missing can have unlocked before");
    let reading = replay(from(Locked), &steps[..1], &[change(&unlocked, 5)]);
    assert_eq!((causes(&reading), end_states(&reading)), (vec![Cause::Lost], vec![Unlocked]));
    assert_eq!(end_states(&replay(from(Locked), &steps[..1], &[])), ANYWHERE);
    // Two are missing, each of which is seen.
    let reading = replay(from(Locked), &steps[..1], &[change(&unlocked, 5), change(&locked, 6)]);
    assert_eq!(causes(&reading), [Cause::Lost, Cause::Lost]);
}

#[test]
fn behind_a_change_that_nobody_made_only_a_later_entry_counts() {
    let (unlocked, locked) = (states(Unlocked), states(Locked));
    let sights =
        [Sight::still(Locked, Some(span(0)), None), change(&unlocked, 5), change(&locked, 10), change(&unlocked, 20)];
    let read = |second| {
        let steps = log(&[(3, A::Unlock, 5), (4, A::Unlock, second)]);
        causes(&replay(from(Locked), &steps, &sights))
    };
    assert_eq!(read(20), [Cause::Nothing, Cause::Step(0), Cause::Lost, Cause::Step(1)]);
    assert_eq!(read(12), [Cause::Nothing, Cause::Step(0), Cause::Lost, Cause::Step(1)]);
    assert_eq!(read(11)[3], Cause::Lost, "it may be from before");
    assert_eq!(read(10)[3], Cause::Lost);
    let without_a_first = causes(&replay(from(Locked), &log(&[(3, A::Unlock, 5)]), &sights[1..3]));
    assert_eq!(without_a_first, [Cause::Lost, Cause::Lost], "what is missing can have been in front of everything");
}

#[test]
fn a_lock_n_go_locks_by_itself() {
    let (leaving, locked) = (states_after(UnlockedLockNGo, A::LockNGo), states_after(Locked, A::LockNGo));
    let steps = log(&[(3, A::LockNGo, 10)]);
    let reading = replay(from(Locked), &steps, &[change(&leaving, 10), change(&locked, 30)]);
    assert_eq!(causes(&reading), [Cause::Step(0), Cause::Step(0)], "whoever left with it locked");
    assert_eq!(reading.marks.iter().map(|mark| mark.leaving).collect::<Vec<_>>(), [Some(Cause::Step(0)), None]);
    let reading = replay(from(Locked), &steps, &[change(&leaving, 10)]);
    assert_eq!(end_states(&reading), [Locked, UnlockedLockNGo]);
    assert_eq!(reading.leaving_in(UnlockedLockNGo), Some(Cause::Step(0)));
    assert_eq!((reading.leaving_in(Locked), reading.leaving_in(Unlocked)), (None, None));
    // A lock that says "locked" as its last action did not lock by itself.
    let by_somebody = states_after(Locked, A::Lock);
    let sights = [Sight::still(Locked, Some(span(5)), None), change(&leaving, 10), change(&by_somebody, 30)];
    assert_eq!(causes(&replay(from(Locked), &steps, &sights)), [Cause::Nothing, Cause::Step(0), Cause::Lost]);
}

#[test]
fn a_lock_n_go_that_ran_already_ends() {
    let locked = states_after(Locked, A::LockNGo);
    let read = |start, steps: &[Step]| causes(&replay(start, steps, &[change(&locked, 30)]));
    assert_eq!(read(from_leaving(3), &[]), [Cause::Start]);
    assert_eq!(read(from(UnlockedLockNGo), &[]), [Cause::Lost], "nobody knows whose it is");
    let logged_meanwhile = log(&[(3, A::LockNGo, 28)]);
    assert_eq!(read(from(UnlockedLockNGo), &logged_meanwhile), [Cause::Lost], "whether it began anew is not known");
    let somebody_locked = log(&[(4, A::Unlock, 25), (4, A::Lock, 30)]);
    let by_somebody = states_after(Locked, A::Lock);
    let reading = replay(from_leaving(3), &somebody_locked, &[change(&by_somebody, 30)]);
    assert_eq!(causes(&reading), [Cause::Step(1)]);
}

#[test]
fn of_two_who_leave_at_once_nobody_is_named() {
    let leaving = states_after(UnlockedLockNGo, A::LockNGo);
    let read = |start, acts: &[(u32, A, i64)]| causes(&replay(start, &log(acts), &[change(&leaving, 10)]));
    assert_eq!(read(from(Locked), &[(3, A::LockNGo, 10), (4, A::LockNGo, 10)]), [Cause::Lost]);
    assert_eq!(read(from(Locked), &[(3, A::LockNGo, 10), (4, A::LockNGoUnlatch, 11)]), [Cause::Lost]);
    assert_ne!(read(from(Locked), &[(3, A::LockNGo, 10), (3, A::LockNGo, 10)]), [Cause::Lost], "one person");
    let between = [(3, A::LockNGo, 10), (3, A::Lock, 20), (4, A::LockNGo, 40)];
    assert_eq!(read(from(Locked), &between), [Cause::Step(0)], "the other one came later");
    let locked = states_after(Locked, A::LockNGo);
    let reading = replay(from_leaving(3), &log(&[(4, A::LockNGo, 5)]), &[change(&locked, 30)]);
    assert_eq!(causes(&reading), [Cause::Lost], "whether the second one began anew is not known");
    let reading = replay(from_leaving(3), &log(&[(3, A::LockNGo, 5)]), &[change(&locked, 30)]);
    assert_ne!(causes(&reading), [Cause::Lost]);
}

/// A motor seen from one second to another, behind what was read before.
fn ran(behind: u64, since: u64, until: u64) -> Run {
    let at = |second: u64| Pace::seen(None, MIDNIGHT + i64::try_from(second).unwrap(), Duration::from_secs(second));
    Run::begin(behind, Some(at(since)), Duration::from_secs(since)).go_on(
        behind,
        Some(at(until)),
        Duration::from_secs(until),
    )
}

#[test]
fn a_motor_that_was_seen_running_ends_with_an_entry_of_its_own() {
    let unlocked = states(Unlocked);
    let read = |serial, second, behind| {
        let steps: Vec<Step> = log(&[(3, A::Unlock, second)]).into_iter().map(|step| Step { serial, ..step }).collect();
        causes(&replay(from(Locked), &steps, &[Sight { ran: Some(ran(behind, 8, 10)), ..change(&unlocked, 11) }]))
    };
    assert_eq!(read(5, 10, 4), [Cause::Step(0)]);
    assert_eq!(read(5, 9, 4), [Cause::Step(0)], "of the second before");
    assert_eq!(read(5, 8, 4), [Cause::Lost], "written while the motor still ran");
    assert_eq!(read(5, 10, 5), [Cause::Lost], "read before the motor was seen running");
}

#[test]
fn where_a_motor_stopped_too_early_its_entry_must_be_of_its_own_run() {
    let (locked, blocked) = (states(Locked), states(MotorBlocked));
    let read = |states, second, run| {
        let sight = Sight { ran: run, ..change(states, 12) };
        causes(&replay(from(Locked), &[ended_badly(3, A::Unlock, second)], &[sight]))
    };
    assert_eq!(read(&blocked, 12, None), [Cause::Step(0)]);
    assert_eq!(read(&locked, 12, None), [Cause::Lost], "another act may have led there");
    assert_eq!(read(&locked, 12, Some(ran(0, 10, 12))), [Cause::Step(0)]);
    assert_eq!(read(&locked, 11, Some(ran(0, 11, 12))), [Cause::Step(0)], "of the very second in which it began");
    assert_eq!(read(&locked, 11, Some(ran(0, 12, 12))), [Cause::Lost], "written before that motor was seen");
}

#[test]
fn a_latch_is_pulled_behind_a_state_that_shows_before_its_entry() {
    let unlocked = states(Unlocked);
    let read = |action, second, unlatches| {
        causes(&replay(from(Locked), &log(&[(3, action, second)]), &[Sight { unlatches, ..change(&unlocked, 10) }]))
    };
    assert_eq!(read(A::Unlatch, 14, true), [Cause::Step(0)]);
    assert_eq!(read(A::Unlatch, 14, false), [Cause::Lost], "the motor went no further");
    assert_eq!(read(A::Unlock, 14, true), [Cause::Lost], "which pulls no latch");
    assert_eq!(read(A::Unlatch, 10 + LOGGED_WITHIN, true), [Cause::Step(0)]);
    assert_eq!(read(A::Unlatch, 11 + LOGGED_WITHIN, true), [Cause::Lost], "no motor runs for so long");
    assert_eq!(read(A::Unlatch, 10, true), [Cause::Step(0)], "both are possible, and name the same");
    // Its own state behind it is no change.
    let unlatched =
        [Sight { unlatches: true, ..change(&unlocked, 10) }, Sight::still(Unlocked, Some(span(16)), Some(&unlocked))];
    let reading = replay(from(Locked), &log(&[(3, A::Unlatch, 14)]), &unlatched);
    assert_eq!(causes(&reading), [Cause::Step(0), Cause::Nothing]);
    assert_eq!(reading.marks[0].cut, 0, "its entry comes behind it");
    let started = replay(Start { under_way: true, ..from(Unlocked) }, &log(&[(3, A::Unlatch, 14)]), &unlatched[1..]);
    assert_eq!(causes(&started), [Cause::Nothing]);
}

#[test]
fn what_the_lock_says_of_its_trigger_and_last_action_leaves_ways_out() {
    let read = |states: &KeyturnerStates, acts: &[(u32, A, i64)]| {
        causes(&replay(from(Locked), &log(acts), &[change(states, 10)]))
    };
    let by_hand = KeyturnerStates { trigger: Trigger::Manual, ..states(Unlocked) };
    assert_eq!(read(&by_hand, &[(3, A::Unlock, 10)]), [Cause::Lost], "a phone is no hand");
    let unlocked = states_after(Unlocked, A::Unlock);
    assert_eq!(read(&unlocked, &[(3, A::Unlock, 10)]), [Cause::Step(0)]);
    assert_eq!(read(&unlocked, &[(3, A::Unlatch, 10)]), [Cause::Lost], "it did something else last");
    // Of two in the log the one behind which the lock says what it says.
    let unlatched = states_after(Unlocked, A::Unlatch);
    assert_eq!(read(&unlatched, &[(3, A::Unlatch, 10), (4, A::Unlock, 10)]), [Cause::Step(0)]);
    let steps = log(&[(3, A::Unlatch, 10), (4, A::Unlock, 10)]);
    let reading = replay(from(Locked), &steps, &[change(&unlatched, 10)]);
    assert_eq!(reading.marks[0].cut, 1, "the second one had not acted yet");
}

#[test]
fn a_state_seen_again_unchanged_says_how_far_the_log_had_come() {
    let (unlocked, locked) = (states_after(Unlocked, A::Unlock), states_after(Locked, A::Lock));
    let steps = log(&[(3, A::Unlock, 10), (4, A::Lock, 20), (5, A::Unlock, 30), (6, A::Lock, 40)]);
    let sights = [change(&unlocked, 10), Sight::still(Unlocked, Some(span(12)), Some(&unlocked)), change(&locked, 40)];
    let reading = replay(from(Locked), &steps, &sights);
    assert_eq!(causes(&reading), [Cause::Step(0), Cause::Nothing, Cause::Step(3)]);
    assert_eq!(reading.marks.iter().map(|mark| mark.cut).collect::<Vec<_>>(), [1, 1, 4]);
    // A running motor can be on its way from anywhere.
    let runs = Sight::still(Unlocking, Some(span(9)), None);
    let reading = replay(from(Locked), &steps[..1], &[runs, change(&unlocked, 10)]);
    assert_eq!(causes(&reading), [Cause::Nothing, Cause::Step(0)]);
}

#[test]
fn from_an_unknown_start_the_first_change_is_nobodys() {
    let unlocked = states(Unlocked);
    let nowhere = Start { state: None, leaving: None, under_way: false };
    let reading = replay(nowhere, &log(&[(3, A::Unlock, 10)]), &[change(&unlocked, 10)]);
    assert_eq!(causes(&reading), [Cause::Lost], "it may have been unlocked before");
    let reading = replay(nowhere, &log(&[(3, A::Lock, 8), (4, A::Unlock, 10)]), &[change(&unlocked, 12)]);
    assert_eq!(causes(&reading), [Cause::Step(1)], "somebody had locked");
}

#[test]
fn with_too_many_ways_nobody_is_named() {
    let unlocked = states(Unlocked);
    // Buttons of a fob, which can do anything, and as many sights as there is room for.
    let steps = log(&[(3, A::FobAction1, 10); 30]);
    let sights = [change(&unlocked, 10); 12];
    let reading = replay(from(Locked), &steps, &sights);
    assert_eq!(reading.marks, [Mark { cut: 30, least: 0, cause: Cause::Lost, leaving: None }; 12]);
}
