//! The whole way from the door to the event log and the callback: who did it.

use std::time::Duration;

use keyturner::attribution::{Directory, Journal, JournalConfig, Output};
use keyturner::gateway::{ActionOutcome, WaitFor};
use keyturner::protocol::{CompletionStatus, LockAction, LockState};
use keyturner::simlock::{Person, Turn};
use keyturner::store::HistoryRow;
use serde_json::{Value, json};

use crate::support::house::{ANNA, House, NUKI_ID, Plan};

const USER_KEYS: [&str; 5] = ["authId", "authType", "userName", "codeId", "codeName"];

fn user_of(row: &HistoryRow) -> (Option<&str>, &str, &str) {
    (row.user_name.as_deref(), row.method.as_str(), row.attribution.as_str())
}

fn states(bodies: &[Value]) -> Vec<i64> {
    bodies.iter().map(|body| body["state"].as_i64().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_keypad_entry_is_told_once_with_the_person_and_stored_with_the_code() {
    let house = House::new().await;
    house.told().await;
    house.person(Person::keypad(ANNA));
    house.until("the door is open", || house.state() == LockState::Unlocked).await;
    house.quiet().await;

    let told = house.told().await;
    assert_eq!(states(&told), [2, 3], "{told:#?}");
    let (moving, open) = (&told[0], &told[1]);
    assert!(USER_KEYS.iter().all(|key| moving.get(key).is_none()), "nobody is known while the motor runs: {moving}");
    assert_eq!(open["userName"], json!("Anna"));
    assert_eq!(open["codeId"], json!(1));
    assert_eq!(open["trigger"], json!(255));
    assert_eq!(open["source"], json!(1));
    assert_eq!(open["action"], json!(1));

    let events = house.events().await;
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!(user_of(&events[0]), (Some("Anna"), "code", "matched"));
    assert_eq!(events[0].code_id, Some(1));
    assert_eq!(events[0].state_after, Some(LockState::Unlocked));
    assert_eq!(open["eventId"], json!(events[0].log_index));
    assert_eq!(open["authId"], json!(events[0].auth_id));
}

#[tokio::test(start_paused = true)]
async fn a_turn_by_hand_is_told_without_any_user() {
    let house = House::new().await;
    house.told().await;
    house.person(Person::ManualTurn(Turn::Unlock));
    house.until("it is told", || house.state() == LockState::Unlocked).await;
    house.quiet().await;
    let told = house.told().await;
    let last = told.last().unwrap();
    assert_eq!(last["state"], json!(3));
    assert_eq!(last["trigger"], json!(1));
    assert!(told.iter().all(|body| USER_KEYS.iter().all(|key| body.get(key).is_none())), "{told:#?}");
    let events = house.events().await;
    assert_eq!(user_of(&events[0]), (None, "manual", "nobody"));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_code_is_stored_and_not_told() {
    let house = House::new().await;
    house.told().await;
    assert!(house.door.person(Person::keypad(999_999)).is_err());
    house.quiet().await;
    assert_eq!(house.told().await, Vec::<Value>::new());
    let events = house.events().await;
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!(events[0].completion_status, Some(CompletionStatus::InvalidCode));
    assert_eq!(user_of(&events[0]), (None, "code", "nobody"));
    assert!(events[0].refused);
}

#[tokio::test(start_paused = true)]
async fn an_action_through_the_gateway_is_done_once_and_carries_its_intent() {
    let house = House::new().await;
    house.told().await;
    let outcome = house.handle().act(NUKI_ID, LockAction::Unlock, "test", WaitFor::Completed).await.unwrap();
    assert_eq!(outcome, ActionOutcome::Done);
    assert_eq!(house.state(), LockState::Unlocked);
    house.quiet().await;
    assert_eq!(house.door.inspect(|lock| lock.executions_total()), 1);
    let events = house.events().await;
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!(user_of(&events[0]), (Some("Keyturner"), "bridge", "matched"));
    assert!(events[0].intent_id.is_some());
    let told = house.told().await;
    assert_eq!(states(&told), [2, 3], "{told:#?}");
    assert_eq!(told[1]["userName"], json!("Keyturner"));
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_the_gateway_is_dead_is_stored_once_and_not_told() {
    let mut house = House::new().await;
    house.told().await;
    house.person(Person::keypad(ANNA));
    house.until("the motor runs", || house.state() == LockState::Unlocking).await;
    house.kill().await;
    house.until("the door is open", || house.state() == LockState::Unlocked).await;
    house.start().await;
    let events = house.events().await;
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!(user_of(&events[0]), (Some("Anna"), "code", "matched"));
    assert!(events[0].backfilled);
    let told = house.told().await;
    assert!(told.iter().all(|body| body.get("userName").is_none()), "{told:#?}");
}

#[tokio::test(start_paused = true)]
async fn without_the_pin_the_change_is_told_and_stored_as_unknown() {
    let house = House::planned(Plan { pin: None, ..Plan::default() }).await;
    house.told().await;
    house.person(Person::keypad(ANNA));
    house.until("the door is open", || house.state() == LockState::Unlocked).await;
    house.quiet().await;
    assert_eq!(states(&house.told().await), [2, 3]);
    let events = house.events().await;
    assert_eq!(events.len(), 1, "{events:#?}");
    assert_eq!(user_of(&events[0]), (None, "unknown", "unknown"));
    assert_eq!(events[0].reason.as_deref(), Some("pin_missing"));
}

#[tokio::test(start_paused = true)]
async fn an_action_on_the_very_first_link_is_told_with_its_user() {
    let mut house = House::new().await;
    house.told().await;
    house.kill().await;
    house.launch().await;
    let outcome = house.handle().act(NUKI_ID, LockAction::Unlock, "test", WaitFor::Completed).await.unwrap();
    assert_eq!(outcome, ActionOutcome::Done);
    house.quiet().await;
    let told = house.told().await;
    let last = told.last().expect("it happened before our eyes, so it is told");
    assert_eq!(states(&told), [2, 3], "also that the motor ran, though nobody saw it begin");
    assert_eq!((&last["state"], &last["userName"]), (&json!(3), &json!("Keyturner")), "{told:#?}");
    let events = house.events().await;
    assert_eq!(events.len(), 1, "{events:#?}");
    assert!(!events[0].backfilled);
}

#[test]
fn the_first_state_ever_is_told_only_if_the_motor_runs() {
    for (lock_state, told) in [(LockState::Unlocking, 1), (LockState::Unlatching, 1), (LockState::Unlocked, 0)] {
        let mut journal = Journal::new(JournalConfig {
            is_opener: false,
            own_auth_id: 1,
            cursor: 0,
            states: None,
            pending: Vec::new(),
            directory: Directory::default(),
            patience: Duration::from_secs(1),
            has_begun_anew: false,
        });
        journal.handle_states(crate::http_support::states(lock_state), Duration::ZERO);
        let mut tellings = Vec::new();
        while let Some(output) = journal.poll() {
            if let Output::Commit(draft) = output {
                tellings.extend(draft.tellings);
            }
        }
        assert_eq!(tellings.len(), told, "{lock_state:?}");
        assert!(tellings.iter().all(|telling| telling.event.is_none()), "nobody is known while the motor runs");
    }
}
