//! The log as a stream of rows, oldest first, for taking out of the house.

use std::path::Path;

use futures::TryStreamExt;
use serde::Serialize;
use sqlx::Connection;

use super::StoreError;
use super::erase::{Person, PersonSelector};
use super::look::look;
use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;

/// Which events to give; everything that is set must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportFilter {
    /// Of this person: exactly what an erasure would take.
    pub person: Option<PersonSelector>,
    /// Of this lock.
    pub nuki_id: Option<NukiId>,
    /// Not before, by the event's own time.
    pub from: Option<UnixMillis>,
    /// Before, by the event's own time.
    pub to: Option<UnixMillis>,
}

/// An event with its late answer joined in. Names of keys as in `/v1/history`; numbers are the lock's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct ExportRow {
    /// Number of the event.
    pub id: i64,
    /// When: the lock's clock if it can be right, else the host's.
    #[serde(serialize_with = "rfc3339")]
    #[sqlx(rename = "at")]
    pub date: i64,
    /// The lock's number.
    pub nuki_id: NukiId,
    /// Its name now.
    pub lock_name: String,
    /// Its type as the Bridge API numbers it.
    pub device_type: u8,
    /// What happened.
    pub kind: String,
    /// The number that belongs to the kind.
    pub kind_code: Option<u8>,
    /// Who it was, by the name of that day.
    #[sqlx(rename = "user_name")]
    pub name: Option<String>,
    /// Number of the authorization.
    pub auth_id: Option<u32>,
    /// Name of the authorization.
    pub auth_name: Option<String>,
    /// Number of the keypad code, never its digits.
    pub code_id: Option<u16>,
    /// Name of the keypad code.
    pub code_name: Option<String>,
    /// How.
    pub method: String,
    /// What was done or tried.
    #[sqlx(rename = "action_code")]
    pub action: Option<u8>,
    /// By what.
    #[sqlx(rename = "trigger_code")]
    pub trigger: Option<u8>,
    /// Number of the completion status.
    #[sqlx(rename = "completion_code")]
    pub state: Option<u8>,
    /// Name of the completion status.
    #[sqlx(rename = "completion")]
    pub completion_status: Option<String>,
    /// It did not succeed.
    pub refused: bool,
    /// How sure.
    pub attribution: String,
    /// Why it is unknown.
    pub reason: Option<String>,
    /// A phone unlocked by coming near.
    pub auto_unlock: bool,
    /// How often a button or fob was pressed.
    pub presses: u8,
    /// It happened while the gateway was away.
    pub backfilled: bool,
    /// The lock's log index.
    #[sqlx(rename = "log_index")]
    pub event_id: Option<u32>,
    /// The lock's clock as it sent it.
    pub device_time: Option<String>,
    /// When the gateway learned of it.
    #[serde(serialize_with = "rfc3339")]
    pub observed_at: i64,
    /// The gateway's own intent behind it.
    pub intent_id: Option<i64>,
    /// Name of the token whose client asked for it.
    pub client: Option<String>,
    /// Number of the row with the late answer.
    pub answered_by: Option<i64>,
    /// Words for what has no better key.
    pub detail: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn rfc3339<S: serde::Serializer>(at: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&UnixMillis(*at).rfc3339())
}

impl ExportRow {
    fn is_of(&self, person: &Person) -> bool {
        let names = [self.auth_name.as_deref(), self.code_name.as_deref(), self.name.as_deref()];
        person.has(self.nuki_id, self.auth_id, self.code_id, &names)
    }
}

/// Gives every event that fits to `each`, in one snapshot, while the database may be in use; says how many there were.
///
/// # Errors
/// [`StoreError`] when the database cannot be read, or what `each` gave.
pub async fn export<E: From<StoreError>>(
    path: &Path,
    filter: &ExportFilter,
    mut each: impl FnMut(&ExportRow) -> Result<(), E>,
) -> Result<u64, E> {
    let mut connection = look(path).await?;
    let mut tx = connection.begin().await.map_err(StoreError::from)?;
    let person = match &filter.person {
        Some(selector) => Some(Person::find_by_sqlx(&mut tx, selector, filter.nuki_id).await?),
        None => None,
    };
    let mut rows = sqlx::query_as::<_, ExportRow>(
        "select * from entries
         where (?1 is null or nuki_id = ?1) and (?2 is null or at >= ?2) and (?3 is null or at < ?3)
         order by id",
    )
    .bind(filter.nuki_id)
    .bind(filter.from.map(|at| at.0))
    .bind(filter.to.map(|at| at.0))
    .fetch(&mut *tx);
    let mut count = 0;
    while let Some(row) = rows.try_next().await.map_err(StoreError::from)? {
        if person.as_ref().is_none_or(|person| row.is_of(person)) {
            each(&row)?;
            count += 1;
        }
    }
    Ok(count)
}
