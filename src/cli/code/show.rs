//! A lock's codes as a table for people.

use serde_json::Value;

use super::super::health::{list, text};
use super::limit::days;

pub(super) fn lines(answer: &Value) -> Vec<String> {
    let codes = list(answer, "codes");
    let mut lines = Vec::new();
    if codes.is_empty() {
        lines.push("There is no code.".to_owned());
    } else {
        lines.push(row("ID", "NAME", "STATE", "USED", "LAST USED", "VALID"));
    }
    for code in &codes {
        let number = |key: &str| code.get(key).map_or_else(|| "?".to_owned(), Value::to_string);
        let state = if code.get("enabled") == Some(&Value::Bool(true)) { "on" } else { "off" };
        let used = code.get("lastActiveDate").and_then(Value::as_str).unwrap_or("never");
        let valid = code.get("timeLimit").map_or_else(|| "always".to_owned(), valid);
        lines.push(row(&number("codeId"), &text(code, "name"), state, &number("lockCount"), used, &valid));
    }
    lines.push(match answer.get("readAt").and_then(Value::as_str) {
        Some(at) => format!("As the lock's list was read at {at}; other times are the lock's own clock."),
        None => {
            "The lock's list was never read: has it a keypad, and the gateway its PIN? `keyturner health` says more."
                .to_owned()
        }
    });
    lines
}

fn row(id: &str, name: &str, state: &str, used: &str, last: &str, valid: &str) -> String {
    format!("{id:>5}  {name:<20}  {state:<5}  {used:>5}  {last:<19}  {valid}")
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
    fn a_table_has_a_line_for_each_code_and_says_how_old_it_is() {
        let codes = json!({"nukiId": 1, "readAt": "2026-11-23T14:00:00.000Z", "codes": [
            {"codeId": 1, "name": "Anna", "enabled": true, "lockCount": 3, "lastActiveDate": "2026-11-23T14:05:09"},
            {"codeId": 12, "name": "Cleaner", "enabled": false, "lockCount": 0, "timeLimit":
                {"allowedFromDate": "2026-12-01T08:00:00", "allowedWeekDays": 96, "allowedFromTime": 480, "allowedUntilTime": 725}},
        ]});
        assert_eq!(
            lines(&codes),
            [
                "   ID  NAME                  STATE   USED  LAST USED            VALID",
                "    1  Anna                  on         3  2026-11-23T14:05:09  always",
                "   12  Cleaner               off        0  never                from 2026-12-01T08:00:00, mon tue, 08:00-12:05",
                "As the lock's list was read at 2026-11-23T14:00:00.000Z; other times are the lock's own clock.",
            ]
        );
        let none = lines(&json!({"codes": []}));
        assert!(none.concat().contains("There is no code.") && none.concat().contains("never read"));
    }
}
