//! `keyturner webhook list` and `keyturner webhook dead`.

use clap::Args;

use super::super::DataArgs;
use super::filter::words;
use super::{find, open};
use crate::clock::UnixMillis;
use crate::store::WebhookStatus;

#[derive(Debug, Args)]
pub(in super::super) struct ListArgs {
    #[command(flatten)]
    data: DataArgs,
    /// For programs: JSON, times in milliseconds since 1970 UTC
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in super::super) struct DeadArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Name of the receiver
    name: String,
    /// So many, the oldest events first
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: u32,
    /// For programs: JSON, times in milliseconds since 1970 UTC
    #[arg(long)]
    json: bool,
}

pub(super) async fn list(args: ListArgs) -> anyhow::Result<()> {
    let webhooks = open(&args.data).await?.webhook_status().await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&webhooks)?);
        return Ok(());
    }
    for webhook in &webhooks {
        println!("{}", paragraph(webhook));
    }
    if webhooks.is_empty() {
        println!("There is no webhook. `keyturner webhook add` adds one.");
    }
    Ok(())
}

fn paragraph(webhook: &WebhookStatus) -> String {
    let mut lines = vec![format!("{}: {}", webhook.name, words(&webhook.filter))];
    let waiting = match webhook.waiting_since {
        None => "nothing waits".to_owned(),
        Some(since) => {
            format!("{} of at most {} wait, since {}", webhook.waiting, webhook.queue_limit, time(since))
        }
    };
    lines.push(waiting);
    lines.push(match webhook.last_told_at {
        None => "it has taken nothing yet".to_owned(),
        Some(at) => format!("it took something last at {}", time(at)),
    });
    if let Some(error) = &webhook.last_error {
        let at = webhook.last_failed_at.map(time).unwrap_or_default();
        lines.push(format!("it failed {} times, last at {at}: {error}", webhook.failures));
    }
    if let Some(next) = webhook.next_try_at {
        lines.push(format!("it is tried again at {}", time(next)));
    }
    if webhook.dead > 0 {
        let full = match webhook.overflowed {
            0 => String::new(),
            count => format!("; {count} ever because too many waited"),
        };
        lines.push(format!("{} dead letters{full}: `keyturner webhook dead {}`", webhook.dead, webhook.name));
    }
    lines.join("\n    ")
}

pub(super) async fn dead(args: DeadArgs) -> anyhow::Result<()> {
    let store = open(&args.data).await?;
    let webhook = find(&store, &args.name).await?;
    let letters = store.dead_letters(webhook.id, args.limit).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&letters)?);
        return Ok(());
    }
    for letter in &letters {
        let (at, id, event, attempts) = (time(letter.ended_at), letter.id, letter.event_id, letter.attempts);
        println!("{id}  {at}  event {event}, tried {attempts} times: {}", letter.reason);
    }
    if letters.is_empty() {
        println!("{} has no dead letters.", webhook.name);
    }
    Ok(())
}

fn time(millis: i64) -> String {
    UnixMillis(millis).rfc3339()
}
