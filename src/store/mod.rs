//! A stand-in with the real store's signatures, so that `http` and `delivery` compile until it is merged.

use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;
use crate::protocol::frame::AuthId;
use crate::protocol::log::CodeId;

/// The event log.
#[derive(Debug, Clone, Default)]
pub struct Store;

/// Why the store cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Stand-in.
    #[error("the event log is not there")]
    Missing,
}

/// How a registration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddCallback {
    /// In this slot.
    Added(u8),
    /// The same URL is registered.
    AlreadyAdded,
    /// Every slot is taken.
    Full,
}

/// A registered receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// Slot.
    pub id: u8,
    /// As it was registered, byte for byte.
    pub url: String,
}

/// A body that must be told to a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Number.
    pub outbox_id: i64,
    /// What to send.
    pub body: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was stored.
    pub created_at: UnixMillis,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// Sent.
    Told,
    /// Never, and why.
    GaveUp(String),
    /// Later.
    Retry,
}

/// What to look for; newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Lock.
    pub nuki_id: Option<NukiId>,
    /// Authorization.
    pub auth_id: Option<AuthId>,
    /// Keypad code.
    pub code_id: Option<CodeId>,
    /// Action.
    pub action: Option<u8>,
    /// Not before.
    pub from: Option<UnixMillis>,
    /// Not after.
    pub to: Option<UnixMillis>,
    /// Older than this row.
    pub before_id: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct HistoryRow {
    pub id: i64,
    pub nuki_id: NukiId,
    pub device_type: u8,
    pub auth_id: Option<AuthId>,
    pub auth_type: Option<u8>,
    pub auth_name: Option<String>,
    pub user_name: Option<String>,
    pub code_id: Option<CodeId>,
    pub code_name: Option<String>,
    pub action: Option<u8>,
    pub trigger: Option<u8>,
    pub completion_status: Option<u8>,
    pub kind: String,
    pub kind_code: Option<u8>,
    pub method: String,
    pub attribution: String,
    pub reason: Option<String>,
    pub auto_unlock: bool,
    pub presses: u8,
    pub log_index: Option<u32>,
    pub device_time: Option<String>,
    pub observed_at: UnixMillis,
    pub at: UnixMillis,
    pub state_before: Option<u8>,
    pub state_after: Option<u8>,
    pub backfilled: bool,
    pub intent_id: Option<i64>,
    pub refers_to: Option<i64>,
}

/// A person, key or code that a lock knows or knew.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct UserRow {
    pub nuki_id: NukiId,
    pub auth_id: Option<AuthId>,
    pub code_id: Option<CodeId>,
    pub name: String,
    pub auth_type: Option<u8>,
    pub enabled: bool,
    pub valid_from: UnixMillis,
    pub valid_until: Option<UnixMillis>,
}

#[allow(missing_docs, clippy::unused_async, clippy::missing_errors_doc)]
impl Store {
    pub async fn add_callback(&self, _url: &str, _at: UnixMillis) -> Result<AddCallback, StoreError> {
        Err(StoreError::Missing)
    }
    pub async fn callbacks(&self) -> Result<Vec<Callback>, StoreError> {
        Err(StoreError::Missing)
    }
    pub async fn remove_callback(&self, _id: u8) -> Result<bool, StoreError> {
        Err(StoreError::Missing)
    }
    pub async fn next_delivery(&self, _callback_id: u8) -> Result<Option<Delivery>, StoreError> {
        Err(StoreError::Missing)
    }
    pub async fn finish_delivery(
        &self,
        _outbox_id: i64,
        _outcome: DeliveryOutcome,
        _at: UnixMillis,
    ) -> Result<(), StoreError> {
        Err(StoreError::Missing)
    }
    pub async fn history(&self, _filter: &HistoryFilter) -> Result<Vec<HistoryRow>, StoreError> {
        Err(StoreError::Missing)
    }
    pub async fn users(&self, _nuki_id: Option<NukiId>) -> Result<Vec<UserRow>, StoreError> {
        Err(StoreError::Missing)
    }
}
