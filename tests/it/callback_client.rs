//! Which client asked for what a callback tells.

use keyturner::gateway::{ActionOutcome, Asker, WaitFor};
use keyturner::protocol::{LockAction, LockState};
use keyturner::simlock::Person;
use serde_json::{Value, json};

use crate::support::house::{ANNA, House, NUKI_ID};

/// Which clients were told of since the last look, each with the state.
async fn clients(house: &House) -> Vec<(Value, Value)> {
    house.quiet().await;
    let told = house.told().await;
    told.into_iter().filter_map(|body| Some((body["state"].clone(), body.get("client")?.clone()))).collect()
}

#[tokio::test(start_paused = true)]
async fn each_action_is_told_with_the_client_that_the_history_has() {
    let house = House::new().await;
    house.told().await;
    for (client, action) in [("hall panel", LockAction::Unlock), ("night routine", LockAction::Lock)] {
        let outcome = house.handle().act(NUKI_ID, action, client, WaitFor::Completed).await;
        assert_eq!(outcome, Ok(ActionOutcome::Done));
        let state = house.state().code();
        assert_eq!(clients(&house).await, [(json!(state), json!(client))]);
        let events = house.events().await;
        assert_eq!(events.last().and_then(|event| event.client.as_deref()), Some(client));
    }
}

#[tokio::test(start_paused = true)]
async fn an_action_that_was_asked_for_twice_is_told_once_with_its_client() {
    let house = House::new().await;
    house.told().await;
    let handle = house.handle();
    let ask = |client: &'static str| {
        let handle = handle.clone();
        async move { handle.act(NUKI_ID, LockAction::Unlock, Asker::from(client), WaitFor::Completed).await }
    };
    let both = tokio::join!(ask("hall panel"), ask("hall panel"));
    assert_eq!(both, (Ok(ActionOutcome::Done), Ok(ActionOutcome::Done)));
    assert_eq!(clients(&house).await, [(json!(LockState::Unlocked.code()), json!("hall panel"))]);
}

#[tokio::test(start_paused = true)]
async fn a_person_at_the_keypad_is_no_client() {
    let house = House::new().await;
    house.told().await;
    house.person(Person::keypad(ANNA));
    house.until("the door is open", || house.state() == LockState::Unlocked).await;
    assert_eq!(clients(&house).await, []);
}
