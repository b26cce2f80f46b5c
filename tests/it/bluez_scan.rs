//! Listening over BlueZ, whose discovery has pauses of its own (docs/bluez.md).

use std::time::{Duration, Instant};

use keyturner::transport::Transport;
use keyturner::transport::bluez::{BluezOptions, BluezTransport};

use crate::support::fake_bluez::on_fake_bluez;

/// Linux scans for so long; then bluetoothd waits five seconds.
const SCAN: Duration = Duration::from_millis(10_240);

#[test]
fn discovery_is_started_anew_before_it_would_pause() {
    on_fake_bluez("bluez_scan::discovery_is_started_anew_before_it_would_pause", async |rig| {
        let mut sightings = BluezTransport::new(BluezOptions::default()).scan().await.unwrap();
        let began = Instant::now();
        while rig.calls("StartDiscovery") < 2 {
            assert!(began.elapsed() < SCAN, "not before the pause");
            // The lock advertises three times a second.
            sightings.recv().await.expect("it is still listened to");
        }
        assert_eq!(rig.calls("StopDiscovery"), 1, "BlueZ begins anew only after an end");
        sightings.recv().await.expect("and it is heard on");
        assert_eq!(rig.calls("StartDiscovery"), 2, "once");
    });
}
