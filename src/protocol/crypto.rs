//! Keys, authenticators and sealing (`docs/protocol.md`, "Cryptography").

use core::fmt;

use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use hmac::{Hmac, Mac};
use salsa20::cipher::consts::U10;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of the Poly1305 tag in front of each ciphertext.
pub const TAG_LEN: usize = 16;
/// Bytes of a message nonce.
pub const NONCE_LEN: usize = 24;

/// Nonce of one encrypted message; random, never used twice with one key.
pub type MessageNonce = [u8; NONCE_LEN];
/// A 32-byte challenge of the lock or nonce of the client.
pub type Challenge = [u8; 32];
/// An HMAC-SHA256 under the shared key.
pub type Authenticator = [u8; 32];

/// An X25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicKey(pub [u8; 32]);

/// An X25519 private key, made fresh for each pairing.
pub struct SecretKey(crypto_box::SecretKey);

impl SecretKey {
    /// Takes 32 random bytes as the private key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(crypto_box::SecretKey::from_bytes(bytes))
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.public_key().to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// The long-term key that a lock and one authorization share.
///
/// It is HSalsa20 over the X25519 result, what NaCl calls `crypto_box_beforenm`.
/// `crypto_box` keeps that value to itself, and the HMACs need it, hence the
/// two steps here. Whoever has it and the authorization id can open the door.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SharedKey([u8; 32]);

impl SharedKey {
    /// Key agreement between the own private and the peer's public key.
    #[must_use]
    pub fn agree(own: &SecretKey, peer: &PublicKey) -> Self {
        // Clamped, not reduced: `to_scalar` differs from X25519 for points off the prime-order group.
        let point = curve25519_dalek::MontgomeryPoint(peer.0);
        let mut scalar = own.0.to_bytes();
        let mut shared = point.mul_clamped(scalar).to_bytes();
        let key = salsa20::hsalsa::<U10>(&shared.into(), &[0u8; 16].into());
        scalar.zeroize();
        shared.zeroize();
        Self(key.into())
    }

    /// A key from storage.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key, for the secret store only.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// HMAC-SHA256 over the concatenation of `parts`.
    #[must_use]
    pub fn authenticate(&self, parts: &[&[u8]]) -> Authenticator {
        self.mac(parts).finalize().into_bytes().into()
    }

    /// Whether `claimed` is the authenticator of `parts`, in constant time.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], claimed: &Authenticator) -> bool {
        self.mac(parts).verify(claimed.into()).is_ok()
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        // HMAC pads a short key with zeros to its block of 64 bytes.
        let mut block = [0u8; 64];
        block.iter_mut().zip(self.0).for_each(|(slot, byte)| *slot = byte);
        let mut mac = <Hmac<Sha256> as Mac>::new((&block).into());
        block.zeroize();
        for part in parts {
            mac.update(part);
        }
        mac
    }

    /// XSalsa20-Poly1305: the tag, then the ciphertext.
    #[must_use]
    pub fn seal(&self, nonce: &MessageNonce, plaintext: &[u8]) -> Vec<u8> {
        // The cipher refuses only messages of 256 GiB and more; a frame has at most 64 KiB.
        self.cipher().encrypt(Nonce::from_slice(nonce), plaintext).unwrap_or_default()
    }

    /// Opens what [`seal`](Self::seal) made; `None` if key, nonce or bytes are not right.
    #[must_use]
    pub fn open(&self, nonce: &MessageNonce, sealed: &[u8]) -> Option<Vec<u8>> {
        self.cipher().decrypt(Nonce::from_slice(nonce), sealed).ok()
    }

    fn cipher(&self) -> XSalsa20Poly1305 {
        XSalsa20Poly1305::new(Key::from_slice(&self.0))
    }
}

impl PartialEq for SharedKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SharedKey {}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedKey(..)")
    }
}

/// The administrator's security PIN. Printing it prints nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Zeroize)]
pub struct Pin(u32);

impl Pin {
    /// A PIN as the owner types it: 4 digits up to the 4th generation, 6 digits after; 0 is "none".
    #[must_use]
    pub const fn new(pin: u32) -> Self {
        Self(pin)
    }

    /// The number, for the wire and the secret store only.
    #[must_use]
    pub const fn expose(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}
