//! What single-use credentials were used already.

use std::collections::BTreeSet;

use crate::store::UsedCredentials;

/// A credential that was accepted once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Used {
    /// A hashed one: whose token, and its random number.
    Hashed {
        /// Name of the token.
        token: String,
        /// `rnr`.
        rnr: u16,
    },
    /// An encrypted one: digest over nonce and ciphertext, so that every entry has the same size.
    Encrypted([u8; 32]),
}

impl Used {
    /// As bytes that tell every two of them apart.
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Hashed { token, rnr } => [&[0], &rnr.to_be_bytes()[..], token.as_bytes()].concat(),
            Self::Encrypted(digest) => [&[1], &digest[..]].concat(),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0, high, low, token @ ..] => {
                let token = String::from_utf8(token.to_vec()).ok()?;
                Some(Self::Hashed { token, rnr: u16::from_be_bytes([*high, *low]) })
            }
            [1, digest @ ..] => digest.try_into().ok().map(Self::Encrypted),
            _ => None,
        }
    }
}

/// Remembers accepted credentials by the second they carry.
///
/// Whatever is forgotten, by age or because there is no room, moves `floor` to
/// its second, and nothing at or before `floor` is fresh. So neither a flood
/// nor a clock that is set back makes a used credential good again.
#[derive(Debug)]
pub(super) struct ReplayMemory {
    used: BTreeSet<(i64, Used)>,
    floor: i64,
    capacity: usize,
}

impl ReplayMemory {
    /// `floor`: the last second whose credentials are refused from the start.
    pub(super) const fn new(floor: i64, capacity: usize) -> Self {
        Self { used: BTreeSet::new(), floor, capacity }
    }

    /// The memory of a process that has stopped; `None` if it is not understood as a whole.
    pub(super) fn resume(kept: &UsedCredentials, capacity: usize) -> Option<Self> {
        let entry = |(second, bytes): &(i64, Vec<u8>)| Some((*second, Used::from_bytes(bytes)?));
        let used = kept.used.iter().map(entry).collect::<Option<BTreeSet<_>>>()?;
        Some(Self { used, floor: kept.floor, capacity })
    }

    /// Hands everything over, and takes nothing for fresh from now on.
    pub(super) fn close(&mut self) -> UsedCredentials {
        let used = std::mem::take(&mut self.used);
        let floor = std::mem::replace(&mut self.floor, i64::MAX);
        UsedCredentials { floor, used: used.into_iter().map(|(second, used)| (second, used.to_bytes())).collect() }
    }

    /// The last second whose credentials are refused whatever they are.
    pub(super) const fn floor(&self) -> i64 {
        self.floor
    }

    /// Forgets what carries a second before `horizon`.
    pub(super) fn forget_before(&mut self, horizon: i64) {
        while self.used.first().is_some_and(|(second, _)| *second < horizon) {
            self.forget_oldest();
        }
    }

    /// Marks a credential as used; `false` if it was used before or is too old to tell.
    pub(super) fn use_once(&mut self, second: i64, used: Used) -> bool {
        if second <= self.floor || !self.used.insert((second, used)) {
            return false;
        }
        while self.used.len() > self.capacity {
            self.forget_oldest();
        }
        true
    }

    fn forget_oldest(&mut self) {
        if let Some((second, _)) = self.used.pop_first() {
            self.floor = self.floor.max(second);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(rnr: u16) -> Used {
        Used::Hashed { token: "hallway".to_owned(), rnr }
    }

    #[test]
    fn a_full_memory_stays_bounded_and_never_takes_one_twice() {
        let mut memory = ReplayMemory::new(0, 10);
        for second in 1..=1_000 {
            assert!(memory.use_once(second, used(1)));
            assert!(!memory.use_once(second, used(1)));
            assert!(memory.used.len() <= 10);
        }
        assert!((1..=1_000).all(|second| !memory.use_once(second, used(1))));
        assert!(memory.use_once(1_000, used(2)), "only what was forgotten closes its second");
    }

    #[test]
    fn a_clock_set_back_does_not_revive_what_was_forgotten() {
        let mut memory = ReplayMemory::new(0, 10);
        assert!(memory.use_once(100, used(1)));
        memory.forget_before(500);
        assert!(memory.used.is_empty());
        assert!(!memory.use_once(100, used(1)));
        assert!(memory.use_once(101, used(1)));
    }
}
