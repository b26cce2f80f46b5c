//! From a beacon to whoever was told: the moments in between, lock by lock.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::clock::UnixMillis;
use crate::protocol::beacon::NukiId;

/// So many tellings are remembered for whoever tells late.
const REMEMBERED: usize = 64;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Journeys {
    open: BTreeMap<NukiId, Journey>,
    /// Queued, the newest last.
    queued: VecDeque<Queued>,
}

#[derive(Debug, Clone, Copy)]
struct Journey {
    beacon: Duration,
    state: Option<Duration>,
    user: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Queued {
    at: UnixMillis,
    journey: Journey,
}

/// How long a telling took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// Since it was known who it was; `None` if that came too late for the telling.
    pub(super) since_user: Option<Duration>,
    pub(super) since_beacon: Duration,
}

impl Journeys {
    /// The first beacon of several counts.
    pub(super) fn beacon(&mut self, nuki_id: NukiId, now: Duration) {
        self.open.entry(nuki_id).or_insert(Journey { beacon: now, state: None, user: None });
    }

    /// How long the first state took.
    pub(super) fn state(&mut self, nuki_id: NukiId, now: Duration) -> Option<Duration> {
        let journey = self.open.get_mut(&nuki_id).filter(|journey| journey.state.is_none())?;
        journey.state = Some(now);
        Some(now.saturating_sub(journey.beacon))
    }

    /// How long the first answer to "who" took since the state.
    pub(super) fn user(&mut self, nuki_id: NukiId, now: Duration) -> Option<Duration> {
        let journey = self.open.get_mut(&nuki_id).filter(|journey| journey.user.is_none())?;
        journey.user = Some(now);
        journey.state.map(|state| now.saturating_sub(state))
    }

    /// What is to be told waits.
    pub(super) fn queued(&mut self, nuki_id: NukiId, at: UnixMillis) {
        let Some(journey) = self.open.get(&nuki_id).copied() else { return };
        if self.queued.len() >= REMEMBERED {
            self.queued.pop_front();
        }
        self.queued.push_back(Queued { at, journey });
    }

    /// What was queued then is told. Each receiver counts.
    pub(super) fn told(&self, queued_at: UnixMillis, now: Duration) -> Option<Told> {
        let queued = self.queued.iter().rev().find(|queued| queued.at == queued_at)?;
        let Journey { beacon, user, .. } = queued.journey;
        Some(Told { since_user: user.map(|user| now.saturating_sub(user)), since_beacon: now.saturating_sub(beacon) })
    }

    /// The link is ended; what comes next begins with a beacon of its own.
    pub(super) fn end(&mut self, nuki_id: NukiId) {
        self.open.remove(&nuki_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn each_leg_is_timed_once_and_the_whole_from_the_first_beacon() {
        let mut journeys = Journeys::default();
        assert_eq!(journeys.state(1, ms(5)), None, "nothing began it");
        journeys.beacon(1, ms(100));
        journeys.beacon(1, ms(300));
        assert_eq!(journeys.state(1, ms(400)), Some(ms(300)));
        assert_eq!(journeys.state(1, ms(900)), None);
        assert_eq!(journeys.user(1, ms(1_000)), Some(ms(600)));
        journeys.queued(1, UnixMillis(7));
        let told = Told { since_user: Some(ms(50)), since_beacon: ms(950) };
        assert_eq!(journeys.told(UnixMillis(7), ms(1_050)), Some(told));
        assert_eq!(journeys.told(UnixMillis(8), ms(1_050)), None);
        journeys.end(1);
        assert_eq!(journeys.state(1, ms(2_000)), None);
    }

    #[test]
    fn a_telling_without_its_user_is_timed_from_the_beacon_alone_and_old_ones_are_forgotten() {
        let mut journeys = Journeys::default();
        journeys.beacon(1, ms(0));
        for at in 0..100 {
            journeys.queued(1, UnixMillis(at));
        }
        assert_eq!(journeys.told(UnixMillis(99), ms(10)), Some(Told { since_user: None, since_beacon: ms(10) }));
        assert_eq!(journeys.told(UnixMillis(35), ms(10)), None);
    }
}
