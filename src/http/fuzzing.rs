//! What the fuzzer asks of the parsers behind the port, and what has to be true of every answer.
//!
//! The parsers are private, so what is claimed of them stands here. `fuzz/` calls it with bytes of its own making, and
//! the test below with the seeds in `tests/seeds`, so that what the fuzzer has found stays mended. Not in the library as
//! it is used: `cfg(fuzzing)` is what cargo-fuzz sets.

mod credential;
mod header;
mod query;

pub use credential::credential;
pub use header::header;
pub use query::query;

/// Every byte as an escape: what has to be read as the same text, whatever stands in it.
pub(super) fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    fn replay(target: &str, check: fn(&[u8])) {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds").join(target);
        let mut count = 0;
        for seed in std::fs::read_dir(seeds).unwrap() {
            let seed = std::fs::read(seed.unwrap().path()).unwrap();
            // Cut anywhere it must be bearable as well.
            (0..=seed.len()).for_each(|length| check(seed.get(..length).unwrap()));
            count += 1;
        }
        assert!(count > 0, "there is no seed for {target}");
    }

    #[test]
    fn what_is_claimed_of_queries_is_true_of_every_seed() {
        replay("query", super::query);
    }

    #[test]
    fn what_is_claimed_of_credentials_is_true_of_every_seed() {
        replay("credential", super::credential);
    }

    #[test]
    fn what_is_claimed_of_headers_is_true_of_every_seed() {
        replay("header", super::header);
    }
}
