//! What commands say on standard output: for people in tables and colours, for programs in JSON.
//!
//! Colours leave only where a terminal shows them: `anstream` takes them out
//! elsewhere, and with `NO_COLOR` or `TERM=dumb`. Text from the air is tamed
//! where it becomes a line or a cell, so no command can forget it.

mod progress;
mod table;
mod time;

use std::fmt::{Arguments, Display};
use std::io::{ErrorKind, Write, stderr, stdout};

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::tcgetwinsize;
use serde::Serialize;

use super::tame;

pub(super) use progress::Progress;
pub(super) use table::{Cell, Fit, Table};
pub(super) use time::{ago, lasting, local, moment, parse_since, parse_until};

/// As it is meant to be.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// Wants attention.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Is worth a look.
pub(super) const WARN: Style = AnsiColor::Yellow.on_default();
/// Of less weight.
pub(super) const DIM: Style = Style::new().dimmed();
/// Heads.
pub(super) const HEAD: Style = Style::new().bold();

/// Whoever read the output has enough, such as `head`. No failure, and nothing to say.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
pub(super) struct ReaderGone;

/// One line.
///
/// # Errors
/// [`ReaderGone`], or the output cannot be written.
pub(super) fn say(line: impl Display) -> anyhow::Result<()> {
    styled(&tame(&line.to_string()), Style::new())
}

/// One line in a style.
///
/// # Errors
/// As [`say`].
pub(super) fn styled(line: &str, style: Style) -> anyhow::Result<()> {
    written(writeln!(anstream::stdout().lock(), "{style}{}{style:#}", tame(line)))
}

/// One JSON document on one line.
///
/// # Errors
/// As [`say`].
pub(super) fn json(document: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string(document)?;
    written(writeln!(stdout().lock(), "{text}"))
}

/// Words about something that is done in any case, by `println!`. Whoever closed the output does not want them.
pub(super) fn tell(words: Arguments<'_>) {
    if let Err(error) = stdout().lock().write_fmt(words)
        && error.kind() != ErrorKind::BrokenPipe
    {
        // Where this cannot be told either, nobody is there to be told.
        let _ = writeln!(stderr().lock(), "cannot write to standard output: {error}");
    }
}

fn written(result: std::io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        other => other.context("standard output"),
    }
}

/// Whether anybody still reads the output: else a program that seldom says something would stay for long.
pub(super) fn is_read() -> bool {
    let stdout = stdout();
    // Without asking for anything, what is told is that the other end has gone.
    let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
    let has_gone = poll(&mut ends, Some(&Timespec::default())).is_ok_and(|count| count > 0);
    !(has_gone && ends.iter().any(|end| end.revents().intersects(PollFlags::ERR | PollFlags::HUP)))
}

/// How wide the terminal is; `None` where output goes elsewhere.
fn terminal_width() -> Option<usize> {
    // Whatever is no terminal has no size.
    let size = tcgetwinsize(stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
}
