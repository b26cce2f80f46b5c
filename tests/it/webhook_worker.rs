//! Webhooks in virtual time: order, once per key, patience, and nobody's trouble is another's.

use std::collections::BTreeSet;
use std::time::Duration;

use keyturner::store::NewWebhook;
use tokio::time::sleep;

use crate::store::{LOCK, NOW, by_app, by_code, pending};
use crate::support::webhooks::{Desk, Manner, OTHER_LOCK, Taken, minutes, plain, secret};

/// An event every five minutes at one of two doors, some with their user late; all their numbers.
async fn a_day_at_the_door(desk: &Desk) -> Vec<i64> {
    let mut ids = Vec::new();
    for index in 0..288_u32 {
        let event = match index % 4 {
            0 => by_app(index),
            1 => by_code(index),
            2 => pending(),
            _ => keyturner::attribution::Event { answers_pending: true, ..by_app(index) },
        };
        let lock = if index % 8 < 4 { LOCK } else { OTHER_LOCK };
        ids.extend(desk.commit_at(lock, vec![event]).await);
        sleep(minutes(5)).await;
    }
    assert_eq!(ids.len(), 288);
    ids
}

fn keys(taken: &[Taken]) -> BTreeSet<String> {
    taken.iter().map(|taken| taken.key.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn after_a_day_down_everything_arrives_in_order_and_once_per_key() {
    let desk = Desk::new().await;
    desk.add("house").await;
    desk.net.set("house", Manner::Down);
    let ids = a_day_at_the_door(&desk).await;
    assert_eq!(desk.net.taken("house"), []);
    assert_eq!(desk.status("house").await.waiting, 288);

    desk.net.set("house", Manner::Up);
    sleep(minutes(15)).await;
    let taken = desk.net.taken("house");
    assert_eq!(desk.net.sequences("house"), ids);
    assert_eq!(keys(&taken).len(), ids.len(), "each key once");
    let status = desk.status("house").await;
    assert_eq!((status.waiting, status.dead, status.failures), (0, 0, 0));
    // A day is not hammered at: it is tried once in 7.5 minutes at most, once the wait has grown.
    let tries = desk.net.tried("house").len() - ids.len();
    assert!((96..=210).contains(&tries), "{tries}");
}

#[tokio::test(start_paused = true)]
async fn restarts_in_the_middle_lose_nothing_and_change_no_key() {
    let mut desk = Desk::new().await;
    desk.add("house").await;
    desk.net.set("house", Manner::Down);
    let mut ids = desk.commit((0..40).map(by_app).collect()).await;
    sleep(minutes(100)).await;
    desk.restart().await;
    ids.extend(desk.commit((40..80).map(by_code).collect()).await);
    sleep(minutes(30)).await;
    desk.net.set("house", Manner::Slow);
    while desk.net.taken("house").len() < 33 {
        sleep(Duration::from_millis(300)).await;
    }
    // In the middle of a delivery: taken, and not yet noted.
    desk.restart().await;
    sleep(minutes(5)).await;

    let taken = desk.net.taken("house");
    let mut sequences = desk.net.sequences("house");
    assert_eq!(sequences.len(), 81, "the one that was under way came again");
    assert_eq!(keys(&taken).len(), 80, "with the same key");
    sequences.dedup();
    assert_eq!(sequences, ids);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_dies_after_taking_gets_the_same_again_under_the_same_key() {
    let desk = Desk::new().await;
    desk.add("house").await;
    desk.net.set("house", Manner::DiesAfterTaking);
    let ids = desk.commit((0..5).map(by_app).collect()).await;
    sleep(minutes(2)).await;
    let taken = desk.net.taken("house");
    assert_eq!((taken.len(), keys(&taken).len()), (10, 5));
    for (pair, id) in taken.chunks_exact(2).zip(ids) {
        assert_eq!((pair[0].sequence(), pair[1].sequence()), (id, id));
        assert_eq!((&pair[0].key, &pair[0].body), (&pair[1].key, &pair[1].body));
        assert_ne!(pair[0].message.signature, pair[1].message.signature, "each try has the time of its own");
    }
}

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
async fn no_receiver_suffers_from_another() {
    let desk = Desk::new().await;
    let bad = [("down", Manner::Down), ("hangs", Manner::Hangs), ("errs", Manner::Says(500)), ("slow", Manner::Slow)];
    for (name, manner) in bad {
        desk.add(name).await;
        desk.net.set(name, manner);
    }
    desk.add("good").await;
    let mut stored = Vec::new();
    for index in 0..100 {
        desk.commit(vec![by_app(index)]).await;
        stored.push(desk.clock.wall());
        sleep(Duration::from_secs(20)).await;
    }
    let told: Vec<_> = desk.net.taken("good").iter().map(|taken| taken.at).collect();
    assert_eq!(told, stored, "each in the moment in which it was stored");
    for name in ["down", "hangs", "errs"] {
        let status = desk.status(name).await;
        assert_eq!((status.waiting, status.last_told_at), (100, None), "{name}");
        assert!(status.last_error.is_some() && status.next_try_at.is_some());
    }
    assert_eq!(desk.status("slow").await.waiting, 0);
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
async fn receivers_come_and_go_while_the_gateway_runs() {
    let desk = Desk::new().await;
    desk.commit(vec![by_app(1)]).await;
    desk.add("late").await;
    let second = desk.commit(vec![by_app(2)]).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(desk.net.sequences("late"), second, "nothing of what was before it came");
    desk.store.remove_webhook("late").await.unwrap();
    sleep(Duration::from_secs(31)).await;
    desk.commit(vec![by_app(3)]).await;
    sleep(minutes(5)).await;
    assert_eq!(desk.net.sequences("late"), second);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_whose_url_is_not_there_yet_waits_for_it() {
    let desk = Desk::new().await;
    let id = desk.add("house").await;
    desk.add("other").await;
    desk.secrets.lock().unwrap().clear();
    desk.store.remove_webhook("house").await.unwrap();
    let keyturner::store::AddWebhook::Added(new) =
        desk.store.add_webhook(&NewWebhook { name: "house".to_owned(), ..plain() }, NOW).await.unwrap()
    else {
        panic!("the name is free again");
    };
    assert!(new > id + 1, "a number comes never twice");
    let ids = desk.commit(vec![by_app(1)]).await;
    sleep(minutes(3)).await;
    assert_eq!((desk.net.sequences("other"), desk.net.taken("house")), (ids.clone(), vec![]));
    desk.secrets.lock().unwrap().push(secret(new, "https://house/"));
    sleep(Duration::from_secs(31)).await;
    assert_eq!(desk.net.sequences("house"), ids);
}

#[tokio::test(start_paused = true)]
async fn the_body_says_what_the_history_says() {
    let desk = Desk::new().await;
    desk.add("house").await;
    let question = desk.commit(vec![pending()]).await[0];
    sleep(Duration::from_secs(5)).await;
    let answer = keyturner::attribution::Event { answers_pending: true, ..by_app(8) };
    let answered = desk.commit(vec![answer]).await[0];
    sleep(Duration::from_secs(5)).await;
    let taken = desk.net.taken("house");
    let (first, second) = (&taken[0].body, &taken[1].body);
    assert_eq!(first["webhook"], "house");
    assert_eq!(first["deliveryId"], taken[0].key.as_str());
    assert_eq!((first["sequence"].as_i64(), first.get("answers")), (Some(question), None));
    assert_eq!((&first["event"]["attribution"], &first["event"]["name"]), (&"pending".into(), &"".into()));
    assert_eq!((second["sequence"].as_i64(), second["answers"].as_str()), (Some(answered), Some("1")));
    assert_eq!((&second["event"]["id"], &second["event"]["name"]), (&"1".into(), &"Anna".into()));
    assert_eq!((&second["event"]["attribution"], second["event"]["authId"].as_u64()), (&"matched".into(), Some(7)));
    assert_eq!((&second["event"]["state"], &second["event"]["kind"]), (&0.into(), &"lock_action".into()));
}

#[tokio::test(start_paused = true)]
async fn a_question_stays_one_although_it_was_answered_before_it_could_be_told() {
    let desk = Desk::new().await;
    desk.add("house").await;
    desk.net.set("house", Manner::Down);
    desk.commit(vec![pending()]).await;
    let answer = keyturner::attribution::Event { answers_pending: true, ..by_app(8) };
    desk.commit(vec![answer]).await;
    sleep(minutes(5)).await;
    desk.net.set("house", Manner::Up);
    sleep(minutes(15)).await;
    let taken = desk.net.taken("house");
    assert_eq!(taken[0].body["event"]["attribution"], "pending");
    assert_eq!(taken[1].body["event"]["attribution"], "matched");
}
