//! `keyturner export`.

use std::io::{BufWriter, ErrorKind, Write, stdout};

use clap::{Args, ValueEnum};

use super::{DataArgs, pair::parse_nuki_id};
use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;
use crate::store::{self, ExportFilter, ExportRow, PersonSelector, StoreError};
use crate::table;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    data: DataArgs,
    /// One person: a name as it is shown, auth:NUMBER or code:NUMBER
    #[arg(long, value_name = "USER")]
    user: Option<PersonSelector>,
    /// One lock (8 hex digits)
    #[arg(long, value_name = "HEX", value_parser = parse_nuki_id)]
    lock: Option<NukiId>,
    /// Not before, such as 2026-11-23T00:00:00Z or with an offset
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<UnixMillis>,
    /// Before
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
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

fn parse_time(text: &str) -> Result<UnixMillis, String> {
    text.parse::<jiff::Timestamp>()
        .map(|time| UnixMillis(time.as_millisecond()))
        .map_err(|_| "a time is a date and a time with an offset, such as 2026-11-23T14:05:09Z".to_owned())
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
    let output = BufWriter::new(stdout().lock());
    let written = match args.format {
        Format::Jsonl => jsonl(&path, &filter, output).await,
        Format::Csv => csv(&path, &filter, output).await,
    };
    match written {
        // Whoever reads has enough, such as `head`.
        Err(Stopped::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

async fn jsonl(path: &std::path::Path, filter: &ExportFilter, mut output: impl Write) -> Result<(), Stopped> {
    store::export(path, filter, |row| {
        serde_json::to_writer(&mut output, row).map_err(|error| match error.io_error_kind() {
            Some(kind) => Stopped::Output(kind.into()),
            None => Stopped::Json(error),
        })?;
        Ok::<(), Stopped>(output.write_all(b"\n")?)
    })
    .await?;
    Ok(output.flush()?)
}

async fn csv(path: &std::path::Path, filter: &ExportFilter, output: impl Write) -> Result<(), Stopped> {
    let mut table = table::begin(&COLUMNS, output)?;
    store::export(path, filter, |row: &ExportRow| {
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
