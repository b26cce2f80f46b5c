//! Every way to a door, once through the whole gateway: from the lock's log over the air into `events` and `audit`.

use std::time::Duration;

use keyturner::gateway::WaitFor;
use keyturner::protocol::{DoorEvent, IdType, LockAction, LockState, Trigger};
use keyturner::simlock::{CodeConfig, DoorMove, Fault, Person, SimLockConfig, Turn, UserConfig};
use keyturner::store::AuditRow;

use crate::support::house::{ANNA, House, NUKI_ID, Plan};

const FOB: u32 = 2;
const PHONE: u32 = 3;
const DISABLED: u32 = 4;
const GUEST: u32 = 914_376;

fn lock() -> SimLockConfig {
    let mut lock = SimLockConfig::family(NUKI_ID);
    lock.users.push(UserConfig { enabled: false, ..UserConfig::new("Emil's phone", IdType::App) });
    lock.codes.extend(CodeConfig::new("Guest", GUEST).map(|code| CodeConfig { enabled: false, ..code }));
    lock
}

async fn newest(house: &House) -> AuditRow {
    house.store.audit(1).await.unwrap().remove(0)
}

/// Lets somebody act, and says what `audit` says of it: exactly one new row.
async fn said(house: &House, act: impl FnOnce(&House)) -> String {
    let before = house.events().await.len();
    act(house);
    tokio::time::sleep(Duration::from_secs(12)).await;
    house.quiet().await;
    let rows = house.events().await;
    assert_eq!(rows.len(), before + 1, "{:#?}", rows.last());
    let row = newest(house).await;
    format!("{} {} {} [{}] {}", row.who, row.what, row.how, row.result, row.certainty).replace("  ", " ")
}

#[tokio::test(start_paused = true)]
async fn every_source_of_identity_comes_into_the_log_under_its_own_name() {
    let house = House::planned(Plan { lock: lock(), ..Plan::default() }).await;
    let app = |action, auto_unlock| Person::App { auth: PHONE, action, auto_unlock };
    let from = |trigger, action| Person::From { trigger, action };
    let steps = [
        (Person::keypad(ANNA), "Anna unlocked the door with keypad code 1 [success] matched"),
        (Person::ArrowKey, "somebody locked the door with the keypad's arrow key [success] nobody"),
        (Person::Finger { code_id: Some(2) }, "Ben unlocked the door with a finger at the keypad [success] matched"),
        (Person::Fob { auth: FOB }, "Clara's fob locked the door with the fob (1 press) [success] matched"),
        (app(LockAction::Unlock, false), "Dora's phone unlocked the door with the app [success] matched"),
        (Person::Button, "somebody locked the door with the button (1 press) [success] nobody"),
        (app(LockAction::Unlock, true), "Dora's phone unlocked the door with the app (auto unlock) [success] matched"),
        (
            from(Trigger::Automatic, LockAction::Lock),
            "the lock itself locked the door by time control [success] nobody",
        ),
        (from(Trigger::HomeKit, LockAction::Unlock), "somebody unlocked the door with HomeKit [success] nobody"),
        (from(Trigger::Mqtt, LockAction::Lock), "somebody locked the door over MQTT [success] nobody"),
        (Person::ManualTurn(Turn::Unlock), "somebody unlocked the door by hand [success] nobody"),
        (Person::Door(DoorMove::Open), "somebody opened the door [] nobody"),
        (Person::Door(DoorMove::Close), "somebody closed the door [] nobody"),
        (Person::Sensor(DoorEvent::Jammed), "the lock itself reported a jammed door sensor [] nobody"),
        (app(LockAction::Unlatch, false), "Dora's phone pulled the latch with the app [success] matched"),
    ];
    for (person, sentence) in steps {
        assert_eq!(said(&house, |house| house.person(person)).await, sentence);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_turned_away_is_in_the_log_and_moved_nothing() {
    let house = House::planned(Plan { lock: lock(), ..Plan::default() }).await;
    let steps = [
        (Person::keypad(999_999), "somebody entered a wrong code at the keypad [invalid code] nobody"),
        (
            Person::Finger { code_id: None },
            "somebody used an unknown finger at the keypad [invalid fingerprint] nobody",
        ),
        (Person::keypad(GUEST), "Guest tried to unlock the door with keypad code 3 [rejected] matched"),
    ];
    for (person, sentence) in steps {
        let turned_away = |house: &House| assert!(house.door.person(person).is_err());
        assert_eq!(said(&house, turned_away).await, sentence);
    }
    // A disabled phone gets an error over the air; the simulated lock writes nothing, as no document says that one does.
    let before = house.events().await.len();
    let disabled = Person::App { auth: DISABLED, action: LockAction::Unlock, auto_unlock: false };
    assert!(house.door.person(disabled).is_err());
    house.quiet().await;
    assert_eq!(house.events().await.len(), before);
    assert_eq!(house.state(), LockState::Locked);
}

#[tokio::test(start_paused = true)]
async fn somebody_in_front_of_a_running_motor_is_busy_and_a_stuck_one_is_blocked() {
    let house = House::planned(Plan { lock: lock(), ..Plan::default() }).await;
    house.person(Person::keypad(ANNA));
    assert!(house.door.person(Person::Fob { auth: FOB }).is_err());
    house.until("the door is open", || house.state() == LockState::Unlocked).await;
    house.quiet().await;
    let rows = house.store.audit(2).await.unwrap();
    let of = |who: &str| rows.iter().find(|row| row.who == who).map(|row| (row.what.as_str(), row.result.as_str()));
    assert_eq!(of("Anna"), Some(("unlocked the door", "success")));
    assert_eq!(of("Clara's fob").map(|row| row.1), Some("busy"));

    house.door.fault(Fault::MotorBlocked);
    let dora = Person::App { auth: PHONE, action: LockAction::Lock, auto_unlock: false };
    let sentence = said(&house, |house| house.person(dora)).await;
    assert_eq!(sentence, "Dora's phone tried to lock the door with the app [motor blocked] matched");
}

#[tokio::test(start_paused = true)]
async fn auto_lock_is_nobodys_and_both_halves_of_lock_n_go_are_its_persons() {
    let lock = SimLockConfig { auto_lock: Some(Duration::from_secs(40)), ..lock() };
    let house = House::planned(Plan { lock, ..Plan::default() }).await;
    house.person(Person::keypad(ANNA));
    house.until("the door is open", || house.state() == LockState::Unlocked).await;
    house.until("it locks by itself", || house.state() == LockState::Locked).await;
    house.quiet().await;
    let row = newest(&house).await;
    assert_eq!((row.who.as_str(), row.how.as_str()), ("the lock itself", "by auto lock"));

    let leaves = Person::App { auth: PHONE, action: LockAction::LockNGo, auto_unlock: false };
    house.person(leaves);
    house.until("the door is open", || house.state() == LockState::UnlockedLockNGo).await;
    house.until("it locks behind her", || house.state() == LockState::Locked).await;
    house.quiet().await;
    let rows = house.store.audit(2).await.unwrap();
    assert!(rows.iter().all(|row| row.who == "Dora's phone" && row.how == "with the app"), "{rows:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_clients_action_carries_its_intent_and_the_intent_its_requester() {
    let house = House::planned(Plan { lock: lock(), ..Plan::default() }).await;
    house.handle().act(NUKI_ID, LockAction::Unlock, "http 192.0.2.7", WaitFor::Completed).await.unwrap();
    house.quiet().await;
    let row = newest(&house).await;
    assert_eq!((row.who.as_str(), row.how.as_str()), ("a client (http 192.0.2.7)", "through the bridge (intent 1)"));
    let as_app = House::planned(Plan { lock: lock(), id_type: IdType::App, ..Plan::default() }).await;
    as_app.handle().act(NUKI_ID, LockAction::Unlock, "http 192.0.2.7", WaitFor::Completed).await.unwrap();
    as_app.until("it is stored", || as_app.state() == LockState::Unlocked).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(newest(&as_app).await.how, "through the bridge (intent 1)", "whatever it registered as");
}
