//! What is queued for which webhook, and in which moment.

use keyturner::attribution::Event;
use keyturner::clock::UnixMillis;
use keyturner::protocol::CompletionStatus;
use keyturner::store::{AddWebhook, Batch, MAX_WEBHOOKS, NewWebhook, Store, WebhookFilter};

use crate::store::{Fixture, LOCK, NOW, by_app, by_code, events, lock_row, pending};
use crate::support::webhooks::{OTHER_LOCK, plain};

async fn add(store: &Store, name: &str, filter: WebhookFilter) -> i64 {
    let webhook = NewWebhook { name: name.to_owned(), filter, ..plain() };
    let AddWebhook::Added(id) = store.add_webhook(&webhook, NOW).await.unwrap() else { panic!("not added") };
    id
}

/// The numbers of what waits, taken out one after the other.
async fn waiting(store: &Store, id: i64) -> Vec<i64> {
    let mut events = Vec::new();
    while let Some(delivery) = store.next_webhook_delivery(id).await.unwrap() {
        events.push(delivery.event_id);
        store.webhook_told(&delivery, NOW).await.unwrap();
    }
    events
}

fn refused(log_index: u32) -> Event {
    Event { completion_status: Some(CompletionStatus::InvalidCode), change: None, ..by_code(log_index) }
}

#[tokio::test]
async fn each_receiver_gets_what_its_filter_lets_through() {
    let f = Fixture::new().await;
    f.store.register_lock(&lock_row(OTHER_LOCK, "Back door")).await.unwrap();
    let none = WebhookFilter::default;
    let all = add(&f.store, "all", none()).await;
    let back = add(&f.store, "back", WebhookFilter { nuki_ids: vec![OTHER_LOCK], ..none() }).await;
    let anna = add(&f.store, "anna", WebhookFilter { auth_ids: vec![7], ..none() }).await;
    let either = add(&f.store, "either", WebhookFilter { auth_ids: vec![7], code_ids: vec![1], ..none() }).await;
    let code = add(&f.store, "code", WebhookFilter { code_ids: vec![1], ..none() }).await;
    let keypad = add(&f.store, "keypad", WebhookFilter { kinds: vec!["keypad_action".to_owned()], ..none() }).await;
    let bad = add(&f.store, "bad", WebhookFilter { refused_only: true, ..none() }).await;
    let both = WebhookFilter { nuki_ids: vec![OTHER_LOCK], auth_ids: vec![7], ..none() };
    let both = add(&f.store, "both", both).await;

    f.store.commit(&events(1, vec![by_app(1), by_code(2), refused(3)])).await.unwrap();
    f.store.commit(&Batch { nuki_id: OTHER_LOCK, ..events(2, vec![by_app(1), by_code(2)]) }).await.unwrap();

    assert_eq!(waiting(&f.store, all).await, [1, 2, 3, 4, 5]);
    assert_eq!(waiting(&f.store, back).await, [4, 5]);
    assert_eq!(waiting(&f.store, anna).await, [1, 4]);
    assert_eq!(waiting(&f.store, either).await, [1, 2, 3, 4, 5]);
    assert_eq!(waiting(&f.store, code).await, [2, 3, 5]);
    assert_eq!(waiting(&f.store, keypad).await, [2, 3, 5]);
    assert_eq!(waiting(&f.store, bad).await, [3]);
    assert_eq!(waiting(&f.store, both).await, [4]);
}

#[tokio::test]
async fn the_record_of_an_erasure_goes_to_whoever_asked_for_erasures() {
    let f = Fixture::new().await;
    let only = |kind: &str| WebhookFilter { kinds: vec![kind.to_owned()], ..WebhookFilter::default() };
    let erasures = add(&f.store, "erasures", only("erasure")).await;
    let removals = add(&f.store, "removals", only("retention")).await;
    f.store.commit(&events(1, vec![by_app(1), by_code(2)])).await.unwrap();
    f.store.erase(&f.path, &"auth:7".parse().unwrap(), None, NOW).await.unwrap();
    assert_eq!(f.store.live_row(3).await.unwrap().unwrap().entry.kind, "erasure");
    assert_eq!(waiting(&f.store, erasures).await, [3]);
    assert_eq!(waiting(&f.store, removals).await, Vec::<i64>::new());
}

#[tokio::test]
async fn a_late_user_goes_to_whoever_asked_for_that_user() {
    let f = Fixture::new().await;
    let all = add(&f.store, "all", WebhookFilter::default()).await;
    let anna = add(&f.store, "anna", WebhookFilter { auth_ids: vec![7], ..WebhookFilter::default() }).await;
    let other = add(&f.store, "other", WebhookFilter { auth_ids: vec![8], ..WebhookFilter::default() }).await;
    f.store.commit(&events(1, vec![pending()])).await.unwrap();
    let answer = Event { answers_pending: true, ..by_app(5) };
    f.store.commit(&events(2, vec![answer])).await.unwrap();
    assert_eq!(waiting(&f.store, all).await, [1, 2]);
    assert_eq!(waiting(&f.store, anna).await, [2], "the question had no user yet");
    assert_eq!(waiting(&f.store, other).await, Vec::<i64>::new());
    let told = f.store.live_row(2).await.unwrap().unwrap();
    assert_eq!((told.answers, told.entry.id, told.entry.user_name.as_deref()), (Some(1), 1, Some("Anna")));
    let question = f.store.live_row(1).await.unwrap().unwrap();
    assert_eq!((question.answers, question.entry.attribution.as_str()), (None, "pending"));
}

#[tokio::test]
async fn what_was_backfilled_and_what_was_refused_is_told_too() {
    let f = Fixture::new().await;
    let all = add(&f.store, "all", WebhookFilter::default()).await;
    let missed = Event { backfilled: true, ..by_app(1) };
    f.store.commit(&events(1, vec![missed, refused(2)])).await.unwrap();
    assert_eq!(waiting(&f.store, all).await, [1, 2]);
}

#[tokio::test]
async fn an_event_is_queued_in_the_moment_in_which_it_is_stored_and_once() {
    let f = Fixture::new().await;
    let all = add(&f.store, "all", WebhookFilter::default()).await;
    let unknown_lock = Batch { nuki_id: LOCK + 9, ..events(1, vec![by_app(1)]) };
    f.store.commit(&unknown_lock).await.unwrap_err();
    // The last event of a batch that cannot be stored takes the first with it.
    let with_unknown_intent = Event { intent_id: Some(4711), ..by_app(2) };
    f.store.commit(&events(1, vec![by_app(1), with_unknown_intent])).await.unwrap_err();
    assert_eq!(f.store.next_webhook_delivery(all).await.unwrap(), None);
    for _ in 0..3 {
        f.store.commit(&events(1, vec![by_app(1)])).await.unwrap();
    }
    assert_eq!(waiting(&f.store, all).await, [1]);
}

#[tokio::test]
async fn names_are_unique_numbers_come_never_twice_and_there_is_an_end() {
    let f = Fixture::new().await;
    let first = add(&f.store, "a", WebhookFilter::default()).await;
    assert_eq!(
        f.store.add_webhook(&NewWebhook { name: "a".to_owned(), ..plain() }, NOW).await.unwrap(),
        AddWebhook::NameTaken
    );
    f.store.commit(&events(1, vec![by_app(1)])).await.unwrap();
    assert_eq!(f.store.remove_webhook("a").await.unwrap(), Some(first));
    assert_eq!(f.store.remove_webhook("a").await.unwrap(), None);
    assert_eq!(f.count("select count(*) from webhook_deliveries").await, 0, "what waited is dropped");
    for n in 0..MAX_WEBHOOKS {
        assert!(add(&f.store, &n.to_string(), WebhookFilter::default()).await > first);
    }
    assert_eq!(f.store.add_webhook(&plain(), NOW).await.unwrap(), AddWebhook::Full);
}

#[tokio::test]
async fn a_delivery_on_its_way_to_a_removed_receiver_is_no_error() {
    let f = Fixture::new().await;
    let id = add(&f.store, "a", WebhookFilter::default()).await;
    f.store.commit(&events(1, vec![by_app(1)])).await.unwrap();
    let delivery = f.store.next_webhook_delivery(id).await.unwrap().unwrap();
    f.store.remove_webhook("a").await.unwrap();
    f.store.webhook_told(&delivery, NOW).await.unwrap();
    assert_eq!(f.store.webhook_status().await.unwrap(), []);
}

#[tokio::test]
async fn what_ended_is_forgotten_after_a_while_and_what_waits_never() {
    let f = Fixture::new().await;
    let id = add(&f.store, "a", WebhookFilter::default()).await;
    f.store.commit(&events(1, (1..=4).map(by_app).collect())).await.unwrap();
    let told = f.store.next_webhook_delivery(id).await.unwrap().unwrap();
    f.store.webhook_told(&told, NOW).await.unwrap();
    let dead = f.store.next_webhook_delivery(id).await.unwrap().unwrap();
    f.store.webhook_dead(&dead, "refused", NOW).await.unwrap();
    let late = f.store.next_webhook_delivery(id).await.unwrap().unwrap();
    f.store.webhook_told(&late, UnixMillis(NOW.0 + 1)).await.unwrap();
    assert_eq!(f.store.prune_webhook_deliveries(NOW).await.unwrap(), 0);
    assert_eq!(f.store.prune_webhook_deliveries(UnixMillis(NOW.0 + 1)).await.unwrap(), 2);
    assert_eq!(f.count("select count(*) from webhook_deliveries").await, 2);
    assert_eq!(waiting(&f.store, id).await, [4]);
}

#[tokio::test]
async fn an_event_that_is_gone_has_nothing_to_tell() {
    let f = Fixture::new().await;
    assert_eq!(f.store.live_row(99).await.unwrap(), None);
}

#[tokio::test]
async fn an_old_backup_put_back_gives_no_new_event_a_known_key() {
    let f = Fixture::new().await;
    let id = add(&f.store, "a", WebhookFilter::default()).await;
    f.store.close().await;
    let backup = f.dir.path().join("backup.db");
    std::fs::copy(&f.path, &backup).unwrap();
    let mut keys = Vec::new();
    for path in [&f.path, &backup] {
        let store = Store::open(path).await.unwrap();
        store.commit(&events(1, vec![by_app(1)])).await.unwrap();
        let delivery = store.next_webhook_delivery(id).await.unwrap().unwrap();
        assert_eq!(delivery.event_id, 1);
        keys.push(delivery.key);
    }
    assert_ne!(keys[0], keys[1]);
}
