//! How quick the Bridge API is while locks move, and whether a bad receiver of callbacks slows down a good one.
//!
//! `cargo bench --bench bridge -- 10` measures each part for ten seconds.
//!
//! Four simulated locks behind the real daemon on loopback. `/list` is asked for over connections that stay open, while
//! the locks rest and while they all move, and beside it a bare axum route that answers the same bytes. Then fifty
//! clients mix `/list`, `/lockState` and actions for six times as long: each answer has to be 200, and each round of
//! actions has to move each lock once. Then bodies are stored for a good receiver alone, and for the same one with a mute and a dead one beside it.
//! With `--figures` only what `beside.rs` says is measured, for `bench/run`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod beside;
mod client;
#[path = "../support/figure.rs"]
mod figure;
#[path = "../support/host.rs"]
mod host;
#[path = "../support/pairing.rs"]
mod pairing;
mod receivers;
mod storm;
mod town;

use std::time::Duration;

use keyturner::http::bridge::BridgeSettings;

use client::{Load, load};
use town::Town;

/// Connections that ask at once.
const CONNECTIONS: usize = 8;

fn main() {
    let seconds: u64 = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(5);
    let within = Duration::from_secs(seconds);
    if figure::wanted() {
        beside::measure(within);
        return;
    }
    tokio::runtime::Runtime::new().unwrap().block_on(measure(seconds, within));
}

async fn measure(seconds: u64, within: Duration) {
    let town = Town::start(BridgeSettings::default()).await;
    let target = format!("/list?token={}", host::TOKEN);
    let body = client::body(town.address, &target).await;
    let bare = beside::bare(body.clone()).await;
    println!("/list of {} bytes over {CONNECTIONS} connections, {seconds} s each", body.len());
    // Each once for nothing, so that nobody pays for the first page fault.
    load(town.address, &target, CONNECTIONS, Duration::from_millis(500)).await;
    load(bare, "/bare", CONNECTIONS, Duration::from_millis(500)).await;
    let resting = load(town.address, &target, CONNECTIONS, within).await;
    let moving = {
        let movers = town.move_locks();
        let moving = load(town.address, &target, CONNECTIONS, within).await;
        println!("{} actions were done meanwhile", movers.stop().await);
        moving
    };
    let axum = load(bare, "/bare", CONNECTIONS, within).await;
    show("locks at rest", &resting);
    show("locks moving", &moving);
    show("bare axum", &axum);
    println!(
        "requests per second beside bare axum: {:.2} at rest, {:.2} moving; p99 moving / at rest: {:.2}",
        resting.per_second() / axum.per_second(),
        moving.per_second() / axum.per_second(),
        moving.percentile(99).as_secs_f64() / resting.percentile(99).as_secs_f64(),
    );
    storm::measure(&town, Duration::from_secs(seconds * 6)).await;
    drop(town);
    receivers::measure(seconds).await;
}

pub(crate) fn show(name: &str, load: &Load) {
    println!(
        "{name:<14} {:>8.0} requests/s   p50 {:>9.3?}   p99 {:>9.3?}   max {:>9.3?}",
        load.per_second(),
        load.percentile(50),
        load.percentile(99),
        load.percentile(100)
    );
}
