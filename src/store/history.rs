//! Reading the log: newest first, in pages, late answers joined in.

use sqlx::{QueryBuilder, Sqlite};

use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;
use crate::protocol::datetime::DeviceTime;
use crate::protocol::frame::AuthId;
use crate::protocol::log::{CodeId, LogIndex};
use crate::protocol::{CompletionStatus, IdType, LockAction, LockState, Trigger};

use super::convert::device_time;
use super::{Store, StoreError};

/// No page is longer, whatever the filter says.
pub const MAX_PAGE: u32 = 1000;

/// Which events to give; everything that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Of this lock.
    pub nuki_id: Option<NukiId>,
    /// Of this authorization.
    pub auth_id: Option<AuthId>,
    /// Of this keypad code.
    pub code_id: Option<CodeId>,
    /// With this action's code.
    pub action: Option<u8>,
    /// Not before, by the event's own time.
    pub from: Option<UnixMillis>,
    /// Before, by the event's own time.
    pub to: Option<UnixMillis>,
    /// Of one of these kinds, by [`EventKind::name`](crate::attribution::EventKind::name); empty for all.
    pub kinds: Vec<String>,
    /// Only what did not succeed.
    pub refused_only: bool,
    /// Older than this event: the last `id` of the page before.
    pub before_id: Option<i64>,
    /// At most so many, up to [`MAX_PAGE`].
    pub limit: u32,
}

impl Default for HistoryFilter {
    fn default() -> Self {
        Self {
            nuki_id: None,
            auth_id: None,
            code_id: None,
            action: None,
            from: None,
            to: None,
            kinds: Vec::new(),
            refused_only: false,
            before_id: None,
            limit: 20,
        }
    }
}

/// Something that happened, with everything that is known of it by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// Number of the event; a late answer does not change it.
    pub id: i64,
    /// At which lock.
    pub nuki_id: NukiId,
    /// Its name now.
    pub lock_name: String,
    /// Its type as the Bridge API numbers it.
    pub device_type: u8,
    /// What happened, by [`EventKind::name`](crate::attribution::EventKind::name).
    pub kind: String,
    /// The number that belongs to the kind, by [`EventKind::code`](crate::attribution::EventKind::code).
    pub kind_code: Option<u8>,
    /// The log entry.
    pub log_index: Option<LogIndex>,
    /// When, for showing: the lock's clock if it can be right, else the host's.
    pub at: UnixMillis,
    /// When the gateway learned of it.
    pub observed_at: UnixMillis,
    /// The lock's clock.
    pub device_time: Option<DeviceTime>,
    /// What was done or tried.
    pub action: Option<LockAction>,
    /// By what.
    pub trigger: Option<Trigger>,
    /// With which result.
    pub completion_status: Option<CompletionStatus>,
    /// State before.
    pub state_before: Option<LockState>,
    /// State after.
    pub state_after: Option<LockState>,
    /// Number of the authorization.
    pub auth_id: Option<AuthId>,
    /// Kind of authorization.
    pub auth_type: Option<IdType>,
    /// Name of the authorization as of then.
    pub auth_name: Option<String>,
    /// Number of the keypad code.
    pub code_id: Option<CodeId>,
    /// Name of the keypad code as of then.
    pub code_name: Option<String>,
    /// The name to say, by [`Who::user_name`](crate::attribution::Who::user_name).
    pub user_name: Option<String>,
    /// How, by [`Method::name`](crate::attribution::Method::name).
    pub method: String,
    /// How sure, by [`Attribution::name`](crate::attribution::Attribution::name).
    pub attribution: String,
    /// Why it is unknown, by [`UnknownReason::name`](crate::attribution::UnknownReason::name).
    pub reason: Option<String>,
    /// The phone unlocked by coming near.
    pub auto_unlock: bool,
    /// How often a button or fob was pressed.
    pub presses: u8,
    /// Happened while the gateway was away.
    pub backfilled: bool,
    /// The gateway's own intent behind it.
    pub intent_id: Option<i64>,
    /// Words for kinds that have no better field.
    pub detail: Option<String>,
    /// It did not succeed.
    pub refused: bool,
    /// Number of the row with the late answer, if there was one.
    pub answered_by: Option<i64>,
}

#[derive(sqlx::FromRow)]
pub(super) struct RawRow {
    id: i64,
    nuki_id: u32,
    lock_name: String,
    device_type: u8,
    kind: String,
    kind_code: Option<u8>,
    log_index: Option<u32>,
    at: i64,
    observed_at: i64,
    device_time: Option<String>,
    action_code: Option<u8>,
    trigger_code: Option<u8>,
    completion_code: Option<u8>,
    state_before_code: Option<u8>,
    state_after_code: Option<u8>,
    auth_id: Option<u32>,
    auth_type_code: Option<u8>,
    auth_name: Option<String>,
    code_id: Option<u16>,
    code_name: Option<String>,
    user_name: Option<String>,
    method: String,
    attribution: String,
    reason: Option<String>,
    auto_unlock: bool,
    presses: u8,
    backfilled: bool,
    intent_id: Option<i64>,
    detail: Option<String>,
    refused: bool,
    answered_by: Option<i64>,
}

impl Store {
    /// What happened, newest first.
    ///
    /// The next page is the same filter with `before_id` set to the last `id`
    /// of this one; rows that are added meanwhile move nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn history(&self, filter: &HistoryFilter) -> Result<Vec<HistoryRow>, StoreError> {
        let _held = self.hold_time();
        let mut query = query(filter);
        let rows: Vec<RawRow> = query.build_query_as().fetch_all(&self.readers).await?;
        rows.into_iter().map(RawRow::row).collect()
    }
}

fn query(filter: &HistoryFilter) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("select * from entries where true");
    if let Some(nuki_id) = filter.nuki_id {
        query.push(" and nuki_id = ").push_bind(nuki_id);
    }
    if let Some(auth_id) = filter.auth_id {
        query.push(" and auth_id = ").push_bind(auth_id);
    }
    if let Some(code_id) = filter.code_id {
        query.push(" and code_id = ").push_bind(code_id);
    }
    if let Some(action) = filter.action {
        query.push(" and action_code = ").push_bind(action);
    }
    if let Some(from) = filter.from {
        query.push(" and at >= ").push_bind(from.0);
    }
    if let Some(to) = filter.to {
        query.push(" and at < ").push_bind(to.0);
    }
    if !filter.kinds.is_empty() {
        let mut kinds = query.push(" and kind in (").separated(", ");
        for kind in &filter.kinds {
            kinds.push_bind(kind.clone());
        }
        query.push(")");
    }
    if filter.refused_only {
        query.push(" and refused = 1");
    }
    if let Some(id) = filter.before_id {
        query.push(" and id < ").push_bind(id);
    }
    query.push(" order by id desc limit ").push_bind(filter.limit.min(MAX_PAGE));
    query
}

impl RawRow {
    pub(super) fn row(self) -> Result<HistoryRow, StoreError> {
        Ok(HistoryRow {
            id: self.id,
            nuki_id: self.nuki_id,
            lock_name: self.lock_name,
            device_type: self.device_type,
            kind: self.kind,
            kind_code: self.kind_code,
            log_index: self.log_index,
            at: UnixMillis(self.at),
            observed_at: UnixMillis(self.observed_at),
            device_time: device_time(self.device_time.as_deref(), "device_time")?,
            action: self.action_code.map(LockAction::from_code),
            trigger: self.trigger_code.map(Trigger::from_code),
            completion_status: self.completion_code.map(CompletionStatus::from_code),
            state_before: self.state_before_code.map(LockState::from_code),
            state_after: self.state_after_code.map(LockState::from_code),
            auth_id: self.auth_id,
            auth_type: self.auth_type_code.map(IdType::from_code),
            auth_name: self.auth_name,
            code_id: self.code_id,
            code_name: self.code_name,
            user_name: self.user_name,
            method: self.method,
            attribution: self.attribution,
            reason: self.reason,
            auto_unlock: self.auto_unlock,
            presses: self.presses,
            backfilled: self.backfilled,
            intent_id: self.intent_id,
            detail: self.detail,
            refused: self.refused,
            answered_by: self.answered_by,
        })
    }
}
