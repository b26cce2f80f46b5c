//! A line on a terminal that says how far something is, for whatever takes longer than a second.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// Shorter waits need no words.
const AFTER: Duration = Duration::from_secs(1);
/// More often nobody can read.
const EVERY: Duration = Duration::from_millis(100);

/// It stands on standard error, and only where that is a terminal. It goes when this is dropped.
#[derive(Debug)]
pub(in crate::cli) struct Progress {
    started: Instant,
    shown: Option<Instant>,
    is_wanted: bool,
    counted: u64,
}

impl Progress {
    /// `is_wanted` is false for programs.
    pub(in crate::cli) fn new(is_wanted: bool) -> Self {
        Self { started: Instant::now(), shown: None, is_wanted: is_wanted && stderr().is_terminal(), counted: 0 }
    }

    /// How far it is.
    pub(in crate::cli) fn show(&mut self, done: u64, total: u64, what: &str) {
        if self.is_due() {
            self.put(&format!("{done} of {total} {what}"));
        }
    }

    /// One more is done, of nobody knows how many.
    pub(in crate::cli) fn count(&mut self, what: &str) {
        self.counted += 1;
        let counted = self.counted;
        // Looking at the clock for each would take longer than most of what is counted.
        if counted.is_multiple_of(256) && self.is_due() {
            self.put(&format!("{counted} {what}"));
        }
    }

    /// What is waited for, from now on, until `work` ends.
    pub(in crate::cli) async fn during<T>(mut self, what: &str, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => return result,
                () = tokio::time::sleep(AFTER) => {}
            }
            self.put(&format!("{what} ... {} s", self.started.elapsed().as_secs()));
        }
    }

    /// The same where somebody stands at a door and wants to see that something happens.
    pub(in crate::cli) async fn at_once<T>(mut self, what: &str, work: impl Future<Output = T>) -> T {
        self.put(&format!("{what} ..."));
        self.during(what, work).await
    }

    fn is_due(&self) -> bool {
        self.started.elapsed() >= AFTER && self.shown.is_none_or(|shown| shown.elapsed() >= EVERY)
    }

    fn put(&mut self, text: &str) {
        if self.is_wanted {
            self.shown = Some(Instant::now());
            // A terminal that went away is no reason to stop.
            write!(stderr(), "\r\x1b[K{text}").ok();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            write!(stderr(), "\r\x1b[K").ok();
        }
    }
}
