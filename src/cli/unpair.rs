//! `keyturner unpair`.

use anyhow::bail;
use clap::Args;

use super::claim::{Claim, Held};
use super::enrol::{CLIENT_NAME, EventLog, owner};
use super::pair::writable_secrets;
use super::{DataArgs, ask, which};
use crate::pairing::{self, Owner, Parting};
use crate::secrets::LockSecret;

#[derive(Debug, Args)]
pub(super) struct UnpairArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Which lock: its number (8 hex digits) or its name
    #[arg(value_name = "LOCK")]
    lock: String,
    /// Do not talk to the lock: forget its key here, and remove this gateway in the Nuki app
    #[arg(long)]
    local_only: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Bluetooth adapter such as hci0
    #[arg(long, value_name = "NAME", env = "KEYTURNER_ADAPTER")]
    adapter: Option<String>,
}

pub(super) async fn run(args: UnpairArgs) -> anyhow::Result<()> {
    let (lock, name) = which::lock(&args.data, &args.lock).await?;
    let by_hand = format!("\"{CLIENT_NAME}\" with the number {} in the Nuki app's list of users", lock.auth_id);
    let secrets = writable_secrets(&args.data)?;
    let _only_one = Claim::take(&args.data.data, Held::ByCommand)?;
    println!("{name} ({:08X}) will no longer be served. What happened there stays in the event log.", lock.nuki_id);
    if !args.yes && !ask::is_typed("unpair").await? {
        bail!("nothing was changed");
    }
    if args.local_only {
        pairing::forget(&args.data.place(), lock.nuki_id)?;
        println!("Its key is forgotten here. The lock still knows this gateway: remove {by_hand}.");
        return Ok(());
    }
    println!("Asking the lock to forget this gateway ...");
    match part(&args.data, &owner(args.adapter.clone())?, &lock, secrets.app_id).await? {
        Parting::Forgotten => println!("The lock has forgotten this gateway."),
        Parting::NotKnown => println!("The lock did not know this gateway any more."),
        other => bail!(
            "{}. Nothing was forgotten here. Try again, or forget the key here alone with --local-only and remove {by_hand}",
            reason(&other)
        ),
    }
    pairing::forget(&args.data.place(), lock.nuki_id)?;
    println!("Its key is forgotten.");
    Ok(())
}

fn reason(parting: &Parting) -> String {
    match parting {
        Parting::NotAsked(why) => format!("the lock could not be asked: {why}"),
        Parting::Refused(code) => format!("the lock refused: {code}"),
        Parting::NotDone => "the lock did not answer, and still knows this gateway".to_owned(),
        Parting::Uncertain(why) => format!("whether the lock has forgotten this gateway is not known: {why}"),
        Parting::Forgotten | Parting::NotKnown => String::new(),
    }
}

async fn part(data: &DataArgs, owner: &Owner, lock: &LockSecret, app_id: u32) -> anyhow::Result<Parting> {
    if lock.pin.is_none() {
        return Ok(owner.part_without_pin(lock, "that needs the security PIN; set it with `keyturner pin`").await);
    }
    let log = EventLog::open(data, lock, app_id).await?;
    let mut tries = log.tries(lock).await?;
    let parting = owner.part(lock, &mut tries).await;
    log.close(None).await?;
    Ok(parting)
}
