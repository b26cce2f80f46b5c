//! Webhooks in virtual time: order, once per key, and nobody's trouble is another's.

use std::collections::BTreeSet;
use std::time::Duration;

use keyturner::store::NewWebhook;
use tokio::time::sleep;

use crate::store::{LOCK, NOW, by_app, by_code, pending, run};
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

#[tokio::test(start_paused = true)]
async fn an_event_is_not_sent_twice_because_the_store_could_not_note_it() {
    let desk = Desk::new().await;
    desk.add("house").await;
    run(
        &desk.path,
        "create trigger full before update on webhook_deliveries begin select raise(abort, 'disk full'); end",
    )
    .await;
    let ids = desk.commit(vec![by_app(1), by_app(2)]).await;
    sleep(minutes(5)).await;
    assert_eq!(desk.net.sequences("house"), ids[..1]);
    assert_eq!(desk.pulses.silent(), None, "starting anew would help nobody");
    run(&desk.path, "drop trigger full").await;
    sleep(minutes(1)).await;
    assert_eq!(desk.net.sequences("house"), ids);
}

#[tokio::test(start_paused = true)]
async fn what_retention_removed_before_it_was_told_is_a_dead_letter_that_says_so() {
    let desk = Desk::new().await;
    let id = desk.add("house").await;
    desk.net.set("house", Manner::Down);
    let ids = desk.commit(vec![by_app(1), by_app(2)]).await;
    // The rows go as retention lets them go.
    run(&desk.path, "drop trigger events_are_not_deleted").await;
    run(&desk.path, "delete from events where id = 1").await;
    desk.net.set("house", Manner::Up);
    // The clock may have run while the owner worked, and the waits have grown.
    sleep(minutes(15)).await;
    assert_eq!(desk.net.sequences("house"), ids[1..]);
    let letters = desk.store.dead_letters(id, 10).await.unwrap();
    assert_eq!((letters.len(), letters[0].reason.as_str()), (1, "retention has removed the event"));
}

#[tokio::test(start_paused = true)]
async fn who_was_erased_while_an_event_waited_is_not_in_it() {
    let desk = Desk::new().await;
    desk.add("house").await;
    desk.net.set("house", Manner::Down);
    desk.commit(vec![by_app(1)]).await;
    sleep(minutes(5)).await;
    run(&desk.path, "drop trigger events_are_not_changed").await;
    run(&desk.path, "update events set auth_id = null, auth_name = null, user_name = null, raw = x''").await;
    desk.net.set("house", Manner::Up);
    sleep(minutes(15)).await;
    let taken = desk.net.taken("house");
    assert_eq!((taken.len(), &taken[0].body["event"]["name"]), (1, &"".into()));
    assert!(!taken[0].message.body.contains("Anna"));
}
