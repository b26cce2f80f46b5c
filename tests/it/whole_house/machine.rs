//! The computer that the gateway runs on: it can stop between any two steps, and its disk keeps what was synced.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use keyturner::store::SimDisk;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::support::dice::Dice;

/// Bytes 16 to 24 of a write-ahead log: its salts, which change when it begins anew.
const SALTS: std::ops::Range<usize> = 16..24;

/// How a machine stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// `kill -9`: what was written is in the page cache.
    Kill,
    /// The power is cut: what was not synced may be there in part.
    PowerCut,
}

/// What is on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    wal_len: u64,
    salts: Vec<u8>,
    file: Option<std::time::SystemTime>,
}

struct State {
    is_dead: bool,
    /// So many steps until it stops.
    left: Option<u64>,
    steps: u64,
    /// Each call of the store takes up to so long.
    slow: Duration,
    dice: Dice,
    before: Option<Mark>,
    /// What the call appended in whose midst it stopped.
    torn: Option<(u64, u64)>,
    /// Without syncs all since here would be lost.
    unsynced_from: Option<Mark>,
}

/// From one start to one end.
pub(crate) struct Machine {
    state: Mutex<State>,
    died: Notify,
    /// The store's calls come one by one, so that equal seeds have equal lives.
    turn: Arc<Semaphore>,
    database: PathBuf,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Machine")
    }
}

fn wal(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

impl Machine {
    pub(crate) fn new(database: &Path, dice: Dice) -> Arc<Self> {
        let state = State {
            is_dead: false,
            left: None,
            steps: 0,
            slow: Duration::ZERO,
            dice,
            before: None,
            torn: None,
            unsynced_from: None,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            died: Notify::new(),
            turn: Arc::new(Semaphore::new(1)),
            database: database.to_owned(),
        })
    }

    fn mark(&self) -> Mark {
        let log = wal(&self.database);
        let bytes = std::fs::metadata(&log).map_or(0, |data| data.len());
        let mut salts = vec![0; SALTS.end];
        let read = std::fs::File::open(&log).and_then(|mut file| std::io::Read::read(&mut file, &mut salts));
        salts.truncate(read.unwrap_or(0));
        let file = std::fs::metadata(&self.database).and_then(|data| data.modified()).ok();
        Mark { wal_len: bytes, salts, file }
    }

    /// While it is held, no call of the store is under way.
    pub(crate) async fn turn(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.turn).acquire_owned().await.unwrap()
    }

    /// Something is about to leave the machine or to reach its disk. Never returns once it has stopped.
    pub(crate) async fn step(&self) {
        if !self.count() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether it still runs.
    fn count(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        if state.is_dead {
            return false;
        }
        state.steps += 1;
        match &mut state.left {
            Some(0) => {
                state.is_dead = true;
                drop(state);
                self.died.notify_one();
                false
            }
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    /// It stops after so many steps; with `None` it does not.
    pub(crate) fn stop_after(&self, steps: Option<u64>) {
        self.state.lock().unwrap().left = steps;
    }

    /// Stops now.
    pub(crate) fn stop(&self) {
        self.state.lock().unwrap().is_dead = true;
        self.died.notify_one();
    }

    /// Whether it is to stop.
    pub(crate) fn is_doomed(&self) -> bool {
        self.state.lock().unwrap().left.is_some()
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state.lock().unwrap().is_dead
    }

    pub(crate) fn steps(&self) -> u64 {
        self.state.lock().unwrap().steps
    }

    pub(crate) async fn until_dead(&self) {
        while !self.is_dead() {
            self.died.notified().await;
        }
    }

    pub(crate) fn set_slow(&self, slow: Duration) {
        self.state.lock().unwrap().slow = slow;
    }

    /// What a start after this end finds on the disk, written to `to`.
    ///
    /// `is_lazy` is a disk that was never told to sync, as with `synchronous = NORMAL`: everything since the log began
    /// anew is gone. It is there to show that this would be noticed.
    pub(crate) async fn remains(&self, end: End, is_lazy: bool, to: &Path) {
        assert!(self.is_dead());
        // A call that was under way has reached the kernel; its caller is not told.
        let _turn = self.turn.acquire().await.unwrap();
        std::fs::copy(&self.database, to).unwrap();
        let mut log = std::fs::read(wal(&self.database)).unwrap_or_default();
        let mut state = self.state.lock().unwrap();
        if end == End::PowerCut
            && let Some((from, until)) = state.torn
        {
            let keep = state.dice.between(from, until);
            log.truncate(usize::try_from(keep).unwrap());
            // What was allocated and not written reads as anything.
            let rest = usize::try_from(until - keep).unwrap();
            if state.dice.chance(30) {
                log.resize(log.len() + rest, 0xA5);
            }
        }
        if is_lazy
            && end == End::PowerCut
            && let Some(mark) = &state.unsynced_from
        {
            log.truncate(usize::try_from(mark.wal_len).unwrap());
        }
        std::fs::write(wal(to), log).unwrap();
    }
}

impl SimDisk for Machine {
    fn before(&self) -> BoxFuture<'_, Box<dyn Send>> {
        Box::pin(async move {
            let turn = self.turn().await;
            let slow = {
                let mut state = self.state.lock().unwrap();
                let slow = u64::try_from(state.slow.as_millis()).unwrap();
                if slow > 0 { state.dice.between(1, slow) } else { 1 }
            };
            // Virtual time goes on when nobody has anything to do. So nothing runs beside SQLite's threads whose order with
            // them would be chance.
            tokio::time::sleep(Duration::from_millis(slow)).await;
            if !self.count() {
                drop(turn);
                std::future::pending::<()>().await;
                unreachable!("a stopped machine does nothing");
            }
            let mark = self.mark();
            let mut state = self.state.lock().unwrap();
            if state.unsynced_from.as_ref().is_none_or(|from| from.salts != mark.salts) {
                state.unsynced_from = Some(mark.clone());
            }
            state.before = Some(mark);
            let turn: Box<dyn Send> = Box::new(turn);
            turn
        })
    }

    fn after(&self) {
        let before = self.state.lock().unwrap().before.take();
        if self.count() || self.state.lock().unwrap().torn.is_some() {
            return;
        }
        let Some(before) = before else { return };
        let after = self.mark();
        // Where the log was moved into the file meanwhile, the file was synced.
        if before.salts == after.salts && before.file == after.file && before.wal_len < after.wal_len {
            self.state.lock().unwrap().torn = Some((before.wal_len, after.wal_len));
        }
    }
}
