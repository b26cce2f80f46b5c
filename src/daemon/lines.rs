//! One line of the log for each event, once it is stored, in the words of the history.
//!
//! It follows the event log instead of whoever writes to it: so what the store
//! itself or another process writes has its line too, and nobody at a door
//! waits for it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::attribution::EventKind;
use crate::clock::{Clock, UnixMillis};
use crate::logging::{EVENT, tame};
use crate::store::{AuditRow, HistoryFilter, LiveRow, Store, StoreError};

/// Rows that are read at a time.
const PAGE: u32 = 100;
/// What nobody tells us of, such as an erasure by another process, is found so soon.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Beyond, it is no delay any more but two clocks that disagree, or something that was read late.
const DELAY_AT_MOST: Duration = Duration::from_secs(60);

/// What was logged of the event log.
#[derive(Debug)]
pub(super) struct Lines {
    store: Store,
    clock: Clock,
    stored: Notify,
    /// Number of the last row that has its line.
    last: AtomicI64,
}

impl Lines {
    /// From now on: what stands there already had its line when it was written.
    pub(super) async fn begin(store: Store, clock: Clock) -> Result<Self, StoreError> {
        let last = AtomicI64::new(store.row_numbers().await?.newest);
        Ok(Self { store, clock, stored: Notify::new(), last })
    }

    /// Something may have been stored.
    pub(super) fn wake(&self) {
        self.stored.notify_one();
    }

    /// Never ends by itself.
    pub(super) async fn follow(&self) {
        loop {
            timeout(LOOK_EVERY, self.stored.notified()).await.ok();
            self.catch_up().await;
        }
    }

    /// Writes the lines that are due.
    pub(super) async fn catch_up(&self) {
        if let Err(error) = self.write().await {
            // They are written at the next look.
            error!(%error, "the event log cannot be read, so its lines are missing here");
        }
    }

    async fn write(&self) -> Result<(), StoreError> {
        loop {
            let last = self.last.load(Ordering::Relaxed);
            let newest = self.store.row_numbers().await?.newest;
            let rows = self.store.rows_after(&HistoryFilter::default(), last, newest, PAGE).await?;
            if !rows.is_empty() {
                self.write_each(&rows).await?;
            }
            if rows.len() < PAGE as usize {
                // Numbers without a row were taken back or removed.
                self.last.fetch_max(newest, Ordering::Relaxed);
                return Ok(());
            }
        }
    }

    async fn write_each(&self, rows: &[LiveRow]) -> Result<(), StoreError> {
        let ids: Vec<i64> = rows.iter().map(|row| row.entry.id).collect();
        let words = self.store.sentences(&ids).await?;
        for row in rows {
            if let Some(words) = words.get(&row.entry.id) {
                log(row, &sentence(row, words, self.clock.wall()));
            }
            self.last.store(row.row_id, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// An event as people say it, with what it is worth to hear it now.
fn sentence(row: &LiveRow, words: &AuditRow, now: UnixMillis) -> String {
    let AuditRow { at, lock, who, .. } = words;
    let mut text = format!("{lock}: ");
    if row.answers.is_some() {
        text.push_str("now known: ");
    }
    text.push_str(&format!("{who} {}", words.deed()));
    let delay = now.since(row.entry.at);
    if row.entry.backfilled {
        text.push_str(&format!(", at {at} while nobody listened"));
    } else if now >= row.entry.at && delay < DELAY_AT_MOST {
        // A lock's clock shows whole seconds, rounded down, so it never was longer.
        let seconds = match delay.as_secs() {
            0 => "less than 1".to_owned(),
            seconds => seconds.to_string(),
        };
        text.push_str(&format!(", {seconds} s after it happened"));
    }
    tame(&text)
}

fn log(row: &LiveRow, sentence: &str) {
    let entry = &row.entry;
    let is_failure = entry.refused || entry.kind == EventKind::IntentFailed.name();
    // The same fields twice, because a level is part of a place in the code.
    macro_rules! log_at {
        ($level:ident) => {
            $level!(
                target: EVENT,
                lock = format!("{:08X}", entry.nuki_id),
                event_id = entry.id,
                kind = entry.kind,
                method = entry.method,
                attribution = entry.attribution,
                trigger = entry.trigger.map(tracing::field::display),
                auth_id = entry.auth_id,
                code_id = entry.code_id,
                log_index = entry.log_index,
                intent_id = entry.intent_id,
                answered_by = row.answers.map(|_| row.row_id),
                "{sentence}"
            )
        };
    }
    if is_failure { log_at!(warn) } else { log_at!(info) }
}
