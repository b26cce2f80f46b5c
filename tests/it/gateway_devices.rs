//! Each device from pairing to event log and callback, over the simulated radio.

use std::time::Duration;

use keyturner::gateway::{ActionOutcome, CodeChange, GatewayError, WaitFor};
use keyturner::protocol::users::CodeDigits;
use keyturner::protocol::{ErrorCode, LockAction, LockState, OpenerAction};
use keyturner::simlock::{Device, Person, SimLockConfig, Turn};
use serde_json::{Value, json};

use crate::support::house::{ANNA, House, NUKI_ID, Plan};

async fn house_of(device: Device) -> House {
    let lock = SimLockConfig::family_of(device, NUKI_ID);
    House::planned(Plan { lock, pin: Some(device.pin()), ..Plan::default() }).await
}

async fn act(house: &House, action: LockAction) -> ActionOutcome {
    house.handle().act(NUKI_ID, action, "test", WaitFor::Completed).await.unwrap()
}

fn field(bodies: &[Value], key: &str) -> Vec<Value> {
    bodies.iter().map(|body| body[key].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn each_device_is_known_by_its_type_firmware_and_health() {
    let types = [
        (Device::SmartLock1, 0, "1.8.1"),
        (Device::SmartLock2, 0, "2.7.20"),
        (Device::SmartLock3, 4, "3.5.2"),
        (Device::SmartLock4, 4, "4.3.12"),
        (Device::SmartDoor, 3, "3.2.4"),
        (Device::Ultra, 5, "5.1.8"),
        (Device::Opener, 2, "1.9.2"),
    ];
    for (device, device_type, firmware) in types {
        let house = house_of(device).await;
        assert_eq!(house.lock.generation, device.generation(), "{device:?}: from the GATT table");
        let snapshot = house.handle().lock(NUKI_ID).unwrap();
        assert_eq!((snapshot.device_type, snapshot.name.as_str()), (device_type, "Front door"), "{device:?}");
        assert_eq!(snapshot.firmware_version.as_deref(), Some(firmware), "{device:?}");
        assert!(snapshot.has_keypad, "{device:?}");
        assert_eq!(snapshot.auto_unlatch.is_some(), device != Device::Opener, "{device:?}");
        let health = house.handle().health(NUKI_ID).unwrap();
        assert_eq!(health.battery.map(|(report, _)| report.voltage), Some(5600), "{device:?}");
        let unlatch = health.timings.and_then(|timings| timings.unlatch);
        assert_eq!(unlatch, (device != Device::Opener).then_some(3), "{device:?}");
        let directory = health.directory.unwrap();
        assert_eq!((directory.users, directory.codes), (4, 2), "{device:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_action_at_each_lock_is_done_once_and_stands_in_its_history() {
    for device in Device::ALL.into_iter().filter(|device| *device != Device::Opener) {
        let house = house_of(device).await;
        house.told().await;
        assert_eq!(act(&house, LockAction::Unlock).await, ActionOutcome::Done, "{device:?}");
        assert_eq!(house.state(), LockState::Unlocked, "{device:?}");
        house.quiet().await;
        assert_eq!(house.door.inspect(|lock| lock.executions_total()), 1, "{device:?}");
        let events = house.events().await;
        assert_eq!(events.len(), 1, "{device:?}: {events:#?}");
        let event = &events[0];
        assert_eq!((event.method.as_str(), event.attribution.as_str()), ("bridge", "matched"), "{device:?}");
        assert!(event.intent_id.is_some(), "{device:?}");
        let told = house.told().await;
        assert_eq!(field(&told, "state"), [json!(2), json!(3)], "{device:?}: {told:#?}");
        assert_eq!(told[1]["userName"], json!("Keyturner"), "{device:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_at_each_lock_names_its_holder() {
    for device in Device::ALL.into_iter().filter(|device| *device != Device::Opener) {
        let house = house_of(device).await;
        house.person(Person::keypad(ANNA));
        if device == Device::Ultra {
            // Its beacon says nothing: the half-hourly reading finds it.
            tokio::time::sleep(Duration::from_secs(31 * 60)).await;
        } else {
            house.until("the door is open", || house.state() == LockState::Unlocked).await;
        }
        house.quiet().await;
        let events = house.events().await;
        assert_eq!(events.len(), 1, "{device:?}: {events:#?}");
        let named = (events[0].user_name.as_deref(), events[0].method.as_str(), events[0].attribution.as_str());
        assert_eq!(named, (Some("Anna"), "code", "matched"), "{device:?}");
        assert_eq!(events[0].state_after, Some(LockState::Unlocked), "{device:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_by_hand_at_each_lock_names_nobody() {
    for device in Device::ALL.into_iter().filter(|device| *device != Device::Opener) {
        let house = house_of(device).await;
        house.person(Person::ManualTurn(Turn::Unlock));
        tokio::time::sleep(Duration::from_secs(if device == Device::Ultra { 31 * 60 } else { 10 })).await;
        house.quiet().await;
        let events = house.events().await;
        assert_eq!(events.len(), 1, "{device:?}: {events:#?}");
        assert_eq!((events[0].method.as_str(), events[0].attribution.as_str()), ("manual", "nobody"), "{device:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_opener_that_opens_for_a_client_names_it() {
    let house = house_of(Device::Opener).await;
    house.told().await;
    assert_eq!(act(&house, OpenerAction::Open.command()).await, ActionOutcome::Done);
    house.quiet().await;
    assert_eq!(house.door.inspect(|lock| lock.executions_total()), 1);
    let events = house.events().await;
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!((events[0].user_name.as_deref(), events[0].method.as_str()), (Some("Keyturner"), "bridge"));
    let told = house.told().await;
    assert_eq!(field(&told, "state"), [json!(7), json!(5), json!(1)], "{told:#?}");
    assert_eq!(field(&told, "stateName"), [json!("opening"), json!("open"), json!("online")]);
    assert_eq!(told[2]["userName"], json!("Keyturner"), "{told:#?}");
    assert!(told.iter().all(|body| body["deviceType"] == json!(2) && body["mode"] == json!(2)), "{told:#?}");
    assert!(told.iter().all(|body| body.get("doorsensorState").is_none()), "{told:#?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_switches_ring_to_open_on_is_named_and_the_ring_that_opens_is_nobodys() {
    let house = house_of(Device::Opener).await;
    house.told().await;
    let dora = house.door.inspect(|lock| lock.users().iter().find(|user| user.entry.name == "Dora's phone").cloned());
    let auth = dora.unwrap().entry.auth_id;
    house.person(Person::App { auth, action: OpenerAction::ActivateRingToOpen.command(), auto_unlock: false });
    tokio::time::sleep(Duration::from_secs(10)).await;
    house.quiet().await;
    let told = house.told().await;
    assert_eq!(field(&told, "stateName"), [json!("rto active")], "{told:#?}");
    assert_eq!(told[0]["userName"], json!("Dora's phone"));

    house.person(Person::Ring);
    tokio::time::sleep(Duration::from_secs(10)).await;
    house.quiet().await;
    let told = house.told().await;
    let last = told.last().unwrap();
    assert_eq!(last["stateName"], json!("online"), "{told:#?}");
    assert_eq!(last["ringactionState"], json!(true), "{told:#?}");
    assert!(told.iter().all(|body| body.get("userName").is_none()), "{told:#?}");

    let events = house.events().await;
    let lines: Vec<_> = events
        .iter()
        .map(|event| {
            (event.kind.as_str(), event.user_name.as_deref(), event.attribution.as_str(), event.detail.as_deref())
        })
        .collect();
    let wanted =
        [("lock_action", Some("Dora's phone"), "matched", None), ("ring", None, "nobody", Some("ring to open"))];
    assert_eq!(lines, wanted, "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_ring_that_opens_nothing_is_an_event_and_is_told_at_once() {
    let house = house_of(Device::Opener).await;
    house.told().await;
    house.person(Person::Ring);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let told = house.told().await;
    let [ring] = told.as_slice() else { panic!("{told:#?}") };
    assert_eq!((&ring["ringactionState"], &ring["stateName"]), (&json!(true), &json!("online")));
    assert!(ring["ringactionTimestamp"].is_string(), "{ring}");
    house.quiet().await;
    let events = house.events().await;
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!((events[0].kind.as_str(), events[0].attribution.as_str()), ("ring", "nobody"));
    assert!(house.handle().lock(NUKI_ID).unwrap().last_ring.is_some());
}

#[tokio::test(start_paused = true)]
async fn in_continuous_mode_every_ring_opens() {
    let house = house_of(Device::Opener).await;
    house.told().await;
    assert_eq!(act(&house, OpenerAction::ActivateContinuousMode.command()).await, ActionOutcome::Done);
    house.quiet().await;
    let told = house.told().await;
    assert_eq!(field(&told, "mode"), [json!(3)], "{told:#?}");
    for _ in 0..2 {
        house.person(Person::Ring);
        tokio::time::sleep(Duration::from_secs(10)).await;
        house.quiet().await;
    }
    let told = house.told().await;
    assert!(told.iter().all(|body| body["mode"] == json!(3)), "{told:#?}");
    let opened = told.iter().filter(|body| body["stateName"] == json!("open")).count();
    assert_eq!(opened, 2, "{told:#?}");
    let kinds: Vec<String> = house.events().await.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["lock_action", "ring", "ring"]);
}

#[tokio::test(start_paused = true)]
async fn a_ring_while_the_gateway_was_away_is_stored_and_not_told() {
    let mut house = house_of(Device::Opener).await;
    house.told().await;
    house.kill().await;
    house.person(Person::Ring);
    tokio::time::sleep(Duration::from_secs(60)).await;
    house.start().await;
    let events = house.events().await;
    assert_eq!(events.len(), 1, "{events:#?}");
    assert!(events[0].backfilled);
    assert!(house.told().await.iter().all(|body| body["ringactionState"] != json!(true)));
}

#[tokio::test(start_paused = true)]
async fn a_code_at_an_opener_opens_and_names_its_holder() {
    let house = house_of(Device::Opener).await;
    house.person(Person::keypad(ANNA));
    tokio::time::sleep(Duration::from_secs(10)).await;
    house.quiet().await;
    let events = house.events().await;
    assert_eq!(events.len(), 1, "{events:#?}");
    let named = (events[0].user_name.as_deref(), events[0].method.as_str(), events[0].attribution.as_str());
    assert_eq!(named, (Some("Anna"), "code", "matched"));
}

#[tokio::test(start_paused = true)]
async fn keypad_codes_are_changed_through_the_gateway_and_their_digits_stay_out_of_the_event_log() {
    const NEW: u32 = 968_574;
    for device in Device::ALL {
        let house = house_of(device).await;
        let digits = CodeDigits::new(NEW).unwrap().into();
        let add = CodeChange::Add { name: "Cleaner".to_owned(), digits, time_limit: None };
        assert_eq!(house.handle().change_code(NUKI_ID, add.clone(), "test").await, Ok(Some(3)), "{device:?}");
        let twin = Err(GatewayError::Refused(ErrorCode::CodeAlreadyExists));
        assert_eq!(house.handle().change_code(NUKI_ID, add, "test").await, twin, "{device:?}");
        let off =
            |code_id| CodeChange::Update { code_id, name: None, digits: None, enabled: Some(false), time_limit: None };
        assert_eq!(house.handle().change_code(NUKI_ID, off(3), "test").await, Ok(None), "{device:?}");
        assert_eq!(
            house.handle().change_code(NUKI_ID, off(4), "test").await,
            Err(GatewayError::NoSuchCode),
            "{device:?}"
        );
        let is_on = house.door.inspect(|lock| lock.keypad_codes().last().unwrap().entry.enabled);
        assert!(!is_on, "{device:?}");
        assert_eq!(house.handle().change_code(NUKI_ID, CodeChange::Remove(3), "test").await, Ok(None), "{device:?}");
        assert_eq!(house.door.inspect(|lock| lock.keypad_codes().len()), 2, "{device:?}");
        house.quiet().await;
        let found = std::fs::read(house.database()).unwrap();
        let digits = NEW.to_string();
        assert!(!found.windows(6).any(|window| window == digits.as_bytes()), "{device:?}: the digits are on disk");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ring_that_is_heard_of_late_is_dated_by_the_openers_own_clock() {
    let house = house_of(Device::Opener).await;
    house.told().await;
    house.door.set_in_range(false);
    let rung = house.clock.wall();
    house.person(Person::Ring);
    tokio::time::sleep(Duration::from_secs(300)).await;
    house.door.set_in_range(true);
    tokio::time::sleep(Duration::from_secs(60)).await;
    house.quiet().await;
    let last_ring = house.handle().lock(NUKI_ID).unwrap().last_ring.unwrap();
    // The Opener's clock tells whole seconds.
    assert!(last_ring.0.abs_diff(rung.0) <= 2_000, "{} for {}", last_ring.rfc3339(), rung.rfc3339());
    let told = house.told().await;
    assert!(told.iter().all(|body| body["ringactionState"] == json!(false)), "it does not ring any more: {told:#?}");
}
