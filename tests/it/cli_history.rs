//! `keyturner history`: filters, forms, and following without missing or doubling anything.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use keyturner::attribution::Event;
use keyturner::protocol::CompletionStatus;
use keyturner::protocol::IdType;
use keyturner::protocol::users::AuthorizationEntry;
use keyturner::store::Batch;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::store::{LOCK, NOW, by_app, by_code, events, lock_row, pending};
use crate::support::house_cli::{LIMIT, Owner, at_terminal, said};

const BACK: u32 = 5;

fn refused(log_index: u32) -> Event {
    Event { completion_status: Some(CompletionStatus::MotorBlocked), change: None, ..by_app(log_index) }
}

async fn house() -> Owner {
    let owner = Owner::new().await;
    let server = &owner.server;
    server.store.register_lock(&lock_row(BACK, "Back door")).await.unwrap();
    server.commit(&events(100, vec![by_app(1), by_code(2), refused(3)])).await;
    server.commit(&Batch { nuki_id: BACK, ..events(101, vec![by_app(6)]) }).await;
    let anna = AuthorizationEntry {
        auth_id: 7,
        id_type: IdType::App,
        name: "Anna".to_owned(),
        enabled: true,
        remote_allowed: true,
        created: None,
        last_active: None,
        lock_count: 1,
        time_limit: None,
    };
    server.store.replace_users(LOCK, &[anna], NOW).await.unwrap();
    owner
}

fn ids(events: &Value) -> Vec<&str> {
    events["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_a_table_newest_last_and_needs_no_gateway() {
    let owner = house().await;
    let said = owner.says_alone(&["history"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(
        said.out,
        "WHEN                 LOCK        WHO      WHAT\n\
         2026-11-23 14:05:10  Front door  Anna     unlocked the door with the app\n\
         2026-11-23 14:05:11  Front door  Cleaner  unlocked the door with keypad code 1\n\
         2026-11-23 14:05:12  Front door  Anna     tried to unlock the door with the app: motor blocked\n\
         2026-11-23 14:05:15  Back door   Anna     unlocked the door with the app\n"
    );
    let berlin = {
        let mut command = owner.alone(&["history", "--limit", "1"]);
        command.env("TZ", "Europe/Berlin");
        said_of(command).await
    };
    assert!(berlin.contains("2026-11-23 15:05:15  Back door"), "by the clock on the wall: {berlin}");
    let empty = Owner::new().await;
    assert_eq!(empty.says(&["history"]).await.out, "Nothing has happened yet.\n");
    std::fs::remove_file(empty.server.database()).unwrap();
    let none = empty.says(&["history"]).await;
    assert!(none.code == 1 && none.err.contains("there is no event log"), "{none:?}");
}

async fn said_of(command: Command) -> String {
    said(command).await.out
}

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_works_and_programs_get_the_entries_of_v1() {
    let owner = house().await;
    let all = owner.says_alone(&["history", "--json"]).await.json();
    let v1 = owner.server.get_as(&token(&owner), "/v1/history?limit=20").await.json();
    assert_eq!(all["events"], v1["events"]);
    for (args, expected) in [
        (&["--user", "Anna"][..], &["4", "3", "1"][..]),
        (&["--user", "ANNA"], &["4", "3", "1"]),
        (&["--user", "auth:7", "--lock", "back door"], &["4"]),
        (&["--user", "code:1"], &["2"]),
        (&["--user", "Nobody"], &[]),
        (&["--lock", "00000005"], &["4"]),
        (&["--refused"], &["3"]),
        (&["--limit", "2"], &["4", "3"]),
        (&["--limit", "0"], &[]),
        (&["--since", "2026-11-23T14:05:11", "--until", "2026-11-23T14:05:13Z"], &["3", "2"]),
        (&["--since", "2026-11-23"], &["4", "3", "2", "1"]),
        (&["--until", "2026-11-23"], &["4", "3", "2", "1"]),
        (&["--until", "2026-11-22"], &[]),
    ] {
        let found = owner.says_alone(&[&["history", "--json"], args].concat()).await.json();
        assert_eq!(ids(&found), expected, "{args:?}");
    }
    assert_eq!(owner.says(&["history", "--user", "Nobody"]).await.out, "Nothing of that kind has happened.\n");
    let unclear = owner.says(&["history", "--since", "teatime"]).await;
    assert!(unclear.code == 2 && unclear.err.contains("2h or 3d, today, yesterday"), "{unclear:?}");
    let nowhere = owner.says(&["history", "--lock", "Attic"]).await;
    assert!(nowhere.code == 1 && nowhere.err.contains("Back door (00000005)"), "{nowhere:?}");
}

fn token(owner: &Owner) -> String {
    keyturner::secrets::Secrets::load(owner.dir()).unwrap().unwrap().bridge.token.expose().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_longer_than_any_is_read_to_its_end() {
    let owner = Owner::new().await;
    owner.server.commit(&events(100, (1..=2_300).map(by_app).collect())).await;
    let all = owner.says(&["history", "--since", "2026-11-01", "--json"]).await.json();
    assert_eq!(all["events"].as_array().unwrap().len(), 2_300);
    let some = owner.says(&["history", "--limit", "1500"]).await.out;
    assert_eq!(some.lines().count(), 1_501);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_is_red_at_a_terminal_and_names_steer_nothing() {
    let owner = Owner::new().await;
    let mut evil = by_app(1);
    evil.who.auth_name = Some("Eve\u{1b}]0;x\u{7}\u{202e}".to_owned());
    owner.server.commit(&events(100, vec![evil, refused(2)])).await;
    let (seen, _) = at_terminal(owner.command(&["history"]), 100).await;
    assert!(seen.contains("\u{1b}[1m\u{1b}[31mAnna") && !seen.contains("\u{1b}]"), "{seen:?}");
    let piped = owner.says(&["history"]).await.out;
    assert!(piped.contains("Eve") && !piped.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{piped:?}");
}

/// A command that goes on, line by line.
struct Following {
    child: Child,
    lines: UnboundedReceiver<String>,
}

impl Following {
    fn new(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = unbounded_channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    async fn next(&mut self) -> String {
        timeout(LIMIT, self.lines.recv()).await.expect("a line").expect("it goes on")
    }

    async fn next_json(&mut self) -> Value {
        serde_json::from_str(&self.next().await).unwrap()
    }

    /// Ctrl-C, then what was still said, and the exit code.
    async fn end(mut self) -> (Vec<String>, Option<i32>) {
        let killed = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let mut rest = Vec::new();
        while let Some(line) = timeout(LIMIT, self.lines.recv()).await.expect("it ends") {
            rest.push(line);
        }
        (rest, self.child.wait().unwrap().code())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_sees_each_event_once_and_in_order_while_it_is_written() {
    let owner = house().await;
    // No gateway is needed: another process writes the log.
    let mut following = Following::new(owner.alone(&["history", "--follow", "--json", "--limit", "2"]));
    assert_eq!([following.next_json().await["id"].clone(), following.next_json().await["id"].clone()], ["3", "4"]);
    let mut expected = Vec::new();
    for round in 0..20 {
        owner.server.commit(&events(200 + round, vec![by_app(100 + round as u32), by_code(200 + round as u32)])).await;
        expected.extend([(5 + 2 * round).to_string(), (6 + 2 * round).to_string()]);
    }
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        let line = following.next_json().await;
        assert_eq!(line["rowId"], line["id"]);
        seen.push(line["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, expected);
    let (rest, code) = following.end().await;
    assert_eq!((rest, code), (vec![], Some(0)), "ctrl-C is a good end");

    // Whoever comes back goes on behind the row that it had last.
    let mut again = Following::new(owner.alone(&["history", "--follow", "--json", "--after", "42"]));
    assert_eq!([again.next_json().await["id"].clone(), again.next_json().await["id"].clone()], ["43", "44"]);
    assert_eq!(again.end().await, (vec![], Some(0)));
    let never = owner.says(&["history", "--follow", "--json", "--after", "1000"]).await;
    assert!(never.code == 1 && never.err.contains("never a row 1000"), "{never:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn following_begins_now_keeps_to_the_filter_and_says_late_answers() {
    let owner = house().await;
    let mut following = Following::new(owner.command(&["history", "--follow", "--lock", "Front door"]));
    assert!(following.next().await.starts_with("WHEN"));
    owner.server.commit(&Batch { nuki_id: BACK, ..events(200, vec![by_app(7)]) }).await;
    owner.server.commit(&events(201, vec![pending()])).await;
    let seen = following.next().await;
    assert!(seen.contains("not known yet"), "{seen}");
    owner.server.commit(&events(202, vec![Event { answers_pending: true, ..by_app(8) }])).await;
    let answered = following.next().await;
    assert!(answered.contains("Anna") && answered.ends_with("(as the lock's log says now)"), "{answered}");
    assert_eq!(following.end().await, (vec![], Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_in_its_place_ends_the_following() {
    let owner = house().await;
    let mut following = Following::new(owner.command(&["history", "--follow"]));
    assert!(following.next().await.starts_with("WHEN"));
    let (path, copy) = (owner.server.database(), owner.dir().join("copy"));
    std::fs::copy(&path, &copy).unwrap();
    std::fs::rename(&copy, &path).unwrap();
    assert_eq!(timeout(LIMIT, following.lines.recv()).await.unwrap(), None);
    assert_eq!(following.child.wait().unwrap().code(), Some(1));
}

/// As in `keyturner history | head -1`.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_enough_is_no_error() {
    let owner = Owner::new().await;
    owner.server.commit(&events(100, (1..=2_000).map(by_app).collect())).await;
    for args in [
        "history --since 2026-11-01",
        "history --follow --limit 3",
        "history --follow --json --limit 3",
        "history --follow --limit 1",
    ] {
        let mut shell = Command::new("bash");
        let program = env!("CARGO_BIN_EXE_keyturner");
        shell.args(["-c", &format!("'{program}' {args} | head -1; exit ${{PIPESTATUS[0]}}")]);
        shell.envs(owner.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        let said = said(shell).await;
        assert_eq!((said.code, said.err.as_str(), said.out.lines().count()), (0, "", 1), "{args}: {said:?}");
    }
}
