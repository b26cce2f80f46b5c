//! Each cell of the table in `docs/devices.md` is the name of a test, and that test exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use keyturner::simlock::Device;

/// Every test function in `tests/it` and `src`.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    let mut folders = vec![root.join("tests/it"), root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let mut is_test = false;
                for line in text.lines().map(str::trim) {
                    let name = line.trim_start_matches("async ").strip_prefix("fn ");
                    match name.and_then(|name| name.split('(').next()) {
                        Some(name) if is_test => {
                            found.insert(name.to_owned());
                            is_test = false;
                        }
                        Some(_) => is_test = false,
                        None => is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test"),
                    }
                }
            }
        }
    }
    found
}

/// The steps of the test in the VM.
fn steps() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vm/house");
    let text = fs::read_to_string(path).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("def ")?.strip_suffix("(house):"));
    names.map(str::to_owned).collect()
}

/// The rows of the table under a heading: its cells, marks of code cut off.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/devices.md");
    let text = fs::read_to_string(path).unwrap();
    let heading = format!("\n## {heading}\n");
    let table = text.split(&heading).nth(1).expect("the heading").split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---"));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    rows.skip(1).map(cells).collect()
}

/// Each cell of a row names what exists, or says why there is nothing.
fn check(row: &[String], width: usize, exists: &BTreeSet<String>) {
    let [what, cells @ ..] = row else { panic!("a row without cells") };
    assert_eq!(cells.len(), width, "{what}: {cells:?}");
    for cell in cells {
        assert!(!cell.is_empty(), "{what} has an empty cell");
        if let Some(reason) = cell.strip_prefix("no: ") {
            assert!(!reason.is_empty(), "{what}");
            continue;
        }
        for name in cell.split(", ") {
            assert!(exists.contains(name), "{what}: there is no {name}");
        }
    }
}

#[test]
fn every_cell_of_the_table_of_devices_is_a_test_that_exists() {
    let (tests, rows) = (tests(), rows("What is tested"));
    assert!(rows.len() >= 15, "{rows:?}");
    rows.iter().for_each(|row| check(row, 3, &tests));
}

#[test]
fn every_cell_of_the_table_of_the_vm_is_a_step_that_exists() {
    let (steps, rows) = (steps(), rows("What is tested over a real bluetoothd"));
    assert!(rows.len() >= 5, "{rows:?}");
    rows.iter().for_each(|row| check(row, 4, &steps));
}

#[test]
fn every_device_has_a_line_in_the_table_of_differences() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/devices.md");
    let text = fs::read_to_string(path).unwrap();
    for device in Device::ALL {
        assert!(text.contains(&format!("| `{}` |", device.name())), "{}", device.name());
    }
}
