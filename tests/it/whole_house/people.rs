//! What people do at the doors.

use std::time::Duration;

use keyturner::protocol::{LockAction, LockState, OpenerAction};
use keyturner::simlock::{DoorMove, Fault, Person, Turn};
use keyturner::transport::sim::DropAt;

use super::life::Life;

impl Life {
    /// Somebody comes or goes, at one door or at all of them.
    pub(crate) async fn scene(&mut self) {
        for _ in 0..self.dice.between(1, 3) {
            let door = usize::try_from(self.dice.between(0, self.doors.len() as u64 - 1)).unwrap();
            if self.dice.chance(20) {
                self.a_stranger(door);
            }
            match self.dice.between(0, 99) {
                _ if self.doors[door].is_opener => self.at_the_house_door(door).await,
                0..30 => self.somebody_comes(door).await,
                30..48 => self.somebody_leaves(door).await,
                48..56 => self.wrong_codes(door).await,
                56..62 => self.by_hand(door).await,
                62..84 => self.a_client(door).await,
                84..92 => self.two_phones(door).await,
                92..95 => self.the_motor_is_stuck(door).await,
                _ => self.lock_n_go(door).await,
            }
            self.rest(door).await;
            let pause = self.dice.between(200, 9_000);
            self.wait(Duration::from_millis(pause)).await;
        }
    }

    /// Something small, and time enough to read it.
    pub(crate) async fn somebody_passes(&mut self, door: usize) {
        self.act_and_rest(door, Person::Button).await;
        self.wait(Duration::from_secs(60)).await;
    }

    fn act(&mut self, door: usize, person: Person) {
        let result = self.doors[door].act(person);
        self.say(|| format!("door {door}: {person:?}: {result:?}"));
    }

    /// Until the bolt rests.
    async fn rest(&mut self, door: usize) {
        for _ in 0..100 {
            if !self.doors[door].state().is_transitional() {
                break;
            }
            self.wait(Duration::from_millis(250)).await;
        }
        self.look();
    }

    pub(crate) async fn act_and_rest(&mut self, door: usize, person: Person) {
        self.act(door, person);
        self.rest(door).await;
    }

    fn is_locked(&self, door: usize) -> bool {
        self.doors[door].state() == LockState::Locked
    }

    fn digits(&mut self, door: usize) -> Person {
        let code = self.dice.pick(&self.doors[door].codes);
        Person::keypad(code.1)
    }

    fn phone(&mut self, door: usize, action: LockAction) -> Person {
        let auth = self.dice.pick(&self.doors[door].phones);
        let auto_unlock = action == LockAction::Unlock && self.dice.chance(20);
        Person::App { auth, action, auto_unlock }
    }

    /// Turns the lock by this phone, or opens by it.
    pub(crate) fn by_phone(&self, door: usize, auth: u32) -> Person {
        let action = match self.doors[door].is_opener {
            true => OpenerAction::Open.command(),
            false if self.is_locked(door) => LockAction::Unlock,
            false => LockAction::Lock,
        };
        Person::App { auth, action, auto_unlock: false }
    }

    fn anybody(&mut self, door: usize) -> Person {
        if self.doors[door].is_opener {
            return self.anybody_at_the_house_door(door);
        }
        match self.dice.between(0, 9) {
            0..3 => self.phone(door, LockAction::Unlock),
            3 => self.phone(door, LockAction::Unlatch),
            4 if self.is_locked(door) => Person::Fob { auth: self.dice.pick(&self.doors[door].fobs) },
            5 => Person::Finger { code_id: Some(self.dice.pick(&self.doors[door].codes).0) },
            _ => self.digits(door),
        }
    }

    async fn through_the_door(&mut self, door: usize) {
        let pause = self.dice.between(1_000, 15_000);
        self.wait(Duration::from_millis(pause)).await;
        self.act(door, Person::Door(DoorMove::Open));
        let pause = self.dice.between(2, 40);
        self.wait(Duration::from_secs(pause)).await;
        self.act(door, Person::Door(DoorMove::Close));
    }

    async fn somebody_comes(&mut self, door: usize) {
        let person = self.anybody(door);
        self.act_and_rest(door, person).await;
        self.through_the_door(door).await;
    }

    async fn somebody_leaves(&mut self, door: usize) {
        if self.is_locked(door) {
            self.act_and_rest(door, Person::Button).await;
        }
        self.through_the_door(door).await;
        let pause = self.dice.between(1, 9);
        self.wait(Duration::from_secs(pause)).await;
        let person = match self.dice.between(0, 3) {
            0 => Person::ArrowKey,
            1 => Person::Fob { auth: self.dice.pick(&self.doors[door].fobs) },
            2 => self.phone(door, LockAction::Lock),
            _ => Person::ManualTurn(Turn::Lock),
        };
        self.act_and_rest(door, person).await;
    }

    async fn wrong_codes(&mut self, door: usize) {
        for _ in 0..self.dice.between(1, 3) {
            let person = if self.dice.chance(30) { Person::Finger { code_id: None } } else { Person::keypad(999_999) };
            self.act(door, person);
            let pause = self.dice.between(1, 15);
            self.wait(Duration::from_secs(pause)).await;
        }
        if self.dice.chance(50) {
            // Somebody else, right behind.
            let person = self.anybody(door);
            self.act_and_rest(door, person).await;
        }
    }

    async fn by_hand(&mut self, door: usize) {
        let turn = if self.is_locked(door) { Turn::Unlock } else { Turn::Lock };
        self.act_and_rest(door, Person::ManualTurn(turn)).await;
    }

    async fn a_client(&mut self, door: usize) {
        let action = match self.dice.between(0, 9) {
            _ if self.doors[door].is_opener => self.wish_of_an_opener(),
            0 => LockAction::Unlatch,
            1 => LockAction::LockNGo,
            _ if self.is_locked(door) => LockAction::Unlock,
            _ => LockAction::Lock,
        };
        if self.dice.chance(25) {
            self.break_the_link(door);
        }
        if !self.doors[door].is_opener && self.dice.chance(20) {
            self.ask_once(door, action);
        } else {
            self.new_request(door, action);
        }
        let pause = self.dice.between(0, 6_000);
        self.wait(Duration::from_millis(pause)).await;
        if self.dice.chance(30) {
            // Somebody at the door meanwhile.
            let person = self.anybody(door);
            self.act(door, person);
        }
        let pause = self.dice.between(1, 12);
        self.wait(Duration::from_secs(pause)).await;
    }

    /// The link will break in the midst of what a client asks for, or the lock will answer wrongly.
    fn break_the_link(&mut self, door: usize) {
        self.is_disturbed = true;
        let count = u32::try_from(self.dice.between(1, 4)).unwrap();
        let lock = self.doors[door].door.clone();
        match self.dice.between(0, 3) {
            0 => lock.drop_at(DropAt::AfterWrites(count)),
            1 => lock.drop_at(DropAt::AfterIndications(count)),
            2 => lock.fault(Fault::DropAfterAccepted),
            _ => lock.fault(self.dice.pick(&[Fault::MuteNextAnswer, Fault::DuplicateAccepted])),
        }
        self.say(|| format!("the link to door {door} will break"));
    }

    /// Two phones at one lock within a second or two.
    async fn two_phones(&mut self, door: usize) {
        let action = if self.is_locked(door) { LockAction::Unlock } else { LockAction::Lock };
        let first = self.phone(door, action);
        self.act(door, first);
        let pause = self.dice.between(0, 2_500);
        self.wait(Duration::from_millis(pause)).await;
        let action = self.dice.pick(&[LockAction::Unlock, LockAction::Lock]);
        let second = self.phone(door, action);
        self.act(door, second);
    }

    async fn the_motor_is_stuck(&mut self, door: usize) {
        self.doors[door].door.fault(Fault::MotorBlocked);
        let action = if self.is_locked(door) { LockAction::Unlock } else { LockAction::Lock };
        let person = self.phone(door, action);
        self.act_and_rest(door, person).await;
        self.wait(Duration::from_secs(5)).await;
        let person = self.anybody(door);
        self.act_and_rest(door, person).await;
    }

    async fn lock_n_go(&mut self, door: usize) {
        let person = self.phone(door, LockAction::LockNGo);
        self.act(door, person);
        self.wait(Duration::from_secs(28)).await;
    }

    /// Where an Opener hears the bell.
    async fn at_the_house_door(&mut self, door: usize) {
        match self.dice.between(0, 99) {
            0..30 => self.somebody_rings(door).await,
            30..45 => self.somebody_is_expected(door).await,
            45..60 => {
                let person = self.anybody_at_the_house_door(door);
                self.act_and_rest(door, person).await;
            }
            60..66 => self.wrong_codes(door).await,
            66..90 => self.a_client(door).await,
            _ => self.act_and_rest(door, Person::Button).await,
        }
    }

    async fn somebody_rings(&mut self, door: usize) {
        for _ in 0..self.dice.between(1, 3) {
            self.act(door, Person::Ring);
            let pause = self.dice.between(300, 8_000);
            self.wait(Duration::from_millis(pause)).await;
        }
    }

    /// Ring to open, and whoever was expected rings; or somebody opens from above before.
    async fn somebody_is_expected(&mut self, door: usize) {
        let person = self.phone(door, OpenerAction::ActivateRingToOpen.command());
        self.act_and_rest(door, person).await;
        let pause = self.dice.between(1, 40);
        self.wait(Duration::from_secs(pause)).await;
        if self.dice.chance(20) {
            let person = self.anybody_at_the_house_door(door);
            self.act(door, person);
        }
        self.somebody_rings(door).await;
    }

    fn anybody_at_the_house_door(&mut self, door: usize) -> Person {
        let actions = [OpenerAction::Open, OpenerAction::ActivateRingToOpen, OpenerAction::DeactivateRingToOpen]
            .map(|action| action.command());
        match self.dice.between(0, 9) {
            0..4 => {
                let action = self.dice.pick(&actions);
                let auth = self.dice.pick(&self.doors[door].phones);
                Person::App { auth, action, auto_unlock: false }
            }
            4 => Person::Fob { auth: self.dice.pick(&self.doors[door].fobs) },
            5 => Person::Finger { code_id: Some(self.dice.pick(&self.doors[door].codes).0) },
            _ => self.digits(door),
        }
    }

    fn wish_of_an_opener(&mut self) -> LockAction {
        let action = self.dice.pick(&[
            OpenerAction::Open,
            OpenerAction::Open,
            OpenerAction::ActivateRingToOpen,
            OpenerAction::DeactivateRingToOpen,
            OpenerAction::ActivateContinuousMode,
            OpenerAction::DeactivateContinuousMode,
        ]);
        action.command()
    }
}
