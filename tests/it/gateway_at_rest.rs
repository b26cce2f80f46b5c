//! How long it takes from the motor's end to the person's name, by the radio's own time.

use std::time::Duration;

use keyturner::protocol::LockState;
use keyturner::simlock::{Person, Turn};
use keyturner::transport::sim::SimSettings;
use tokio::time::{Instant, sleep};

use crate::support::house::{ANNA, House, Plan};

/// Time passes in small steps, so that it is measured well.
async fn pass_until(house: &House, state: LockState) {
    for _ in 0..60_000 {
        if house.state() == state {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("the bolt never was {state}");
}

#[tokio::test(start_paused = true)]
async fn the_user_is_told_within_five_connection_intervals_after_the_motor_stands() {
    for millis in [15, 50] {
        let interval = Duration::from_millis(millis);
        let settings = SimSettings { connection_interval: interval, ..SimSettings::default() };
        let house = House::planned(Plan { settings, ..Plan::default() }).await;
        // What the lock's counts mean, the first page with an entry shows; and of a log that is as short as behind the
        // first visit, the entry at the cursor is asked for once more.
        for (visit, most) in [("first", 7.5), ("second", 9.5), ("third", 5.5)] {
            house.told().await;
            house.person(Person::keypad(ANNA));
            pass_until(&house, LockState::Unlocked).await;
            let stood = Instant::now();
            while !house.told().await.iter().any(|body| body["userName"] == "Anna") {
                sleep(Duration::from_millis(1)).await;
                assert!(stood.elapsed() < Duration::from_secs(3), "nobody is named");
            }
            let intervals = stood.elapsed().as_secs_f64() / interval.as_secs_f64();
            println!("{visit} visit, {millis} ms: {intervals:.1} CI");
            assert!(intervals < most, "{visit} visit, {millis} ms: {intervals:.1} CI");
            house.quiet().await;
            house.person(Person::ManualTurn(Turn::Lock));
            pass_until(&house, LockState::Locked).await;
            house.quiet().await;
        }
        assert_eq!(house.events().await.len(), 6);
    }
}
