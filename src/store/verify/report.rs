//! What a look along the chain found, in words.

use std::fmt::{self, Display};

use super::super::chain::ChainHead;

/// So many faults are kept one by one; the rest is counted.
pub(super) const FAULTS_KEPT: usize = 20;

/// The result of [`verify`](super::verify).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Where the chain begins; everything up to it was removed by retention.
    pub start: ChainHead,
    /// Where it ends.
    pub head: ChainHead,
    /// Events whose every column was checked.
    pub events: u64,
    /// Events of which a record says that retention removed them, and that still close the chain.
    pub removed: u64,
    /// Events of which a record says that their person was erased.
    pub erased: u64,
    /// What is wrong, first things first; not more than twenty.
    pub faults: Vec<Fault>,
    /// How many faults there are, kept or not.
    pub fault_count: u64,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_intact(&self) -> bool {
        self.fault_count == 0
    }

    pub(super) fn add(&mut self, fault: Fault) {
        self.fault_count += 1;
        if self.faults.len() < FAULTS_KEPT {
            self.faults.push(fault);
        }
    }
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A column that is about no person was changed.
    Content(i64),
    /// A column that is about the person, or its salt or digest, was changed.
    Person(i64),
    /// Its hash was changed, or what it builds on.
    Link(i64),
    /// Its row in `chain` is none that Keyturner writes.
    Malformed(i64),
    /// Events are gone, with their links.
    Missing {
        /// The first one.
        from: i64,
        /// The last one.
        to: i64,
    },
    /// The chain knows it, `events` does not, and nobody recorded a removal.
    NoEvent(i64),
    /// So many events stand in `events` that the chain does not know; the first one.
    NoLink {
        /// How many.
        count: i64,
        /// The first one.
        first: i64,
    },
    /// It stands before the beginning of the chain.
    BeforeStart(i64),
    /// It counts as removed and is still there.
    StillThere(i64),
    /// It counts as erased and still has a person.
    NotErased(i64),
    /// No record says that these were removed or erased.
    Unrecorded {
        /// The first one.
        first: i64,
        /// How many.
        count: u64,
        /// Which event should say so.
        by: i64,
    },
    /// The record and what it is about differ.
    Record(i64),
    /// The beginning of the chain is not where the last record says.
    Start,
    /// More events were written than there are: the end is cut off, or the counter was changed.
    Tail {
        /// The last number that was given; `None` if the counter is gone.
        given: Option<i64>,
        /// The last number that is there.
        last: i64,
    },
    /// A head that was kept elsewhere does not fit.
    Head(ChainHead),
    /// A head that was kept elsewhere is older than the beginning of the chain, so it proves nothing any more.
    HeadTooOld(ChainHead),
    /// The file itself is damaged.
    File(String),
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(id) => write!(f, "event {id}: a column that is about no person was changed (content)"),
            Self::Person(id) => write!(f, "event {id}: a column that is about the person was changed (person)"),
            Self::Link(id) => write!(f, "event {id}: its hash does not follow from the events before it (link)"),
            Self::Malformed(id) => write!(f, "event {id}: its row in `chain` is none that keyturner writes (link)"),
            Self::Missing { from, to } if from == to => write!(f, "event {from}: it is gone, and so is its link"),
            Self::Missing { from, to } => write!(f, "events {from} to {to}: they are gone, and so are their links"),
            Self::NoEvent(id) => write!(f, "event {id}: it is gone, and no removal is recorded"),
            Self::NoLink { count: 1, first } => {
                write!(f, "event {first}: it was slipped in, the chain does not know it")
            }
            Self::NoLink { count, first } => {
                write!(f, "event {first} and {} more: they were slipped in, the chain does not know them", count - 1)
            }
            Self::BeforeStart(id) => write!(f, "event {id}: it stands before the beginning of the chain"),
            Self::StillThere(id) => write!(f, "event {id}: it counts as removed and is still there"),
            Self::NotErased(id) => write!(f, "event {id}: its person counts as erased and is still there (person)"),
            Self::Unrecorded { first, count, by } => {
                write!(
                    f,
                    "event {first}, {count} in all: event {by} should record their removal or erasure, and does not"
                )
            }
            Self::Record(id) => write!(f, "event {id}: what it records is not what was removed or erased"),
            Self::Start => f.write_str("the chain begins where no record says that it does"),
            Self::Tail { given: Some(given), last } => {
                write!(
                    f,
                    "the log ends with event {last}, but {given} were written: its end is cut off, or the counter was changed"
                )
            }
            Self::Tail { given: None, last } => {
                write!(f, "the log ends with event {last}, and the counter of events is gone")
            }
            Self::Head(head) => write!(f, "head {head}: the log does not have this event with this hash"),
            Self::HeadTooOld(head) => {
                write!(f, "head {head}: retention removed everything up to it, so it proves nothing; give a newer one")
            }
            Self::File(reason) => write!(f, "the file: {reason}"),
        }
    }
}
