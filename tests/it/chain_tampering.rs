//! Whoever changes the file behind our back is found: a value, a row, the order, the end.

use std::path::Path;

use keyturner::attribution::{Event, EventKind};
use keyturner::store::{ChainHead, Fault, Store, VerifyReport, verify};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use crate::store::{Fixture, by_app, by_code, connect, events, pending, without_entry};
use crate::support::dice::Dice;

/// Six events of all sorts.
pub(crate) async fn written() -> Fixture {
    let f = Fixture::new().await;
    let gap = Event { detail: Some("3 log entries are missing".to_owned()), ..without_entry(EventKind::Gap, None) };
    f.store.commit(&events(1, vec![by_app(1), pending(), by_code(3)])).await.unwrap();
    f.store.commit(&events(2, vec![gap, Event { answers_pending: true, ..by_app(4) }, by_app(5)])).await.unwrap();
    f
}

pub(crate) async fn report(path: &Path) -> VerifyReport {
    verify(path, &[], |_, _| ()).await.unwrap()
}

/// A copy without the guards, as whoever can write the file would make it.
async fn unguarded(f: &Fixture, name: &str) -> std::path::PathBuf {
    let path = f.dir.path().join(name);
    std::fs::remove_file(&path).ok();
    let mut owner = f.sqlite3().await;
    sqlx::query("vacuum into ?").bind(path.to_str().unwrap()).execute(&mut owner).await.unwrap();
    owner.close().await.unwrap();
    let mut attacker = attack(&path).await;
    let triggers: Vec<String> = sqlx::query_scalar("select name from sqlite_schema where type = 'trigger'")
        .fetch_all(&mut attacker)
        .await
        .unwrap();
    for trigger in triggers {
        execute(&mut attacker, format!("drop trigger {trigger}")).await;
    }
    attacker.close().await.unwrap();
    path
}

async fn attack(path: &Path) -> SqliteConnection {
    let mut attacker = connect(path).await;
    execute(&mut attacker, "pragma foreign_keys = off".to_owned()).await;
    execute(&mut attacker, "pragma ignore_check_constraints = on".to_owned()).await;
    attacker
}

async fn execute(connection: &mut SqliteConnection, statement: String) {
    sqlx::query(AssertSqlSafe(statement.clone()))
        .execute(connection)
        .await
        .unwrap_or_else(|e| panic!("{statement}: {e}"));
}

async fn tampered(f: &Fixture, name: &str, statements: &[&str]) -> VerifyReport {
    let path = unguarded(f, name).await;
    let mut attacker = attack(&path).await;
    for statement in statements {
        execute(&mut attacker, (*statement).to_owned()).await;
    }
    attacker.close().await.unwrap();
    report(&path).await
}

async fn columns(f: &Fixture, table: &str) -> Vec<(String, String)> {
    let mut owner = f.sqlite3().await;
    sqlx::query_as(AssertSqlSafe(format!("select name, type from pragma_table_info('{table}')")))
        .fetch_all(&mut owner)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_untouched_log_is_intact_also_while_it_is_open_and_after_a_restart() {
    let f = written().await;
    let first = report(&f.path).await;
    assert!(first.is_intact(), "{first:?}");
    assert_eq!((first.events, first.removed, first.erased, first.head.id), (6, 0, 0, 6));
    assert_eq!(f.store.chain_head().await.unwrap(), first.head);
    f.store.close().await;
    let before = std::fs::read(&f.path).unwrap();
    assert_eq!(report(&f.path).await, first);
    assert!(std::fs::read(&f.path).unwrap() == before, "verify wrote to the file");
    let store = Store::open(&f.path).await.unwrap();
    store.commit(&events(3, vec![by_app(6)])).await.unwrap();
    assert!(verify(&f.path, &[first.head], |_, _| ()).await.unwrap().is_intact());
}

#[tokio::test]
async fn who_waits_is_told_at_last_that_all_was_walked() {
    let f = written().await;
    let mut told = Vec::new();
    verify(&f.path, &[], |walked, total| told.push((walked, total))).await.unwrap();
    assert_eq!(told, [(6, 6)]);
}

#[tokio::test]
async fn an_empty_log_is_intact() {
    let f = Fixture::new().await;
    assert!(report(&f.path).await.is_intact());
    let head = f.store.chain_head().await.unwrap();
    assert!(verify(&f.path, &[head], |_, _| ()).await.unwrap().is_intact());
}

#[tokio::test]
async fn a_change_in_any_column_of_an_event_is_found() {
    let f = written().await;
    let columns = columns(&f, "events").await;
    assert!(columns.len() >= 39, "{columns:?}");
    for (column, kind) in columns {
        for id in [1, 4, 6] {
            let change = match (column.as_str(), kind.to_lowercase().as_str()) {
                ("id", _) => "100".to_owned(),
                (_, "integer") => format!("coalesce({column}, 0) + 1"),
                (_, "text") => format!("coalesce({column}, '') || 'x'"),
                (_, "blob") => format!("cast({column} || x'00' as blob)"),
                other => panic!("a column of a type that no test knows: {other:?}"),
            };
            let found =
                tampered(&f, "copy", &[&format!("update events set {column} = {change} where id = {id}")]).await;
            assert!(!found.is_intact(), "{column} of {id}");
            if column == "id" {
                continue;
            }
            let person =
                ["auth_id", "auth_name", "code_id", "code_name", "user_name", "raw"].contains(&column.as_str());
            let fault = if person { Fault::Person(id) } else { Fault::Content(id) };
            assert_eq!(found.faults, [fault], "{column} of {id}");
        }
    }
}

#[tokio::test]
async fn a_value_that_turns_to_null_or_from_null_is_found() {
    let f = written().await;
    let by_app_only = tampered(&f, "copy", &["update events set reason = '' where id = 1"]).await;
    assert_eq!(by_app_only.faults, [Fault::Content(1)]);
    let nameless = tampered(&f, "copy", &["update events set user_name = null where id = 6"]).await;
    assert_eq!(nameless.faults, [Fault::Person(6)]);
}

#[tokio::test]
async fn a_value_of_another_type_with_the_same_bytes_is_found() {
    let f = written().await;
    let path = unguarded(&f, "loose").await;
    let mut attacker = attack(&path).await;
    // A table that is not strict takes any type.
    for statement in [
        "pragma writable_schema = on",
        "update sqlite_schema set sql = replace(sql, ') strict', ')') where name = 'events'",
        "pragma writable_schema = reset",
    ] {
        execute(&mut attacker, statement.to_owned()).await;
    }
    let mut tried = 0;
    for (column, kind) in columns(&f, "events").await.into_iter().skip(1) {
        let change = match kind.to_lowercase().as_str() {
            "integer" | "text" => format!("cast({column} as blob)"),
            "blob" => format!("cast({column} as text)"),
            other => panic!("a column of a type that no test knows: {other:?}"),
        };
        for id in 1..=6 {
            let statement = format!("update events set {column} = {change} where id = {id} and {column} is not null");
            let changed = sqlx::query(AssertSqlSafe(statement)).execute(&mut attacker).await.unwrap().rows_affected();
            if changed == 0 {
                continue;
            }
            tried += 1;
            let found = report(&path).await;
            assert!(
                found.faults.contains(&Fault::Content(id)) || found.faults.contains(&Fault::Person(id)),
                "{column} of {id}: {found:?}"
            );
            execute(&mut attacker, format!("update events set {column} = cast({column} as {kind}) where id = {id}"))
                .await;
            assert!(report(&path).await.is_intact(), "{column} of {id}");
        }
    }
    assert!(tried > 100, "{tried}");
}

#[tokio::test]
async fn a_change_in_any_column_of_the_chain_is_found() {
    let f = written().await;
    for (column, kind) in columns(&f, "chain").await {
        for id in [1, 3, 6] {
            let change = match (column.as_str(), kind.to_lowercase().as_str()) {
                ("id", _) => "id + 100".to_owned(),
                (_, "integer") => "6".to_owned(),
                (_, "blob") => "randomblob(coalesce(length({}), 32))".replace("{}", &column),
                other => panic!("a column of a type that no test knows: {other:?}"),
            };
            let found = tampered(&f, "copy", &[&format!("update chain set {column} = {change} where id = {id}")]).await;
            assert!(!found.is_intact(), "{column} of {id}");
        }
    }
    let hash = tampered(&f, "copy", &["update chain set hash = randomblob(32) where id = 3"]).await;
    assert_eq!(hash.faults, [Fault::Link(3)], "only the hash was changed, and the next event shows it");
    for (column, _) in columns(&f, "chain_start").await.iter().skip(1) {
        let change = if column == "id" { "1".to_owned() } else { "randomblob(32)".to_owned() };
        let found = tampered(&f, "copy", &[&format!("update chain_start set {column} = {change}")]).await;
        assert!(!found.is_intact(), "chain_start.{column}");
    }
}

#[tokio::test]
async fn any_row_that_is_removed_is_missed() {
    let f = written().await;
    for id in 1..=6 {
        let event = format!("delete from events where id = {id}");
        let link = format!("delete from chain where id = {id}");
        let without_event = tampered(&f, "copy", &[&event]).await;
        assert_eq!(without_event.faults, [Fault::NoEvent(id)]);
        let without_link = tampered(&f, "copy", &[&link]).await;
        assert!(without_link.faults.contains(&Fault::NoLink { count: 1, first: id }), "{id}: {without_link:?}");
        let without_both = tampered(&f, "copy", &[&event, &link]).await;
        let expected =
            if id == 6 { Fault::Tail { given: Some(6), last: 5 } } else { Fault::Missing { from: id, to: id } };
        assert_eq!(without_both.faults, [expected]);
    }
}

#[tokio::test]
async fn an_end_that_is_cut_off_with_its_counter_is_missed_by_its_head() {
    let f = written().await;
    let head = f.store.chain_head().await.unwrap();
    let cut = ["delete from events where id > 4", "delete from chain where id > 4"];
    assert_eq!(tampered(&f, "cut", &cut).await.faults, [Fault::Tail { given: Some(6), last: 4 }]);
    let quiet = "update sqlite_sequence set seq = 4 where name = 'events'";
    assert!(tampered(&f, "quiet", &[cut[0], cut[1], quiet]).await.is_intact(), "this is what heads are for");
    let path = f.dir.path().join("quiet");
    assert_eq!(verify(&path, &[head], |_, _| ()).await.unwrap().faults, [Fault::Head(head)]);
    for no_number in [
        "delete from sqlite_sequence where name = 'events'",
        "update sqlite_sequence set seq = 'six' where name = 'events'",
    ] {
        assert_eq!(tampered(&f, "copy", &[no_number]).await.faults, [Fault::Tail { given: None, last: 6 }]);
    }
}

#[tokio::test]
async fn a_head_of_another_log_does_not_fit() {
    let f = written().await;
    let head = f.store.chain_head().await.unwrap();
    for other in [ChainHead { id: 3, ..head }, ChainHead { id: 60, ..head }, ChainHead { hash: [1; 32], ..head }] {
        assert_eq!(verify(&f.path, &[head, other], |_, _| ()).await.unwrap().faults, [Fault::Head(other)]);
    }
}

/// Every column of an event but its number.
async fn others(f: &Fixture) -> String {
    let names: Vec<String> = columns(f, "events").await.into_iter().map(|(name, _)| name).skip(1).collect();
    names.join(", ")
}

#[tokio::test]
async fn a_row_that_is_slipped_in_is_found_wherever_it_stands() {
    let f = written().await;
    let all = others(&f).await;
    let copy = |to: &str, from: i64| {
        let all = all.replace("refers_to", "null").replace("log_index", "id + 50");
        format!("insert into events (id, {}) select {to}, {all} from events where id = {from}", others_plain(&all))
    };
    fn others_plain(all: &str) -> String {
        all.replace("null", "refers_to").replace("id + 50", "log_index")
    }
    let end = tampered(&f, "copy", &[&copy("7", 6)]).await;
    assert!(end.faults.contains(&Fault::NoLink { count: 1, first: 7 }), "{end:?}");
    let start = tampered(&f, "copy", &[&copy("0", 1)]).await;
    assert!(start.faults.contains(&Fault::NoLink { count: 1, first: 0 }), "{start:?}");
    let link = |id: i64| {
        format!("insert into chain (id, salt, person, hash) select {id}, salt, person, hash from chain where id = 6")
    };
    let with_link = tampered(&f, "copy", &[&copy("7", 6), &link(7)]).await;
    assert!(!with_link.is_intact());
    let before = tampered(&f, "copy", &[&copy("0", 1), &link(0)]).await;
    assert!(before.faults.contains(&Fault::BeforeStart(0)), "{before:?}");
    let phantom = tampered(&f, "copy", &[&link(7)]).await;
    assert!(phantom.faults.contains(&Fault::NoEvent(7)), "{phantom:?}");
    // In the middle there is room only if what follows moves up.
    let moved = [
        "update events set id = id + 1000 where id > 3",
        "update events set id = id - 999 where id > 1000",
        "update chain set id = id + 1000 where id > 3",
        "update chain set id = id - 999 where id > 1000",
        "update sqlite_sequence set seq = 7 where name = 'events'",
    ];
    let middle = copy("4", 3);
    let middle_link = link(4);
    let statements: Vec<&str> = moved.into_iter().chain([middle.as_str(), middle_link.as_str()]).collect();
    assert!(!tampered(&f, "copy", &statements).await.is_intact());
}

#[tokio::test]
async fn an_event_that_is_hidden_from_an_index_is_found() {
    let f = written().await;
    let path = unguarded(&f, "hidden").await;
    let mut attacker = attack(&path).await;
    // The index is built anew without one user, and says that it is complete.
    for statement in [
        "pragma writable_schema = on",
        "update sqlite_schema set sql = replace(sql, 'auth_id is not null', 'auth_id <> 7') where name = 'events_by_user'",
        "pragma writable_schema = reset",
        "reindex events_by_user",
        "pragma writable_schema = on",
        "update sqlite_schema set sql = replace(sql, 'auth_id <> 7', 'auth_id is not null') where name = 'events_by_user'",
        "pragma writable_schema = reset",
    ] {
        execute(&mut attacker, statement.to_owned()).await;
    }
    attacker.close().await.unwrap();
    let found = report(&path).await;
    let [Fault::File(reason)] = found.faults.as_slice() else { panic!("{found:?}") };
    assert!(reason.contains("missing from index events_by_user"), "{reason}");
}

#[tokio::test]
async fn two_rows_that_change_places_are_found() {
    let f = written().await;
    let swap = |table: &str| {
        [
            format!("update {table} set id = -1 where id = 3"),
            format!("update {table} set id = 3 where id = 6"),
            format!("update {table} set id = 6 where id = -1"),
        ]
    };
    let (events, chain) = (swap("events"), swap("chain"));
    let statements = |parts: &[&[String]]| parts.concat();
    for parts in [statements(&[&events]), statements(&[&chain]), statements(&[&events, &chain])] {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let found = tampered(&f, "copy", &parts).await;
        assert!(!found.is_intact(), "{parts:?}");
        assert!(found.faults.iter().any(|f| matches!(f, Fault::Content(3) | Fault::Person(3) | Fault::Link(3))));
    }
}

#[tokio::test]
async fn who_is_blotted_out_without_a_record_is_missed() {
    let f = written().await;
    let blot = "update events set auth_id = null, auth_name = null, code_id = null, code_name = null,
                user_name = null, raw = x'' where id = 3";
    assert_eq!(tampered(&f, "copy", &[blot]).await.faults, [Fault::Person(3)]);
    let claimed = tampered(&f, "copy", &[blot, "update chain set salt = null, erased_by = 6 where id = 3"]).await;
    assert_eq!(claimed.faults, [Fault::Unrecorded { first: 3, count: 1, by: 6 }]);
    let removed = tampered(
        &f,
        "copy",
        &[
            "delete from events where id = 3",
            "update chain set salt = null, content = randomblob(32), removed_by = 6 where id = 3",
        ],
    )
    .await;
    assert!(removed.faults.contains(&Fault::Unrecorded { first: 3, count: 1, by: 6 }), "{removed:?}");
}

#[tokio::test]
async fn a_beginning_that_is_cut_off_is_missed() {
    let f = written().await;
    let found = tampered(
        &f,
        "copy",
        &[
            "update chain_start set id = 2, hash = (select hash from chain where id = 2)",
            "delete from events where id <= 2",
            "delete from chain where id <= 2",
        ],
    )
    .await;
    assert_eq!(found.faults, [Fault::Start]);
}

/// Every value of both tables.
async fn dump(path: &Path) -> Result<Vec<String>, sqlx::Error> {
    let mut reader = connect(path).await;
    let mut lines = Vec::new();
    for table in ["events", "chain", "chain_start"] {
        let statement = format!("select * from {table}");
        for row in sqlx::query(AssertSqlSafe(statement)).fetch_all(&mut reader).await? {
            let values: Vec<String> = (0..row.len())
                .map(|column| {
                    let bytes: Option<Vec<u8>> = row.try_get_unchecked(column).unwrap();
                    format!("{bytes:?}")
                })
                .collect();
            lines.push(values.join("|"));
        }
    }
    reader.close().await?;
    Ok(lines)
}

#[tokio::test]
async fn a_flipped_byte_is_found_or_changes_nothing_that_can_be_read() {
    let f = written().await;
    let whole = unguarded(&f, "whole").await;
    let bytes = std::fs::read(&whole).unwrap();
    let original = dump(&whole).await.unwrap();
    let mut owner = connect(&whole).await;
    let pages: Vec<i64> = sqlx::query_scalar(
        "select rootpage from sqlite_schema where name in ('events', 'chain', 'chain_start') and type = 'table'",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    owner.close().await.unwrap();
    let path = f.dir.path().join("flipped");
    let mut dice = Dice::new(7);
    let mut found = 0;
    for round in 0..600 {
        let page = usize::try_from(dice.pick(&pages) - 1).unwrap() * 4096;
        // Rows grow from the end of a page.
        let tail = dice.chance(80);
        let offset =
            page + usize::try_from(if tail { dice.between(2800, 4095) } else { dice.between(0, 4095) }).unwrap();
        let mut flipped = bytes.clone();
        flipped[offset] ^= u8::try_from(dice.between(1, 255)).unwrap();
        std::fs::write(&path, &flipped).unwrap();
        match verify(&path, &[], |_, _| ()).await {
            Ok(report) if report.is_intact() => {
                assert_eq!(dump(&path).await.unwrap(), original, "round {round}: byte {offset} was changed unnoticed");
            }
            Ok(_) | Err(_) => found += 1,
        }
    }
    assert!(found > 100, "only {found} of 600 flips hit something");
}
