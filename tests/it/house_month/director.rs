//! Lets people act at the simulated door and writes down what they did, without a look at the lock's log.

use std::time::Duration;

use keyturner::gateway::pair::{PairRequest, pair};
use keyturner::gateway::{ActionOutcome, WaitFor};
use keyturner::protocol::frame::Message;
use keyturner::protocol::users::{CodeDigits, TimeLimit};
use keyturner::protocol::{Command, DoorEvent, IdType, LockAction, LockState, Trigger};
use keyturner::simlock::{
    CodeConfig, DoorMove, Fault, Input, LinkId, Person, Refusal, SimLockConfig, Turn, UserConfig,
};
use keyturner::transport::sim::SimSettings;

use super::truth::{Deed, LOGGED_WITHIN, What, Whose};
use crate::support::bench::{Client, PIN};
use crate::support::central::Central;
use crate::support::house::{House, NUKI_ID, Plan};

pub(crate) const KEYPAD: u32 = 1;
pub(crate) const CLARA: u32 = 2;
pub(crate) const DORA: u32 = 3;
pub(crate) const EMIL: u32 = 4;
pub(crate) const FINN: u32 = 5;
pub(crate) const GINA: u32 = 6;
pub(crate) const OLD_PHONE: u32 = 7;
pub(crate) const ANNA: u32 = 1;
pub(crate) const BEN: u32 = 2;
pub(crate) const GUEST: u32 = 3;

const AUTO_LOCK: Duration = Duration::from_secs(300);
/// How often the lock is heard while somebody is there, and else: nights would cost too much.
const BUSY: Duration = Duration::from_millis(500);
const IDLE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub(crate) struct Code {
    name: String,
    digits: u32,
    was_renamed: bool,
}

pub(crate) struct Director {
    pub(crate) house: House,
    pub(crate) deeds: Vec<Deed>,
    /// Whether the gateway can act.
    pub(crate) is_there: bool,
    names: Vec<(u32, String)>,
    codes: Vec<Code>,
    owner: Client,
    /// The lock's clock minus the host's, seconds.
    clock_offset: i64,
    /// Where the bolt was when somebody looked last.
    bolt: LockState,
    /// The lock's clock then.
    heard: i64,
}

impl Director {
    /// A house whose lock runs by the clock on the wall, `zone` minutes from UTC.
    pub(crate) async fn new(start: keyturner::clock::UnixMillis, zone: i16) -> Self {
        let users = [
            ("Nuki Keypad", IdType::Keypad),
            ("Clara's fob", IdType::Fob),
            ("Dora's phone", IdType::App),
            ("Emil's phone", IdType::App),
            ("Finn's phone", IdType::App),
            ("Gina's fob", IdType::Fob),
            ("Old phone", IdType::App),
        ];
        let codes = [("Anna", 583_921), ("Ben", 746_352), ("Guest", 948_167)].map(|(name, digits)| Code {
            name: name.to_owned(),
            digits,
            was_renamed: false,
        });
        let mut lock = SimLockConfig {
            users: users.iter().map(|(name, id_type)| UserConfig::new(*name, *id_type)).collect(),
            codes: codes.iter().map(|code| CodeConfig::new(code.name.clone(), code.digits).unwrap()).collect(),
            auto_lock: Some(AUTO_LOCK),
            timezone_offset: zone,
            idle_time: Duration::from_secs(90),
            ..SimLockConfig::new(NUKI_ID)
        };
        lock.users[OLD_PHONE as usize - 1].enabled = false;
        // Anna's code opens from six to eleven in the evening.
        lock.codes[0].time_limit = Some(TimeLimit { from_time: (6, 0), until_time: (23, 0), ..TimeLimit::default() });
        let house = House::planned(Plan { lock, start, ..Plan::default() }).await;
        let owner = owners_phone(&house).await;
        let mut director = Self {
            house,
            deeds: Vec::new(),
            is_there: true,
            names: (1..).zip(users.map(|(name, _)| name.to_owned())).collect(),
            codes: codes.to_vec(),
            owner,
            clock_offset: 0,
            bolt: LockState::Locked,
            heard: 0,
        };
        director.set_zone(zone);
        director.house.quiet().await;
        director
    }

    pub(crate) fn set_zone(&mut self, zone: i16) {
        self.hear();
        self.clock_offset = i64::from(zone) * 60;
        self.house.door.input(Input::SetZone(zone));
        self.house.door.input(Input::SetClock(self.clock()));
    }

    /// The lock's clock.
    fn clock(&self) -> i64 {
        self.house.clock.wall().seconds() + self.clock_offset
    }

    /// The house wakes up: people are about to come and go.
    pub(crate) async fn wake(&mut self) {
        self.be_heard(BUSY);
        // The pause before the next beacon has begun long ago.
        self.wait(IDLE + BUSY).await;
    }

    pub(crate) fn sleep(&self) {
        self.be_heard(IDLE);
    }

    fn be_heard(&self, every: Duration) {
        self.house.radio.configure(|air: &mut SimSettings| air.advertising_interval = every);
    }

    /// Time passes; whoever is at home hears the lock lock by itself.
    pub(crate) async fn wait(&mut self, time: Duration) {
        let until = tokio::time::Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                return;
            }
            let step = if self.bolt == LockState::Unlocked { left.min(Duration::from_secs(5)) } else { left };
            tokio::time::sleep(step).await;
            self.hear();
        }
    }

    pub(crate) async fn wait_s(&mut self, seconds: u64) {
        self.wait(Duration::from_secs(seconds)).await;
    }

    fn hear(&mut self) {
        let state = self.house.door.inspect(|lock| lock.state());
        if self.bolt == LockState::Unlocked && state.lock_state == LockState::Locked {
            assert_eq!(state.trigger, Trigger::AutoLock, "nobody else was there");
            self.note_at(self.heard, Some(LockAction::Lock), "success", Whose::default(), "auto_lock");
            let now = self.clock();
            self.deeds.last_mut().unwrap().until = now + 1;
        }
        if !state.lock_state.is_transitional() {
            self.bolt = state.lock_state;
        }
        self.heard = self.clock();
    }

    /// Waits until the bolt rests.
    pub(crate) async fn rest(&mut self) {
        while self.house.state().is_transitional() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.bolt = self.house.state();
        self.heard = self.clock();
    }

    fn note_at(
        &mut self,
        clock: i64,
        action: Option<LockAction>,
        completion: &'static str,
        who: Whose,
        method: &'static str,
    ) {
        let is_keypad = matches!(method, "code" | "fingerprint" | "arrow_key");
        let what = What {
            kind: if is_keypad { "keypad_action" } else { "lock_action" },
            kind_code: None,
            action: action.map(word),
            completion: Some(completion),
        };
        let is_doubtful = !self.is_there && who.code_id.is_some_and(|id| self.codes[id as usize - 1].was_renamed);
        self.deeds.push(Deed { clock, until: clock + LOGGED_WITHIN, what, who, method, is_doubtful });
    }

    /// Somebody acts, and it is written down unless the lock has nothing to write about it.
    ///
    /// Gives whether they got what they wanted.
    pub(crate) fn act(&mut self, person: Person) -> bool {
        self.hear();
        let clock = self.clock();
        let intelligent = if self.bolt == LockState::Locked { LockAction::Unlock } else { LockAction::Lock };
        let result = self.house.door.person(person);
        let (action, who, method) = match person {
            Person::KeypadCode { digits } => {
                let found = self.codes.iter().position(|code| code.digits == digits.expose());
                (LockAction::Unlock, self.code(found), "code")
            }
            Person::KeypadWrongCode => (LockAction::Unlock, self.code(None), "code"),
            Person::Finger { code_id } => {
                (LockAction::Unlock, self.code(code_id.map(|id| usize::from(id) - 1)), "fingerprint")
            }
            Person::ArrowKey => (LockAction::Lock, self.code(None), "arrow_key"),
            Person::Fob { auth } => (intelligent, self.user(auth), "fob"),
            Person::App { auth, action, .. } => (action, self.user(auth), "app"),
            Person::Button => (intelligent, Whose::default(), "button"),
            Person::ManualTurn(Turn::Lock) => (LockAction::Lock, Whose::default(), "manual"),
            Person::ManualTurn(Turn::Unlock) => (LockAction::Unlock, Whose::default(), "manual"),
            Person::From { trigger, action } => {
                let method = match trigger {
                    Trigger::Automatic => "time_control",
                    Trigger::HomeKit => "homekit",
                    Trigger::Mqtt => "mqtt",
                    other => panic!("the director does not know {other}"),
                };
                (action, Whose::default(), method)
            }
            Person::Ring => panic!("there is no bell at a lock"),
            Person::Sensor(event) => return self.door_event(event, clock, result.is_ok()),
            Person::Door(DoorMove::Open) => return self.door_event(DoorEvent::Opened, clock, result.is_ok()),
            Person::Door(DoorMove::Close) => return self.door_event(DoorEvent::Closed, clock, result.is_ok()),
        };
        let completion = match result {
            Ok(()) => "success",
            Err(Refusal::WrongCode) => "invalid_code",
            Err(Refusal::WrongFinger) => "invalid_fingerprint",
            Err(Refusal::CodeNotAllowed) => "rejected",
            Err(Refusal::Busy) if method != "manual" => "busy",
            // The lock keeps no record of these.
            Err(_) => return false,
        };
        self.note_at(clock, Some(action), completion, who, method);
        result.is_ok()
    }

    fn door_event(&mut self, event: DoorEvent, clock: i64, is_done: bool) -> bool {
        if is_done {
            let what = What { kind: "door", kind_code: Some(event.code()), action: None, completion: None };
            let (until, who) = (clock + LOGGED_WITHIN, Whose::default());
            self.deeds.push(Deed { clock, until, what, who, method: "door_sensor", is_doubtful: false });
        }
        is_done
    }

    /// Somebody acts, and the bolt comes to rest.
    pub(crate) async fn act_and_rest(&mut self, person: Person) -> bool {
        let is_done = self.act(person);
        self.rest().await;
        is_done
    }

    /// The motor gets stuck under somebody.
    pub(crate) async fn act_in_vain(&mut self, person: Person) {
        self.house.door.fault(Fault::MotorBlocked);
        self.act_and_rest(person).await;
        if self.bolt == LockState::MotorBlocked
            && let Some(deed) = self.deeds.last_mut()
        {
            deed.what.completion = Some("motor_blocked");
        } else {
            panic!("the motor did not run");
        }
    }

    /// Lock 'n' go by phone; its second half is by the same person.
    pub(crate) async fn leave(&mut self, auth: u32) {
        if self.act_and_rest(Person::App { auth, action: LockAction::LockNGo, auto_unlock: false }).await
            && self.bolt == LockState::UnlockedLockNGo
        {
            let until = self.house.clock.wall().plus(Duration::from_secs(25));
            let clock = self.clock() + 18;
            while self.house.clock.wall() < until && self.house.state() != LockState::Locked {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            self.rest().await;
            assert_eq!(self.bolt, LockState::Locked, "lock 'n' go locks");
            let who = self.user(auth);
            self.note_at(clock, Some(LockAction::Lock), "success", who, "app");
        }
    }

    /// A client of ours asks.
    pub(crate) async fn ask(&mut self, action: LockAction) {
        if !self.is_there {
            return;
        }
        self.hear();
        let clock = self.clock();
        let outcome = self.house.handle().act(NUKI_ID, action, "http 10.0.0.7", WaitFor::Completed).await.unwrap();
        assert_eq!(outcome, ActionOutcome::Done);
        let who = Whose { auth_id: Some(self.house.lock.auth_id), name: Some("Keyturner".to_owned()), code_id: None };
        self.note_at(clock, Some(action), "success", who, "bridge");
        self.rest().await;
    }

    fn user(&self, auth_id: u32) -> Whose {
        let name = self.names.iter().find(|(id, _)| *id == auth_id).map(|(_, name)| name.clone());
        Whose { auth_id: Some(auth_id), code_id: None, name }
    }

    /// Whoever typed something: the keypad's number, and the code's if there is such a code.
    fn code(&self, at: Option<usize>) -> Whose {
        let name = at.map(|at| self.codes[at].name.clone());
        Whose { auth_id: Some(KEYPAD), code_id: at.map(|at| at as u32 + 1), name }
    }

    pub(crate) fn digits(&self, code_id: u32) -> Person {
        Person::keypad(self.codes[code_id as usize - 1].digits)
    }

    /// The owner changes a code's name, or whether it opens.
    pub(crate) async fn change_code(&mut self, code_id: u32, name: &str, enabled: bool) {
        let code = &mut self.codes[code_id as usize - 1];
        code.was_renamed |= code.name != name;
        code.name = name.to_owned();
        let mut body = (code_id as u16).to_le_bytes().to_vec();
        body.extend(CodeDigits::new(code.digits).unwrap().expose().to_le_bytes());
        body.extend(field::<20>(name));
        body.extend([u8::from(enabled)]);
        body.extend([0; 1 + TimeLimit::LEN]);
        self.owner_sends(Command::UpdateKeypadCode, &body).await;
    }

    /// The owner deletes a code; its digits are wrong ones from now on.
    pub(crate) async fn delete_code(&mut self, code_id: u32) {
        self.owner_sends(Command::RemoveKeypadCode, &(code_id as u16).to_le_bytes()).await;
        self.codes[code_id as usize - 1].digits = 0;
    }

    pub(crate) async fn rename_user(&mut self, auth_id: u32, name: &str) {
        self.names.iter_mut().filter(|(id, _)| *id == auth_id).for_each(|(_, old)| *old = name.to_owned());
        let mut body = auth_id.to_le_bytes().to_vec();
        body.extend(field::<32>(name));
        body.extend([1, 1]);
        body.extend([0; 1 + TimeLimit::LEN]);
        self.owner_sends(Command::UpdateAuthorizationEntry, &body).await;
    }

    /// By the vendor's app, over the air.
    async fn owner_sends(&mut self, command: Command, body: &[u8]) {
        let client = self.owner.clone();
        let mut central = Central::connect(&self.house.radio, &self.house.door, client).await.unwrap();
        let nonce = central.challenge().await.unwrap();
        let pin = u16::try_from(PIN.expose()).unwrap().to_le_bytes();
        central.send(&Message::new(command, [body, &nonce, &pin].concat())).await.unwrap();
        let replies = central.until_complete().await;
        assert_eq!(replies.len(), 1, "{replies:?}");
        central.link.writer.disconnect().await.unwrap();
    }

    pub(crate) const fn bolt(&self) -> LockState {
        self.bolt
    }
}

/// With it the owner changes names and codes.
async fn owners_phone(house: &House) -> Client {
    let (id_type, app_id, name) = (IdType::App, 0x0B0B_0001, "Owner's phone".to_owned());
    house.door.pairing_mode(true);
    let request = PairRequest { id_type, app_id, name, pin: Some(PIN), seed: [5; 32] };
    let (authorization, _) = pair(&house.radio, house.clock, house.door.address(), request).await.unwrap();
    Client { link: LinkId(0), auth_id: authorization.auth_id, key: authorization.key, app_id, uuid: authorization.uuid }
}

fn field<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [0; N];
    field[..text.len()].copy_from_slice(text.as_bytes());
    field
}

/// The lock's word for it, as the log has it.
fn word(action: LockAction) -> &'static str {
    match action {
        LockAction::Unlock => "unlock",
        LockAction::Lock => "lock",
        LockAction::Unlatch => "unlatch",
        LockAction::LockNGo => "lock_n_go",
        other => panic!("nobody does {other}"),
    }
}
