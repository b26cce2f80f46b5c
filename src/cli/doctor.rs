//! `keyturner doctor`: everything the gateway needs, looked at part by part.

mod checks;

use std::process::ExitCode;
use std::time::Duration;

use anstyle::Style;
use clap::Args;
use serde_json::{Value, json};

use super::exit::Exit;
use super::local::LocalArgs;
use super::output::{self, BAD, Progress};
use super::{DataArgs, tame};

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    local: LocalArgs,
    /// Bluetooth adapter such as hci0
    #[arg(long, value_name = "NAME", env = "KEYTURNER_ADAPTER")]
    adapter: Option<String>,
    /// Listen for the locks for so many seconds at most
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    listen_for: u64,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// What was found of one part.
#[derive(Debug)]
struct Finding {
    part: String,
    /// Whether it is as it is meant to be.
    is_well: bool,
    /// What was seen.
    seen: String,
    /// What to do; empty if nothing.
    advice: String,
}

impl Finding {
    fn well(part: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { part: part.into(), is_well: true, seen: seen.into(), advice: String::new() }
    }

    fn amiss(part: impl Into<String>, seen: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { part: part.into(), is_well: false, seen: seen.into(), advice: advice.into() }
    }

    fn line(&self) -> String {
        let Self { part, is_well, seen, advice } = self;
        let mark = if *is_well { "ok    " } else { "AMISS " };
        let what_to_do = if advice.is_empty() { String::new() } else { format!(": {advice}") };
        tame(&format!("{mark}{part}: {seen}{what_to_do}"))
    }

    fn print(&self) -> anyhow::Result<()> {
        output::styled(&self.line(), if self.is_well { Style::new() } else { BAD })
    }

    fn json(&self) -> Value {
        json!({"part": self.part, "isWell": self.is_well, "seen": self.seen, "advice": self.advice})
    }
}

/// Exit code 0 if all is well, 1 if anything is amiss.
pub(super) async fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    let mut tell = |found: Vec<Finding>| {
        if !args.json {
            found.iter().try_for_each(Finding::print)?;
        }
        findings.extend(found);
        anyhow::Ok(())
    };
    let (secrets, found) = checks::secrets(args.data.place());
    tell(found)?;
    tell(vec![checks::disk(&args.data.data).await])?;
    tell(checks::bluetooth(args.adapter.as_deref()).await)?;
    let locks = secrets.as_ref().map(crate::secrets::Secrets::locks).unwrap_or_default();
    if !locks.is_empty() {
        let heard = checks::signal(locks, args.adapter, Duration::from_secs(args.listen_for));
        tell(Progress::new(!args.json).during("listening for the locks", heard).await)?;
    }
    tell(checks::gateway(&args.data, &args.local).await)?;
    tell(checks::callbacks(&args.data.database()).await)?;
    if args.json {
        output::json(&Value::from_iter(findings.iter().map(Finding::json)))?;
    }
    let is_well = findings.iter().all(|finding| finding.is_well);
    Ok(if is_well { Exit::Done } else { Exit::Failed }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_where_and_what_to_do_and_steers_no_terminal() {
        assert_eq!(Finding::well("disk", "5 ms").line(), "ok    disk: 5 ms");
        let amiss = Finding::amiss("lock Front\u{1b}[2J", "not heard", "move the adapter nearer");
        assert_eq!(amiss.line(), "AMISS lock Front [2J: not heard: move the adapter nearer");
        assert_eq!(amiss.json()["isWell"], false);
    }
}
