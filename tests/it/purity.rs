//! The pure rooms do no IO and look at no room above them.
//!
//! Building without the feature `daemon` proves that they need no IO crate;
//! what `std` offers would still compile, hence this scan of their sources.

use std::fs;
use std::path::{Path, PathBuf};

/// A room and the rooms it may use.
const ROOMS: &[(&str, &[&str])] =
    &[("protocol", &[]), ("session", &["protocol"]), ("attribution", &["protocol"]), ("simlock", &["protocol"])];

const ALL_ROOMS: &[&str] = &[
    "access",
    "attribution",
    "cli",
    "clock",
    "config",
    "daemon",
    "delivery",
    "demo",
    "diagnostics",
    "gateway",
    "http",
    "logging",
    "metrics",
    "protocol",
    "secrets",
    "session",
    "simlock",
    "store",
    "telemetry",
    "tokens",
    "transport",
];

/// Paths that reach outside, with everything below them.
const FORBIDDEN: &[(&str, &str)] = &[
    ("tokio", "async IO"),
    ("bluer", "Bluetooth"),
    ("sqlx", "the database"),
    ("axum", "HTTP"),
    ("tracing", "logging"),
    ("getrandom", "randomness; take a seed"),
    ("rand", "randomness; take a seed"),
    ("std::fs", "the file system"),
    ("std::net", "the network"),
    ("std::thread", "threads"),
    ("std::process", "processes"),
    ("std::env", "the environment"),
    ("std::io", "IO"),
    ("std::time::Instant", "a clock; take the time as an argument"),
    ("std::time::SystemTime", "a clock; take the time as an argument"),
];

/// Names that reach outside under whatever path they were imported.
const FORBIDDEN_NAMES: &[(&str, &str)] = &[
    ("Instant", "a clock; take the time as an argument"),
    ("SystemTime", "a clock; take the time as an argument"),
    ("OsRng", "randomness; take a seed"),
    ("thread_rng", "randomness; take a seed"),
    ("getrandom", "randomness; take a seed"),
    ("println", "output"),
    ("eprintln", "output"),
    ("print", "output"),
    ("eprint", "output"),
    ("dbg", "output"),
];

#[test]
fn the_pure_rooms_reach_nothing_outside_and_nothing_above() {
    let mut violations = Vec::new();
    for (room, allowed) in ROOMS {
        let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room));
        assert!(!files.is_empty(), "no sources in src/{room}: is the room gone?");
        for file in files {
            let name = file.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
            let text = fs::read_to_string(&file).unwrap();
            violations
                .extend(scan(room, allowed, &text).into_iter().map(|(line, why)| format!("{name}:{line}: {why}")));
        }
    }
    assert!(violations.is_empty(), "the pure rooms must not do this:\n{}", violations.join("\n"));
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Line numbers and reasons.
fn scan(room: &str, allowed: &[&str], text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, path) in paths(text) {
        let below =
            |prefix: &str| path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("::"));
        if let Some((what, why)) = FORBIDDEN.iter().find(|(prefix, _)| below(prefix)) {
            found.push((line, format!("`{what}` is {why}")));
        } else if let Some((what, why)) =
            FORBIDDEN_NAMES.iter().find(|(name, _)| path.split("::").any(|part| part == *name))
        {
            found.push((line, format!("`{what}` is {why}")));
        } else if let Some(other) = path.strip_prefix("crate::").map(|rest| rest.split("::").next().unwrap_or(rest))
            && other != room
            && ALL_ROOMS.contains(&other)
            && !allowed.contains(&other)
        {
            found.push((line, format!("`{room}` may use {allowed:?} only, not `crate::{other}`")));
        }
    }
    found
}

/// Every path in the code with its line: comments and texts left out, braces of imports expanded.
fn paths(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // What stands in front of each open brace; empty for a brace that belongs to no path.
    let mut prefixes: Vec<String> = Vec::new();
    let mut path = String::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '"' {
            text_length(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else if rest.starts_with("::") {
            path.push_str("::");
            2
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            if !path.is_empty() && !path.ends_with("::") {
                path.clear();
            }
            path.push_str(&rest[..end]);
            if !rest[end..].starts_with("::") {
                let prefix = prefixes.last().map_or("", String::as_str);
                found.push((line, format!("{prefix}{path}")));
                path.clear();
            }
            end
        } else {
            match first {
                '{' => prefixes.push(if path.is_empty() {
                    String::new()
                } else {
                    format!("{}{path}", prefixes.last().map_or("", String::as_str))
                }),
                '}' => drop(prefixes.pop()),
                _ => {}
            }
            if !first.is_whitespace() {
                path.clear();
            }
            first.len_utf8()
        };
        let (done, tail) = rest.split_at(taken);
        line += done.matches('\n').count();
        rest = tail;
    }
    found
}

/// Length of a text literal, quotes included.
fn text_length(literal: &str) -> usize {
    let mut escaped = false;
    for (at, c) in literal.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    literal.len()
}

#[test]
fn the_scan_sees_through_braces_aliases_and_line_breaks() {
    let lines = |text: &str| scan("session", &["protocol"], text).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
    assert_eq!(lines("use std::time::{Duration,\n    Instant};"), [2]);
    assert_eq!(lines("use std::{\n    collections::BTreeMap,\n    fs,\n    net::{IpAddr, TcpStream},\n};"), [3, 4, 4]);
    assert_eq!(lines("fn f() { std::thread::sleep(d); }\nprintln!(\"x\");"), [1, 2]);
    assert_eq!(lines("use tokio as t;"), [1]);
    assert_eq!(lines("let rng = rand::rngs::OsRng;"), [1]);
    assert_eq!(lines("use crate::{protocol::Command, store::Store};\nuse crate::clock::Clock;"), [1, 2]);
    assert_eq!(lines("use crate::attribution::Event;"), [1], "rooms beside each other do not mix either");
}

#[test]
fn the_scan_leaves_words_alone() {
    for fine in [
        "// tokio::time::Instant is not here\nuse std::time::Duration;",
        "/// See [`tokio`].\nlet text = \"std::fs \\\" println!\";",
        "use crate::protocol::{log::LogEntry, Command};\nuse crate::session::Timers;",
        "let print_width = 3; let instant = 4; struct InstantLike;",
        "write!(f, \"{}\", x)?; use core::fmt;",
    ] {
        assert_eq!(scan("session", &["protocol"], fine), [], "{fine}");
    }
}
