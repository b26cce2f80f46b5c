//! The security PIN in the hands of its owner: setting it, and a running gateway that notices.
//!
//! The PIN itself goes from the secret store to the gateway and nowhere else.
//! What the event log counts is how often the owner has set it, so that the
//! gateway, which looks there every few seconds, knows when to read it again.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tracing::warn;

use crate::gateway::GatewayHandle;
use crate::protocol::beacon::NukiId;
use crate::protocol::crypto::Pin;
use crate::protocol::gatt::Generation;
use crate::secrets::{LockSecret, Place, Secrets, SecretsError};
use crate::store::{Store, StoreError};

/// How soon a running gateway notices.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why the PIN is not set.
#[derive(Debug, thiserror::Error)]
pub enum SetPinError {
    /// The secret store cannot be used.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The event log cannot be used.
    #[error("the PIN is kept, but its tries could not be forgotten, so run this again: {0}")]
    Store(#[from] StoreError),
    /// There is no such lock.
    #[error("no lock {0:08X} is paired; `keyturner locks` lists those that are")]
    UnknownLock(NukiId),
    /// It has the wrong number of digits for this lock.
    #[error("the security PIN of this lock has {0} digits")]
    Digits(usize),
}

/// Keeps the PIN of a lock and forgets the tries with the one before, in this order: whoever reads the count finds the
/// PIN in place.
///
/// # Errors
/// [`SetPinError`] says what and what to do; no error holds the PIN.
pub async fn set(
    place: impl Into<Place>,
    store: Option<&Store>,
    nuki_id: NukiId,
    digits: &str,
) -> Result<(), SetPinError> {
    let mut secrets = Secrets::load_or_create(place)?;
    let lock = secrets.lock(nuki_id).ok_or(SetPinError::UnknownLock(nuki_id))?.clone();
    let pin = parse(digits, if lock.generation == Generation::Gen5 { 6 } else { 4 })?;
    secrets.put_lock(LockSecret { pin: Some(pin), ..lock });
    secrets.save()?;
    if let Some(store) = store {
        store.forget_pin_tries(nuki_id).await?;
    }
    Ok(())
}

/// A PIN of exactly so many digits.
///
/// # Errors
/// [`SetPinError::Digits`].
pub fn parse(digits: &str, wanted: usize) -> Result<Pin, SetPinError> {
    let number = digits.parse().ok().filter(|_| digits.len() == wanted && digits.bytes().all(|b| b.is_ascii_digit()));
    number.map(Pin::new).ok_or(SetPinError::Digits(wanted))
}

/// Hands every PIN that the owner sets to the gateway, as long as it is polled. `seen` is what
/// [`Store::pins_set`] said before the gateway's own PINs were read.
pub async fn watch(
    place: impl Into<Place>,
    store: Store,
    gateway: GatewayHandle,
    mut seen: std::collections::BTreeMap<NukiId, i64>,
) {
    let place = place.into();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let set = match store.pins_set().await {
            Ok(set) => set,
            Err(error) => {
                warn!(%error, "whether a PIN was set cannot be read");
                continue;
            }
        };
        // A lock that was not there yet has had no PIN set since.
        let is_new = |(id, n): &(&NukiId, &i64)| **n != seen.get(*id).copied().unwrap_or(0);
        let news: Vec<NukiId> = set.iter().filter(is_new).map(|(id, _)| *id).collect();
        for nuki_id in news {
            if let Err(error) = hand_over(&place, &gateway, nuki_id).await {
                // The next look tries again.
                warn!(lock = format!("{nuki_id:08X}"), %error, "the PIN that was set cannot be used yet");
                continue;
            }
            if let Some(count) = set.get(&nuki_id) {
                seen.insert(nuki_id, *count);
            }
        }
    }
}

async fn hand_over(place: &Place, gateway: &GatewayHandle, nuki_id: NukiId) -> Result<(), anyhow::Error> {
    let pin = Secrets::load(place.clone())?.and_then(|secrets| secrets.lock(nuki_id).and_then(|lock| lock.pin));
    if gateway.lock(nuki_id).is_some() {
        gateway.set_pin(nuki_id, pin).await?;
    }
    Ok(())
}
