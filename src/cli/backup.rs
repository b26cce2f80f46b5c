//! `keyturner backup`.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::DataArgs;
use crate::store;

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Where to; nothing is written over
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) async fn run(args: BackupArgs) -> anyhow::Result<()> {
    let report = store::backup(&args.data.database(), &args.file).await?;
    let file = args.file.display();
    if let Some(fault) = report.faults.first() {
        bail!("{file} is a copy of a log that is not intact: {fault}; `keyturner verify` says more");
    }
    println!("{file} holds {} events and is intact. Its head is {}", report.events, report.head);
    println!("The keys of the locks are not in it: they are in {}", args.data.data.join("secrets.json").display());
    Ok(())
}
