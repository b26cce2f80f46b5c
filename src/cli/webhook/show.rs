//! `keyturner webhook list` and `keyturner webhook dead`.

use clap::Args;

use super::super::DataArgs;
use super::super::output::{self, Cell, Fit, HEAD, Table, local};
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

pub(in super::super) async fn list(args: ListArgs) -> anyhow::Result<()> {
    let webhooks = open(&args.data).await?.webhook_status().await?;
    if args.json {
        return output::json(&webhooks);
    }
    if webhooks.is_empty() {
        return output::say("There is no webhook. `keyturner webhook add` adds one.");
    }
    for webhook in &webhooks {
        output::styled(&format!("{}: {}", webhook.name, words(&webhook.filter)), HEAD)?;
        lines(webhook).iter().try_for_each(|line| output::say(format!("    {line}")))?;
    }
    Ok(())
}

fn lines(webhook: &WebhookStatus) -> Vec<String> {
    let mut lines = Vec::new();
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
    lines
}

pub(super) async fn dead(args: DeadArgs) -> anyhow::Result<()> {
    let store = open(&args.data).await?;
    let webhook = find(&store, &args.name).await?;
    let letters = store.dead_letters(webhook.id, args.limit).await?;
    if args.json {
        return output::json(&letters);
    }
    if letters.is_empty() {
        return output::say(format!("{} has no dead letters.", webhook.name));
    }
    let mut table = Table::new([
        ("NUMBER", Fit::Right),
        ("ENDED", Fit::Left),
        ("EVENT", Fit::Right),
        ("TRIED", Fit::Right),
        ("WHY", Fit::Cut),
    ]);
    for letter in &letters {
        let (id, event, attempts) = (letter.id.to_string(), letter.event_id.to_string(), letter.attempts.to_string());
        table.row([&id, &time(letter.ended_at), &event, &attempts, &letter.reason].map(Cell::from));
    }
    table.print()
}

fn time(millis: i64) -> String {
    local(UnixMillis(millis))
}
