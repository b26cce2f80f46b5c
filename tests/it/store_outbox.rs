//! Receivers and what they must still be told.

use keyturner::clock::UnixMillis;
use keyturner::store::{AddCallback, Batch, Callback, Delivery, DeliveryOutcome, OUTBOX_LIMIT, Store};

use crate::store::{Fixture, LOCK, NOW, batch, by_app, events};

async fn tell(store: &Store, seconds: i64, bodies: &[&str]) {
    let callback_bodies = bodies.iter().map(|&b| b.to_owned().into()).collect();
    store.commit(&Batch { callback_bodies, ..batch(seconds) }).await.unwrap();
}

async fn waiting(store: &Store, id: u8) -> Option<String> {
    store.next_delivery(id).await.unwrap().map(|d| d.body)
}

#[tokio::test]
async fn three_receivers_fit_and_the_lowest_free_slot_is_taken() {
    let f = Fixture::new().await;
    for (n, url) in ["http://a/", "http://b/?x=%20", "http://c/"].into_iter().enumerate() {
        assert_eq!(f.store.add_callback(url, NOW).await.unwrap(), AddCallback::Added(n as u8));
    }
    assert_eq!(f.store.add_callback("http://b/?x=%20", NOW).await.unwrap(), AddCallback::AlreadyAdded);
    assert_eq!(f.store.add_callback("http://d/", NOW).await.unwrap(), AddCallback::Full);
    assert!(f.store.remove_callback(1).await.unwrap());
    assert!(!f.store.remove_callback(1).await.unwrap());
    assert_eq!(f.store.add_callback("HTTP://b/?x=%20", NOW).await.unwrap(), AddCallback::Added(1));

    f.store.close().await;
    let store = Store::open(&f.path).await.unwrap();
    let callback = |id, url: &str| Callback { id, url: url.to_owned(), added_at: NOW };
    assert_eq!(
        store.callbacks().await.unwrap(),
        [callback(0, "http://a/"), callback(2, "http://c/"), callback(1, "HTTP://b/?x=%20")]
    );
}

#[tokio::test]
async fn each_receiver_is_told_everything_in_order_and_alone() {
    let f = Fixture::new().await;
    f.store.add_callback("http://a/", NOW).await.unwrap();
    f.store.add_callback("http://b/", NOW).await.unwrap();
    assert_eq!(f.store.next_delivery(0).await.unwrap(), None);
    tell(&f.store, 1, &["one", "two"]).await;
    tell(&f.store, 2, &["three"]).await;

    let first = f.store.next_delivery(0).await.unwrap().unwrap();
    let expected = Delivery {
        outbox_id: first.outbox_id,
        callback_id: 0,
        url: "http://a/".to_owned(),
        body: "one".to_owned(),
        attempts: 0,
        created_at: UnixMillis(NOW.0 + 1000),
    };
    assert_eq!(first, expected);
    f.store.finish_delivery(first.outbox_id, DeliveryOutcome::Retry, NOW).await.unwrap();
    let again = f.store.next_delivery(0).await.unwrap().unwrap();
    assert_eq!(again, Delivery { attempts: 1, ..expected });
    f.store.finish_delivery(first.outbox_id, DeliveryOutcome::Told, NOW).await.unwrap();
    assert_eq!(waiting(&f.store, 0).await.as_deref(), Some("two"));
    let second = f.store.next_delivery(0).await.unwrap().unwrap();
    f.store.finish_delivery(second.outbox_id, DeliveryOutcome::GaveUp("answered 410".to_owned()), NOW).await.unwrap();
    assert_eq!(waiting(&f.store, 0).await.as_deref(), Some("three"));

    assert_eq!(waiting(&f.store, 1).await.as_deref(), Some("one"), "the other one has its own queue");
    assert_eq!(f.count("select count(*) from outbox where state = 'told' and attempts = 2").await, 1);
    assert_eq!(f.count("select count(*) from outbox where state = 'gave_up' and reason = 'answered 410'").await, 1);
}

#[tokio::test]
async fn what_waits_is_still_there_after_a_restart() {
    let f = Fixture::new().await;
    f.store.add_callback("http://a/", NOW).await.unwrap();
    tell(&f.store, 1, &["one"]).await;
    f.store.close().await;
    assert_eq!(waiting(&Store::open(&f.path).await.unwrap(), 0).await.as_deref(), Some("one"));
}

#[tokio::test]
async fn nobody_is_told_what_happened_before_they_came() {
    let f = Fixture::new().await;
    tell(&f.store, 1, &["early"]).await;
    f.store.add_callback("http://a/", NOW).await.unwrap();
    assert_eq!(waiting(&f.store, 0).await, None);
}

#[tokio::test]
async fn a_removed_receiver_leaves_nothing_to_the_next_in_its_slot() {
    let f = Fixture::new().await;
    f.store.add_callback("http://a/", NOW).await.unwrap();
    f.store.add_callback("http://b/", NOW).await.unwrap();
    tell(&f.store, 1, &["one", "two"]).await;
    let told = f.store.next_delivery(0).await.unwrap().unwrap();
    f.store.finish_delivery(told.outbox_id, DeliveryOutcome::Told, NOW).await.unwrap();
    let on_its_way = f.store.next_delivery(0).await.unwrap().unwrap();
    f.store.remove_callback(0).await.unwrap();
    f.store.finish_delivery(on_its_way.outbox_id, DeliveryOutcome::Told, NOW).await.unwrap();

    assert_eq!(f.count("select count(*) from outbox where url = 'http://a/' and state = 'told'").await, 1);
    assert_eq!(f.count("select count(*) from outbox where url = 'http://a/'").await, 1);
    f.store.add_callback("http://a/", NOW).await.unwrap();
    assert_eq!(waiting(&f.store, 0).await, None);
    assert_eq!(waiting(&f.store, 1).await.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_dead_receivers_queue_is_bounded_and_says_what_it_lost() {
    let f = Fixture::new().await;
    f.store.add_callback("http://dead/", NOW).await.unwrap();
    let bodies: Vec<String> = (1..=OUTBOX_LIMIT + 3).map(|n| n.to_string()).collect();
    let (first, rest) = bodies.split_at(2);
    tell(&f.store, 1, &first.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let on_its_way = f.store.next_delivery(0).await.unwrap().unwrap();
    tell(&f.store, 2, &rest.iter().map(String::as_str).collect::<Vec<_>>()).await;

    assert_eq!(f.count("select count(*) from outbox where state = 'waiting'").await, OUTBOX_LIMIT);
    assert_eq!(
        f.count("select count(*) from outbox where state = 'gave_up' and reason = 'too many undelivered'").await,
        3
    );
    assert_eq!(waiting(&f.store, 0).await.as_deref(), Some("4"));
    // It arrived after all: the row says so.
    f.store.finish_delivery(on_its_way.outbox_id, DeliveryOutcome::Told, NOW).await.unwrap();
    assert_eq!(f.count("select count(*) from outbox where state = 'told' and body = '1' and reason is null").await, 1);
    // A late failure does not bring a row back that was given up.
    f.store.finish_delivery(on_its_way.outbox_id + 1, DeliveryOutcome::Retry, NOW).await.unwrap();
    assert_eq!(waiting(&f.store, 0).await.as_deref(), Some("4"));
}

#[tokio::test]
async fn pruning_forgets_only_what_ended_long_ago() {
    let f = Fixture::new().await;
    f.store.add_callback("http://a/", NOW).await.unwrap();
    tell(&f.store, 1, &["old", "new", "waits"]).await;
    for at in [10, 20] {
        let delivery = f.store.next_delivery(0).await.unwrap().unwrap();
        f.store.finish_delivery(delivery.outbox_id, DeliveryOutcome::Told, UnixMillis(at)).await.unwrap();
    }
    assert_eq!(f.store.prune_outbox(UnixMillis(20)).await.unwrap(), 1);
    assert_eq!(f.store.prune_outbox(UnixMillis(i64::MAX)).await.unwrap(), 1);
    assert_eq!(waiting(&f.store, 0).await.as_deref(), Some("waits"));
}

#[tokio::test]
async fn what_is_told_is_stored_in_the_same_moment() {
    let f = Fixture::new().await;
    f.store.add_callback("http://a/", NOW).await.unwrap();
    let unknown_lock =
        Batch { nuki_id: LOCK + 1, callback_bodies: vec!["{}".to_owned().into()], ..events(1, vec![by_app(1)]) };
    f.store.commit(&unknown_lock).await.unwrap_err();
    assert_eq!(waiting(&f.store, 0).await, None);
}
