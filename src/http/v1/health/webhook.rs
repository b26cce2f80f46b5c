//! How an event webhook is.

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::UnixMillis;
use crate::store::WebhookStatus;

/// What waits for the receiver of a webhook, and how it takes it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Webhook {
    /// Its number.
    id: i64,
    /// By which its owner knows it.
    name: String,
    /// Events that wait.
    waiting: u32,
    /// So many may wait.
    queue_limit: u32,
    /// Events that it did not take; `keyturner webhook dead` shows them.
    dead: u32,
    /// How many of these became so because too many waited, ever.
    overflowed: u32,
    /// Failures since it took something last.
    failures: u32,
    /// When it took something last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    last_told: Option<String>,
    /// Why it failed last; absent if it took something since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_error: Option<String>,
    /// When it is tried next; absent unless it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    next_try: Option<String>,
}

impl Webhook {
    /// What fails, or was given up and not looked after by its owner.
    pub(super) fn attention(&self) -> Option<String> {
        let name = &self.name;
        match (self.failures, self.dead) {
            (0, 0) => None,
            (0, dead) => Some(format!("webhook {name}: {dead} dead letters; `keyturner webhook dead` shows them")),
            (failures, _) => {
                let why = self.last_error.as_deref().unwrap_or("without a reason");
                Some(format!("webhook {name}: failed {failures} times: {why}"))
            }
        }
    }
}

impl From<WebhookStatus> for Webhook {
    fn from(status: WebhookStatus) -> Self {
        let moment = |at: Option<i64>| at.map(|at| UnixMillis(at).rfc3339());
        Self {
            id: status.id,
            name: status.name,
            waiting: status.waiting,
            queue_limit: status.queue_limit,
            dead: status.dead,
            overflowed: status.overflowed,
            failures: status.failures,
            last_told: moment(status.last_told_at),
            last_error: status.last_error,
            next_try: moment(status.next_try_at),
        }
    }
}
