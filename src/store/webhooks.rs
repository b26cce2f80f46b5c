//! Receivers of event webhooks: who gets what, and how each is doing. Their URLs and secrets are not here.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;
use crate::protocol::frame::AuthId;
use crate::protocol::log::CodeId;

use super::{Store, StoreError};

/// So many receivers there may be; each is a worker and a queue.
pub const MAX_WEBHOOKS: i64 = 16;

/// Which events a receiver gets; everything that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookFilter {
    /// Of one of these locks; empty for all.
    pub nuki_ids: Vec<NukiId>,
    /// Of one of these authorizations or of one of `code_ids`; both empty for all.
    ///
    /// An event whose user is not known yet passes neither; its late answer does.
    pub auth_ids: Vec<AuthId>,
    /// Of one of these keypad codes or of one of `auth_ids`.
    pub code_ids: Vec<CodeId>,
    /// Of one of these kinds, by [`EventKind::name`](crate::attribution::EventKind::name); empty for all.
    pub kinds: Vec<String>,
    /// Only what did not succeed.
    pub refused_only: bool,
}

/// A receiver to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// By which its owner knows it.
    pub name: String,
    /// What it gets.
    pub filter: WebhookFilter,
    /// Certificate authorities in PEM that alone may vouch for it; `None` for the system's.
    pub ca_pem: Option<String>,
    /// So many may wait for it.
    pub queue_limit: u32,
    /// How long an event is tried.
    pub give_up_after: Duration,
}

/// A receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its number, never used twice.
    pub id: i64,
    /// By which its owner knows it.
    pub name: String,
    /// Certificate authorities in PEM that alone may vouch for it; `None` for the system's.
    pub ca_pem: Option<String>,
    /// How long an event is tried.
    pub give_up_after: Duration,
    /// Has changed when the owner wants it tried at once.
    pub hurried: i64,
}

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddWebhook {
    /// It has this number.
    Added(i64),
    /// Another one has the name.
    NameTaken,
    /// There are [`MAX_WEBHOOKS`] already.
    Full,
}

/// How a receiver is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookStatus {
    /// Its number.
    pub id: i64,
    /// By which its owner knows it.
    pub name: String,
    /// What it gets.
    pub filter: WebhookFilter,
    /// When it was added, milliseconds since 1970 UTC, as are the other moments.
    pub added_at: i64,
    /// Events that wait for it.
    pub waiting: u32,
    /// So many may wait.
    pub queue_limit: u32,
    /// Since when the first of them waits.
    pub waiting_since: Option<i64>,
    /// Dead letters.
    pub dead: u32,
    /// How many became dead letters because too many waited, ever.
    pub overflowed: u32,
    /// Failures since it took something last.
    pub failures: u32,
    /// When it took something last.
    pub last_told_at: Option<i64>,
    /// When it failed last.
    pub last_failed_at: Option<i64>,
    /// Why; `None` if it took something since.
    pub last_error: Option<String>,
    /// When it is tried next; `None` unless it is failing.
    pub next_try_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct RawStatus {
    id: i64,
    name: String,
    added_at: i64,
    nuki_ids: String,
    auth_ids: String,
    code_ids: String,
    kinds: String,
    refused_only: bool,
    queue_limit: u32,
    failures: u32,
    last_told_at: Option<i64>,
    last_failed_at: Option<i64>,
    last_error: Option<String>,
    next_try_at: Option<i64>,
    overflowed: u32,
    waiting: u32,
    waiting_since: Option<i64>,
    dead: u32,
}

impl Store {
    /// Registers a receiver. It gets what is stored from now on.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn add_webhook(&self, webhook: &NewWebhook, at: UnixMillis) -> Result<AddWebhook, StoreError> {
        let _held = self.hold_time().await;
        let mut tx = self.begin().await?;
        let (taken, count): (bool, i64) =
            sqlx::query_as("select exists (select 1 from webhooks where name = ?), (select count(*) from webhooks)")
                .bind(&webhook.name)
                .fetch_one(&mut *tx)
                .await?;
        if taken {
            return Ok(AddWebhook::NameTaken);
        }
        if count >= MAX_WEBHOOKS {
            return Ok(AddWebhook::Full);
        }
        let filter = &webhook.filter;
        let id = sqlx::query_scalar(
            "insert into webhooks (name, added_at, nuki_ids, auth_ids, code_ids, kinds, refused_only,
                                   ca_pem, queue_limit, give_up_after)
             values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning id",
        )
        .bind(&webhook.name)
        .bind(at.0)
        .bind(array(&filter.nuki_ids, "nuki_ids")?)
        .bind(array(&filter.auth_ids, "auth_ids")?)
        .bind(array(&filter.code_ids, "code_ids")?)
        .bind(array(&filter.kinds, "kinds")?)
        .bind(filter.refused_only)
        .bind(&webhook.ca_pem)
        .bind(webhook.queue_limit)
        .bind(millis(webhook.give_up_after))
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(AddWebhook::Added(id))
    }

    /// Every receiver, in the order of registration.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        let _held = self.hold_time().await;
        let rows: Vec<(i64, String, Option<String>, i64, i64)> =
            sqlx::query_as("select id, name, ca_pem, give_up_after, hurried from webhooks order by id")
                .fetch_all(&self.readers)
                .await?;
        let webhook = |(id, name, ca_pem, give_up_after, hurried)| Webhook {
            id,
            name,
            ca_pem,
            give_up_after: Duration::from_millis(u64::try_from(give_up_after).unwrap_or(0)),
            hurried,
        };
        Ok(rows.into_iter().map(webhook).collect())
    }

    /// Removes a receiver with everything that waits for it and its dead letters; its number, or `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be written.
    pub async fn remove_webhook(&self, name: &str) -> Result<Option<i64>, StoreError> {
        let _held = self.hold_time().await;
        let id = sqlx::query_scalar("delete from webhooks where name = ? returning id")
            .bind(name)
            .fetch_optional(&self.seldom)
            .await?;
        Ok(id)
    }

    /// How every receiver is doing, in the order of registration.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be read.
    pub async fn webhook_status(&self) -> Result<Vec<WebhookStatus>, StoreError> {
        let _held = self.hold_time().await;
        let rows: Vec<RawStatus> = sqlx::query_as(
            "select w.*,
                    (select count(*) from webhook_deliveries d where d.webhook_id = w.id and d.state = 'waiting')
                        as waiting,
                    (select d.waits_since from webhook_deliveries d
                     where d.webhook_id = w.id and d.state = 'waiting' order by d.event_id limit 1)
                        as waiting_since,
                    (select count(*) from webhook_deliveries d where d.webhook_id = w.id and d.state = 'dead') as dead
             from webhooks w order by w.id",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(RawStatus::status).collect()
    }
}

impl RawStatus {
    fn status(self) -> Result<WebhookStatus, StoreError> {
        Ok(WebhookStatus {
            id: self.id,
            name: self.name,
            filter: WebhookFilter {
                nuki_ids: list(&self.nuki_ids, "nuki_ids")?,
                auth_ids: list(&self.auth_ids, "auth_ids")?,
                code_ids: list(&self.code_ids, "code_ids")?,
                kinds: list(&self.kinds, "kinds")?,
                refused_only: self.refused_only,
            },
            added_at: self.added_at,
            waiting: self.waiting,
            queue_limit: self.queue_limit,
            waiting_since: self.waiting_since,
            dead: self.dead,
            overflowed: self.overflowed,
            failures: self.failures,
            last_told_at: self.last_told_at,
            last_failed_at: self.last_failed_at,
            last_error: self.last_error,
            next_try_at: self.next_try_at,
        })
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A list as the JSON array of its column.
fn array<T: Serialize>(values: &[T], column: &'static str) -> Result<String, StoreError> {
    serde_json::to_string(values).map_err(|error| StoreError::Content { column, value: error.to_string() })
}

fn list<T: DeserializeOwned>(text: &str, column: &'static str) -> Result<Vec<T>, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Content { column, value: text.to_owned() })
}
