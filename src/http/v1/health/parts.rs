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

/// The certificate that is shown.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tls {
    /// Until when it counts.
    #[schema(format = DateTime)]
    expires: String,
}

impl Tls {
    pub(super) fn new(expires: UnixMillis) -> Self {
        Self { expires: expires.rfc3339() }
    }
}

/// Whoever renews certificates does it a month before their end; two weeks before it, that has failed.
pub(super) fn certificate_attention(expires: Option<UnixMillis>, now: UnixMillis) -> Option<String> {
    let expires = expires?;
    if expires <= now {
        return Some(format!("the certificate has expired at {}: put a new one in its place", expires.rfc3339()));
    }
    let days = expires.since(now).as_secs() / (24 * 60 * 60);
    (days < 14).then(|| format!("the certificate expires in {days} days: put a new one in its place"))
}

/// Why this machine's clock may be wrong. That a new log proves nothing yet is no reason to look after it.
pub(super) fn clock_attention(doubt: Option<&ClockDoubt>) -> Option<String> {
    match doubt? {
        ClockDoubt::NoProof => None,
        doubt => Some(format!("this machine's clock may be wrong: {doubt}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60 * 1000;

    #[test]
    fn a_certificate_is_spoken_of_two_weeks_before_its_end() {
        let said = |days: i64| certificate_attention(Some(UnixMillis(days * DAY)), UnixMillis(0)).unwrap_or_default();
        assert_eq!(said(14), "");
        assert!(said(13).contains("expires in 13 days"), "{}", said(13));
        assert!(said(0).contains("has expired"), "{}", said(0));
        assert_eq!(certificate_attention(None, UnixMillis(0)), None);
    }

    #[test]
    fn a_full_or_broken_disk_is_spoken_of() {
        let condition = |free, problem: Option<&str>| Condition { size: 1, free, problem: problem.map(str::to_owned) };
        let said = |condition| Database::new(condition, 0).attention().unwrap_or_default();
        assert_eq!(said(condition(Some(ROOM), None)) + &said(condition(None, None)), "");
        assert!(said(condition(Some(ROOM - 1), None)).contains("49 MB left"));
        assert!(said(condition(Some(ROOM), Some("read-only"))).contains("nothing can be stored: read-only"));
    }
}
