//! The live stream: the stored rows as they come, one message each, at the reader's own pace.
//!
//! Nothing is buffered for a reader but one page: what it has not taken yet
//! stands in the store, and a slow reader only makes itself wait. A reader that
//! comes back says which row it had last and misses none.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use futures::stream::unfold;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::warn;

use super::entry::Entry;
use crate::store::{HistoryFilter, LiveRow, RowNumbers, Store, StoreError};

/// So many may listen at once.
const STREAMS: usize = 32;
/// Rows that are read at a time.
const PAGE: u32 = 100;
/// Rows that one query walks through at most, however few of them fit the filter.
const SPAN: i64 = 5_000;
/// Pause after which a silent stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Says that rows were stored, and that the end has come. To be cloned freely.
#[derive(Debug, Clone)]
pub struct News {
    told: watch::Sender<Told>,
    places: Arc<Semaphore>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// Commits so far; only that it changes counts.
    commits: u64,
    ended: bool,
}

impl Default for News {
    fn default() -> Self {
        Self { told: watch::Sender::default(), places: Arc::new(Semaphore::new(STREAMS)) }
    }
}

impl News {
    /// To be shared by whoever commits and the HTTP server.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Call it after each commit that may have stored an event.
    pub fn tell(&self) {
        self.told.send_modify(|told| told.commits = told.commits.wrapping_add(1));
    }

    /// Has every stream ask whether its client may still listen.
    pub fn ask_again(&self) {
        self.tell();
    }

    /// Ends every stream, so that the server can stop.
    pub fn end(&self) {
        self.told.send_modify(|told| told.ended = true);
    }

    /// A place among the listeners; `None` if there is none.
    pub(super) fn listen(&self) -> Option<Listener> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Listener { told: self.told.subscribe(), _place: place })
    }
}

/// A place among the listeners.
pub(super) struct Listener {
    told: watch::Receiver<Told>,
    _place: OwnedSemaphorePermit,
}

/// Where a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// The row before the first one.
    pub(super) after: i64,
    /// Rows behind `after` that retention has removed end here.
    pub(super) removed_up_to: Option<i64>,
}

impl Start {
    /// After the row that the reader had last, or now; `None` if no such row was ever stored.
    pub(super) fn new(last: Option<i64>, rows: RowNumbers) -> Option<Self> {
        let Some(last) = last else { return Some(Self { after: rows.newest, removed_up_to: None }) };
        if last > rows.newest {
            return None;
        }
        let before_oldest = rows.oldest.map_or(rows.newest, |oldest| oldest - 1);
        let removed_up_to = Some(before_oldest).filter(|removed| *removed > last);
        Some(Self { after: removed_up_to.unwrap_or(last), removed_up_to })
    }
}

/// The stream of the rows after `start` that fit, as long as `is_valid` says that its client may see them.
pub(super) fn stream(
    store: Store,
    filter: HistoryFilter,
    start: Start,
    listener: Listener,
    is_valid: impl Fn() -> bool + Send + Sync + 'static,
) -> Response {
    let reader = Reader { store, filter, scanned: start.after, waiting: VecDeque::new(), listener };
    let events = unfold((start.removed_up_to, reader, is_valid), |(removed, mut reader, is_valid)| async move {
        let event = match removed {
            Some(up_to) => Some(removed_rows(up_to)),
            None => reader.next(&is_valid).await,
        };
        event.map(|event| (Ok::<_, Infallible>(event), (None, reader, is_valid)))
    });
    respond(events)
}

fn respond(events: impl Stream<Item = Result<sse::Event, Infallible>> + Send + 'static) -> Response {
    Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("nothing new")).into_response()
}

struct Reader {
    store: Store,
    filter: HistoryFilter,
    /// Every row up to here was read.
    scanned: i64,
    /// Of these, not told yet.
    waiting: VecDeque<LiveRow>,
    listener: Listener,
}

impl Reader {
    /// The next message; `None` at the end, once the client may see no more, or if the store fails: the reader comes back and goes on where it was.
    async fn next(&mut self, is_valid: impl Fn() -> bool) -> Option<sse::Event> {
        loop {
            // Marked as seen before the store is read: a commit meanwhile wakes us again.
            if self.listener.told.borrow_and_update().ended || !is_valid() {
                return None;
            }
            if let Some(row) = self.waiting.pop_front() {
                return message(row);
            }
            match self.read().await {
                Ok(true) => {}
                // Whoever could tell is gone, so nothing will come.
                Ok(false) => self.listener.told.changed().await.ok()?,
                Err(error) => {
                    warn!(%error, "a live stream ends, since the event log cannot be read");
                    return None;
                }
            }
        }
    }

    /// Reads on; `false` if there is nothing new.
    async fn read(&mut self) -> Result<bool, StoreError> {
        let newest = self.store.row_numbers().await?.newest;
        if newest <= self.scanned {
            return Ok(false);
        }
        let up_to = newest.min(self.scanned + SPAN);
        self.waiting = self.store.rows_after(&self.filter, self.scanned, up_to, PAGE).await?.into();
        let is_cut = u32::try_from(self.waiting.len()).unwrap_or(PAGE) >= PAGE;
        self.scanned = self.waiting.back().filter(|_| is_cut).map_or(up_to, |last| last.row_id);
        Ok(true)
    }
}

/// A row for a program; a late answer says which event it answers.
#[derive(Serialize)]
struct LiveEvent {
    #[serde(flatten)]
    entry: Entry,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<String>,
}

impl From<LiveRow> for LiveEvent {
    fn from(row: LiveRow) -> Self {
        Self { answers: row.answers.map(|id| id.to_string()), entry: row.entry.into() }
    }
}

/// One stored row as `/v1/events` writes it, for whoever else follows the log.
///
/// # Errors
/// JSON's; none is known.
pub fn live_json(row: LiveRow) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::to_value(LiveEvent::from(row))
}

fn message(row: LiveRow) -> Option<sse::Event> {
    let (kind, row_id) = (row.entry.kind.clone(), row.row_id);
    match serde_json::to_string(&LiveEvent::from(row)) {
        Ok(data) => Some(sse::Event::default().id(row_id.to_string()).event(kind).data(data)),
        Err(error) => {
            tracing::error!(%error, "an event could not be written");
            None
        }
    }
}

/// Instead of the rows that are gone; its number lets the reader go on behind them.
fn removed_rows(up_to: i64) -> sse::Event {
    let data = format!(r#"{{"upTo":"{up_to}","message":"events up to this one were removed by retention"}}"#);
    sse::Event::default().id(up_to.to_string()).event("removed").data(data)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_begins_where_its_reader_was() {
        let rows = RowNumbers { oldest: Some(11), newest: 20 };
        let start = |after, removed_up_to| Some(Start { after, removed_up_to });
        assert_eq!(Start::new(None, rows), start(20, None));
        assert_eq!(Start::new(Some(20), rows), start(20, None));
        assert_eq!(Start::new(Some(10), rows), start(10, None));
        assert_eq!(Start::new(Some(9), rows), start(10, Some(10)));
        assert_eq!(Start::new(Some(21), rows), None);
        let empty = RowNumbers { oldest: None, newest: 20 };
        assert_eq!(Start::new(Some(5), empty), start(20, Some(20)));
        assert_eq!(Start::new(Some(0), RowNumbers { oldest: None, newest: 0 }), start(0, None));
    }

    #[test]
    fn places_are_limited_and_given_back() {
        let news = News::new();
        let mut listeners: Vec<_> = (0..STREAMS).map(|_| news.listen().unwrap()).collect();
        assert!(news.listen().is_none());
        listeners.pop();
        assert!(news.listen().is_some());
    }
}
