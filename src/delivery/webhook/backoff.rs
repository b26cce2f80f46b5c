//! How long to wait after a failure: twice as long each time, and never the same for two receivers.

use std::time::Duration;

use rand_core::RngCore;

/// No wait is shorter.
const SHORTEST: Duration = Duration::from_secs(1);
/// No wait is longer, whatever a receiver asks for.
const LONGEST: Duration = Duration::from_mins(15);

/// The wait after so many failures in a row: between half of a bound and all of
/// it, where the bound begins at two seconds and doubles up to a quarter of an
/// hour. `retry_after` is what the receiver asked for.
pub(super) fn delay(failures: u32, retry_after: Option<Duration>, dice: &mut impl RngCore) -> Duration {
    let doublings = failures.clamp(1, 16);
    let half = LONGEST.min(SHORTEST * (1 << doublings)) / 2;
    let spread = u64::try_from(half.as_millis()).unwrap_or(0) + 1;
    let jitter = Duration::from_millis(dice.next_u64() % spread);
    (half + jitter).max(retry_after.unwrap_or_default()).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn waits_grow_from_a_second_to_a_quarter_of_an_hour_and_differ() {
        let mut dice = ChaCha20Rng::from_seed([7; 32]);
        for failures in 0..40 {
            let bound = (2_u64 << failures.clamp(1, 16) >> 1).min(900);
            let waits: Vec<Duration> = (0..200).map(|_| delay(failures, None, &mut dice)).collect();
            let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            assert!(*least >= Duration::from_secs(bound) / 2 && *least >= SHORTEST, "{failures}: {least:?}");
            assert!(*most <= Duration::from_secs(bound) && *most <= LONGEST, "{failures}: {most:?}");
            // The jitter fills its range.
            assert!(*most - *least > Duration::from_secs(bound) * 2 / 5, "{failures}: {least:?} to {most:?}");
        }
    }

    #[test]
    fn equal_seeds_wait_equally() {
        let waits = |seed| {
            let mut dice = ChaCha20Rng::from_seed([seed; 32]);
            (1..20).map(|failures| delay(failures, None, &mut dice)).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }

    #[test]
    fn what_the_receiver_asks_for_counts_within_the_bounds() {
        let mut dice = ChaCha20Rng::from_seed([1; 32]);
        let mut asked = |seconds| delay(1, Some(Duration::from_secs(seconds)), &mut dice);
        assert_eq!(asked(60), Duration::from_mins(1));
        assert_eq!(asked(86_400), LONGEST);
        assert!(asked(0) >= SHORTEST);
    }
}
