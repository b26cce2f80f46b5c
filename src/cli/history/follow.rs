//! `keyturner history --follow`: what happens from now on, read from the event log row by row (`docs/adr/0042`).

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::json;
use tokio::time::sleep;

use super::super::output::{self, ReaderGone, Table};
use super::super::stop_signal;
use super::{HistoryArgs, add, limit, rows, table, words};
use crate::http::live_json;
use crate::store::{HistoryFilter, LiveRow, Store};

/// Looking whether there are new rows costs a gateway nothing, and nobody waits longer for a line.
const EVERY: Duration = Duration::from_millis(200);
/// Rows that are read at a time.
const PAGE: u32 = 500;

/// Ends with ctrl-C, or when nobody reads any more.
pub(super) async fn run(path: &Path, store: &Store, args: &HistoryArgs, filter: &HistoryFilter) -> anyhow::Result<()> {
    tokio::select! {
        result = follow(path, store, args, filter) => result,
        result = stop_signal() => result,
    }
}

async fn follow(path: &Path, store: &Store, args: &HistoryArgs, filter: &HistoryFilter) -> anyhow::Result<()> {
    let file = file(path)?;
    // Before the first page is read: what is written meanwhile is read as a row, and not twice.
    let newest = store.row_numbers().await?.newest;
    let mut follower = Follower { store, table: table(), is_json: args.json, shown: BTreeSet::new() };
    let mut scanned = match args.after {
        Some(after) if after > newest => bail!("there was never a row {after}; this is another event log"),
        Some(after) => after,
        None => {
            follower.begin(filter, limit(args), newest).await?;
            newest
        }
    };
    loop {
        let newest = store.row_numbers().await?.newest;
        while scanned < newest {
            let rows = store.rows_after(filter, scanned, newest, PAGE).await?;
            let is_cut = u32::try_from(rows.len()).unwrap_or(PAGE) >= PAGE;
            scanned = rows.last().filter(|_| is_cut).map_or(newest, |last| last.row_id);
            follower.tell(rows).await?;
        }
        if !output::is_read() {
            return Err(ReaderGone.into());
        }
        if self::file(path)? != file {
            bail!("{} was replaced by another event log; run this again", path.display());
        }
        sleep(EVERY).await;
    }
}

/// Which file stands there.
fn file(path: &Path) -> anyhow::Result<(u64, u64)> {
    let metadata = std::fs::metadata(path).with_context(|| format!("{} has gone", path.display()))?;
    Ok((metadata.dev(), metadata.ino()))
}

struct Follower<'a> {
    store: &'a Store,
    table: Table<4>,
    is_json: bool,
    /// Late answers that the first lines had already.
    shown: BTreeSet<i64>,
}

impl Follower<'_> {
    /// What happened before, as the history has it.
    async fn begin(&mut self, filter: &HistoryFilter, limit: Option<u32>, newest: i64) -> anyhow::Result<()> {
        let mut before = rows(self.store, filter, limit).await?;
        before.retain(|row| row.id <= newest);
        before.reverse();
        self.shown.extend(before.iter().filter_map(|row| row.answered_by));
        if self.is_json {
            for row in before {
                self.json(LiveRow { row_id: row.id, answers: None, entry: row })?;
            }
            return Ok(());
        }
        let words = words(self.store, &before).await?;
        before.iter().for_each(|row| add(&mut self.table, row, words.get(&row.id), ""));
        self.table.print()?;
        self.table.clear();
        Ok(())
    }

    async fn tell(&mut self, mut rows: Vec<LiveRow>) -> anyhow::Result<()> {
        rows.retain(|row| !self.shown.contains(&row.row_id));
        if self.is_json {
            return rows.into_iter().try_for_each(|row| self.json(row));
        }
        let (answers, entries): (Vec<_>, Vec<_>) = rows.into_iter().map(|row| (row.answers, row.entry)).unzip();
        let words = words(self.store, &entries).await?;
        for (row, answers) in entries.iter().zip(answers) {
            let mark = if answers.is_some() { " (as the lock's log says now)" } else { "" };
            add(&mut self.table, row, words.get(&row.id), mark);
        }
        self.table.print_rows()?;
        self.table.clear();
        Ok(())
    }

    fn json(&self, row: LiveRow) -> anyhow::Result<()> {
        let row_id = row.row_id;
        let mut line = live_json(row)?;
        if let Some(line) = line.as_object_mut() {
            line.insert("rowId".to_owned(), json!(row_id.to_string()));
        }
        output::json(&line)
    }
}
