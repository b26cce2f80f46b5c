//! What a client may do: kinds of requests, and at which locks. Values alone; nobody is asked here.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::protocol::LockAction;
use crate::protocol::beacon::NukiId;

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// States, devices, health.
    Read,
    /// Throwing the bolt.
    Lock,
    /// Pulling the bolt in, and opening the door.
    Unlock,
    /// Who was at the door: the event log and the people in it.
    History,
    /// Settings of locks and of the gateway.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] = [Self::Read, Self::Lock, Self::Unlock, Self::History, Self::Admin];

    /// Its name on the command line, in the secret store and in the description of the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::History => "history",
            Self::Admin => "admin",
        }
    }

    /// What an action needs, all of it.
    ///
    /// Lock 'n' go moves the bolt both ways, with or without the latch. What we
    /// do not know needs both as well. An Opener has other actions under the
    /// same numbers: 1 and 2 switch ring to open on and off, 3 opens, 4 and 5
    /// switch continuous mode on and off.
    #[must_use]
    pub const fn needed(action: LockAction, is_opener: bool) -> &'static [Self] {
        match (action, is_opener) {
            (LockAction::Unlock | LockAction::Unlatch, _) | (LockAction::LockNGo, true) => &[Self::Unlock],
            (LockAction::Lock, _) | (LockAction::FullLock, false) | (LockAction::LockNGoUnlatch, true) => &[Self::Lock],
            _ => &[Self::Lock, Self::Unlock],
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No scope has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected read, lock, unlock, history or admin")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.name() == text).ok_or(UnknownScope)
    }
}

/// What a client may do, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    scopes: BTreeSet<Scope>,
    /// `None` for every lock, those that will be paired later included.
    locks: Option<BTreeSet<NukiId>>,
}

impl Access {
    /// Everything, everywhere.
    #[must_use]
    pub fn full() -> Self {
        Self::new(Scope::ALL, None)
    }

    /// These kinds of requests at these locks; `None` for every lock.
    #[must_use]
    pub fn new(scopes: impl IntoIterator<Item = Scope>, locks: Option<BTreeSet<NukiId>>) -> Self {
        Self { scopes: scopes.into_iter().collect(), locks }
    }

    /// The same without one kind of requests.
    #[must_use]
    pub fn without(&self, scope: Scope) -> Self {
        Self::new(self.scopes().filter(|kept| *kept != scope), self.locks.clone())
    }

    /// The kinds of requests, in order.
    pub fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.scopes.iter().copied()
    }

    /// The locks; `None` for every lock.
    #[must_use]
    pub const fn locks(&self) -> Option<&BTreeSet<NukiId>> {
        self.locks.as_ref()
    }

    /// Whether it has the scope.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether it may have a device do this. That the device is within reach is another question.
    #[must_use]
    pub fn may_act(&self, action: LockAction, is_opener: bool) -> bool {
        Scope::needed(action, is_opener).iter().all(|scope| self.may(*scope))
    }

    /// Whether it may know of the lock at all.
    #[must_use]
    pub fn reaches(&self, nuki_id: NukiId) -> bool {
        self.locks.as_ref().is_none_or(|locks| locks.contains(&nuki_id))
    }

    /// Whether it may do everything everywhere, so that a token that may is nothing new to it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self == Self::full()
    }

    /// Whether it may change what concerns the gateway itself, and so every lock.
    #[must_use]
    pub fn may_manage(&self) -> bool {
        self.may(Scope::Admin) && self.locks.is_none()
    }

    /// Whether it may see what every subscriber of the Bridge API is told: who it was, at each lock.
    #[must_use]
    pub fn may_subscribe(&self) -> bool {
        self.may(Scope::Read) && self.may(Scope::History) && self.locks.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_needs_unlock_and_what_moves_both_ways_needs_both() {
        let only = |scope| Access::new([scope], None);
        let (lock, unlock) = (only(Scope::Lock), only(Scope::Unlock));
        let both = Access::new([Scope::Lock, Scope::Unlock], None);
        for action in [LockAction::Unlock, LockAction::Unlatch] {
            assert!(unlock.may_act(action, false) && !lock.may_act(action, false), "{action}");
        }
        for action in [LockAction::Lock, LockAction::FullLock] {
            assert!(lock.may_act(action, false) && !unlock.may_act(action, false), "{action}");
        }
        for action in [LockAction::LockNGo, LockAction::LockNGoUnlatch, LockAction::Unknown(0x33)] {
            assert!(!lock.may_act(action, false) && !unlock.may_act(action, false) && both.may_act(action, false));
        }
    }

    #[test]
    fn an_opener_has_other_actions_under_the_same_numbers() {
        let unlock = Access::new([Scope::Unlock], None);
        let may = |code| unlock.may_act(LockAction::from_code(code), true);
        assert_eq!([1, 2, 3, 4, 5].map(may), [true, false, true, true, false]);
    }

    #[test]
    fn what_concerns_every_lock_needs_every_lock() {
        assert!(Access::full().is_full() && Access::full().may_manage());
        let here = Access::new(Scope::ALL, Some(BTreeSet::from([1])));
        assert!(!here.is_full() && !here.may_manage() && here.may(Scope::Admin));
        let admin = Access::new([Scope::Admin], None);
        assert!(admin.may_manage() && !admin.is_full(), "no scope implies another");
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for scope in Scope::ALL {
            assert_eq!(scope.name().parse(), Ok(scope));
        }
        assert_eq!("Read".parse::<Scope>(), Err(UnknownScope));
    }
}
