//! What one thing that is logged says: words for people, and the same as fields for programs.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::EVENT;

/// A line of the log.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) level: Level,
    pub(super) target: &'static str,
    message: String,
    /// In the order in which they were given.
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Line {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let mut line = Self { level, target, message: String::new(), fields: Vec::new() };
        event.record(&mut line);
        line
    }

    /// The whole of it on one line: which lock, what, why, the rest in brackets.
    ///
    /// The line of an event is a sentence already, with the name of its lock.
    pub(super) fn text(&self) -> String {
        if self.target == EVENT {
            return tame(&self.message);
        }
        let find = |name: &str| self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.as_str());
        let mut text = find("lock").map_or_else(String::new, |lock| format!("lock {lock}: "));
        text.push_str(&self.message);
        if let Some(error) = find("error") {
            text.push_str(": ");
            text.push_str(error);
        }
        let mut rest = self.fields.iter().filter(|(name, _)| !matches!(*name, "lock" | "error")).peekable();
        let is_any = rest.peek().is_some();
        for (at, (name, value)) in rest.enumerate() {
            text.push_str(if at == 0 { " (" } else { ", " });
            // A value with blanks or commas would run into the next one.
            let is_word = !value.is_empty() && !value.contains([' ', ',', '"', '=']);
            // Writing into a text does not fail.
            if is_word { write!(text, "{name}={value}") } else { write!(text, "{name}={value:?}") }.ok();
        }
        if is_any {
            text.push(')');
        }
        tame(&text)
    }

    fn record(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            name => self.fields.push((name, value)),
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, value.to_owned());
    }
}

/// Text for a terminal. Names come from the air: nothing in them may steer it, nor turn the direction of writing.
pub(crate) fn tame(text: &str) -> String {
    let steers = |c: char| {
        c.is_control() || matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::Subscriber;
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

    use super::*;

    struct Keep(Arc<Mutex<Vec<Line>>>);

    impl<S: Subscriber> Layer<S> for Keep {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(Line::of(event));
        }
    }

    /// What is logged meanwhile.
    pub(in super::super) fn logged(act: impl FnOnce()) -> Vec<Line> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::registry().with(Keep(Arc::clone(&lines)));
        // With one subscriber alone, a place that another test's thread reached first is off for all.
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        tracing::subscriber::with_default(subscriber, act);
        std::mem::take(&mut *lines.lock().unwrap())
    }

    #[test]
    fn a_line_says_which_lock_what_why_and_the_rest() {
        let lines = logged(|| {
            let error = std::io::Error::other("no answer");
            tracing::warn!(lock = %"0A1B2C3D", %error, code = 3, what = "two words", "cannot connect");
            tracing::info!("ready");
            tracing::info!(count = 2, "rows");
            tracing::info!(target: EVENT, lock = "0A1B2C3D", event_id = 7, "Front door: Anna\u{202E} came\nin");
        });
        let texts: Vec<String> = lines.iter().map(Line::text).collect();
        assert_eq!(
            texts,
            [
                "lock 0A1B2C3D: cannot connect: no answer (code=3, what=\"two words\")",
                "ready",
                "rows (count=2)",
                "Front door: Anna  came in",
            ]
        );
    }
}
