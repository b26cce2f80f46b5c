//! Exit codes: the one place that says what they mean.

use std::process::ExitCode;

/// How a command ended, for scripts. Stands in `docs/cli.md` and below `keyturner help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done, and all is well.
    Done = 0,
    /// Not done, or something wants attention. Why stands on standard error.
    Failed = 1,
    /// It may have been done and nobody knows, or it is done and something is left to do for the owner.
    Open = 3,
    /// No gateway runs, so nothing was asked of it.
    NoGateway = 4,
}

/// The same in words. 2 is the argument parser's.
pub(super) const WORDS: &str = "\
Exit codes:
  0  done, and all is well
  1  not done, or something wants attention
  2  the command line is not understood
  3  it is not known whether it was done, or something is left to do: the words say what
  4  the gateway does not run, so nothing was asked of it";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Nobody listens where the gateway should.
#[derive(Debug, thiserror::Error)]
#[error("no gateway answers at {address}; is `keyturner run` up, and --listen right?")]
pub(super) struct NoGateway {
    pub(super) address: std::net::SocketAddr,
    pub(super) source: std::io::Error,
}

/// What an error means to a script.
pub(super) fn of(error: &anyhow::Error) -> Exit {
    if error.is::<NoGateway>() { Exit::NoGateway } else { Exit::Failed }
}
