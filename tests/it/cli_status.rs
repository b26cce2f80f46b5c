//! `keyturner status`: each lock at a glance, with a gateway and without one.

use keyturner::gateway::{LockSnapshot, RadioHealth};
use keyturner::protocol::LockState;
use keyturner::protocol::state::Battery;
use keyturner::store::{Batch, Observation};
use serde_json::{Value, json};

use crate::http_support::{FRONT, NOW, front, known, states};
use crate::store::{LOCK, by_app, by_code, events, lock_row, states as stored_states};
use crate::support::house_cli::{Owner, at_terminal};

/// Two locks, of which one is in the event log too.
async fn house() -> Owner {
    let owner = Owner::new().await;
    let store = &owner.server.store;
    store.register_lock(&lock_row(FRONT, "Front")).await.unwrap();
    let observations = vec![Observation { states: stored_states(LockState::Unlocked), before: None }];
    let at_front = Batch { nuki_id: FRONT, observations, ..events(100, vec![by_app(1), by_code(2)]) };
    store.commit(&at_front).await.unwrap();
    let mut open = states(LockState::Unlocked);
    open.battery = Battery(1 | (9 << 2));
    let side =
        LockSnapshot { nuki_id: LOCK, name: "Side\u{1b}[2J\u{202e}".into(), state: Some((open, NOW)), ..front() };
    let mut script = owner.server.doors.script();
    script.locks.insert(LOCK, side);
    script.radio = Some(RadioHealth { since: NOW, problem: None, adapter: Some("hci0".into()) });
    drop(script);
    owner
}

#[tokio::test(flavor = "multi_thread")]
async fn each_lock_is_shown_with_state_battery_and_who_was_last() {
    let owner = house().await;
    let said = owner.says(&["status"]).await;
    assert!(said.code == 0 && said.err.is_empty(), "{said:?}");
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines[0].starts_with(concat!("keyturner ", env!("CARGO_PKG_VERSION"), ": ok, runs for ")), "{said:?}");
    assert!(lines[1].starts_with("hci0: listens for "), "{said:?}");
    let heads: Vec<&str> = lines[2].split_whitespace().collect();
    assert_eq!(heads, ["LOCK", "STATE", "DOOR", "BATTERY", "LAST", "SIGNAL", "HEARD"]);
    let row = |name: &str| *lines.iter().find(|line| line.starts_with(name)).unwrap();
    for words in ["unlocked", "closed", "96 %", "Cleaner unlocked the door with keypad code 1, ", " ago", "-61 dBm"] {
        assert!(row("Front").contains(words), "{words}: {said:?}");
    }
    assert!(row("Side").contains("18 %, LOW"), "{said:?}");
    assert!(!said.out.contains(['\u{1b}', '\u{202e}']), "a name steers nothing: {said:?}");
    let state_column = lines[2].find("STATE").unwrap();
    assert!(row("Front").find("unlocked").unwrap() == state_column, "columns stand straight: {said:?}");

    let document = owner.says(&["status", "--json"]).await.json();
    assert_eq!((&document["isRunning"], &document["health"]["status"]), (&json!(true), &json!("ok")));
    let at = |nuki_id: u32| {
        document["locks"].as_array().unwrap().iter().find(|lock| lock["nukiId"] == nuki_id).cloned().unwrap()
    };
    assert_eq!(at(FRONT)["lastKnownState"]["stateName"], "unlocked");
    assert_eq!((&at(FRONT)["last"]["name"], &at(FRONT)["last"]["codeId"]), (&json!("Cleaner"), &json!(1)));
    assert!(at(LOCK).get("last").is_none(), "nobody is made up");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wants_attention_is_said_and_makes_the_exit_code() {
    let owner = house().await;
    let ill = keyturner::gateway::LockHealth { pin_refusals: 1, ..known() };
    owner.server.doors.script().health = Some(ill);
    owner.server.doors.script().radio =
        Some(RadioHealth { since: NOW, problem: Some("no adapter: plug one in".into()), adapter: None });
    let said = owner.says(&["status"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    for words in [
        ": degraded, runs for",
        "radio: hears nothing for ",
        "no adapter: plug one in",
        "Front: it refused the security PIN once",
    ] {
        assert!(said.out.contains(words), "{words}: {said:?}");
    }
    assert_eq!(owner.says(&["status", "--json"]).await.code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_the_event_log_is_shown_and_that_is_said_first() {
    let owner = house().await;
    let said = owner.says_alone(&["status"]).await;
    assert_eq!(said.code, 4, "{said:?}");
    assert!(said.out.starts_with("The gateway does not run"), "{said:?}");
    let front = said.out.lines().find(|line| line.starts_with("Front  ")).unwrap();
    assert!(front.contains("unlocked") && front.contains("Cleaner unlocked the door"), "{said:?}");
    let document = owner.says_alone(&["status", "--json"]).await;
    assert_eq!((document.code, &document.json()["isRunning"]), (4, &json!(false)));
    assert_eq!(document.json().get("health"), None::<&Value>);

    // With the key to the gateway and without its event log.
    let elsewhere = tempfile::tempdir().unwrap();
    let secrets = keyturner::secrets::FILE_NAME;
    std::fs::copy(owner.dir().join(secrets), elsewhere.path().join(secrets)).unwrap();
    let there = ["status", "--data", elsewhere.path().to_str().unwrap()];
    let said = owner.says_alone(&there).await;
    assert!(said.code == 4 && said.out.is_empty() && said.err.contains("is `keyturner run` up"), "{said:?}");
    let said = owner.says(&there).await;
    assert!(
        said.code == 0 && said.err.contains("who was last is not known"),
        "the gateway is asked all the same: {said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_sees_colours_and_no_line_is_longer_than_it() {
    let owner = house().await;
    for columns in [72, 80, 200] {
        let (seen, status) = at_terminal(owner.command(&["status"]), columns).await;
        assert!(status.success() && seen.contains("\u{1b}[33munlocked"), "{columns}: {seen:?}");
        let plain = plain(&seen);
        let table = plain.lines().filter(|line| line.contains("dBm") || line.starts_with("LOCK"));
        assert!(table.clone().count() == 3, "{plain}");
        for line in table {
            assert!(line.chars().count() <= usize::from(columns), "{columns}: {line:?}");
        }
        assert_eq!(plain.contains('\u{2026}'), columns < 200, "{columns}: {plain}");
    }
    let mut command = owner.command(&["status"]);
    command.env("NO_COLOR", "1");
    let (seen, _) = at_terminal(command, 200).await;
    assert!(!seen.contains('\u{1b}'), "{seen:?}");
}

/// Without styles.
fn plain(seen: &str) -> String {
    let mut parts = seen.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}
