//! `docs/threat-model.md` names tests; each of them exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every word in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut files, mut tests) = (BTreeSet::new(), BTreeSet::new());
    for entry in fs::read_dir(root.join("tests/it")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            files.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
            let source = fs::read_to_string(&path).unwrap();
            let names = source.split("fn ").skip(1).map(|rest| rest.split(['(', '<']).next().unwrap().to_owned());
            tests.extend(names);
        }
    }
    let text = fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    let mut named = 0;
    // The last column, and of what stands there words that can be names of files or tests.
    for cell in text
        .lines()
        .filter(|line| line.starts_with('|'))
        .filter_map(|line| line.trim_end_matches('|').rsplit('|').next())
    {
        for word in quoted(cell).filter(|word| word.contains('_') && !word.contains('/')) {
            assert!(
                files.contains(word) || tests.contains(word),
                "docs/threat-model.md names {word}, which is no test"
            );
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}
