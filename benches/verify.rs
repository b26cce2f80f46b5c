//! How long `keyturner verify` takes: `cargo bench --bench verify -- 1000000`.
//!
//! Writes so many events through the store, as a gateway would, into a temporary folder, then walks the chain.
//! With a path behind the number the database stays there, and the next call walks along it at once.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "support/figure.rs"]
#[allow(dead_code)]
mod figure;
#[path = "support/log.rs"]
mod log;

use std::path::{Path, PathBuf};
use std::time::Instant;

use keyturner::store::{Store, verify};
use serde_json::json;

const BATCH: u32 = 5000;

async fn write(path: &Path, count: u32) {
    let store = Store::open(path).await.unwrap();
    store.register_lock(&log::lock()).await.unwrap();
    let started = Instant::now();
    for first in (1..=count).step_by(BATCH as usize) {
        let last = count.min(first + BATCH - 1);
        store.commit(&log::batch(first, last)).await.unwrap();
    }
    println!("{count} events written in {:.1} s", started.elapsed().as_secs_f64());
    store.close().await;
}

#[tokio::main]
async fn main() {
    // Cargo adds an option of its own.
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let count: u32 = args.next().map_or(100_000, |count| count.parse().expect("a number of events"));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = args.next().map_or_else(|| dir.path().join("keyturner.db"), PathBuf::from);
    if !path.exists() {
        write(&path, count).await;
    }
    let size = std::fs::metadata(&path).unwrap().len();
    for round in 1..=3 {
        let started = Instant::now();
        let report = verify(&path, &[], |_, _| ()).await.unwrap();
        assert!(report.is_intact() && report.events == u64::from(count), "{report:?}");
        if figure::wanted() {
            let per_second = f64::from(count) / started.elapsed().as_secs_f64();
            figure::figure("verify", &[("events", json!(count)), ("per_second", json!(per_second))]);
            break;
        }
        println!(
            "{count} events ({} MB) verified in {:.2} s, round {round}",
            size >> 20,
            started.elapsed().as_secs_f64()
        );
    }
}
