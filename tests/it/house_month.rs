//! A month in a busy house, in virtual time: what people did, beside what the event log says they did.
//!
//! Eight people with phones, fobs, codes and a finger; everything goes through the real gateway, session, journal
//! and store. `KEYTURNER_DAYS=n` takes other numbers of days, `KEYTURNER_SEED=n` another month; `--nocapture`
//! prints the table.

use std::time::Duration;

use keyturner::clock::UnixMillis;

use self::director::Director;
use self::script::{Script, Turning, clocks_go_back};
use self::truth::{compare, read_log};
use crate::support::dice::Dice;

mod director;
mod script;
mod truth;

const DAY: u64 = 24 * 60 * 60;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn every_deed_of_a_busy_month_is_logged_once_with_the_right_person() {
    let (days, seed) = (number("KEYTURNER_DAYS", 30), number("KEYTURNER_SEED", 7));
    // The night in which the clocks go back lies in the middle.
    let start = UnixMillis(clocks_go_back().0 - (days * DAY / 2 * 1000) as i64);
    let mut director = Director::new(start, 120).await;
    let mut script = Script { dice: Dice::new(seed) };
    let dst = (clocks_go_back().0 - start.0) as u64 / 1000;
    let mut turnings: Vec<(u64, Turning)> =
        Turning::ALL.map(|(part, turning)| (days * DAY * part / 1000, turning)).to_vec();
    turnings.push((dst, Turning::SummerTimeEnds));
    turnings.sort_by_key(|(at, _)| *at);
    let mut turnings = turnings.into_iter().peekable();

    let end = days * DAY;
    loop {
        let now = director.house.clock.wall().since(start).as_secs();
        if let Some((_, turning)) = turnings.next_if(|(at, _)| *at <= now) {
            script.turn(&mut director, turning).await;
            continue;
        }
        if now >= end {
            break;
        }
        // People sleep from midnight to six, but for one now and then.
        let hour = director.house.clock.wall().seconds() / 3600 % 24;
        let pause = if (0..5).contains(&hour) { (7_200, 14_400) } else { (300, 4_500) };
        let pause = script.dice.between(pause.0, pause.1);
        let next = turnings.peek().map_or(end, |(at, _)| *at).saturating_sub(now);
        if pause < next {
            director.wait(Duration::from_secs(pause)).await;
            script.scene(&mut director).await;
        } else {
            director.wait(Duration::from_secs(next)).await;
        }
    }
    director.wait(Duration::from_secs(600)).await;
    // Whoever came last may have left it to lock by itself, and in a house that sleeps no link comes about.
    director.wake().await;
    director.house.quiet().await;
    director.house.stop().await;

    let comparison = compare(&director.deeds, read_log(&director.house.database()).await);
    println!("{days} days, seed {seed}\n{}\n{}", comparison.table(), comparison.sample(25));
    let all = comparison.found.len();
    assert_eq!(comparison.failures(), 0, "{}", comparison.faults());
    assert!(all as u64 > days * 30, "a busy house");
    let is_logged = |name: &str| comparison.found.iter().any(|(deed, ..)| deed.who.name.as_deref() == Some(name));
    for name in ["Ben", "Benjamin", "Emil's phone", "Emil's new phone", "Guest", "Keyturner"] {
        assert!(is_logged(name), "{name} was never there");
    }
    for completion in ["invalid_code", "invalid_fingerprint", "rejected", "busy", "motor_blocked"] {
        let is_it = |deed: &truth::Deed| deed.what.completion == Some(completion);
        assert!(comparison.found.iter().any(|(deed, ..)| is_it(deed)), "nothing ended with {completion}");
    }
}
