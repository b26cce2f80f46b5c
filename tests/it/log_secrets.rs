//! The listener that hears everything this binary logs hears a secret, and that ends the run.

use std::process::Command;

use tracing::level_filters::LevelFilter;

use crate::support::journal::Journal;
use crate::support::listener::{leak, listen, spellings};

const DELIBERATE: &str = "KEYTURNER_TEST_LEAK";

#[test]
fn a_secret_is_heard_in_each_spelling_and_a_longer_number_is_none() {
    listen(["864209"]);
    listen(spellings(&[0xA7; 32]));
    let hex = "a7".repeat(32);
    for text in [
        "pin=864209 ",
        "Pin(864209)",
        "the code 864209, typed twice",
        &format!("key={hex}"),
        &format!("key={} ", hex.to_uppercase()),
        "key=\"p6enp6enp6enp6enp6enp6enp6enp6enp6enp6enp6c=\"",
        "GET /list?token=x",
        "ts=2026&rnr=5&hash=00",
    ] {
        assert!(leak(text).is_some(), "{text}");
    }
    for text in ["event 18642097", "at 12:864209:1", "0.864209 s", "token=\"hallway\" from=127.0.0.1", "a token of it"]
    {
        assert_eq!(leak(text), None, "{text}");
    }
}

#[test]
fn one_line_with_a_secret_ends_the_run() {
    if std::env::var_os(DELIBERATE).is_some() {
        listen(["975318"]);
        tracing::trace!(target: "keyturner::somewhere", code = 975_318, "on purpose");
        return;
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "log_secrets::one_line_with_a_secret_ends_the_run"]).env(DELIBERATE, "1");
    let output = again.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(101), "{said}");
    assert!(said.contains("the log says the secret \"975318\" at ") && said.contains("on purpose"), "{said}");
}

#[test]
#[should_panic(expected = "says the secret")]
fn what_a_test_reads_for_itself_is_listened_to_as_well() {
    listen(["597531"]);
    let journal = Journal::new(LevelFilter::TRACE);
    tracing::debug!(target: "keyturner::somewhere", "typed 597531");
    journal.take();
}
