//! How long webhooks are patient, in virtual time: waits, dead letters, and what counts as whose fault.

use std::time::Duration;

use keyturner::store::NewWebhook;
use tokio::time::sleep;

use crate::store::{NOW, by_app, pending, run};
use crate::support::webhooks::{Desk, Manner, minutes, plain};

#[tokio::test(start_paused = true)]
async fn waits_grow_with_jitter_from_a_second_to_a_quarter_of_an_hour() {
    let desk = Desk::new().await;
    desk.add("a").await;
    desk.add("b").await;
    desk.net.set("a", Manner::Down);
    desk.net.set("b", Manner::Says(503));
    desk.commit(vec![by_app(1)]).await;
    for _ in 0..180 {
        sleep(minutes(1)).await;
        // New events do not make it try faster.
        desk.commit(vec![pending()]).await;
    }
    let gaps = |name: &str| -> Vec<i64> { desk.net.tried(name).windows(2).map(|pair| pair[1].0 - pair[0].0).collect() };
    for name in ["a", "b"] {
        for (count, gap) in gaps(name).into_iter().enumerate() {
            let bound = 900_000.min(2_000 << count.min(20));
            assert!((bound / 2..=bound).contains(&gap), "{name}, wait {count}: {gap} ms");
        }
        assert!(gaps(name).len() > 15);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_asks_for_is_honoured_up_to_a_quarter_of_an_hour() {
    let desk = Desk::new().await;
    desk.add("house").await;
    desk.net.set("house", Manner::AsksFor(100));
    desk.commit(vec![by_app(1)]).await;
    sleep(minutes(1)).await;
    desk.net.set("house", Manner::AsksFor(1_000_000));
    sleep(minutes(20)).await;
    let tried: Vec<i64> = desk.net.tried("house").iter().map(|at| at.0).collect();
    assert_eq!(tried[1] - tried[0], 100_000);
    assert_eq!(tried[2] - tried[1], 900_000);
}

#[tokio::test(start_paused = true)]
async fn after_24_hours_an_event_is_a_dead_letter_that_can_be_seen_and_replayed() {
    let desk = Desk::new().await;
    let id = desk.add("house").await;
    desk.net.set("house", Manner::Down);
    let old = desk.commit((0..3).map(by_app).collect()).await;
    sleep(Duration::from_hours(23)).await;
    assert_eq!(desk.status("house").await.dead, 0);
    let young = desk.commit(vec![by_app(3)]).await;
    sleep(minutes(76)).await;

    let status = desk.status("house").await;
    assert_eq!((status.waiting, status.dead), (1, 3), "only what is older than a day");
    let letters = desk.store.dead_letters(id, 100).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.event_id).collect::<Vec<_>>(), old);
    assert_eq!(letters[0].reason, "cannot connect: refused");
    assert!(letters[0].attempts > 90 && letters[0].ended_at >= NOW.0 + 24 * 3_600_000, "{:?}", letters[0]);

    desk.net.set("house", Manner::Up);
    assert_eq!(desk.store.replay_dead_letters(id, Some(&[letters[1].id, 4711]), desk.clock.wall()).await.unwrap(), 1);
    // At once, not after the wait that has grown to a quarter of an hour.
    sleep(Duration::from_secs(31)).await;
    assert_eq!(desk.net.sequences("house"), [old[1], young[0]]);
    assert_eq!(desk.net.taken("house")[0].key, letters[1].key);
    assert_eq!(desk.store.replay_dead_letters(id, None, desk.clock.wall()).await.unwrap(), 2);
    sleep(Duration::from_secs(31)).await;
    assert_eq!(desk.net.sequences("house")[2..], [old[0], old[2]]);
    assert_eq!(desk.status("house").await.dead, 0);
}

#[tokio::test(start_paused = true)]
async fn a_replayed_dead_letter_has_a_day_of_its_own() {
    let desk = Desk::new().await;
    let id = desk.add("house").await;
    desk.net.set("house", Manner::Down);
    desk.commit(vec![by_app(1)]).await;
    sleep(Duration::from_hours(25)).await;
    assert_eq!(desk.store.replay_dead_letters(id, None, desk.clock.wall()).await.unwrap(), 1);
    sleep(Duration::from_hours(23)).await;
    assert_eq!(desk.status("house").await.waiting, 1);
    sleep(minutes(80)).await;
    assert_eq!((desk.status("house").await.waiting, desk.status("house").await.dead), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn how_long_is_tried_can_be_set() {
    let desk = Desk::new().await;
    let name = "house".to_owned();
    desk.add_with(NewWebhook { name, give_up_after: Duration::from_hours(2), ..plain() }).await;
    desk.net.set("house", Manner::Down);
    desk.commit(vec![by_app(1)]).await;
    sleep(minutes(119)).await;
    assert_eq!(desk.status("house").await.dead, 0);
    sleep(minutes(16)).await;
    assert_eq!(desk.status("house").await.dead, 1);
}

#[tokio::test(start_paused = true)]
async fn events_that_waited_through_a_power_cut_are_not_given_up_because_the_network_comes_later() {
    let mut desk = Desk::new().await;
    desk.add("house").await;
    desk.net.set("house", Manner::Down);
    let ids = desk.commit(vec![by_app(1), by_app(2)]).await;
    desk.stop().await;
    sleep(Duration::from_hours(70)).await;
    desk.start();
    sleep(minutes(40)).await;
    assert_eq!(desk.status("house").await.dead, 0);
    desk.net.set("house", Manner::Up);
    sleep(minutes(15)).await;
    assert_eq!(desk.net.sequences("house"), ids);
}

#[tokio::test(start_paused = true)]
async fn a_refused_event_holds_up_the_rest_for_an_hour_at_most() {
    let desk = Desk::new().await;
    let webhook = desk.add("house").await;
    let ids = desk.commit((0..4).map(by_app).collect()).await;
    sleep(minutes(1)).await;
    desk.net.set("house", Manner::Refuses(ids[3] + 2));
    let more = desk.commit((4..8).map(by_app).collect()).await;
    sleep(minutes(59)).await;
    assert_eq!(desk.net.sequences("house"), [&ids[..], &more[..1]].concat(), "it is not overtaken");
    sleep(minutes(17)).await;
    assert_eq!(desk.net.sequences("house"), [&ids[..], &[more[0], more[2], more[3]]].concat());
    let letters = desk.store.dead_letters(webhook, 10).await.unwrap();
    assert_eq!((letters.len(), letters[0].event_id), (1, more[1]));
    assert_eq!(letters[0].reason, "refused with status 422");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_refuses_everything_for_a_while_loses_nothing() {
    let desk = Desk::new().await;
    desk.add("house").await;
    desk.net.set("house", Manner::Says(400));
    let ids = desk.commit((0..9).map(by_app).collect()).await;
    sleep(minutes(50)).await;
    desk.net.set("house", Manner::Up);
    sleep(minutes(15)).await;
    assert_eq!(desk.net.sequences("house"), ids);
}

#[tokio::test(start_paused = true)]
async fn redirects_errors_and_gone_are_tried_again() {
    let desk = Desk::new().await;
    desk.add("house").await;
    let id = desk.commit(vec![by_app(1)]).await;
    assert_eq!(id.len(), 1);
    sleep(Duration::from_secs(1)).await;
    for code in [301, 302, 307, 308, 401, 403, 404, 408, 409, 410, 425, 429, 500, 502, 503, 504] {
        desk.net.set("house", Manner::Says(code));
        let before = desk.net.taken("house").len();
        desk.commit(vec![by_app(1000 + u32::from(code))]).await;
        sleep(minutes(1)).await;
        assert_eq!(desk.net.taken("house").len(), before, "{code}");
        let error = desk.status("house").await.last_error.unwrap();
        assert!(error.contains(&code.to_string()), "{error}");
        assert_eq!(error.contains("redirects are not followed"), code < 400, "{error}");
        desk.net.set("house", Manner::Up);
        sleep(minutes(2)).await;
        assert_eq!(desk.net.taken("house").len(), before + 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_makes_dead_letters_of_the_oldest_and_says_so() {
    let desk = Desk::new().await;
    let name = "house".to_owned();
    let id = desk.add_with(NewWebhook { name, queue_limit: 5, ..plain() }).await;
    desk.add("good").await;
    desk.net.set("house", Manner::Down);
    let ids = desk.commit((0..8).map(by_app).collect()).await;
    sleep(minutes(1)).await;
    let status = desk.status("house").await;
    assert_eq!((status.waiting, status.dead, status.overflowed, status.queue_limit), (5, 3, 3, 5));
    let letters = desk.store.dead_letters(id, 10).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.event_id).collect::<Vec<_>>(), ids[..3]);
    assert!(letters.iter().all(|letter| letter.reason == "too many waited"));
    assert_eq!(desk.net.sequences("good"), ids);
    desk.net.set("house", Manner::Up);
    sleep(minutes(5)).await;
    assert_eq!(desk.net.sequences("house"), ids[3..]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_receiver_is_spared_although_the_store_cannot_note_the_failure() {
    let desk = Desk::new().await;
    desk.add("house").await;
    desk.net.set("house", Manner::Down);
    run(&desk.path, "create trigger full before update on webhooks begin select raise(abort, 'disk full'); end").await;
    desk.commit(vec![by_app(1)]).await;
    sleep(minutes(60)).await;
    assert!((11..20).contains(&desk.net.tried("house").len()), "{:?}", desk.net.tried("house"));
}
