//! `keyturner token`: the first token, and a token of its own for each client. A running gateway notices within seconds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

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
struct ListArgs {
    #[command(flatten)]
    data: DataArgs,
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
        Some(TokenCommand::List(args)) => list(&args.data).await,
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

async fn list(data: &DataArgs) -> anyhow::Result<()> {
    let secrets = Secrets::load_or_create(data.place())?;
    let uses = match open(data).await? {
        Some(store) => store.token_uses().await?,
        None => BTreeMap::new(),
    };
    let now = Clock::system().wall();
    let used = |name: &str| uses.get(name).map_or_else(|| "never used".to_owned(), |at| format!("used {}", day(*at)));
    println!("{FIRST_TOKEN}: {}, {}", words(&Access::full()), used(FIRST_TOKEN));
    for token in secrets.tokens() {
        let kind = if matches!(token.key, ClientKey::Digest(_)) { ", /v1 only" } else { "" };
        let ends = match token.expires {
            Some(at) if at <= now => format!(", EXPIRED {}", day(at)),
            Some(at) => format!(", expires {}", day(at)),
            None => String::new(),
        };
        let made = day(token.created);
        println!("{}: {}{kind}{ends}, made {made}, {}", token.name, words(&token.access), used(&token.name));
    }
    Ok(())
}

/// The event log, if a gateway ran before.
async fn open(data: &DataArgs) -> anyhow::Result<Option<Store>> {
    let path = data.database();
    Ok(if path.exists() { Some(Store::open(&path).await?) } else { None })
}

/// `read, lock at 0A1B2C3D`.
fn words(access: &Access) -> String {
    let scopes: Vec<&str> = access.scopes().map(Scope::name).collect();
    let locks = access.locks().map_or_else(
        || "every lock".to_owned(),
        |locks| locks.iter().map(|lock| format!("{lock:08X}")).collect::<Vec<_>>().join(", "),
    );
    format!("{} at {locks}", scopes.join(", "))
}

/// To the minute, which is as exactly as uses are noted.
fn day(at: UnixMillis) -> String {
    let text = at.rfc3339();
    format!("{}Z", text.get(..16).unwrap_or(&text))
}
