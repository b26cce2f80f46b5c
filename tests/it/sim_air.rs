//! The simulated lock on an adapter, which BlueZ serves for it: here a fake `org.bluez`, in the VM a real one
//! (`tests/vm/on_the_air`).

use std::time::{Duration, Instant};

use keyturner::cli::sim::{SimOptions, SimRadio, serve};
use keyturner::protocol::beacon::{Beacon, COMPANY_ID, Family};
use keyturner::protocol::gatt::{Characteristic, Generation, lock};
use serde_json::{Value, json};

use crate::support::fake_bluez::{NUKI_ID, Rig, ask, on_fake_bluez};

const CENTRAL: &str = "00:1A:7D:DA:71:01";
const ANOTHER: &str = "00:1A:7D:DA:71:02";
/// "Request data: public key", in plain.
const REQUEST_PUBLIC_KEY: &str = "0100030027a7";

fn options(rig: &Rig, adapter: &str) -> SimOptions {
    SimOptions { radio: SimRadio::Adapter(adapter.to_owned()), ..SimOptions::new("", rig.path("air")) }
}

/// A lock on the adapter until the process ends. It runs apart, because the test's questions block.
fn serve_apart(rig: &Rig) {
    let options = options(rig, "hci0");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(serve(options)).unwrap();
    });
}

/// Waits for what is meant to happen.
#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{what} did not happen");
        std::thread::yield_now();
    }
}

fn person(rig: &Rig, command: &str) -> Value {
    ask(&rig.path("air"), command)
}

/// What is advertised, if it is one thing.
fn advertised(rig: &Rig) -> Option<Value> {
    match rig.bluez(&json!({"do": "seen"}))["advertised"].as_array().unwrap().as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

fn beacon(rig: &Rig) -> Option<Beacon> {
    let advertised = advertised(rig)?;
    let hex = advertised["manufacturer"][COMPANY_ID.to_string()].as_str()?;
    Beacon::parse(&unhex(hex))
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn central(rig: &Rig, address: &str, on: bool) {
    rig.bluez(&json!({"do": "central", "address": address, "on": on}));
}

/// The error of a write, if it is refused.
fn write(rig: &Rig, address: &str, value: &str) -> Value {
    let characteristic = Generation::Gen1To4.uuid(Characteristic::PairingGdio).to_string();
    let order = json!({"do": "central_writes", "address": address, "characteristic": characteristic,
                       "value": value, "mtu": 23});
    rig.bluez(&order)["error"].clone()
}

#[test]
fn what_the_lock_advertises_is_on_the_air_at_once() {
    on_fake_bluez("sim_air::what_the_lock_advertises_is_on_the_air_at_once", async |rig| {
        serve_apart(&rig);
        let quiet = until("a beacon", || beacon(&rig));
        assert_eq!((quiet.nuki_id, quiet.family, quiet.state_changed), (NUKI_ID, Family::Lock, false));
        assert_eq!(advertised(&rig).unwrap()["name"], "Nuki_0A1B2C3D");
        person(&rig, "manual unlock");
        until("the bit that says: changed", || beacon(&rig).filter(|beacon| beacon.state_changed));
        person(&rig, "pairing on");
        let service = lock::PAIRING_SERVICE.to_string();
        until("pairing mode", || advertised(&rig).filter(|seen| seen["service"][&service] == "0a1b2c3d"));
        person(&rig, "pairing off");
        until("the beacon again", || beacon(&rig));
    });
}

#[test]
fn one_central_is_served_and_meanwhile_nothing_is_advertised() {
    on_fake_bluez("sim_air::one_central_is_served_and_meanwhile_nothing_is_advertised", async |rig| {
        serve_apart(&rig);
        until("a beacon", || beacon(&rig));
        let seen = rig.bluez(&json!({"do": "seen"}));
        for (service, characteristics) in Generation::Gen1To4.table() {
            assert!(seen["services"].as_array().unwrap().contains(&json!(service.to_string())), "{seen}");
            for characteristic in characteristics {
                let uuid = Generation::Gen1To4.uuid(characteristic).to_string();
                let mut flags: Vec<&str> =
                    seen["characteristics"][&uuid].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                flags.sort_unstable();
                assert_eq!(flags, ["indicate", "write"], "{uuid}");
            }
        }
        person(&rig, "pairing on");
        central(&rig, CENTRAL, true);
        until("nothing on the air", || advertised(&rig).is_none().then_some(()));
        until("the link", || (person(&rig, "state")["links"] == 1).then_some(()));

        let characteristic = Generation::Gen1To4.uuid(Characteristic::PairingGdio).to_string();
        rig.bluez(&json!({"do": "central_subscribes", "characteristic": characteristic}));
        assert_eq!(write(&rig, CENTRAL, REQUEST_PUBLIC_KEY), Value::Null);
        let pieces = until("the lock's public key", || {
            let heard = rig.bluez(&json!({"do": "central_heard"}))["indicated"].clone();
            (heard.as_array().unwrap().len() == 2).then_some(heard)
        });
        let lengths: Vec<usize> = pieces.as_array().unwrap().iter().map(|p| p.as_str().unwrap().len() / 2).collect();
        assert_eq!(lengths, [20, 16], "36 bytes in pieces that fit an MTU of 23, each after the last was confirmed");

        central(&rig, ANOTHER, true);
        until("the second central is sent away", || (rig.calls("Disconnect") == 1).then_some(()));
        assert_eq!(write(&rig, ANOTHER, REQUEST_PUBLIC_KEY), "org.bluez.Error.NotPermitted");
        assert_eq!(person(&rig, "state")["links"], 1);

        central(&rig, CENTRAL, false);
        until("the lock is on the air again", || advertised(&rig));
        assert_eq!(person(&rig, "state")["links"], 0);
    });
}

#[test]
fn an_adapter_that_cannot_be_served_on_is_explained_at_the_start() {
    on_fake_bluez("sim_air::an_adapter_that_cannot_be_served_on_is_explained_at_the_start", async |rig| {
        let said = async |adapter: &str| {
            let error = tokio::time::timeout(Duration::from_secs(30), serve(options(&rig, adapter))).await;
            format!("{:#}", error.expect("an error and no waiting").unwrap_err())
        };
        let expect = |said: String, parts: &[&str]| {
            for part in parts {
                assert!(said.contains(part), "{part:?} in {said}");
            }
        };
        expect(said("hci7").await, &["no usable Bluetooth adapter", "hci7", "plug in an adapter"]);
        rig.fail("RegisterApplication", "org.freedesktop.DBus.Error.AccessDenied", "Rejected send message", 1);
        expect(said("hci0").await, &["no permission", "Rejected send message", "group bluetooth"]);
        rig.fail("RegisterAdvertisement", "org.bluez.Error.NotPermitted", "Maximum advertisements reached", 1);
        expect(said("hci0").await, &["hci0 has no room left to advertise", "Maximum advertisements reached"]);
        rig.bluez(&json!({"do": "power", "on": false}));
        rig.fail("Set Powered", "org.bluez.Error.Blocked", "Blocked through rfkill", 1);
        expect(said("hci0").await, &["no usable Bluetooth adapter", "switching hci0 on", "rfkill"]);
        rig.bluez(&json!({"do": "power", "on": true}));
        rig.bluez(&json!({"do": "lose", "interface": "org.bluez.LEAdvertisingManager1"}));
        expect(said("hci0").await, &["no usable Bluetooth adapter", "hci0 cannot advertise", "peripheral role"]);
        rig.bluez(&json!({"do": "lose", "interface": "org.bluez.GattManager1"}));
        expect(said("hci0").await, &["too old", "GattManager1"]);
        rig.bluez(&json!({"do": "kill"}));
        expect(said("hci0").await, &["the Bluetooth service is not reachable", "systemctl status bluetooth"]);
    });
}

#[test]
fn an_adapter_that_goes_while_it_serves_is_waited_for() {
    on_fake_bluez("sim_air::an_adapter_that_goes_while_it_serves_is_waited_for", async |rig| {
        serve_apart(&rig);
        let has_radio = |rig: &Rig| person(rig, "state")["radio"] == true;
        until("a beacon", || beacon(&rig));
        let faults = [
            (json!({"do": "unplug"}), json!({"do": "plug", "name": "hci0"})),
            (json!({"do": "kill"}), json!({"do": "start"})),
        ];
        for (goes, comes) in faults {
            central(&rig, CENTRAL, true);
            until("the link", || (person(&rig, "state")["links"] == 1).then_some(()));
            rig.bluez(&goes);
            until(&format!("{goes}: the lock has no radio"), || (!has_radio(&rig)).then_some(()));
            assert_eq!(person(&rig, "state")["links"], 0, "{goes}: the link went with it");
            rig.bluez(&comes);
            until(&format!("{comes}: the lock is on the air again"), || beacon(&rig));
            assert!(has_radio(&rig));
        }
        rig.bluez(&json!({"do": "power", "on": false}));
        until("an adapter that may be switched on is switched on", || (rig.calls("Set Powered") == 1).then_some(()));
        until("the lock is on the air again", || beacon(&rig).filter(|_| has_radio(&rig)));
    });
}
