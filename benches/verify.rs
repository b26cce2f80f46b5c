//! How long `keyturner verify` takes: `cargo bench --bench verify -- 1000000`.
//!
//! Writes so many events through the store, as a gateway would, into a temporary folder, then walks the chain.
//! With a path behind the number the database stays there, and the next call walks along it at once.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use keyturner::attribution::{Attribution, Event, EventKind, Method, StateChange, Who};
use keyturner::clock::UnixMillis;
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::{CompletionStatus, IdType, LockAction, LockState, Trigger};
use keyturner::store::{Batch, LockClock, LockRow, Store, verify};

const LOCK: u32 = 0x2B1C_0D0E;
const START: i64 = 1_700_000_000;
const BATCH: u32 = 5000;

fn event(log_index: u32) -> Event {
    let person = log_index % 8;
    Event {
        log_index: Some(log_index),
        device_time: DeviceTime::from_unix_seconds(START + i64::from(log_index) * 60),
        action: Some(LockAction::Unlock),
        trigger: Some(Trigger::System),
        completion_status: Some(CompletionStatus::Success),
        change: Some(StateChange { before: Some(LockState::Locked), after: LockState::Unlocked }),
        who: Who {
            auth_id: Some(1000 + person),
            auth_type: Some(IdType::App),
            auth_name: Some(format!("Somebody of the house {person}")),
            ..Who::default()
        },
        method: Method::App,
        attribution: Attribution::Matched,
        // As long as a log entry.
        raw: log_index.to_le_bytes().repeat(13),
        ..Event::blank(EventKind::LockAction)
    }
}

async fn write(path: &Path, count: u32) {
    let store = Store::open(path).await.unwrap();
    let lock = LockRow {
        nuki_id: LOCK,
        name: "Front door".to_owned(),
        device_type: 4,
        firmware_version: None,
        has_keypad: true,
        paired_at: UnixMillis(START * 1000),
    };
    store.register_lock(&lock).await.unwrap();
    let started = Instant::now();
    for first in (1..=count).step_by(BATCH as usize) {
        let last = count.min(first + BATCH - 1);
        let batch = Batch {
            nuki_id: LOCK,
            observed_at: UnixMillis((START + i64::from(last) * 60) * 1000),
            clock: Some(LockClock { skew: 350, zone_offset: 60 }),
            observations: Vec::new(),
            events: (first..=last).map(event).collect(),
            cursor: Some(last),
            callback_bodies: Vec::new(),
        };
        store.commit(&batch).await.unwrap();
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
        println!(
            "{count} events ({} MB) verified in {:.2} s, round {round}",
            size >> 20,
            started.elapsed().as_secs_f64()
        );
    }
}
