//! `keyturner webhook`: receivers of events, and how they are doing. A running gateway notices within seconds.

mod add;
mod filter;
pub(super) mod show;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::DataArgs;
use crate::clock::{Clock, UnixMillis};
use crate::delivery::webhook::{HttpsPost, Receiver, Verdict, WebhookPost, test_message, verdict};
use crate::secrets::Secrets;
use crate::store::{Store, Webhook};

#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// Add a receiver; prints the secret of its signatures, once
    Add(add::AddArgs),
    /// Say how every receiver is doing
    List(show::ListArgs),
    /// Remove a receiver, and with it what waits for it and its dead letters
    Remove(NameArgs),
    /// Send a receiver a signed message without an event, now, and print its answer
    Test(NameArgs),
    /// List what a receiver did not take in time
    Dead(show::DeadArgs),
    /// Put dead letters back into the queue
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
pub(super) struct NameArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Name of the receiver
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Name of the receiver
    name: String,
    /// These, by the numbers that `webhook dead` prints
    #[arg(value_name = "NUMBER", required_unless_present = "all", conflicts_with = "all")]
    numbers: Vec<i64>,
    /// All of them
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(command: WebhookCommand) -> anyhow::Result<()> {
    match command {
        WebhookCommand::Add(args) => add::run(args).await,
        WebhookCommand::List(args) => show::list(args).await,
        WebhookCommand::Remove(args) => remove(args).await,
        WebhookCommand::Test(args) => test(args).await,
        WebhookCommand::Dead(args) => show::dead(args).await,
        WebhookCommand::Replay(args) => replay(args).await,
    }
}

fn now() -> UnixMillis {
    Clock::system().wall()
}

/// The event log of a gateway that ran before: a file that another user made here could not be written by the service.
async fn open(data: &DataArgs) -> anyhow::Result<Store> {
    let path = data.database();
    if !path.exists() {
        bail!("there is no event log at {}; is --data right, and has `keyturner run` been started?", path.display());
    }
    Ok(Store::open(&path).await?)
}

async fn find(store: &Store, name: &str) -> anyhow::Result<Webhook> {
    let mut webhooks = store.webhooks().await?.into_iter();
    webhooks
        .find(|webhook| webhook.name == name)
        .with_context(|| format!("there is no webhook {name:?}; `keyturner webhook list` names them"))
}

/// Forgets what secrets.json holds of webhooks that are gone.
async fn forget_removed(store: &Store, secrets: &mut Secrets) -> anyhow::Result<bool> {
    let numbers: Vec<i64> = store.webhooks().await?.iter().map(|webhook| webhook.id).collect();
    Ok(secrets.keep_webhooks(&numbers))
}

async fn remove(args: NameArgs) -> anyhow::Result<()> {
    let store = open(&args.data).await?;
    find(&store, &args.name).await?;
    let mut secrets = Secrets::load_or_create(args.data.place())?;
    secrets.check_writable()?;
    store.remove_webhook(&args.name).await?;
    if forget_removed(&store, &mut secrets).await? {
        secrets.save().context("the webhook is removed, but its URL still stands in secrets.json")?;
    }
    println!("Removed {}. What waited for it is dropped.", args.name);
    Ok(())
}

async fn test(args: NameArgs) -> anyhow::Result<()> {
    let store = open(&args.data).await?;
    let webhook = find(&store, &args.name).await?;
    let secrets = Secrets::load_or_create(args.data.place())?;
    let secret = secrets
        .webhooks()
        .iter()
        .find(|secret| secret.number == webhook.id)
        .with_context(|| format!("secrets.json has no URL for {}; remove it and add it again", webhook.name))?;
    let key = format!("test-{}", uuid::Uuid::from_bytes(random()?).simple());
    let message = test_message(&webhook.name, &secret.secret, &key, now())?;
    let to = Receiver { url: &secret.url, ca_pem: webhook.ca_pem.as_deref() };
    match verdict(HttpsPost::default().send(to, &message).await) {
        Verdict::Told => {
            // What waits need not wait any longer.
            store.hurry_webhook(webhook.id).await?;
            println!("{} took it.", webhook.name);
            Ok(())
        }
        Verdict::Refused(reason) | Verdict::Failed(reason, _) => bail!("{} did not take it: {reason}", webhook.name),
    }
}

fn random() -> anyhow::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
    Ok(bytes)
}

async fn replay(args: ReplayArgs) -> anyhow::Result<()> {
    let store = open(&args.data).await?;
    let webhook = find(&store, &args.name).await?;
    let chosen = (!args.all).then_some(args.numbers.as_slice());
    let replayed = store.replay_dead_letters(webhook.id, chosen, now()).await?;
    println!("{replayed} dead letters of {} wait again.", webhook.name);
    if !args.all && replayed < args.numbers.len() as u64 {
        bail!("the other numbers are none of its dead letters; `keyturner webhook dead {}` lists them", webhook.name);
    }
    Ok(())
}
