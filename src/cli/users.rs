//! `keyturner users`: who is known, from the event log itself.

use std::process::ExitCode;

use anstyle::Style;
use clap::Args;
use serde_json::{Value, json};

use super::exit::Exit;
use super::output::{self, Cell, DIM, Fit, Table, local};
use super::{DataArgs, which};
use crate::http::user_json;
use crate::protocol::IdType;
use crate::store::{Seen, Store, UserKind, UserRow};

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  keyturner users --lock \"Front door\"
  keyturner users --json | jq -r '.users[] | select(.times == 0) | .name'")]
pub(super) struct UsersArgs {
    #[command(flatten)]
    data: DataArgs,
    /// At this lock: its name or its number (8 hex digits)
    #[arg(long, value_name = "LOCK")]
    lock: Option<String>,
    /// Those of formerly too
    #[arg(long)]
    all: bool,
    /// For programs: {"users": [...]} with the names of /v1/users, and "lastSeen" and "times"
    #[arg(long)]
    json: bool,
}

/// Exit code 0, also if nobody is known.
pub(super) async fn run(args: UsersArgs) -> anyhow::Result<ExitCode> {
    let store = Store::look(&args.data.database()).await?;
    let locks: Vec<_> = store.locks().await?.into_iter().map(|lock| (lock.nuki_id, lock.name)).collect();
    let wanted = args.lock.as_deref().map(|wanted| which::choose(&locks, wanted)).transpose()?;
    let mut users = store.users(wanted).await?;
    users.retain(|user| args.all || user.valid_until.is_none());
    let seen = store.seen().await?;
    let of = |user: &UserRow| seen.iter().find(|seen| is_of(seen, user));
    if args.json {
        let users = users.into_iter().map(|user| {
            let seen = of(&user);
            document(user, seen)
        });
        let users: Vec<Value> = users.collect::<anyhow::Result<_>>()?;
        output::json(&json!({ "users": users }))?;
        return Ok(Exit::Done.into());
    }
    if users.is_empty() {
        output::say(
            "Nobody is known: the gateway reads a lock's lists with the security PIN; `keyturner status` says more.",
        )?;
        return Ok(Exit::Done.into());
    }
    let name =
        |user: &UserRow| locks.iter().find(|(lock, _)| *lock == user.nuki_id).map_or("", |(_, name)| name).to_owned();
    let mut table = Table::new([
        ("NAME", Fit::Cut),
        ("KIND", Fit::Left),
        ("NUMBER", Fit::Right),
        ("LOCK", Fit::Cut),
        ("MAY OPEN", Fit::Cut),
        ("LAST SEEN", Fit::Left),
        ("TIMES", Fit::Right),
    ]);
    for user in &users {
        let (kind, number) = key(user);
        let may = may(user);
        let style = if may == "no" || may.starts_with("gone") { DIM } else { Style::new() };
        table.row([
            Cell::styled(&user.name, style),
            Cell::styled(kind, style),
            Cell::styled(number.to_string(), style),
            Cell::styled(name(user), style),
            Cell::styled(may, style),
            Cell::styled(of(user).map_or_else(|| "never".to_owned(), |seen| local(seen.last)), style),
            Cell::styled(of(user).map_or(0, |seen| seen.times).to_string(), style),
        ]);
    }
    table.print()?;
    Ok(Exit::Done.into())
}

/// Whether this is about that person: by number and name, since a number that a lock gives away again is somebody else's.
fn is_of(seen: &Seen, user: &UserRow) -> bool {
    let is_number = match user.kind {
        UserKind::Authorization { auth_id, .. } => seen.auth_id == Some(auth_id) && seen.code_id.is_none(),
        UserKind::KeypadCode { code_id } => seen.code_id == Some(code_id),
    };
    is_number && seen.nuki_id == user.nuki_id && seen.name.as_deref() == Some(&user.name)
}

fn key(user: &UserRow) -> (String, u32) {
    match user.kind {
        UserKind::Authorization { auth_id, id_type, .. } => {
            let kind = match id_type {
                IdType::Keypad2 => "keypad".to_owned(),
                other => other.to_string().replace('_', " "),
            };
            (kind, auth_id)
        }
        UserKind::KeypadCode { code_id } => ("keypad code".to_owned(), u32::from(code_id)),
    }
}

fn may(user: &UserRow) -> String {
    match (user.valid_until, user.enabled, user.time_limit) {
        (Some(until), ..) => format!("gone since {}", local(until)),
        (None, false, _) => "no".to_owned(),
        (None, true, None) => "always".to_owned(),
        (None, true, Some(_)) => "at times".to_owned(),
    }
}

fn document(user: UserRow, seen: Option<&Seen>) -> anyhow::Result<Value> {
    let mut document = user_json(user)?;
    if let Some(document) = document.as_object_mut() {
        document.extend(seen.map(|seen| ("lastSeen".to_owned(), json!(seen.last.rfc3339()))));
        document.insert("times".to_owned(), json!(seen.map_or(0, |seen| seen.times)));
    }
    Ok(document)
}
