//! `keyturner auth`.

use anyhow::Context;
use clap::{Args, Subcommand};

use super::DataArgs;
use super::local::{Local, LocalArgs};

#[derive(Debug, Subcommand)]
pub(super) enum AuthCommand {
    /// Let the next client that asks for the token by /auth have it
    Allow(AllowArgs),
}

#[derive(Debug, Args)]
pub(super) struct AllowArgs {
    #[command(flatten)]
    data: DataArgs,
    /// How long, at most
    #[arg(long, value_name = "NUMBER", default_value_t = 120, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    #[command(flatten)]
    local: LocalArgs,
}

pub(super) async fn run(command: AuthCommand) -> anyhow::Result<()> {
    let AuthCommand::Allow(args) = command;
    let answer = Local::find(&args.data, &args.local)?
        .ask("POST", &format!("/v1/bridge/auth?seconds={}", args.seconds))
        .await
        .context("the window was not opened")?;
    let until = answer.get("openUntil").and_then(serde_json::Value::as_str);
    let until = until.context("the gateway's answer is not understood")?;
    println!("Until {until} the first client that asks by /auth gets the token: start it now.");
    println!("If it gets none, another one was faster.");
    Ok(())
}
