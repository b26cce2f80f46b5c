//! Listens to everything that this test binary logs, at the lowest level, for the secrets of its tests.
//!
//! One line that says one ends the whole run with an error: most of what is
//! logged comes from tasks, where a panic would be somebody else's business.

use std::collections::BTreeSet;
use std::fmt::{Debug, Write as _};
use std::io::Write as _;
use std::sync::{Mutex, Once, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

static SECRETS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// What stands in a query with a credential, whatever the credential is.
const QUERIES: [&str; 5] = ["?token=", "&token=", "ctoken=", "&hash=", "&rnr="];

/// Listens from now on, also for these.
pub(crate) fn listen<S: Into<String>>(secrets: impl IntoIterator<Item = S>) {
    SECRETS.lock().unwrap_or_else(PoisonError::into_inner).extend(secrets.into_iter().map(Into::into));
    static BEGIN: Once = Once::new();
    BEGIN.call_once(|| {
        // What dependencies say at this level is for whoever debugs them; by default they are off.
        let ours = Targets::new().with_target("keyturner", LevelFilter::TRACE);
        let subscriber = tracing_subscriber::registry().with(Listener.with_filter(ours));
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// A key as it could be written down.
pub(crate) fn spellings(key: &[u8; 32]) -> [String; 4] {
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    [hex.to_uppercase(), hex, STANDARD.encode(key), URL_SAFE_NO_PAD.encode(key)]
}

/// The secret that a text says, if it says one.
pub(crate) fn leak(text: &str) -> Option<String> {
    let secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    let said = secrets.iter().find(|secret| says(text, secret)).cloned();
    said.or_else(|| QUERIES.iter().find(|query| text.contains(**query)).map(|query| (*query).to_owned()))
}

/// Whether it stands there by itself: digits within a longer number are none.
fn says(text: &str, secret: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | ':' | '-'));
    text.match_indices(secret)
        .any(|(at, _)| !is_part(text[..at].chars().next_back()) && !is_part(text[at + secret.len()..].chars().next()))
}

struct Listener;

#[derive(Default)]
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        if let Some(secret) = leak(&words.0) {
            let place = event.metadata();
            let place = (place.file().unwrap_or_default(), place.line().unwrap_or_default());
            // Not the macros, which the test runner keeps to itself until the end that does not come.
            writeln!(std::io::stderr(), "the log says the secret {secret:?} at {}:{}: {}", place.0, place.1, words.0)
                .ok();
            std::process::exit(101);
        }
    }
}
