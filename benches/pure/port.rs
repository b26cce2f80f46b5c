//! What a request costs without its socket.

use criterion::{BatchSize, Criterion};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use keyturner::clock::UnixMillis;
use keyturner::gateway::LockSnapshot;
use keyturner::http::bridge::wire::callback_body;
use keyturner::http::{Authenticator, DEFAULT_WINDOW, Params, Token, router};
use keyturner::protocol::LockState;
use keyturner::protocol::state::KeyturnerStates;
use keyturner::store::Store;
use sha2::{Digest, Sha256};

use crate::app;
use crate::host::TOKEN;

/// 2024-04-06T06:02:15Z, and as clients send it.
const NOW: UnixMillis = UnixMillis(1_712_383_335_000);
const TS: &str = "2024-04-06T06:02:15Z";

fn authenticator() -> Authenticator {
    Authenticator::new(vec![Token::new("bench", TOKEN).unwrap()], DEFAULT_WINDOW, UnixMillis(0))
}

pub(crate) fn credentials(criterion: &mut Criterion) {
    let hash: String = Sha256::digest(format!("{TS},4711,{TOKEN}")).iter().map(|byte| format!("{byte:02x}")).collect();
    let queries =
        [("a plain token", format!("token={TOKEN}")), ("a hashed token", format!("ts={TS}&rnr=4711&hash={hash}"))];
    let mut group = criterion.benchmark_group("credential");
    for (name, query) in queries {
        assert!(authenticator().check(&Params::parse(&query), NOW).is_ok(), "{name}");
        // What counts once needs a memory that has not seen it.
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                authenticator,
                |auth| auth.check(&Params::parse(&query), NOW),
                BatchSize::SmallInput,
            );
        });
    }
    let wrong = Params::parse("token=guess");
    let mut auth = authenticator();
    assert!(auth.check(&wrong, NOW).is_err());
    group.bench_function("a wrong token", |bencher| bencher.iter(|| auth.check(&wrong, NOW)));
    group.finish();
}

fn states() -> KeyturnerStates {
    let bytes = [2, 1, 0, 0xE9, 7, 1, 0x1F, 0x17, 0x3B, 0x3A, 0x3C, 0, 0xA8, 5, 0, 2, 0, 0, 3, 1, 13];
    KeyturnerStates { lock_state: LockState::Unlocked, ..KeyturnerStates::decode(&bytes).unwrap() }
}

fn lock(nuki_id: u32) -> LockSnapshot {
    LockSnapshot {
        nuki_id,
        name: format!("Door {nuki_id}"),
        device_type: 4,
        firmware_version: Some("4.2.6".to_owned()),
        state: Some((states(), NOW)),
        has_keypad: true,
        auto_unlatch: Some(false),
        last_ring: None,
        rssi: Some(-61),
        last_seen: Some(NOW),
    }
}

/// Routing, the token, and the answer's text; four locks.
pub(crate) fn answers(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = runtime.block_on(Store::open(&dir.path().join("keyturner.db"))).unwrap();
    let service = TowerToHyperService::new(router(app::state(store.clone(), (1..=4).map(lock).collect())));
    let request = || {
        let uri = format!("/list?token={TOKEN}");
        axum::http::Request::get(uri).header("host", "localhost").body(axum::body::Body::empty()).unwrap()
    };
    let answer = runtime.block_on(service.call(request())).unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    let mut group = criterion.benchmark_group("http");
    group.bench_function("/list of four locks, without a socket", |bencher| {
        bencher.iter_batched(request, |request| runtime.block_on(service.call(request)), BatchSize::SmallInput);
    });
    let front = lock(1);
    group.bench_function("body of a callback", |bencher| {
        bencher.iter(|| callback_body(&front, &states(), None, NOW));
    });
    group.finish();
    runtime.block_on(store.close());
}
