//! What all simulated links share: the clock, the dice, who scans.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use tokio::sync::mpsc;

use super::{Sighting, SimSettings};
use crate::clock::Clock;
use crate::simlock::{LinkId, Moment};

#[derive(Debug)]
pub(super) struct Air {
    pub(super) clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    settings: SimSettings,
    dice: ChaCha20Rng,
    scanners: Vec<mpsc::Sender<Sighting>>,
    next_link: u32,
}

impl Air {
    pub(super) fn new(clock: Clock, settings: SimSettings, seed: [u8; 32]) -> Self {
        let dice = ChaCha20Rng::from_seed(seed);
        Self { clock, state: Mutex::new(State { settings, dice, scanners: Vec::new(), next_link: 1 }) }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment { mono: self.clock.monotonic(), unix_seconds: self.clock.wall().seconds() }
    }

    pub(super) fn settings(&self) -> SimSettings {
        self.state().settings
    }

    pub(super) fn configure(&self, change: impl FnOnce(&mut SimSettings)) {
        change(&mut self.state().settings);
    }

    pub(super) fn new_link(&self) -> LinkId {
        let mut state = self.state();
        let link = LinkId(state.next_link);
        state.next_link = state.next_link.wrapping_add(1);
        link
    }

    /// Throws the dice for one packet.
    pub(super) fn is_lost(&self) -> bool {
        let mut state = self.state();
        let thrown = f64::from(state.dice.next_u32()) / (f64::from(u32::MAX) + 1.0);
        thrown < state.settings.loss
    }

    /// A random part of `longest`.
    pub(super) fn random_part(&self, longest: Duration) -> Duration {
        let thrown = f64::from(self.state().dice.next_u32()) / f64::from(u32::MAX);
        longest.mul_f64(thrown)
    }

    pub(super) fn add_scanner(&self, scanner: mpsc::Sender<Sighting>) {
        self.state().scanners.push(scanner);
    }

    pub(super) fn end_scans(&self) {
        self.state().scanners.clear();
    }

    /// Everybody who scans sees it, unless their queue is full.
    pub(super) fn broadcast(&self, sighting: Sighting) {
        self.state().scanners.retain(|scanner| match scanner.try_send(sighting) {
            Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
