//! `keyturner backup`.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::output::{self, Progress};
use super::{DataArgs, verify};
use crate::store;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  keyturner backup /var/backups/keyturner-$(date +%F).db")]
pub(super) struct BackupArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Where to; nothing is written over
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// For programs: {"file", "events", "head": {"id", "hash"}}
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: BackupArgs) -> anyhow::Result<()> {
    let database = args.data.database();
    let copying = store::backup(&database, &args.file);
    let report = Progress::new(!args.json).during("copying the event log, then checking the copy", copying).await?;
    let file = args.file.display();
    if let Some(fault) = report.faults.first() {
        bail!("{file} is a copy of a log that is not intact: {fault}; `keyturner verify` says more");
    }
    if args.json {
        let document = json!({"file": args.file, "events": report.events, "head": verify::head(&report.head)});
        return output::json(&document);
    }
    output::say(format!("{file} holds {} events and is intact. Its head is {}", report.events, report.head))?;
    let secrets = args.data.data.join("secrets.json");
    output::say(format!("The keys of the locks are not in it: they are in {}", secrets.display()))
}
