//! Where the log goes: to the journal with fields if standard error is the journal, else to standard error as lines.
//!
//! Both say the same words ([`line`]). Nothing is kept back here: what must not be
//! logged is not handed to it.

mod journal;
mod line;

use std::fmt;
use std::io::IsTerminal;

use tracing::{Event, Level, Subscriber, warn};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::Clock;
use journal::JournalLayer;
use line::Line;

pub(crate) use line::tame;

/// The target of the one line that each stored event gets, so that it can be filtered by itself.
pub(crate) const EVENT: &str = "keyturner::event";
/// What decides how much is logged, in the words of `tracing_subscriber`'s `EnvFilter`.
const VARIABLE: &str = "KEYTURNER_LOG";

/// Starts the log of this process. Without `KEYTURNER_LOG`, `default_filter` counts.
pub(crate) fn init(default_filter: &str) {
    let asked = std::env::var(VARIABLE).ok().filter(|text| !text.is_empty());
    let parsed = asked.as_deref().map(EnvFilter::try_new).transpose();
    let (filter, wrong) = match parsed {
        Ok(filter) => (filter, None),
        Err(error) => (None, Some(error)),
    };
    let filter = filter.unwrap_or_else(|| EnvFilter::new(default_filter));
    let (to_journal, to_stderr) = match journal::socket() {
        Some(socket) => (Some(JournalLayer::new(socket)), None),
        None => (None, Some(stderr_layer())),
    };
    // Only one is ever set, and this is its first and only call.
    tracing_subscriber::registry().with(filter).with(to_journal).with(to_stderr).try_init().ok();
    if let Some(error) = wrong {
        warn!(%error, "{VARIABLE} is not understood, so `{default_filter}` counts");
    }
}

fn stderr_layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl tracing_subscriber::Layer<S> {
    // https://no-color.org
    let has_colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    tracing_subscriber::fmt::layer().with_ansi(has_colours).with_writer(std::io::stderr).event_format(Lines)
}

/// Lines for people: when, how bad, what.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        let (colour, plain) = match level {
            _ if !writer.has_ansi_escapes() => ("", ""),
            Level::ERROR => ("\x1b[31m", "\x1b[0m"),
            Level::WARN => ("\x1b[33m", "\x1b[0m"),
            Level::INFO => ("", ""),
            _ => ("\x1b[2m", "\x1b[0m"),
        };
        let at = Clock::system().wall().rfc3339();
        writeln!(writer, "{at} {colour}{level:>5}{plain} {}", Line::of(event).text())
    }
}
