//! `keyturner history`.

use anyhow::bail;
use clap::Args;

use super::{DataArgs, tame};
use crate::store::{AuditRow, Store};

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    data: DataArgs,
    /// So many events, the newest last
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: u32,
}

pub(super) async fn run(args: HistoryArgs) -> anyhow::Result<()> {
    let path = args.data.database();
    if !path.exists() {
        bail!("there is no event log at {}; is --data right, and has `keyturner run` been started?", path.display());
    }
    let store = Store::open(&path).await?;
    let mut rows = store.audit(args.limit).await?;
    rows.reverse();
    for row in &rows {
        println!("{}", sentence(row));
    }
    if rows.is_empty() {
        println!("Nothing has happened yet.");
    }
    Ok(())
}

/// One event as people say it.
pub(super) fn sentence(row: &AuditRow) -> String {
    let how = if row.how.is_empty() { String::new() } else { format!(" {}", row.how) };
    let result =
        if row.result.is_empty() || row.result == "success" { String::new() } else { format!(": {}", row.result) };
    tame(&format!("{}  {}: {} {}{how}{result}", row.at, row.lock, row.who, row.what))
}
