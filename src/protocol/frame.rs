//! Messages on the wire: plain and encrypted frames, and their reassembly.
//!
//! A plain frame is `command u16 ‖ payload ‖ crc u16`. An encrypted frame is
//! `nonce 24 ‖ auth_id u32 ‖ length u16 ‖ tag 16 ‖ ciphertext`, the plaintext
//! being `auth_id u32 ‖ command u16 ‖ payload ‖ crc u16` and `length` counting
//! tag and ciphertext. Everything is little-endian (`docs/protocol.md`, "Frames").

use zeroize::{Zeroize, Zeroizing};

use super::command::Command;
use super::crc::crc16;
use super::crypto::{MessageNonce, NONCE_LEN, SharedKey, TAG_LEN};
use super::wire::Reader;

/// Number of an authorization, chosen by the lock.
pub type AuthId = u32;

/// Bytes of an encrypted frame in front of the sealed part.
const HEADER_LEN: usize = NONCE_LEN + 4 + 2;
/// Sealed bytes of the shortest message: tag, authorization id, command, CRC.
const MIN_SEALED: usize = TAG_LEN + 4 + 2 + 2;
/// Bytes of a plain error report.
const ERROR_REPORT_LEN: usize = 7;
/// No message of any generation is longer; a larger length field is garbage.
const MAX_SEALED: usize = 512;
/// The longest plain message is Authorization Data with 105 bytes; the rest is reserve.
const MAX_PLAIN: usize = 256;

/// A command with its payload, after decryption and without checksum.
///
/// Printing it prints the payload's length only: PINs, keypad digits and names are in there.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub command: Command,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Message {
    /// A message from its parts.
    #[must_use]
    pub fn new(command: Command, payload: impl Into<Vec<u8>>) -> Self {
        Self { command, payload: payload.into() }
    }

    /// Overwrites the payload, for what must not stay in memory: a PIN, the digits of a code.
    pub fn wipe(&mut self) {
        self.payload.zeroize();
    }

    /// Request Data for `wanted`.
    #[must_use]
    pub fn request(wanted: Command) -> Self {
        Self::new(Command::RequestData, wanted.id().to_le_bytes())
    }
}

impl core::fmt::Debug for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Message({}, {} bytes)", self.command, self.payload.len())
    }
}

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Fewer bytes than any message has.
    #[error("{actual} bytes are too few for a message")]
    TooShort {
        /// Bytes there.
        actual: usize,
    },
    /// The length field does not agree with the bytes, or no message has that length.
    #[error("length field {length} does not fit {actual} bytes")]
    BadLength {
        /// The field.
        length: usize,
        /// Bytes there.
        actual: usize,
    },
    /// The checksum is wrong.
    #[error("checksum is {received:04x}, computed {computed:04x}")]
    BadCrc {
        /// As received.
        received: u16,
        /// As it should be.
        computed: u16,
    },
    /// Key, nonce or bytes are not right.
    #[error("the message cannot be decrypted with this key")]
    Undecryptable,
    /// The id in clear is not the one inside.
    #[error("authorization id {outside} outside, {inside} inside")]
    AuthIdMismatch {
        /// In the header.
        outside: AuthId,
        /// In the plaintext.
        inside: AuthId,
    },
    /// More bytes than any message has, and still no end.
    #[error("{actual} bytes and still no end of the message")]
    Endless {
        /// Bytes there.
        actual: usize,
    },
}

/// Encodes a plain frame.
#[must_use]
pub fn encode_plain(message: &Message) -> Vec<u8> {
    let mut frame = Vec::with_capacity(message.payload.len() + 4);
    frame.extend_from_slice(&message.command.id().to_le_bytes());
    frame.extend_from_slice(&message.payload);
    let crc = crc16(&frame);
    frame.extend_from_slice(&crc.to_le_bytes());
    frame
}

/// Decodes one whole plain frame.
///
/// # Errors
/// [`FrameError::TooShort`] and [`FrameError::BadCrc`].
pub fn decode_plain(frame: &[u8]) -> Result<Message, FrameError> {
    let (body, crc) = frame.split_last_chunk::<2>().ok_or(FrameError::TooShort { actual: frame.len() })?;
    let (command, payload) = body.split_first_chunk::<2>().ok_or(FrameError::TooShort { actual: frame.len() })?;
    let (received, computed) = (u16::from_le_bytes(*crc), crc16(body));
    if received != computed {
        return Err(FrameError::BadCrc { received, computed });
    }
    Ok(Message::new(Command::from_id(u16::from_le_bytes(*command)), payload))
}

/// The plaintext of an encrypted frame, checksum included.
#[must_use]
pub fn encode_pdata(auth_id: AuthId, message: &Message) -> Vec<u8> {
    let mut pdata = Vec::with_capacity(message.payload.len() + 8);
    pdata.extend_from_slice(&auth_id.to_le_bytes());
    pdata.extend_from_slice(&message.command.id().to_le_bytes());
    pdata.extend_from_slice(&message.payload);
    let crc = crc16(&pdata);
    pdata.extend_from_slice(&crc.to_le_bytes());
    pdata
}

/// Encodes an encrypted frame. `nonce` must be random and never used before with `key`.
#[must_use]
pub fn encode_encrypted(key: &SharedKey, nonce: &MessageNonce, auth_id: AuthId, message: &Message) -> Vec<u8> {
    let pdata = Zeroizing::new(encode_pdata(auth_id, message));
    let sealed = key.seal(nonce, &pdata);
    let mut frame = Vec::with_capacity(HEADER_LEN + sealed.len());
    frame.extend_from_slice(nonce);
    frame.extend_from_slice(&auth_id.to_le_bytes());
    // Payloads come from this crate's own builders and stay far below 64 KiB.
    frame.extend_from_slice(&u16::try_from(sealed.len()).unwrap_or(u16::MAX).to_le_bytes());
    frame.extend_from_slice(&sealed);
    frame
}

/// The clear header of an encrypted frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The nonce.
    pub nonce: MessageNonce,
    /// Whose key sealed it; not authenticated until the frame is opened.
    pub auth_id: AuthId,
    /// Bytes that follow the header.
    pub length: usize,
}

/// Reads the clear header, so that a lock can look up the key.
///
/// # Errors
/// [`FrameError::TooShort`] and [`FrameError::BadLength`].
pub fn decode_header(frame: &[u8]) -> Result<Header, FrameError> {
    let too_short = FrameError::TooShort { actual: frame.len() };
    let mut reader = Reader::new(frame);
    let nonce = reader.array::<NONCE_LEN>().ok_or(too_short)?;
    let auth_id = reader.u32().ok_or(too_short)?;
    let length = usize::from(reader.u16().ok_or(too_short)?);
    if !(MIN_SEALED..=MAX_SEALED).contains(&length) {
        return Err(FrameError::BadLength { length, actual: frame.len() });
    }
    Ok(Header { nonce, auth_id, length })
}

/// Decrypts and checks one whole encrypted frame.
///
/// # Errors
/// Every [`FrameError`] but [`FrameError::Endless`].
pub fn decode_encrypted(key: &SharedKey, frame: &[u8]) -> Result<(AuthId, Message), FrameError> {
    let header = decode_header(frame)?;
    let sealed = frame.get(HEADER_LEN..).unwrap_or_default();
    if sealed.len() != header.length {
        return Err(FrameError::BadLength { length: header.length, actual: frame.len() });
    }
    let pdata = key.open(&header.nonce, sealed).ok_or(FrameError::Undecryptable)?;
    let (inside, body) = pdata.split_first_chunk::<4>().ok_or(FrameError::TooShort { actual: pdata.len() })?;
    let inside = AuthId::from_le_bytes(*inside);
    if inside != header.auth_id {
        return Err(FrameError::AuthIdMismatch { outside: header.auth_id, inside });
    }
    let (checked, crc) = pdata.split_last_chunk::<2>().ok_or(FrameError::TooShort { actual: pdata.len() })?;
    let (received, computed) = (u16::from_le_bytes(*crc), crc16(checked));
    if received != computed {
        return Err(FrameError::BadCrc { received, computed });
    }
    let (command, rest) = body.split_first_chunk::<2>().ok_or(FrameError::TooShort { actual: pdata.len() })?;
    let payload = rest.get(..rest.len().saturating_sub(2)).unwrap_or_default();
    Ok((inside, Message::new(Command::from_id(u16::from_le_bytes(*command)), payload)))
}

/// Puts messages together again from pieces of any size.
///
/// There is no fragment header: encrypted messages end by their length field,
/// plain ones by the fixed length of their command, else where the checksum is
/// right at the end of a piece. Feed pieces with [`push`](Self::push), then
/// take whole frames until `Ok(None)`. After an error the stream cannot be
/// trusted: disconnect.
#[derive(Debug)]
pub struct Reassembler {
    framing: Framing,
    buffer: Vec<u8>,
}

/// Which kind of frame a characteristic carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Plain frames: pairing and general characteristics.
    Plain,
    /// Encrypted frames: the user-specific characteristic.
    Encrypted,
    /// Encrypted frames, and plain error reports (`12 00` in front, 7 bytes, valid checksum): the
    /// pairing characteristic of the 5th generation after the encrypted request.
    EncryptedOrError,
}

impl Reassembler {
    /// An empty buffer for one characteristic of one link.
    #[must_use]
    pub const fn new(framing: Framing) -> Self {
        Self { framing, buffer: Vec::new() }
    }

    /// Appends one indication as received.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// Forgets a half message; for a new link.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    /// Whether a message has begun and not ended.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next whole frame; `Ok(None)` when more bytes are needed.
    ///
    /// # Errors
    /// [`FrameError::BadLength`] for an impossible length field and
    /// [`FrameError::Endless`] for a plain message without end; the buffer is emptied.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let length = match self.framing {
            Framing::Encrypted => self.encrypted_length(),
            Framing::EncryptedOrError if self.is_plain_error() => Ok(Some(ERROR_REPORT_LEN)),
            Framing::EncryptedOrError => self.encrypted_length(),
            Framing::Plain => self.plain_length(),
        };
        match length {
            Ok(Some(length)) => {
                let rest = self.buffer.split_off(length);
                Ok(Some(core::mem::replace(&mut self.buffer, rest)))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.buffer.clear();
                Err(error)
            }
        }
    }

    fn is_plain_error(&self) -> bool {
        self.buffer
            .get(..ERROR_REPORT_LEN)
            .and_then(|bytes| decode_plain(bytes).ok())
            .is_some_and(|message| message.command == Command::ErrorReport)
    }

    fn encrypted_length(&self) -> Result<Option<usize>, FrameError> {
        if self.buffer.len() < HEADER_LEN {
            return Ok(None);
        }
        let total = HEADER_LEN + decode_header(&self.buffer)?.length;
        Ok((self.buffer.len() >= total).then_some(total))
    }

    fn plain_length(&self) -> Result<Option<usize>, FrameError> {
        let Some(id) = self.buffer.first_chunk::<2>() else { return Ok(None) };
        let fixed = match Command::from_id(u16::from_le_bytes(*id)) {
            Command::PublicKey | Command::Challenge => Some(36),
            Command::AuthorizationId => Some(88),
            Command::Status | Command::AuthorizationInfo => Some(5),
            Command::ErrorReport => Some(ERROR_REPORT_LEN),
            _ => None,
        };
        match fixed {
            Some(length) => Ok((self.buffer.len() >= length).then_some(length)),
            None if decode_plain(&self.buffer).is_ok() => Ok(Some(self.buffer.len())),
            None if self.buffer.len() > MAX_PLAIN => Err(FrameError::Endless { actual: self.buffer.len() }),
            None => Ok(None),
        }
    }
}
