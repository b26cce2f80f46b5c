//! `keyturner token`: the first token, and a token of its own for each client. A running gateway notices within seconds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::{self, BAD, Cell, DIM, Fit, Table, local};
use super::pair::parse_nuki_id;
use super::{DataArgs, parse_name, write_secret};
use crate::access::{Access, Scope};
use crate::clock::{Clock, UnixMillis};
use crate::protocol::beacon::NukiId;
use crate::secrets::{ClientKey, ClientToken, FIRST_TOKEN, Secrets};
use crate::store::Store;

const DAY: Duration = Duration::from_hours(24);

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct TokenArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(subcommand)]
    command: Option<TokenCommand>,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token for one client; prints it, once
    Add(AddArgs),
    /// Say which tokens there are, what they may do, and when each was used last
    List(ListArgs),
    /// End a token; the first one, named bridge, is replaced by a new one
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  keyturner token add --name home-assistant --scope read,lock,unlock,history
  keyturner token add --name doorbell --scope unlock --lock 3C8862ED --days 30
  keyturner token add --name report --scope history --v1 --token-file report.token")]
struct AddArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Name of the client, which stands in the event log beside what it asks for: letters, digits, `-`, `_` and `.`
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    name: String,
    /// What it may do: read, lock, unlock, history, admin
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// Only at this lock (8 hex digits); may be repeated. Without it at every lock, later ones included
    #[arg(long = "lock", value_name = "HEX", value_parser = parse_nuki_id)]
    locks: Vec<NukiId>,
    /// Counts for so many days; without it until it is revoked
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,
    /// For /v1 alone: longer, and only its digest is kept
    #[arg(long)]
    v1: bool,
    /// Write the token into this new file instead of printing it
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    data: DataArgs,
    /// For programs: {"tokens": [{"name", "scopes", "nukiIds" or null for every lock, "isForV1Alone", "made", "expires", "lastUsed"}]}
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Name of the client
    name: String,
}

pub(super) async fn run(args: TokenArgs) -> anyhow::Result<()> {
    match args.command {
        None => print_first(&args.data),
        Some(TokenCommand::Add(args)) => add(args).await,
        Some(TokenCommand::List(args)) => list(&args).await,
        Some(TokenCommand::Revoke(args)) => revoke(&args).await,
    }
}

fn print_first(data: &DataArgs) -> anyhow::Result<()> {
    let secrets = Secrets::load_or_create(data.place())?;
    println!("{}", secrets.bridge.token.expose());
    Ok(())
}

async fn add(args: AddArgs) -> anyhow::Result<()> {
    let mut secrets = Secrets::load_or_create(args.data.place())?;
    secrets.check_writable()?;
    let strangers: Vec<String> =
        args.locks.iter().filter(|lock| secrets.lock(**lock).is_none()).map(|lock| format!("{lock:08X}")).collect();
    if !strangers.is_empty() {
        bail!("no lock {} is paired; `keyturner locks` lists those that are", strangers.join(", "));
    }
    let locks = (!args.locks.is_empty()).then(|| args.locks.into_iter().collect());
    let access = Access::new(args.scopes, locks);
    let now = Clock::system().wall();
    let expires = args.days.map(|days| now.plus(DAY * days));
    let make = if args.v1 { ClientToken::for_v1 } else { ClientToken::for_bridge };
    let (token, text) = make(args.name.clone(), access.clone(), now, expires)?;
    secrets.add_token(token)?;
    // A name that was used before shall not bring its past with it.
    if let Some(store) = open(&args.data).await? {
        store.forget_token_use(&args.name).await?;
    }
    if let Some(path) = &args.token_file {
        write_secret(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    secrets.save().context("nothing was added")?;
    println!("Added {}: {}. A running gateway takes it within seconds.", args.name, words(&access));
    match args.token_file {
        Some(path) => println!("Its token is in {}.", path.display()),
        None => println!("Its token, shown this once: {}", text.as_str()),
    }
    Ok(())
}

async fn revoke(args: &RevokeArgs) -> anyhow::Result<()> {
    let mut secrets = Secrets::load_or_create(args.data.place())?;
    secrets.check_writable()?;
    let is_first = args.name == FIRST_TOKEN;
    if is_first {
        secrets.renew_first_token()?;
    } else if !secrets.revoke_token(&args.name) {
        bail!("there is no token {:?}; `keyturner token list` names them", args.name);
    }
    secrets.save().context("nothing was revoked")?;
    if let Some(store) = open(&args.data).await? {
        store.forget_token_use(&args.name).await?;
    }
    println!("Revoked {}. A running gateway refuses it within seconds.", args.name);
    if is_first {
        println!("Another one stands in its place; `keyturner token` prints it.");
    }
    Ok(())
}

/// `keyturner tokens`, and `keyturner token list`.
pub(super) async fn list(args: &ListArgs) -> anyhow::Result<()> {
    let secrets = Secrets::load(args.data.place())?;
    let secrets =
        secrets.with_context(|| format!("there are no secrets in {}; is --data right?", args.data.data.display()))?;
    let path = args.data.database();
    let uses = if path.exists() { Store::look(&path).await?.token_uses().await? } else { BTreeMap::new() };
    let now = Clock::system().wall();
    let full = Access::full();
    let first = Listed { name: FIRST_TOKEN, access: &full, is_v1: false, made: None, expires: None };
    let others = secrets.tokens().iter().map(|token| Listed {
        name: &token.name,
        access: &token.access,
        is_v1: matches!(token.key, ClientKey::Digest(_)),
        made: Some(token.created),
        expires: token.expires,
    });
    let tokens: Vec<Listed<'_>> = std::iter::once(first).chain(others).collect();
    let used = |name: &str| uses.get(name).copied();
    if args.json {
        let tokens: Vec<Value> = tokens.iter().map(|token| token.json(used(token.name))).collect();
        return output::json(&json!({ "tokens": tokens }));
    }
    let mut table = Table::new([
        ("NAME", Fit::Cut),
        ("MAY", Fit::Cut),
        ("AT", Fit::Cut),
        ("MADE", Fit::Left),
        ("ENDS", Fit::Left),
        ("USED LAST", Fit::Left),
    ]);
    tokens.iter().for_each(|token| table.row(token.cells(used(token.name), now)));
    table.print()
}

/// A token without what makes it one.
struct Listed<'a> {
    name: &'a str,
    access: &'a Access,
    is_v1: bool,
    made: Option<UnixMillis>,
    expires: Option<UnixMillis>,
}

impl Listed<'_> {
    fn json(&self, used: Option<UnixMillis>) -> Value {
        let Self { name, access, is_v1, made, expires } = self;
        let time = |at: &Option<UnixMillis>| at.map(UnixMillis::rfc3339);
        json!({
            "name": name, "scopes": access.scopes().map(Scope::name).collect::<Vec<_>>(), "nukiIds": access.locks(),
            "isForV1Alone": is_v1, "made": time(made), "expires": time(expires), "lastUsed": time(&used),
        })
    }

    fn cells(&self, used: Option<UnixMillis>, now: UnixMillis) -> [Cell; 6] {
        let v1 = if self.is_v1 { " (/v1 only)" } else { "" };
        let ends = match self.expires {
            Some(at) if at <= now => Cell::styled(format!("EXPIRED {}", day(at)), BAD),
            Some(at) => Cell::from(day(at)),
            None => Cell::from(""),
        };
        [
            Cell::from(self.name),
            Cell::from(format!("{}{v1}", scopes(self.access))),
            Cell::from(places(self.access)),
            Cell::from(self.made.map_or_else(String::new, day)),
            ends,
            used.map_or_else(|| Cell::styled("never", DIM), |at| Cell::from(day(at))),
        ]
    }
}

/// The event log, if a gateway ran before.
async fn open(data: &DataArgs) -> anyhow::Result<Option<Store>> {
    let path = data.database();
    Ok(if path.exists() { Some(Store::open(&path).await?) } else { None })
}

/// `read, lock at 0A1B2C3D`.
fn words(access: &Access) -> String {
    format!("{} at {}", scopes(access), places(access))
}

fn scopes(access: &Access) -> String {
    access.scopes().map(Scope::name).collect::<Vec<_>>().join(", ")
}

fn places(access: &Access) -> String {
    access.locks().map_or_else(
        || "every lock".to_owned(),
        |locks| locks.iter().map(|lock| format!("{lock:08X}")).collect::<Vec<_>>().join(", "),
    )
}

/// To the minute, which is as exactly as uses are noted; by this computer's zone.
fn day(at: UnixMillis) -> String {
    let text = local(at);
    text.get(..16).unwrap_or(&text).to_owned()
}
