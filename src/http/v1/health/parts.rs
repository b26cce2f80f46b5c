//! How the parts are that are neither lock nor radio: the event log's file, the queues, the configuration, the clock.

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::UnixMillis;
use crate::config::ConfigHealth;
use crate::store::{ClockDoubt, Condition, OutboxCondition};

/// With less room than this an event log that grows by a few kilobytes a day has trouble coming, from elsewhere.
const ROOM: u64 = 50 * 1024 * 1024;

/// How the file of the event log is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Database {
    /// Its size in bytes.
    size: u64,
    /// Bytes that its file system has left; absent if it does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    free: Option<u64>,
    /// Why nothing can be stored; absent while it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<String>,
    /// Events of which it is not known yet who it was.
    open_questions: i64,
}

impl Database {
    pub(super) fn new(condition: Condition, open_questions: i64) -> Self {
        let Condition { size, free, problem } = condition;
        Self { size, free, problem, open_questions }
    }

    pub(super) fn attention(&self) -> Option<String> {
        if let Some(problem) = &self.problem {
            return Some(format!("nothing can be stored: {problem}"));
        }
        let free = self.free.filter(|free| *free < ROOM)?;
        Some(format!("the event log's file system has {} MB left: make room", free / (1024 * 1024)))
    }
}

/// What waits for callbacks of the Bridge API, all slots together.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallbackQueue {
    /// Bodies that nobody took in time, as long as they are kept, which is a month.
    given_up: i64,
    /// Since when the oldest one waits; absent if none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    waiting_since: Option<String>,
}

impl From<OutboxCondition> for CallbackQueue {
    fn from(condition: OutboxCondition) -> Self {
        let waiting_since = condition.waiting_since.map(|since| UnixMillis(since).rfc3339());
        Self { given_up: condition.given_up, waiting_since }
    }
}

/// What became of the configuration.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    /// When what counts was read; absent for a gateway without a configuration of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    loaded_at: Option<String>,
    /// Why the last reload was refused; absent if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<String>,
    /// Keys that have another value in the file and count only after a restart.
    needs_restart: Vec<String>,
}

impl From<ConfigHealth> for Config {
    fn from(health: ConfigHealth) -> Self {
        let loaded_at = health.loaded_at.map(UnixMillis::rfc3339);
        Self { loaded_at, problem: health.problem, needs_restart: health.needs_restart }
    }
}

impl Config {
    pub(super) fn attention(&self) -> Option<String> {
        let first = self.problem.as_ref()?.lines().next().unwrap_or_default();
        Some(format!("the configuration was not taken over, what counted before counts on: {first}"))
    }
}

/// Why this machine's clock may be wrong. That a new log proves nothing yet is no reason to look after it.
pub(super) fn clock_attention(doubt: Option<&ClockDoubt>) -> Option<String> {
    match doubt? {
        ClockDoubt::NoProof => None,
        doubt => Some(format!("this machine's clock may be wrong: {doubt}")),
    }
}
