//! Whole houses in virtual time, each from one seed: the real gateway, sessions, attribution, event log and delivery, with
//! simulated locks, people, clients, receivers, clocks, disk and adapter. Whatever goes wrong, the guarantees hold.
//!
//! `KEYTURNER_SEED=n` repeats one life and says what happens in it; `KEYTURNER_LIVES=n` lives others, from
//! `KEYTURNER_FROM` on; `KEYTURNER_DAYS=n` makes them longer.

use self::check::Findings;
use self::life::{Plan, live};

mod adapter;
mod check;
mod clients;
mod door;
mod front;
mod life;
mod machine;
mod people;
mod receivers;
mod trouble;

/// Of each of the tests below.
const LIVES: u64 = 20;
const DAYS: u64 = 4;
const SHARES: u64 = 4;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn lived_through(plan: Plan) -> Findings {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(live(plan))
}

fn lived(plan: Plan) -> Findings {
    let lived = std::panic::catch_unwind(|| lived_through(plan));
    let Plan { seed, days, .. } = plan;
    let repeat = format!("KEYTURNER_SEED={seed} KEYTURNER_DAYS={days} cargo test --test it whole_house -- --nocapture");
    let findings = lived.unwrap_or_else(|panic| {
        eprintln!("repeat it with: {repeat}");
        std::panic::resume_unwind(panic)
    });
    if !findings.violations.is_empty() {
        eprintln!("repeat it with: {repeat}\n{}", findings.violations.join("\n"));
    }
    findings
}

fn share(part: u64) {
    let days = number("KEYTURNER_DAYS").unwrap_or(DAYS);
    if let Some(seed) = number("KEYTURNER_SEED") {
        if part == 0 {
            let findings = lived(Plan { seed, days, is_lazy: false, is_loud: true });
            println!("{findings:#?}");
            assert!(findings.violations.is_empty());
        }
        return;
    }
    let lives = number("KEYTURNER_LIVES").unwrap_or(LIVES * SHARES);
    let from = number("KEYTURNER_FROM").unwrap_or(1);
    let mut all = Findings::default();
    for seed in (from..from + lives).filter(|seed| seed % SHARES == part) {
        all.add(&lived(Plan { seed, days, is_lazy: false, is_loud: false }));
    }
    println!("{all:#?}");
    assert!(all.violations.is_empty(), "{} violations", all.violations.len());
}

#[test]
fn the_guarantees_hold_in_the_first_share_of_lives() {
    share(0);
}

#[test]
fn the_guarantees_hold_in_the_second_share_of_lives() {
    share(1);
}

#[test]
fn the_guarantees_hold_in_the_third_share_of_lives() {
    share(2);
}

#[test]
fn the_guarantees_hold_in_the_fourth_share_of_lives() {
    share(3);
}

/// What `synchronous = FULL` is for: without it, a power cut takes back what was told.
#[test]
fn a_disk_that_is_never_told_to_sync_is_found_out() {
    let is_noticed = (1..=6).any(|seed| {
        let violations = lived_through(Plan { seed, days: 3, is_lazy: true, is_loud: false }).violations;
        violations.iter().any(|violation| violation.starts_with("G2") && violation.contains("was told"))
    });
    assert!(is_noticed, "nobody noticed that what was told is gone");
}
