//! The lock's authorizations and their keys.

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;

use crate::protocol::IdType;
use crate::protocol::crypto::{Challenge, SharedKey};
use crate::protocol::datetime::DeviceTime;
use crate::protocol::frame::AuthId;
use crate::protocol::pairing::Applicant;
use crate::protocol::users::AuthorizationEntry;

use super::config::UserConfig;
use super::io::LinkId;

/// An authorization with what only the lock knows of it.
#[derive(Debug, Clone)]
pub struct UserRecord {
    /// As it is listed.
    pub entry: AuthorizationEntry,
    /// The number its client chose; 0 for those from the factory.
    pub app_id: u32,
    pub(super) key: SharedKey,
    /// Good for one command over this link.
    pub(super) nonce: Option<(LinkId, Challenge)>,
}

#[derive(Debug)]
pub(super) struct Users {
    records: Vec<UserRecord>,
    next_id: AuthId,
}

impl Users {
    pub(super) fn new(configs: &[UserConfig], rng: &mut ChaCha20Rng) -> Self {
        let mut users = Self { records: Vec::new(), next_id: 1 };
        for config in configs {
            let mut key = [0; 32];
            rng.fill_bytes(&mut key);
            let applicant = Applicant { id_type: config.id_type, app_id: 0, name: config.name.clone() };
            let id = users.insert(&applicant, SharedKey::from_bytes(key), None);
            if let Some(record) = users.get_mut(id) {
                record.entry.enabled = config.enabled;
                record.entry.time_limit = config.time_limit;
            }
        }
        users
    }

    pub(super) fn all(&self) -> &[UserRecord] {
        &self.records
    }

    pub(super) fn get(&self, id: AuthId) -> Option<&UserRecord> {
        self.records.iter().find(|record| record.entry.auth_id == id)
    }

    pub(super) fn get_mut(&mut self, id: AuthId) -> Option<&mut UserRecord> {
        self.records.iter_mut().find(|record| record.entry.auth_id == id)
    }

    pub(super) fn bridge(&self) -> Option<&UserRecord> {
        self.records.iter().find(|record| record.entry.id_type == IdType::Bridge)
    }

    /// Whom a new authorization would throw out: the same client, and the bridge if it is one.
    fn is_replaced(record: &UserRecord, applicant: &Applicant) -> bool {
        let same_client = applicant.app_id != 0 && record.app_id == applicant.app_id;
        let other_bridge = applicant.id_type == IdType::Bridge && record.entry.id_type == IdType::Bridge;
        same_client || other_bridge
    }

    /// Whether the table would overflow.
    pub(super) fn is_full_for(&self, applicant: &Applicant, max: usize) -> bool {
        self.records.iter().filter(|record| !Self::is_replaced(record, applicant)).count() >= max
    }

    pub(super) fn admit(&mut self, applicant: &Applicant, key: SharedKey, created: Option<DeviceTime>) -> AuthId {
        self.records.retain(|record| !Self::is_replaced(record, applicant));
        self.insert(applicant, key, created)
    }

    fn insert(&mut self, applicant: &Applicant, key: SharedKey, created: Option<DeviceTime>) -> AuthId {
        let auth_id = self.next_id;
        self.next_id = auth_id.saturating_add(1);
        let entry = AuthorizationEntry {
            auth_id,
            id_type: applicant.id_type,
            name: applicant.name.clone(),
            enabled: true,
            remote_allowed: true,
            created,
            last_active: None,
            lock_count: 0,
            time_limit: None,
        };
        self.records.push(UserRecord { entry, app_id: applicant.app_id, key, nonce: None });
        auth_id
    }

    /// Whether there was one.
    pub(super) fn remove(&mut self, id: AuthId) -> bool {
        let before = self.records.len();
        self.records.retain(|record| record.entry.auth_id != id);
        self.records.len() < before
    }

    pub(super) fn drop_nonces(&mut self, link: LinkId) {
        for record in &mut self.records {
            if record.nonce.is_some_and(|(over, _)| over == link) {
                record.nonce = None;
            }
        }
    }

    pub(super) fn used(&mut self, id: AuthId, at: Option<DeviceTime>) {
        if let Some(record) = self.get_mut(id) {
            record.entry.last_active = at;
            record.entry.lock_count = record.entry.lock_count.saturating_add(1);
        }
    }
}
