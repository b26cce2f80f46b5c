//! `keyturner erase`.

use anyhow::bail;
use clap::Args;

use super::pair::parse_nuki_id;
use super::{DataArgs, ask, tame};
use crate::clock::Clock;
use crate::protocol::beacon::NukiId;
use crate::store::{Erasure, Key, PersonSelector, Store, StoreError};

#[derive(Debug, Args)]
pub(super) struct EraseArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Whom: a name as it is shown, auth:NUMBER or code:NUMBER
    #[arg(long, value_name = "USER")]
    user: PersonSelector,
    /// At one lock only (8 hex digits)
    #[arg(long, value_name = "HEX", value_parser = parse_nuki_id)]
    lock: Option<NukiId>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(args: EraseArgs) -> anyhow::Result<()> {
    let path = args.data.database();
    if !path.exists() {
        return Err(StoreError::NoDatabase { path }.into());
    }
    let store = Store::open(&path).await?;
    let plan = store.plan_erasure(&path, &args.user, args.lock).await?;
    if plan.is_empty() {
        // An earlier erasure may have left traces in the file.
        store.wipe().await?;
        bail!("the event log knows nothing of this person; a name must be written exactly as it is shown");
    }
    print!("{}", words(&plan));
    if !args.yes && !ask::is_typed("erase").await? {
        bail!("nothing was erased");
    }
    let done = store.erase(&path, &args.user, args.lock, Clock::system().wall()).await?;
    store.close().await;
    println!("Erased from {} events. `keyturner verify` accepts the log as before.", done.events);
    println!(
        "Backups that were made with `keyturner backup` are not reached from here, nor are receivers that were told."
    );
    Ok(())
}

fn words(plan: &Erasure) -> String {
    let mut text = String::from("This will be erased for good, and cannot be undone:\n");
    let mut line = |line: String| {
        text.push_str(&tame(&line));
        text.push('\n');
    };
    for (key, names) in &plan.person.keys {
        let key_words = match key {
            Key::Authorization(lock, number) => format!("authorization {number} of lock {lock:08X}"),
            Key::Code(lock, number) => format!("keypad code {number} of lock {lock:08X}"),
        };
        let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        line(format!(
            "  {key_words}, known as {}",
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        ));
    }
    line(format!("  the person of {} events; what happened and when stays", plan.events));
    line(format!("  {} rows of the lists of users and codes", plan.list_rows));
    line(format!("  {} messages to callbacks, told or waiting", plan.messages));
    line(format!("  {} automatic backups (keyturner.db.before-...)", plan.backups));
    for key in &plan.person.current {
        let (number, lock) = match key {
            Key::Authorization(lock, number) => (format!("authorization {number}"), lock),
            Key::Code(lock, number) => (format!("keypad code {number}"), lock),
        };
        line(format!("Lock {lock:08X} still accepts {number}, so the name comes back; remove it there first."));
    }
    text
}
