//! The queues behind the slots, in paused time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyturner::clock::{Clock, UnixMillis};
use keyturner::delivery::{Outbox, Post, Posted, Target, Waker, Workers, start};
use keyturner::pulse::Pulses;
use keyturner::store::{Callback, CallbackQueue, Delivery, DeliveryOutcome, StoreError};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::http_support::NOW;

#[derive(Clone, Default)]
struct Queues(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    callbacks: Vec<Callback>,
    queues: [VecDeque<Delivery>; 3],
    finished: Vec<(i64, DeliveryOutcome)>,
    failing_writes: u32,
    looks: [u32; 3],
}

impl Queues {
    fn with(urls: &[&str]) -> Self {
        let queues = Self::default();
        for (id, url) in (0..).zip(urls) {
            queues.0.lock().unwrap().callbacks.push(Callback { id, url: (*url).to_owned(), added_at: NOW });
        }
        queues
    }

    fn push(&self, slot: usize, id: i64, created_at: UnixMillis) {
        let (callback_id, url) = (u8::try_from(slot).unwrap(), String::new());
        let body = format!("{{\"n\": {id}}}");
        let delivery = Delivery { outbox_id: id, callback_id, url, body, attempts: 0, created_at };
        self.0.lock().unwrap().queues[slot].push_back(delivery);
    }

    fn finished(&self) -> Vec<(i64, DeliveryOutcome)> {
        self.0.lock().unwrap().finished.clone()
    }
}

impl Outbox for Queues {
    async fn callbacks(&self) -> Result<Vec<Callback>, StoreError> {
        Ok(self.0.lock().unwrap().callbacks.clone())
    }

    async fn callback_queue(&self, slot: u8) -> Result<CallbackQueue, StoreError> {
        let mut state = self.0.lock().unwrap();
        state.looks[usize::from(slot)] += 1;
        let Some(callback) = state.callbacks.iter().find(|callback| callback.id == slot) else {
            return Ok(CallbackQueue::NoReceiver);
        };
        let next = state.queues[usize::from(slot)].front();
        Ok(next.map_or(CallbackQueue::Empty, |next| {
            CallbackQueue::Next(Delivery { url: callback.url.clone(), ..next.clone() })
        }))
    }

    async fn finish_delivery(&self, id: i64, outcome: DeliveryOutcome, _: UnixMillis) -> Result<(), StoreError> {
        let mut state = self.0.lock().unwrap();
        if state.failing_writes > 0 {
            state.failing_writes -= 1;
            return Err(StoreError::UnknownLock(7));
        }
        for queue in &mut state.queues {
            if queue.front().is_some_and(|delivery| delivery.outbox_id == id) {
                if outcome == DeliveryOutcome::Retry {
                    queue[0].attempts += 1;
                } else {
                    queue.pop_front();
                }
            }
        }
        state.finished.push((id, outcome));
        Ok(())
    }
}

/// Hosts named `dead` cannot be reached, hosts named `mute` take two seconds.
#[derive(Clone)]
struct Net {
    tried: mpsc::UnboundedSender<(String, Duration)>,
    started: Instant,
}

impl Post for Net {
    async fn post(&self, target: &Target, body: &str) -> Posted {
        let host = format!("{target:?}");
        let _ = self.tried.send((body.to_owned(), self.started.elapsed()));
        if host.contains("dead") {
            return Posted::NotSent("cannot connect: refused".to_owned());
        }
        if host.contains("mute") {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        Posted::Told
    }
}

type Tried = mpsc::UnboundedReceiver<(String, Duration)>;

fn run(queues: &Queues) -> (Workers, Waker, Tried) {
    run_watched(queues, &Pulses::default())
}

fn run_watched(queues: &Queues, pulses: &Pulses) -> (Workers, Waker, Tried) {
    let (tried, receiver) = mpsc::unbounded_channel();
    let net = Net { tried, started: Instant::now() };
    let waker = Waker::new();
    let workers = start(queues, &net, Clock::virtual_from(NOW), &waker, pulses);
    (workers, waker, receiver)
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_told_in_order_and_each_body_once() {
    let queues = Queues::with(&["http://good"]);
    (1..=3).for_each(|id| queues.push(0, id, NOW));
    let (_workers, waker, mut tried) = run(&queues);
    for id in 1..=3 {
        assert_eq!(tried.recv().await.unwrap().0, format!("{{\"n\": {id}}}"));
    }
    queues.push(0, 4, NOW);
    waker.wake();
    assert_eq!(tried.recv().await.unwrap().0, "{\"n\": 4}");
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(tried.try_recv().is_err());
    assert_eq!(queues.finished(), (1..=4).map(|id| (id, DeliveryOutcome::Told)).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn dead_and_mute_receivers_delay_nobody_else() {
    let queues = Queues::with(&["http://dead", "http://mute", "http://good"]);
    for id in 1..=5 {
        (0..3_usize).for_each(|slot| queues.push(slot, id + 10 * i64::try_from(slot).unwrap(), NOW));
    }
    let (_workers, _waker, mut tried) = run(&queues);
    let mut good = Vec::new();
    while good.len() < 5 {
        let (body, at) = tried.recv().await.unwrap();
        if body.starts_with("{\"n\": 2") {
            good.push(at);
        }
    }
    assert_eq!(good, [Duration::ZERO; 5]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_receiver_is_tried_with_growing_delay_for_ten_minutes_and_then_given_up() {
    let queues = Queues::with(&["http://dead"]);
    queues.push(0, 1, NOW);
    let (_workers, waker, mut tried) = run(&queues);
    let mut times = Vec::new();
    while queues.finished().last().is_none_or(|(_, outcome)| *outcome == DeliveryOutcome::Retry) {
        times.push(tried.recv().await.unwrap().1.as_secs());
        // New events do not make it try faster.
        waker.wake();
        tokio::task::yield_now().await;
    }
    assert_eq!(times[..8], [0, 1, 3, 7, 15, 31, 61, 91]);
    assert!((600..=630).contains(times.last().unwrap()), "{times:?}");
    let reason = "cannot connect: refused".to_owned();
    assert_eq!(queues.finished().last(), Some(&(1, DeliveryOutcome::GaveUp(reason))));
}

#[tokio::test(start_paused = true)]
async fn order_is_kept_while_a_receiver_is_away_and_old_bodies_get_one_try() {
    let queues = Queues::with(&["http://dead"]);
    queues.push(0, 1, UnixMillis(NOW.0 - 3_600_000));
    queues.push(0, 2, NOW);
    queues.push(0, 3, NOW);
    let (_workers, waker, mut tried) = run(&queues);
    assert_eq!(tried.recv().await.unwrap().0, "{\"n\": 1}");
    assert_eq!(tried.recv().await.unwrap().0, "{\"n\": 2}");
    assert_eq!(tried.recv().await.unwrap().0, "{\"n\": 2}");
    // The receiver registers anew under another address: no need to wait out the delay.
    queues.0.lock().unwrap().callbacks[0].url = "http://good".to_owned();
    waker.callbacks_changed();
    let (body, at) = tried.recv().await.unwrap();
    assert_eq!((body.as_str(), at.as_secs()), ("{\"n\": 2}", 2));
    assert_eq!(tried.recv().await.unwrap().0, "{\"n\": 3}");
}

#[tokio::test(start_paused = true)]
async fn a_body_for_an_address_that_is_none_is_given_up() {
    let queues = Queues::with(&["not a URL"]);
    queues.push(0, 1, NOW);
    let (_workers, _waker, mut tried) = run(&queues);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(tried.try_recv().is_err());
    assert!(matches!(&queues.finished()[..], [(1, DeliveryOutcome::GaveUp(_))]), "{:?}", queues.finished());
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_into_a_free_slot_until_a_receiver_comes() {
    let queues = Queues::with(&["http://good"]);
    let (_workers, waker, mut tried) = run(&queues);
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        waker.wake();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(queues.0.lock().unwrap().looks, [11, 1, 1]);
    queues.0.lock().unwrap().callbacks.push(Callback { id: 1, url: "http://good".to_owned(), added_at: NOW });
    queues.push(1, 1, NOW);
    waker.callbacks_changed();
    assert_eq!(tried.recv().await.unwrap().0, "{\"n\": 1}");
    queues.push(1, 2, NOW);
    waker.wake();
    assert_eq!(tried.recv().await.unwrap().0, "{\"n\": 2}");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_removed_while_it_is_away_is_not_tried_again() {
    let queues = Queues::with(&["http://dead"]);
    queues.push(0, 1, NOW);
    let (_workers, waker, mut tried) = run(&queues);
    assert_eq!(tried.recv().await.unwrap().0, "{\"n\": 1}");
    queues.0.lock().unwrap().callbacks.clear();
    waker.callbacks_changed();
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(tried.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_body_is_not_sent_twice_because_the_store_could_not_note_it() {
    let queues = Queues::with(&["http://good"]);
    queues.0.lock().unwrap().failing_writes = 600;
    queues.push(0, 1, NOW);
    let pulses = Pulses::default();
    let (_workers, _waker, mut tried) = run_watched(&queues, &pulses);
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(pulses.silent(), None, "starting anew would help nobody");
    tokio::time::sleep(Duration::from_mins(6)).await;
    assert!(tried.try_recv().is_ok());
    assert!(tried.try_recv().is_err());
    assert_eq!(queues.finished(), [(1, DeliveryOutcome::Told)]);
}
