//! Rows as CSV, with the columns that their JSON has, and harmless in a spreadsheet.

use std::io::Write;

use serde::Serialize;
use serde_json::Value;

/// A table that begins with its header.
///
/// # Errors
/// When the header cannot be written.
pub(crate) fn begin<W: Write>(columns: &[&str], output: W) -> csv::Result<csv::Writer<W>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(output);
    writer.write_record(columns)?;
    Ok(writer)
}

/// The fields of a row, in the order of `columns`; what is not known is an empty field.
///
/// # Errors
/// When the row cannot be JSON.
pub(crate) fn fields(columns: &[&str], row: &impl Serialize) -> serde_json::Result<Vec<String>> {
    let row = serde_json::to_value(row)?;
    Ok(columns.iter().map(|column| row.get(*column).map_or_else(String::new, field)).collect())
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

    #[test]
    fn no_name_becomes_a_formula_and_numbers_stay_numbers() {
        const COLUMNS: [&str; 3] = ["code", "name", "skew"];
        let mut table = begin(&COLUMNS, Vec::new()).unwrap();
        for name in ["=1+1", "+49", "-x", "@a", "\t=x", "  =x", "Zoë, \"Z\"\n", "Anna"] {
            table.write_record(fields(&COLUMNS, &Line { name, skew: -5, code: None }).unwrap()).unwrap();
        }
        assert_eq!(
            String::from_utf8(table.into_inner().unwrap()).unwrap(),
            "code,name,skew\r\n,'=1+1,-5\r\n,'+49,-5\r\n,'-x,-5\r\n,'@a,-5\r\n,'\t=x,-5\r\n,'  =x,-5\r\n\
             ,\"Zoë, \"\"Z\"\"\n\",-5\r\n,Anna,-5\r\n"
        );
    }
}
