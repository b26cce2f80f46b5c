//! `keyturner rekey`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Args;

use super::claim::{Claim, Held};
use super::enrol::{CLIENT_NAME, Enrolment, enrol, owner};
use super::output::Progress;
use super::pair::{SearchArgs, role, writable_secrets};
use super::{DataArgs, which};
use crate::gateway::pair::find;
use crate::pairing::{self, Wish};
use crate::protocol::IdType;
use crate::protocol::beacon::PairingMode;

#[derive(Debug, Args)]
pub(super) struct RekeyArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Which lock: its number (8 hex digits) or its name
    #[arg(value_name = "LOCK")]
    lock: String,
    #[command(flatten)]
    search: SearchArgs,
}

/// Exit code 0: done; 3: done, and the owner has something left to do.
pub(super) async fn run(args: RekeyArgs) -> anyhow::Result<ExitCode> {
    let (before, name) = which::lock(&args.data, &args.lock).await?;
    let secrets = writable_secrets(&args.data)?;
    let _only_one = Claim::take(&args.data.data, Held::ByCommand)?;
    let owner = owner(args.search.adapter.clone())?;

    println!("Looking for {name} ({:08X}) in pairing mode ({}) ...", before.nuki_id, pairing::BUTTON);
    let limit = Duration::from_secs(args.search.timeout);
    let candidate = find(&*owner.transport, Some(before.nuki_id), limit);
    let candidate = Progress::new(true).during("listening", candidate).await;
    let candidate =
        candidate.map_err(|error| anyhow!("{}. The key of before still counts", pairing::advice(&error)))?;
    if candidate.mode == PairingMode::Lock5thGen && before.pin.is_none() {
        bail!("this lock pairs only with its security PIN; set it with `keyturner pin` first");
    }
    let id_type = role(&candidate, before.id_type == IdType::App);
    if id_type == IdType::Bridge {
        println!("As its bridge again: another one that was paired meanwhile is thrown out.");
    }
    let wish = Wish { id_type, app_id: secrets.app_id, name: CLIENT_NAME.to_owned(), pin: before.pin };
    enrol(Enrolment { data: &args.data, owner: &owner, candidate, wish, is_new_pin: false, before: Some(before) }).await
}
