//! `keyturner history`: who was at the door, from the event log itself, whether a gateway runs or not.

mod follow;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anstyle::Style;
use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};

use super::exit::Exit;
use super::output::{self, BAD, Cell, DIM, Fit, Table, WARN, local, parse_since, parse_until};
use super::{DataArgs, tame, which};
use crate::clock::UnixMillis;
use crate::http::entry_json;
use crate::store::{AuditRow, HistoryFilter, HistoryRow, MAX_PAGE, Order, PersonSelector, Store};

/// So many events where nothing else is said.
const FEW: u32 = 20;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  keyturner history --since yesterday --user Anna
  keyturner history --refused --since 7d --lock \"Front door\"
  keyturner history --follow
  keyturner history --follow --json | while read -r event; do ...; done")]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    data: DataArgs,
    /// What this person did: a name, auth:NUMBER or code:NUMBER
    #[arg(long, value_name = "USER")]
    user: Option<PersonSelector>,
    /// Not before: 2h, 3d, today, yesterday, a date, a date and time, or a moment with an offset
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<UnixMillis>,
    /// Not after, written in the same way; a date or a day is in it
    #[arg(long, value_name = "TIME", value_parser = parse_until)]
    until: Option<UnixMillis>,
    /// At this lock: its name or its number (8 hex digits)
    #[arg(long, value_name = "LOCK")]
    lock: Option<String>,
    /// What did not succeed
    #[arg(long)]
    refused: bool,
    /// The newest so many [default: 20; all where --since or --until is given; none with --follow]
    #[arg(long, value_name = "COUNT")]
    limit: Option<u32>,
    /// Go on with what happens from now on, until ctrl-C
    #[arg(short, long, conflicts_with = "until")]
    follow: bool,
    /// With --follow: everything after this row, by the rowId of an earlier --follow --json
    #[arg(long, value_name = "ROW", requires = "follow", conflicts_with_all = ["since", "limit"])]
    after: Option<i64>,
    /// For programs: {"events": [...]} as of /v1/history, newest first; with --follow one event a line, oldest first
    #[arg(long)]
    json: bool,
}

/// Exit code 0, also if nothing happened; 1: the event log cannot be read.
pub(super) async fn run(args: HistoryArgs) -> anyhow::Result<ExitCode> {
    let path = args.data.database();
    let store = Store::look(&path).await?;
    let filter = filter(&store, &args).await?;
    if args.follow {
        follow::run(&path, &store, &args, &filter).await?;
        return Ok(Exit::Done.into());
    }
    let rows = rows(&store, &filter, limit(&args)).await?;
    if args.json {
        let events: Vec<Value> = rows.into_iter().map(entry_json).collect::<Result<_, _>>()?;
        output::json(&json!({ "events": events }))?;
    } else if rows.is_empty() {
        let is_new = store.row_numbers().await?.newest == 0;
        output::say(if is_new { "Nothing has happened yet." } else { "Nothing of that kind has happened." })?;
    } else {
        let mut table = table();
        let words = words(&store, &rows).await?;
        rows.iter().rev().for_each(|row| add(&mut table, row, words.get(&row.id), ""));
        table.print()?;
    }
    Ok(Exit::Done.into())
}

/// How many events at most; `None` for all.
fn limit(args: &HistoryArgs) -> Option<u32> {
    match args.limit {
        None if args.since.is_some() || args.until.is_some() => None,
        None if args.follow => Some(0),
        None => Some(FEW),
        limit => limit,
    }
}

async fn filter(store: &Store, args: &HistoryArgs) -> anyhow::Result<HistoryFilter> {
    let mut filter = HistoryFilter { from: args.since, to: args.until, ..HistoryFilter::default() };
    if filter.from.is_some() || filter.to.is_some() {
        filter.order = Order::Time;
    }
    filter.refused = args.refused.then_some(true);
    match &args.user {
        Some(PersonSelector::Name(name)) => filter.user_name = Some(known_name(store, name).await?),
        Some(PersonSelector::Authorization(auth_id)) => filter.auth_id = Some(*auth_id),
        Some(PersonSelector::Code(code_id)) => filter.code_id = Some(*code_id),
        None => {}
    }
    if let Some(wanted) = &args.lock {
        let locks = store.locks().await?;
        let named: Vec<_> = locks.into_iter().map(|lock| (lock.nuki_id, lock.name)).collect();
        filter.nuki_id = Some(which::choose(&named, wanted)?);
    }
    Ok(filter)
}

/// The name as the lists have it, whichever capitals it was typed in. Where several fit, it must be typed as it is.
async fn known_name(store: &Store, typed: &str) -> anyhow::Result<String> {
    let users = store.users(None).await?;
    if users.iter().any(|user| user.name == typed) {
        return Ok(typed.to_owned());
    }
    let folded = typed.to_lowercase();
    let mut names: Vec<String> = users.into_iter().map(|user| user.name).collect();
    names.retain(|name| name.to_lowercase() == folded);
    names.sort();
    names.dedup();
    match names.as_slice() {
        [name] => Ok(name.clone()),
        // Somebody of whom only the lock's log has told.
        [] => Ok(typed.to_owned()),
        several => bail!("several are called so: {}; write the one you mean as it is", tame(&several.join(", "))),
    }
}

/// The newest events, newest first, page by page.
async fn rows(store: &Store, filter: &HistoryFilter, limit: Option<u32>) -> anyhow::Result<Vec<HistoryRow>> {
    let mut rows = Vec::new();
    let mut after = None;
    loop {
        let left = limit.map_or(MAX_PAGE, |limit| limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX)));
        if left == 0 {
            return Ok(rows);
        }
        let page = store.page(&HistoryFilter { after, limit: left.min(MAX_PAGE), ..filter.clone() }).await?;
        rows.extend(page.rows);
        match page.next {
            None => return Ok(rows),
            next => after = next,
        }
    }
}

/// The words of these events, by their numbers; what was removed meanwhile has none.
async fn words(store: &Store, rows: &[HistoryRow]) -> anyhow::Result<BTreeMap<i64, AuditRow>> {
    let mut words = BTreeMap::new();
    for chunk in rows.chunks(MAX_PAGE as usize) {
        let ids: Vec<i64> = chunk.iter().map(|row| row.id).collect();
        words.extend(store.sentences(&ids).await?);
    }
    Ok(words)
}

fn table() -> Table<4> {
    Table::new([("WHEN", Fit::Left), ("LOCK", Fit::Cut), ("WHO", Fit::Cut), ("WHAT", Fit::Cut)])
}

/// Adds an event in words; `mark` stands behind them.
fn add(table: &mut Table<4>, row: &HistoryRow, words: Option<&AuditRow>, mark: &str) {
    if let Some(words) = words {
        table.row(cells(row.at, words, row.refused, mark));
    }
}

fn cells(at: UnixMillis, words: &AuditRow, is_refused: bool, mark: &str) -> [Cell; 4] {
    let who = match words.certainty.as_str() {
        _ if is_refused => BAD,
        "pending" | "unknown" => WARN,
        "nobody" => DIM,
        _ => Style::new().bold(),
    };
    let what = format!("{}{mark}", words.deed());
    [
        Cell::from(local(at)),
        Cell::from(&words.lock),
        Cell::styled(&words.who, who),
        Cell::styled(what, if is_refused { BAD } else { Style::new() }),
    ]
}

/// One event as people say it.
pub(super) fn sentence(row: &AuditRow) -> String {
    tame(&format!("{}  {}: {} {}", row.at, row.lock, row.who, row.deed()))
}
