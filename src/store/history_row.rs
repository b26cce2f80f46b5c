//! One entry of the log, as it is read.

use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;
use crate::protocol::datetime::DeviceTime;
use crate::protocol::frame::AuthId;
use crate::protocol::log::{CodeId, LogIndex};
use crate::protocol::{CompletionStatus, IdType, LockAction, LockState, Trigger};

use super::StoreError;
use super::convert::device_time;

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
    /// Name of the token whose client asked for it.
    pub client: Option<String>,
    /// Words for kinds that have no better field.
    pub detail: Option<String>,
    /// It did not succeed.
    pub refused: bool,
    /// Zone offset of the lock's clock, minutes.
    pub zone_offset: Option<i16>,
    /// How far the lock's clock was ahead of the host's, in milliseconds.
    pub clock_skew: Option<i64>,
    /// Number of the row with the late answer, if there was one.
    pub answered_by: Option<i64>,
}

/// A struct whose fields are columns, for sqlx by their names and for rusqlite by their places.
macro_rules! columns {
    ($(#[$meta:meta])* struct $name:ident { $($column:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(sqlx::FromRow)]
        pub(super) struct $name {
            $($column: $type,)*
        }

        impl $name {
            /// What to select for [`read`](Self::read).
            pub(super) const COLUMNS: &'static str = columns!(@list $($column)*);

            /// From a row of [`COLUMNS`](Self::COLUMNS).
            pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
                let mut places = 0..;
                let mut next = || places.next().unwrap_or(usize::MAX);
                Ok(Self { $($column: row.get(next())?,)* })
            }
        }
    };
    (@list $first:ident $($column:ident)*) => {
        concat!(stringify!($first) $(, ", ", stringify!($column))*)
    };
}

columns! {
/// A row of the view `entries` or `event_rows`.
struct RawRow {
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
    client: Option<String>,
    detail: Option<String>,
    refused: bool,
    zone_offset: Option<i16>,
    clock_skew: Option<i64>,
    answered_by: Option<i64>,
}
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
            client: self.client,
            detail: self.detail,
            refused: self.refused,
            zone_offset: self.zone_offset,
            clock_skew: self.clock_skew,
            answered_by: self.answered_by,
        })
    }
}
