//! Pairing with a lock that was found.

use super::{Known, Owner};
use crate::gateway::pair::{Candidate, PairError, PairRequest, pair};
use crate::protocol::IdType;
use crate::protocol::beacon::PairingMode;
use crate::protocol::crypto::Pin;
use crate::protocol::gatt::Generation;
use crate::secrets::LockSecret;
use crate::session::pairing::{Authorization, PairingError};

/// Who wants to be authorized, and with what.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The role wanted; the 5th generation gives app whatever is asked.
    pub id_type: IdType,
    /// The number of this installation.
    pub app_id: u32,
    /// Name in the lock's user list.
    pub name: String,
    /// The security PIN, if there is one.
    pub pin: Option<Pin>,
}

impl Owner {
    /// Pairs. Where the link broke when the lock had given its authorization already, the lock is asked whether it keeps
    /// that one: it may have thrown out the one before for it.
    ///
    /// # Errors
    /// [`PairError`]. [`PairError::Unconfirmed`] is left only where the lock could not be asked.
    pub async fn enrol(&self, candidate: &Candidate, wish: Wish) -> Result<LockSecret, PairError> {
        if candidate.mode == PairingMode::Lock5thGen && wish.pin.is_none() {
            // It would ask for it in the middle, and with a wrong one count a try.
            return Err(PairingError::PinNeeded.into());
        }
        let pin = wish.pin;
        let Wish { id_type, app_id, name, .. } = wish;
        let request = PairRequest { id_type, app_id, name, pin, seed: (self.seed)() };
        let secret = |given: Authorization, generation: Generation| LockSecret {
            nuki_id: candidate.nuki_id,
            address: candidate.address,
            name: candidate.name(),
            auth_id: given.auth_id,
            shared_key: given.key,
            uuid: given.uuid,
            pin,
            generation,
            id_type: given.id_type,
        };
        match pair(&*self.transport, self.clock, candidate.address, request).await {
            Ok((authorization, generation)) => Ok(secret(authorization, generation)),
            Err(PairError::Unconfirmed { given, generation, why }) => {
                let lock = secret(*given.clone(), generation);
                match self.is_known(&lock).await {
                    Known::Yes => Ok(lock),
                    Known::No => Err(*why),
                    Known::Untold(_) => Err(PairError::Unconfirmed { given, generation, why }),
                }
            }
            Err(error) => Err(error),
        }
    }
}
