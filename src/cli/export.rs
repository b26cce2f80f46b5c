//! `keyturner export`.

use std::io::{BufWriter, ErrorKind, IsTerminal, Write, stdout};

use clap::{Args, ValueEnum};

use super::output::{Progress, parse_since, parse_until};
use super::{DataArgs, pair::parse_nuki_id};
use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;
use crate::store::{self, ExportFilter, ExportRow, PersonSelector, StoreError};
use crate::table;

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  keyturner export --user Anna --format csv > anna.csv
  keyturner export --from 2026-11-01 --to 2026-11-30 > november.jsonl")]
pub(super) struct ExportArgs {
    #[command(flatten)]
    data: DataArgs,
    /// One person: a name as it is shown, auth:NUMBER or code:NUMBER
    #[arg(long, value_name = "USER")]
    user: Option<PersonSelector>,
    /// One lock (8 hex digits)
    #[arg(long, value_name = "HEX", value_parser = parse_nuki_id)]
    lock: Option<NukiId>,
    /// Not before: a date, a date and time, a moment with an offset, or as `history --since` takes it
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    from: Option<UnixMillis>,
    /// Before, written in the same way; a date or a day is in it
    #[arg(long, value_name = "TIME", value_parser = parse_until)]
    to: Option<UnixMillis>,
    /// One JSON object per line, or a table for spreadsheets
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

/// Why an export stopped.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("standard output: {0}")]
    Output(std::io::Error),
    #[error("an event cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<csv::Error> for Stopped {
    fn from(error: csv::Error) -> Self {
        match error.into_kind() {
            csv::ErrorKind::Io(error) => Self::Output(error),
            other => Self::Output(std::io::Error::other(format!("{other:?}"))),
        }
    }
}

pub(super) async fn run(args: ExportArgs) -> anyhow::Result<()> {
    let filter = ExportFilter { person: args.user, nuki_id: args.lock, from: args.from, to: args.to };
    let path = args.data.database();
    // Where both are one terminal, the events themselves show how far it is.
    let progress = Progress::new(!stdout().is_terminal());
    let output = BufWriter::new(stdout().lock());
    let written = match args.format {
        Format::Jsonl => jsonl(&path, &filter, output, progress).await,
        Format::Csv => csv(&path, &filter, output, progress).await,
    };
    match written {
        // Whoever reads has enough, such as `head`.
        Err(Stopped::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

async fn jsonl(
    path: &std::path::Path,
    filter: &ExportFilter,
    mut output: impl Write,
    mut progress: Progress,
) -> Result<(), Stopped> {
    store::export(path, filter, |row| {
        serde_json::to_writer(&mut output, row).map_err(|error| match error.io_error_kind() {
            Some(kind) => Stopped::Output(kind.into()),
            None => Stopped::Json(error),
        })?;
        progress.count("events");
        Ok::<(), Stopped>(output.write_all(b"\n")?)
    })
    .await?;
    Ok(output.flush()?)
}

async fn csv(
    path: &std::path::Path,
    filter: &ExportFilter,
    output: impl Write,
    mut progress: Progress,
) -> Result<(), Stopped> {
    let mut table = table::begin(&COLUMNS, output)?;
    store::export(path, filter, |row: &ExportRow| {
        progress.count("events");
        Ok::<(), Stopped>(table.write_record(table::fields(&COLUMNS, row)?)?)
    })
    .await?;
    Ok(table.flush()?)
}

/// The keys of [`ExportRow`], in the order of the columns.
const COLUMNS: [&str; 30] = [
    "id",
    "date",
    "nukiId",
    "lockName",
    "deviceType",
    "kind",
    "kindCode",
    "name",
    "authId",
    "authName",
    "codeId",
    "codeName",
    "method",
    "action",
    "trigger",
    "state",
    "completionStatus",
    "refused",
    "attribution",
    "reason",
    "autoUnlock",
    "presses",
    "backfilled",
    "eventId",
    "deviceTime",
    "observedAt",
    "intentId",
    "client",
    "answeredBy",
    "detail",
];
