//! What the Bridge API asks of this process.

use tokio::sync::Notify;

use crate::http::bridge::Host;
use crate::protocol::beacon::NukiId;
use crate::secrets::{Place, Secrets, SecretsError, Token};

/// The process, by where its secrets are.
#[derive(Debug)]
pub(super) struct Process {
    place: Place,
    restart: Notify,
}

impl Process {
    pub(super) fn new(place: impl Into<Place>) -> Self {
        Self { place: place.into(), restart: Notify::new() }
    }

    /// Waits until a client wants the gateway started anew.
    pub(super) async fn restart_wanted(&self) {
        self.restart.notified().await;
    }
}

impl Host for Process {
    // Read anew each time, because other processes change the file.
    fn hand_out_token(&self) -> Result<Token, SecretsError> {
        Ok(Secrets::load_or_create(self.place.clone())?.bridge.token)
    }

    fn forget_key(&self, nuki_id: NukiId) -> Result<(), SecretsError> {
        let mut secrets = Secrets::load_or_create(self.place.clone())?;
        match secrets.remove_lock(nuki_id) {
            Some(_) => secrets.save(),
            None => Ok(()),
        }
    }

    fn restart(&self) {
        self.restart.notify_one();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::protocol::IdType;
    use crate::protocol::crypto::SharedKey;
    use crate::protocol::gatt::Generation;
    use crate::secrets::LockSecret;
    use crate::transport::Address;

    #[test]
    fn a_key_that_is_forgotten_is_gone_from_the_disk_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut secrets = Secrets::load_or_create(dir.path()).unwrap();
        for nuki_id in [1, 2] {
            secrets.put_lock(LockSecret {
                nuki_id,
                address: "54:D2:72:00:00:01".parse::<Address>().unwrap(),
                name: String::new(),
                auth_id: 1,
                shared_key: SharedKey::from_bytes([7; 32]),
                uuid: [0; 16],
                pin: None,
                generation: Generation::Gen1To4,
                id_type: IdType::Bridge,
            });
        }
        secrets.save().unwrap();
        let process = Process::new(dir.path());
        process.forget_key(1).unwrap();
        process.forget_key(1).unwrap();
        let left = Secrets::load(dir.path()).unwrap().unwrap();
        assert_eq!(left.locks().iter().map(|lock| lock.nuki_id).collect::<Vec<_>>(), [2]);
        assert_eq!(process.hand_out_token().unwrap(), secrets.bridge.token);
    }

    #[tokio::test]
    async fn a_restart_that_was_wanted_before_anybody_waits_is_not_lost() {
        let process = Process::new("");
        process.restart();
        process.restart_wanted().await;
    }
}
