//! Frozen answers.

use std::fs;
use std::path::{Path, PathBuf};

/// What is frozen in a file of `tests/golden`, nothing if there is none; `KEYTURNER_BLESS=1` freezes `now` first.
pub(crate) fn golden(name: &str, now: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("KEYTURNER_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, now).unwrap();
    }
    fs::read_to_string(&path).unwrap_or_default()
}
