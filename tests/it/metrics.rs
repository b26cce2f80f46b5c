//! `/metrics`: what it says can be read by a strict reader, and is true after somebody came in.

use std::collections::{BTreeMap, BTreeSet};

use keyturner::simlock::Person;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::http_support::Server;
use crate::support::daemon::{TOKEN, Whole};
use crate::support::house::ANNA;

/// The lines of one family, by what `promtool check metrics` and the OpenMetrics specification ask for.
#[derive(Debug, Default)]
struct Scrape {
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

fn read(text: &str) -> Scrape {
    let mut scrape = Scrape::default();
    let mut helped = BTreeSet::new();
    let (mut open, mut closed) = (String::new(), BTreeSet::new());
    assert!(text.ends_with("# EOF\n"), "it says where it ends");
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(comment) = line.strip_prefix("# ") {
            let (word, rest) = comment.split_once(' ').unwrap();
            let (name, value) = rest.split_once(' ').unwrap();
            assert!(
                name.starts_with("keyturner_") && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
                "{line}"
            );
            if open != name {
                assert!(closed.insert(name.to_owned()), "{name} is interrupted by another family");
                name.clone_into(&mut open);
            }
            match word {
                "HELP" => assert!(helped.insert(name.to_owned()) && value.len() > 10, "{line}"),
                "TYPE" => assert!(scrape.kinds.insert(name.to_owned(), value.to_owned()).is_none(), "{line}"),
                "UNIT" => assert!(name.ends_with(&format!("_{value}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let kind = scrape.kinds.get(&open).unwrap_or_else(|| panic!("{line} has no type"));
        let endings: &[&str] = match kind.as_str() {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "gauge" => &[""],
            other => panic!("{other}"),
        };
        assert!(endings.iter().any(|ending| name == format!("{open}{ending}")), "{line} in {open}");
        let value: f64 = value.parse().unwrap();
        assert!(kind == "gauge" || value >= 0.0, "{line}");
        assert!(scrape.samples.insert(series.to_owned(), value).is_none(), "{series} twice");
    }
    for (name, _) in scrape.kinds.iter().filter(|(_, kind)| *kind == "histogram") {
        let prefix = format!("{name}_bucket{{le=\"");
        let mut buckets: Vec<(f64, f64)> = scrape
            .samples
            .iter()
            .filter_map(|(series, count)| {
                let end = series.strip_prefix(&prefix)?.strip_suffix("\"}")?;
                Some((if end == "+Inf" { f64::INFINITY } else { end.parse().unwrap() }, *count))
            })
            .collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert!(buckets.windows(2).all(|two| two[0].1 <= two[1].1), "{name}: {buckets:?}");
        let last = buckets.last().unwrap();
        assert_eq!((last.0, last.1), (f64::INFINITY, scrape.samples[&format!("{name}_count")]), "{name}");
    }
    assert_eq!(helped.len(), scrape.kinds.len(), "each family has help and type");
    scrape
}

impl Scrape {
    fn of(&self, series: &str) -> f64 {
        *self.samples.get(series).unwrap_or_else(|| panic!("{series} is not in {:#?}", self.samples.keys()))
    }
}

async fn scrape(house: &Whole) -> Scrape {
    let answer = house.get("/metrics", &format!("Authorization: Bearer {TOKEN}\r\n")).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    read(body)
}

/// Takes whatever it is told.
async fn receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.unwrap();
        }
    });
    format!("http://{address}/")
}

#[tokio::test(start_paused = true)]
async fn a_keypad_entry_is_timed_from_the_beacon_to_whoever_is_told() {
    let house = Whole::new().await;
    let url = receiver().await;
    let added = house.get(&format!("/callback/add?url={url}&token={TOKEN}"), "").await;
    assert!(added.contains("\"success\": true") || added.contains("\"success\":true"), "{added}");
    let before = scrape(&house).await;
    house.person(Person::keypad(ANNA));
    house.quiet().await;
    assert!(house.door.person(Person::keypad(999_999)).is_err());
    house.quiet().await;
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    let after = scrape(&house).await;
    let grown = |series: &str| after.of(series) - before.samples.get(series).copied().unwrap_or(0.0);

    for leg in ["beacon_to_state", "state_to_user", "user_to_told", "beacon_to_told"] {
        let name = format!("keyturner_{leg}_seconds");
        assert!(grown(&format!("{name}_count")) >= 1.0, "{leg}");
        let (sum, count) = (grown(&format!("{name}_sum")), grown(&format!("{name}_count")));
        assert!(sum / count < 10.0, "{leg} took {sum} s");
    }
    assert!(grown("keyturner_beacon_to_state_seconds_sum") > 0.0, "the radio takes its time in virtual time too");
    assert!(grown("keyturner_connections_total{lock=\"0A1B2C3D\",outcome=\"connected\"}") >= 1.0);
    assert_eq!(grown("keyturner_events_total{kind=\"keypad_action\",attribution=\"matched\"}"), 1.0);
    assert_eq!(grown("keyturner_events_total{kind=\"keypad_action\",attribution=\"nobody\"}"), 1.0);
    assert!(grown("keyturner_callback_deliveries_total{outcome=\"told\"}") >= 1.0);
    assert_eq!(after.of("keyturner_lock_state{lock=\"0A1B2C3D\"}"), 3.0);
    assert_eq!(after.of("keyturner_lock_battery_critical{lock=\"0A1B2C3D\"}"), 0.0);
    assert!(after.of("keyturner_lock_rssi_dbm{lock=\"0A1B2C3D\"}") < 0.0);
    assert_eq!(after.of("keyturner_queue_waiting{queue=\"callback_0\"}"), 0.0);
    assert_eq!(after.of("keyturner_open_questions"), 0.0);
    assert_eq!(after.of("keyturner_database_writable"), 1.0);
    assert!(after.of("keyturner_resident_memory_bytes") > 1e6);
    assert_eq!(grown("keyturner_http_requests_total{route=\"/metrics\",status=\"200\"}"), 1.0);
    let all: Vec<&String> = after.samples.keys().collect();
    assert!(!format!("{all:?}").contains("Anna") && !format!("{all:?}").contains("Front"), "{all:?}");
}

#[tokio::test]
async fn only_a_token_that_may_read_everything_sees_it_and_paths_of_strangers_are_one_route() {
    let server = Server::start().await;
    assert_eq!(server.request("GET", "/metrics", "").await.status, 401);
    for target in ["/one", "/two", "/v1/nothing"] {
        server.request("GET", target, "").await;
    }
    server.get("/list").await;
    server.get("/v1/history?limit=1").await;
    let reply = server.get("/metrics").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let scrape = read(&reply.body);
    let requests = |route: &str, status: u16| {
        scrape.of(&format!("keyturner_http_requests_total{{route=\"{route}\",status=\"{status}\"}}"))
    };
    assert_eq!(requests("other", 404), 2.0);
    assert_eq!(requests("/list", 200), 1.0);
    assert_eq!(requests("/v1/history", 200), 1.0);
    assert_eq!(requests("/metrics", 401), 1.0);
    assert!(scrape.of("keyturner_credential_refusals_total{reason=\"missing\"}") >= 1.0);
    let routes: BTreeSet<&String> = scrape.samples.keys().filter(|series| series.contains("route=")).collect();
    assert!(routes.iter().all(|series| !series.contains("one") && !series.contains("nothing")), "{routes:?}");
}
