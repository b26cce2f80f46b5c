//! The lock's clock beside the host's, and setting it; the PIN that this needs.

use std::time::Duration;

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::actor::Actor;
use super::handle::GatewayError;
use super::health::{ClockHealth, note};
use crate::clock::UnixMillis;
use crate::protocol::crypto::Pin;
use crate::protocol::state::KeyturnerStates;
use crate::session::{ClockNotSet, Input, LogAccess, PinTries, clock_skew, clock_verdict};
use crate::store::{LockClock, StoreError, StoredClock};

/// So many may wait for the clock to be set.
const MAX_SETTERS: usize = 4;
/// A clock that moved less than this beside ours is not written down anew, milliseconds: each visit would write.
const NEWS: u64 = 2_000;
/// But after this it is.
const STALE: Duration = Duration::from_secs(60 * 60);

/// Somebody who wants the clock set.
pub(super) struct ClockWaiter {
    /// The lock took it; what it shows now is the answer.
    is_set: bool,
    reply: oneshot::Sender<Result<ClockHealth, GatewayError>>,
}

impl ClockHealth {
    pub(super) const fn new(seen: StoredClock) -> Self {
        let LockClock { skew, zone_offset } = seen.clock;
        let verdict = clock_verdict(skew, zone_offset);
        Self {
            read_at: seen.read_at,
            device_time: seen.device_time,
            skew,
            zone_offset,
            is_local_time: verdict.is_local_time,
            should_be_set: verdict.should_be_set,
        }
    }
}

impl Actor<'_> {
    /// Every state that arrives shows the lock's clock.
    pub(super) async fn read_clock(&mut self, states: KeyturnerStates, at: UnixMillis) -> Result<(), StoreError> {
        let zone_offset = states.timezone_offset;
        self.clock = clock_skew(states.current_time, at.0).map(|skew| LockClock { skew, zone_offset });
        let seen = states.current_time.zip(self.clock);
        let seen = seen.map(|(device_time, clock)| StoredClock { read_at: at, device_time, clock });
        let clock = seen.map(ClockHealth::new);
        let mut before = None;
        note(&self.wiring.shared, self.lock, |known| {
            known.last_state_read = Some(at);
            known.is_authorized = true;
            before = core::mem::replace(&mut known.clock, clock);
        });
        let (Some(seen), Some(clock)) = (seen, clock) else { return Ok(()) };
        self.answer_clock_setters(clock);
        if clock.should_be_set && !before.is_some_and(|before| before.should_be_set) {
            warn!(lock = %self.lock.label(), skew_ms = clock.skew, "the lock's clock is wrong; `keyturner clock --set` corrects it");
        }
        if clock.is_local_time && !before.is_some_and(|before| before.is_local_time) {
            info!(lock = %self.lock.label(), zone_offset = clock.zone_offset, "the lock's clock shows local time");
        }
        let is_news = self.clock_stored.is_none_or(|stored| {
            stored.clock.skew.abs_diff(clock.skew) >= NEWS
                || stored.clock.zone_offset != clock.zone_offset
                || at.since(stored.read_at) >= STALE
        });
        if is_news {
            self.tools.store.note_clock(self.lock.nuki_id, seen).await?;
            self.clock_stored = Some(seen);
        }
        Ok(())
    }

    pub(super) fn on_set_clock(&mut self, reply: oneshot::Sender<Result<ClockHealth, GatewayError>>, now: Duration) {
        if self.clock_setters.len() >= MAX_SETTERS {
            reply.send(Err(GatewayError::QueueFull)).ok();
            return;
        }
        self.clock_setters.push(ClockWaiter { is_set: false, reply });
        // A lock on local time was set so by somebody, and its time limits follow it.
        let known = self.clock.or(self.clock_stored.map(|stored| stored.clock));
        let verdict = known.map(|clock| (clock, clock_verdict(clock.skew, clock.zone_offset)));
        let zone = match verdict {
            Some((clock, verdict)) if verdict.is_local_time => i64::from(clock.zone_offset) * 60_000,
            _ => 0,
        };
        let mono = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let at_zero = self.tools.clock.wall().0.saturating_add(zone).saturating_sub(mono);
        self.session.handle(Input::SetClock { at_zero }, now);
    }

    pub(super) fn on_clock_set(&mut self, result: Result<(), ClockNotSet>) {
        let error = match result {
            Ok(()) => {
                info!(lock = %self.lock.label(), "the lock's clock was set, as the owner asked");
                self.clock_setters.iter_mut().for_each(|waiter| waiter.is_set = true);
                return;
            }
            Err(ClockNotSet::NoPin(LogAccess::PinMissing)) => GatewayError::NoPin("no PIN is known"),
            Err(ClockNotSet::NoPin(_)) => GatewayError::NoPin("the lock refused the PIN"),
            Err(ClockNotSet::Refused(code)) => GatewayError::Refused(code),
            Err(ClockNotSet::Unreachable) => GatewayError::Unreachable("it did not take the time in time".to_owned()),
        };
        warn!(lock = %self.lock.label(), %error, "the lock's clock was not set");
        self.refuse_clock_setters(&error);
    }

    fn answer_clock_setters(&mut self, clock: ClockHealth) {
        for waiter in self.clock_setters.extract_if(.., |waiter| waiter.is_set) {
            // Whoever asked may have hung up.
            waiter.reply.send(Ok(clock)).ok();
        }
    }

    pub(super) fn refuse_clock_setters(&mut self, error: &GatewayError) {
        for waiter in self.clock_setters.drain(..) {
            waiter.reply.send(Err(error.clone())).ok();
        }
    }

    /// On disk before anything else is done: a try that only memory counted would be made again after a restart.
    pub(super) async fn on_pin_tries(&mut self, tries: PinTries) -> Result<(), StoreError> {
        note(&self.wiring.shared, self.lock, |known| known.pin_refusals = tries.refused);
        if tries.is_over() {
            warn!(lock = %self.lock.label(), "no PIN is sent any more; set the right one with `keyturner pin`");
        }
        self.wiring.memory.unwritten_tries = Some(tries);
        self.tools.store.set_pin_tries(self.lock.nuki_id, tries).await?;
        self.wiring.memory.unwritten_tries = None;
        Ok(())
    }

    pub(super) async fn on_set_pin(&mut self, pin: Option<Pin>) -> Result<(), GatewayError> {
        let known = self.tools.store.lock_health(self.lock.nuki_id).await;
        let tries = known.map_err(|error| GatewayError::Storage(error.to_string()))?.pin_tries;
        info!(lock = %self.lock.label(), "the owner has set the PIN");
        note(&self.wiring.shared, self.lock, |known| known.pin_refusals = tries.refused);
        self.wiring.memory.new_pin = Some(pin);
        self.wiring.memory.unwritten_tries = None;
        self.session.handle(Input::NewPin { pin, tries }, self.now());
        Ok(())
    }
}
