//! Which reads are due, and which of them the lock never answers.

/// A read that does not come to its end so often in a row is given up for a while:
/// a lock that cannot answer it must not be connected to for it again and again.
const TRIES: u8 = 3;

/// Something to be read, in the order in which it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// Keyturner States.
    States,
    /// Keypad codes.
    Codes,
    /// Authorizations. After the codes, so that both are fresh when they have come.
    Users,
    /// The log's newest index.
    Newest,
    /// The log behind the cursor.
    Log,
    /// The configuration.
    Config,
    /// The advanced configuration.
    AdvancedConfig,
    /// The battery report.
    Battery,
    /// How many authorizations there are.
    UserCount,
    /// How many keypad codes there are.
    CodeCount,
}

impl Read {
    pub(super) const ALL: [Self; 10] = [
        Self::States,
        Self::Codes,
        Self::Users,
        Self::Newest,
        Self::Log,
        Self::Config,
        Self::AdvancedConfig,
        Self::Battery,
        Self::UserCount,
        Self::CodeCount,
    ];

    pub(super) const fn needs_pin(self) -> bool {
        matches!(self, Self::Codes | Self::Users | Self::Newest | Self::Log | Self::UserCount | Self::CodeCount)
    }

    /// Whether somebody waits to be told what it says.
    pub(super) const fn is_news(self) -> bool {
        matches!(self, Self::States | Self::Newest | Self::Log)
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Wish {
    is_due: bool,
    /// Tries in a row that did not come to their end.
    stumbles: u8,
    given_up: bool,
}

/// The reads that are due.
#[derive(Debug, Default)]
pub(super) struct Due {
    wishes: [Wish; Read::ALL.len()],
}

impl Due {
    fn change<T: Default>(&mut self, read: Read, change: impl FnOnce(&mut Wish) -> T) -> T {
        self.wishes.get_mut(read as usize).map(change).unwrap_or_default()
    }

    pub(super) fn want(&mut self, read: Read) {
        self.change(read, |wish| {
            wish.is_due = true;
            wish.given_up = false;
        });
    }

    pub(super) fn is_due(&self, read: Read) -> bool {
        self.wishes.get(read as usize).is_some_and(|wish| wish.is_due)
    }

    pub(super) fn any(&self) -> bool {
        self.wishes.iter().any(|wish| wish.is_due)
    }

    /// Takes it if it is due.
    pub(super) fn take(&mut self, read: Read) -> bool {
        self.change(read, |wish| core::mem::take(&mut wish.is_due))
    }

    /// It came to its end.
    pub(super) fn succeeded(&mut self, read: Read) {
        self.change(read, |wish| wish.stumbles = 0);
    }

    /// It did not come to its end: due again, unless that has happened too often. True if it is given up now.
    pub(super) fn stumbled(&mut self, read: Read) -> bool {
        self.change(read, |wish| {
            wish.stumbles = wish.stumbles.saturating_add(1).min(TRIES);
            wish.given_up = wish.stumbles >= TRIES;
            wish.is_due = !wish.given_up;
            wish.given_up
        })
    }

    /// What was given up gets another try.
    pub(super) fn try_given_up_again(&mut self) {
        for wish in &mut self.wishes {
            wish.is_due |= core::mem::take(&mut wish.given_up);
        }
    }

    pub(super) fn forget(&mut self, is_void: impl Fn(Read) -> bool) {
        for read in Read::ALL.into_iter().filter(|read| is_void(*read)) {
            self.change(read, |wish| *wish = Wish::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_never_answered_is_given_up_until_somebody_asks_again() {
        let mut due = Due::default();
        due.want(Read::Config);
        for last in [false, false, true] {
            assert!(due.take(Read::Config));
            assert_eq!(due.stumbled(Read::Config), last);
        }
        assert!(!due.any());
        due.try_given_up_again();
        assert!(due.take(Read::Config), "one more try");
        assert!(due.stumbled(Read::Config), "and no second one");
        due.want(Read::Config);
        due.succeeded(Read::Config);
        assert!(due.take(Read::Config));
        assert!(!due.stumbled(Read::Config), "an answer in between starts the count anew");
    }
}
