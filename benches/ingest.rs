//! How many events a second the store takes, beside SQLite itself writing the same rows.
//!
//! `cargo bench --bench ingest -- 5` measures each way for about so many seconds.
//!
//! The store commits entries of a lock's log as the gateway does: each transaction finds out what is stored already,
//! chains, and moves the cursor. SQLite beside it has the same tables and indexes, without triggers, in a file of its own with
//! the same durability (a write-ahead log, `synchronous = FULL`); statements are prepared once and the rows lie ready. Both
//! take turns, so that a disk that is busy for a while is busy for both. One entry per transaction is what a door brings,
//! a page of 20 what is read after an absence.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "support/figure.rs"]
mod figure;
#[path = "support/log.rs"]
mod log;

use std::path::Path;
use std::time::{Duration, Instant};

use keyturner::store::Store;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use serde_json::json;

/// What a transaction of the store writes into, and in which order.
const TABLES: [&str; 3] = ["events", "chain", "cursors"];
/// Turns that each way takes.
const ROUNDS: u32 = 10;

/// A way of writing, and what it has cost so far.
#[derive(Debug, Default)]
struct Cost {
    transactions: Vec<Duration>,
    bytes: u64,
}

impl Cost {
    fn add(&mut self, took: Duration, bytes: u64) {
        self.transactions.push(took);
        self.bytes += bytes;
    }

    fn per_second(&self, events: u32) -> f64 {
        f64::from(events) / self.transactions.iter().sum::<Duration>().as_secs_f64()
    }

    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.transactions.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() - 1) * percent / 100]
    }
}

/// Bytes that this process has handed to the kernel for writing: the write-ahead log, and what goes from it into the file.
fn bytes_written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").expect("/proc/self/io");
    io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap().parse().unwrap()
}

/// The columns of a table that are written; those that SQLite generates are not.
fn columns(connection: &Connection, table: &str) -> Vec<String> {
    let mut names = connection.prepare("select name from pragma_table_info(?)").unwrap();
    names.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// SQLite with the store's tables and indexes, and the rows of the store's file.
struct Raw {
    writer: Connection,
    rows_of: Connection,
}

impl Raw {
    fn open(path: &Path, like: &Path) -> Self {
        let rows_of = Connection::open_with_flags(like, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let writer = Connection::open(path).unwrap();
        let same = "pragma journal_mode = wal; pragma synchronous = full; pragma secure_delete = on; pragma foreign_keys = off;";
        writer.execute_batch(same).unwrap();
        for table in TABLES {
            let mut schema = rows_of
                .prepare(
                    "select sql from sqlite_schema
                     where tbl_name = ? and type in ('table', 'index') and sql is not null order by type desc",
                )
                .unwrap();
            let statements: Vec<String> =
                schema.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
            assert!(!statements.is_empty(), "there is no table {table}");
            for sql in statements {
                writer.execute_batch(&sql).unwrap();
            }
        }
        Self { writer, rows_of }
    }

    /// The rows behind event number `after`, table by table.
    fn rows(&self, after: i64) -> [Vec<Vec<Value>>; 3] {
        TABLES.map(|table| {
            let condition = if table == "cursors" { "?1 = ?1".to_owned() } else { "id > ?1".to_owned() };
            let names = columns(&self.rows_of, table);
            let sql = format!("select {} from {table} where {condition}", names.join(", "));
            let mut statement = self.rows_of.prepare(&sql).unwrap();
            let rows = statement
                .query_map([after], |row| (0..names.len()).map(|column| row.get(column)).collect::<Result<_, _>>())
                .unwrap();
            rows.map(Result::unwrap).collect()
        })
    }

    /// Writes these rows, so many events in a transaction, each of which moves the cursor.
    fn write(&self, rows: &[Vec<Vec<Value>>; 3], at_once: usize, cost: &mut Cost) {
        let [events, links, cursors] = rows;
        let mut inserts = [("insert", "events"), ("insert", "chain"), ("replace", "cursors")].map(|(verb, table)| {
            let names = columns(&self.writer, table);
            let places = vec!["?"; names.len()].join(", ");
            self.writer.prepare(&format!("{verb} into {table} ({}) values ({places})", names.join(", "))).unwrap()
        });
        for (events, links) in events.chunks(at_once).zip(links.chunks(at_once)) {
            let before = bytes_written();
            let began = Instant::now();
            let tx = self.writer.unchecked_transaction().unwrap();
            for (insert, rows) in inserts.iter_mut().zip([events, links, cursors.as_slice()]) {
                for row in rows {
                    insert.execute(params_from_iter(row)).unwrap();
                }
            }
            tx.commit().unwrap();
            cost.add(began.elapsed(), bytes_written() - before);
        }
    }
}

struct Sides {
    store: Store,
    raw: Raw,
    /// The newest entry that both have.
    newest: u32,
}

impl Sides {
    async fn open(dir: &Path) -> Self {
        let (ours, theirs) = (dir.join("keyturner.db"), dir.join("raw.db"));
        let store = Store::open(&ours).await.unwrap();
        store.register_lock(&log::lock()).await.unwrap();
        Self { store, raw: Raw::open(&theirs, &ours), newest: 0 }
    }

    /// The store takes so many transactions, then SQLite the same rows.
    async fn turn(&mut self, transactions: u32, at_once: u32, [ours, theirs]: &mut [Cost; 2]) {
        let after = self.newest;
        for _ in 0..transactions {
            let batch = log::batch(self.newest + 1, self.newest + at_once);
            let before = bytes_written();
            let began = Instant::now();
            self.store.commit(&batch).await.unwrap();
            ours.add(began.elapsed(), bytes_written() - before);
            self.newest += at_once;
        }
        let rows = self.raw.rows(i64::from(after));
        self.raw.write(&rows, usize::try_from(at_once).unwrap(), theirs);
    }
}

async fn measure(at_once: u32, seconds: f64) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut sides = Sides::open(dir.path()).await;
    // For nothing: pages of both files, and how long one takes.
    let began = Instant::now();
    sides.turn(20, at_once, &mut <[Cost; 2]>::default()).await;
    let each = began.elapsed().as_secs_f64() / 40.0;
    let transactions = (seconds / each / f64::from(ROUNDS)).clamp(2.0, 5_000.0) as u32;
    let mut costs = <[Cost; 2]>::default();
    for _ in 0..ROUNDS {
        sides.turn(transactions, at_once, &mut costs).await;
    }
    let events = transactions * at_once * ROUNDS;
    same_rows(&dir.path().join("raw.db"), i64::from(sides.newest));
    let [ours, theirs] = &costs;
    let ratio = ours.per_second(events) / theirs.per_second(events);
    if figure::wanted() {
        let side = |cost: &Cost| {
            json!({
                "per_second": cost.per_second(events),
                "p50_us": figure::micros(cost.percentile(50)),
                "p99_us": figure::micros(cost.percentile(99)),
                "bytes_per_event": cost.bytes as f64 / f64::from(events),
            })
        };
        let (ours, theirs) = (side(ours), side(theirs));
        figure::figure(
            "ingest",
            &[("at_once", json!(at_once)), ("events", json!(events)), ("ours", ours), ("raw", theirs)],
        );
        return;
    }
    println!("{at_once} per transaction, {events} events each way, store / SQLite: {ratio:.2}");
    for (name, cost) in [("store", ours), ("SQLite", theirs)] {
        println!(
            "{name:<8} {:>8.0} events/s   p50 {:>9.3?}   p99 {:>9.3?}   {:.0} bytes written per event",
            cost.per_second(events),
            cost.percentile(50),
            cost.percentile(99),
            cost.bytes as f64 / f64::from(events),
        );
    }
}

/// Else something else was measured than the same.
fn same_rows(path: &Path, events: i64) {
    let raw = Connection::open(path).unwrap();
    for table in ["events", "chain"] {
        let count: i64 = raw.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(count, events, "{table}");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let seconds = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(5.0);
    for at_once in [1, 20] {
        measure(at_once, seconds).await;
    }
}
