//! One row of the chain after the other, compared with what it should be. No SQL and no IO.

use std::collections::BTreeMap;

use super::super::chain::{CONTENT_COLUMNS, ORIGIN};
use super::super::chain::{ChainHead, Digest, Hasher, IdDigest, PERSON_COLUMNS, SALT_LEN, Value, link};
use super::super::record::Record;
use super::report::{Fault, VerifyReport};
use crate::attribution::EventKind;

/// A row of `chain` and the event it belongs to.
pub(super) struct Row<'a> {
    pub(super) id: i64,
    pub(super) salt: Value<'a>,
    pub(super) person: Value<'a>,
    pub(super) content: Value<'a>,
    pub(super) hash: Value<'a>,
    pub(super) erased_by: Value<'a>,
    pub(super) removed_by: Value<'a>,
    pub(super) event: Option<EventValues<'a>>,
}

/// The columns of an event, in the order in which they are hashed.
pub(super) struct EventValues<'a> {
    pub(super) content: [Value<'a>; CONTENT_COLUMNS.len()],
    pub(super) person: [Value<'a>; PERSON_COLUMNS.len()],
}

impl EventValues<'_> {
    fn text(&self, index: usize) -> Option<&str> {
        match self.content.get(index)? {
            Value::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    fn is_erased(&self) -> bool {
        self.person.iter().all(|value| matches!(value, Value::Null | Value::Blob([])))
    }
}

/// Events that a later event must say were removed or erased.
struct Claimed {
    ids: IdDigest,
    first: i64,
}

/// An event whose hash does not follow. If the next one builds on `computed`, only the hash was changed.
struct Suspect {
    id: i64,
    computed: Digest,
}

/// What may be done to an event, each with a kind of record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Erased,
    Removed,
}

/// Walks along the chain.
pub(super) struct Checker {
    pub(super) report: VerifyReport,
    hasher: Hasher,
    /// What the next event builds on: the hash as stored.
    before: Digest,
    suspect: Option<Suspect>,
    claimed: BTreeMap<(Deed, i64), Claimed>,
    /// Where `kind` and `detail` stand.
    kind: usize,
    detail: usize,
    stated_start: Option<ChainHead>,
    heads: Vec<ChainHead>,
}

impl Checker {
    pub(super) fn new(start: ChainHead, heads: &[ChainHead]) -> Self {
        let report =
            VerifyReport { start, head: start, events: 0, removed: 0, erased: 0, faults: Vec::new(), fault_count: 0 };
        let mut checker = Self {
            report,
            hasher: Hasher::default(),
            before: start.hash,
            suspect: None,
            claimed: BTreeMap::new(),
            kind: index_of("kind"),
            detail: index_of("detail"),
            stated_start: None,
            heads: heads.to_vec(),
        };
        for head in heads.iter().filter(|head| head.id < start.id) {
            checker.report.add(Fault::HeadTooOld(*head));
        }
        checker.heads.retain(|head| head.id >= start.id);
        checker.compare_heads(start);
        checker
    }

    /// The next row, in ascending order of numbers.
    pub(super) fn row(&mut self, row: &Row<'_>) {
        if row.id <= self.report.start.id {
            return self.report.add(Fault::BeforeStart(row.id));
        }
        let expected = self.report.head.id + 1;
        let after_hole = row.id != expected;
        if after_hole {
            self.settle(false);
            self.report.add(Fault::Missing { from: expected, to: row.id - 1 });
        }
        self.report.head.id = row.id;
        let (Some(person), Some(hash)) = (digest(row.person), digest(row.hash)) else {
            self.settle(false);
            return self.report.add(Fault::Malformed(row.id));
        };
        let content = self.content(row);
        let computed_person = self.check_person(row, &person);
        match content {
            // What it builds on is gone.
            Some(_) if after_hole => {}
            Some(content) => self.check_link(row.id, &content, &[person, computed_person], &hash),
            None => self.settle(false),
        }
        self.before = hash;
        self.report.head.hash = hash;
        self.compare_heads(self.report.head);
        self.claim(row, Deed::Erased, row.erased_by);
        self.claim(row, Deed::Removed, row.removed_by);
        if let Some(event) = &row.event {
            self.report.events += 1;
            self.check_record(row.id, event);
        }
    }

    /// After the last row. `given` is the last number that SQLite gave to an event.
    pub(super) fn finish(mut self, given: Option<i64>) -> VerifyReport {
        self.settle(false);
        for ((_, by), claimed) in std::mem::take(&mut self.claimed) {
            self.report.add(Fault::Unrecorded { first: claimed.first, count: claimed.ids.count, by });
        }
        let start = self.report.start;
        if self.stated_start.unwrap_or(ChainHead { id: 0, hash: ORIGIN }) != start {
            self.report.add(Fault::Start);
        }
        let last = self.report.head.id;
        if given.unwrap_or(0) != last {
            self.report.add(Fault::Tail { given, last });
        }
        for head in std::mem::take(&mut self.heads) {
            self.report.add(Fault::Head(head));
        }
        self.report
    }

    /// The digest of the content: computed, or as it was left behind. `None` if it cannot be had, which is reported.
    fn content(&mut self, row: &Row<'_>) -> Option<Digest> {
        match (&row.event, row.removed_by) {
            (Some(event), Value::Null) if row.content == Value::Null => {
                Some(self.hasher.content(CONTENT_COLUMNS.into_iter().zip(event.content)))
            }
            (Some(_), Value::Integer(_)) => {
                self.report.add(Fault::StillThere(row.id));
                None
            }
            (None, Value::Integer(_)) => {
                let content = digest(row.content);
                if content.is_none() {
                    self.report.add(Fault::Malformed(row.id));
                }
                content
            }
            (None, Value::Null) => {
                self.report.add(Fault::NoEvent(row.id));
                None
            }
            _ => {
                self.report.add(Fault::Malformed(row.id));
                None
            }
        }
    }

    /// The digest that the person should have; the stored one if there is nothing to compute it from.
    fn check_person(&mut self, row: &Row<'_>, stored: &Digest) -> Digest {
        let is_gone = row.erased_by != Value::Null || row.removed_by != Value::Null;
        match (row.salt, &row.event) {
            (Value::Null, Some(event)) if is_gone && !event.is_erased() => self.report.add(Fault::NotErased(row.id)),
            (Value::Null, _) if is_gone => {}
            (Value::Blob(salt), Some(event)) if !is_gone && salt.len() == SALT_LEN => {
                let columns = PERSON_COLUMNS.into_iter().zip(event.person);
                let computed = self.hasher.person(salt, columns);
                if computed != *stored {
                    self.report.add(Fault::Person(row.id));
                }
                return computed;
            }
            // The missing event is reported already.
            (_, None) if !is_gone => {}
            _ => self.report.add(Fault::Malformed(row.id)),
        }
        *stored
    }

    /// `persons` are the stored and the computed digest: where they differ, that is reported already, and either may close the chain.
    fn check_link(&mut self, id: i64, content: &Digest, persons: &[Digest; 2], hash: &Digest) {
        let follows = |before: &Digest| persons.iter().any(|person| link(before, content, person) == *hash);
        let on_suspect = self.suspect.as_ref().is_some_and(|suspect| follows(&suspect.computed));
        let is_right = on_suspect || follows(&self.before);
        self.settle(on_suspect);
        if !is_right {
            self.suspect = Some(Suspect { id, computed: link(&self.before, content, &persons[0]) });
        }
    }

    /// Says what is wrong with the event before.
    fn settle(&mut self, only_its_hash: bool) {
        if let Some(Suspect { id, .. }) = self.suspect.take() {
            self.report.add(if only_its_hash { Fault::Link(id) } else { Fault::Content(id) });
        }
    }

    /// Notes that an event says `by` recorded what was done to it.
    fn claim(&mut self, row: &Row<'_>, deed: Deed, by: Value<'_>) {
        match by {
            Value::Null => {}
            Value::Integer(by) if by > row.id => {
                let claimed = self
                    .claimed
                    .entry((deed, by))
                    .or_insert_with(|| Claimed { ids: IdDigest::default(), first: row.id });
                claimed.ids.add(row.id);
                match deed {
                    Deed::Erased => self.report.erased += 1,
                    Deed::Removed => self.report.removed += 1,
                }
            }
            _ => self.report.add(Fault::Malformed(row.id)),
        }
    }

    /// If the event is a record, it must say exactly what was done.
    fn check_record(&mut self, id: i64, event: &EventValues<'_>) {
        let deed = match event.text(self.kind) {
            Some(kind) if kind == EventKind::Retention.name() => Deed::Removed,
            Some(kind) if kind == EventKind::Erasure.name() => Deed::Erased,
            _ => return,
        };
        let Some(record) = event.text(self.detail).and_then(Record::parse) else {
            return self.report.add(Fault::Record(id));
        };
        let is_true = match self.claimed.remove(&(deed, id)) {
            Some(Claimed { ids, .. }) => ids.count == record.count && ids.digest() == record.digest,
            // They went with the beginning of the chain, all together.
            None => record.count == 0 || record.last <= self.report.start.id,
        };
        if !is_true {
            self.report.add(Fault::Record(id));
        }
        if record.start.is_some() {
            self.stated_start = record.start;
        }
    }

    fn compare_heads(&mut self, head: ChainHead) {
        self.heads.retain(|kept| *kept != head);
    }
}

fn index_of(name: &str) -> usize {
    CONTENT_COLUMNS.iter().position(|column| *column == name).unwrap_or(CONTENT_COLUMNS.len())
}

fn digest(value: Value<'_>) -> Option<Digest> {
    match value {
        Value::Blob(bytes) => bytes.try_into().ok(),
        _ => None,
    }
}
