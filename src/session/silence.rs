//! A bolt that moved, and a log that says nothing: perhaps it is another log.

/// An entry can follow its state by some moments, so one empty page says nothing yet.
const EMPTY_PAGES: u8 = 2;

/// Counts how often the log had nothing to say behind the cursor though the bolt had moved.
///
/// Behind a cursor that a cleared log has not reached again there is nothing to read, however much is written.
#[derive(Debug, Default)]
pub(super) struct Silence {
    is_owed: bool,
    empty: u8,
}

impl Silence {
    /// The bolt moved: something was written, or should have been.
    pub(super) fn bolt_moved(&mut self) {
        *self = Self { is_owed: true, empty: 0 };
    }

    /// The log was read to its end.
    pub(super) fn page_ended(&mut self, entries: usize) -> Verdict {
        if entries > 0 {
            *self = Self::default();
        }
        self.empty = self.empty.saturating_add(u8::from(self.is_owed));
        match self.empty {
            0 => Verdict::Well,
            1..EMPTY_PAGES => Verdict::Early,
            _ => {
                *self = Self::default();
                Verdict::Suspicious
            }
        }
    }
}

/// What a page says about the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is as it should be.
    Well,
    /// The entry may still come.
    Early,
    /// It is time to ask whether this is still the same log. Said once for each movement.
    Suspicious,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_log_is_asked_once_for_each_movement() {
        use Verdict::{Early, Suspicious, Well};
        let mut silence = Silence::default();
        let mut pages = |moves: bool, entries: &[usize]| {
            if moves {
                silence.bolt_moved();
            }
            entries.iter().map(|count| silence.page_ended(*count)).collect::<Vec<_>>()
        };
        assert_eq!(pages(false, &[0, 0]), [Well, Well], "nothing happened");
        assert_eq!(pages(true, &[0, 0, 0]), [Early, Suspicious, Well]);
        assert_eq!(pages(true, &[0, 3, 0]), [Early, Well, Well], "it spoke");
    }
}
