//! The truth on disk: one SQLite file, and the only place with SQL.
//!
//! | file | what it keeps |
//! |---|---|
//! | `condition` | how the file and the queues are |
//! | `open` | opening, checking and migrating the file |
//! | `locks` | locks and the last state seen of each |
//! | `health` | what else is known of a lock: tries with its PIN, its clock |
//! | `users` | authorizations and keypad codes, with validity in time |
//! | `events` | the append-only log, the cursor; what must be told is written in the same transaction |
//! | `history`, `history_row`, `audit` | reading the log, late answers joined in |
//! | `reader`, `statement` | how pages of it are read without copying each value |
//! | `writer` | how a transaction is done in one go |
//! | `live` | reading it row by row, as it is written |
//! | `counts` | sums over it |
//! | `intents`, `intent_keys` | what clients asked for, and under which keys |
//! | `code_changes` | the same of keypad codes that clients change |
//! | `credentials` | when tokens were used, and used credentials over an orderly stop |
//! | `bridge` | what clients of the Bridge API have switched |
//! | `callbacks`, `outbox` | receivers of the Bridge API, and what each must still be told |
//! | `webhooks`, `webhook_queue`, `dead_letters` | receivers of event webhooks, and what each must still be told |
//!
//! One connection writes what doors and clients bring, another one what is written seldom; two read, and two more read pages.
//! A write returns after it is on disk
//! (`synchronous = FULL`), so whatever a caller was told stands after a power cut.
//!
//! Tables and views for people with `sqlite3` are described in `migrations/`.

mod append;
mod audit;
mod backup;
mod bridge;
mod callbacks;
mod chain;
mod code_changes;
mod columns;
mod condition;
mod convert;
mod counts;
mod credentials;
mod dead_letters;
mod erase;
mod error;
mod events;
mod export;
mod health;
mod history;
mod history_row;
mod insert;
mod intent_keys;
mod intents;
mod live;
mod locks;
mod look;
mod note;
mod open;
mod outbox;
mod reader;
mod record;
mod retention;
mod seal;
mod simulation;
mod statement;
mod users;
mod verify;
mod webhook_queue;
mod webhooks;
mod writer;

use std::sync::Arc;

use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::protocol::beacon::NukiId;
use simulation::{HeldTime, Time};

use reader::Readers;
use writer::Writer;

pub use audit::AuditRow;
pub use backup::backup;
pub use callbacks::{AddCallback, CALLBACK_SLOTS, Callback, NewCallback};
pub use chain::{ChainHead, NoChainHead};
pub use code_changes::{
    BegunCodeChange, CODE_CHANGES_LIMIT, CODE_CHANGES_WITHIN, CodeChangeEnd, CodeChangeKind, NewCodeChange,
};
pub use condition::{Condition, OutboxCondition};
pub use counts::{ActionCount, Identity, MovementCount, Movements, RefusedCount, Seen, Waiting};
pub use credentials::UsedCredentials;
pub use dead_letters::DeadLetter;
pub use erase::{Erasure, Key, Person, PersonSelector};
pub use error::StoreError;
pub use events::{Batch, LockClock, Observation, PendingEvent};
pub use export::{ExportFilter, ExportRow, export};
pub use health::{HealthRow, StoredClock, StoredDirectory};
pub use history::{HistoryFilter, HistoryPage, MAX_PAGE, Order, PageKey};
pub use history_row::HistoryRow;
pub use intent_keys::{Begun, IdempotencyKey, KEYS_KEPT, KEYS_LIMIT, KeyedIntent};
pub use intents::{IntentState, NewIntent, OpenIntent};
pub use live::{LiveRow, RowNumbers};
pub use locks::{LockRow, StoredObservation};
pub use outbox::{CallbackBody, CallbackQueue, Delivery, DeliveryOutcome, OUTBOX_KEPT, OUTBOX_LIMIT};
pub use retention::{ClockDoubt, Keep, Removed, RetentionRules};
pub use simulation::SimDisk;
pub use users::{UserKind, UserRow};
pub use verify::{Fault, VerifyReport, verify};
pub use webhook_queue::{AfterFailure, FailedTry, WebhookDelivery};
pub use webhooks::{AddWebhook, MAX_WEBHOOKS, NewWebhook, Webhook, WebhookFilter, WebhookStatus};

/// The database, to be cloned freely.
#[derive(Debug, Clone)]
pub struct Store {
    writer: Writer,
    /// Writes what is written seldom.
    seldom: SqlitePool,
    readers: SqlitePool,
    pages: Readers,
    /// Looks of those who tell, which wait for no page.
    looks: Readers,
    time: Time,
}

impl Store {
    /// Makes a paused tokio clock wait for the disk.
    ///
    /// SQLite works on threads of its own, which tokio does not see: with
    /// `tokio::time::pause` it would take the wait for an idle moment and jump
    /// to the next timer. Simulations in virtual time need this; it costs a
    /// thread hop per call, so the daemon does without.
    #[must_use]
    pub fn with_virtual_time(mut self) -> Self {
        self.keep(Time::Virtual);
        self
    }

    /// The same, and every call goes over a simulated disk.
    #[must_use]
    pub fn with_simulated_disk(mut self, disk: Arc<dyn SimDisk>) -> Self {
        self.keep(Time::Simulated(disk));
        self
    }

    fn keep(&mut self, time: Time) {
        self.pages.keep(&time);
        self.looks.keep(&time);
        self.time = time;
    }

    /// Closes the file after the running calls; what is in the write-ahead log goes into the main file.
    pub async fn close(&self) {
        let _held = self.hold_time().await;
        self.pages.close().await;
        self.looks.close().await;
        self.readers.close().await;
        if let Err(error) = self.writer.close().await {
            tracing::error!(%error, "the event log could not be closed in order; nothing of it is lost");
        }
        // The last one to leave tidies the file up.
        self.seldom.close().await;
    }

    async fn hold_time(&self) -> Option<HeldTime> {
        self.time.hold().await
    }

    /// A transaction that holds the write lock from its beginning, so that it cannot fail in the middle
    /// because another program writes.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.seldom.begin_with("begin immediate").await?)
    }
}

const LOG_EPOCH: &str = "select log_epoch from locks where nuki_id = ?";

/// The epoch of a registered lock's log.
async fn log_epoch(tx: &mut SqliteConnection, nuki_id: NukiId) -> Result<i64, StoreError> {
    sqlx::query_scalar(LOG_EPOCH).bind(nuki_id).fetch_optional(tx).await?.ok_or(StoreError::UnknownLock(nuki_id))
}
