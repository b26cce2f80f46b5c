//! The lock's side of "authorize app".

use crate::protocol::crypto::{Challenge, PublicKey, SecretKey, SharedKey};
use crate::protocol::frame::{self, FrameError, Message};
use crate::protocol::gatt::{Characteristic, Generation};
use crate::protocol::pairing::{
    Applicant, AuthorizationData, AuthorizationId, UNASSIGNED_AUTH_ID, decode_authorization_data_5th_gen,
    encode_authorization_id_5th_gen,
};
use crate::protocol::reply::ErrorReport;
use crate::protocol::{Command, ErrorCode, IdType, StatusCode};

use super::SimLock;
use super::io::{LinkId, Moment};

/// Bytes of the 5th generation's Authorization Data.
const AUTHORIZATION_DATA_5TH_GEN_LEN: usize = 40;

/// How far the exchange has come; each variant waits for one message.
#[derive(Debug, Default)]
pub(super) enum Pairing {
    /// Request Data(Public Key).
    #[default]
    Idle,
    /// Public Key.
    Keys { own: SecretKey },
    /// Authorization Authenticator.
    Proof { key: SharedKey, client: PublicKey, lock: PublicKey, challenge: Challenge },
    /// Authorization Data.
    Application { key: SharedKey, challenge: Challenge },
    /// Authorization Data in the 5th generation: encrypted, under whatever authorization id.
    EncryptedApplication { key: SharedKey },
    /// Authorization-ID Confirmation.
    Confirming { key: SharedKey, id: AuthorizationId },
}

impl SimLock {
    pub(super) fn on_pairing_write(&mut self, link: LinkId, value: &[u8], now: Moment) {
        let Some(port) = self.links.get_mut(&link) else { return };
        if let Pairing::EncryptedApplication { key } = &port.pairing
            && let Ok((_, message)) = frame::decode_encrypted(key, value)
        {
            let key = key.clone();
            port.pairing = Pairing::Idle;
            return self.on_encrypted_application(link, &message, key, now);
        }
        let message = match frame::decode_plain(value) {
            Ok(message) => message,
            Err(error) => {
                let code = match error {
                    FrameError::BadCrc { .. } => ErrorCode::BadCrc,
                    _ => ErrorCode::BadLength,
                };
                self.send_plain_error(link, Characteristic::PairingGdio, code, 0);
                return;
            }
        };
        // Any error starts the exchange over.
        let so_far = self.links.get_mut(&link).map(|port| core::mem::take(&mut port.pairing)).unwrap_or_default();
        match self.pairing_step(so_far, &message, now) {
            Ok((next, answer)) => {
                if let Some(port) = self.links.get_mut(&link) {
                    port.pairing = next;
                }
                self.send_plain(link, Characteristic::PairingGdio, &answer);
            }
            Err(code) => self.send_plain_error(link, Characteristic::PairingGdio, code, message.command.id()),
        }
    }

    fn pairing_step(
        &mut self,
        so_far: Pairing,
        message: &Message,
        now: Moment,
    ) -> Result<(Pairing, Message), ErrorCode> {
        if self.pairing_until.is_none() && !matches!(so_far, Pairing::Confirming { .. }) {
            return Err(ErrorCode::NotPairing);
        }
        let payload = message.payload.as_slice();
        match (message.command, so_far) {
            (Command::RequestData, _) if payload == Command::PublicKey.id().to_le_bytes() => {
                let own = SecretKey::from_bytes(self.random());
                let answer = Message::new(Command::PublicKey, own.public_key().0);
                Ok((Pairing::Keys { own }, answer))
            }
            (Command::PublicKey, Pairing::Keys { own }) => {
                let client = PublicKey(payload.try_into().map_err(|_| ErrorCode::BadLength)?);
                let key = SharedKey::agree(&own, &client);
                let challenge: Challenge = self.random();
                let answer = Message::new(Command::Challenge, challenge);
                Ok((Pairing::Proof { key, client, lock: own.public_key(), challenge }, answer))
            }
            (Command::AuthorizationAuthenticator, Pairing::Proof { key, client, lock, challenge }) => {
                let claimed = payload.try_into().map_err(|_| ErrorCode::BadLength)?;
                if !key.verify(&[&client.0, &lock.0, &challenge], claimed) {
                    return Err(ErrorCode::BadAuthenticator);
                }
                if self.config.device.generation() == Generation::Gen5 {
                    let is_pin_set = u8::from(self.pin.is_set());
                    return Ok((
                        Pairing::EncryptedApplication { key },
                        Message::new(Command::AuthorizationInfo, [is_pin_set]),
                    ));
                }
                let challenge: Challenge = self.random();
                Ok((Pairing::Application { key, challenge }, Message::new(Command::Challenge, challenge)))
            }
            (Command::AuthorizationData, Pairing::Application { key, challenge }) => {
                self.admit(payload, key, &challenge, now)
            }
            (Command::AuthorizationIdConfirmation, Pairing::Confirming { key, id }) => {
                if payload.len() != 36 || !id.is_confirmed_by(payload, &key) {
                    self.users.remove(id.auth_id);
                    return Err(ErrorCode::BadAuthenticator);
                }
                self.set_pairing_mode(false, now);
                Ok((Pairing::Idle, Message::new(Command::Status, [StatusCode::Complete.code()])))
            }
            _ => Err(ErrorCode::UnknownError),
        }
    }

    /// The 5th generation's last step: the PIN decides, the answer is encrypted like the question, refusals are too.
    fn on_encrypted_application(&mut self, link: LinkId, message: &Message, key: SharedKey, now: Moment) {
        let answer = match self.admit_with_pin(message, &key, now) {
            Ok(answer) => answer,
            Err(code) => ErrorReport { code, command: message.command.id() }.encode(),
        };
        if self.is_mute {
            return;
        }
        let nonce = self.random();
        if let Some(port) = self.links.get_mut(&link) {
            let sealed = frame::encode_encrypted(&key, &nonce, UNASSIGNED_AUTH_ID, &answer);
            port.send(Characteristic::PairingGdio, sealed);
        }
    }

    fn admit_with_pin(&mut self, message: &Message, key: &SharedKey, now: Moment) -> Result<Message, ErrorCode> {
        if message.command != Command::AuthorizationData {
            return Err(ErrorCode::UnknownError);
        }
        if self.pairing_until.is_none() {
            return Err(ErrorCode::NotPairing);
        }
        if message.payload.len() != AUTHORIZATION_DATA_5TH_GEN_LEN {
            return Err(ErrorCode::BadLength);
        }
        let (app_id, name, pin) =
            decode_authorization_data_5th_gen(&message.payload).map_err(|_| ErrorCode::BadLength)?;
        self.pin.check(pin, now.mono)?;
        let applicant = Applicant { id_type: IdType::App, app_id, name };
        if self.users.is_full_for(&applicant, self.config.max_users) {
            return Err(ErrorCode::MaxUser);
        }
        let created = self.device_time(now);
        let auth_id = self.users.admit(&applicant, key.clone(), created);
        self.set_pairing_mode(false, now);
        Ok(Message::new(Command::AuthorizationId, encode_authorization_id_5th_gen(auth_id, &self.uuid)))
    }

    /// Stores the user already here, before the confirmation, as the one known simulator does.
    fn admit(
        &mut self,
        payload: &[u8],
        key: SharedKey,
        challenge: &Challenge,
        now: Moment,
    ) -> Result<(Pairing, Message), ErrorCode> {
        if payload.len() != AuthorizationData::LEN {
            return Err(ErrorCode::BadLength);
        }
        let data = AuthorizationData::decode(payload, &key, challenge)
            .map_err(|_| ErrorCode::BadLength)?
            .ok_or(ErrorCode::BadAuthenticator)?;
        let is_possible = matches!(data.applicant.id_type, IdType::App | IdType::Bridge | IdType::Fob | IdType::Keypad);
        if !is_possible {
            return Err(ErrorCode::PairingBadParameter);
        }
        if self.users.is_full_for(&data.applicant, self.config.max_users) {
            return Err(ErrorCode::MaxUser);
        }
        let created = self.device_time(now);
        let auth_id = self.users.admit(&data.applicant, key.clone(), created);
        let id = AuthorizationId { auth_id, uuid: self.uuid, challenge: self.random() };
        let answer = Message::new(Command::AuthorizationId, id.encode(&key, &data.client_nonce));
        Ok((Pairing::Confirming { key, id }, answer))
    }

    pub(super) fn send_plain_error(&mut self, link: LinkId, on: Characteristic, code: ErrorCode, command: u16) {
        self.send_plain(link, on, &ErrorReport { code, command }.encode());
    }

    pub(super) fn send_plain(&mut self, link: LinkId, on: Characteristic, message: &Message) {
        if self.is_mute {
            return;
        }
        if let Some(port) = self.links.get_mut(&link) {
            port.send(on, frame::encode_plain(message));
        }
    }
}
