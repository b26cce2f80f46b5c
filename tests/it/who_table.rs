//! `docs/who.md` says what is stored for every log entry: each line of its table is tried, down to the sentence in `audit`.

use keyturner::attribution::{Attribution, Code, Directory, Event, Order, User, event_of};
use keyturner::protocol::log::LogEntry;
use keyturner::protocol::{IdType, LockAction};
use keyturner::store::{Batch, HistoryFilter, NewIntent};

use crate::store::{Fixture, LOCK, NOW, device_time};

const DOCUMENT: &str = include_str!("../../docs/who.md");
const OWN: u32 = 9;
const COLUMNS: usize = 10;

/// A line of the table.
struct Line<'a> {
    cells: Vec<&'a str>,
}

fn lines() -> Vec<Line<'static>> {
    let is_line = |line: &&str| line.starts_with("| `") && line.matches('|').count() == COLUMNS + 1;
    let cells =
        |line: &'static str| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
    DOCUMENT.lines().filter(is_line).map(|line| Line { cells: cells(line) }).collect()
}

fn directory() -> Directory {
    let mut directory = Directory::default();
    let users = [
        (1, "Anna", IdType::App),
        (2, "Nuki Bridge", IdType::Bridge),
        (3, "Red fob", IdType::Fob),
        (4, "Nuki Keypad", IdType::Keypad),
        (5, "Keypad 2", IdType::Keypad2),
        (6, "Door sensor", IdType::DoorSensor),
        (OWN, "Keyturner", IdType::App),
    ];
    for (id, name, id_type) in users {
        directory.set_user(id, User { name: name.to_owned(), id_type, created: None });
    }
    directory.set_code(1, Code { name: "Cleaner".to_owned(), created: None });
    directory
}

/// The entry that a line is about; `by` is the name in front of the log's bytes.
fn entry(index: u32, by: &str, hex: &str) -> LogEntry {
    let (auth_id, name) = match by {
        "nobody" => (0_u32, ""),
        "app" => (1, "Anna"),
        "bridge" => (2, "Nuki Bridge"),
        "fob" => (3, "Red fob"),
        "keypad" => (4, "Nuki Keypad"),
        "keypad 2" => (5, "Keypad 2"),
        "door sensor" => (6, "Door sensor"),
        "unlisted" => (77, "Guest phone"),
        "gateway" => (OWN, "Keyturner#00000001"),
        "Opener" => (0, ""),
        other => panic!("docs/who.md: nobody is called {other}"),
    };
    let bytes = parsed(hex);
    let mut payload = index.to_le_bytes().to_vec();
    payload.extend(device_time(0).unwrap().to_bytes());
    payload.extend(auth_id.to_le_bytes());
    payload.extend(format!("{name:\0<32}").bytes());
    payload.extend(bytes);
    LogEntry::decode(&payload, by == "Opener").unwrap()
}

fn marks(event: &Event, row_refused: bool) -> String {
    let mut marks = Vec::new();
    if event.is_refused() {
        marks.push("refused".to_owned());
    } else if row_refused {
        marks.push("failed".to_owned());
    }
    if event.auto_unlock {
        marks.push("auto unlock".to_owned());
    }
    if event.presses > 0 {
        marks.push(format!("presses {}", event.presses));
    }
    if let Some(intent) = event.intent_id {
        marks.push(format!("intent {intent}"));
    }
    marks.join(", ")
}

#[tokio::test]
async fn every_line_of_the_table_is_what_is_stored() {
    let f = Fixture::new().await;
    let intent = NewIntent { nuki_id: LOCK, action: LockAction::Unlock, requester: "10.0.0.7".to_owned(), at: NOW };
    assert_eq!(f.store.begin_intent(&intent).await.unwrap(), 1);
    let lines = lines();
    assert!(lines.len() >= 60, "only {} lines of the table were found", lines.len());
    let mut wrong = Vec::new();
    for (index, line) in (1..).zip(&lines) {
        let entry = entry(index, line.cells[0], line.cells[1]);
        assert_eq!(entry.encode()[47..], parsed(line.cells[1]), "{}: not read to its end", line.cells[1]);
        let event = event_of(&entry, &directory(), Order::After, OWN);
        let batch = Batch {
            nuki_id: LOCK,
            observed_at: NOW,
            clock: None,
            observations: Vec::new(),
            events: vec![event.clone()],
            cursor: Some(entry.index),
            callback_bodies: Vec::new(),
        };
        f.store.commit(&batch).await.unwrap();
        let row = f.store.audit(1).await.unwrap().remove(0);
        let filter = HistoryFilter { limit: 1, ..Default::default() };
        let stored = f.store.history(&filter).await.unwrap().remove(0);
        assert_eq!(stored.log_index, Some(entry.index));
        assert_eq!(stored.method, event.method.name());
        let row_refused = f.count("select refused from events order by id desc limit 1").await == 1;
        let reason = match event.attribution {
            Attribution::Unknown(reason) => format!(": {}", reason.name()),
            _ => String::new(),
        };
        let code = event.who.code_id.map_or_else(String::new, |code| code.to_string());
        let sentence = format!("{} {} {}", row.who, row.what, row.how);
        let actual = [
            line.cells[0].to_owned(),
            line.cells[1].to_owned(),
            line.cells[2].to_owned(),
            stored.kind.clone(),
            stored.method.clone(),
            format!("{}{reason}", stored.attribution),
            stored.user_name.clone().unwrap_or_default(),
            code,
            marks(&event, row_refused),
            sentence.trim().to_owned(),
        ];
        if actual.iter().zip(&line.cells).any(|(actual, told)| actual != told) {
            let [by, hex, what, rest @ ..] = &actual;
            wrong.push(format!("| `{by}` | `{hex}` | {what} | {} |", rest.join(" | ")));
        }
    }
    assert!(wrong.is_empty(), "docs/who.md does not say what is stored; it should say\n{}", wrong.join("\n"));
}

fn parsed(hex: &str) -> Vec<u8> {
    hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

#[test]
fn every_trigger_source_and_status_that_has_a_name_stands_in_the_table() {
    let lines = lines();
    let all: Vec<Vec<u8>> = lines.iter().map(|line| parsed(line.cells[1])).collect();
    let of = |kind: u8, at: usize| -> Vec<u8> {
        all.iter().filter(|data| data[0] == kind).filter_map(|data| data.get(at).copied()).collect()
    };
    for trigger in [0, 1, 2, 3, 6, 0xAB, 0xAC] {
        assert!(of(2, 2).contains(&trigger), "trigger {trigger:#x}");
    }
    let statuses: Vec<u8> = [of(2, 4), of(5, 3)].concat();
    for status in (0..=0x0B).chain([0xE0, 0xE1, 0xFE, 0xFF]) {
        assert!(statuses.contains(&status), "completion status {status:#x}");
    }
    for source in 0..=2 {
        assert!(of(5, 2).contains(&source), "keypad source {source}");
    }
    for door in 0..=3 {
        assert!(of(6, 1).contains(&door), "door event {door}");
    }
    for action in [1, 2, 3, 4, 5, 6, 0x50, 0x5A, 0x81, 0x82, 0x83] {
        assert!(of(2, 1).contains(&action), "action {action:#x}");
    }
    for kind in [1, 2, 3, 4, 5, 6, 7, 0x0A] {
        assert!(all.iter().any(|data| data[0] == kind), "type {kind:#x}");
    }
}
