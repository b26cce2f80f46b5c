//! What an event of kind `retention` or `erasure` says, so that `verify` can tell what was recorded from what was not.

use std::fmt::{self, Display};

use super::chain::{ChainHead, Digest, Hex, IdDigest, parse_digest};

/// The content of `detail`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// For people; never about a person.
    pub(super) words: String,
    /// How many events were removed or erased.
    pub(super) count: u64,
    /// The last one of them.
    pub(super) last: i64,
    /// Over their numbers.
    pub(super) digest: Digest,
    /// Where the chain begins since then, if this moved it.
    pub(super) start: Option<ChainHead>,
}

impl Record {
    pub(super) fn new(words: String, ids: &IdDigest, start: Option<ChainHead>) -> Self {
        Self { words, count: ids.count, last: ids.last, digest: ids.digest(), start }
    }

    pub(super) fn parse(detail: &str) -> Option<Self> {
        let (words, facts) = detail.strip_suffix(']')?.rsplit_once(" [")?;
        let mut facts = facts.split(' ');
        let record = Self {
            words: words.to_owned(),
            count: facts.next()?.strip_prefix("count=")?.parse().ok()?,
            last: facts.next()?.strip_prefix("last=")?.parse().ok()?,
            digest: parse_digest(facts.next()?.strip_prefix("digest=")?)?,
            start: match facts.next() {
                Some(fact) => Some(fact.strip_prefix("start=")?.parse().ok()?),
                None => None,
            },
        };
        facts.next().is_none().then_some(record)
    }
}

impl Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { words, count, last, digest, start } = self;
        write!(f, "{words} [count={count} last={last} digest={}", Hex(digest))?;
        if let Some(start) = start {
            write!(f, " start={start}")?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_half_a_record_is_none() {
        let mut ids = IdDigest::default();
        ids.add(3);
        ids.add(9);
        let plain = Record::new("2 events were removed [door: 30 days]".to_owned(), &ids, None);
        let moved = Record { start: Some(ChainHead { id: 9, hash: [7; 32] }), ..plain.clone() };
        for record in [plain, moved] {
            let text = record.to_string();
            assert_eq!(Record::parse(&text), Some(record));
            assert_eq!(Record::parse(text.strip_suffix(']').unwrap()), None);
            assert_eq!(Record::parse(&text.replace(']', " more]")), None);
        }
        assert_eq!(Record::parse("3 log entries are missing"), None);
    }
}
