//! What the fuzzer asks of everything that reads bytes of strangers, and what has to be true of every answer.
//!
//! `fuzz/` calls a target with bytes of its own making; the tests below call it with the seeds in `tests/seeds`, so that
//! what the fuzzer has found stays mended. Not in the library as it is used: `cfg(fuzzing)` is what cargo-fuzz sets.
//! Claims about private parsers stand beside them.

mod bytes;
mod radio;
mod session;
mod simlock;

pub use radio::{beacon, frame, message};
pub use session::session;
pub use simlock::simlock;

#[cfg(feature = "daemon")]
pub use crate::config::fuzzing::config;
#[cfg(feature = "daemon")]
pub use crate::http::fuzzing::{body, credential, header, query};
#[cfg(feature = "daemon")]
pub use crate::secrets::fuzzing::{secrets, webhook};
#[cfg(feature = "daemon")]
pub use crate::transport::bluez::fuzzing::bluez;

/// A target by its name: the file in `fuzz/fuzz_targets`, the directory in `tests/seeds`.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Asks everything that is claimed of these bytes.
    pub check: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident),* $(,)?) => { [$(Target { name: stringify!($name), check: $name }),*] };
}

/// Those that need no IO crate.
pub const PURE: [Target; 5] = targets![beacon, frame, message, session, simlock];
/// The others.
#[cfg(feature = "daemon")]
pub const DAEMON: [Target; 8] = targets![bluez, body, config, credential, header, query, secrets, webhook];
/// The others.
#[cfg(not(feature = "daemon"))]
pub const DAEMON: [Target; 0] = [];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    #[cfg(feature = "daemon")]
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn root(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
    }

    #[cfg(feature = "daemon")]
    fn names(directory: &str) -> BTreeSet<String> {
        let name = |entry: fs::DirEntry| entry.path().file_stem().unwrap().to_str().unwrap().to_owned();
        fs::read_dir(root(directory)).unwrap().map(|entry| name(entry.unwrap())).collect()
    }

    /// Every seed, cut anywhere: cut it must be bearable as well.
    fn replay(targets: &[Target]) {
        for Target { name, check } in targets {
            let mut count = 0;
            for seed in fs::read_dir(root("tests/seeds").join(name)).unwrap() {
                let seed = fs::read(seed.unwrap().path()).unwrap();
                (0..=seed.len()).for_each(|length| check(seed.get(..length).unwrap()));
                count += 1;
            }
            assert!(count > 0, "there is no seed for {name}");
        }
    }

    #[test]
    fn what_is_claimed_of_the_radio_is_true_of_every_seed() {
        replay(&PURE);
    }

    #[test]
    fn what_is_claimed_of_bus_port_and_files_is_true_of_every_seed() {
        replay(&DAEMON);
    }

    /// The fuzzer's own crate needs a nightly toolchain and is built by hand: it must hold nothing that could rot.
    #[cfg(feature = "daemon")]
    #[test]
    fn every_target_is_one_call_of_the_claims_that_are_tested_here() {
        let targets: BTreeSet<String> = PURE.iter().chain(&DAEMON).map(|target| target.name.to_owned()).collect();
        assert_eq!(names("tests/seeds"), targets);
        assert_eq!(names("fuzz/fuzz_targets"), targets);
        let manifest: toml::Table = fs::read_to_string(root("fuzz/Cargo.toml")).unwrap().parse().unwrap();
        let binaries = manifest["bin"].as_array().unwrap().iter();
        assert_eq!(binaries.map(|bin| bin["name"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(), targets);
        for name in targets {
            let text = fs::read_to_string(root(&format!("fuzz/fuzz_targets/{name}.rs"))).unwrap();
            let call = format!("libfuzzer_sys::fuzz_target!(|data: &[u8]| keyturner::fuzzing::{name}(data));");
            assert_eq!(text, format!("#![no_main]\n\n{call}\n"));
        }
    }
}
