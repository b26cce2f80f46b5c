//! Single steps, with criterion: `cargo bench --bench pure`, or `cargo bench --bench pure -- decode`.
//!
//! Each asserts once that it does what its name says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../support/app.rs"]
mod app;
// The very file, because nobody outside the store may hash.
#[path = "../../src/store/chain.rs"]
#[allow(dead_code, unreachable_pub)]
mod chain;
mod door;
#[path = "../support/host.rs"]
mod host;
mod messages;
mod port;

use criterion::{Criterion, criterion_group, criterion_main};

fn hash_of_an_event(criterion: &mut Criterion) {
    use chain::{CONTENT_COLUMNS, Hasher, ORIGIN, PERSON_COLUMNS, SALT_LEN, Value, link};
    // As much as an unlocking by a phone has.
    let content = CONTENT_COLUMNS.map(|name| match name {
        "refers_to" | "kind_code" | "reason" | "presses" | "intent_id" | "detail" => (name, Value::Null),
        "kind" | "action" | "trigger" | "completion" | "state_before" | "state_after" | "auth_type" | "method"
        | "attribution" => (name, Value::Text(b"unlocked")),
        "device_time" => (name, Value::Text(b"2026-11-26T11:02:15")),
        _ => (name, Value::Integer(1_795_442_709_000)),
    });
    let person = PERSON_COLUMNS.map(|name| match name {
        "auth_id" => (name, Value::Integer(1001)),
        "auth_name" | "user_name" => (name, Value::Text(b"Somebody of the house")),
        "raw" => (name, Value::Blob(&[7; 52])),
        _ => (name, Value::Null),
    });
    let mut hasher = Hasher::default();
    let mut hash = || {
        let content = hasher.content(content.into_iter());
        let person = hasher.person(&[9; SALT_LEN], person.into_iter());
        link(&ORIGIN, &content, &person)
    };
    assert_ne!(hash(), ORIGIN);
    criterion.bench_function("store: hash of an event", |bencher| bencher.iter(&mut hash));
}

criterion_group!(
    benches,
    messages::frames,
    messages::decode,
    door::attribution,
    port::credentials,
    port::answers,
    hash_of_an_event
);
criterion_main!(benches);
