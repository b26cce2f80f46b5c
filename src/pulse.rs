//! Signs of life: which of the daemon's loops turn, and which one hangs.
//!
//! Every loop that the house depends on has a [`Pulse`]. It beats at each turn and says when it waits for work; a loop that
//! hangs in the midst of work falls silent. systemd's watchdog is fed only while none is silent. A loop that waits is not
//! woken to say so: of a dozen loops in a quiet house, that was most of what the processor did.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A loop that is silent for longer hangs. Everything that a loop does in one turn has a time limit of its own; the longest
/// turn tries one adapter after the other while bluetoothd does not answer (`transport::bluez`), and a computer may stall.
pub const ALIVE_WITHIN: Duration = Duration::from_secs(120);

/// What a loop does.
#[derive(Debug, Clone, Copy)]
enum Doing {
    /// It works, since then.
    Turning(Instant),
    /// It waits for work.
    Waiting,
}

#[derive(Debug)]
struct Beat {
    name: String,
    doing: Mutex<Doing>,
}

impl Beat {
    fn doing(&self) -> MutexGuard<'_, Doing> {
        // It is written whole.
        self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) {
        *self.doing() = Doing::Turning(Instant::now());
    }

    fn silence(&self) -> Option<Duration> {
        match *self.doing() {
            Doing::Turning(since) => Some(since.elapsed()),
            Doing::Waiting => None,
        }
    }
}

/// Until it is dropped, also where the wait is given up, its loop waits.
struct Wait<'a>(&'a Beat);

impl<'a> Wait<'a> {
    fn begin(beat: &'a Beat) -> Self {
        *beat.doing() = Doing::Waiting;
        Self(beat)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.0.turn();
    }
}

/// All loops of a daemon. To be cloned freely.
#[derive(Debug, Clone, Default)]
pub struct Pulses(Arc<Mutex<Vec<Arc<Beat>>>>);

/// A loop that hangs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    /// What it is called.
    pub name: String,
    /// How long it did not turn.
    pub since: Duration,
}

impl Pulses {
    /// The pulse of a loop that begins now.
    #[must_use]
    pub fn begin(&self, name: impl Into<String>) -> Pulse {
        let beat = Arc::new(Beat { name: name.into(), doing: Mutex::new(Doing::Turning(Instant::now())) });
        self.beats().push(Arc::clone(&beat));
        Pulse { beat, pulses: self.clone() }
    }

    /// The loop that is silent longest, if one is silent for longer than [`ALIVE_WITHIN`].
    #[must_use]
    pub fn silent(&self) -> Option<Silent> {
        let beats = self.beats();
        let silent = beats.iter().filter_map(|beat| beat.silence().map(|since| (beat, since)));
        let longest = silent.filter(|(_, since)| *since > ALIVE_WITHIN).max_by_key(|(_, since)| *since);
        longest.map(|(beat, since)| Silent { name: beat.name.clone(), since })
    }

    fn beats(&self) -> MutexGuard<'_, Vec<Arc<Beat>>> {
        // Entries come and go whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One loop's sign of life. A loop that ends in order drops it and is missed no longer; one that panics stays, and is silent.
#[derive(Debug)]
pub struct Pulse {
    beat: Arc<Beat>,
    pulses: Pulses,
}

impl Pulse {
    /// The loop turns.
    pub fn beat(&self) {
        self.beat.turn();
    }

    /// Waits for work, and is not silent meanwhile. `work` must be only waiting: what hangs in there is not noticed.
    pub async fn while_waiting<T>(&self, work: impl Future<Output = T>) -> T {
        let _wait = Wait::begin(&self.beat);
        work.await
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.pulses.beats().retain(|beat| !Arc::ptr_eq(beat, &self.beat));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    const LONG: Duration = Duration::from_hours(24);

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_waits_for_work_is_alive_and_one_that_hangs_in_it_is_named() {
        let pulses = Pulses::default();
        let (idle, busy) = (pulses.begin("idle"), pulses.begin("busy"));
        let turns = tokio::spawn(async move { idle.while_waiting(std::future::pending::<()>()).await });
        busy.while_waiting(sleep(LONG)).await;
        assert_eq!(pulses.silent(), None);
        sleep(ALIVE_WITHIN).await;
        assert_eq!(pulses.silent(), None, "it may be busy for so long");
        sleep(Duration::from_secs(1)).await;
        let silent = pulses.silent().unwrap();
        assert_eq!((silent.name.as_str(), silent.since), ("busy", ALIVE_WITHIN + Duration::from_secs(1)));
        busy.beat();
        assert_eq!(pulses.silent(), None, "it was only slow");
        turns.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_ends_in_order_is_missed_no_longer_and_one_that_panics_is() {
        let pulses = Pulses::default();
        drop(pulses.begin("ended"));
        sleep(LONG).await;
        assert_eq!(pulses.silent(), None);
        let pulse = pulses.begin("broken");
        tokio::spawn(async move {
            pulse.beat();
            panic!("as a defect would");
        })
        .await
        .unwrap_err();
        sleep(LONG).await;
        assert_eq!(pulses.silent().unwrap().name, "broken");
    }
}
