//! What the gateway has done lately, for the Bridge API's `/log`: a diagnostic log of the bridge, never the door's.
//!
//! In memory only and bounded. It holds numbers of locks and names of actions;
//! no query, no credential, no person.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;

/// So many lines are kept; a quiet house fills them in a day.
pub const LINES_KEPT: usize = 1_000;

/// What was done, by the vendor's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// `/info` was answered.
    Info,
    /// `/list` was answered.
    List,
    /// `/log` was answered.
    Log,
    /// `/lockState` was asked for.
    LockState,
    /// An action was asked for.
    ActionStart,
    /// An action was accepted or done.
    ActionSuccess,
    /// A link was asked for.
    Connect,
    /// A link is up.
    Connected,
    /// A link could not be made.
    ConnectFailed,
    /// A link is ended by us.
    Disconnect,
    /// A link was lost.
    Disconnected,
}

impl Deed {
    /// As hardware bridges write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "HTTP-Info",
            Self::List => "HTTP-List",
            Self::Log => "HTTP-Log",
            Self::LockState => "HTTP-LockState",
            Self::ActionStart => "HTTP-LockActionStart",
            Self::ActionSuccess => "HTTP-LockActionSuccess",
            Self::Connect => "BLE-Connect",
            Self::Connected => "BLE-Connected",
            Self::ConnectFailed => "BLE-ConnectionTimeout",
            Self::Disconnect => "BLE-Disconnect",
            Self::Disconnected => "BLE-Disconnected",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When, by the host's clock.
    pub at: UnixMillis,
    /// What.
    pub deed: Deed,
    /// Which device it was about.
    pub nuki_id: Option<NukiId>,
    /// Name of the action it was about.
    pub action: Option<String>,
}

/// The last lines, to be cloned freely.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics(Arc<Mutex<VecDeque<Line>>>);

impl Diagnostics {
    /// Writes a line; the oldest one makes room.
    pub fn note(&self, line: Line) {
        let mut lines = self.lines();
        if lines.len() >= LINES_KEPT {
            lines.pop_back();
        }
        lines.push_front(line);
    }

    /// `count` of the lines that may be seen, newest first, after leaving out the `offset` newest of them.
    #[must_use]
    pub fn newest(&self, is_seen: impl Fn(&Line) -> bool, offset: usize, count: usize) -> Vec<Line> {
        self.lines().iter().filter(|line| is_seen(line)).skip(offset).take(count).cloned().collect()
    }

    /// Forgets every line.
    pub fn clear(&self) {
        self.lines().clear();
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<Line>> {
        // A panic cannot leave a line half written: lines come and go whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: usize) -> Line {
        let at = UnixMillis(i64::try_from(at).unwrap_or(i64::MAX));
        Line { at, deed: Deed::List, nuki_id: None, action: None }
    }

    #[test]
    fn the_newest_come_first_and_the_oldest_make_room() {
        let log = Diagnostics::default();
        for at in 0..LINES_KEPT + 5 {
            log.note(line(at));
        }
        assert_eq!(log.newest(|_| true, 1, 2), [line(LINES_KEPT + 3), line(LINES_KEPT + 2)]);
        let all = log.newest(|_| true, 0, usize::MAX);
        assert_eq!((all.len(), all.last()), (LINES_KEPT, Some(&line(5))));
        log.clear();
        assert!(log.newest(|_| true, 0, 1).is_empty());
    }
}
