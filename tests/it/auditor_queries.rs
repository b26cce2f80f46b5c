//! The questions of `docs/queries.sql`, each asked of the fixture and compared with an answer worked out by hand.
//!
//! A new question gets its answer with `KEYTURNER_BLESS=1`; then read it, row by row, beside `auditor_fixture.rs`.

use std::path::Path;

use sqlx::{AssertSqlSafe, Column, Row, SqliteConnection};

use crate::auditor_fixture::fixture;
use crate::support::golden::golden;

/// What stands for "now" and for the zone of the machine while testing.
const NOW: &str = "'2026-11-27 09:00:00'";
const ZONE: &str = "'+1 hours'";

struct Query {
    number: usize,
    question: String,
    sql: String,
}

fn read_queries() -> Vec<Query> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/queries.sql");
    let text = std::fs::read_to_string(path).unwrap();
    let mut queries: Vec<Query> = Vec::new();
    for line in text.lines() {
        let heading = line.strip_prefix("-- ").and_then(|rest| rest.split_once(". "));
        if let Some((number, question)) = heading.and_then(|(n, q)| Some((n.parse().ok()?, q))) {
            queries.push(Query { number, question: question.to_owned(), sql: String::new() });
        } else if let Some(query) = queries.last_mut() {
            query.sql.push_str(line);
            query.sql.push('\n');
        }
    }
    queries
}

/// The answer as `sqlite3 -header` prints it.
async fn answer(connection: &mut SqliteConnection, sql: &str) -> String {
    let sql = sql.replace("'now'", NOW).replace("'localtime'", ZONE);
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap();
    let Some(first) = rows.first() else { return String::new() };
    let columns: Vec<&str> = first.columns().iter().map(|column| column.name()).collect();
    let mut text = columns.join("|") + "\n";
    for row in &rows {
        let value = |at| row.get_unchecked::<Option<String>, _>(at).unwrap_or_default();
        let values: Vec<String> = (0..columns.len()).map(value).collect();
        text.push_str(&values.join("|"));
        text.push('\n');
    }
    text
}

#[tokio::test]
async fn every_question_of_an_auditor_gets_the_answer_that_was_worked_out_by_hand() {
    let f = fixture().await;
    let mut auditor = f.sqlite3().await;
    let queries = read_queries();
    assert_eq!(queries.iter().map(|query| query.number).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    let mut wrong = String::new();
    for Query { number, question, sql } in &queries {
        let actual = answer(&mut auditor, sql).await;
        assert!(!actual.is_empty(), "the fixture has nothing to answer {number}. {question}");
        let expected = golden(&format!("queries/{number:02}.txt"), &actual);
        if actual != expected {
            wrong.push_str(&format!("{number}. {question}\n--- expected\n{expected}--- actual\n{actual}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
