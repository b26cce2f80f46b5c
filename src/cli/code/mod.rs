//! `keyturner code`: the keypad codes of a lock, through the running gateway.

mod digits;
mod limit;
mod show;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::exit::Exit;
use super::health::{list, text};
use super::local::{Failure, Local, LocalArgs, Wish, new_key};
use super::output::{self, HEAD, Progress};
use super::{DataArgs, fail, tame, which};
use crate::protocol::beacon::NukiId;
use crate::protocol::log::CodeId;
use limit::{Limit, LimitArgs};

/// More than any body has, so that it grows nowhere and leaves no copy of the digits behind.
const BODY_ROOM: usize = 1024;

#[derive(Debug, Subcommand)]
pub(super) enum CodeCommand {
    /// Say which codes a lock has, or each of them; never their digits
    List(ListArgs),
    /// Add a code; its digits are asked for, or read from a file or standard input
    Add(AddArgs),
    /// Change a code: its name, its digits, when it is valid
    Change(ChangeArgs),
    /// Let a code open again
    Enable(OneArgs),
    /// Keep a code from opening; it stays in the list
    Disable(OneArgs),
    /// Take a code away for good
    Remove(OneArgs),
}

/// At which lock, through which gateway.
#[derive(Debug, Args)]
struct At {
    #[command(flatten)]
    data: DataArgs,
    /// Which lock: its name or its number (8 hex digits); needed where there are several
    #[arg(long, value_name = "LOCK")]
    lock: Option<String>,
    /// For programs: the gateway's JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: LocalArgs,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    at: At,
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples; the digits are asked for:
  keyturner code add --name Cleaner --weekdays mon-fri --times 08:00-12:00
  keyturner code add --name Guest --until 2026-12-24T12:00 --lock \"Front door\"")]
pub(super) struct AddArgs {
    #[command(flatten)]
    at: At,
    /// Its name, up to 20 bytes
    #[arg(long, value_name = "NAME")]
    name: String,
    /// File with its digits and nothing else; without it they are asked for, or read from standard input
    #[arg(long, value_name = "FILE")]
    digits_file: Option<PathBuf>,
    #[command(flatten)]
    limit: LimitArgs,
}

#[derive(Debug, Args)]
pub(super) struct ChangeArgs {
    #[command(flatten)]
    at: At,
    /// Number of the code, as `keyturner code list` has it
    #[arg(value_name = "ID")]
    code_id: CodeId,
    /// Its new name, up to 20 bytes
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// New digits: asked for, or read from standard input
    #[arg(long)]
    digits: bool,
    /// New digits from this file
    #[arg(long, value_name = "FILE", conflicts_with = "digits")]
    digits_file: Option<PathBuf>,
    /// Valid always, from now on
    #[arg(long, conflicts_with_all = ["from", "until", "weekdays", "times"])]
    always: bool,
    #[command(flatten)]
    limit: LimitArgs,
}

#[derive(Debug, Args)]
pub(super) struct OneArgs {
    #[command(flatten)]
    at: At,
    /// Number of the code, as `keyturner code list` has it
    #[arg(value_name = "ID")]
    code_id: CodeId,
}

/// What the gateway is sent. Digits pass through and are wiped.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digits: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_limit: Option<Option<Limit>>,
}

/// Exit code 0: done; 1: not done; 3: it may have been done.
pub(super) async fn run(command: CodeCommand) -> anyhow::Result<ExitCode> {
    match command {
        CodeCommand::List(args) => list_codes(&args).await,
        CodeCommand::Add(args) => {
            let digits = digits::read(args.digits_file.as_deref()).await?;
            let limit = args.limit.limit();
            let body =
                Body { name: Some(&args.name), digits: Some(&digits), time_limit: limit.map(Some), ..Body::default() };
            change(&args.at, "POST", None, Some(&body), "added").await
        }
        CodeCommand::Change(args) => {
            let limit = if args.always { Some(None) } else { args.limit.limit().map(Some) };
            let wants_digits = args.digits || args.digits_file.is_some();
            if args.name.is_none() && limit.is_none() && !wants_digits {
                bail!("say what shall change: --name, --digits, --digits-file, --always, or when it is valid");
            }
            let digits = if wants_digits { Some(digits::read(args.digits_file.as_deref()).await?) } else { None };
            let (name, digits) = (args.name.as_deref(), digits.as_ref().map(|digits| digits.as_str()));
            let body = Body { name, digits, time_limit: limit, ..Body::default() };
            change(&args.at, "PATCH", Some(args.code_id), Some(&body), "changed").await
        }
        CodeCommand::Enable(args) => switch(&args, true, "enabled").await,
        CodeCommand::Disable(args) => switch(&args, false, "disabled").await,
        CodeCommand::Remove(args) => change(&args.at, "DELETE", Some(args.code_id), None, "removed").await,
    }
}

async fn switch(args: &OneArgs, enabled: bool, done: &str) -> anyhow::Result<ExitCode> {
    let body = Body { enabled: Some(enabled), ..Body::default() };
    change(&args.at, "PATCH", Some(args.code_id), Some(&body), done).await
}

/// `keyturner codes`, and `keyturner code list`: those of one lock, or of each.
pub(super) async fn list_codes(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let at = &args.at;
    let gateway = Local::find(&at.data, &at.local)?;
    let locks = match &at.lock {
        Some(named) => vec![(lock(&gateway, Some(named)).await?, String::new())],
        None => locks(&gateway).await?,
    };
    let mut all = Vec::new();
    for (nuki_id, name) in &locks {
        let codes = gateway.ask("GET", &format!("/v1/locks/{nuki_id}/codes")).await?;
        if !at.json {
            if locks.len() > 1 {
                output::styled(&format!("{name} ({nuki_id:08X})"), HEAD)?;
            }
            show::print(&codes)?;
        }
        all.push(codes);
    }
    if at.json {
        match all.as_slice() {
            [codes] => output::json(codes)?,
            several => output::json(&json!({ "locks": several }))?,
        }
    }
    Ok(Exit::Done.into())
}

async fn change(
    at: &At,
    method: &str,
    code_id: Option<CodeId>,
    body: Option<&Body<'_>>,
    done: &str,
) -> anyhow::Result<ExitCode> {
    let gateway = Local::find(&at.data, &at.local)?;
    let nuki_id = lock(&gateway, at.lock.as_deref()).await?;
    let mut path = format!("/v1/locks/{nuki_id}/codes");
    if let Some(code_id) = code_id {
        path.push_str(&format!("/{code_id}"));
    }
    let body = body.map(bytes).transpose()?;
    let (key, body) = (new_key("code")?, body.as_ref().map(|body| body.as_slice()));
    let wish = Wish { method, path: &path, key: Some(&key), body, is_secret: true };
    match Progress::new(!at.json).during("asking the lock", gateway.tell(&wish)).await {
        Ok(answer) if at.json => output::json(&answer)?,
        Ok(answer) => {
            let number = answer.get("codeId").map_or_else(|| "?".to_owned(), Value::to_string);
            output::say(format!("Code {number} of {nuki_id:08X}: {done}."))?;
        }
        Err(Failure::NotDone(error)) => return Err(error.context("nothing was changed")),
        Err(Failure::Unknown(error)) => {
            let _ = fail(&error.context("it may have been done or not; `keyturner code list` tells in some seconds"));
            return Ok(Exit::Open.into());
        }
    }
    Ok(Exit::Done.into())
}

fn bytes(body: &Body<'_>) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(BODY_ROOM));
    serde_json::to_writer(&mut *bytes, body)?;
    Ok(bytes)
}

/// The lock that is meant: the one that is named, or the only one.
async fn lock(gateway: &Local, named: Option<&str>) -> anyhow::Result<NukiId> {
    let locks = locks(gateway).await?;
    if let Some(named) = named {
        return which::choose(&locks, named);
    }
    match locks.as_slice() {
        [] => bail!("no lock is paired; `keyturner pair` pairs one"),
        [(nuki_id, _)] => Ok(*nuki_id),
        several => {
            let names: Vec<String> = several.iter().map(|(id, name)| format!("{id:08X} ({})", tame(name))).collect();
            bail!("there are several locks, so say which by --lock: {}", names.join(", "))
        }
    }
}

/// Every lock that the gateway serves, with its name.
async fn locks(gateway: &Local) -> anyhow::Result<Vec<(NukiId, String)>> {
    let id = |lock: &Value| lock.get("nukiId").and_then(Value::as_u64).and_then(|id| NukiId::try_from(id).ok());
    let locks = list(&gateway.ask("GET", "/v1/locks").await?, "locks");
    let locks = locks.iter().map(|lock| Some((id(lock)?, text(lock, "name"))));
    locks.collect::<Option<_>>().context("the gateway's answer is not understood")
}
