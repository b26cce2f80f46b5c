//! `keyturner status`: the house at a glance.

use std::process::ExitCode;
use std::time::Duration;

use anstyle::Style;
use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};

use super::DataArgs;
use super::exit::{Exit, NoGateway};
use super::health::{list, text};
use super::local::{Local, LocalArgs};
use super::output::{self, BAD, Cell, DIM, Fit, GOOD, Table, WARN, ago, lasting, moment};
use crate::clock::{Clock, UnixMillis};
use crate::gateway::LockSnapshot;
use crate::http::{entry_json, lock_json};
use crate::protocol::beacon::NukiId;
use crate::store::{AuditRow, HistoryRow, LockRow, Store, StoredObservation};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  keyturner status
  watch --color CLICOLOR_FORCE=1 keyturner status
  keyturner status --json | jq -r '.locks[] | .name + \": \" + .lastKnownState.stateName'")]
pub(super) struct StatusArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    local: LocalArgs,
    /// For programs: {"isRunning", "health": /v1/health, "locks": [/v1/locks, each with "last": an event]}
    #[arg(long)]
    json: bool,
}

/// What is known of the house.
struct House {
    /// `/v1/health`; `None` if no gateway runs.
    health: Option<Value>,
    locks: Vec<Lock>,
}

struct Lock {
    /// As of `/v1/locks`.
    now: Value,
    /// Who or what moved it last, and that in words.
    last: Option<(HistoryRow, AuditRow)>,
}

/// Exit code 0: all is well; 1: something wants attention; 4: no gateway runs, and this is what it knew last.
pub(super) async fn run(args: StatusArgs) -> anyhow::Result<ExitCode> {
    let asked = ask(&Local::find(&args.data, &args.local)?).await;
    let store = Store::look(&args.data.database()).await;
    let (health, locks) = match asked {
        Ok((health, locks)) => (Some(health), locks),
        Err(error) if error.is::<NoGateway>() => match &store {
            Ok(store) => (None, known(store).await?),
            // Then nothing is known at all.
            Err(_) => return Err(error),
        },
        Err(error) => return Err(error),
    };
    let mut house = House { health, locks: Vec::new() };
    for now in locks {
        let last = match &store {
            Ok(store) => last(store, &now).await?,
            Err(_) => None,
        };
        house.locks.push(Lock { now, last });
    }
    if args.json {
        output::json(&house.json()?)?
    } else {
        house.print(Clock::system().wall())?
    }
    // Everything above is right without it, so it is said last.
    if let Err(error) = store {
        super::fail(&anyhow::Error::new(error).context("who was last is not known"));
    }
    Ok(house.exit().into())
}

async fn ask(gateway: &Local) -> anyhow::Result<(Value, Vec<Value>)> {
    let health = gateway.ask("GET", "/v1/health").await?;
    Ok((health, list(&gateway.ask("GET", "/v1/locks").await?, "locks")))
}

/// The locks as the event log has them.
async fn known(store: &Store) -> anyhow::Result<Vec<Value>> {
    let mut locks = Vec::new();
    for row in store.locks().await? {
        let state = store.last_observation(row.nuki_id).await?;
        locks.push(lock_json(&snapshot(row, state))?);
    }
    Ok(locks)
}

fn snapshot(row: LockRow, state: Option<StoredObservation>) -> LockSnapshot {
    LockSnapshot {
        nuki_id: row.nuki_id,
        name: row.name,
        device_type: row.device_type,
        firmware_version: row.firmware_version,
        state: state.map(|state| (state.states, state.observed_at)),
        has_keypad: row.has_keypad,
        auto_unlatch: None,
        last_ring: None,
        rssi: None,
        last_seen: None,
    }
}

async fn last(store: &Store, lock: &Value) -> anyhow::Result<Option<(HistoryRow, AuditRow)>> {
    let nuki_id = lock.get("nukiId").and_then(Value::as_u64).and_then(|id| NukiId::try_from(id).ok());
    let Some(row) = store.last_moved(nuki_id.context("the gateway's answer is not understood")?).await? else {
        return Ok(None);
    };
    let words = store.sentences(&[row.id]).await?.remove(&row.id);
    Ok(words.map(|words| (row, words)))
}

impl House {
    fn exit(&self) -> Exit {
        match &self.health {
            None => Exit::NoGateway,
            Some(health) if text(health, "status") == "ok" => Exit::Done,
            Some(_) => Exit::Failed,
        }
    }

    fn json(&self) -> anyhow::Result<Value> {
        let mut document = Map::new();
        document.insert("isRunning".to_owned(), json!(self.health.is_some()));
        document.extend(self.health.clone().map(|health| ("health".to_owned(), health)));
        let locks = self.locks.iter().map(|lock| {
            let mut now = lock.now.clone();
            if let (Some(now), Some((row, _))) = (now.as_object_mut(), &lock.last) {
                now.insert("last".to_owned(), entry_json(row.clone())?);
            }
            Ok(now)
        });
        document.insert("locks".to_owned(), Value::Array(locks.collect::<anyhow::Result<_>>()?));
        Ok(Value::Object(document))
    }

    fn print(&self, now: UnixMillis) -> anyhow::Result<()> {
        match &self.health {
            Some(health) => head(health, now)?,
            None => output::styled(
                "The gateway does not run: start it with `systemctl start keyturner` or `keyturner run`. What it knew last:",
                BAD,
            )?,
        }
        if self.locks.is_empty() {
            return output::say("No lock is paired; run `keyturner pair`.");
        }
        let mut table = Table::new([
            ("LOCK", Fit::Cut),
            ("STATE", Fit::Left),
            ("DOOR", Fit::Left),
            ("BATTERY", Fit::Left),
            ("LAST", Fit::Cut),
            ("SIGNAL", Fit::Right),
            ("HEARD", Fit::Right),
        ]);
        let healths = self.health.as_ref().map(|health| list(health, "locks")).unwrap_or_default();
        for lock in &self.locks {
            let health = healths.iter().find(|health| health.get("nukiId") == lock.now.get("nukiId"));
            table.row(cells(lock, health, now));
        }
        table.print()?;
        self.health.as_ref().map_or(Ok(()), attention)
    }
}

/// The gateway itself, and its radio.
fn head(health: &Value, now: UnixMillis) -> anyhow::Result<()> {
    let seconds = health.get("uptimeSeconds").and_then(Value::as_u64).unwrap_or_default();
    let status = text(health, "status");
    let style = if status == "ok" { GOOD } else { WARN };
    let running = lasting(Duration::from_secs(seconds));
    output::styled(&format!("keyturner {}: {status}, runs for {running}", text(health, "version")), style)?;
    let radio = health.get("radio").cloned().unwrap_or_default();
    let since = radio.get("since").and_then(Value::as_str).and_then(moment).map(|since| lasting(now.since(since)));
    let since = since.map_or_else(String::new, |since| format!(" for {since}"));
    let adapter = radio.get("adapter").and_then(Value::as_str).unwrap_or("radio");
    if radio.get("isListening") == Some(&Value::Bool(true)) {
        return output::say(format!("{adapter}: listens{since}"));
    }
    // Why stands below, with everything else that wants attention.
    output::styled(&format!("{adapter}: hears nothing{since}"), BAD)
}

fn cells(lock: &Lock, health: Option<&Value>, now: UnixMillis) -> [Cell; 7] {
    let state = lock.now.get("lastKnownState");
    let word = |key: &str| state.and_then(|state| state.get(key)).and_then(Value::as_str);
    let is = |key: &str| state.and_then(|state| state.get(key)) == Some(&Value::Bool(true));
    let name = word("stateName").unwrap_or("not read yet");
    let style = match name {
        "locked" | "online" => GOOD,
        "motor blocked" | "undefined" | "uncalibrated" | "untrained" => BAD,
        "not read yet" => DIM,
        _ => WARN,
    };
    let door = word("doorsensorStateName").map_or("", |door| door.strip_prefix("door ").unwrap_or(door));
    let percent = state.and_then(|state| state.get("batteryChargeState")).and_then(Value::as_u64);
    let mut battery = percent.map_or_else(String::new, |percent| format!("{percent} %"));
    for (key, words) in
        [("batteryCharging", "charging"), ("batteryCritical", "LOW"), ("keypadBatteryCritical", "keypad LOW")]
    {
        if is(key) {
            battery.push_str(if battery.is_empty() { "" } else { ", " });
            battery.push_str(words);
        }
    }
    let is_low = is("batteryCritical") || is("keypadBatteryCritical");
    let last = lock.last.as_ref().map(|(row, words)| {
        let how = if words.how.is_empty() { String::new() } else { format!(" {}", words.how) };
        format!("{} {}{how}, {}", words.who, words.what, ago(row.at, now))
    });
    let signal = health.and_then(|health| health.get("rssi")).and_then(Value::as_i64);
    let heard = health.and_then(|health| health.get("lastContact")).and_then(Value::as_str).and_then(moment);
    [
        Cell::from(text(&lock.now, "name")),
        Cell::styled(name, style),
        Cell::styled(door, if door == "opened" { WARN } else { Style::new() }),
        Cell::styled(battery, if is_low { BAD } else { Style::new() }),
        Cell::from(last.unwrap_or_default()),
        Cell::from(signal.map_or_else(String::new, |signal| format!("{signal} dBm"))),
        Cell::from(heard.map_or_else(String::new, |heard| ago(heard, now))),
    ]
}

/// Everything that wants attention, in the gateway's own words, and what goes on.
fn attention(health: &Value) -> anyhow::Result<()> {
    for words in list(health, "attention").iter().filter_map(Value::as_str) {
        output::styled(words, WARN)?;
    }
    for lock in list(health, "locks") {
        if let Some(read) = lock.get("backfill").and_then(Value::as_u64) {
            output::say(format!("{}: catches up with its log, {read} entries read", text(&lock, "name")))?;
        }
    }
    for callback in list(health, "callbacks") {
        let number = |key: &str| callback.get(key).and_then(Value::as_i64).unwrap_or_default();
        if number("waiting") > 0 {
            output::styled(&format!("callback {}: {} wait to be told", number("id"), number("waiting")), WARN)?;
        }
    }
    Ok(())
}
