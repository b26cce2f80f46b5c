//! Lists as CSV, with the columns that JSON has.

use serde::Serialize;
use serde_json::{Map, Value};

use super::problem::Problem;

/// Items of a list that can be a table.
pub(super) trait Row: Serialize {
    /// The keys of its JSON, in the order of the columns.
    const COLUMNS: &'static [&'static str];
}

/// A header and a line for each row; what is not known is an empty field.
///
/// # Errors
/// When a row cannot be written; the log says why.
pub(super) fn table<R: Row>(rows: &[R]) -> Result<String, Problem> {
    write(rows).map_err(|error| {
        tracing::error!(%error, "a table could not be written");
        Problem::internal()
    })
}

fn write<R: Row>(rows: &[R]) -> Result<String, Box<dyn std::error::Error>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(R::COLUMNS)?;
    for row in rows {
        let object: Map<String, Value> = match serde_json::to_value(row)? {
            Value::Object(object) => object,
            _ => Map::new(),
        };
        writer.write_record(R::COLUMNS.iter().map(|column| object.get(*column).map_or_else(String::new, field)))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => harmless(text),
        other => other.to_string(),
    }
}

/// Names come from the air, and a spreadsheet runs what begins like a formula. The apostrophe makes it a text.
fn harmless(text: &str) -> String {
    match text.trim_start_matches([' ', '\u{a0}', '\u{feff}']).chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '|' | '＝' | '＋' | '－' | '＠') => format!("'{text}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Line {
        name: &'static str,
        skew: i64,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<u8>,
    }

    impl Row for Line {
        const COLUMNS: &'static [&'static str] = &["code", "name", "skew"];
    }

    #[test]
    fn no_name_becomes_a_formula_and_numbers_stay_numbers() {
        let line = |name| Line { name, skew: -5, code: None };
        let names = ["=1+1", "+49", "-x", "@a", "\t=x", "  =x", "Zoë, \"Z\"\n", "Anna"];
        let text = table(&names.map(line)).unwrap();
        assert_eq!(
            text,
            "code,name,skew\r\n,'=1+1,-5\r\n,'+49,-5\r\n,'-x,-5\r\n,'@a,-5\r\n,'\t=x,-5\r\n,'  =x,-5\r\n\
             ,\"Zoë, \"\"Z\"\"\n\",-5\r\n,Anna,-5\r\n"
        );
        assert_eq!(table::<Line>(&[]).unwrap(), "code,name,skew\r\n");
    }
}
