//! Who held a number when an entry was written (`docs/adr/0014`).
//!
//! The rule has to be right or silent: a name counts only if everybody who can
//! have held the number then bears it.

use crate::protocol::datetime::DeviceTime;

/// A lock's clock is set by hours: zone, summer time, drift. So moments that are further apart came in their order.
const CLOCK_IS_SET_BY: i64 = 24 * 60 * 60;
/// An action is logged when it ends: at most so many seconds after somebody began it.
pub(super) const LOGGED_WITHIN: i64 = 120;
/// So many former holders of one number are told apart; with more, nobody is named.
const MAX_FORMER: usize = 16;

/// Where an entry stands, in the order of reading, to the last reading of people and codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Written after it: the log had been read to its end in between, and the entry was not there.
    After,
    /// Before it or after it.
    Either,
    /// After it, and the lock says that something has changed since; or there was no reading at all.
    Outdated,
}

/// Somebody or something that a number stands for.
pub(super) trait Holder {
    /// Made when, by the lock's clock.
    fn created(&self) -> Option<DeviceTime>;
}

/// Who holds a number, and who held it before the last reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tenure<T> {
    pub(super) now: Option<T>,
    /// Oldest first.
    pub(super) former: Vec<T>,
}

impl<T> Default for Tenure<T> {
    fn default() -> Self {
        Self { now: None, former: Vec::new() }
    }
}

impl<T: Holder> Tenure<T> {
    pub(super) fn add_former(&mut self, holder: T) {
        if self.former.len() <= MAX_FORMER {
            self.former.push(holder);
        }
    }

    /// Takes what a newer reading says; `true` if whoever held it does not any more.
    pub(super) fn renew(&mut self, now: Option<T>) -> bool
    where
        T: PartialEq,
    {
        if self.now == now {
            return false;
        }
        let before = core::mem::replace(&mut self.now, now);
        let has_gone = before.is_some();
        if let Some(before) = before {
            self.add_former(before);
        }
        has_gone
    }

    /// What everybody has in common who can have held the number when an entry of this `time` was written.
    pub(super) fn agreed<'a, A: PartialEq>(
        &'a self,
        time: Option<DeviceTime>,
        order: Order,
        what: impl Fn(&'a T) -> A,
    ) -> Option<A> {
        let time = time.and_then(DeviceTime::unix_seconds);
        match order {
            Order::Outdated => None,
            Order::After => self.now.as_ref().filter(|now| !self.has_just_got_it(*now, time)).map(what),
            Order::Either if self.former.len() > MAX_FORMER => None,
            Order::Either => {
                let possible: Vec<&T> = self.all().filter(|holder| self.is_possible(*holder, time)).collect();
                // One who may not have been there yet leaves room for somebody who was never read.
                let were_there = possible.iter().all(|holder| was_there(*holder, time));
                let mut said = possible.into_iter().map(what);
                let first = said.next().filter(|_| were_there)?;
                said.all(|other| other == first).then_some(first)
            }
        }
    }

    fn all(&self) -> impl Iterator<Item = &T> {
        self.former.iter().chain(&self.now)
    }

    /// Whether the one before may still have begun what was logged now.
    fn has_just_got_it(&self, now: &T, time: Option<i64>) -> bool {
        let others = self.former.iter().any(|former| former.created() != now.created());
        let is_long_ago = made(now).zip(time).is_some_and(|(created, time)| time - created > LOGGED_WITHIN);
        others && !is_long_ago
    }

    fn is_possible(&self, holder: &T, time: Option<i64>) -> bool {
        let (Some(time), Some(created)) = (time, made(holder)) else { return true };
        let is_too_new = created - time > CLOCK_IS_SET_BY;
        // Whoever was made later and had the number at that time had it from them.
        let is_gone =
            self.all().filter_map(made).any(|next| next - created > CLOCK_IS_SET_BY && time - next > CLOCK_IS_SET_BY);
        !is_too_new && !is_gone
    }
}

fn made<T: Holder>(holder: &T) -> Option<i64> {
    holder.created().and_then(DeviceTime::unix_seconds)
}

/// Nobody uses a code in the second in which it is made; but whoever had the number before may have.
fn was_there<T: Holder>(holder: &T, time: Option<i64>) -> bool {
    made(holder).is_none_or(|created| time.is_some_and(|time| created < time))
}
