//! The same action asked for again: joined, answered as before, or done again, as adr/0025 and adr/0026 say.

use std::time::Duration;

use keyturner::gateway::{ActionOutcome, Asker, GatewayError, NotDone, WaitFor};
use keyturner::protocol::{LockAction, LockState};
use keyturner::store::{Begun, IdempotencyKey, KEYS_LIMIT, NewIntent};

use crate::store::run;
use crate::support::house::{BACK_DOOR, House, NUKI_ID, Plan};

type Answer = Result<ActionOutcome, GatewayError>;
type Asked = tokio::task::JoinHandle<Answer>;

const DONE: Answer = Ok(ActionOutcome::Done);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn executions(house: &House) -> u32 {
    house.door.inspect(|lock| lock.executions_total())
}

/// A request of a client, under a key if there is one.
fn request(house: &House, client: &'static str, action: LockAction, key: Option<&str>, wait: WaitFor) -> Asked {
    let (handle, key) = (house.handle(), key.map(|key| IdempotencyKey::of(key.as_bytes())));
    tokio::spawn(async move { handle.act(NUKI_ID, action, Asker { name: client, key }, wait).await })
}

async fn ask(house: &House, client: &'static str, action: LockAction) -> Answer {
    request(house, client, action, None, WaitFor::Completed).await.unwrap()
}

async fn keyed(house: &House, action: LockAction, key: &str) -> Answer {
    request(house, "hall", action, Some(key), WaitFor::Completed).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_one_client_asks_for_fifty_times_at_once_is_done_once_and_answered_to_all() {
    let house = House::new().await;
    let asked: Vec<Asked> =
        (0..50).map(|_| request(&house, "hall", LockAction::Unlatch, None, WaitFor::Completed)).collect();
    for one in asked {
        assert_eq!(one.await.unwrap(), DONE);
    }
    house.quiet().await;
    assert_eq!(executions(&house), 1);
    let intents = house.events().await.iter().filter(|event| event.intent_id.is_some()).count();
    assert_eq!(intents, 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_presses_twice_half_a_minute_apart_gets_two() {
    let house = House::new().await;
    assert_eq!(ask(&house, "hall", LockAction::Unlatch).await, DONE);
    tokio::time::sleep(s(30)).await;
    assert_eq!(ask(&house, "hall", LockAction::Unlatch).await, DONE);
    assert_eq!(executions(&house), 2);
}

#[tokio::test(start_paused = true)]
async fn a_repetition_at_once_is_answered_as_before_and_a_later_one_is_done() {
    let house = House::new().await;
    assert_eq!(ask(&house, "hall", LockAction::Unlatch).await, DONE);
    tokio::time::sleep(Duration::from_millis(1_900)).await;
    assert_eq!(ask(&house, "hall", LockAction::Unlatch).await, DONE);
    assert_eq!(executions(&house), 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(ask(&house, "hall", LockAction::Unlatch).await, DONE);
    assert_eq!(executions(&house), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_window_only_what_is_under_way_is_joined() {
    let mut house = House::new().await;
    house.stop().await;
    house.repeat_window = Duration::ZERO;
    house.start().await;
    let both = [0, 1].map(|_| request(&house, "hall", LockAction::Unlatch, None, WaitFor::Completed));
    for one in both {
        assert_eq!(one.await.unwrap(), DONE);
    }
    assert_eq!(executions(&house), 1);
    assert_eq!(ask(&house, "hall", LockAction::Unlatch).await, DONE);
    assert_eq!(executions(&house), 2);
}

#[tokio::test(start_paused = true)]
async fn another_client_and_another_action_are_no_repetition() {
    let house = House::new().await;
    let both = ["hall", "desk"].map(|client| request(&house, client, LockAction::Unlatch, None, WaitFor::Completed));
    for one in both {
        assert_eq!(one.await.unwrap(), DONE);
    }
    assert_eq!(executions(&house), 2);
    // The door is locked in between, so the same as before has another meaning.
    for action in [LockAction::Unlock, LockAction::Lock, LockAction::Unlock] {
        assert_eq!(ask(&house, "hall", action).await, DONE);
    }
    assert_eq!((executions(&house), house.state()), (5, LockState::Unlocked));
}

#[tokio::test(start_paused = true)]
async fn whoever_joins_gets_the_answer_that_they_wait_for() {
    let house = House::new().await;
    let first = request(&house, "hall", LockAction::Unlock, None, WaitFor::Completed);
    house.until("the motor runs", || house.state() == LockState::Unlocking).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = house.clock.monotonic();
    let second = request(&house, "hall", LockAction::Unlock, None, WaitFor::Accepted).await.unwrap();
    assert_eq!(second, Ok(ActionOutcome::Accepted), "accepted it was already");
    assert_eq!(house.clock.monotonic(), began);
    assert_eq!(first.await.unwrap(), DONE);
    assert_eq!(executions(&house), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_done_may_be_asked_for_again_at_once() {
    let house = House::new().await;
    house.door.set_in_range(false);
    assert_eq!(ask(&house, "hall", LockAction::Unlock).await, Ok(ActionOutcome::NotDone(NotDone::NotSent)));
    house.door.set_in_range(true);
    assert_eq!(ask(&house, "hall", LockAction::Unlock).await, DONE);
    assert_eq!(executions(&house), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_answered_for_a_day_and_its_action_done_once() {
    let mut house = House::new().await;
    let both = [0, 1].map(|_| request(&house, "hall", LockAction::Unlatch, Some("k"), WaitFor::Completed));
    for one in both {
        assert_eq!(one.await.unwrap(), DONE);
    }
    for hours in [1, 22] {
        tokio::time::sleep(Duration::from_hours(hours)).await;
        house.kill().await;
        house.start().await;
        assert_eq!(keyed(&house, LockAction::Unlatch, "k").await, DONE);
        assert_eq!(executions(&house), 1);
    }
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(keyed(&house, LockAction::Unlatch, "k").await, DONE);
    assert_eq!(executions(&house), 2, "after a day it is forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_key_stands_for_one_action_of_one_client_and_is_not_bound_by_the_window() {
    let house = House::planned(Plan { has_back_door: true, ..Plan::default() }).await;
    assert_eq!(keyed(&house, LockAction::Unlatch, "k").await, DONE);
    assert_eq!(keyed(&house, LockAction::Unlock, "k").await, Err(GatewayError::KeyUsed));
    let asker = Asker { name: "hall", key: Some(IdempotencyKey::of(b"k")) };
    let other_lock = house.handle().act(BACK_DOOR, LockAction::Unlatch, asker, WaitFor::Completed).await;
    assert_eq!(other_lock, Err(GatewayError::KeyUsed));
    assert_eq!(executions(&house), 1);
    let (_, back) = (&house.door, &house.back.as_ref().unwrap().0);
    assert_eq!(back.inspect(|lock| lock.executions_total()), 0);
    // A new key says that it is meant, at once as well.
    assert_eq!(keyed(&house, LockAction::Unlatch, "l").await, DONE);
    assert_eq!(executions(&house), 2);
    let other_client = request(&house, "desk", LockAction::Unlatch, Some("k"), WaitFor::Completed);
    assert_eq!(other_client.await.unwrap(), DONE);
    assert_eq!(executions(&house), 3);
}

#[tokio::test(start_paused = true)]
async fn one_key_at_two_locks_at_once_is_done_at_one() {
    let house = House::planned(Plan { has_back_door: true, ..Plan::default() }).await;
    let both = [NUKI_ID, BACK_DOOR].map(|lock| {
        let handle = house.handle();
        let asker = Asker { name: "hall", key: Some(IdempotencyKey::of(b"k")) };
        tokio::spawn(async move { handle.act(lock, LockAction::Unlatch, asker, WaitFor::Completed).await })
    });
    let mut answers = Vec::new();
    for one in both {
        answers.push(one.await.unwrap());
    }
    answers.sort_by_key(Result::is_err);
    assert_eq!(answers, [DONE, Err(GatewayError::KeyUsed)]);
    let back = house.back.as_ref().unwrap().0.inspect(|lock| lock.executions_total());
    assert_eq!(executions(&house) + back, 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_not_executed_again_by_a_gateway_that_was_killed_in_the_middle() {
    for millis in (0..2_800).step_by(200) {
        let mut house = House::new().await;
        let asked = request(&house, "hall", LockAction::Unlatch, Some("k"), WaitFor::Completed);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        house.kill().await;
        asked.await.unwrap().ok();
        let before = executions(&house);
        house.launch().await;
        let again = keyed(&house, LockAction::Unlatch, "k").await;
        tokio::time::sleep(s(30)).await;
        // Killed before the key was on disk, it is new, and nothing can have left.
        let is_new = before == 0 && again == DONE;
        assert!(is_new || again == Ok(ActionOutcome::Unknown), "{millis} ms: {again:?}");
        assert_eq!(executions(&house), if is_new { 1 } else { before }, "{millis} ms");
        assert_eq!(keyed(&house, LockAction::Unlatch, "k").await, again, "{millis} ms: and it stays so");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_gateway_was_killed_and_that_repeats_at_once_opens_no_door_twice() {
    let mut house = House::new().await;
    let asked = request(&house, "hall", LockAction::Unlatch, None, WaitFor::Completed);
    house.until("the motor runs", || house.state() == LockState::Unlatching).await;
    house.kill().await;
    asked.await.unwrap().ok();
    house.launch().await;
    assert_eq!(ask(&house, "hall", LockAction::Unlatch).await, Ok(ActionOutcome::Unknown));
    tokio::time::sleep(s(30)).await;
    assert_eq!(executions(&house), 1);
    assert_eq!(ask(&house, "hall", LockAction::Unlatch).await, DONE);
    assert_eq!(executions(&house), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_action_never_left_may_be_used_again() {
    let house = House::new().await;
    house.door.set_in_range(false);
    let never = keyed(&house, LockAction::Unlatch, "k").await;
    assert_eq!(never, Ok(ActionOutcome::NotDone(NotDone::NotSent)));
    house.door.set_in_range(true);
    assert_eq!(keyed(&house, LockAction::Unlatch, "k").await, DONE);
    assert_eq!(keyed(&house, LockAction::Unlatch, "k").await, DONE);
    assert_eq!(executions(&house), 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_on_disk_as_a_digest_and_without_it_nothing_is_sent() {
    let house = House::new().await;
    assert_eq!(keyed(&house, LockAction::Unlatch, "a-key-that-says-who").await, DONE);
    let bytes =
        [std::fs::read(house.database()).unwrap(), std::fs::read(house.database().with_extension("db-wal")).unwrap()];
    let text = b"a-key-that-says-who";
    assert!(bytes.concat().windows(text.len()).all(|window| window != text));
    let broken = "create trigger broken before insert on intent_keys begin select raise(abort, 'full'); end";
    run(&house.database(), broken).await;
    let refused = keyed(&house, LockAction::Unlatch, "l").await;
    assert!(matches!(refused, Err(GatewayError::Storage(_))), "{refused:?}");
    tokio::time::sleep(s(30)).await;
    assert_eq!(executions(&house), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_used_up_its_keys_is_refused_rather_than_forgotten() {
    let house = House::new().await;
    let now = house.clock.wall();
    let intent = |requester: &str| NewIntent {
        nuki_id: NUKI_ID,
        action: LockAction::Unlatch,
        requester: requester.to_owned(),
        at: now,
    };
    let first = house.store.begin_keyed_intent(&intent("hall"), &IdempotencyKey::of(b"first")).await.unwrap();
    let Begun::New(id) = first else { panic!("{first:?}") };
    let fill: &'static str = Box::leak(format!(
        "with recursive n(i) as (select 2 union all select i + 1 from n where i < {KEYS_LIMIT})
         insert into intent_keys (requester, digest, intent_id, created_at) select 'hall', cast(i as blob), {id}, {} from n",
        now.0 - 23 * 3_600_000
    ).into_boxed_str());
    run(&house.database(), fill).await;
    let full = keyed(&house, LockAction::Unlatch, "one more").await;
    assert!(matches!(full, Err(GatewayError::TooManyKeys(wait)) if (s(3_000)..=s(3_600)).contains(&wait)), "{full:?}");
    assert_eq!(executions(&house), 0);
    let other = request(&house, "desk", LockAction::Unlatch, Some("one more"), WaitFor::Completed);
    assert_eq!(other.await.unwrap(), DONE, "others have keys of their own");
    assert_eq!(ask(&house, "hall", LockAction::Unlatch).await, DONE, "and without a key it goes on");
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(keyed(&house, LockAction::Unlatch, "one more").await, DONE);
}
