//! Histories in which the random doors once found a wrong person, or nobody where somebody was known.

use keyturner::protocol::{CompletionStatus, LockAction};

use crate::support::world::{Change, Firmware, LockNGoLog, Op, Script, Who};

const SMART_LOCK: Firmware = Firmware {
    lock_n_go: LockNGoLog::Twice,
    unlatches_over_unlocked: false,
    has_last_action: true,
    entry_first: false,
    lag: 20,
    motor: 1_000,
    hand_is_action: false,
    page: 4,
};

/// Nobody is named wrongly, and everybody is named.
fn plays(seed: u64, firmware: Firmware, ops: &[Op]) {
    plays_somehow(seed, firmware, ops, true);
}

/// Nobody is named wrongly, in a history that hides somebody.
fn names_nobody_else(seed: u64, firmware: Firmware, ops: &[Op]) {
    plays_somehow(seed, firmware, ops, false);
}

fn plays_somehow(seed: u64, firmware: Firmware, ops: &[Op], must_be_known: bool) {
    let script = Script { seed, firmware, ops: ops.to_vec() };
    let (result, trace) = script.play(true);
    match result {
        Ok(tally) => {
            assert!(!must_be_known || tally.silent() == 0, "{}\nsomebody is unknown: {tally:?}", trace.join("\n"))
        }
        Err(why) => panic!("{}\n{why}", trace.join("\n")),
    }
}

#[test]
fn an_entry_that_comes_before_its_state_is_not_taken_for_that_of_an_earlier_motor_run() {
    let ops = [
        Op::Act(Who::OtherCode, LockAction::LockNGo),
        Op::Wait(5_699),
        Op::Refused(Who::Code, CompletionStatus::InvalidCode),
        Op::Door,
        Op::Act(Who::Gateway, LockAction::Lock),
        Op::Act(Who::OtherCode, LockAction::Unlatch),
        Op::Link(true),
    ];
    let firmware = Firmware {
        lock_n_go: LockNGoLog::AtEnd,
        entry_first: true,
        lag: 700,
        hand_is_action: true,
        page: 2,
        ..SMART_LOCK
    };
    plays(1_873, firmware, &ops);
}

#[test]
fn a_clock_set_between_an_entry_and_its_state_names_nobody_else() {
    let ops = [
        Op::Link(false),
        Op::Act(Who::TimeControl, LockAction::LockNGo),
        Op::Wait(3_223),
        Op::Act(Who::Code, LockAction::Unlock),
        Op::Clock(40),
        Op::Link(true),
        Op::Wait(722),
        Op::Act(Who::OtherPhone, LockAction::Unlatch),
        Op::Link(true),
    ];
    plays(3_033, Firmware { entry_first: true, motor: 300, page: 6, ..SMART_LOCK }, &ops);
}

#[test]
fn a_second_lock_n_go_is_not_explained_by_the_late_entry_of_the_first() {
    let ops = [
        Op::Act(Who::Phone, LockAction::LockNGo),
        Op::Wait(8_676),
        Op::Act(Who::OtherCode, LockAction::LockNGo),
        Op::Wait(842),
        Op::KillAfter(1),
        Op::Wait(2_432),
        Op::Link(true),
    ];
    plays(3_203, Firmware { lock_n_go: LockNGoLog::AtEnd, ..SMART_LOCK }, &ops);
}

#[test]
fn whoever_left_last_locks_behind_themselves_though_the_door_looked_the_same_in_between() {
    let ops = [
        Op::Act(Who::Button, LockAction::LockNGo),
        Op::Wait(1_840),
        Op::Act(Who::TimeControl, LockAction::Unlock),
        Op::Wait(344),
        Op::Act(Who::Finger, LockAction::LockNGo),
        Op::Link(false),
        Op::Days(1),
        Op::Act(Who::Phone, LockAction::LockNGo),
        Op::Wait(2_297),
        Op::Act(Who::Code, LockAction::Lock),
        Op::Wait(4_282),
        Op::Act(Who::OtherPhone, LockAction::LockNGo),
        Op::Wait(4_228),
        Op::Link(true),
    ];
    let firmware = Firmware { lock_n_go: LockNGoLog::AtStart, lag: 150, hand_is_action: true, page: 5, ..SMART_LOCK };
    plays(3_754, firmware, &ops);
}

#[test]
fn a_motor_that_runs_at_a_restart_can_be_that_of_a_lock_n_go_from_before() {
    let ops = [
        Op::Wait(50),
        Op::Act(Who::OtherCode, LockAction::LockNGo),
        Op::Wait(5_000),
        Op::Act(Who::Phone, LockAction::LockNGo),
        Op::KillAfter(1),
        Op::Wait(8_000),
        Op::Link(true),
    ];
    let firmware = Firmware { lock_n_go: LockNGoLog::AtStart, lag: 700, motor: 2_999, page: 1, ..SMART_LOCK };
    for seed in 0..200 {
        plays(seed, firmware, &ops);
    }
}

#[test]
fn an_entry_in_a_full_page_waits_for_the_state_that_it_led_to() {
    let ops = [
        Op::Wait(5_954),
        Op::Act(Who::OtherCode, LockAction::LockNGo),
        Op::Act(Who::OtherPhone, LockAction::LockNGo),
        Op::Refused(Who::OtherCode, CompletionStatus::InvalidCode),
        Op::Link(true),
    ];
    let firmware = Firmware {
        has_last_action: false,
        entry_first: true,
        lag: 700,
        motor: 300,
        hand_is_action: true,
        page: 3,
        ..SMART_LOCK
    };
    plays(489, firmware, &ops);
}

#[test]
fn a_stuck_motor_does_not_stand_for_whoever_unlatches_right_after_it() {
    let ops = [
        Op::Act(Who::Button, LockAction::Unlock),
        Op::Wait(4_817),
        Op::Blocked(Who::OtherPhone, LockAction::Lock),
        Op::Wait(2_897),
        Op::Link(false),
        Op::Wait(463),
        Op::Act(Who::Button, LockAction::Unlatch),
        Op::Link(true),
    ];
    let firmware = Firmware {
        lock_n_go: LockNGoLog::AtStart,
        unlatches_over_unlocked: true,
        lag: 0,
        motor: 2_999,
        hand_is_action: true,
        page: 5,
        ..SMART_LOCK
    };
    plays(7_407, firmware, &ops);
}

#[test]
fn a_state_on_the_way_that_is_seen_twice_still_belongs_to_the_unlatching() {
    let ops = [
        Op::Wait(1_688),
        Op::Act(Who::Gateway, LockAction::Unlatch),
        Op::Refused(Who::ArrowKey, CompletionStatus::InvalidCode),
        Op::Refused(Who::Phone, CompletionStatus::RejectedNightMode),
        Op::Link(true),
    ];
    plays(2_205, Firmware { unlatches_over_unlocked: true, motor: 1_080, page: 1, ..SMART_LOCK }, &ops);
}

#[test]
fn whoever_came_just_before_in_the_same_second_is_not_taken_for_whoever_is_late_in_the_log() {
    let ops = [
        Op::Blocked(Who::ArrowKey, LockAction::Lock),
        Op::Link(false),
        Op::Wait(1_378),
        Op::Blocked(Who::Code, LockAction::Unlock),
        Op::Link(true),
    ];
    plays(63_938, Firmware { has_last_action: false, lag: 700, motor: 300, page: 3, ..SMART_LOCK }, &ops);
}

#[test]
fn a_number_given_to_somebody_else_while_the_motor_runs_names_nobody_wrongly() {
    let ops = [
        Op::Act(Who::OtherCode, LockAction::Unlatch),
        Op::Key(Who::OtherCode, Change::Reuse),
        Op::Clock(3_600),
        Op::Link(true),
    ];
    let firmware = Firmware { entry_first: true, lag: 0, motor: 2_999, hand_is_action: true, page: 2, ..SMART_LOCK };
    plays(84_864, firmware, &ops);
}

#[test]
fn behind_a_restart_a_stuck_motor_does_not_stand_for_the_unlatching_that_runs() {
    let ops = [
        Op::Link(false),
        Op::Blocked(Who::Phone, LockAction::Lock),
        Op::Act(Who::Phone, LockAction::Lock),
        Op::Wait(716),
        Op::Wait(342),
        Op::Link(true),
        Op::Act(Who::Finger, LockAction::Unlatch),
        Op::Wait(375),
        Op::Wait(1_251),
        Op::Kill,
        Op::Link(true),
    ];
    let firmware = Firmware {
        lock_n_go: LockNGoLog::AtEnd,
        unlatches_over_unlocked: true,
        lag: 700,
        motor: 300,
        hand_is_action: true,
        page: 5,
        ..SMART_LOCK
    };
    plays(102_741, firmware, &ops);
}

#[test]
fn a_lock_n_go_whose_entry_was_read_at_once_is_known_when_it_locks() {
    let ops = [
        Op::Wait(239),
        Op::Act(Who::TimeControl, LockAction::LockNGo),
        Op::Act(Who::Finger, LockAction::Unlock),
        Op::Link(true),
    ];
    plays(53_058, Firmware { lock_n_go: LockNGoLog::AtStart, lag: 150, page: 1, ..SMART_LOCK }, &ops);
}

#[test]
fn what_the_log_has_behind_the_newest_state_shows_that_somebody_is_missing() {
    let ops = [
        Op::Wait(51_587),
        Op::Act(Who::ArrowKey, LockAction::Lock),
        Op::Lost(Who::Hand, LockAction::Unlock),
        Op::Link(true),
        Op::Act(Who::Code, LockAction::Lock),
        Op::Link(false),
        Op::Wait(58_836),
        Op::Blocked(Who::Button, LockAction::Unlock),
        Op::Wait(242),
        Op::Wait(489),
        Op::Wait(285),
        Op::Gone(Who::Phone, LockAction::Lock),
        Op::Wait(1_429),
        Op::Link(true),
    ];
    let firmware = Firmware {
        lock_n_go: LockNGoLog::AtEnd,
        unlatches_over_unlocked: true,
        lag: 0,
        hand_is_action: true,
        page: 3,
        ..SMART_LOCK
    };
    names_nobody_else(51_380, firmware, &ops);
}

#[test]
fn a_clock_that_fell_does_not_make_entries_behind_it_be_forgotten() {
    let ops = [
        Op::Act(Who::OtherCode, LockAction::Lock),
        Op::Act(Who::OtherCode, LockAction::Unlatch),
        Op::Wait(2_486),
        Op::Clock(-40),
        Op::Link(false),
        Op::Wait(56_535),
        Op::Blocked(Who::Finger, LockAction::Lock),
        Op::Link(true),
        Op::Wait(5_026),
        Op::Act(Who::OtherCode, LockAction::Unlock),
        Op::Key(Who::Code, Change::Delete),
        Op::Act(Who::Gateway, LockAction::Unlatch),
        Op::Link(true),
    ];
    let firmware = Firmware { has_last_action: false, lag: 150, hand_is_action: true, page: 3, ..SMART_LOCK };
    names_nobody_else(124_590, firmware, &ops);
}

#[test]
fn a_number_given_to_somebody_else_in_a_lock_n_go_that_is_seen_only_then_names_nobody_wrongly() {
    let ops = [
        Op::Wait(46_624),
        Op::Link(false),
        Op::Act(Who::Fob, LockAction::LockNGo),
        Op::Key(Who::Fob, Change::Reuse),
        Op::Clock(3_600),
    ];
    names_nobody_else(976_257, Firmware { lag: 0, ..SMART_LOCK }, &ops);
}

#[test]
fn an_entry_behind_a_clock_that_was_set_back_waits_for_the_state_that_it_led_to() {
    let ops = [
        Op::Act(Who::Code, LockAction::Lock),
        Op::Link(false),
        Op::Clock(-6_590),
        Op::Act(Who::ArrowKey, LockAction::Lock),
        Op::Act(Who::Phone, LockAction::Unlatch),
        Op::Act(Who::OtherCode, LockAction::Lock),
        Op::Act(Who::Gateway, LockAction::Unlock),
        Op::Key(Who::Phone, Change::Reuse),
        Op::Wait(452),
        Op::Act(Who::Phone, LockAction::Unlock),
        Op::Link(true),
        Op::Key(Who::OtherCode, Change::Delete),
        Op::Act(Who::OtherPhone, LockAction::LockNGo),
        Op::Wait(949),
        Op::Act(Who::Gateway, LockAction::LockNGo),
        Op::Link(true),
    ];
    let firmware = Firmware { entry_first: true, lag: 150, page: 5, ..SMART_LOCK };
    names_nobody_else(988_296, firmware, &ops);
}

/// What the entry of the motor run that was seen would have said is gone, and what was read before it ended is not to be
/// told from it after a restart but by its time.
#[test]
fn whoever_acted_before_a_motor_run_that_was_seen_is_not_named_for_it_after_a_restart() {
    let ops = [
        Op::Act(Who::AutoLock, LockAction::Lock),
        Op::Lost(Who::Hand, LockAction::Unlock),
        Op::Link(true),
        Op::Link(false),
        Op::Act(Who::Phone, LockAction::Unlatch),
        Op::Wait(3_648),
        Op::Wait(2_381),
        Op::Link(true),
        Op::KillAfter(1),
        Op::Act(Who::OtherPhone, LockAction::Unlatch),
        Op::Wait(639),
        Op::KillAfter(3),
        Op::Wait(2_426),
        Op::Gone(Who::Hand, LockAction::Lock),
        Op::Wait(1_653),
        Op::Link(true),
    ];
    let firmware = Firmware {
        lock_n_go: LockNGoLog::AtEnd,
        unlatches_over_unlocked: true,
        lag: 700,
        motor: 300,
        hand_is_action: true,
        page: 3,
        ..SMART_LOCK
    };
    names_nobody_else(476_004, firmware, &ops);
}

#[test]
fn whoever_acted_before_a_motor_run_is_not_named_for_it_by_a_process_that_saw_only_its_end() {
    let ops = [
        Op::Act(Who::AutoLock, LockAction::Lock),
        Op::Wait(20_000),
        Op::Act(Who::Button, LockAction::Unlock),
        Op::Wait(20_000),
        Op::Link(false),
        Op::Act(Who::Phone, LockAction::Unlatch),
        Op::Wait(20_000),
        Op::Link(true),
        Op::KillAfter(1),
        Op::Gone(Who::OtherPhone, LockAction::Unlatch),
        Op::Wait(20_000),
    ];
    for seed in 0..200 {
        names_nobody_else(seed, Firmware { motor: 2_999, ..SMART_LOCK }, &ops);
    }
}
