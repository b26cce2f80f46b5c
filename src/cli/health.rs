//! `keyturner health`: what the running gateway says of itself, in plain words.

use std::process::ExitCode;

use anstyle::Style;
use clap::Args;
use serde_json::Value;

use super::DataArgs;
use super::exit::Exit;
use super::local::{Local, LocalArgs};
use super::output::{self, GOOD, WARN};

#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    local: LocalArgs,
    /// For programs: the gateway's answer, as of /v1/health
    #[arg(long)]
    json: bool,
}

/// Exit code 0 if all is well, 1 if something wants attention, 4 if no gateway runs.
pub(super) async fn run(args: HealthArgs) -> anyhow::Result<ExitCode> {
    let health = Local::find(&args.data, &args.local)?.ask("GET", "/v1/health").await?;
    let is_well = health.get("status").is_some_and(|status| status == "ok");
    if args.json {
        output::json(&health)?;
    } else {
        for (number, line) in lines(&health).iter().enumerate() {
            let style = match number {
                0 if is_well => GOOD,
                0 => WARN,
                _ => Style::new(),
            };
            output::styled(line, style)?;
        }
    }
    Ok(if is_well { Exit::Done } else { Exit::Failed }.into())
}

/// A text in the gateway's answer; `?` where it says none.
pub(super) fn text(of: &Value, key: &str) -> String {
    of.get(key).and_then(Value::as_str).unwrap_or("?").to_owned()
}

/// A list in the gateway's answer; empty where it says none.
pub(super) fn list(of: &Value, key: &str) -> Vec<Value> {
    of.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// How the radio is, if it does not listen.
pub(super) fn deaf_radio(health: &Value) -> Option<&Value> {
    health.get("radio").filter(|radio| radio.get("isListening") != Some(&Value::Bool(true)))
}

fn lines(health: &Value) -> Vec<String> {
    let mut lines = vec![format!("keyturner {}: {}", text(health, "version"), text(health, "status"))];
    if let Some(radio) = deaf_radio(health) {
        let why = radio.get("problem").and_then(Value::as_str).unwrap_or("it has not begun");
        lines.push(format!("radio: hears nothing since {}: {why}", text(radio, "since")));
    }
    for lock in list(health, "locks") {
        let attention = list(&lock, "attention");
        let name = text(&lock, "name");
        if attention.is_empty() {
            lines.push(format!("{name}: well"));
        }
        lines.extend(attention.iter().filter_map(Value::as_str).map(|words| format!("{name}: {words}")));
    }
    for webhook in list(health, "webhooks") {
        let number = |key: &str| webhook.get(key).and_then(Value::as_i64).unwrap_or_default();
        let (waiting, dead) = (number("waiting"), number("dead"));
        let error = webhook.get("lastError").and_then(Value::as_str).map(|why| format!("; {why}")).unwrap_or_default();
        lines.push(format!("webhook {}: {waiting} waiting, {dead} dead{error}", text(&webhook, "name")));
    }
    if let Some(database) = health.get("database") {
        lines.push(database_line(database));
    }
    if let Some(tls) = health.get("tls") {
        lines.push(format!("certificate: expires {}", text(tls, "expires")));
    }
    if let Some(config) = health.get("config") {
        lines.extend(
            config.get("problem").and_then(Value::as_str).map(|why| format!("configuration: not taken over: {why}")),
        );
        let keys: Vec<String> =
            list(config, "needsRestart").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        if !keys.is_empty() {
            lines.push(format!("configuration: {} counts after a restart", keys.join(", ")));
        }
    }
    if let Some(head) = health.get("chainHead") {
        lines.push(format!(
            "event log head {}:{}",
            head.get("id").and_then(Value::as_i64).unwrap_or_default(),
            text(head, "hash")
        ));
    }
    lines
}

fn database_line(database: &Value) -> String {
    let megabytes = |key: &str| database.get(key).and_then(Value::as_u64).map(|bytes| bytes.div_ceil(1024 * 1024));
    let problem = database.get("problem").and_then(Value::as_str);
    let size = megabytes("size").unwrap_or_default();
    let free = megabytes("free").map(|free| format!(", {free} MB free")).unwrap_or_default();
    match problem {
        Some(why) => format!("event log: nothing can be stored: {why}"),
        None => format!("event log: {size} MB{free}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_line_and_what_is_wrong_is_said() {
        let health = serde_json::json!({
            "version": "1", "status": "degraded",
            "radio": {"isListening": false, "since": "2026-11-25T10:00:00Z", "problem": "no adapter"}, "chainHead": {"id": 7, "hash": "ab"},
            "locks": [{"name": "Front", "attention": []}, {"name": "Back", "attention": ["no PIN", "clock"]}],
            "webhooks": [{"name": "alarm", "waiting": 2, "dead": 1, "lastError": "refused"}],
            "database": {"size": 1, "free": 3_000_000},
            "config": {"problem": "line 2", "needsRestart": ["adapter"]},
        });
        assert_eq!(
            lines(&health),
            [
                "keyturner 1: degraded",
                "radio: hears nothing since 2026-11-25T10:00:00Z: no adapter",
                "Front: well",
                "Back: no PIN",
                "Back: clock",
                "webhook alarm: 2 waiting, 1 dead; refused",
                "event log: 1 MB, 3 MB free",
                "configuration: not taken over: line 2",
                "configuration: adapter counts after a restart",
                "event log head 7:ab"
            ]
        );
    }
}
