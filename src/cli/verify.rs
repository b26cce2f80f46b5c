//! `keyturner verify`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::DataArgs;
use super::exit::Exit;
use super::output::{self, BAD, GOOD, Progress};
use crate::store::{self, ChainHead, VerifyReport};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Example, with a head that was noted elsewhere:
  keyturner verify --head 4711:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    data: DataArgs,
    /// A head that was noted earlier, from the journal or /v1/health; may be given several times
    #[arg(long, value_name = "ID:HASH")]
    head: Vec<ChainHead>,
    /// For programs: {"isIntact", "events", "removed", "erased", "start", "head": {"id", "hash"}, "faultCount", "faults"}
    #[arg(long)]
    json: bool,
}

/// Exit code 0: intact. 1: not intact, or it could not be looked at.
pub(super) async fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let mut progress = Progress::new(!args.json);
    let show = |done, total| progress.show(done, total, "events");
    let report = store::verify(&args.data.database(), &args.head, show).await?;
    drop(progress);
    if args.json {
        output::json(&document(&report))?
    } else {
        print(&report, args.head.len())?
    }
    Ok(if report.is_intact() { Exit::Done } else { Exit::Failed }.into())
}

/// A head for programs, as in `/v1/health`.
pub(super) fn head(head: &ChainHead) -> Value {
    json!({"id": head.id, "hash": head.hash_hex()})
}

fn document(report: &VerifyReport) -> Value {
    let VerifyReport { start, head: end, events, removed, erased, faults, fault_count } = report;
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    json!({
        "isIntact": report.is_intact(), "events": events, "removed": removed, "erased": erased,
        "start": head(start), "head": head(end), "faultCount": fault_count, "faults": faults,
    })
}

/// What the report says, for people.
fn print(report: &VerifyReport, heads: usize) -> anyhow::Result<()> {
    use std::fmt::Write as _;
    for fault in &report.faults {
        // A fault quotes nothing but numbers and SQLite's words.
        output::styled(&fault.to_string(), BAD)?;
    }
    let more = report.fault_count.saturating_sub(report.faults.len() as u64);
    if more > 0 {
        output::say(format!("... and {more} more"))?;
    }
    let mut text = match report.fault_count {
        0 => "The event log is intact".to_owned(),
        1 => "The event log is NOT intact, 1 fault".to_owned(),
        faults => format!("The event log is NOT intact, {faults} faults"),
    };
    let VerifyReport { events, removed, erased, .. } = report;
    // Writing to a text cannot fail.
    write!(text, ": {events} events").ok();
    if *removed > 0 {
        write!(text, ", {removed} more removed by retention").ok();
    }
    if *erased > 0 {
        write!(text, ", {erased} without their person, who was erased").ok();
    }
    if report.start.id > 0 {
        write!(text, "; it begins after event {}", report.start.id).ok();
    }
    text.push('.');
    output::styled(&text, if report.is_intact() { GOOD } else { BAD })?;
    output::say(format!("Its head is {}", report.head))?;
    if heads == 0 && report.is_intact() {
        output::say(
            "Compare it with one that was noted elsewhere (--head): only that shows that the log was not written anew.",
        )?;
    }
    Ok(())
}
