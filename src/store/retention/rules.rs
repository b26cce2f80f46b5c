//! How long what is kept, as the owner sets it.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::Deserialize;

use crate::attribution::EventKind;
use crate::clock::UnixMillis;

/// Events are kept at least a week: so long a clock that jumps must run before it is believed.
const LEAST_DAYS: u32 = 7;
/// Observations prove that the clock did not jump, so they are needed for longer.
const LEAST_DAYS_OF_OBSERVATIONS: u32 = 14;
/// Milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;
/// Longer is for ever.
const MOST_DAYS: u32 = 36_500;

/// How long something is kept after the gateway learned of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Keep {
    /// Always.
    Forever,
    /// So many days.
    Days(u32),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number of days or \"forever\"")]
enum Written {
    Days(u32),
    Word(String),
}

impl TryFrom<Written> for Keep {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Days(days @ LEAST_DAYS..=MOST_DAYS) => Ok(Self::Days(days)),
            Written::Word(word) if word == "forever" => Ok(Self::Forever),
            Written::Days(days) => {
                Err(format!("{days} is not from {LEAST_DAYS} to {MOST_DAYS} days; for longer write \"forever\""))
            }
            Written::Word(word) => Err(format!("{word:?} is neither a number of days nor \"forever\"")),
        }
    }
}

impl Keep {
    /// What was learned before this moment is due; `None` if nothing ever is.
    ///
    /// Whole days of UTC, so that runs with different rules end at the same
    /// events, and the chain finds places where it can begin anew.
    pub(super) fn cutoff(self, now: UnixMillis) -> Option<UnixMillis> {
        match self {
            Self::Forever => None,
            Self::Days(days) => Some(UnixMillis((now.0.div_euclid(DAY) - i64::from(days)) * DAY)),
        }
    }
}

impl Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::Days(days) => write!(f, "{days} days"),
        }
    }
}

/// The owner's rules, `[retention]` in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenRules")]
pub struct RetentionRules {
    /// Events of kinds that have no rule of their own, and intents that no event refers to.
    pub events: Keep,
    /// Events by kind ([`EventKind::name`]).
    pub kinds: BTreeMap<String, Keep>,
    /// States as they were read from the locks. The last one of each lock always stays.
    pub observations: Keep,
}

impl Default for RetentionRules {
    fn default() -> Self {
        Self { events: Keep::Forever, kinds: BTreeMap::new(), observations: Keep::Days(90) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRules {
    events: Option<Keep>,
    #[serde(default)]
    kinds: BTreeMap<String, Keep>,
    observations: Option<Keep>,
}

impl TryFrom<WrittenRules> for RetentionRules {
    type Error = String;

    fn try_from(written: WrittenRules) -> Result<Self, String> {
        let default = Self::default();
        let rules = Self {
            events: written.events.unwrap_or(default.events),
            kinds: written.kinds,
            observations: written.observations.unwrap_or(default.observations),
        };
        if let Some(kind) = rules.kinds.keys().find(|kind| !EventKind::NAMES.contains(&kind.as_str())) {
            return Err(format!("there is no kind of event {kind:?}; there are {}", EventKind::NAMES.join(", ")));
        }
        match rules.observations {
            Keep::Days(days) if days < LEAST_DAYS_OF_OBSERVATIONS => {
                Err(format!("observations are needed for at least {LEAST_DAYS_OF_OBSERVATIONS} days, not {days}"))
            }
            _ => Ok(rules),
        }
    }
}

/// Kinds of events that are kept equally long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group<'a> {
    pub(super) keep: Keep,
    pub(super) kinds: Vec<&'a str>,
    /// And every kind without a rule of its own.
    pub(super) others: bool,
}

impl RetentionRules {
    /// What can ever be due. A record is about one group, so it covers events that stand close together.
    pub(super) fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: BTreeMap<u32, Group<'_>> = BTreeMap::new();
        let all = self.kinds.iter().map(|(kind, keep)| (Some(kind.as_str()), *keep)).chain([(None, self.events)]);
        for (kind, keep) in all {
            let Keep::Days(days) = keep else { continue };
            let group = groups.entry(days).or_insert_with(|| Group { keep, kinds: Vec::new(), others: false });
            group.kinds.extend(kind);
            group.others |= kind.is_none();
        }
        groups.into_values().collect()
    }
}

impl Display for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kept {}: {}", self.keep, self.kinds.join(", "))?;
        match (self.others, self.kinds.is_empty()) {
            (false, _) => Ok(()),
            (true, false) => f.write_str(", others"),
            (true, true) => f.write_str("others"),
        }
    }
}
