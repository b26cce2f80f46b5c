//! The key of a lock in the secret store, and out of it.

use crate::protocol::beacon::NukiId;
use crate::secrets::{LockSecret, Place, Secrets, SecretsError};

/// Another command may write the secrets at the same moment; it does so once.
const ATTEMPTS: u32 = 5;

/// Keeps a lock's key, in the place of the one before. Afterwards one of the two is on the disk, whatever happens.
///
/// # Errors
/// [`SecretsError`]; then the one before stands there.
pub fn keep(place: &Place, lock: &LockSecret) -> Result<(), SecretsError> {
    change(place, |secrets| secrets.put_lock(lock.clone()))
}

/// Forgets a lock's key, if it is there.
///
/// # Errors
/// [`SecretsError`]; then it is still there.
pub fn forget(place: &Place, nuki_id: NukiId) -> Result<(), SecretsError> {
    change(place, |secrets| {
        secrets.remove_lock(nuki_id);
    })
}

fn change(place: &Place, what: impl Fn(&mut Secrets)) -> Result<(), SecretsError> {
    let mut attempt = 1;
    loop {
        let mut secrets = Secrets::load_or_create(place.clone())?;
        what(&mut secrets);
        match secrets.save() {
            Err(SecretsError::ChangedMeanwhile { .. }) if attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}
