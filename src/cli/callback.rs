//! `keyturner callbacks` and `keyturner callback`: receivers that clients of the Bridge API have registered.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use url::Url;

use super::DataArgs;
use super::exit::Exit;
use super::health::text;
use super::local::{Local, LocalArgs};
use super::output::{self, Cell, Fit, Table, WARN, local};
use crate::store::{CALLBACK_SLOTS, Store};

#[derive(Debug, Args)]
pub(super) struct CallbacksArgs {
    #[command(flatten)]
    data: DataArgs,
    /// For programs: {"callbacks": [{"id", "receiver", "added", "waiting"}]}
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum CallbackCommand {
    /// Say who is told; of an address only where it leads, since the rest is often a secret
    List(CallbacksArgs),
    /// Tell a receiver no longer, and free its slot
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Number of the slot, as `keyturner callbacks` has it
    #[arg(value_name = "ID", value_parser = clap::value_parser!(u8).range(..i64::from(CALLBACK_SLOTS)))]
    id: u8,
    #[command(flatten)]
    local: LocalArgs,
}

pub(super) async fn run(command: CallbackCommand) -> anyhow::Result<ExitCode> {
    match command {
        CallbackCommand::List(args) => list(args).await,
        CallbackCommand::Remove(args) => remove(&args).await,
    }
}

/// Exit code 0, also if nobody is told.
pub(super) async fn list(args: CallbacksArgs) -> anyhow::Result<ExitCode> {
    let store = Store::look(&args.data.database()).await?;
    let (callbacks, waiting) = (store.callbacks().await?, store.waiting().await?);
    let waiting = |id: u8| waiting.iter().find(|slot| slot.slot == id).map_or(0, |slot| slot.waiting);
    if args.json {
        let callbacks = callbacks.iter().map(|callback| {
            json!({"id": callback.id, "receiver": receiver(&callback.url), "added": callback.added_at.rfc3339(),
                   "waiting": waiting(callback.id)})
        });
        output::json(&json!({"callbacks": Value::from_iter(callbacks)}))?;
        return Ok(Exit::Done.into());
    }
    if callbacks.is_empty() {
        output::say("No client has registered a callback.")?;
        return Ok(Exit::Done.into());
    }
    let mut table =
        Table::new([("ID", Fit::Right), ("RECEIVER", Fit::Cut), ("ADDED", Fit::Left), ("WAITING", Fit::Right)]);
    for callback in &callbacks {
        let count = waiting(callback.id);
        let waiting = count.to_string();
        table.row([
            Cell::from(callback.id.to_string()),
            Cell::from(receiver(&callback.url)),
            Cell::from(local(callback.added_at)),
            if count > 0 { Cell::styled(waiting, WARN) } else { Cell::from(waiting) },
        ]);
    }
    table.print()?;
    Ok(Exit::Done.into())
}

/// Where an address leads, without path and query: they hold tokens.
fn receiver(url: &str) -> String {
    let Ok(url) = Url::parse(url) else { return "an address that cannot be read".to_owned() };
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or("?"))
}

async fn remove(args: &RemoveArgs) -> anyhow::Result<ExitCode> {
    let answer = Local::find(&args.data, &args.local)?.ask("GET", &format!("/callback/remove?id={}", args.id)).await?;
    let is_done = answer.get("success").and_then(Value::as_bool).context("the gateway's answer is not understood")?;
    if !is_done {
        bail!("nothing was removed: {}; `keyturner callbacks` lists them", text(&answer, "message"));
    }
    output::say(format!("Slot {} is free; a client that still wants it registers again by itself.", args.id))?;
    Ok(Exit::Done.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_nothing_is_shown_that_opens_anything() {
        for (url, shown) in [
            ("http://user:pw@ha.lan:8123/api/webhook/secret?token=x#y", "http://ha.lan:8123"),
            ("http://[2001:db8::1]/x", "http://[2001:db8::1]"),
            ("secret", "an address that cannot be read"),
        ] {
            assert_eq!(receiver(url), shown);
        }
    }
}
