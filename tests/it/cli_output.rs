//! What commands have in common: lists in tables and JSON, no escape codes where nobody sees them, exit codes, help.

use keyturner::protocol::users::{AuthorizationEntry, KeypadCode, TimeLimit};
use keyturner::protocol::{IdType, LockState};
use keyturner::store::{Batch, Observation};
use serde_json::{Value, json};

use crate::http_support::FRONT;
use crate::store::{LOCK, NOW, by_app, by_code, events, lock_row, states};
use crate::support::golden::golden;
use crate::support::house_cli::{Owner, at_terminal};

/// A name that tries to steer a terminal, and one that is wider than it is long.
const EVIL: &str = "Eve\u{1b}]0;x\u{7}\u{202e}\n";
const WIDE: &str = "\u{7384}\u{95a2}";

async fn house() -> Owner {
    let owner = Owner::new().await;
    let store = &owner.server.store;
    let user = |auth_id, name: &str, id_type, enabled, time_limit| AuthorizationEntry {
        auth_id,
        id_type,
        name: name.to_owned(),
        enabled,
        remote_allowed: true,
        created: None,
        last_active: None,
        lock_count: 1,
        time_limit,
    };
    let code = |code_id, name: &str| KeypadCode {
        code_id,
        name: name.to_owned(),
        enabled: true,
        created: None,
        last_active: None,
        lock_count: 0,
        time_limit: None,
    };
    let limit = TimeLimit { weekdays: 0b110_0000, from_time: (8, 0), until_time: (12, 0), ..TimeLimit::default() };
    let gone = user(11, "Gone", IdType::App, true, None);
    let users = [user(7, "Anna", IdType::App, true, None), user(9, WIDE, IdType::Keypad2, false, None)];
    let more = [user(10, EVIL, IdType::Fob, true, Some(limit))];
    let all: Vec<_> = users.iter().chain(&more).chain([&gone]).cloned().collect();
    store.replace_users(LOCK, &all, NOW).await.unwrap();
    store.replace_users(LOCK, &all[..3], NOW).await.unwrap();
    store.replace_keypad_codes(LOCK, &[code(1, "Cleaner"), code(2, "Guest")], NOW).await.unwrap();
    store.register_lock(&lock_row(FRONT, "Front")).await.unwrap();
    store.replace_keypad_codes(FRONT, &[code(1, "Cleaner")], NOW).await.unwrap();
    let observations = vec![Observation { states: states(LockState::Unlocked), before: None }];
    owner.server.commit(&Batch { observations, ..events(100, vec![by_app(1), by_code(2), by_app(3)]) }).await;
    store.add_callback("http://ha.lan:8123/api/webhook/s3cret-path", NOW).await.unwrap();
    owner
}

const LISTS: [&[&str]; 7] =
    [&["users"], &["users", "--all"], &["codes"], &["callbacks"], &["callback", "list"], &["tokens"], &["locks"]];

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_tables_as_they_stand_in_the_golden_file() {
    let owner = house().await;
    let mut text = String::new();
    for args in LISTS {
        let said = owner.says(args).await;
        assert!(said.code == 0 && said.err.is_empty(), "{args:?}: {said:?}");
        text.push_str(&format!("$ keyturner {}\n{}\n", args.join(" "), said.out));
    }
    let golden = golden("cli_lists.txt", &text);
    assert!(text == golden, "look at it, then run with KEYTURNER_BLESS=1 to freeze it\n{text}");
    assert!(!golden.contains(['\u{1b}', '\u{7}', '\u{202e}']) && !golden.contains("s3cret"), "{golden}");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_one_document_on_one_line_with_the_names_of_v1() {
    let owner = house().await;
    let json = async |args: &[&str]| owner.says(&[args, &["--json"]].concat()).await.json();
    let users = json(&["users"]).await;
    let anna = users["users"].as_array().unwrap().iter().find(|user| user["authId"] == 7).cloned().unwrap();
    assert_eq!(
        anna,
        json!({"nukiId": LOCK, "authId": 7, "type": 0, "name": "Anna", "enabled": true, "validFrom": NOW.rfc3339(),
               "lastSeen": "2026-11-23T14:05:12.000Z", "times": 2})
    );
    assert_eq!(users["users"].as_array().unwrap().len(), 6, "{users}");
    assert_eq!(json(&["users", "--all"]).await["users"].as_array().unwrap().len(), 7);
    assert_eq!(json(&["users", "--lock", "front"]).await["users"].as_array().unwrap().len(), 1);
    assert!(users.to_string().contains(&json!(EVIL).to_string()), "a program gets the name as it is");
    let codes = json(&["codes"]).await;
    assert_eq!((&codes["nukiId"], &codes["codes"][0]["name"]), (&json!(FRONT), &json!("Cleaner")), "the only lock");
    let callbacks = json(&["callbacks"]).await;
    assert_eq!(
        callbacks,
        json!({"callbacks": [{"id": 0, "receiver": "http://ha.lan:8123", "added": NOW.rfc3339(), "waiting": 0}]})
    );
    let verified = json(&["verify"]).await;
    assert_eq!(
        (&verified["isIntact"], &verified["events"], &verified["faults"]),
        (&json!(true), &json!(3), &json!([]))
    );
    assert_eq!(json(&["health"]).await["chainHead"], verified["head"]);
    let copy = owner.dir().join("copy.db");
    let backup = json(&["backup", copy.to_str().unwrap()]).await;
    assert_eq!((&backup["events"], &backup["head"]), (&json!(3), &verified["head"]));
    let clocks = json(&["clock"]).await;
    assert_eq!(clocks["locks"].as_array().unwrap().len(), 2, "{clocks}");
    for args in [&["locks"][..], &["webhooks"]] {
        assert_eq!(json(args).await, json!([]), "{args:?}");
    }
    assert_eq!(json(&["tokens"]).await["tokens"][0]["name"], "bridge");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_is_removed_by_its_slot() {
    let owner = house().await;
    let said = owner.says(&["callback", "remove", "0"]).await;
    assert!(said.code == 0 && said.out.starts_with("Slot 0 is free"), "{said:?}");
    assert_eq!(owner.server.store.callbacks().await.unwrap(), []);
    let again = owner.says(&["callback", "remove", "0"]).await;
    assert!(again.code == 1 && again.err.contains("nothing was removed"), "{again:?}");
    assert_eq!(owner.says(&["callback", "remove", "3"]).await.code, 2);
    assert_eq!(owner.says_alone(&["callback", "remove", "0"]).await.code, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn escape_codes_go_to_terminals_alone() {
    let owner = house().await;
    for args in LISTS.into_iter().chain([&["health"][..], &["verify"], &["clock"], &["history"], &["status"]]) {
        let said = owner.says(args).await;
        assert!(!said.out.contains('\u{1b}') && !said.err.contains('\u{1b}'), "{args:?}: {said:?}");
        let (seen, _) = at_terminal(owner.command(args), 100).await;
        let is_plain = args == ["locks"];
        assert!((is_plain || seen.contains("\u{1b}[")) && !seen.contains("\u{1b}]"), "{args:?}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_are_those_of_the_help() {
    let owner = house().await;
    for (args, code) in [
        (&["verify"][..], 0),
        (&["verify", "--head", &format!("3:{}", "0".repeat(64))], 1),
        (&["verify", "--nonsense"], 2),
        (&["nonsense"], 2),
        (&[], 2),
        (&["help"], 0),
        (&["--version"], 0),
        (&["history", "--help"], 0),
    ] {
        let said = owner.says(args).await;
        assert_eq!(said.code, code, "{args:?}: {said:?}");
    }
    for args in [&["health"][..], &["codes"], &["status"], &["auth", "allow"], &["lock", "Front"]] {
        assert_eq!(owner.says_alone(args).await.code, 4, "{args:?}");
    }
    let help = owner.says(&["help"]).await.out;
    assert!(help.contains("Exit codes:") && help.contains("  4  the gateway does not run"), "{help}");
    let alone = owner.says(&[]).await;
    assert!(alone.err.contains("Usage: keyturner <COMMAND>"), "{alone:?}");
}

/// Reading changes nothing: a database of an older version stays as it is, and is not opened by a newer one in passing.
#[tokio::test(flavor = "multi_thread")]
async fn commands_that_only_read_migrate_nothing() {
    let owner = Owner::new().await;
    let path = owner.server.database();
    owner.server.store.close().await;
    let newest: Value = sqlite(
        &path,
        "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations) returning version",
    );
    for args in [&["history"][..], &["users"], &["callbacks"], &["clock"]] {
        let said = owner.says(args).await;
        assert!(said.code == 1 && said.err.contains("was written by an older version"), "{args:?}: {said:?}");
    }
    let doctor = owner.says(&["doctor", "--listen-for", "1"]).await;
    assert!(doctor.out.contains("ok    event log: an older version wrote it"), "{doctor:?}");
    let is_back = sqlite(&path, &format!("select count(*) from _sqlx_migrations where version = {newest}"));
    assert_eq!(is_back, json!(0));
}

/// One value of one row.
fn sqlite(path: &std::path::Path, statement: &str) -> Value {
    let connection = rusqlite::Connection::open(path).unwrap();
    json!(connection.query_row(statement, [], |row| row.get::<_, i64>(0)).unwrap())
}

/// Every command says what it is for, in one line below `keyturner help` and in words of its own below `--help`.
#[test]
fn every_command_and_every_option_says_what_it_is_for() {
    fn look(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        assert!(command.get_about().is_some(), "{path} says nothing");
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            assert!(argument.get_help().is_some(), "{path} {} says nothing", argument.get_id());
        }
        command.get_subcommands().filter(|sub| sub.get_name() != "help").for_each(|sub| look(sub, &path));
    }
    let mut command = keyturner::cli::command();
    command.build();
    look(&command, "");
}
