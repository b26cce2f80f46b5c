//! `keyturner lock`, `unlock`, `unlatch`: through the running gateway, once.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::exit::Exit;
use super::health::{list, text};
use super::local::{Failure, Local, LocalArgs, Wish, new_key};
use super::output::{self, GOOD, Progress};
use super::{DataArgs, fail, tame, which};
use crate::protocol::beacon::NukiId;

/// `deviceType` of the Opener.
const OPENER: u64 = 2;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples, with unlock and unlatch in the same way:
  keyturner lock \"Front door\"
  keyturner lock 3C8862ED --json

Ctrl-C ends the waiting and not what the lock was asked for.")]
pub(super) struct ActArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Which lock: its name, in capitals or not, or its number (8 hex digits)
    #[arg(value_name = "LOCK")]
    lock: String,
    /// For programs: the gateway's JSON, as of POST /v1/locks/{nuki_id}/actions
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    local: LocalArgs,
}

/// What is asked of the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Lock,
    Unlock,
    Unlatch,
}

impl Act {
    /// By the name that the gateway knows; `None` if a device of this type has no such action.
    const fn action(self, device_type: Option<u64>) -> Option<&'static str> {
        match (self, device_type) {
            (Self::Unlatch, Some(OPENER)) => Some("open"),
            (_, Some(OPENER)) => None,
            (Self::Lock, _) => Some("lock"),
            (Self::Unlock, _) => Some("unlock"),
            (Self::Unlatch, _) => Some("unlatch"),
        }
    }

    /// What is true of the lock afterwards.
    const fn done(self) -> &'static str {
        match self {
            Self::Lock => "locked",
            Self::Unlock => "unlocked",
            Self::Unlatch => "opened",
        }
    }
}

/// Exit code 0: done; 1: not done; 3: it may have been done; 4: no gateway runs.
pub(super) async fn run(act: Act, args: ActArgs) -> anyhow::Result<ExitCode> {
    let gateway = Local::find(&args.data, &args.local)?;
    let locks = list(&gateway.ask("GET", "/v1/locks").await?, "locks");
    let id = |lock: &Value| lock.get("nukiId").and_then(Value::as_u64).and_then(|id| NukiId::try_from(id).ok());
    let named: Vec<(NukiId, String)> = locks.iter().filter_map(|lock| Some((id(lock)?, text(lock, "name")))).collect();
    let nuki_id = which::choose(&named, &args.lock)?;
    let lock = locks.iter().find(|lock| id(lock) == Some(nuki_id)).context("the gateway's answer is not understood")?;
    let name = tame(&text(lock, "name"));
    let Some(action) = act.action(lock.get("deviceType").and_then(Value::as_u64)) else {
        bail!("{name} is an Opener and has no bolt; `keyturner unlatch` opens its door");
    };
    let body = serde_json::to_vec(&json!({ "action": action }))?;
    let path = format!("/v1/locks/{nuki_id}/actions");
    // One key for this run of the command: whatever gets lost on the way, the lock is asked once.
    let key = new_key(action)?;
    let wish = Wish { method: "POST", path: &path, key: Some(&key), body: Some(&body), is_secret: false };
    let began = Instant::now();
    let answer = Progress::new(!args.json).at_once(&format!("asking {name} to {action}"), gateway.tell(&wish)).await;
    let seconds = began.elapsed().as_secs_f64();
    let unknown = || {
        format!("it is not known whether {name} was {}; look at the door, `keyturner history` will show", act.done())
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(Failure::NotDone(error)) => return Err(error.context(format!("{name} was not {}", act.done()))),
        Err(Failure::Unknown(error)) => {
            let _ = fail(&error.context(unknown()));
            return Ok(Exit::Open.into());
        }
    };
    let outcome = text(&answer, "outcome");
    if args.json {
        let mut document = answer.clone();
        if let Some(document) = document.as_object_mut() {
            document.insert("seconds".to_owned(), json!((seconds * 1000.0).round() / 1000.0));
        }
        output::json(&document)?;
    }
    let why = || anyhow::anyhow!(text(&answer, "message"));
    Ok(match outcome.as_str() {
        "done" => {
            if !args.json {
                output::styled(&format!("{name} was {} ({seconds:.1} s)", act.done()), GOOD)?;
            }
            Exit::Done.into()
        }
        "refused" => return Err(why().context(format!("{name} was not {} ({seconds:.1} s)", act.done()))),
        // Whatever is not understood is not known.
        _ => {
            let _ = fail(&why().context(unknown()));
            Exit::Open.into()
        }
    })
}
