//! `keyturner verify`.

use std::io::{IsTerminal, Write, stderr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use super::DataArgs;
use crate::store::{self, ChainHead, VerifyReport};

/// Shorter looks need no patience.
const SHOW_PROGRESS_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    data: DataArgs,
    /// A head that was noted earlier, from the journal or /v1/health; may be given several times
    #[arg(long, value_name = "ID:HASH")]
    head: Vec<ChainHead>,
}

/// Exit code 0: intact. 1: not intact, or it could not be looked at.
pub(super) async fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let mut progress = Progress::new();
    let report = store::verify(&args.data.database(), &args.head, |done, total| progress.show(done, total)).await?;
    progress.clear();
    print!("{}", words(&report, args.head.len()));
    Ok(if report.is_intact() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the report says, for people.
fn words(report: &VerifyReport, heads: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for fault in &report.faults {
        // A fault quotes nothing but numbers and SQLite's words.
        writeln!(text, "{fault}").ok();
    }
    let more = report.fault_count.saturating_sub(report.faults.len() as u64);
    if more > 0 {
        writeln!(text, "... and {more} more").ok();
    }
    let verdict = match report.fault_count {
        0 => "The event log is intact".to_owned(),
        1 => "The event log is NOT intact, 1 fault".to_owned(),
        faults => format!("The event log is NOT intact, {faults} faults"),
    };
    let VerifyReport { events, removed, erased, .. } = report;
    write!(text, "{verdict}: {events} events").ok();
    if *removed > 0 {
        write!(text, ", {removed} more removed by retention").ok();
    }
    if *erased > 0 {
        write!(text, ", {erased} without their person, who was erased").ok();
    }
    if report.start.id > 0 {
        write!(text, "; it begins after event {}", report.start.id).ok();
    }
    writeln!(text, ".\nIts head is {}", report.head).ok();
    if heads == 0 && report.is_intact() {
        writeln!(
            text,
            "Compare it with one that was noted elsewhere (--head): only that shows that the log was not written anew."
        )
        .ok();
    }
    text
}

/// A line on a terminal that says how far it is.
struct Progress {
    started: Instant,
    is_terminal: bool,
    shown: bool,
}

impl Progress {
    fn new() -> Self {
        Self { started: Instant::now(), is_terminal: stderr().is_terminal(), shown: false }
    }

    fn show(&mut self, done: u64, total: u64) {
        if self.is_terminal && self.started.elapsed() >= SHOW_PROGRESS_AFTER {
            self.shown = true;
            // A terminal that went away is no reason to stop.
            write!(stderr(), "\r{done} of {total} events").ok();
        }
    }

    fn clear(&self) {
        if self.shown {
            write!(stderr(), "\r\x1b[K").ok();
        }
    }
}
