//! What a page of the history costs in a short log and in a long one, beside the same query in `sqlite3` itself.
//!
//! `cargo bench --bench history_pages -- 1000000 10000000`
//!
//! For each size a busy house's log is made. Then each kind of page is asked
//! for at the same places in four ways: over HTTP on loopback with its JSON,
//! from the store, from a running `sqlite3` that prints the same rows of
//! the view `entries` into a pipe, and from SQLite's library in this thread,
//! which reads every column. Medians; the ratios must not grow with the
//! log, and the program fails if one does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../support/app.rs"]
mod app;
#[path = "../support/figure.rs"]
mod figure;
#[path = "../support/host.rs"]
mod host;
mod house;
mod ways;

use std::time::{Duration, Instant};

use keyturner::clock::UnixMillis;
use keyturner::store::{HistoryFilter, Order, PageKey, Store};

use house::{BEGIN, House, STEP_MILLIS};
use serde_json::json;
use ways::{Http, Library, Sqlite};

/// Places in the log at which each kind of page is asked for.
const PLACES: i64 = 24;
/// How often at each place, after a first time that is not counted.
const ROUNDS: usize = 6;
/// From which growth of a ratio on it is no longer noise.
const TOLERANCE: f64 = 1.5;
const MONTH_MILLIS: i64 = 30 * 24 * 60 * 60 * 1000;

/// A page, as each way asks for it.
struct Question {
    target: String,
    filter: HistoryFilter,
    sql: String,
}

struct Line {
    name: &'static str,
    http: Duration,
    store: Duration,
    sqlite: Duration,
    library: Duration,
}

impl Line {
    fn ratio(&self) -> f64 {
        self.http.as_secs_f64() / self.sqlite.as_secs_f64()
    }

    fn figure(&self, events: i64) {
        let micros = figure::micros;
        figure::figure(
            "page",
            &[
                ("page", json!(self.name)),
                ("events", json!(events)),
                ("http_us", micros(self.http)),
                ("store_us", micros(self.store)),
                ("sqlite3_us", micros(self.sqlite)),
                ("library_us", micros(self.library)),
            ],
        );
    }

    fn print(&self) {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        println!(
            "{:<34} {:>8.0} {:>8.0} {:>8.0} {:>8.0} {:>13.2} {:>13.2}",
            self.name,
            micros(self.http),
            micros(self.store),
            micros(self.sqlite),
            micros(self.library),
            self.ratio(),
            self.store.as_secs_f64() / self.library.as_secs_f64(),
        );
    }
}

fn main() {
    // cargo adds `--bench`.
    let sizes: Vec<i64> = std::env::args().filter_map(|text| text.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_000_000, 10_000_000] } else { sizes };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let tables: Vec<Vec<Line>> = sizes.iter().map(|size| measure(&runtime, *size)).collect();
    let mut has_grown = false;
    if let [first, .., last] = tables.as_slice() {
        if !figure::wanted() {
            println!("\ngrowth of the ratio HTTP to sqlite3, from the first size to the last");
        }
        for (short, long) in first.iter().zip(last) {
            let growth = long.ratio() / short.ratio();
            has_grown |= growth > TOLERANCE;
            if !figure::wanted() {
                println!("{:<34} {growth:>8.2}", short.name);
            }
        }
    }
    // In the table of bench/run it is a row that says no.
    assert!(figure::wanted() || !has_grown, "a page costs more in a longer log");
}

fn measure(runtime: &tokio::runtime::Runtime, size: i64) -> Vec<Line> {
    let house = runtime.block_on(House::build(size));
    let store = runtime.block_on(Store::open(&house.path)).unwrap();
    let address = runtime.block_on(ways::serve(store.clone()));
    let (mut http, mut sqlite) = (Http::open(address), Sqlite::open(&house.path));
    let mut library = Library::open(&house.path);
    if !figure::wanted() {
        println!("\n{size} events, {} MB, sqlite3 {}", house.megabytes(), sqlite.version());
        let heads = ["HTTP", "store", "sqlite3", "library", "HTTP/sqlite3", "store/library"];
        let [http, store, sqlite, library, first, second] = heads;
        println!("{:<34} {http:>8} {store:>8} {sqlite:>8} {library:>8} {first:>13} {second:>13}", "median, µs");
    }
    let mut lines = Vec::new();
    for (name, questions) in kinds(size, &mut http) {
        let line = ask(runtime, name, &questions, &store, &mut http, &mut sqlite, &mut library);
        if figure::wanted() {
            line.figure(size)
        } else {
            line.print()
        }
        lines.push(line);
    }
    runtime.block_on(store.close());
    lines
}

fn ask(
    runtime: &tokio::runtime::Runtime,
    name: &'static str,
    questions: &[Question],
    store: &Store,
    http: &mut Http,
    sqlite: &mut Sqlite,
    library: &mut Library,
) -> Line {
    let [mut by_http, mut by_store, mut by_sqlite, mut by_library] = [const { Vec::new() }; 4];
    for round in 0..=ROUNDS {
        for question in questions {
            let begun = Instant::now();
            let page = http.get(&question.target);
            let http_took = begun.elapsed();
            let begun = Instant::now();
            let rows = runtime.block_on(store.page(&question.filter)).unwrap().rows;
            let store_took = begun.elapsed();
            let begun = Instant::now();
            let printed = sqlite.lines(&question.sql);
            let sqlite_took = begun.elapsed();
            let begun = Instant::now();
            let read = library.rows(&question.sql);
            let library_took = begun.elapsed();
            let page: serde_json::Value = serde_json::from_slice(&page).unwrap();
            let shown: Vec<&str> =
                page["events"].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap()).collect();
            assert!(shown.iter().eq(rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>().iter()), "{name}");
            // One more than the page, to know whether there is a next one.
            assert_eq!(printed, shown.len() + usize::from(page["next"].is_string()), "{name}");
            assert_eq!(read, printed, "{name}");
            if round > 0 {
                by_library.push(library_took);
                by_http.push(http_took);
                by_store.push(store_took);
                by_sqlite.push(sqlite_took);
            }
        }
    }
    Line {
        name,
        http: median(by_http),
        store: median(by_store),
        sqlite: median(by_sqlite),
        library: median(by_library),
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Every kind of page, at its places.
fn kinds(size: i64, http: &mut Http) -> Vec<(&'static str, Vec<Question>)> {
    // In the later half, so that in a short log, too, everybody has a page before each of them.
    let spread = |place: i64| BEGIN + size * STEP_MILLIS * (PLACES + place + 1) / (2 * PLACES + 1);
    let everybody = HistoryFilter::default;
    let one = || HistoryFilter { auth_id: Some(3), ..everybody() };
    let refused = || HistoryFilter { refused: Some(true), ..everybody() };
    let by_number = "order by id desc limit 51";
    let by_time = "order by at desc, id desc limit 51";
    let mut kinds = vec![
        ("history, first page", vec![question("/v1/history?".into(), everybody(), by_number.into())]),
        (
            "of a user, first page",
            vec![question("/v1/users/3/history?".into(), one(), format!("auth_id = 3 {by_number}"))],
        ),
        ("refused, first page", vec![question("/v1/refused?".into(), refused(), format!("refused = 1 {by_number}"))]),
    ];
    let mut deep = Vec::new();
    // As many places in a short log, closer together.
    let limit = (size / (PLACES + 2)).min(1000);
    let mut target = format!("/v1/history?limit={limit}");
    for _ in 0..PLACES {
        let (cursor, key) = http.next(&target);
        target = format!("/v1/history?limit={limit}&cursor={cursor}");
        let filter = HistoryFilter { after: Some(key), ..everybody() };
        let sql = format!("id < {} {by_number}", key.id);
        deep.push(question(format!("/v1/history?cursor={cursor}"), filter, sql));
    }
    kinds.push(("history, deep by number", deep));
    for (name, path, filter, condition) in [
        ("history, deep by time", "/v1/history", everybody(), "true"),
        ("of a user, deep by time", "/v1/users/3/history", one(), "auth_id = 3"),
        ("refused, deep by time", "/v1/refused", refused(), "refused = 1"),
    ] {
        let deep = (0..PLACES).map(|place| {
            let to = UnixMillis(spread(place));
            let target = format!("{path}?to={}", to.rfc3339());
            let (cursor, key) = http.next(&target);
            let sql = format!("{condition} and at < {} and (at, id) < ({}, {}) {by_time}", to.0, key.at.0, key.id);
            let filter = HistoryFilter { to: Some(to), order: Order::Time, after: Some(key), ..filter.clone() };
            question(format!("{target}&cursor={cursor}"), filter, sql)
        });
        kinds.push((name, deep.collect()));
    }
    for (name, path, filter, condition) in [
        ("history, within a month", "/v1/history", everybody(), "true"),
        ("of a user, within a month", "/v1/users/3/history", one(), "auth_id = 3"),
    ] {
        let months = (0..PLACES).map(|place| {
            let to = UnixMillis(spread(place));
            let from = UnixMillis(to.0 - MONTH_MILLIS);
            let sql = format!("{condition} and at >= {} and at < {} {by_time}", from.0, to.0);
            let filter = HistoryFilter { from: Some(from), to: Some(to), order: Order::Time, ..filter.clone() };
            question(format!("{path}?from={}&to={}", from.rfc3339(), to.rfc3339()), filter, sql)
        });
        kinds.push((name, months.collect()));
    }
    kinds
}

fn question(target: String, filter: HistoryFilter, rest: String) -> Question {
    let glue = if rest.starts_with("order") { "" } else { "where " };
    Question { target, filter, sql: format!("select * from entries {glue}{rest};") }
}

/// Where a page ended, from its last entry.
fn key(page: &serde_json::Value) -> PageKey {
    let last = page["events"].as_array().unwrap().last().unwrap();
    let at: jiff::Timestamp = last["date"].as_str().unwrap().parse().unwrap();
    PageKey { at: UnixMillis(at.as_millisecond()), id: last["id"].as_str().unwrap().parse().unwrap() }
}
