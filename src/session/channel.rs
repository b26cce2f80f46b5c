//! The encrypted channel of one authorization: messages in, frames out, and back.

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::protocol::TooShort;
use crate::protocol::crypto::{MessageNonce, SharedKey};
use crate::protocol::frame::{AuthId, FrameError, Framing, Message, Reassembler, decode_encrypted, encode_encrypted};
use crate::protocol::reply::Reply;

/// What the lock sent cannot be understood; the link is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// Not a frame, or not one for this key.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A message without fields that every firmware sends.
    #[error(transparent)]
    Payload(#[from] TooShort),
    /// A message under somebody else's authorization.
    #[error("the message is for authorization {0}")]
    WrongAuthId(AuthId),
}

pub(super) struct Channel {
    key: SharedKey,
    auth_id: AuthId,
    is_opener: bool,
    rng: ChaCha20Rng,
    reassembler: Reassembler,
}

impl Channel {
    /// `seed` must come from the operating system's randomness and be used once: message nonces derive from it.
    pub(super) fn new(key: SharedKey, auth_id: AuthId, is_opener: bool, seed: [u8; 32]) -> Self {
        let reassembler = Reassembler::new(Framing::Encrypted);
        Self { key, auth_id, is_opener, rng: ChaCha20Rng::from_seed(seed), reassembler }
    }

    pub(super) fn seal(&mut self, message: &Message) -> Vec<u8> {
        let mut nonce: MessageNonce = [0; 24];
        self.rng.fill_bytes(&mut nonce);
        encode_encrypted(&self.key, &nonce, self.auth_id, message)
    }

    /// A new link begins: what was half received on the old one is void.
    pub(super) fn reset(&mut self) {
        self.reassembler.clear();
    }

    /// Every whole message in what was received so far.
    pub(super) fn receive(&mut self, piece: &[u8]) -> Result<Vec<Reply>, ChannelError> {
        self.reassembler.push(piece);
        let mut replies = Vec::new();
        while let Some(frame) = self.reassembler.next_frame()? {
            let (auth_id, message) = decode_encrypted(&self.key, &frame)?;
            if auth_id != self.auth_id {
                return Err(ChannelError::WrongAuthId(auth_id));
            }
            replies.push(match Reply::decode(message, self.is_opener)? {
                Reply::States(states) if self.is_opener => Reply::States(states.of_opener()),
                reply => reply,
            });
        }
        Ok(replies)
    }
}
