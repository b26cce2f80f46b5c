//! Whoever guesses has to wait, longer each time, and nobody waits for somebody else's guesses.
//!
//! Time is an argument. What is remembered is bounded, so a flood of addresses
//! costs no more memory than a busy house.

use std::collections::BTreeMap;
use std::time::Duration;

use super::network::Network;

/// Wrong tries that cost nothing: a client with an old token, some typing.
const FREE: u32 = 20;
/// The first delay; each further try doubles it.
const FIRST: Duration = Duration::from_secs(1);
/// No delay is longer.
const LONGEST: Duration = Duration::from_secs(300);
/// Whoever tries nothing for so long begins anew.
const FORGIVEN: Duration = Duration::from_secs(1_800);
/// Culprits that are remembered; of more, those that were quiet longest are forgotten.
const MAX_CULPRITS: usize = 4_096;
/// Clients that are known to live at an address.
const MAX_KNOWN: usize = 1_024;

/// Who waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Culprit {
    /// Whoever guesses there.
    Stranger(Network),
    /// Whoever repeats used credentials of this token there. Others at that address, and the token elsewhere, go on.
    Repeater(Network, String),
}

/// What was tried, if it can be told from other guesses: a client that does not know better repeats the same one.
pub(super) type Guess = [u8; 8];

#[derive(Debug)]
struct Record {
    failures: u32,
    last: Duration,
    until: Duration,
    guess: Option<Guess>,
}

/// Delays, by who caused them.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    records: BTreeMap<Culprit, Record>,
    /// When which token was last right at which address.
    known: BTreeMap<(Network, String), Duration>,
}

impl Throttle {
    /// How long the culprit still has to wait; `None` if it need not.
    pub(super) fn wait(&self, culprit: &Culprit, now: Duration) -> Option<Duration> {
        let left = self.records.get(culprit)?.until.saturating_sub(now);
        (!left.is_zero()).then_some(left)
    }

    /// Whether this token was right at this address before, so that its client does not wait for the guesses of others there.
    pub(super) fn knows(&self, network: Network, token: &str) -> bool {
        self.known.contains_key(&(network, token.to_owned()))
    }

    /// A token was right at this address.
    pub(super) fn passed(&mut self, network: Network, token: &str, now: Duration) {
        self.known.insert((network, token.to_owned()), now);
        shed(&mut self.known, MAX_KNOWN, |last| *last);
    }

    /// A try that was wrong, outside of any delay.
    pub(super) fn failed(&mut self, culprit: Culprit, guess: Option<Guess>, now: Duration) {
        let record = self.records.entry(culprit).or_insert(Record { failures: 0, last: now, until: now, guess: None });
        if now.saturating_sub(record.last) > FORGIVEN {
            record.failures = 0;
        }
        record.last = now;
        // The same again is nothing learned.
        if guess.is_some() && guess == record.guess {
            return;
        }
        record.guess = guess;
        record.failures = record.failures.saturating_add(1);
        if let Some(doublings) = record.failures.checked_sub(FREE + 1) {
            let delay = FIRST.saturating_mul(2_u32.saturating_pow(doublings));
            record.until = now + delay.min(LONGEST);
        }
        shed(&mut self.records, MAX_CULPRITS, |record| record.last);
    }
}

/// Forgets the oldest quarter of what is too much, so that a flood pays for the search once in a while only.
fn shed<K: Ord, V>(map: &mut BTreeMap<K, V>, most: usize, last: impl Fn(&V) -> Duration) {
    if map.len() <= most {
        return;
    }
    let mut times: Vec<Duration> = map.values().map(&last).collect();
    let (_, newest_to_go, _) = times.select_nth_unstable(most / 4);
    let newest_to_go = *newest_to_go;
    map.retain(|_, value| last(value) > newest_to_go);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn network(n: u32) -> Network {
        Network::of(IpAddr::from(n.to_be_bytes()))
    }

    fn guess(n: u32) -> Option<Guess> {
        Some(u64::from(n).to_be_bytes())
    }

    /// Tries as fast as it is let for so long; gives how often.
    fn guesses(throttle: &mut Throttle, at: u32, time: Duration) -> u32 {
        let (mut now, mut tries) = (Duration::ZERO, 0);
        let culprit = Culprit::Stranger(network(at));
        while now < time {
            match throttle.wait(&culprit, now) {
                Some(wait) => now += wait,
                None => {
                    tries += 1;
                    throttle.failed(culprit.clone(), guess(tries), now);
                }
            }
        }
        tries
    }

    #[test]
    fn a_day_of_guessing_is_worth_a_few_hundred_tries() {
        let tries = guesses(&mut Throttle::default(), 1, Duration::from_secs(86_400));
        assert!((100..400).contains(&tries), "{tries}");
    }

    #[test]
    fn delays_double_up_to_an_end_and_are_forgiven_after_quiet() {
        let mut throttle = Throttle::default();
        let culprit = Culprit::Stranger(network(1));
        for n in 0..FREE {
            throttle.failed(culprit.clone(), guess(n), Duration::ZERO);
            assert_eq!(throttle.wait(&culprit, Duration::ZERO), None);
        }
        let mut now = Duration::ZERO;
        for (n, seconds) in (100..).zip([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]) {
            throttle.failed(culprit.clone(), guess(n), now);
            let wait = throttle.wait(&culprit, now).unwrap();
            assert_eq!(wait, Duration::from_secs(seconds));
            now += wait;
        }
        now += FORGIVEN + Duration::from_secs(1);
        throttle.failed(culprit.clone(), guess(999), now);
        assert_eq!(throttle.wait(&culprit, now), None);
    }

    #[test]
    fn a_client_that_repeats_an_old_token_never_waits() {
        let mut throttle = Throttle::default();
        let culprit = Culprit::Stranger(network(1));
        for n in 0..10_000 {
            throttle.failed(culprit.clone(), guess(7), Duration::from_secs(n));
            assert_eq!(throttle.wait(&culprit, Duration::from_secs(n)), None);
        }
    }

    #[test]
    fn a_flood_of_addresses_is_forgotten_in_order_and_costs_no_more_memory() {
        let mut throttle = Throttle::default();
        for n in 0..3 * u32::try_from(MAX_CULPRITS).unwrap() {
            throttle.failed(Culprit::Stranger(network(n)), guess(n), Duration::from_millis(u64::from(n)));
            throttle.passed(network(n), "t", Duration::from_millis(u64::from(n)));
        }
        assert!((MAX_CULPRITS / 2..=MAX_CULPRITS).contains(&throttle.records.len()), "{}", throttle.records.len());
        assert!((MAX_KNOWN / 2..=MAX_KNOWN).contains(&throttle.known.len()), "{}", throttle.known.len());
        assert!(!throttle.knows(network(0), "t"));
        assert!(throttle.knows(network(3 * u32::try_from(MAX_CULPRITS).unwrap() - 1), "t"));
    }
}
