//! Who comes and goes when, from one seed.

use std::time::Duration;

use keyturner::clock::UnixMillis;
use keyturner::protocol::{LockAction, LockState};
use keyturner::simlock::{DoorMove, Person, Turn};
use keyturner::transport::{Link, Purpose, Transport};

use super::director::{ANNA, BEN, CLARA, DORA, Director, EMIL, FINN, GINA, GUEST, OLD_PHONE};
use crate::support::dice::Dice;

const GUESTS_DIGITS: u32 = 948_167;
const FREE: [u32; 3] = [DORA, EMIL, FINN];

/// Something that happens at a fixed part of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turning {
    /// A busy hour, with everything that usually happens once a week.
    Party,
    StopGateway,
    StartGateway,
    /// The process is killed while the motor runs; the database is opened anew at the start.
    KillGateway,
    LeaveRange,
    EnterRange,
    /// Ten actions within a minute.
    Burst,
    /// The same, while other phones hold every link that the lock has.
    BurstWhileLinkedElsewhere,
    SummerTimeEnds,
    GuestIsDisabled,
    GuestIsDeleted,
    BenIsRenamed,
    /// While nobody looks.
    BenIsRenamedAgain,
    EmilIsRenamed,
}

impl Turning {
    /// The outages and what happens in them, by parts of a thousand of all the time.
    pub(crate) const ALL: [(u64, Self); 23] = [
        (60, Self::Party),
        (150, Self::StopGateway),
        (152, Self::Burst),
        (154, Self::Party),
        (158, Self::StartGateway),
        (200, Self::BurstWhileLinkedElsewhere),
        (300, Self::LeaveRange),
        (302, Self::Burst),
        (304, Self::Party),
        (308, Self::EnterRange),
        (350, Self::GuestIsDisabled),
        (400, Self::Party),
        (480, Self::EmilIsRenamed),
        (520, Self::BenIsRenamed),
        (600, Self::GuestIsDeleted),
        (620, Self::Party),
        (700, Self::KillGateway),
        (702, Self::Party),
        (703, Self::BenIsRenamedAgain),
        (704, Self::Burst),
        (708, Self::StartGateway),
        (800, Self::BurstWhileLinkedElsewhere),
        (900, Self::Party),
    ];
}

pub(crate) struct Script {
    pub(crate) dice: Dice,
}

impl Script {
    /// Somebody comes or goes.
    pub(crate) async fn scene(&mut self, d: &mut Director) {
        d.wake().await;
        match self.dice.between(0, 99) {
            0..38 => self.somebody_comes(d).await,
            38..66 => self.somebody_leaves(d).await,
            66..72 => self.wrong_codes(d).await,
            72..76 => self.by_hand(d).await,
            76..84 => self.a_client_asks(d).await,
            84..88 => self.two_at_once(d).await,
            88..92 => self.the_wrong_person(d).await,
            92..95 => self.the_motor_is_stuck(d).await,
            95..97 => d.leave(self.dice.pick(&FREE)).await,
            _ => self.for_nothing(d).await,
        }
        d.rest().await;
        d.wait_s(15).await;
        d.sleep();
    }

    pub(crate) async fn turn(&mut self, d: &mut Director, turning: Turning) {
        d.wake().await;
        match turning {
            Turning::Party => self.party(d).await,
            Turning::StopGateway => {
                d.house.stop().await;
                d.is_there = false;
            }
            Turning::KillGateway => {
                d.act(Person::Button);
                d.house.kill().await;
                d.is_there = false;
                d.rest().await;
            }
            Turning::StartGateway => {
                d.house.start().await;
                d.is_there = true;
            }
            Turning::LeaveRange => {
                d.house.door.set_in_range(false);
                d.is_there = false;
            }
            Turning::EnterRange => {
                d.house.door.set_in_range(true);
                // Its attempts have become rare by now.
                d.wait_s(180).await;
                d.is_there = true;
            }
            Turning::Burst => self.burst(d).await,
            Turning::BurstWhileLinkedElsewhere => {
                let phones = occupy(d).await;
                self.burst(d).await;
                for phone in phones {
                    phone.writer.disconnect().await.ok();
                }
            }
            Turning::SummerTimeEnds => self.summer_time_ends(d).await,
            Turning::GuestIsDisabled => {
                quietly(d).await;
                d.change_code(GUEST, "Guest", false).await;
            }
            Turning::GuestIsDeleted => {
                quietly(d).await;
                d.delete_code(GUEST).await;
            }
            Turning::BenIsRenamed => {
                quietly(d).await;
                d.change_code(BEN, "Benjamin", true).await;
            }
            Turning::BenIsRenamedAgain => {
                d.change_code(BEN, "Ben of old", true).await;
                let person = d.digits(BEN);
                d.act_and_rest(person).await;
            }
            Turning::EmilIsRenamed => {
                quietly(d).await;
                d.rename_user(EMIL, "Emil's new phone").await;
            }
        }
        d.rest().await;
        d.wait_s(20).await;
        d.sleep();
    }

    fn anybody(&mut self, d: &Director) -> Person {
        match self.dice.between(0, 9) {
            0 => Person::App { auth: FINN, action: LockAction::Unlock, auto_unlock: true },
            1..=3 => Person::App { auth: self.dice.pick(&FREE), action: LockAction::Unlock, auto_unlock: false },
            4 => Person::App { auth: self.dice.pick(&FREE), action: LockAction::Unlatch, auto_unlock: false },
            // A fob locks what is unlocked.
            5 | 6 if d.bolt() == LockState::Locked => Person::Fob { auth: self.dice.pick(&[CLARA, GINA]) },
            7 => Person::Finger { code_id: Some(ANNA as u16) },
            _ => d.digits(self.dice.pick(&[ANNA, BEN, GUEST])),
        }
    }

    async fn through_the_door(&mut self, d: &mut Director) {
        d.wait_s(self.dice.between(2, 20)).await;
        if d.act(Person::Door(DoorMove::Open)) {
            d.wait_s(self.dice.between(3, 60)).await;
            d.act(Person::Door(DoorMove::Close));
        }
    }

    async fn somebody_comes(&mut self, d: &mut Director) {
        let person = self.anybody(d);
        d.act_and_rest(person).await;
        self.through_the_door(d).await;
    }

    async fn somebody_leaves(&mut self, d: &mut Director) {
        if d.bolt() == LockState::Locked {
            d.act_and_rest(Person::Button).await;
        }
        self.through_the_door(d).await;
        d.wait_s(self.dice.between(2, 9)).await;
        let person = match self.dice.between(0, 3) {
            0 => Person::ArrowKey,
            1 => Person::Fob { auth: self.dice.pick(&[CLARA, GINA]) },
            2 => Person::App { auth: self.dice.pick(&FREE), action: LockAction::Lock, auto_unlock: false },
            // The lock does it.
            _ => return,
        };
        d.act_and_rest(person).await;
    }

    async fn wrong_codes(&mut self, d: &mut Director) {
        for _ in 0..self.dice.between(1, 4) {
            let wrong = if self.dice.chance(30) { Person::Finger { code_id: None } } else { Person::keypad(999_999) };
            d.act(wrong);
            d.wait_s(self.dice.between(2, 20)).await;
        }
    }

    async fn by_hand(&mut self, d: &mut Director) {
        let turn = if d.bolt() == LockState::Locked { Turn::Unlock } else { Turn::Lock };
        d.act_and_rest(Person::ManualTurn(turn)).await;
    }

    async fn a_client_asks(&mut self, d: &mut Director) {
        let action = if d.bolt() == LockState::Locked { LockAction::Unlock } else { LockAction::Lock };
        d.ask(action).await;
    }

    /// Two people within a second: the lock is busy with the first.
    async fn two_at_once(&mut self, d: &mut Director) {
        let action = if d.bolt() == LockState::Locked { LockAction::Unlock } else { LockAction::Lock };
        d.act(Person::App { auth: DORA, action, auto_unlock: false });
        d.wait(Duration::from_millis(self.dice.between(0, 900))).await;
        d.act(Person::App { auth: EMIL, action, auto_unlock: false });
    }

    /// Somebody whose phone is no good any more, and a guest who may not be one any more.
    async fn the_wrong_person(&mut self, d: &mut Director) {
        d.act(Person::App { auth: OLD_PHONE, action: LockAction::Unlock, auto_unlock: false });
        d.wait_s(5).await;
        d.act_and_rest(Person::keypad(GUESTS_DIGITS)).await;
    }

    async fn the_motor_is_stuck(&mut self, d: &mut Director) {
        if d.bolt() != LockState::Locked {
            return;
        }
        d.act_in_vain(Person::App { auth: DORA, action: LockAction::Unlock, auto_unlock: false }).await;
        d.wait_s(8).await;
        d.act_and_rest(Person::Fob { auth: CLARA }).await;
    }

    /// Unlocks what is unlocked.
    async fn for_nothing(&mut self, d: &mut Director) {
        for auth in [DORA, FINN] {
            d.act_and_rest(Person::App { auth, action: LockAction::Unlock, auto_unlock: false }).await;
            d.wait_s(self.dice.between(1, 9)).await;
        }
    }

    /// Everything once, in an hour.
    async fn party(&mut self, d: &mut Director) {
        self.wrong_codes(d).await;
        d.wait_s(60).await;
        self.the_motor_is_stuck(d).await;
        d.wait_s(400).await;
        for auth in [CLARA, GINA] {
            d.act_and_rest(Person::Fob { auth }).await;
            d.wait_s(30).await;
        }
        for code_id in [ANNA, BEN, GUEST] {
            let person = d.digits(code_id);
            d.act_and_rest(person).await;
            d.wait_s(20).await;
        }
        self.through_the_door(d).await;
        d.wait_s(330).await;
        self.two_at_once(d).await;
        d.rest().await;
        d.wait_s(40).await;
        self.by_hand(d).await;
        d.wait_s(40).await;
        self.a_client_asks(d).await;
        d.wait_s(30).await;
        d.act(Person::Finger { code_id: None });
        d.wait_s(30).await;
        self.the_wrong_person(d).await;
        d.wait_s(330).await;
        d.leave(EMIL).await;
    }

    /// Ten actions within a minute.
    async fn burst(&mut self, d: &mut Director) {
        for at in 0..10 {
            let lock = |auth| Person::App { auth, action: LockAction::Lock, auto_unlock: false };
            let person = match (at, d.bolt()) {
                (3, _) => Person::keypad(999_999),
                (7, _) => Person::Button,
                (_, LockState::Locked) => self.anybody(d),
                (8, _) => Person::ArrowKey,
                _ => lock(self.dice.pick(&FREE)),
            };
            d.act_and_rest(person).await;
            d.wait(Duration::from_millis(self.dice.between(200, 3_500))).await;
        }
    }

    /// The hour from two to three comes twice; people come in both.
    async fn summer_time_ends(&mut self, d: &mut Director) {
        for zone in [120, 60] {
            d.set_zone(zone);
            // At night her code opens nothing.
            let anna = d.digits(ANNA);
            d.act(anna);
            for _ in 0..3 {
                d.wait_s(180).await;
                let person = self.anybody(d);
                d.act_and_rest(person).await;
                d.wait_s(600).await;
            }
            d.wait_s(1_000).await;
        }
    }
}

/// The house sleeps: nothing is under way that a change of names could meet.
async fn quietly(d: &mut Director) {
    d.wait_s(600).await;
    d.house.quiet().await;
}

/// Phones take every link there is.
async fn occupy(d: &Director) -> Vec<Link> {
    let mut phones = Vec::new();
    for _ in 0..4 {
        phones.push(d.house.radio.connect(d.house.door.address(), Purpose::Daily).await.unwrap());
    }
    phones
}

/// When summer time ends in 2026.
pub(crate) fn clocks_go_back() -> UnixMillis {
    UnixMillis("2026-10-25T00:30:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond())
}
