//! The configuration's file and environment; called by [`fuzzing`](crate::fuzzing).

use std::path::Path;

use super::{Loaded, Sources};

/// A configuration file, under lines of `NAME=value` for the environment up to an empty line.
pub fn config(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let (environment, file) = text.split_once("\n\n").unwrap_or(("", text));
    let variables = environment.lines().filter_map(|line| line.split_once('='));
    let variables: Vec<_> = variables.map(|(name, value)| (format!("KEYTURNER_{name}"), value.to_owned())).collect();
    let sources = |variables: &[(String, String)]| {
        let pairs = variables.iter().map(|(name, value)| (name.into(), value.into()));
        Sources::new(Some(Path::new("k.toml")), pairs)
    };
    match sources(&variables).read(None, file) {
        Ok(loaded) => comes_back(&loaded),
        Err(error) => {
            let said = error.to_string();
            let lines = file.matches('\n').count() + 1;
            // Every place that is named is one of the file or a variable that was set.
            for line in said.lines().filter_map(|line| line.strip_prefix("k.toml:")) {
                let number = line.split(':').next().and_then(|number| number.parse::<usize>().ok());
                assert!(number.is_some_and(|number| (1..=lines).contains(&number)), "{line} of {lines}");
            }
            assert!(said.lines().count() >= 1, "what is wrong is said");
        }
    }
    // Without the file only the environment can be wrong.
    if let Err(error) = sources(&variables).read(None, "") {
        assert!(!variables.is_empty() && error.to_string().contains("in the environment"), "{error}");
    }
}

/// What is said to be set, written as a file, is the same configuration.
fn comes_back(loaded: &Loaded) {
    let written: Vec<String> = loaded.set.iter().map(|set| format!("{} = {}\n", set.key, set.value)).collect();
    let again = Sources::new(Some(Path::new("again.toml")), []).read(None, &written.concat());
    let again = again.map(|again| again.config).map_err(|error| error.to_string());
    assert_eq!(again.as_ref(), Ok(&loaded.config), "{written:?}");
}
