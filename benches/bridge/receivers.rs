//! How long a body takes from the event log to a good receiver, alone and beside bad ones.

use std::time::{Duration, Instant};

use keyturner::clock::{Clock, UnixMillis};
use keyturner::delivery::{self, HttpPost, Waker};
use keyturner::pulse::Pulses;
use keyturner::store::{AddCallback, Batch, LockRow, Store};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::client::Load;

const LOCK: u32 = 0x0A1B_2C3D;
const BEGIN: UnixMillis = UnixMillis(1_795_442_400_000);
/// Between two bodies.
const PAUSE: Duration = Duration::from_millis(20);

/// Prints both, and by how much the bad ones delay the good one.
pub(crate) async fn measure(seconds: u64) {
    let bodies = seconds * 40;
    let alone = told(bodies, false).await;
    let beside = told(bodies, true).await;
    println!("callbacks to a good receiver, {bodies} each, from the commit to its arrival");
    for (name, load) in [("alone", &alone), ("beside a mute and a dead one", &beside)] {
        let [p50, p99, max] = [50, 99, 100].map(|percent| load.percentile(percent));
        println!("{name:<30} p50 {p50:>9.3?}   p99 {p99:>9.3?}   max {max:>9.3?}");
    }
    for percent in [50, 99] {
        let later = beside.percentile(percent).saturating_sub(alone.percentile(percent));
        println!("p{percent}: {later:.3?} later than alone");
    }
}

async fn told(bodies: u64, has_bad_ones: bool) -> Load {
    let files = TempDir::new().unwrap();
    let store = Store::open(&files.path().join("keyturner.db")).await.unwrap();
    let lock = LockRow {
        nuki_id: LOCK,
        name: "Front door".to_owned(),
        device_type: 4,
        firmware_version: None,
        has_keypad: true,
        paired_at: BEGIN,
    };
    store.register_lock(&lock).await.unwrap();
    // The bad ones first, so that nothing depends on the order.
    if has_bad_ones {
        let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
        register(&store, mute.local_addr().unwrap().port()).await;
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = mute.accept().await {
                held.push(stream);
            }
        });
        // Bound and dropped: nobody listens there now.
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        register(&store, dead).await;
    }
    let (good, mut arrivals) = good_receiver().await;
    register(&store, good).await;
    let (waker, clock) = (Waker::new(), Clock::system());
    let _workers = delivery::start(&store, &HttpPost::default(), clock, &waker, &Pulses::default());
    let began = Instant::now();
    let mut times = Vec::new();
    for n in 0..bodies {
        let body = format!("{{\"deviceType\": 4, \"nukiId\": {LOCK}, \"state\": 3, \"n\": {n}}}");
        let batch = Batch {
            nuki_id: LOCK,
            observed_at: clock.wall(),
            clock: None,
            observations: Vec::new(),
            events: Vec::new(),
            cursor: None,
            callback_bodies: vec![body.clone().into()],
        };
        store.commit(&batch).await.unwrap();
        let committed = Instant::now();
        waker.wake();
        let (arrived, what) = arrivals.recv().await.unwrap();
        assert!(what.ends_with(&body), "{what}");
        times.push(arrived.saturating_duration_since(committed));
        tokio::time::sleep(PAUSE).await;
    }
    Load::new(times, began.elapsed())
}

async fn register(store: &Store, port: u16) {
    let added = store.add_callback(&format!("http://127.0.0.1:{port}/"), BEGIN).await.unwrap();
    assert!(matches!(added, AddCallback::Added(_)));
}

async fn good_receiver() -> (u16, mpsc::UnboundedReceiver<(Instant, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, arrivals) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut packet = vec![0; 4096];
            let length = stream.read(&mut packet).await.unwrap();
            packet.truncate(length);
            tell.send((Instant::now(), String::from_utf8(packet).unwrap())).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        }
    });
    (port, arrivals)
}
