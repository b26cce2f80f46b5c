//! `keyturner pin`.

use std::path::PathBuf;

use clap::Args;

use super::DataArgs;
use super::pair::{parse_nuki_id, read_digits};
use crate::pins;
use crate::protocol::beacon::NukiId;
use crate::store::Store;

#[derive(Debug, Args)]
pub(super) struct PinArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Which lock (8 hex digits)
    #[arg(long, value_name = "HEX", value_parser = parse_nuki_id)]
    lock: NukiId,
    /// File with the lock's security PIN
    #[arg(long, value_name = "FILE")]
    pin_file: PathBuf,
}

pub(super) async fn run(args: PinArgs) -> anyhow::Result<()> {
    let digits = read_digits(&args.pin_file)?;
    let path = args.data.database();
    // Without an event log no gateway has run yet, and no try was counted.
    let store = if path.exists() { Some(Store::open(&path).await?) } else { None };
    pins::set(args.data.place(), store.as_ref(), args.lock, &digits).await?;
    println!("The PIN of lock {:08X} is kept. A gateway that runs tries it within seconds.", args.lock);
    println!("Remove {} now.", args.pin_file.display());
    Ok(())
}
