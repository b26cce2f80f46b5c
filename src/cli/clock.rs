//! `keyturner clock`: each lock's time beside the host's, and setting it.

use std::process::ExitCode;

use anstyle::Style;
use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::exit::Exit;
use super::local::{Local, LocalArgs};
use super::output::{self, Cell, Fit, Progress, Table, WARN};
use super::{DataArgs, which};
use crate::clock::{Clock, UnixMillis};
use crate::protocol::beacon::NukiId;
use crate::session::clock_verdict;
use crate::store::{LockRow, Store, StoredClock};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  keyturner clock
  keyturner clock --set --lock \"Front door\"")]
pub(super) struct ClockArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Set the clock of each lock that is off by more than 30 seconds, or of the one named by --lock in any case
    #[arg(long)]
    set: bool,
    /// This lock only: its name or its number (8 hex digits)
    #[arg(long, value_name = "LOCK")]
    lock: Option<String>,
    #[command(flatten)]
    local: LocalArgs,
    /// For programs: {"date", "locks": [{"nukiId", "name", "clock": as of /v1/health}]}, before anything is set
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: ClockArgs) -> anyhow::Result<ExitCode> {
    let store = Store::look(&args.data.database()).await?;
    let locks = store.locks().await?;
    let named: Vec<_> = locks.iter().map(|lock| (lock.nuki_id, lock.name.clone())).collect();
    let only = args.lock.as_deref().map(|wanted| which::choose(&named, wanted)).transpose()?;
    let now = Clock::system().wall();
    let mut table = Table::new([("LOCK", Fit::Cut), ("NUMBER", Fit::Left), ("CLOCK", Fit::Cut)]);
    let (mut documents, mut wrong) = (Vec::new(), Vec::new());
    for lock in locks.iter().filter(|lock| only.is_none_or(|id| id == lock.nuki_id)) {
        let seen = store.lock_health(lock.nuki_id).await?.clock;
        let is_wrong = seen.is_some_and(|seen| clock_verdict(seen.clock.skew, seen.clock.zone_offset).should_be_set);
        let style = if is_wrong { WARN } else { Style::new() };
        let (number, words) = (format!("{:08X}", lock.nuki_id), describe(seen, now));
        table.row([Cell::from(&lock.name), Cell::from(number), Cell::styled(words, style)]);
        documents.push(document(lock, seen));
        if is_wrong || (args.set && only.is_some()) {
            wrong.push(lock.nuki_id);
        }
    }
    if args.json {
        output::json(&json!({"date": now.rfc3339(), "locks": documents}))?;
    } else {
        output::say(format!("host: {}", now.rfc3339()))?;
        table.print()?;
    }
    if !args.set {
        if !args.json && !wrong.is_empty() {
            output::styled("run keyturner clock --set", WARN)?;
        }
        return Ok(Exit::Done.into());
    }
    let gateway = Local::find(&args.data, &args.local)?;
    for nuki_id in wrong {
        let skew = Progress::new(!args.json).during("setting the clock", set(&gateway, nuki_id)).await?;
        if !args.json {
            output::say(format!("{nuki_id:08X}: set; now {}", distance(skew)))?;
        }
    }
    Ok(Exit::Done.into())
}

fn document(lock: &LockRow, seen: Option<StoredClock>) -> Value {
    let clock = seen.map(|seen| {
        let (skew, zone) = (seen.clock.skew, seen.clock.zone_offset);
        let verdict = clock_verdict(skew, zone);
        json!({
            "readAt": seen.read_at.rfc3339(), "deviceTime": seen.device_time.to_string(), "clockSkew": skew,
            "zoneOffset": zone, "isLocalTime": verdict.is_local_time, "shouldBeSet": verdict.should_be_set,
        })
    });
    json!({"nukiId": lock.nuki_id, "name": lock.name, "clock": clock})
}

fn describe(seen: Option<StoredClock>, now: UnixMillis) -> String {
    let Some(seen) = seen else { return "its clock was never read".to_owned() };
    let (skew, zone) = (seen.clock.skew, seen.clock.zone_offset);
    let shows = UnixMillis(now.0.saturating_add(skew)).rfc3339();
    let shows = shows.trim_end_matches('Z');
    let read = format!("read {} min ago", now.since(seen.read_at).as_secs() / 60);
    if clock_verdict(skew, zone).is_local_time {
        let rest = skew.saturating_sub(i64::from(zone) * 60_000);
        return format!("{shows}, local time (zone {zone:+} min), {} ({read})", distance(rest));
    }
    format!("{shows}, {} ({read})", distance(skew))
}

fn distance(skew: i64) -> String {
    let seconds = skew.unsigned_abs() / 1000;
    match skew {
        0.. => format!("{seconds} s ahead"),
        _ => format!("{seconds} s behind"),
    }
}

/// Asks the running gateway, which owns the radio. Gives how far the clock is off afterwards, in milliseconds.
async fn set(gateway: &Local, nuki_id: NukiId) -> anyhow::Result<i64> {
    let answer = gateway.ask("POST", &format!("/v1/locks/{nuki_id}/clock")).await;
    let answer = answer.with_context(|| format!("the clock of {nuki_id:08X} was not set"))?;
    answer.get("clockSkew").and_then(serde_json::Value::as_i64).context("the gateway's answer is not understood")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::protocol::datetime::DeviceTime;
    use crate::store::LockClock;

    fn said(skew: i64, zone_offset: i16) -> String {
        let device_time = DeviceTime::from_unix_seconds(1_795_442_400).unwrap();
        let seen =
            StoredClock { read_at: UnixMillis(1_795_442_400_000), device_time, clock: LockClock { skew, zone_offset } };
        describe(Some(seen), UnixMillis(1_795_442_460_000))
    }

    #[test]
    fn a_lock_on_local_time_is_said_to_be_on_local_time() {
        assert_eq!(said(-40_000, 60), "2026-11-23T14:00:20.000, 40 s behind (read 1 min ago)");
        assert_eq!(
            said(3_602_000, 60),
            "2026-11-23T15:01:02.000, local time (zone +60 min), 2 s ahead (read 1 min ago)"
        );
        assert_eq!(describe(None, UnixMillis(0)), "its clock was never read");
    }
}
