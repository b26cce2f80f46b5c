//! Many actions at each device under random faults: no intent is ever carried out twice, no answer is a lie.
//!
//! `KEYTURNER_CASES=100000 cargo test --test it action_random` for the long run,
//! `KEYTURNER_SEED=n` to repeat one.

use std::time::Duration;

use keyturner::protocol::crypto::Pin;
use keyturner::protocol::{CompletionStatus, ErrorCode, LockAction, LockState, OpenerAction};
use keyturner::session::{NotDone, Outcome};
use keyturner::simlock::{Device, Fault, Person, Pieces, SimLockConfig, Turn};

use crate::support::pair::{ANNA, Cut, NUKI_ID, Pair};

/// Divided among the devices.
const CASES: u64 = 300;
/// Actions per lock; faults of one reach into the next.
const ACTIONS: i64 = 4;

/// xorshift64*: enough to scatter faults, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides
    }

    fn small(&mut self, below: u32) -> u32 {
        u32::try_from(self.roll(u64::from(below))).unwrap()
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn no_intent_is_carried_out_twice_and_no_answer_is_a_lie() {
    if let Some(seed) = number("KEYTURNER_SEED") {
        return case(seed);
    }
    let cases = number("KEYTURNER_CASES").unwrap_or(CASES);
    for seed in 1..=cases.div_ceil(u64::try_from(ACTIONS).unwrap()) {
        let result = std::panic::catch_unwind(|| case(seed));
        if let Err(panic) = result {
            eprintln!("repeat it with KEYTURNER_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn every_device_has_its_share() {
    let locks = CASES.div_ceil(u64::try_from(ACTIONS).unwrap());
    for wanted in Device::ALL {
        let share = (1..=locks).filter(|seed| device(*seed) == wanted).count();
        assert!(share >= 10, "{wanted:?}: {share} locks");
    }
}

fn case(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let device = device(seed);
    let is_opener = device == Device::Opener;
    let family = SimLockConfig::family_of(device, NUKI_ID);
    let is_locked = dice.roll(2) == 0;
    let config = SimLockConfig {
        motor_time: Duration::from_millis(dice.roll(4_000)),
        pieces: if dice.roll(4) == 0 { Pieces::Twenty } else { family.pieces },
        lock_state: match (is_opener, is_locked) {
            (true, _) => family.lock_state,
            (false, true) => LockState::Locked,
            (false, false) => LockState::Unlocked,
        },
        unlatch_hold: Duration::from_millis(dice.roll(3_000)),
        lock_n_go_timeout: Duration::from_secs(3 + dice.roll(20)),
        ring_to_open_time: Duration::from_secs(5 + dice.roll(60)),
        ..family
    };
    let pin = [Some(device.pin()), Some(device.pin()), Some(Pin::new(1)), None];
    let mut pair = Pair::with(config, pin[usize::try_from(dice.roll(4)).unwrap()]);
    pair.hears_beacons = device != Device::Ultra;
    if dice.roll(3) > 0 {
        pair.pass(Duration::from_secs(dice.roll(10)));
    }
    let actions = actions(device);
    let mut asked = Vec::new();
    for intent in 1..=ACTIONS {
        for _ in 0..dice.roll(3) {
            trouble(&mut pair, &mut dice, is_opener);
        }
        asked.push((intent, pair.now));
        pair.act(intent, actions[usize::try_from(dice.roll(u64::try_from(actions.len()).unwrap())).unwrap()]);
        for _ in 0..dice.roll(4) {
            pair.pass(Duration::from_millis(dice.roll(2_500)));
            trouble(&mut pair, &mut dice, is_opener);
        }
        pair.set_in_range(true);
        pair.pass(Duration::from_millis(dice.roll(18_000)));
    }
    pair.pass(Duration::from_secs(60));
    for (intent, at) in asked {
        check(&pair, device, intent, at);
    }
}

/// Each device in turn.
fn device(seed: u64) -> Device {
    let all = Device::ALL;
    all[usize::try_from(seed % u64::try_from(all.len()).unwrap()).unwrap()]
}

/// What a device can be asked for.
fn actions(device: Device) -> Vec<LockAction> {
    if device == Device::Opener {
        let actions = [
            OpenerAction::ActivateRingToOpen,
            OpenerAction::DeactivateRingToOpen,
            OpenerAction::Open,
            OpenerAction::ActivateContinuousMode,
            OpenerAction::DeactivateContinuousMode,
        ];
        return actions.map(OpenerAction::command).to_vec();
    }
    vec![
        LockAction::Unlock,
        LockAction::Lock,
        LockAction::Unlatch,
        LockAction::LockNGo,
        LockAction::LockNGoUnlatch,
        LockAction::FullLock,
    ]
}

fn trouble(pair: &mut Pair, dice: &mut Dice, is_opener: bool) {
    let faults = [
        Fault::DropAfterAccepted,
        Fault::IgnoreNextWrite,
        Fault::MuteNextAnswer,
        Fault::DuplicateAccepted,
        Fault::CompleteWithoutAccepted,
        Fault::SwallowLogEntry,
        Fault::MotorBlocked,
    ];
    match dice.roll(12) {
        0 => pair.cut_at(Cut::BeforeWrite(1 + dice.small(8))),
        1 => pair.cut_at(Cut::AfterWrite(1 + dice.small(8))),
        2 => pair.cut_at(Cut::AfterIndication(1 + dice.small(20))),
        3 => pair.set_in_range(false),
        4 => pair.set_in_range(true),
        5 => pair.lose_link(),
        6 => pair.person(Person::keypad(ANNA)),
        7 if is_opener => pair.person(Person::Ring),
        7 => pair.person(Person::ManualTurn(if dice.roll(2) == 0 { Turn::Lock } else { Turn::Unlock })),
        _ => pair.fault(faults[usize::try_from(dice.roll(7)).unwrap()]),
    }
}

fn check(pair: &Pair, device: Device, intent: i64, asked: Duration) {
    let executions = pair.executions(intent);
    assert!(executions <= 1, "{device:?}, intent {intent} was carried out {executions} times");
    let answers: Vec<_> = pair.seen.outcomes.iter().filter(|(id, ..)| *id == intent).collect();
    let [(_, outcome, at)] = answers.as_slice() else {
        panic!("{device:?}, intent {intent}: {answers:?} is not one answer")
    };
    assert!(*at - asked <= Duration::from_secs(15), "{device:?}, intent {intent}: answered after {:?}", *at - asked);
    match outcome {
        Outcome::Done => assert_eq!(executions, 1, "{device:?}, intent {intent}: said done"),
        Outcome::NotDone(NotDone::NotSent | NotDone::ProvenByLog) => {
            assert_eq!(executions, 0, "{device:?}, intent {intent}: said {outcome:?}");
        }
        // A motor that was blocked has tried, and so has an Opener's strike that got too little.
        Outcome::NotDone(NotDone::Refused(ErrorCode::MotorBlocked)) if device != Device::Opener => {}
        Outcome::NotDone(NotDone::Refused(ErrorCode::MotorLowVoltage)) if device == Device::Opener => {}
        Outcome::NotDone(NotDone::Refused(_)) => {
            assert_eq!(executions, 0, "{device:?}, intent {intent}: said {outcome:?}")
        }
        Outcome::NotDone(NotDone::Failed(status)) => assert_ne!(*status, CompletionStatus::Success),
        Outcome::Unknown => {}
    }
}
