//! What receivers get as the owner has set it: our keys or the vendor's alone, and how the locks stand.

use keyturner::delivery::CallbackRules;
use keyturner::http::{Authenticator, DEFAULT_WINDOW, Gate, PlainTokens, Token};
use keyturner::protocol::LockState;
use keyturner::simlock::{Person, Turn};
use keyturner::store::{AddCallback, DeliveryOutcome, NewCallback, Store};
use serde_json::Value;

use crate::http_support::{NOW, Server, TOKEN, front, states};
use crate::support::house::{ANNA, House};

async fn server(rules: &str) -> Server {
    let tokens = vec![Token::new("hallway", TOKEN).unwrap()];
    let gate = Gate::new(Authenticator::new(tokens, DEFAULT_WINDOW, NOW), PlainTokens::Local);
    Server::start_ruled(gate, toml::from_str::<CallbackRules>(rules).unwrap()).await
}

/// What waits for a slot, oldest first.
async fn waiting(store: &Store, slot: u8) -> Vec<String> {
    let mut bodies = Vec::new();
    while let Some(delivery) = store.next_delivery(slot).await.unwrap() {
        store.finish_delivery(delivery.outbox_id, DeliveryOutcome::Told, NOW).await.unwrap();
        bodies.push(delivery.body);
    }
    bodies
}

#[tokio::test]
async fn a_new_receiver_is_told_how_the_locks_stand_only_if_the_owner_wants_that() {
    let quiet = server("").await;
    quiet.get("/callback/add?url=http://a/").await;
    assert_eq!(waiting(&quiet.store, 0).await, Vec::<String>::new());

    let server = server("state_when_added = true").await;
    // The scripted lock is one that the store knows, so that a telling can be about it.
    let mut lock = front();
    lock.nuki_id = crate::store::LOCK;
    lock.state = Some((states(LockState::Locked), NOW));
    let unread = {
        let mut unread = front();
        unread.state = None;
        unread
    };
    server.doors.script().locks = [lock, unread].into_iter().map(|lock| (lock.nuki_id, lock)).collect();
    server.get("/callback/add?url=http://a/").await;
    server.get("/callback/add?url=http://a/").await;
    let told = waiting(&server.store, 0).await;
    let [body] = told.as_slice() else { panic!("once, and not of a lock that was never read: {told:?}") };
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["nukiId"], &body["state"]), (&crate::store::LOCK.into(), &1.into()));
    assert!(body.get("userName").is_none() && body.get("name").is_none() && body.get("timestamp").is_none());
    server.get("/callback/add?url=http://b/").await;
    assert_eq!(waiting(&server.store, 1).await.len(), 1);
    assert_eq!(waiting(&server.store, 0).await.len(), 0, "nobody else is told of it");
}

#[tokio::test(start_paused = true)]
async fn one_receiver_gets_the_vendors_keys_alone_and_the_other_ours_as_well() {
    let house = House::new().await;
    let rules: CallbackRules = toml::from_str("vendor_only = [\"fhem.lan\"]").unwrap();
    let url = "http://fhem.lan:8083/fhem/NUKIBridge";
    let new = NewCallback { url, is_bare: rules.is_bare_url(url), at: NOW };
    assert_eq!(house.store.register_callback(new, Vec::new).await.unwrap(), AddCallback::Added(1));
    house.person(Person::keypad(ANNA));
    house.until("the door is open", || house.state() == LockState::Unlocked).await;
    house.quiet().await;
    let (whole, bare) = (waiting(&house.store, 0).await, waiting(&house.store, 1).await);
    assert_eq!(bare.len(), 2, "{bare:?}");
    assert_eq!(whole.iter().rev().take(2).filter(|body| body.contains("Anna")).count(), 1, "{whole:?}");
    for (whole, bare) in whole.iter().rev().zip(bare.iter().rev()) {
        let begins_alike = whole.starts_with(bare.strip_suffix('}').unwrap());
        assert!(begins_alike, "the vendor's part is the same, byte for byte: {bare} {whole}");
        assert!(!bare.contains("Anna") && !bare.contains("trigger") && !bare.contains("eventId"), "{bare}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_setting_counts_for_receivers_that_are_registered_already() {
    let house = House::new().await;
    waiting(&house.store, 0).await;
    house.store.set_bare_callbacks(|url| url == "http://127.0.0.1:9/").await.unwrap();
    house.person(Person::keypad(ANNA));
    house.until("the door is open", || house.state() == LockState::Unlocked).await;
    house.quiet().await;
    let told = waiting(&house.store, 0).await;
    assert!(told.len() == 2 && told.iter().all(|body| !body.contains("Anna")), "{told:?}");
    house.store.set_bare_callbacks(|_| false).await.unwrap();
    house.person(Person::ManualTurn(Turn::Lock));
    house.until("the door is locked", || house.state() == LockState::Locked).await;
    house.person(Person::keypad(ANNA));
    house.until("the door is open", || house.state() == LockState::Unlocked).await;
    house.quiet().await;
    assert!(waiting(&house.store, 0).await.iter().any(|body| body.contains("Anna")));
}
