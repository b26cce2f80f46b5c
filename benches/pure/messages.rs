//! What a message of the lock costs.

use std::hint::black_box;

use criterion::Criterion;
use keyturner::protocol::Command;
use keyturner::protocol::crypto::{PublicKey, SecretKey, SharedKey};
use keyturner::protocol::frame::{self, Message, Reassembler};
use keyturner::protocol::reply::Reply;
use serde_json::Value;

const NONCE: [u8; 24] = [5; 24];
const AUTH_ID: u32 = 7;

fn key() -> SharedKey {
    let (own, peer) = (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]));
    SharedKey::agree(&own, &peer.public_key())
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Name, command and payload of each layout that is known.
fn payloads() -> Vec<(String, Message)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/ble.json");
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let vectors = file.as_array().or_else(|| file["vectors"].as_array()).expect("vectors");
    let decoded = vectors.iter().filter(|vector| vector["kind"] == "payload_decode");
    decoded
        .map(|vector| {
            let command = u16::from_str_radix(vector["inputs"]["command"].as_str().unwrap(), 16).unwrap();
            let payload = hex(vector["inputs"]["payload"].as_str().unwrap());
            (vector["name"].as_str().unwrap().to_owned(), Message::new(Command::from_id(command), payload))
        })
        .collect()
}

/// Encrypting, decrypting, and putting pieces together.
pub(crate) fn frames(criterion: &mut Criterion) {
    let key = key();
    // As long as a lock action with its suffix, and as a state.
    let action = Message::new(Command::LockAction, vec![3; 58]);
    let state = Message::new(Command::KeyturnerStates, vec![3; 21]);
    let sealed = frame::encode_encrypted(&key, &NONCE, AUTH_ID, &state);
    assert_eq!(frame::decode_encrypted(&key, &sealed).unwrap(), (AUTH_ID, state));
    let mut group = criterion.benchmark_group("frame");
    group.bench_function("agree on a key", |bencher| {
        let (own, peer): (SecretKey, PublicKey) =
            (SecretKey::from_bytes([1; 32]), SecretKey::from_bytes([2; 32]).public_key());
        bencher.iter(|| SharedKey::agree(&own, &peer));
    });
    group.bench_function("seal an action", |bencher| {
        bencher.iter(|| frame::encode_encrypted(&key, &NONCE, AUTH_ID, black_box(&action)));
    });
    group.bench_function("open a state", |bencher| bencher.iter(|| frame::decode_encrypted(&key, black_box(&sealed))));
    group.bench_function("reassemble a state from pieces of 20 bytes", |bencher| {
        bencher.iter(|| {
            let mut reassembler = Reassembler::new(frame::Framing::Encrypted);
            sealed.chunks(20).for_each(|piece| reassembler.push(piece));
            assert!(reassembler.next_frame().unwrap().is_some());
        });
    });
    group.finish();
}

/// Every layout of the vectors.
pub(crate) fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (name, message) in payloads() {
        let is_opener = name.contains("opener");
        assert!(!matches!(Reply::decode(message.clone(), is_opener).unwrap(), Reply::Other(_)), "{name}");
        group.bench_function(&name, |bencher| {
            let copies = || message.clone();
            bencher.iter_batched(copies, |message| Reply::decode(message, is_opener), criterion::BatchSize::SmallInput);
        });
    }
    group.finish();
}
