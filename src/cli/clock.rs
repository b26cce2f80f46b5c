//! `keyturner clock`: each lock's time beside the host's, and setting it.

use anyhow::{Context, bail};
use clap::Args;

use super::local::{Local, LocalArgs};
use super::pair::parse_nuki_id;
use super::{DataArgs, tame};
use crate::clock::{Clock, UnixMillis};
use crate::protocol::beacon::NukiId;
use crate::session::clock_verdict;
use crate::store::{Store, StoredClock};

#[derive(Debug, Args)]
pub(super) struct ClockArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Set the clock of each lock that is off by more than 30 seconds, or of the one named by --lock in any case
    #[arg(long)]
    set: bool,
    /// This lock only (8 hex digits)
    #[arg(long, value_name = "HEX", value_parser = parse_nuki_id)]
    lock: Option<NukiId>,
    #[command(flatten)]
    local: LocalArgs,
}

pub(super) async fn run(args: ClockArgs) -> anyhow::Result<()> {
    let path = args.data.database();
    if !path.exists() {
        bail!("there is no event log at {}; is --data right, and has `keyturner run` been started?", path.display());
    }
    let store = Store::open(&path).await?;
    let locks = store.locks().await?;
    if let Some(id) = args.lock.filter(|id| locks.iter().all(|lock| lock.nuki_id != *id)) {
        bail!("no lock {id:08X} is known");
    }
    let now = Clock::system().wall();
    println!("host: {}", now.rfc3339());
    let mut wrong = Vec::new();
    for lock in locks.iter().filter(|lock| args.lock.is_none_or(|id| id == lock.nuki_id)) {
        let seen = store.lock_health(lock.nuki_id).await?.clock;
        let line = format!("{:08X} {}: {}", lock.nuki_id, lock.name, describe(seen, now));
        println!("{}", tame(&line));
        let is_wrong = seen.is_some_and(|seen| clock_verdict(seen.clock.skew, seen.clock.zone_offset).should_be_set);
        if is_wrong || (args.set && args.lock.is_some()) {
            wrong.push(lock.nuki_id);
        }
    }
    if !args.set {
        if !wrong.is_empty() {
            println!("run keyturner clock --set");
        }
        return Ok(());
    }
    let gateway = Local::find(&args.data, &args.local)?;
    for nuki_id in wrong {
        let skew = set(&gateway, nuki_id).await?;
        println!("{nuki_id:08X}: set; now {}", distance(skew));
    }
    Ok(())
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
