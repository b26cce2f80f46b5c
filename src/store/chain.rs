//! The chain of hashes: what of an event is hashed, and how. No SQL and no IO.
//!
//! `docs/chain.md` describes the same for people who recompute it; neither may
//! change for events that are stored.

use std::fmt::{self, Display};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// A SHA-256.
pub(super) type Digest = [u8; 32];
/// Before the first event.
pub(super) const ORIGIN: Digest = [0; 32];
/// Bytes of a salt.
pub(super) const SALT_LEN: usize = 16;

/// The columns of `events` that are about a person, in the order of the table.
pub(super) const PERSON_COLUMNS: [&str; 6] = ["auth_id", "auth_name", "code_id", "code_name", "user_name", "raw"];

/// All others, in the order of the table. A new column goes to the end, and is null in rows that are older.
pub(super) const CONTENT_COLUMNS: [&str; 33] = [
    "id",
    "nuki_id",
    "log_epoch",
    "log_index",
    "refers_to",
    "kind",
    "kind_code",
    "at",
    "observed_at",
    "device_time",
    "action",
    "action_code",
    "trigger",
    "trigger_code",
    "completion",
    "completion_code",
    "state_before",
    "state_before_code",
    "state_after",
    "state_after_code",
    "auth_type",
    "auth_type_code",
    "method",
    "attribution",
    "reason",
    "auto_unlock",
    "presses",
    "backfilled",
    "intent_id",
    "detail",
    "refused",
    "zone_offset",
    "clock_skew",
];

/// A value as SQLite stores it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Integer(i64),
    /// Never written by us, but a flipped byte can make one.
    Real(f64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
}

/// Encodes and hashes; keeps its buffer between events.
#[derive(Debug, Default)]
pub(super) struct Hasher {
    buffer: Vec<u8>,
}

impl Hasher {
    /// The digest of what is about no person. Columns in the order of [`CONTENT_COLUMNS`].
    pub(super) fn content<'a>(&mut self, columns: impl Iterator<Item = (&'a str, Value<'a>)>) -> Digest {
        self.begin(b"keyturner content 1\n");
        self.columns(columns);
        self.digest()
    }

    /// The digest of what is about a person. Columns in the order of [`PERSON_COLUMNS`].
    ///
    /// Without the salt, which goes when the person is erased, nobody can try names against it.
    pub(super) fn person<'a>(&mut self, salt: &[u8], columns: impl Iterator<Item = (&'a str, Value<'a>)>) -> Digest {
        self.begin(b"keyturner person 1\n");
        self.buffer.extend_from_slice(salt);
        self.columns(columns);
        self.digest()
    }

    fn begin(&mut self, label: &[u8]) {
        self.buffer.clear();
        self.buffer.extend_from_slice(label);
    }

    /// Null is left out, so that a column which is added later changes no older digest.
    fn columns<'a>(&mut self, columns: impl Iterator<Item = (&'a str, Value<'a>)>) {
        for (name, value) in columns {
            match value {
                Value::Null => {}
                Value::Integer(number) => self.column(name, b'i', &number.to_be_bytes()),
                Value::Real(number) => self.column(name, b'r', &number.to_bits().to_be_bytes()),
                Value::Text(bytes) => self.column(name, b't', bytes),
                Value::Blob(bytes) => self.column(name, b'b', bytes),
            }
        }
    }

    /// The name up to a zero byte, the type, the length and the value, so that no two rows read the same.
    fn column(&mut self, name: &str, kind: u8, value: &[u8]) {
        self.buffer.extend_from_slice(name.as_bytes());
        self.buffer.extend_from_slice(&[0, kind]);
        self.buffer.extend_from_slice(&(value.len() as u64).to_be_bytes());
        self.buffer.extend_from_slice(value);
    }

    fn digest(&self) -> Digest {
        Sha256::digest(&self.buffer).into()
    }
}

/// The hash of an event: it closes over everything before.
pub(super) fn link(before: &Digest, content: &Digest, person: &Digest) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(before);
    hasher.update(content);
    hasher.update(person);
    hasher.finalize().into()
}

/// The digest over a set of events by their numbers, fed in ascending order.
#[derive(Debug, Clone, Default)]
pub(super) struct IdDigest {
    hasher: Sha256,
    /// How many were fed.
    pub(super) count: u64,
    /// The last one, which is the highest.
    pub(super) last: i64,
}

impl IdDigest {
    pub(super) fn add(&mut self, id: i64) {
        self.hasher.update(id.to_be_bytes());
        self.count += 1;
        self.last = id;
    }

    pub(super) fn digest(&self) -> Digest {
        self.hasher.clone().finalize().into()
    }
}

/// The end of the chain: whoever keeps it elsewhere can prove later that nothing before it was changed or cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// Number of the last event.
    pub id: i64,
    /// Its hash.
    pub hash: [u8; 32],
}

impl ChainHead {
    /// Its hash as 64 hex digits.
    #[must_use]
    pub fn hash_hex(&self) -> String {
        Hex(&self.hash).to_string()
    }
}

impl Display for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, Hex(&self.hash))
    }
}

/// It is no `ID:HASH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a head is the number of an event, a colon and 64 hex digits, as `event log head` in the journal shows it")]
pub struct NoChainHead;

impl FromStr for ChainHead {
    type Err = NoChainHead;

    fn from_str(text: &str) -> Result<Self, NoChainHead> {
        let (id, hash) = text.split_once(':').ok_or(NoChainHead)?;
        let id = id.parse().ok().filter(|id| *id >= 0).ok_or(NoChainHead)?;
        Ok(Self { id, hash: parse_digest(hash).ok_or(NoChainHead)? })
    }
}

/// Bytes as lower-case hex digits.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// 64 hex digits.
pub(super) fn parse_digest(text: &str) -> Option<Digest> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = ORIGIN;
    for (byte, index) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(text.get(index..index + 2)?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn content(columns: &[(&str, Value<'_>)]) -> Digest {
        Hasher::default().content(columns.iter().copied())
    }

    #[test]
    fn no_two_rows_have_one_encoding() {
        let rows: [&[(&str, Value<'_>)]; 9] = [
            &[],
            &[("a", Value::Integer(1))],
            &[("a", Value::Real(f64::from_bits(1)))],
            &[("a", Value::Text(b"\0\0\0\0\0\0\0\x01"))],
            &[("a", Value::Blob(b"\0\0\0\0\0\0\0\x01"))],
            &[("a", Value::Text(b""))],
            &[("a", Value::Text(b"x")), ("b", Value::Text(b"y"))],
            &[("a", Value::Text(b"xb\0t\0\0\0\0\0\0\0\x01y"))],
            &[("b", Value::Text(b"x")), ("a", Value::Text(b"y"))],
        ];
        let digests: std::collections::BTreeSet<Digest> = rows.iter().map(|row| content(row)).collect();
        assert_eq!(digests.len(), rows.len());
    }

    #[test]
    fn a_column_that_is_added_later_changes_no_older_digest() {
        let old = [("id", Value::Integer(7)), ("detail", Value::Text(b"x"))];
        let new = [("id", Value::Integer(7)), ("detail", Value::Text(b"x")), ("added", Value::Null)];
        assert_eq!(content(&old), content(&new));
    }

    #[test]
    fn a_head_reads_back_and_nothing_else_is_one() {
        let head = ChainHead { id: 42, hash: [0xAB; 32] };
        assert_eq!(head.to_string().parse(), Ok(head));
        let hash = "ab".repeat(32);
        for wrong in ["", "42", ":", &hash, &format!("x:{hash}"), &format!("-1:{hash}"), &format!("1:+{}", &hash[1..])]
        {
            assert_eq!(wrong.parse::<ChainHead>(), Err(NoChainHead), "{wrong}");
        }
    }
}
