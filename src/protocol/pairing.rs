//! Payloads of the pairing exchange (`docs/protocol.md`, "Pairing").
//!
//! The last nonce in each authenticator is known to both sides and is not sent.

use super::crypto::{Authenticator, Challenge, Pin, PublicKey, SharedKey};
use super::frame::AuthId;
use super::types::IdType;
use super::wire::{Reader, TooShort, fixed_text, text};

/// Random per lock, constant until a factory reset.
pub type LockUuid = [u8; 16];

/// The authorization id of the one encrypted request in 5th-generation pairing: `FF FF FF 7F` on the wire.
pub const UNASSIGNED_AUTH_ID: AuthId = 0x7FFF_FFFF;

/// Step 5: proof that the client holds the key, over client key, lock key and first challenge.
#[must_use]
pub fn authenticator(key: &SharedKey, client: &PublicKey, lock: &PublicKey, challenge: &Challenge) -> Authenticator {
    key.authenticate(&[&client.0, &lock.0, challenge])
}

/// Who asks to be authorized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applicant {
    /// App or bridge.
    pub id_type: IdType,
    /// The client's own number, constant per installation.
    pub app_id: u32,
    /// Name shown in the lock's user list, up to 32 bytes.
    pub name: String,
}

impl Applicant {
    fn clear_part(&self) -> Vec<u8> {
        let mut out = vec![self.id_type.code()];
        out.extend_from_slice(&self.app_id.to_le_bytes());
        out.extend_from_slice(&fixed_text::<32>(&self.name));
        out
    }
}

/// Authorization Data (0x0006), generations 1 to 4, 101 bytes: authenticator 32, id type u8, id u32, name 32, client nonce 32.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationData {
    /// Who.
    pub applicant: Applicant,
    /// Random, comes back inside the lock's authenticator.
    pub client_nonce: Challenge,
}

impl AuthorizationData {
    /// Bytes on the wire.
    pub const LEN: usize = 101;

    /// The payload, authenticated with the lock's second challenge.
    #[must_use]
    pub fn encode(&self, key: &SharedKey, challenge: &Challenge) -> Vec<u8> {
        let clear = self.applicant.clear_part();
        let mut out = key.authenticate(&[&clear, &self.client_nonce, challenge]).to_vec();
        out.extend_from_slice(&clear);
        out.extend_from_slice(&self.client_nonce);
        out
    }

    /// Reads and verifies the payload; `Ok(None)` when the authenticator is wrong.
    ///
    /// # Errors
    /// [`TooShort`] below 101 bytes.
    pub fn decode(payload: &[u8], key: &SharedKey, challenge: &Challenge) -> Result<Option<Self>, TooShort> {
        let too_short = TooShort { what: "Authorization Data", expected: Self::LEN, actual: payload.len() };
        let mut r = Reader::new(payload);
        let claimed: Authenticator = r.array().ok_or(too_short)?;
        let clear: [u8; 37] = r.array().ok_or(too_short)?;
        let client_nonce: Challenge = r.array().ok_or(too_short)?;
        if !key.verify(&[&clear, &client_nonce, challenge], &claimed) {
            return Ok(None);
        }
        let mut r = Reader::new(&clear);
        let applicant = (|| Some(Applicant { id_type: r.u8()?.into(), app_id: r.u32()?, name: r.text::<32>()? }))();
        Ok(applicant.map(|applicant| Self { applicant, client_nonce }))
    }
}

/// Authorization Data (0x0006), 5th generation, 40 bytes: app id u32, name 32, PIN u32.
#[must_use]
pub fn encode_authorization_data_5th_gen(app_id: u32, name: &str, pin: Pin) -> Vec<u8> {
    let mut out = app_id.to_le_bytes().to_vec();
    out.extend_from_slice(&fixed_text::<32>(name));
    out.extend_from_slice(&pin.expose().to_le_bytes());
    out
}

/// Reads what [`encode_authorization_data_5th_gen`] makes: app id, name, PIN.
///
/// # Errors
/// [`TooShort`] below 40 bytes.
pub fn decode_authorization_data_5th_gen(payload: &[u8]) -> Result<(u32, String, Pin), TooShort> {
    let mut r = Reader::new(payload);
    (|| Some((r.u32()?, r.text::<32>()?, Pin::new(r.u32()?))))().ok_or(TooShort {
        what: "Authorization Data",
        expected: 40,
        actual: payload.len(),
    })
}

/// Authorization-ID (0x0007), generations 1 to 4, 84 bytes: authenticator 32, id u32, lock uuid 16, nonce 32.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationId {
    /// The new authorization.
    pub auth_id: AuthId,
    /// The lock.
    pub uuid: LockUuid,
    /// The lock's third challenge.
    pub challenge: Challenge,
}

impl AuthorizationId {
    /// Bytes on the wire.
    pub const LEN: usize = 84;

    /// The payload, authenticated with the client's nonce.
    #[must_use]
    pub fn encode(&self, key: &SharedKey, client_nonce: &Challenge) -> Vec<u8> {
        let id = self.auth_id.to_le_bytes();
        let mut out = key.authenticate(&[&id, &self.uuid, &self.challenge, client_nonce]).to_vec();
        out.extend_from_slice(&id);
        out.extend_from_slice(&self.uuid);
        out.extend_from_slice(&self.challenge);
        out
    }

    /// Reads and verifies the payload; `Ok(None)` when the authenticator is wrong.
    ///
    /// # Errors
    /// [`TooShort`] below 84 bytes.
    pub fn decode(payload: &[u8], key: &SharedKey, client_nonce: &Challenge) -> Result<Option<Self>, TooShort> {
        let mut r = Reader::new(payload);
        let (claimed, id, uuid, challenge) = (|| {
            Some((r.array::<32>()?, r.array::<4>()?, r.array::<16>()?, r.array::<32>()?))
        })()
        .ok_or(TooShort { what: "Authorization-ID", expected: Self::LEN, actual: payload.len() })?;
        let genuine = key.verify(&[&id, &uuid, &challenge, client_nonce], &claimed);
        Ok(genuine.then_some(Self { auth_id: AuthId::from_le_bytes(id), uuid, challenge }))
    }

    /// Authorization-ID Confirmation (0x001E), 36 bytes: authenticator over id and third challenge, then the id.
    #[must_use]
    pub fn confirmation(&self, key: &SharedKey) -> Vec<u8> {
        let id = self.auth_id.to_le_bytes();
        let mut out = key.authenticate(&[&id, &self.challenge]).to_vec();
        out.extend_from_slice(&id);
        out
    }

    /// Whether `payload` is the right confirmation, seen from the lock.
    #[must_use]
    pub fn is_confirmed_by(&self, payload: &[u8], key: &SharedKey) -> bool {
        let mut r = Reader::new(payload);
        let Some((claimed, id)) = (|| Some((r.array::<32>()?, r.array::<4>()?)))() else { return false };
        id == self.auth_id.to_le_bytes() && key.verify(&[&id, &self.challenge], &claimed)
    }
}

/// Authorization-ID (0x0007), 5th generation, 20 bytes: id u32, lock uuid 16.
///
/// # Errors
/// [`TooShort`] below 20 bytes.
pub fn decode_authorization_id_5th_gen(payload: &[u8]) -> Result<(AuthId, LockUuid), TooShort> {
    let mut r = Reader::new(payload);
    (|| Some((r.u32()?, r.array::<16>()?)))().ok_or(TooShort {
        what: "Authorization-ID",
        expected: 20,
        actual: payload.len(),
    })
}

/// The 5th generation's Authorization-ID, from the lock's side.
#[must_use]
pub fn encode_authorization_id_5th_gen(auth_id: AuthId, uuid: &LockUuid) -> Vec<u8> {
    let mut out = auth_id.to_le_bytes().to_vec();
    out.extend_from_slice(uuid);
    out
}

/// A name as it will come back from the lock, cut to the 32 bytes of its field.
#[must_use]
pub fn name_as_stored(name: &str) -> String {
    text(&fixed_text::<32>(name))
}
