//! A lock's codes as a table for people.

use anstyle::Style;
use serde_json::Value;

use super::super::health::{list, text};
use super::super::output::{self, Cell, DIM, Fit, Table, local, moment};
use super::limit::days;

pub(super) fn print(answer: &Value) -> anyhow::Result<()> {
    let codes = list(answer, "codes");
    if codes.is_empty() {
        output::say("There is no code.")?;
    } else {
        table(&codes).print()?;
    }
    output::say(read(answer))
}

/// How old the list is.
fn read(answer: &Value) -> String {
    match answer.get("readAt").and_then(Value::as_str).and_then(moment) {
        Some(at) => format!("As the lock's list was read at {}; other times are the lock's own clock.", local(at)),
        None => {
            "The lock's list was never read: has it a keypad, and the gateway its PIN? `keyturner status` says more."
                .to_owned()
        }
    }
}

fn table(codes: &[Value]) -> Table<6> {
    let mut table = Table::new([
        ("ID", Fit::Right),
        ("NAME", Fit::Cut),
        ("STATE", Fit::Left),
        ("USED", Fit::Right),
        ("LAST USED", Fit::Left),
        ("VALID", Fit::Cut),
    ]);
    for code in codes {
        let number = |key: &str| code.get(key).map_or_else(|| "?".to_owned(), Value::to_string);
        let is_on = code.get("enabled") == Some(&Value::Bool(true));
        let used = code.get("lastActiveDate").and_then(Value::as_str).unwrap_or("never");
        let valid = code.get("timeLimit").map_or_else(|| "always".to_owned(), valid);
        let style = if is_on { Style::new() } else { DIM };
        let state = if is_on { "on" } else { "off" };
        let cells = [number("codeId"), text(code, "name"), state.into(), number("lockCount"), used.into(), valid];
        table.row(cells.map(|cell| Cell::styled(cell, style)));
    }
    table
}

fn valid(limit: &Value) -> String {
    let mut parts = Vec::new();
    for (key, word) in [("allowedFromDate", "from"), ("allowedUntilDate", "until")] {
        parts.extend(limit.get(key).and_then(Value::as_str).map(|date| format!("{word} {date}")));
    }
    let number = |key: &str| limit.get(key).and_then(Value::as_u64);
    parts.extend(number("allowedWeekDays").filter(|mask| *mask != 0).map(days));
    let clock = |minutes: u64| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let times = number("allowedFromTime").zip(number("allowedUntilTime"));
    parts.extend(times.map(|(from, until)| format!("{}-{}", clock(from), clock(until))));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_code_is_valid_as_people_say_it_and_the_list_says_how_old_it_is() {
        let limit = json!({"allowedFromDate": "2026-12-01T08:00:00", "allowedWeekDays": 96, "allowedFromTime": 480,
                           "allowedUntilTime": 725});
        assert_eq!(valid(&limit), "from 2026-12-01T08:00:00, mon tue, 08:00-12:05");
        assert!(read(&json!({"codes": []})).contains("never read"));
    }
}
