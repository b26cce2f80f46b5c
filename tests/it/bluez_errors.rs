//! What BlueZ says when it does not do what it is asked for, said by a fake `org.bluez`: each error has its name, nothing is
//! left half open, and the next attempt works. The meaning of each is the table in `src/transport/bluez/errors.rs`.

use std::time::{Duration, Instant};

use keyturner::protocol::gatt::Characteristic;
use keyturner::transport::bluez::{BluezOptions, BluezTransport};
use keyturner::transport::{Purpose, Transport, TransportErrorKind as Kind};
use serde_json::json;

use crate::support::fake_bluez::{Rig, on_fake_bluez, until};

const FAILED: &str = "org.bluez.Error.Failed";
const IN_PROGRESS: &str = "org.bluez.Error.InProgress";

fn radio() -> BluezTransport {
    BluezTransport::new(BluezOptions::default())
}

/// Connects, writes, disconnects.
async fn works(radio: &BluezTransport, rig: &Rig, after: &str) {
    let mut link =
        radio.connect(rig.address(), Purpose::Pairing).await.unwrap_or_else(|e| panic!("after {after}: {e}"));
    link.writer.write(Characteristic::PairingGdio, vec![0; 4]).await.unwrap_or_else(|e| panic!("after {after}: {e}"));
    link.writer.disconnect().await.unwrap_or_else(|e| panic!("after {after}: {e}"));
}

#[test]
fn a_connection_that_fails_has_a_name_and_the_next_one_works() {
    on_fake_bluez("bluez_errors::a_connection_that_fails_has_a_name_and_the_next_one_works", async |rig| {
        let radio = radio();
        works(&radio, &rig, "nothing").await;
        // The member, what it says, how often in a row, and what that is for us; `None` where it is tried once more by itself.
        let table = [
            ("Connect", FAILED, "le-connection-abort-by-local", 1, None),
            ("Connect", FAILED, "le-connection-abort-by-local", 2, Some(Kind::ConnectFailed)),
            ("Connect", IN_PROGRESS, "In Progress", 1, None),
            ("Connect", IN_PROGRESS, "In Progress", 2, Some(Kind::Busy)),
            ("Connect", FAILED, "br-connection-canceled", 1, Some(Kind::ConnectFailed)),
            ("Connect", FAILED, "Software caused connection abort", 1, Some(Kind::ConnectFailed)),
            ("Connect", "org.bluez.Error.NotReady", "Resource Not Ready", 1, Some(Kind::NoAdapter)),
            ("Connect", "org.bluez.Error.AlreadyConnected", "Already Connected", 1, Some(Kind::LinkLost)),
            ("Connect", "org.bluez.Error.Brandnew", "?", 1, Some(Kind::Other)),
            ("Connect", "org.freedesktop.DBus.Error.UnknownObject", "gone", 1, Some(Kind::ConnectFailed)),
            ("Connect", "org.freedesktop.DBus.Error.NoReply", "gone", 1, Some(Kind::ServiceUnavailable)),
            ("Set Trusted", "org.freedesktop.DBus.Error.AccessDenied", "Rejected", 1, Some(Kind::NotPermitted)),
            ("StartNotify", FAILED, "Not connected", 1, Some(Kind::LinkLost)),
            ("StartNotify", IN_PROGRESS, "In Progress", 1, Some(Kind::Busy)),
            // A characteristic that is not what it was: what BlueZ knows of the device is forgotten, and it is tried again.
            ("StartNotify", "org.bluez.Error.NotSupported", "Operation is not supported", 1, None),
            (
                "StartNotify",
                "org.bluez.Error.NotSupported",
                "Operation is not supported",
                2,
                Some(Kind::MissingCharacteristic),
            ),
        ];
        for (member, error, text, times, expected) in table {
            let what = format!("{times} x {member}: {error} {text}");
            rig.fail(member, error, text, times);
            let result = radio.connect(rig.address(), Purpose::Pairing).await;
            match (result, expected) {
                (Ok(link), None) => link.writer.disconnect().await.unwrap(),
                (Err(error), Some(kind)) => assert_eq!(error.kind, kind, "{what}: {error}"),
                (result, _) => panic!("{what}: {result:?}, not {expected:?}"),
            }
            works(&radio, &rig, &what).await;
        }
        // The lock hears of the end by another way than we do, and a moment later.
        until("none is left half open", Duration::from_secs(5), async || {
            rig.lock("state")["links"].as_u64() == Some(0)
        })
        .await;
    });
}

#[test]
fn what_bluez_knows_of_a_device_is_kept_until_it_is_wrong_and_then_forgotten_once() {
    on_fake_bluez(
        "bluez_errors::what_bluez_knows_of_a_device_is_kept_until_it_is_wrong_and_then_forgotten_once",
        async |rig| {
            let radio = radio();
            for _ in 0..5 {
                works(&radio, &rig, "nothing").await;
            }
            assert_eq!(rig.calls("RemoveDevice"), 0, "its table of services stays, so nothing is discovered anew");
            let connected = rig.calls("Connect");
            rig.fail("StartNotify", "org.bluez.Error.NotSupported", "Operation is not supported", 100);
            let error = radio.connect(rig.address(), Purpose::Pairing).await.unwrap_err();
            assert_eq!(error.kind, Kind::MissingCharacteristic, "{error}");
            assert_eq!((rig.calls("RemoveDevice"), rig.calls("Connect")), (1, connected + 2), "once, then once more");
        },
    );
}

#[test]
fn the_tree_of_objects_is_read_where_the_table_is_not_where_it_was() {
    on_fake_bluez("bluez_errors::the_tree_of_objects_is_read_where_the_table_is_not_where_it_was", async |rig| {
        let radio = radio();
        works(&radio, &rig, "nothing").await;
        let read = rig.calls("GetManagedObjects");
        for _ in 0..3 {
            works(&radio, &rig, "nothing").await;
        }
        assert_eq!(rig.calls("GetManagedObjects"), read, "it holds every device that BlueZ knows");
        for what in ["other handles", "other handles, in which the old ones are something else"] {
            rig.bluez(&json!({"do": "renumber"}));
            let before = rig.calls("GetManagedObjects");
            works(&radio, &rig, what).await;
            let after = rig.calls("GetManagedObjects");
            assert!(after > before, "{what}: each handle has its UUID asked for");
            works(&radio, &rig, what).await;
            assert_eq!((rig.calls("GetManagedObjects"), rig.calls("RemoveDevice")), (after, 0), "{what}");
        }
        // Services that are asked for before they are resolved.
        rig.bluez(&json!({"do": "forget_services"}));
        works(&radio, &rig, "the table was forgotten").await;
        rig.bluez(&json!({"do": "forget"}));
        works(&radio, &rig, "the device was forgotten").await;
        rig.fail("Get UUID", "org.freedesktop.DBus.Error.UnknownObject", "gone", 1);
        works(&radio, &rig, "an object that is gone").await;
    });
}

#[test]
fn a_write_that_fails_has_a_name_and_leaves_the_next_link_alone() {
    on_fake_bluez("bluez_errors::a_write_that_fails_has_a_name_and_leaves_the_next_link_alone", async |rig| {
        let radio = radio();
        let table = [
            (FAILED, "Not connected", Kind::LinkLost),
            ("org.bluez.Error.NotConnected", "Not Connected", Kind::LinkLost),
            (FAILED, "Operation failed with ATT error: 0x0e", Kind::Other),
            (IN_PROGRESS, "In Progress", Kind::Busy),
            ("org.freedesktop.DBus.Error.UnknownObject", "gone with its link", Kind::LinkLost),
        ];
        for (error, text, kind) in table {
            let mut link = radio.connect(rig.address(), Purpose::Pairing).await.unwrap();
            rig.fail("WriteValue", error, text, 1);
            let written = rig.calls("WriteValue");
            let refused = link.writer.write(Characteristic::PairingGdio, vec![0; 4]).await.unwrap_err();
            assert_eq!(refused.kind, kind, "{error} {text}: {refused}");
            assert_eq!(rig.calls("WriteValue"), written + 1, "a write is never repeated: it may have arrived");
            drop(link);
            works(&radio, &rig, text).await;
        }
    });
}

#[test]
fn a_scan_that_cannot_begin_says_why_and_the_next_one_begins() {
    on_fake_bluez("bluez_errors::a_scan_that_cannot_begin_says_why_and_the_next_one_begins", async |rig| {
        let radio = radio();
        let table = [
            // Ours from before, perhaps: begun anew on another connection.
            ("StartDiscovery", IN_PROGRESS, "Operation already in progress", 1, None),
            ("StartDiscovery", IN_PROGRESS, "Operation already in progress", 2, Some(Kind::Busy)),
            ("StartDiscovery", "org.bluez.Error.NotReady", "Resource Not Ready", 1, Some(Kind::NoAdapter)),
            ("StartDiscovery", "org.bluez.Error.NotAuthorized", "", 1, Some(Kind::NotPermitted)),
            ("StartDiscovery", FAILED, "Input/output error", 1, Some(Kind::Other)),
            ("Get Powered", "org.freedesktop.DBus.Error.ServiceUnknown", "", 1, None),
        ];
        for (member, error, text, times, expected) in table {
            let what = format!("{times} x {member}: {error} {text}");
            rig.fail(member, error, text, times);
            match (radio.scan().await, expected) {
                (Ok(_), None) => {}
                (Err(error), Some(kind)) => assert_eq!(error.kind, kind, "{what}: {error}"),
                (result, _) => panic!("{what}: {result:?}, not {expected:?}"),
            }
            let mut sightings = radio.scan().await.unwrap_or_else(|e| panic!("after {what}: {e}"));
            assert_eq!(sightings.recv().await.unwrap().address, rig.address(), "after {what}");
        }
        rig.bluez(&json!({"do": "power", "on": false}));
        // Asked on the connection at hand, and once more on a new one.
        rig.fail("Set Powered", "org.bluez.Error.Blocked", "Blocked through rfkill", 2);
        let blocked = radio.scan().await.unwrap_err();
        assert!(blocked.kind == Kind::NoAdapter && blocked.to_string().contains("rfkill"), "{blocked}");
        radio.scan().await.expect("an adapter that may be switched on is switched on");
    });
}

#[test]
fn a_call_without_an_answer_ends_by_our_own_limit() {
    on_fake_bluez("bluez_errors::a_call_without_an_answer_ends_by_our_own_limit", async |rig| {
        let radio = radio();
        // BlueZ and D-Bus would wait for 40 to 120 s.
        for (member, limit) in [("StartNotify", 5), ("Connect", 15)] {
            rig.bluez(&json!({"do": "hang", "member": member, "times": 1}));
            let began = Instant::now();
            let error = radio.connect(rig.address(), Purpose::Pairing).await.unwrap_err();
            assert_eq!(error.kind, Kind::Timeout, "{member}: {error}");
            assert!(began.elapsed() < Duration::from_secs(limit + 10), "{member}: {:?}", began.elapsed());
            works(&radio, &rig, member).await;
        }
        let mut link = radio.connect(rig.address(), Purpose::Pairing).await.unwrap();
        rig.bluez(&json!({"do": "hang", "member": "WriteValue", "times": 1}));
        let error = link.writer.write(Characteristic::PairingGdio, vec![0; 4]).await.unwrap_err();
        assert_eq!(error.kind, Kind::Timeout, "{error}");
        drop(link);
        works(&radio, &rig, "WriteValue").await;
    });
}
