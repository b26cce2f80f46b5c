//! A statement in the making, whoever runs it then.

use std::fmt::{Display, Write};

use rusqlite::types::Value;
use sqlx::{QueryBuilder, Sqlite};

/// What conditions are appended to.
pub(super) trait Statement {
    /// Appends SQL. Never anything that came from outside.
    fn sql(&mut self, sql: impl Display) -> &mut Self;
    /// Appends a number as a parameter.
    fn number(&mut self, number: i64) -> &mut Self;
    /// Appends a text as a parameter.
    fn text(&mut self, text: &str) -> &mut Self;

    /// Appends `(?, ?, …)`.
    fn numbers(&mut self, numbers: impl IntoIterator<Item = i64>) -> &mut Self {
        self.sql("(");
        for (at, number) in numbers.into_iter().enumerate() {
            self.sql(if at == 0 { "" } else { ", " }).number(number);
        }
        self.sql(")")
    }

    /// The same of texts.
    fn texts<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> &mut Self {
        self.sql("(");
        for (at, text) in texts.into_iter().enumerate() {
            self.sql(if at == 0 { "" } else { ", " }).text(text);
        }
        self.sql(")")
    }
}

/// For sqlx.
impl Statement for QueryBuilder<Sqlite> {
    fn sql(&mut self, sql: impl Display) -> &mut Self {
        self.push(sql)
    }

    fn number(&mut self, number: i64) -> &mut Self {
        self.push_bind(number)
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.push_bind(text.to_owned())
    }
}

/// For [`Readers`](super::reader::Readers).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    /// With `?` for each value.
    pub(super) sql: String,
    /// In their order.
    pub(super) values: Vec<Value>,
}

impl Question {
    pub(super) fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), values: Vec::new() }
    }

    fn value(&mut self, value: Value) -> &mut Self {
        self.values.push(value);
        self.sql("?")
    }
}

impl Statement for Question {
    fn sql(&mut self, sql: impl Display) -> &mut Self {
        // Writing to a String does not fail.
        let _ = write!(self.sql, "{sql}");
        self
    }

    fn number(&mut self, number: i64) -> &mut Self {
        self.value(Value::Integer(number))
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.value(Value::Text(text.to_owned()))
    }
}
