//! `verify`, `export`, `erase` and `backup` as an owner runs them; and an independent look along the chain.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use keyturner::attribution::{Event, Who};
use serde_json::Value;

use crate::chain_tampering::written;
use crate::store::{Fixture, by_app, events};

fn keyturner(data: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyturner"));
    command.args(args).arg("--data").arg(data).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn verify_says_what_is_wrong_and_exits_with_1() {
    let f = written().await;
    let head = f.store.chain_head().await.unwrap().to_string();
    let intact = keyturner(f.dir.path(), &["verify", "--head", &head]);
    assert!(intact.status.success(), "{intact:?}");
    assert!(text(&intact.stdout).contains("is intact: 6 events") && text(&intact.stdout).contains(&head));

    let other = head.replace("6:", "5:");
    let wrong_head = keyturner(f.dir.path(), &["verify", "--head", &other]);
    assert_eq!(wrong_head.status.code(), Some(1));
    assert!(text(&wrong_head.stdout).contains(&format!("head {other}")), "{wrong_head:?}");
    let no_head = keyturner(f.dir.path(), &["verify", "--head", "6"]);
    assert_eq!(no_head.status.code(), Some(2));
    assert!(text(&no_head.stderr).contains("64 hex digits"), "{no_head:?}");

    f.run("drop trigger events_are_not_changed").await;
    f.run("update events set user_name = 'Bert' where id = 3").await;
    let changed = keyturner(f.dir.path(), &["verify"]);
    assert_eq!(changed.status.code(), Some(1));
    let said = text(&changed.stdout);
    assert!(said.contains("event 3: ") && said.contains("(person)") && said.contains("NOT intact, 1 fault"), "{said}");

    let nowhere = keyturner(&f.dir.path().join("nowhere"), &["verify"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("there is no event log"), "{nowhere:?}");
}

#[tokio::test]
async fn export_gives_a_person_and_nobody_else_as_lines_or_as_a_table() {
    let f = written().await;
    let all = keyturner(f.dir.path(), &["export"]);
    let rows: Vec<Value> = text(&all.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // The late answer is joined in.
    assert_eq!(rows.iter().map(|row| row["id"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 6]);
    assert_eq!((rows[0]["name"].as_str(), rows[1]["answeredBy"].as_i64()), (Some("Anna"), Some(5)));
    assert_eq!(rows[0]["date"], "2026-11-23T14:05:10.000Z");
    assert!(rows[0].get("raw").is_none() && rows[0].get("user_name").is_none());

    let anna = keyturner(f.dir.path(), &["export", "--user", "Anna", "--format", "csv"]);
    let table = text(&anna.stdout);
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.starts_with("id,date,nukiId,") && table.contains("Anna") && !table.contains("Cleaner"), "{table}");
    let code = keyturner(f.dir.path(), &["export", "--user", "code:1"]);
    assert_eq!(text(&code.stdout).lines().count(), 1);
    let span =
        keyturner(f.dir.path(), &["export", "--from", "2026-11-23T15:05:12+01:00", "--to", "2026-11-23T14:05:13Z"]);
    assert_eq!(text(&span.stdout).lines().count(), 1, "{span:?}");
    let other_lock = keyturner(f.dir.path(), &["export", "--lock", "00000001"]);
    assert_eq!(text(&other_lock.stdout), "");
    for bad in [["--from", "teatime"], ["--lock", "xyz"], ["--format", "xml"]] {
        assert_eq!(keyturner(f.dir.path(), &["export", bad[0], bad[1]]).status.code(), Some(2), "{bad:?}");
    }
}

#[tokio::test]
async fn every_key_of_an_export_is_a_column_and_no_name_is_a_formula() {
    let f = Fixture::new().await;
    let who =
        Who { auth_id: Some(8), auth_name: Some("=HYPERLINK(\"http://a/\",\"b\"),\n".to_owned()), ..Who::default() };
    f.store.commit(&events(1, vec![Event { who, ..by_app(1) }])).await.unwrap();
    let table = keyturner(f.dir.path(), &["export", "--format", "csv"]);
    let table = text(&table.stdout);
    assert!(table.contains("\"'=HYPERLINK(\"\"http://a/\"\",\"\"b\"\"),\n\""), "{table}");
    let json = keyturner(f.dir.path(), &["export"]);
    let row: Value = serde_json::from_str(text(&json.stdout)).unwrap();
    let mut columns: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    columns.sort_unstable();
    let mut keys: Vec<&String> = row.as_object().unwrap().keys().collect();
    keys.sort_unstable();
    assert_eq!(columns, keys);
}

#[tokio::test]
async fn erase_asks_first_and_the_log_verifies_afterwards() {
    let f = written().await;
    let unasked = keyturner(f.dir.path(), &["erase", "--user", "Anna"]);
    assert_eq!(unasked.status.code(), Some(1));
    assert!(text(&unasked.stdout).contains("authorization 7 of lock 2B1C0D0E, known as \"Anna\""), "{unasked:?}");
    assert!(text(&unasked.stderr).contains("--yes"), "{unasked:?}");
    assert_eq!(f.count("select count(*) from events where user_name = 'Anna'").await, 3);
    let erased = keyturner(f.dir.path(), &["erase", "--user", "Anna", "--yes"]);
    assert!(erased.status.success(), "{erased:?}");
    assert_eq!(f.count("select count(*) from events where user_name = 'Anna'").await, 0);
    let verified = keyturner(f.dir.path(), &["verify"]);
    assert!(text(&verified.stdout).contains("3 without their person"), "{verified:?}");
    assert_eq!(text(&keyturner(f.dir.path(), &["export", "--user", "Anna"]).stdout), "");
    let nobody = keyturner(f.dir.path(), &["erase", "--user", "Anna", "--yes"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).contains("knows nothing of this person"), "{nobody:?}");
}

#[tokio::test]
async fn backup_says_what_it_holds() {
    let f = written().await;
    let to = f.dir.path().join("copy.db");
    let made = keyturner(f.dir.path(), &["backup", to.to_str().unwrap()]);
    assert!(text(&made.stdout).contains("6 events and is intact"), "{made:?}");
    let again = keyturner(f.dir.path(), &["backup", to.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("exists already"), "{again:?}");
}

#[tokio::test]
async fn a_disk_that_takes_no_more_leaves_no_half_copy() {
    let f = written().await;
    let to = f.dir.path().join("copy.db");
    // Files may not grow beyond a few blocks, as on a full disk; the signal would end the program otherwise.
    let script = format!(
        "trap '' XFSZ; ulimit -f 16; exec '{}' backup '{}' --data '{}'",
        env!("CARGO_BIN_EXE_keyturner"),
        to.display(),
        f.dir.path().display()
    );
    let full = Command::new("sh").arg("-c").arg(script).stdin(Stdio::null()).output().unwrap();
    assert_eq!(full.status.code(), Some(1), "{full:?}");
    let said = text(&full.stderr);
    assert!(said.contains("copy.db") && said.contains("was not changed"), "{said}");
    assert!(!to.exists());
}

/// docs/chain.md is enough to recompute the chain: a script that was written from it alone comes to the same head.
#[tokio::test]
async fn an_independent_script_comes_to_the_same_head() {
    let f = written().await;
    f.store.erase(&f.path, &"Cleaner".parse().unwrap(), None, crate::store::NOW).await.unwrap();
    let head = f.store.chain_head().await.unwrap().to_string();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit/verify_chain.py");
    let run = || Command::new("python3").arg(&script).arg(&f.path).output();
    let Ok(same) = run() else {
        eprintln!("NOT TRIED: there is no python3 here, so nobody looked along the chain independently");
        return;
    };
    assert_eq!(text(&same.stdout).trim(), head, "{same:?}");
    f.run("drop trigger events_are_not_changed").await;
    f.run("update events set presses = 9 where id = 2").await;
    let changed = run().unwrap();
    assert!(!changed.status.success() && text(&changed.stderr).contains("event 2 "), "{changed:?}");
}
