//! What the daemon does by itself: once a day, once a minute, at its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::http::{Gate, USES_NOTED_EVERY};
use crate::live::Live;
use crate::store::{OUTBOX_KEPT, Removed, RetentionRules, Store, UsedCredentials};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Forgets what was told long ago, removes what the owner does not keep, then notes the head of the log outside of the log.
pub(super) async fn keep(store: Store, rules: Live<RetentionRules>, clock: Clock) {
    let mut days = tokio::time::interval(DAY);
    loop {
        days.tick().await;
        let long_ago = clock.wall().before(OUTBOX_KEPT);
        match store.prune_outbox(long_ago).await {
            Ok(0) => {}
            Ok(rows) => info!(rows, "old callbacks are forgotten"),
            // It will be tried again tomorrow; the rows do no harm.
            Err(error) => warn!(%error, "old callbacks could not be forgotten"),
        }
        match store.prune_webhook_deliveries(long_ago).await {
            Ok(0) => {}
            Ok(rows) => info!(rows, "old deliveries of webhooks are forgotten"),
            Err(error) => warn!(%error, "old deliveries of webhooks could not be forgotten"),
        }
        remove_old(&store, &rules.get(), clock).await;
        note_head(&store).await;
    }
}

/// Notes now and then when which token was used.
pub(super) async fn note_uses(store: Store, gate: Arc<Gate>) {
    let mut ticks = tokio::time::interval(USES_NOTED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        note_uses_once(&store, &gate).await;
    }
}

async fn note_uses_once(store: &Store, gate: &Gate) {
    let uses = gate.take_uses();
    if uses.is_empty() {
        return;
    }
    if let Err(error) = store.note_token_uses(&uses).await {
        warn!(%error, "when tokens were used could not be noted");
    }
}

/// What the next start has to know of credentials. Without it, that start refuses what was made before it.
pub(super) async fn keep_credentials(store: &Store, gate: &Gate, used: &UsedCredentials) {
    note_uses_once(store, gate).await;
    if let Err(error) = store.keep_used_credentials(used).await {
        warn!(%error, "used credentials could not be kept; the next start refuses those made before it");
    }
}

async fn remove_old(store: &Store, rules: &RetentionRules, clock: Clock) {
    match store.remove_old(rules, clock.wall()).await {
        Ok(Removed { doubt: Some(doubt), .. }) => info!(%doubt, "nothing is removed today"),
        Ok(Removed { events: 0, observations: 0, intents: 0, .. }) => {}
        Ok(Removed { events, observations, intents, .. }) => {
            info!(events, observations, intents, "what the owner does not keep is removed");
        }
        Err(error) => warn!(%error, "old events could not be removed; it is tried again tomorrow"),
    }
}

/// Whoever keeps the journal can prove later what the log held (`keyturner verify --head`).
pub(super) async fn note_head(store: &Store) {
    match store.chain_head().await {
        Ok(head) => info!(%head, "event log head"),
        Err(error) => warn!(%error, "the head of the event log cannot be read"),
    }
}
